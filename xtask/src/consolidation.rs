//! `cargo xtask consolidation`: three years of backups, simulated with the
//! planning that real ones use. Prints the table of `docs/consolidation.md` and
//! draws its plot.

use anyhow::Result;

use crate::process;

/// Runs the simulation; a minute or so.
pub(crate) fn run() -> Result<()> {
    let root = process::root()?;
    let arguments = [
        "run",
        "--quiet",
        "--release",
        "--package",
        "lifeboat-repository",
        "--example",
        "consolidation",
        "--",
        "docs/consolidation.svg",
    ];
    process::run(process::cargo(&arguments).current_dir(root))
}
