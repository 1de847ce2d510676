//! `LIFEBOAT_*`: the variables that set settings.

use crate::document;
use crate::environment::Environment;
use crate::nearest::nearest;
use crate::node::{Node, Raw, TableBuilder};
use crate::problem::{Place, Problem, What};
use crate::schema::{self, Kind};

const PREFIX: &str = "LIFEBOAT_";

/// Variables with names of their own, and what they set.
const SHORT: &[(&str, &[&str])] = &[
    ("LIFEBOAT_KEY", &["encryption", "key"]),
    ("LIFEBOAT_KEY_FILE", &["encryption", "key_file"]),
    ("LIFEBOAT_KEY_COMMAND", &["encryption", "key_command"]),
    ("LIFEBOAT_PASSPHRASE", &["encryption", "passphrase"]),
    ("LIFEBOAT_PASSPHRASE_FILE", &["encryption", "passphrase_file"]),
    ("LIFEBOAT_PASSPHRASE_COMMAND", &["encryption", "passphrase_command"]),
];

/// Variables that are read elsewhere.
const OTHERS: &[&str] = &[
    "LIFEBOAT_CONFIG",
    "LIFEBOAT_CONFIG_SECTION",
    "LIFEBOAT_ENV_FILE_READ_BY",
    "LIFEBOAT_LOG",
    "LIFEBOAT_LOG_FORMAT",
    "LIFEBOAT_NEW_KEY",
    "LIFEBOAT_NEW_KEY_FILE",
    "LIFEBOAT_NEW_KEY_COMMAND",
    "LIFEBOAT_NEW_PASSPHRASE",
    "LIFEBOAT_NEW_PASSPHRASE_FILE",
    "LIFEBOAT_NEW_PASSPHRASE_COMMAND",
];

/// What commands of the user are told in: hooks, and those that get messages. They
/// may run `lifeboat` in turn.
const FOR_COMMANDS: &[&str] = &["LIFEBOAT_HOOK", "LIFEBOAT_MESSAGE"];

fn is_for_commands(variable: &str) -> bool {
    let rest = FOR_COMMANDS.iter().find_map(|prefix| variable.strip_prefix(prefix));
    rest.is_some_and(|rest| rest.is_empty() || (rest.starts_with('_') && !rest.starts_with("__")))
}

const REPOSITORY_FILE: &str = "LIFEBOAT_REPOSITORY_FILE";

/// The settings that the environment makes.
pub(crate) fn layer(environment: &Environment, problems: &mut Vec<Problem>) -> Node {
    let mut table = TableBuilder::default();
    for (name, value) in environment.variables() {
        if !name.starts_with(PREFIX) || OTHERS.contains(&name) || is_for_commands(name) {
            continue;
        }
        let place = Place::variable(name);
        let node = if name == REPOSITORY_FILE {
            repository_from_file(value, &place, environment).map(|node| (vec!["repository"], node))
        } else {
            set(name, value, &place)
        };
        match node {
            Ok((names, node)) if !names.is_empty() => table.put_at(&names, node),
            Ok(_) => {}
            Err(problem) => problems.push(problem),
        }
    }
    if environment.get("LIFEBOAT_REPOSITORY").is_some()
        && environment.get(REPOSITORY_FILE).is_some()
    {
        problems.push(Problem {
            place: Place::variable(REPOSITORY_FILE),
            what: What::Contradiction(
                "LIFEBOAT_REPOSITORY is set as well; unset one: it is not clear which is meant"
                    .into(),
            ),
        });
    }
    for name in environment.not_text().filter(|name| name.starts_with(PREFIX)) {
        if is_for_commands(name) {
            continue;
        }
        let is_key = SHORT.iter().any(|(short, _)| *short == name);
        let why = "the value is not text".to_owned();
        let what = if is_key { What::Key(why) } else { What::Contradiction(why) };
        problems.push(Problem { place: Place::variable(name), what });
    }
    table.build(&Place::Default)
}

