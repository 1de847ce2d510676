//! `cargo xtask crashes`, `simulate` and `load`: more of what the tests do in seconds.

use anyhow::{Result, ensure};

use crate::build;
use crate::process;

/// Every crash point; a minute or two.
pub(crate) fn crashes() -> Result<()> {
    of_repository(&["crashes::", "--include-ignored"], &[])
}

/// Histories for so many minutes.
pub(crate) fn minutes(minutes: &str) -> Result<()> {
    ensure!(minutes.parse::<u32>().is_ok(), "`{minutes}` is no number of minutes");
    of_repository(&["simulation::histories", "--exact"], &[("LIFEBOAT_SIMULATE_MINUTES", minutes)])
}

/// One history, as it was before.
pub(crate) fn seed(seed: &str) -> Result<()> {
    ensure!(seed.parse::<u64>().is_ok(), "`{seed}` is no seed");
    of_repository(&["simulation::histories", "--exact"], &[("LIFEBOAT_SIMULATE_SEED", seed)])
}

/// Builds the release binary and has it back so many databases up, from a store that
/// fails.
pub(crate) fn load(databases: u32) -> Result<()> {
    build::measure(
        "load::many_databases_and_a_store_that_fails",
        "LIFEBOAT_TEST_DATABASES",
        databases,
    )
}

/// Runs tests of the repository, optimised: they are what takes the time.
fn of_repository(tests: &[&str], variables: &[(&str, &str)]) -> Result<()> {
    let package = ["test", "--release", "--package", "lifeboat-repository", "--test", "it", "--"];
    let mut command = process::cargo(&package);
    command.args(["--nocapture"]).args(tests);
    command.current_dir(process::root()?).envs(variables.iter().copied());
    process::run(&mut command)
}
