//! `cargo xtask package`: every crate as the package registry would take it.

use anyhow::{Context, Result, ensure};

use crate::{build, process};

/// Packs every crate that is published; with `verify` each is built from its package
/// alone, which is heavy.
pub(crate) fn run(verify: bool) -> Result<()> {
    let names = published()?;
    let mut cargo = process::cargo(&["package", "--allow-dirty"]);
    for name in &names {
        cargo.args(["--package", name]);
    }
    if !verify {
        cargo.arg("--no-verify");
    }
    process::run(cargo.current_dir(process::root()?))?;
    let packages = build::target_directory()?.join("package");
    for name in &names {
        let found = std::fs::read_dir(&packages)?.flatten().any(|entry| {
            let file = entry.file_name().to_string_lossy().into_owned();
            let rest = file.strip_prefix(name.as_str()).and_then(|rest| rest.strip_prefix('-'));
            rest.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
        });
        ensure!(found, "there is no package of {name} in {}", packages.display());
    }
    println!("{} packages in {}", names.len(), packages.display());
    Ok(())
}

/// The crates that are meant for others, which their manifests do not forbid.
fn published() -> Result<Vec<String>> {
    let metadata = build::metadata()?;
    let packages = metadata["packages"].as_array().context("no list of packages")?;
    let is_published = |package: &&serde_json::Value| package["publish"].is_null();
    let name = |package: &serde_json::Value| package["name"].as_str().map(str::to_owned);
    let names: Option<Vec<String>> = packages.iter().filter(is_published).map(name).collect();
    names.context("a package has no name")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_published() {
        let names = published().expect("cargo knows them");
        for name in ["lifeboat", "lifeboat-cli", "lifeboat-format", "lifeboat-wal"] {
            assert!(names.iter().any(|one| one == name), "{name} is not among {names:?}");
        }
        for name in ["xtask", "lifeboat-end-to-end", "lifeboat-testing"] {
            assert!(!names.iter().any(|one| one == name), "{name} is published");
        }
    }
}
