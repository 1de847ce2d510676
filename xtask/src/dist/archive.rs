//! A folder as one archive.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use super::epoch;
use crate::process;

/// Packs so that the same content gives the same archive: no owner, a fixed
/// order, and one time.
pub(super) fn pack(dist: &Path, name: &str) -> Result<String> {
    let archive = format!("{name}.tar.gz");
    let time = format!("--mtime=@{}", epoch());
    let mut tar = Command::new("tar");
    tar.args(["--sort=name", "--owner=0", "--group=0", "--numeric-owner"]);
    tar.args([time.as_str(), "-czf", &archive, name]);
    process::run(tar.current_dir(dist))?;
    Ok(archive)
}

#[cfg(test)]
mod tests {
    use std::fs;

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
}
