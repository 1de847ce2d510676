//! `${VAR}` and `${VAR:-default}` in the texts of a file.

use crate::env_file::is_name;
use crate::environment::Environment;
use crate::node::{Node, Raw};
use crate::problem::{Problem, What};

/// Replaces them everywhere below a node, and collects what is wrong.
pub(crate) fn everywhere(
    node: &mut Node,
    key: &str,
    environment: &Environment,
    problems: &mut Vec<Problem>,
) {
    match &mut node.value {
        Raw::Table(entries) => {
            for (name, below) in entries {
                let key = if key.is_empty() { name.clone() } else { format!("{key}.{name}") };
                everywhere(below, &key, environment, problems);
            }
        }
        Raw::List(nodes) => {
            nodes.iter_mut().for_each(|node| everywhere(node, key, environment, problems));
        }
        Raw::Text(text) if text.contains("${") => match one(text, key, environment) {
            Ok(text) => node.value = Raw::Loose(text),
            Err(what) => problems.push(Problem { place: node.place.clone(), what }),
        },
        _ => {}
    }
}

fn one(text: &str, key: &str, environment: &Environment) -> Result<String, What> {
    let mut done = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        if rest[..at].ends_with('$') {
            done.push_str(&rest[..at]);
            done.push('{');
            rest = &rest[at + 2..];
            continue;
        }
        done.push_str(&rest[..at]);
        let broken = || What::Substitution { key: key.to_owned() };
        let inside = &rest[at + 2..];
        let end = inside.find('}').ok_or_else(broken)?;
        let (name, default) = match inside[..end].split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (&inside[..end], None),
        };
        if !is_name(name) {
            return Err(broken());
        }
        match environment.get(name).or(default) {
            Some(value) => done.push_str(value),
            None => return Err(What::Unset { key: key.to_owned(), name: name.to_owned() }),
        }
        rest = &inside[end + 1..];
    }
    done.push_str(rest);
    Ok(done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_replaced() {
        let environment = Environment::default().with("A", "one").with("EMPTY", "");
        let check = |text: &str, expected: Result<&str, &str>| {
            let done = one(text, "k", &environment).map_err(|error| error.to_string());
            assert_eq!(done.as_deref().map_err(String::as_str), expected, "{text}");
        };
        check("x${A}y${A}", Ok("xoneyone"));
        check("${NO:-two}/${A:-three}", Ok("two/one"));
        check("${EMPTY:-filled}", Ok("filled"));
        check("${NO:-}", Ok(""));
        check("$${A} $A $", Ok("${A} $A $"));
        check("${NO}", Err("${NO} in k is not set"));
        check("${EMPTY}", Err("${EMPTY} in k is not set"));
        for broken in ["${A", "${}", "${A-b}", "${ A }"] {
            let error = one(broken, "k", &environment).expect_err(broken);
            assert!(matches!(error, What::Substitution { .. }), "{broken}: {error}");
        }
    }
}
