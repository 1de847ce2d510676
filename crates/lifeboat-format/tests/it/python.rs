//! Runs `tests/reader/lifeboat_reader.py`, the reader that shares no code with
//! this workspace.

use std::path::{Path, PathBuf};
use std::process::Command;

/// What a run of the reader said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The text of `docs/format.md`.
pub(crate) fn format_md() -> String {
    std::fs::read_to_string(root().join("docs/format.md")).expect("docs/format.md is there")
}

/// The reader's own texts: its two files.
pub(crate) fn reader_texts() -> [String; 2] {
    ["lifeboat_reader.py", "lifeboat_objects.py"].map(|name| {
        let path = root().join("tests/reader").join(name);
        std::fs::read_to_string(path).expect("the reader is there")
    })
}

/// Runs the reader. Where it cannot run at all the test fails, and says what to
/// install: a silent skip would pass for a proof.
pub(crate) fn run(arguments: &[&str]) -> Said {
    let ready = Command::new("python3")
        .args(["-c", "import blake3, zstandard, cryptography"])
        .output()
        .is_ok_and(|output| output.status.success());
    assert!(
        ready,
        "the independent reader needs Python 3 and three packages: \
         python3 -m pip install blake3 zstandard cryptography"
    );
    let output = Command::new("python3")
        .arg(root().join("tests/reader/lifeboat_reader.py"))
        .args(arguments)
        .env_remove("LIFEBOAT_KEY")
        .env_remove("LIFEBOAT_PASSPHRASE")
        .output()
        .expect("python3 ran a moment ago");
    Said {
        code: output.status.code().expect("nothing kills it"),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}
