//! Values against the schema: from what stands somewhere to what a setting is.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;

use figment::value::{Dict, Value};

use crate::cron::{Cron, NoCron};
use crate::nearest::nearest;
use crate::node::{Node, Raw};
use crate::problem::{Place, Problem, What};
use crate::schema::{Key, Kind};
use crate::units;

/// What was understood, what was not, and where everything stands.
#[derive(Debug, Default)]
pub(crate) struct Checked {
    pub(crate) values: Dict,
    /// Places by dotted path; items of lists by their number.
    pub(crate) places: BTreeMap<String, Place>,
    pub(crate) problems: Vec<Problem>,
}

/// Checks a table against the keys that it may have. Relative paths begin in
/// `base`, where there is one.
pub(crate) fn check(table: &Node, keys: &'static [Key], base: Option<&Path>) -> Checked {
    let mut checked = Checked::default();
    let mut checker = Checker { checked: &mut checked, base };
    let values = checker.table(table, keys, "").unwrap_or_default();
    checked.values = values;
    checked
}

struct Checker<'a> {
    checked: &'a mut Checked,
    base: Option<&'a Path>,
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// Without the numbers of lists: `database.0.name` is written `database.name`.
pub(crate) fn written(path: &str) -> String {
    let names: Vec<&str> = path.split('.').filter(|name| name.parse::<usize>().is_err()).collect();
    names.join(".")
}

impl Checker<'_> {
    fn table(&mut self, table: &Node, keys: &'static [Key], path: &str) -> Option<Dict> {
        let Raw::Table(entries) = &table.value else { return None };
        let mut dict = Dict::new();
        for (name, node) in entries {
            let below = join(path, name);
            let Some(key) = keys.iter().find(|key| key.name == name) else {
                let near = nearest(name, keys.iter().map(|key| key.name));
                let nearest = near.map(|name| written(&join(path, name)));
                let what = What::Unknown { key: written(&below), nearest };
                self.checked.problems.push(Problem { place: node.place.clone(), what });
                continue;
            };
            // As an empty variable does, a text that became empty says nothing.
            if matches!(&node.value, Raw::Loose(text) if text.is_empty()) {
                continue;
            }
            if let Some(value) = self.value(node, &key.kind, &below) {
                self.checked.places.insert(below, node.place.clone());
                dict.insert(name.clone(), value);
            }
        }
        Some(dict)
    }

    fn value(&mut self, node: &Node, kind: &'static Kind, path: &str) -> Option<Value> {
        let value = match (kind, &node.value) {
            (Kind::Table(keys), Raw::Table(_)) => self.table(node, keys, path).map(Value::from),
            (Kind::Tables(keys), Raw::List(nodes)) => {
                self.list(nodes, path, kind.expected(), |this, node, path| {
                    let dict = this.table(node, keys, path)?;
                    this.checked.places.insert(path.to_owned(), node.place.clone());
                    Some(Value::from(dict))
                })
            }
            (Kind::Texts, Raw::List(nodes)) => {
                self.list(nodes, path, kind.expected(), |_, node, _| text(node).map(Value::from))
            }
            (Kind::Texts, Raw::Loose(text)) => {
                let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
                Some(items.collect::<Vec<_>>().into())
            }
            (Kind::Words(words), Raw::List(nodes)) => {
                self.list(nodes, path, kind.expected(), |_, node, _| word(&text(node)?, words))
            }
            (Kind::Words(words), Raw::Loose(text)) => {
                let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
                items.map(|item| word(item, words)).collect::<Option<Vec<_>>>().map(Value::from)
            }
            (Kind::Pairs, Raw::Table(entries)) => {
                let mut dict = Dict::new();
                for (name, node) in entries {
                    if matches!(&node.value, Raw::Loose(text) if text.is_empty()) {
                        continue;
                    }
                    let below = join(path, name);
                    let Some(text) = scalar(node) else {
                        self.refuse(node, &below, "a text, a number, true or false".into());
                        continue;
                    };
                    self.checked.places.insert(below, node.place.clone());
                    dict.insert(name.clone(), text.into());
                }
                Some(dict.into())
            }
            (Kind::Cron, _) => match text(node).map(|text| Cron::understand(&text)) {
                Some(Err(NoCron::NeverComes)) => {
                    let what = What::NeverComes { key: written(path) };
                    self.checked.problems.push(Problem { place: node.place.clone(), what });
                    return None;
                }
                Some(Ok(cron)) => Some(cron.to_string().into()),
                _ => None,
            },
            (kind, _) => single(node, kind, self.base),
        };
        if value.is_none() && !explained(node, kind) {
            self.refuse(node, path, kind.expected());
        }
        value
    }

    fn list(
        &mut self,
        nodes: &[Node],
        path: &str,
        expected: String,
        item: impl Fn(&mut Self, &Node, &str) -> Option<Value>,
    ) -> Option<Value> {
        let mut values = Vec::new();
        for (at, node) in nodes.iter().enumerate() {
            let below = join(path, &at.to_string());
            match item(self, node, &below) {
                Some(value) => values.push(value),
                None => self.refuse(node, path, expected.clone()),
            }
        }
        (values.len() == nodes.len()).then(|| values.into())
    }

    fn refuse(&mut self, node: &Node, path: &str, expected: String) {
        let what = What::Value { key: written(path), expected, found: node.found() };
        self.checked.problems.push(Problem { place: node.place.clone(), what });
    }
}

