//! From what stands in a column to the key of an object, and back.

use lifeboat_remote::is_plain_key;

use crate::json_path::JsonPath;

/// How a column names objects.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Form {
    /// What the column leaves out at the beginning of each key.
    pub prefix: String,
    /// What it leaves out at the end.
    pub suffix: String,
    /// The column holds URLs below one of these. Others point elsewhere; what is
    /// no URL at all is a key.
    pub bases: Vec<String>,
    /// The column holds JSON, and this is where in it.
    pub json: Option<JsonPath>,
    /// The column holds placements, as `lifeboat object` prints them: JSON with
    /// `key`, `provider` and `size`.
    pub placement: bool,
}

/// What a value of a column turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Named {
    /// The key of an object, and what a placement says besides.
    Key { key: String, provider: Option<String>, size: Option<u64> },
    /// Something that lies elsewhere.
    Elsewhere,
    /// Nothing that could be a key, and why.
    Unusable(&'static str),
}

impl Form {
    /// What a value names; a JSON text may name several objects, or none.
    pub(crate) fn read(&self, text: &str) -> Vec<Named> {
        if !self.placement && self.json.is_none() {
            return vec![self.one(text, None, None)];
        }
        let Ok(value) = serde_json::from_str::<serde_json::Value>(text) else {
            return vec![Named::Unusable("it is no JSON")];
        };
        if self.placement {
            let Some(key) = value.get("key").and_then(|key| key.as_str()) else {
                return vec![Named::Unusable("it is no placement: there is no key in it")];
            };
            let provider = value.get("provider").and_then(|name| name.as_str());
            let size = value.get("size").and_then(serde_json::Value::as_u64);
            return vec![self.one(key, Some(provider.unwrap_or_default()), size)];
        }
        let path = self.json.as_ref().expect("one of both, as was looked at above");
        let found = path.find(&value).into_iter().filter(|value| !value.is_null());
        found
            .filter(|value| value.as_str() != Some(""))
            .map(|value| match value.as_str() {
                Some(text) => self.one(text, None, None),
                None => Named::Unusable("what stands there in the JSON is no text"),
            })
            .collect()
    }

    fn one(&self, text: &str, provider: Option<&str>, size: Option<u64>) -> Named {
        let own = match self.below_base(text) {
            Below::Here(rest) => match decode(rest) {
                Some(key) => key,
                None => return Named::Unusable("it is a URL that is encoded wrongly"),
            },
            Below::Elsewhere => return Named::Elsewhere,
            Below::NoUrl => text.to_owned(),
        };
        let own = if self.prefix.is_empty() { own.trim_start_matches('/') } else { &own };
        let key = format!("{}{own}{}", self.prefix, self.suffix);
        if own.is_empty() || !is_plain_key(&key) {
            // Asked for, it would be looked for under another key, and be missing.
            return Named::Unusable("stores take no such key: names between single slashes");
        }
        Named::Key { key, provider: provider.map(ToOwned::to_owned), size }
    }

    fn below_base<'t>(&self, text: &'t str) -> Below<'t> {
        if self.bases.is_empty() {
            return Below::NoUrl;
        }
        for base in &self.bases {
            let base = base.trim_end_matches('/');
            let rest = text.strip_prefix(base).and_then(|rest| rest.strip_prefix('/'));
            if let Some(rest) = rest {
                return Below::Here(&rest[..rest.find(['?', '#']).unwrap_or(rest.len())]);
            }
        }
        let scheme = text.split_once("://").map(|(scheme, _)| scheme);
        let is_url = scheme.is_some_and(|scheme| {
            !scheme.is_empty()
                && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
        });
        if is_url || text.starts_with("//") || text.starts_with("data:") {
            Below::Elsewhere
        } else {
            Below::NoUrl
        }
    }

    /// What the column would hold for a key whose own part is `own`, and that key.
    /// `own` has plain characters alone.
    pub(crate) fn write(&self, own: &str) -> (String, String) {
        let key = format!("{}{own}{}", self.prefix, self.suffix);
        let text = match self.bases.first() {
            Some(base) => format!("{}/{own}", base.trim_end_matches('/')),
            None => own.to_owned(),
        };
        let text = match self.placement {
            true => serde_json::json!({ "key": text, "provider": null }).to_string(),
            false => text,
        };
        (text, key)
    }
}

