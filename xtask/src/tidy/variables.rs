//! Every variable of the environment that the crates know stands in the documentation.

use std::collections::BTreeSet;

use super::Finding;
use super::tree::Tree;

/// What others begin with, and no variable by itself.
const FAMILIES: &[&str] = &["LIFEBOAT_MESSAGE"];

const PREFIX: &str = "\"LIFEBOAT_";

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let is_page = |path: &str| path == "README.md" || path.starts_with("docs/");
    let pages: Vec<&str> =
        tree.texts().filter(|(path, _)| is_page(path)).map(|(_, text)| text).collect();
    let mut seen = BTreeSet::new();
    let mut findings = Vec::new();
    for (path, text) in tree.texts().filter(|(path, _)| is_shipped(path)) {
        // What tests make up is nobody's to know.
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        for (index, line) in code.lines().enumerate() {
            for name in names(line) {
                if FAMILIES.contains(&name) || !seen.insert(name.to_owned()) {
                    continue;
                }
                if !pages.iter().any(|page| holds(page, name)) {
                    let rule = format!("no page of docs/ says what {name} is");
                    findings.push(Finding::new(path, index + 1, rule));
                }
            }
        }
    }
    findings
}

fn is_shipped(path: &str) -> bool {
    let is_source = path.starts_with("crates/") && path.contains("/src/") && path.ends_with(".rs");
    is_source && !path.starts_with("crates/lifeboat-testing/") && !path.ends_with("/tests.rs")
}

/// The variables that a line of code names whole.
fn names(line: &str) -> impl Iterator<Item = &str> {
    line.match_indices(PREFIX).filter_map(|(at, _)| {
        let name = &line[at + 1..];
        let end =
            name.find(|c: char| !(c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_'))?;
        let is_whole = name[end..].starts_with('"') && !name[..end].ends_with('_');
        is_whole.then_some(&name[..end])
    })
}

/// Whether a page has the name, and not only as a part of a longer one.
fn holds(page: &str, name: &str) -> bool {
    page.match_indices(name).any(|(at, _)| {
        let after = page[at + name.len()..].chars().next();
        !after.is_some_and(|c| c.is_ascii_uppercase() || c == '_')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_that_no_page_has_are_found() {
        let source = "x(\"LIFEBOAT_A\", \"LIFEBOAT_B\", \"LIFEBOAT_\", \"LIFEBOAT_C said\")\n\
                      #[cfg(test)]\nx(\"LIFEBOAT_T\")";
        let tree = |page| Tree::of(&[("docs/a.md", page), ("crates/a/src/b.rs", source)]);
        assert_eq!(check(&tree("LIFEBOAT_A, LIFEBOAT_B")), []);
        let found = check(&tree("LIFEBOAT_AB, LIFEBOAT_B"));
        let expected = "no page of docs/ says what LIFEBOAT_A is";
        assert_eq!(found, [Finding::new("crates/a/src/b.rs", 1, expected)]);
    }
}
