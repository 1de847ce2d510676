//! `cargo xtask dist`: what is published for this machine, in dist/: an archive and a
//! Debian package around one binary that needs no library of the system.

mod archive;
mod companions;
mod debian;
mod static_binary;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::{build, process};

/// The binary is no larger than this.
const MOST: u64 = 25 << 20;

/// Builds, gathers, packs, and prints what to publish.
pub(crate) fn run() -> Result<()> {
    let root = process::root()?;
    let built = static_binary::build()?;
    let size = fs::metadata(&built.path)?.len();
    ensure!(size < MOST, "the binary has {size} bytes, and {MOST} are the most it may have");
    let version = version()?;
    let name = format!("lifeboat-{version}-{}", built.target);
    let dist = root.join("dist");
    let folder = dist.join(&name);
    if folder.exists() {
        fs::remove_dir_all(&folder).context("the folder of the last time cannot be removed")?;
    }
    companions::gather(&root, &built.path, &folder)?;
    let mut made = vec![archive::pack(&dist, &name)?];
    match debian::architecture() {
        Some(architecture) => made.push(debian::pack(&folder, &dist, &version, &architecture)?),
        None => eprintln!("no Debian package: there is no dpkg-deb here"),
    }
    sums(&dist, &made)?;
    println!("the binary: {size} bytes, {}", built.how);
    for file in made {
        println!("dist/{file}: {} bytes", fs::metadata(dist.join(&file))?.len());
    }
    println!("dist/SHA256SUMS");
    Ok(())
}

/// The digests, as `sha256sum --check SHA256SUMS` reads them.
fn sums(dist: &Path, files: &[String]) -> Result<()> {
    let text = process::output(Command::new("sha256sum").args(files).current_dir(dist))?;
    fs::write(dist.join("SHA256SUMS"), text).context("dist/SHA256SUMS cannot be written")
}

/// One time for everything, so that the same content gives the same bytes;
/// `SOURCE_DATE_EPOCH` is the usual name for it.
fn epoch() -> String {
    std::env::var("SOURCE_DATE_EPOCH").unwrap_or_else(|_| "0".into())
}

/// The version that all crates share.
fn version() -> Result<String> {
    let metadata = build::metadata()?;
    let packages = metadata["packages"].as_array().context("no list of packages")?;
    let cli = packages.iter().find(|package| package["name"] == "lifeboat-cli");
    let version = cli.context("there is no lifeboat-cli")?["version"].as_str();
    Ok(version.context("lifeboat-cli has no version")?.to_owned())
}

/// A folder, and all above it.
fn folder(path: PathBuf) -> Result<PathBuf> {
    fs::create_dir_all(&path).with_context(|| format!("{} cannot be made", path.display()))?;
    Ok(path)
}

/// A file, copied under the name of the second path.
fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to)
        .map(drop)
        .with_context(|| format!("{} cannot be copied to {}", from.display(), to.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_found() {
        let version = version().expect("cargo knows it");
        assert_eq!(version.split('.').count(), 3, "{version}");
    }
}
