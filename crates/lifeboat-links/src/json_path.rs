//! The part of JSONPath (RFC 9535) that names values by their place: members,
//! positions and "all of them".

use serde_json::Value;

/// A place in a JSON text, such as `$.file.key` or `$[*].key`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonPath(Vec<Step>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Member(String),
    At(usize),
    All,
}

impl JsonPath {
    /// Understands a path; nothing if it is none, or more than is known here.
    pub fn parse(text: &str) -> Option<Self> {
        let mut rest = text.strip_prefix('$')?;
        let mut steps = Vec::new();
        while !rest.is_empty() {
            if let Some(after) = rest.strip_prefix("[*]").or_else(|| rest.strip_prefix(".*")) {
                steps.push(Step::All);
                rest = after;
            } else if let Some(after) = rest.strip_prefix('.') {
                let end = after.find(['.', '[']).unwrap_or(after.len());
                let name = &after[..end];
                if name.is_empty() || name.contains(|c: char| "]'\"*$@?() ".contains(c)) {
                    return None;
                }
                steps.push(Step::Member(name.to_owned()));
                rest = &after[end..];
            } else {
                let inner = rest.strip_prefix('[')?;
                let quoted = inner.strip_prefix('"').map(|inner| (inner, "\"]"));
                let quoted = quoted.or_else(|| Some((inner.strip_prefix('\'')?, "']")));
                let (step, after) = match quoted {
                    Some((inner, end)) => {
                        let (name, after) = inner.split_once(end)?;
                        (Step::Member(name.to_owned()), after)
                    }
                    None => {
                        let (number, after) = inner.split_once(']')?;
                        (Step::At(number.parse().ok()?), after)
                    }
                };
                steps.push(step);
                rest = after;
            }
        }
        Some(Self(steps))
    }

    /// Whether it can name several values.
    pub fn is_several(&self) -> bool {
        self.0.contains(&Step::All)
    }

    /// The values there.
    pub(crate) fn find<'v>(&self, value: &'v Value) -> Vec<&'v Value> {
        let mut found = vec![value];
        for step in &self.0 {
            found = found
                .into_iter()
                .flat_map(|value| -> Vec<&'v Value> {
                    match (step, value) {
                        (Step::Member(name), Value::Object(all)) => {
                            all.get(name).into_iter().collect()
                        }
                        (Step::At(at), Value::Array(all)) => all.get(*at).into_iter().collect(),
                        (Step::All, Value::Array(all)) => all.iter().collect(),
                        (Step::All, Value::Object(all)) => all.values().collect(),
                        _ => Vec::new(),
                    }
                })
                .collect();
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_found() {
        let value = serde_json::json!({
            "file": { "key": "a", "a.b": "dotted" }, "all": [{ "k": "x" }, { "k": "y" }, 7],
        });
        let check = |path: &str, expected: &[&str]| {
            let path = JsonPath::parse(path).expect("a path");
            let found: Vec<_> = path.find(&value).iter().filter_map(|v| v.as_str()).collect();
            assert_eq!(found, expected, "{path:?}");
        };
        check("$.file.key", &["a"]);
        check("$['file'][\"key\"]", &["a"]);
        check("$.file['a.b']", &["dotted"]);
        check("$.all[*].k", &["x", "y"]);
        check("$.all[1].k", &["y"]);
        check("$.all[9].k", &[]);
        check("$.file.*", &["dotted", "a"]);
        check("$.none", &[]);
        for bad in ["", "a", "$.", "$..a", "$[", "$[a]", "$[?(@.a)]", "$.a b", "$['a"] {
            assert_eq!(JsonPath::parse(bad), None, "{bad}");
        }
    }
}
