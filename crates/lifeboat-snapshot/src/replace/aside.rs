//! Where the old database goes: beside the new one, whole, under a name that
//! says what it is.

use std::ffi::OsString;
use std::fs::Metadata;
use std::io;
use std::path::{Path, PathBuf};

use crate::staged::{folder_of, sync_folder};

const MARK: &str = ".before-restore-";
/// What SQLite keeps beside a database, and cannot make anew.
pub(super) const PARTS: [&str; 2] = ["-wal", "-journal"];

/// The name under which a database is set aside.
pub(super) fn path(target: &Path, label: &str) -> PathBuf {
    let mut name = target.as_os_str().to_owned();
    name.push(MARK);
    name.push(label);
    name.into()
}

/// Whether a path is that of a database that was set aside.
pub fn is_set_aside(path: &Path) -> bool {
    target_of(path).is_some()
}

/// Which database was set aside under this name.
pub(super) fn target_of(aside: &Path) -> Option<PathBuf> {
    let name = aside.file_name()?.as_encoded_bytes();
    let at = (1..name.len()).rev().find(|&at| name[at..].starts_with(MARK.as_bytes()))?;
    // Cut where the text of the mark begins.
    #[cfg(unix)]
    let stem = {
        use std::os::unix::ffi::OsStringExt;
        OsString::from_vec(name[..at].to_vec())
    };
    #[cfg(not(unix))]
    let stem = OsString::from(aside.file_name()?.to_str()?.get(..at)?);
    Some(aside.with_file_name(stem))
}

/// The path of a file beside a database.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// A durable second name for the database; an error where the file system has
/// none.
pub(super) fn link(target: &Path, aside: &Path) -> io::Result<()> {
    std::fs::hard_link(target, aside)?;
    sync_folder(aside)
}

/// Takes away second names that a killed run gave to the database itself: they
/// would change with it, and are no old one.
pub(super) fn sweep(target: &Path) {
    let Some(name) = target.file_name() else {
        return;
    };
    let mut prefix = name.to_owned();
    prefix.push(MARK);
    for entry in std::fs::read_dir(folder_of(target)).into_iter().flatten().flatten() {
        let begins = entry.file_name().as_encoded_bytes().starts_with(prefix.as_encoded_bytes());
        if !begins || !is_same(&entry.path(), target) {
            continue;
        }
        let parts = PARTS.map(|suffix| (beside(&entry.path(), suffix), beside(target, suffix)));
        // A WAL that the database has no more lies there and nowhere else.
        let kept = parts.iter().any(|(part, of)| part.exists() && !is_same(part, of));
        if !kept {
            // What cannot be removed stays a second name, which the swap
            // notices.
            for path in parts.iter().map(|(part, _)| part).chain([&entry.path()]) {
                let _ = std::fs::remove_file(path);
            }
        }
    }
}

/// Whether two paths are names of one file.
fn is_same(a: &Path, b: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let identity = |data: Metadata| (data.dev(), data.ino());
        match (std::fs::symlink_metadata(a), std::fs::symlink_metadata(b)) {
            (Ok(a), Ok(b)) => identity(a) == identity(b),
            _ => false,
        }
    }
    #[cfg(not(unix))]
    {
        let _: Option<Metadata> = None;
        let _ = (a, b);
        false
    }
}
