//! `cargo xtask damage`: every test that damages objects, and how many it damaged.

use std::collections::BTreeMap;
use std::process::Stdio;

use anyhow::{Context, Result, ensure};

use crate::process;

/// Parts of the names of those tests.
const TESTS: &[&str] = &["damage", "healing::", "golden::", "every_flipped"];

/// Runs them, and prints the sums.
pub(crate) fn run() -> Result<()> {
    let root = process::root()?;
    process::run(process::cargo(&["build", "--package", "lifeboat-cli"]).current_dir(&root))?;
    let mut tests = process::cargo(&["test", "--workspace", "--lib", "--tests", "--"]);
    tests.args(TESTS).args(["--nocapture", "--test-threads=2"]);
    let tests = tests.current_dir(root).stdin(Stdio::null()).stderr(Stdio::inherit());
    let output = tests.output().context("cargo could not be started")?;
    let counts = read(&String::from_utf8_lossy(&output.stdout));
    for (what, count) in &counts {
        println!("{count:>8}  {what}");
    }
    println!("{:>8}  damaged objects", counts.values().sum::<u64>());
    ensure!(output.status.success(), "a damage was not met as it should be");
    Ok(())
}

/// Adds up what the tests say: `damaged: WHAT: COUNT`.
fn read(text: &str) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for line in text.lines() {
        // With several tests at once, a line may begin with the name of another.
        let said = line.split_once("damaged: ").and_then(|(_, said)| said.rsplit_once(": "));
        if let Some((what, count)) = said
            && let Ok(count) = count.trim().parse::<u64>()
        {
            *counts.entry(what.to_owned()).or_insert(0) += count;
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_added_up() {
        let text = "test a ... damaged: x, cut: 3\nok\ndamaged: y: 4\ndamaged: x, cut: 5\n";
        let expected = BTreeMap::from([("x, cut".to_owned(), 8), ("y".to_owned(), 4)]);
        assert_eq!(read(text), expected);
    }
}
