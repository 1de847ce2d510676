//! What is run against a store, and what came of it.

use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result};

use super::running::Running;
use crate::process;

/// End-to-end tests that take their store from the environment.
pub(crate) struct Suite {
    pub(crate) name: &'static str,
    /// A part of the names of those tests, and one that they do not have.
    filter: [&'static str; 2],
}

pub(crate) const ALL: &[Suite] = &[
    Suite { name: "what a store must do", filter: ["a_store_", "on_a_store"] },
    Suite { name: "the command, end to end", filter: ["on_a_store", "a_store_"] },
];

/// What came of a suite.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Outcome {
    pub(crate) passed: Vec<String>,
    pub(crate) failed: Vec<String>,
    /// What tests have to say about the store, in lines that begin with `store: `.
    pub(crate) said: Vec<String>,
    pub(crate) seconds: f32,
}

pub(crate) fn run(suite: &Suite, store: &Running) -> Result<Outcome> {
    eprintln!("=== {}", suite.name);
    let start = Instant::now();
    let [with, without] = suite.filter;
    // As `cargo build` and `cargo test` of everything do, so that nothing is built anew.
    let mut command = process::cargo(&["test", "--workspace", "--test", "end_to_end"]);
    command.args(["--no-fail-fast", "--", with, "--skip", without]);
    command.args(["--test-threads=2", "--nocapture"]);
    tell(&mut command, store);
    let output = command
        .current_dir(process::root()?)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .context("cargo could not be started")?;
    let mut outcome = read(&String::from_utf8_lossy(&output.stdout));
    outcome.seconds = start.elapsed().as_secs_f32();
    Ok(outcome)
}

/// The names that the tests look for; and those that the store's own library does,
/// for tests that use it without the command.
fn tell(command: &mut Command, store: &Running) {
    command.envs(store.environment.iter().map(|(name, value)| (name, value)));
    let pairs = store.environment.iter().map(|(name, value)| format!("{name}={value}"));
    command.env("LIFEBOAT_TEST_STORE_URL", &store.url);
    command.env("LIFEBOAT_TEST_STORE_ENV", pairs.collect::<Vec<_>>().join("\n"));
}

/// Reads what the test runner prints. With two tests at once and their own words
/// between, a verdict need not stand on the line of its test.
fn read(text: &str) -> Outcome {
    let mut outcome = Outcome::default();
    for line in text.lines() {
        if let Some((name, verdict)) =
            line.strip_prefix("test ").and_then(|l| l.split_once(" ... "))
        {
            match verdict.trim() {
                "ok" => outcome.passed.push(name.to_owned()),
                "FAILED" => outcome.failed.push(name.to_owned()),
                _ => {}
            }
        } else if let Some(said) = line.strip_prefix("store: ") {
            outcome.said.push(said.to_owned());
        }
    }
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdicts_are_read() {
        let text = "\nrunning 3 tests\ntest a::on_a_store ... ok\nstore: honours it\n\
                    test b::on_a_store ... FAILED\ntest c ... ignored\n\ntest result: FAILED. 1\n";
        let outcome = read(text);
        assert_eq!(outcome.passed, ["a::on_a_store"]);
        assert_eq!(outcome.failed, ["b::on_a_store"]);
        assert_eq!(outcome.said, ["honours it"]);
    }
}
