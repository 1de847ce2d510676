//! A value and where it stands, before anybody knows what it should be.

use crate::problem::Place;

/// A value with its place.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) place: Place,
    pub(crate) value: Raw,
}

/// What a value is.
#[derive(Clone, Debug)]
pub(crate) enum Raw {
    Table(Vec<(String, Node)>),
    List(Vec<Node>),
    Text(String),
    /// A text from a variable, which may stand for a number or a flag as well.
    Loose(String),
    Number(i64),
    Flag(bool),
    /// Something that no setting takes, and what to call it.
    Other(&'static str),
}

impl Node {
    pub(crate) fn new(place: &Place, value: Raw) -> Self {
        Self { place: place.clone(), value }
    }

    pub(crate) fn text(place: &Place, text: impl Into<String>) -> Self {
        Self::new(place, Raw::Text(text.into()))
    }

    /// What stands here, after "not".
    pub(crate) fn found(&self) -> String {
        match &self.value {
            Raw::Table(_) => "a table".into(),
            Raw::List(_) => "a list".into(),
            Raw::Text(text) | Raw::Loose(text) if text.is_empty() => "empty".into(),
            Raw::Text(_) | Raw::Loose(_) => "this text".into(),
            Raw::Number(number) => format!("the number {number}"),
            Raw::Flag(flag) => format!("{flag}"),
            Raw::Other(what) => (*what).into(),
        }
    }

    /// The value of a key of a table.
    pub(crate) fn get(&self, name: &str) -> Option<&Self> {
        let Raw::Table(entries) = &self.value else { return None };
        entries.iter().find(|(key, _)| key == name).map(|(_, node)| node)
    }

    /// The value at a path of keys.
    pub(crate) fn at(&self, path: &str) -> Option<&Self> {
        path.split('.').try_fold(self, |node, name| node.get(name))
    }
}

/// Builds a table, key by key; keys without a value are left out.
#[derive(Debug, Default)]
pub(crate) struct TableBuilder(Vec<(String, Node)>);

impl TableBuilder {
    pub(crate) fn put(&mut self, name: &str, node: Node) -> &mut Self {
        self.0.push((name.to_owned(), node));
        self
    }

    pub(crate) fn put_some(&mut self, name: &str, node: Option<Node>) -> &mut Self {
        if let Some(node) = node {
            self.put(name, node);
        }
        self
    }

    /// Puts a value below a section, which is made where it is not there.
    pub(crate) fn put_at(&mut self, names: &[&str], node: Node) {
        match names {
            [] => {}
            [name] => drop(self.put(name, node)),
            [section, rest @ ..] => {
                let place = node.place.clone();
                let at = self.0.iter().position(|(key, _)| key == section).unwrap_or_else(|| {
                    self.0.push(((*section).to_owned(), Node::new(&place, Raw::Table(vec![]))));
                    self.0.len() - 1
                });
                if let Raw::Table(entries) = &mut self.0[at].1.value {
                    let mut below = Self(std::mem::take(entries));
                    below.put_at(rest, node);
                    *entries = below.0;
                }
            }
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn build(&mut self, place: &Place) -> Node {
        Node::new(place, Raw::Table(std::mem::take(&mut self.0)))
    }
}
