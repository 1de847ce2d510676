//! `cargo xtask golden FOLDER`: a golden repository of this version of the format.
//!
//! What lies in `tests/testdata/golden/` is never written again: a later version gets
//! a folder of its own beside it.

use std::path::Path;

use anyhow::{Context, Result, ensure};

use crate::process;

/// The test that writes one, to a folder that goes again if nobody names another.
const TEST: &str = "golden::write::what_is_written_today_holds_as_well";

/// Writes it, and looks at what becomes of each damage.
pub(crate) fn run(folder: &str) -> Result<()> {
    let folder = std::path::absolute(folder)?;
    ensure!(
        !folder.exists(),
        "{} is there: golden repositories stay as they are",
        folder.display()
    );
    let root = process::root()?;
    process::run(process::cargo(&["build", "--package", "lifeboat-cli"]).current_dir(&root))?;
    let mut test = process::cargo(&["test", "--workspace", "--test", "end_to_end"]);
    test.args(["--", "--exact", TEST]).current_dir(root).env("LIFEBOAT_TEST_GOLDEN", &folder);
    process::run(&mut test)?;
    println!("{} files, {} bytes", count(&folder)?.0, count(&folder)?.1);
    Ok(())
}

/// Files and bytes below a folder.
fn count(folder: &Path) -> Result<(u64, u64)> {
    let mut sum = (0, 0);
    let entries = std::fs::read_dir(folder);
    for entry in entries.with_context(|| format!("{} was not written", folder.display()))? {
        let entry = entry?;
        let (files, bytes) = match entry.file_type()?.is_dir() {
            true => count(&entry.path())?,
            false => (1, entry.metadata()?.len()),
        };
        sum = (sum.0 + files, sum.1 + bytes);
    }
    Ok(sum)
}
