//! What travels beside the binary: words, completions, manual pages, units.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::{copy, folder};
use crate::process;

/// Texts of the repository, and where they go.
const TEXTS: &[(&str, &str)] = &[
    ("README.md", "README.md"),
    ("CHANGELOG.md", "CHANGELOG.md"),
    ("LICENSE-MIT", "LICENSE-MIT"),
    ("LICENSE-APACHE", "LICENSE-APACHE"),
    ("docs/lifeboat.example.toml", "lifeboat.example.toml"),
    ("packaging/Containerfile", "container/Containerfile"),
    ("packaging/compose.yaml", "container/compose.yaml"),
    ("packaging/systemd/lifeboat.service", "systemd/lifeboat.service"),
    ("packaging/systemd/lifeboat-backup.service", "systemd/lifeboat-backup.service"),
    ("packaging/systemd/lifeboat-backup.timer", "systemd/lifeboat-backup.timer"),
    // The last resort: a reader of the format that shares nothing with the binary.
    ("tests/reader/lifeboat_reader.py", "reader/lifeboat_reader.py"),
    ("tests/reader/lifeboat_objects.py", "reader/lifeboat_objects.py"),
    ("docs/format.md", "reader/format.md"),
];

/// Shells, and what their completion scripts are called.
const SHELLS: &[(&str, &str)] = &[
    ("bash", "lifeboat.bash"),
    ("elvish", "lifeboat.elv"),
    ("fish", "lifeboat.fish"),
    ("powershell", "_lifeboat.ps1"),
    ("zsh", "_lifeboat"),
];

/// Puts everything into a new folder. The binary itself says how it is completed, and
/// writes its pages.
pub(super) fn gather(root: &Path, binary: &Path, into: &Path) -> Result<()> {
    folder(into.to_owned())?;
    copy(binary, &into.join("lifeboat"))?;
    for (from, to) in TEXTS {
        let to = into.join(to);
        folder(to.parent().context("it lies in the folder")?.to_owned())?;
        copy(&root.join(from), &to)?;
    }
    let completions = folder(into.join("completions"))?;
    for (shell, name) in SHELLS {
        let script = process::output(Command::new(binary).args(["completions", shell]))?;
        ensure!(!script.trim().is_empty(), "there are no completions for {shell}");
        fs::write(completions.join(name), script)?;
    }
    let pages = folder(into.join("man"))?;
    process::run(Command::new(binary).args(["--quiet", "man", "--into"]).arg(&pages))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::build;

    /// With the binary that the end-to-end tests run as well, which is built before.
    #[test]
    fn everything_is_gathered() {
        let root = process::root().expect("the test runs under cargo");
        let binary = build::target_directory().expect("cargo knows it").join("debug/lifeboat");
        assert!(binary.is_file(), "{} is not built: cargo build", binary.display());
        let into = tempfile::tempdir().expect("a temporary folder");
        let into = into.path().join("lifeboat-0.0.0");
        gather(&root, &binary, &into).expect("it is gathered");
        let size = |name: &str| fs::metadata(into.join(name)).map_or(0, |file| file.len());
        for (_, name) in TEXTS {
            assert!(size(name) > 0, "{name}");
        }
        for (shell, name) in SHELLS {
            let script = fs::read_to_string(into.join("completions").join(name)).expect(shell);
            assert!(script.contains("in-place"), "{shell} does not know --in-place");
        }
        for page in ["lifeboat.1", "lifeboat-restore.1", "lifeboat-key-rotate.1"] {
            let text = fs::read_to_string(into.join("man").join(page)).expect(page);
            assert!(text.contains(".SH NAME"), "{page}");
        }
    }
}
