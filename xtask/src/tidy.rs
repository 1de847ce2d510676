//! The house style, as far as a program can check it.
//!
//! Each file below holds checks that are functions of text alone; this one
//! reads the tree and hands it to them.

mod crates;
mod markdown;
pub(crate) mod named;
mod rust;
mod text;
mod tree;
mod variables;

use std::fmt;

use anyhow::{Result, bail};

use crate::process;
use tree::Tree;

/// A place that breaks a rule, and the rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    path: String,
    /// From 1; 0 where the whole file is meant.
    line: usize,
    rule: String,
}

impl Finding {
    fn new(path: &str, line: usize, rule: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, rule: rule.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(formatter, "{}: {}", self.path, self.rule),
            line => write!(formatter, "{}:{line}: {}", self.path, self.rule),
        }
    }
}

/// Checks every file of the repository.
pub(crate) fn run() -> Result<()> {
    let tree = Tree::read(&process::root()?)?;
    let findings = findings(&tree);
    if findings.is_empty() {
        eprintln!("{} files, all tidy", tree.len());
        return Ok(());
    }
    for finding in &findings {
        eprintln!("{finding}");
    }
    bail!("{} findings", findings.len())
}

fn findings(tree: &Tree) -> Vec<Finding> {
    let mut findings = crates::check(tree);
    findings.extend(named::check(tree));
    findings.extend(variables::check(tree));
    for (path, content) in tree.texts() {
        findings.extend(text::check(path, content));
        if path.ends_with(".rs") {
            findings.extend(rust::check(path, content));
        }
        if path.ends_with(".md") {
            findings.extend(markdown::check(path, content, tree));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_tree_is_tidy() {
        let root = process::root().expect("the test runs under cargo");
        let tree = Tree::read(&root).expect("the tree is readable");
        let found: Vec<String> = findings(&tree).iter().map(ToString::to_string).collect();
        assert!(found.is_empty(), "\n{}", found.join("\n"));
    }
}