enum Below<'t> {
    Here(&'t str),
    Elsewhere,
    NoUrl,
}

/// A percent-encoded path as it is meant.
fn decode(text: &str) -> Option<String> {
    let digit = |byte: Option<&u8>| char::from(*byte?).to_digit(16);
    let (bytes, mut out, mut at) = (text.as_bytes(), Vec::with_capacity(text.len()), 0);
    while let Some(&byte) = bytes.get(at) {
        if byte == b'%' {
            let value = digit(bytes.get(at + 1))? * 16 + digit(bytes.get(at + 2))?;
            out.push(u8::try_from(value).ok()?);
            at += 3;
        } else {
            out.push(byte);
            at += 1;
        }
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(form: &Form, text: &str) -> Vec<String> {
        let named = form.read(text).into_iter();
        named
            .map(|named| match named {
                Named::Key { key, .. } => key,
                Named::Elsewhere => "elsewhere".into(),
                Named::Unusable(_) => "unusable".into(),
            })
            .collect()
    }

    #[test]
    fn plain_keys() {
        let check = |text: &str, key: &str| assert_eq!(keys(&Form::default(), text), [key]);
        check("a/b c.jpg", "a/b c.jpg");
        check("/a/b.jpg", "a/b.jpg");
        check("ü/%41.jpg", "ü/%41.jpg");
        for bad in ["a//b", "a/../b", "./a", "a/", "/", "a\nb"] {
            check(bad, "unusable");
        }
        let form = Form { prefix: "full/".into(), suffix: ".jpg".into(), ..Form::default() };
        assert_eq!(keys(&form, "17"), ["full/17.jpg"]);
    }

    #[test]
    fn urls() {
        let bases = vec!["https://media.example.org/uploads/".into(), "s3://media".into()];
        let form = Form { bases, ..Form::default() };
        let check = |text: &str, key: &str| assert_eq!(keys(&form, text), [key], "{text}");
        check("https://media.example.org/uploads/a%20b.jpg?v=2#top", "a b.jpg");
        check("s3://media/uploads/1.jpg", "uploads/1.jpg");
        check("https://media.example.org/uploads/%C3%BC", "ü");
        check("https://media.example.org/uploads/%C3", "unusable");
        check("https://media.example.org/uploads/%zz", "unusable");
        // Another place, also one whose name begins alike.
        check("https://media.example.org/uploads2/a.jpg", "elsewhere");
        check("https://gravatar.example/0f3c", "elsewhere");
        check("data:image/png;base64,xyz", "elsewhere");
        check("old/plain.jpg", "old/plain.jpg");
    }

    #[test]
    fn json_and_placements() {
        let json = JsonPath::parse("$[*].key");
        let form = Form { json, ..Form::default() };
        assert_eq!(
            keys(&form, r#"[{"key":"a"},{"key":"b"},{"other":1},{"key":null}]"#),
            ["a", "b"]
        );
        assert_eq!(keys(&form, r#"[{"key":7}]"#), ["unusable"]);
        assert_eq!(keys(&form, "a.jpg"), ["unusable"]);
        let form = Form { placement: true, ..Form::default() };
        let named = form.read(r#"{"key":"a.jpg","provider":"local","size":7}"#);
        let key = Named::Key { key: "a.jpg".into(), provider: Some("local".into()), size: Some(7) };
        assert_eq!(named, [key]);
        assert_eq!(keys(&form, r#"{"kye":"a.jpg"}"#), ["unusable"]);
    }

    #[test]
    fn what_is_written_is_read_back() {
        let bases = vec!["https://m.example/u".to_owned()];
        for form in [
            Form::default(),
            Form { prefix: "p/".into(), suffix: ".txt".into(), ..Form::default() },
            Form { bases, ..Form::default() },
            Form { placement: true, ..Form::default() },
        ] {
            let (text, key) = form.write("lifeboat-test-1");
            assert_eq!(keys(&form, &text), [key]);
        }
    }
}
