//! `cargo xtask dist`: a release archive for this machine.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::{build, process};

/// What travels beside the binary.
const COMPANIONS: &[&str] = &["README.md", "CHANGELOG.md", "LICENSE-MIT", "LICENSE-APACHE"];

/// Builds, gathers, packs, and prints what to publish.
pub(crate) fn run() -> Result<()> {
    let root = process::root()?;
    for name in COMPANIONS {
        ensure!(root.join(name).is_file(), "{name} is missing, and every archive carries it");
    }
    // The release profile strips the binary while linking.
    let binary = build::release_binary()?;
    let name = format!("lifeboat-{}-{}", version()?, host()?);
    let dist = root.join("dist");
    let folder = dist.join(&name);
    if folder.exists() {
        fs::remove_dir_all(&folder).context("the folder of the last time cannot be removed")?;
    }
    fs::create_dir_all(&folder).context("dist/ cannot be made")?;
    let file = binary.file_name().context("the binary has no name")?;
    fs::copy(&binary, folder.join(file)).context("the binary cannot be copied")?;
    for name in COMPANIONS {
        fs::copy(root.join(name), folder.join(name))
            .with_context(|| format!("{name} cannot be copied"))?;
    }
    let archive = pack(&dist, &name)?;
    let size = fs::metadata(dist.join(&archive))?.len();
    let line = process::output(Command::new("sha256sum").arg(&archive).current_dir(&dist))?;
    let digest = line.split_whitespace().next().context("sha256sum printed nothing")?;
    println!("dist/{archive}\n{size} bytes\nSHA-256 {digest}");
    Ok(())
}

/// Packs so that the same content gives the same archive: no owner, a fixed
/// order, and one time, for which `SOURCE_DATE_EPOCH` is the usual name.
fn pack(dist: &Path, name: &str) -> Result<String> {
    let archive = format!("{name}.tar.gz");
    let time = std::env::var("SOURCE_DATE_EPOCH").unwrap_or_else(|_| "0".into());
    let mut tar = Command::new("tar");
    tar.args(["--sort=name", "--owner=0", "--group=0", "--numeric-owner"]);
    tar.args([&format!("--mtime=@{time}"), "-czf", &archive, name]);
    process::run(tar.current_dir(dist))?;
    Ok(archive)
}

/// The version that all crates share.
fn version() -> Result<String> {
    let metadata = build::metadata()?;
    let packages = metadata["packages"].as_array().context("no list of packages")?;
    let cli = packages.iter().find(|package| package["name"] == "lifeboat-cli");
    let version = cli.context("there is no lifeboat-cli")?["version"].as_str();
    Ok(version.context("lifeboat-cli has no version")?.to_owned())
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
    fn equal_content_gives_equal_archives() {
        let archives = ["first", "second"].map(|content| {
            let dist = tempfile::tempdir().expect("a temporary folder");
            fs::create_dir(dist.path().join("a")).expect("a folder");
            for name in if content == "first" { ["x", "y"] } else { ["y", "x"] } {
                fs::write(dist.path().join("a").join(name), name).expect("a file");
            }
            let archive = pack(dist.path(), "a").expect("it is packed");
            fs::read(dist.path().join(archive)).expect("the archive is there")
        });
        assert_eq!(archives[0], archives[1]);
    }

    #[test]
    fn version_and_host_are_found() {
        let version = version().expect("cargo knows it");
        assert_eq!(version.split('.').count(), 3, "{version}");
        let host = host().expect("rustc knows it");
        assert!(host.contains('-'), "{host}");
    }
}