/// What a variable sets. No names at all where it is none of ours.
fn set(variable: &str, value: &str, place: &Place) -> Result<(Vec<&'static str>, Node), Problem> {
    let loose = || Node::new(place, Raw::Loose(value.to_owned()));
    if let Some((_, names)) = SHORT.iter().find(|(short, _)| *short == variable) {
        return Ok((names.to_vec(), loose()));
    }
    let Some(names) = names_of(variable) else {
        return match suggestion(variable) {
            None if !variable.contains("__") => Ok((vec![], loose())),
            nearest => Err(Problem {
                place: place.clone(),
                what: What::Unknown { key: variable.to_owned(), nearest },
            }),
        };
    };
    let kind = schema::find(&names).map(|key| &key.kind);
    let is_list_in_brackets = value.trim_start().starts_with('[');
    let node = match kind {
        Some(Kind::Tables(_) | Kind::Pairs) => document::parse_value(value, place)?,
        Some(Kind::Texts | Kind::Words(_)) if is_list_in_brackets => {
            document::parse_value(value, place)?
        }
        _ => loose(),
    };
    Ok((names, node))
}

fn variable_of(names: &[&str]) -> String {
    format!("{PREFIX}{}", names.join("__").to_ascii_uppercase())
}

fn names_of(variable: &str) -> Option<Vec<&'static str>> {
    schema::single().into_iter().find(|names| variable_of(names) == variable)
}

/// The variable that was probably meant. Programs that run others, such as
/// Kubernetes, set variables with the name of a service before them: what is far
/// from everything known is theirs.
fn suggestion(variable: &str) -> Option<String> {
    let known: Vec<String> = schema::single()
        .iter()
        .map(|names| variable_of(names))
        .chain(SHORT.iter().map(|(name, _)| (*name).to_owned()))
        .chain(OTHERS.iter().map(|name| (*name).to_owned()))
        .chain([REPOSITORY_FILE.to_owned()])
        .collect();
    // Without what they all begin with, which would make everything near.
    let rest = |name: &str| name[PREFIX.len()..].to_owned();
    let known: Vec<String> = known.iter().map(|name| rest(name)).collect();
    nearest(&rest(variable), known.iter().map(String::as_str)).map(|name| format!("{PREFIX}{name}"))
}

fn repository_from_file(
    path: &str,
    place: &Place,
    environment: &Environment,
) -> Result<Node, Problem> {
    let refuse = |why: String| Problem {
        place: place.clone(),
        what: What::Unreadable { why: format!("{path}: {why}") },
    };
    let text = std::fs::read_to_string(environment.directory().join(path))
        .map_err(|error| refuse(error.to_string()))?;
    match text.trim() {
        "" => Err(refuse("there is nothing in it".into())),
        text => Ok(Node::text(place, text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let check = |variable: &str, expected: &[&str]| {
            assert_eq!(names_of(variable).unwrap_or_default(), expected, "{variable}");
        };
        check("LIFEBOAT_REPOSITORY", &["repository"]);
        check("LIFEBOAT_RETENTION__KEEP_DAILY", &["retention", "keep_daily"]);
        check("LIFEBOAT_DATABASE", &["database"]);
        check("LIFEBOAT_RETENTION", &[]);
        check("LIFEBOAT_DATABASE__0__PATH", &[]);
    }

    #[test]
    fn what_was_probably_meant() {
        let check = |variable: &str, expected: Option<&str>| {
            assert_eq!(suggestion(variable).as_deref(), expected, "{variable}");
        };
        check("LIFEBOAT_REPOSITRY", Some("LIFEBOAT_REPOSITORY"));
        check("LIFEBOAT_RETENTION__KEEP_DIALY", Some("LIFEBOAT_RETENTION__KEEP_DAILY"));
        check("LIFEBOAT_KEYFILE", Some("LIFEBOAT_KEY_FILE"));
        // What Kubernetes sets where a service is called lifeboat.
        for theirs in
            ["PORT", "SERVICE_HOST", "SERVICE_PORT", "PORT_8080_TCP", "PORT_8080_TCP_ADDR"]
        {
            check(&format!("LIFEBOAT_{theirs}"), None);
        }
    }
}