/// Whether an item of a list was refused already.
fn explained(node: &Node, kind: &Kind) -> bool {
    let is_list = matches!(kind, Kind::Tables(_) | Kind::Texts | Kind::Words(_));
    is_list && matches!(node.value, Raw::List(_))
}

/// One of the words that are known, as they are written.
fn word(text: &str, words: &[&str]) -> Option<Value> {
    let text = text.to_ascii_lowercase();
    words.contains(&text.as_str()).then(|| text.into())
}

fn text(node: &Node) -> Option<String> {
    match &node.value {
        Raw::Text(text) | Raw::Loose(text) if !text.is_empty() => Some(text.clone()),
        _ => None,
    }
}

fn scalar(node: &Node) -> Option<String> {
    match &node.value {
        Raw::Number(number) => Some(number.to_string()),
        Raw::Flag(flag) => Some(flag.to_string()),
        _ => text(node),
    }
}

fn single(node: &Node, kind: &Kind, base: Option<&Path>) -> Option<Value> {
    match kind {
        Kind::Flag => match &node.value {
            Raw::Flag(flag) => Some((*flag).into()),
            Raw::Loose(text) => units::flag(text).map(Value::from),
            _ => None,
        },
        Kind::Count => match &node.value {
            Raw::Number(number) => u32::try_from(*number).ok().map(Value::from),
            Raw::Loose(text) => text.trim().parse::<u32>().ok().map(Value::from),
            _ => None,
        },
        Kind::Size => match &node.value {
            Raw::Number(number) => u64::try_from(*number).ok().map(Value::from),
            Raw::Text(text) | Raw::Loose(text) => units::size(text).map(Value::from),
            _ => None,
        },
        Kind::Duration => {
            let millis = units::duration(&text(node)?)?.as_millis();
            u64::try_from(millis).ok().map(Value::from)
        }
        Kind::Word(words) => word(&text(node)?, words),
        Kind::Text | Kind::Secret => text(node).map(Value::from),
        Kind::SecretUrl => text(node).filter(|text| is_web_url(text)).map(Value::from),
        Kind::Address => Some(address(&text(node)?)?.to_string().into()),
        Kind::Path => Some(based(&text(node)?, base).into()),
        // Those are looked at before.
        Kind::Cron | Kind::Texts | Kind::Words(_) | Kind::Pairs => None,
        Kind::Table(_) | Kind::Tables(_) => None,
    }
}

/// Whether somebody could be called there.
fn is_web_url(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    let rest = lower.strip_prefix("https://").or_else(|| lower.strip_prefix("http://"));
    let host = rest.and_then(|rest| rest.split(['/', '?', '#']).next());
    let host = host.map(|host| host.rsplit_once('@').map_or(host, |(_, host)| host));
    host.is_some_and(|host| !host.is_empty() && !host.starts_with(':'))
        && !text.contains(|c: char| c.is_whitespace() || c.is_control())
}

/// An address with its port. Names are not looked up: what a name server says may
/// change, and with it who can call.
fn address(text: &str) -> Option<SocketAddr> {
    match text.strip_prefix("localhost:") {
        Some(port) => Some(SocketAddr::from(([127, 0, 0, 1], port.parse().ok()?))),
        None => text.parse().ok(),
    }
}

/// A relative path in a file begins where the file lies.
fn based(text: &str, base: Option<&Path>) -> String {
    let is_url = text.contains("://") || text.starts_with("md:");
    match base {
        Some(base) if !is_url && Path::new(text).is_relative() => {
            base.join(text.strip_prefix("./").unwrap_or(text)).display().to_string()
        }
        _ => text.to_owned(),
    }
}
