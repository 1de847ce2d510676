//! `cargo xtask mutants [CRATE…]`: changes the code of pure crates in small ways, one
//! after the other, and says which changes no test notices. By cargo-mutants.

use anyhow::{Result, ensure};

use crate::process;

/// The crates in which a slip costs most.
const CRATES: &[&str] = &["format", "crypto", "retention", "repository", "wal"];

/// Runs it over these crates, or over all of them.
pub(crate) fn run(crates: &[&str]) -> Result<()> {
    let crates = if crates.is_empty() { CRATES } else { crates };
    for name in crates {
        ensure!(CRATES.contains(name), "`{name}` is none of {}", CRATES.join(", "));
    }
    ensure!(
        process::answers("cargo-mutants", &["mutants", "--version"]),
        "cargo-mutants is not there; `cargo install cargo-mutants --locked` gets it"
    );
    let out = process::root()?.join("target/mutants");
    for name in crates {
        let mut mutants = process::cargo(&["mutants", "--package", &format!("lifeboat-{name}")]);
        // A folder for each crate: what survived is read there.
        mutants.arg("--output").arg(out.join(name)).args(["--jobs=1", "--minimum-test-timeout=60"]);
        mutants.args(["--no-shuffle", "--baseline=run", "--copy-target=false"]);
        std::fs::create_dir_all(out.join(name))?;
        process::run(mutants.current_dir(process::root()?))?;
    }
    Ok(())
}
