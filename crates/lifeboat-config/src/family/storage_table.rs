//! `[storage.backup]` and `[cloudflare]` in the file of a program.

use super::{Derived, below, credentials, environment_key};
use crate::check::check;
use crate::environment::Environment;
use crate::node::{Node, Raw, TableBuilder};
use crate::problem::{Place, Problem, What};
use crate::schema::{CLOUDFLARE, STORAGE_BACKUP};
use crate::units;

/// What the programs that had this table did where it says nothing.
const DEFAULT_INTERVAL: i64 = 86_400;
const DEFAULT_COUNT: i64 = 7;

pub(super) fn derive(
    table: &Node,
    cloudflare: Option<&Node>,
    environment: &Environment,
    problems: &mut Vec<Problem>,
) -> Derived {
    let before = problems.len();
    // Strict inside: what is not known here is a typing mistake.
    for (node, keys, section) in
        [(Some(table), STORAGE_BACKUP, "storage.backup."), (cloudflare, CLOUDFLARE, "cloudflare.")]
    {
        let found = node.map(|node| check(node, keys, None).problems).unwrap_or_default();
        problems.extend(found.into_iter().map(|problem| within(section, problem)));
    }
    if problems.len() > before {
        return Derived::default();
    }
    let mut derived = Derived { key: key(table, environment), ..Derived::default() };
    if !is_on(table.get("enabled")) {
        derived.disabled = Some(format!("storage.backup.enabled is not true ({})", table.place));
        let mut settings = TableBuilder::default();
        settings.put("enabled", Node::new(&table.place, Raw::Flag(false)));
        derived.place = Some(settings.build(&table.place));
        return derived;
    }
    let Some(bucket) = table.get("bucket").and_then(text) else {
        problems.push(Problem {
            place: table.place.clone(),
            what: What::Missing {
                key: "storage.backup.bucket".into(),
                why: "backups are enabled, and it says where they go".into(),
            },
        });
        return Derived::default();
    };
    derived.place = Some(place(table, bucket, cloudflare, environment, problems));
    derived
}

fn within(section: &str, mut problem: Problem) -> Problem {
    match &mut problem.what {
        What::Unknown { key, nearest } => {
            *key = format!("{section}{key}");
            *nearest = nearest.take().map(|nearest| format!("{section}{nearest}"));
        }
        What::Value { key, .. } => *key = format!("{section}{key}"),
        _ => {}
    }
    problem
}

fn place(
    table: &Node,
    bucket: &str,
    cloudflare: Option<&Node>,
    environment: &Environment,
    problems: &mut Vec<Problem>,
) -> Node {
    let origin = table.get("bucket").map_or(&table.place, |node| &node.place);
    let of_cloudflare = |name: &str| cloudflare.and_then(|node| node.get(name)).cloned();
    let url = match of_cloudflare("account_id").as_ref().and_then(text) {
        Some(account) => format!("r2://{account}/{bucket}"),
        None => format!("s3://{bucket}"),
    };
    let mut options = TableBuilder::default();
    let elsewhere = [of_cloudflare("r2_access_key_id"), of_cloudflare("r2_secret_access_key")];
    credentials(environment, elsewhere, &mut options, problems);
    let mut destination = TableBuilder::default();
    destination
        .put("name", Node::text(origin, "backup"))
        .put("role", Node::text(origin, "primary"))
        .put("url", Node::text(origin, url))
        .put("create", Node::new(origin, Raw::Flag(true)));
    if !options.is_empty() {
        destination.put("options", options.build(origin));
    }
    let number = |name: &str, default: i64| match table.get(name).map(|node| (node, count(node))) {
        Some((node, Some(number))) => (node.place.clone(), number),
        _ => (Place::Default, default),
    };
    let (interval_place, interval) = number("interval_seconds", DEFAULT_INTERVAL);
    let (count_place, count) = number("retention_count", DEFAULT_COUNT);
    let mut settings = TableBuilder::default();
    settings.put("destination", Node::new(origin, Raw::List(vec![destination.build(origin)])));
    settings.put_at(&["schedule", "every"], Node::text(&interval_place, format!("{interval}s")));
    // 0 was and is: nothing is cleaned up. It never means that nothing is kept.
    if count != 0 {
        settings.put_at(&["retention", "keep_last"], Node::new(&count_place, Raw::Number(count)));
    }
    settings.build(origin)
}

/// Whether there must be a key, and the key.
fn key(table: &Node, environment: &Environment) -> Option<Node> {
    let encryption = table.get("encryption");
    let mut settings = TableBuilder::default();
    match encryption.and_then(|node| node.get("enabled")) {
        Some(node) if is_on(Some(node)) => {
            settings.put("enabled", Node::new(&node.place, Raw::Flag(true)));
            let own = encryption.and_then(|node| node.get("key")).cloned();
            settings.put_some("key", environment_key(environment).or(own));
        }
        Some(node) => drop(settings.put("enabled", Node::new(&node.place, Raw::Flag(false)))),
        // Nobody says that there is to be none: a key that is there is used.
        None => {
            let own = encryption.and_then(|node| node.get("key")).cloned();
            settings.put_some("key", environment_key(environment).or(own));
        }
    }
    (!settings.is_empty()).then(|| below("encryption", &mut settings))
}

fn text(node: &Node) -> Option<&str> {
    match &node.value {
        Raw::Text(text) | Raw::Loose(text) => Some(text).filter(|text| !text.is_empty()),
        _ => None,
    }
    .map(String::as_str)
}

fn is_on(node: Option<&Node>) -> bool {
    match node.map(|node| &node.value) {
        Some(Raw::Flag(flag)) => *flag,
        Some(Raw::Loose(text)) => units::flag(text).unwrap_or(false),
        _ => false,
    }
}

fn count(node: &Node) -> Option<i64> {
    match &node.value {
        Raw::Number(number) => Some(*number),
        Raw::Loose(text) => text.trim().parse().ok(),
        _ => None,
    }
}
