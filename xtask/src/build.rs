//! The release binary, for whoever hands it on, shows it or measures it.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::process;

/// Builds, and prints the path of the binary as the only line on standard output.
pub(crate) fn run() -> Result<()> {
    println!("{}", release_binary()?.display());
    Ok(())
}

/// Builds the release binary and returns where it lies.
pub(crate) fn release_binary() -> Result<PathBuf> {
    let root = process::root()?;
    let arguments = ["build", "--release", "--package", "lifeboat-cli"];
    process::run(process::cargo(&arguments).current_dir(&root))?;
    let target = target_directory()?;
    let binary = target.join("release").join(format!("lifeboat{}", std::env::consts::EXE_SUFFIX));
    ensure!(
        binary.is_file(),
        "the build made no binary named `lifeboat`: lifeboat-cli needs a `[[bin]]` of that name"
    );
    Ok(binary)
}

/// The binary that the tests run, built before.
pub(crate) fn debug_binary() -> Result<PathBuf> {
    let binary = target_directory()?.join("debug/lifeboat");
    ensure!(binary.is_file(), "{} is not built", binary.display());
    Ok(binary)
}

/// Builds the release binary and runs one end-to-end test against it, which is told
/// by a variable how much it measures.
pub(crate) fn measure(test: &str, variable: &str, amount: u32) -> Result<()> {
    release_binary()?;
    let package = ["test", "--release", "--package", "lifeboat-end-to-end"];
    let mut command = process::cargo(&package);
    command.args(["--", "--nocapture", "--exact", test]);
    command.current_dir(process::root()?).env(variable, amount.to_string());
    process::run(&mut command)
}

/// What cargo says of the workspace, without its dependencies.
pub(crate) fn metadata() -> Result<Value> {
    let arguments = ["metadata", "--format-version", "1", "--no-deps"];
    let text = process::output(process::cargo(&arguments).current_dir(process::root()?))?;
    serde_json::from_str(&text).context("the answer of `cargo metadata` is not JSON")
}

/// Where cargo builds: `target`, unless the environment says otherwise.
pub(crate) fn target_directory() -> Result<PathBuf> {
    let metadata = metadata()?;
    let path = metadata["target_directory"].as_str();
    Ok(path.context("`cargo metadata` names no target directory")?.into())
}
