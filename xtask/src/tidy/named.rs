//! Tests that documents name must be there.
//!
//! A table that says which test guards what is worth nothing once the test has another
//! name. In the documents below, every path in backticks that looks like one of a test
//! is held to the tests that there are: `module::the_test`, with as many of the modules
//! before it as tell it from others.

use std::collections::{BTreeMap, BTreeSet};

use super::Finding;
use super::tree::Tree;

/// The documents whose tables name tests.
const DOCUMENTS: &[&str] = &["docs/reliability.md", "docs/security.md"];

/// Macros that make a test, or several, of each name that they are given.
const MAKERS: &[&str] = &["in_every_place!", "in_every_folder!", "parts!"];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let tests = tests_of(tree);
    let mut findings = Vec::new();
    for path in DOCUMENTS {
        for (index, line) in tree.text(path).unwrap_or_default().lines().enumerate() {
            for named in names_in(line) {
                if !is_there(named, &tests) {
                    let rule = format!("there is no test `{named}`");
                    findings.push(Finding::new(path, index + 1, rule));
                }
            }
        }
    }
    findings
}

/// What stands in backticks and looks like the path of a test.
pub(crate) fn names_in(line: &str) -> impl Iterator<Item = &str> {
    let spans = line.split('`').skip(1).step_by(2);
    spans.filter(|span| {
        let is_plain = |part: &str| {
            !part.is_empty()
                && part
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || b"_0123456789".contains(&byte))
        };
        span.contains("::") && span.split("::").all(is_plain)
    })
}

/// The tests of each name, each with the modules that it lies in, crate first.
fn tests_of(tree: &Tree) -> BTreeMap<String, Vec<Vec<String>>> {
    let mut tests: BTreeMap<String, Vec<Vec<String>>> = BTreeMap::new();
    for (path, text) in tree.texts().filter(|(path, _)| path.ends_with(".rs")) {
        let parts = path.trim_end_matches(".rs").split(['/', '.']).map(str::to_owned);
        let mut modules: Vec<String> = parts.collect();
        modules.extend(inline_modules(text));
        for name in names_of_tests(text) {
            tests.entry(name).or_default().push(modules.clone());
        }
    }
    tests
}

/// `mod name {`, at whatever depth.
fn inline_modules(text: &str) -> impl Iterator<Item = String> {
    text.lines().filter_map(|line| {
        let name = line.trim().strip_prefix("mod ")?.strip_suffix(" {")?;
        Some(name.to_owned())
    })
}

fn names_of_tests(text: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut is_test = false;
    for line in text.lines().map(str::trim) {
        if line.starts_with("#[test") || line.starts_with("#[tokio::test") {
            is_test = true;
        } else if let Some(name) = name_of_function(line) {
            if is_test {
                names.insert(name.to_owned());
            }
            is_test = false;
        }
    }
    for maker in MAKERS {
        for (at, _) in text.match_indices(maker) {
            let inside = text[at..].split_once('(').map_or("", |(_, rest)| rest);
            let inside = inside.split_once(')').map_or("", |(inside, _)| inside);
            names.extend(inside.split(',').map(|name| name.trim().to_owned()));
        }
    }
    names
}

fn name_of_function(line: &str) -> Option<&str> {
    let line = line.strip_prefix("pub(crate) ").unwrap_or(line);
    let line = line.strip_prefix("async ").unwrap_or(line);
    line.strip_prefix("fn ")?.split(['(', '<']).next()
}

/// Whether there is a test of that name in modules of those names, in that order.
fn is_there(named: &str, tests: &BTreeMap<String, Vec<Vec<String>>>) -> bool {
    let Some((modules, name)) = named.rsplit_once("::") else {
        return false;
    };
    tests.get(name).into_iter().flatten().any(|lies_in| {
        let mut rest = lies_in.iter();
        modules
            .split("::")
            .all(|module| rest.any(|part| part.trim_start_matches("lifeboat-") == module))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const CODE: &str = "#[test]\nfn a_test() {}\n\nfn no_test() {}\n\nmod inner {\n    #[tokio::test]\n    \
                        async fn another() {}\n}\nin_every_place!(made, made_too);\n";

    #[track_caller]
    fn check_one(document: &str, expected: &[&str]) {
        let tree = Tree::of(&[
            ("docs/security.md", document),
            ("crates/lifeboat-a/tests/it/rules/damage.rs", CODE),
        ]);
        let found: Vec<String> = check(&tree).into_iter().map(|finding| finding.rule).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn tests_that_are_there() {
        check_one("| x | `damage::a_test`, `rules::damage::a_test` | `a::damage::a_test` |", &[]);
        check_one("`damage::inner::another` and `damage::made` and `damage::made_too`", &[]);
    }

    #[test]
    fn tests_that_are_not() {
        check_one("a\n`damage::b_test`", &["there is no test `damage::b_test`"]);
        check_one("`damage::no_test`", &["there is no test `damage::no_test`"]);
        check_one("`rule::damage::a_test`", &["there is no test `rule::damage::a_test`"]);
        check_one("`damage::rules::a_test`", &["there is no test `damage::rules::a_test`"]);
    }

    #[test]
    fn other_code_is_left_alone() {
        check_one("`cargo xtask test`, `Option::None`, `a_test`, `x::y()`", &[]);
    }
}
