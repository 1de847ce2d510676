//! TOML, with the line of every value.

use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::node::{Node, Raw};
use crate::problem::{Place, Problem, What};

/// Reads a text as TOML.
pub(crate) fn parse(path: &Path, text: &str) -> Result<Node, Problem> {
    let lines = Lines { path, starts: starts(text) };
    let table = DeTable::parse(text).map_err(|error| Problem {
        place: match error.span() {
            Some(span) => lines.place(span.start),
            None => Place::file(path),
        },
        what: What::Syntax { why: error.message().to_owned() },
    })?;
    Ok(Node::new(&Place::file(path), lines.table(table.get_ref())))
}

/// Reads the text of a variable as a TOML value: a list of tables has no other
/// form there.
pub(crate) fn parse_value(text: &str, place: &Place) -> Result<Node, Problem> {
    let nowhere = Path::new("");
    let problem = |what| Problem { place: place.clone(), what };
    let parsed = parse(nowhere, &format!("value = {text}")).map_err(|error| problem(error.what))?;
    let Raw::Table(mut entries) = parsed.value else { unreachable!("a document is a table") };
    match entries.pop() {
        Some((_, mut node)) if entries.is_empty() => {
            put_everywhere(&mut node, place);
            Ok(node)
        }
        _ => Err(problem(What::Syntax { why: "one value".into() })),
    }
}

fn put_everywhere(node: &mut Node, place: &Place) {
    node.place = place.clone();
    match &mut node.value {
        Raw::Table(entries) => entries.iter_mut().for_each(|(_, node)| put_everywhere(node, place)),
        Raw::List(nodes) => nodes.iter_mut().for_each(|node| put_everywhere(node, place)),
        _ => {}
    }
}

struct Lines<'a> {
    path: &'a Path,
    /// Where each line begins.
    starts: Vec<usize>,
}

fn starts(text: &str) -> Vec<usize> {
    let breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
    std::iter::once(0).chain(breaks.map(|(at, _)| at + 1)).collect()
}

impl Lines<'_> {
    fn place(&self, offset: usize) -> Place {
        Place::in_file(self.path, self.starts.partition_point(|start| *start <= offset))
    }

    fn table(&self, table: &DeTable<'_>) -> Raw {
        let mut entries: Vec<(usize, String, Node)> = table
            .iter()
            .map(|(key, value)| {
                // The key, not the value: a value may go on over many lines, and
                // a section is where its name stands.
                let start = key.span().start;
                (start, key.get_ref().to_string(), self.node(start, value))
            })
            .collect();
        // As they stand in the file, so that problems are told in that order.
        entries.sort_by_key(|(start, ..)| *start);
        Raw::Table(entries.into_iter().map(|(_, key, node)| (key, node)).collect())
    }

    fn node(&self, start: usize, value: &Spanned<DeValue<'_>>) -> Node {
        let raw = match value.get_ref() {
            DeValue::String(text) => Raw::Text(text.to_string()),
            DeValue::Integer(number) => {
                match i64::from_str_radix(number.as_str(), number.radix()) {
                    Ok(number) => Raw::Number(number),
                    Err(_) => Raw::Other("a number of that size"),
                }
            }
            DeValue::Float(_) => Raw::Other("a number with a fraction"),
            DeValue::Boolean(flag) => Raw::Flag(*flag),
            DeValue::Datetime(_) => Raw::Other("a date or time"),
            DeValue::Array(list) => {
                Raw::List(list.iter().map(|item| self.node(item.span().start, item)).collect())
            }
            DeValue::Table(table) => self.table(table),
        };
        Node::new(&self.place(start), raw)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_has_its_line() {
        let text = "a = 1\n\n[b]\nc = \"x\"\n[[d]]\n# no\ne = [1,\n 2]\n[[d]]\nf.g = true\n";
        let root = parse(Path::new("x.toml"), text).expect("is TOML");
        let check = |path: &str, line: usize| {
            let place = root.at(path).map(|node| node.place.to_string());
            assert_eq!(place, Some(format!("x.toml:{line}")), "{path}");
        };
        check("a", 1);
        check("b", 3);
        check("b.c", 4);
        let Some(Node { value: Raw::List(tables), .. }) = root.get("d") else { panic!() };
        assert_eq!(tables[0].place.to_string(), "x.toml:5");
        assert_eq!(tables[0].at("e").expect("is there").place.to_string(), "x.toml:7");
        assert_eq!(tables[1].at("f.g").expect("is there").place.to_string(), "x.toml:10");
    }

    #[test]
    fn what_is_not_toml_has_its_line() {
        let error = parse(Path::new("x.toml"), "a = 1\nb = = 2\n").expect_err("is none");
        assert!(error.to_string().starts_with("x.toml:2: this is not TOML: "), "{error}");
        parse(Path::new("x.toml"), "a = 1\na = 2\n").expect_err("twice");
    }
}
