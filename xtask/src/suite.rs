//! `cargo xtask test`: every check, then every test.
//!
//! The quick checks go first, so that a slip shows in seconds. The test runner
//! goes last and nothing is printed after it, so that its own summary ends the output.

use std::process::Command;
use std::time::Instant;

use anyhow::Result;

use crate::{layers, process, tidy};

type Step = (&'static str, fn() -> Result<()>);

const CHECKS: &[Step] = &[
    ("formatting", formatting),
    ("lints", lints),
    ("layers", layers::run),
    ("tidy", tidy::run),
    ("licences and duplicates", licences),
    ("documentation", documentation),
    ("the binary that the end-to-end tests run", binary),
    ("examples in the documentation", doctests),
];

/// Runs everything, stopping at the first step that fails.
pub(crate) fn run(extra: &[&str]) -> Result<()> {
    let count = CHECKS.len() + 1;
    for (index, (name, check)) in CHECKS.iter().enumerate() {
        heading(index + 1, count, name);
        let start = Instant::now();
        let result = check();
        let outcome = if result.is_ok() { "ok" } else { "FAILED" };
        eprintln!("    {outcome}, {:.1} s", start.elapsed().as_secs_f32());
        result?;
    }
    heading(count, count, "tests");
    tests(extra)
}

// Standard error, because cargo and the test runner talk there: on two streams
// the headings would drift away from what they announce.
fn heading(number: usize, count: usize, name: &str) {
    eprintln!("\n=== {number}/{count} {name}");
}

fn cargo(arguments: &[&str]) -> Result<Command> {
    let mut command = process::cargo(arguments);
    command.current_dir(process::root()?);
    Ok(command)
}

fn formatting() -> Result<()> {
    process::run(&mut cargo(&["fmt", "--all", "--check"])?)
}

fn lints() -> Result<()> {
    process::run(&mut cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"])?)
}

fn licences() -> Result<()> {
    if !process::answers("cargo-deny", &["--version"]) {
        eprintln!("    skipped: cargo-deny is not installed (`cargo install cargo-deny --locked`)");
        return Ok(());
    }
    process::run(&mut cargo(&["deny", "check", "bans", "licenses", "sources"])?)
}

fn documentation() -> Result<()> {
    let mut command = cargo(&["doc", "--no-deps", "--workspace"])?;
    process::run(command.env("RUSTDOCFLAGS", "-D warnings"))
}

fn binary() -> Result<()> {
    process::run(&mut cargo(&["build", "--package", "lifeboat-cli"])?)
}

fn doctests() -> Result<()> {
    process::run(&mut cargo(&["test", "--workspace", "--doc", "--quiet"])?)
}

fn tests(extra: &[&str]) -> Result<()> {
    let runner: &[&str] = if process::answers("cargo-nextest", &["nextest", "--version"]) {
        &["nextest", "run", "--workspace", "--no-fail-fast"]
    } else {
        &["test", "--workspace", "--lib", "--bins", "--tests", "--no-fail-fast"]
    };
    process::run(cargo(runner)?.args(extra))
}
