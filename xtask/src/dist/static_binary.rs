//! A release binary that needs no library of the system it runs on.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::{build, process};

/// The binary, for which machines, and how it came about.
pub(super) struct Built {
    pub(super) path: PathBuf,
    pub(super) target: String,
    pub(super) how: &'static str,
}

/// Builds it: against musl where that is installed, else against the C library of this
/// machine, whose code is taken in. Systems that are no Linux have no such thing.
pub(super) fn build() -> Result<Built> {
    let host = host()?;
    if !host.contains("-linux-") {
        let path = build::release_binary()?;
        return Ok(Built { path, target: host, how: "linked with libraries of the system" });
    }
    let musl = host.replace("-gnu", "-musl");
    let (target, how) = match host.contains("-gnu") && has_musl(&musl)? {
        true => (musl, "static, with musl"),
        false => (host, "static, with the C library of this machine"),
    };
    let root = process::root()?;
    let arguments = ["build", "--release", "--package", "lifeboat-cli", "--target", &target];
    let mut cargo = process::cargo(&arguments);
    // With a target that is named, this does not reach the programs that build.
    cargo.env("RUSTFLAGS", "-C target-feature=+crt-static");
    process::run(cargo.current_dir(&root))?;
    let path = build::target_directory()?.join(&target).join("release/lifeboat");
    ensure!(is_static(&path)?, "{} needs libraries of the system", path.display());
    Ok(Built { path, target, how })
}

/// Whether Rust has the target, and the machine a C compiler for it.
fn has_musl(target: &str) -> Result<bool> {
    let sysroot = process::output(Command::new("rustc").args(["--print", "sysroot"]))?;
    let libraries = Path::new(sysroot.trim()).join("lib/rustlib").join(target);
    Ok(libraries.is_dir() && process::answers("musl-gcc", &["--version"]))
}

/// Whether no interpreter is named that would have to load libraries.
fn is_static(path: &Path) -> Result<bool> {
    let headers = process::output(Command::new("readelf").arg("--program-headers").arg(path))?;
    Ok(!headers.contains("INTERP"))
}

/// The target triple of this machine.
fn host() -> Result<String> {
    let text = process::output(Command::new("rustc").arg("-vV"))?;
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("rustc does not name its host")?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_is_found_and_tests_are_not_static() {
        let host = host().expect("rustc knows it");
        assert!(host.contains('-'), "{host}");
        let this = std::env::current_exe().expect("the test has a path");
        assert!(!is_static(&this).expect("it can be read"));
    }
}
