//! `cargo xtask idle [DATABASES]`: what databases cost that do nothing.

use anyhow::Result;

use crate::{build, process};

/// Builds the release binary and measures an agent with so many databases, which
/// takes some minutes.
pub(crate) fn run(databases: u32) -> Result<()> {
    build::release_binary()?;
    let arguments = [
        "test",
        "--release",
        "--package",
        "lifeboat-end-to-end",
        "--",
        "--nocapture",
        "--exact",
        "idle::databases_that_do_nothing",
    ];
    let mut command = process::cargo(&arguments);
    command.current_dir(process::root()?).env("LIFEBOAT_TEST_DATABASES", databases.to_string());
    process::run(&mut command)
}
