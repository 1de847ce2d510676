//! What an interrupted restore left beside its target, and whether it may be
//! taken up.
//!
//! Nothing in it is believed: every block is compared with the hash of the one
//! that shall be there, and the whole is proven in the end. It still has to be a
//! file that nobody else can have open or will find under another name, because
//! it becomes the database.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};

use super::{Place, folder};

/// The path of what an interrupted restore to `target` left, if the next one will
/// go on with it. The one with the most in it, where there are several.
pub fn left_behind(target: &Path) -> Option<PathBuf> {
    find(target, None).map(|left| left.path)
}

/// What was left; it is locked as long as the file is open.
pub(super) struct Left {
    pub(super) file: File,
    path: PathBuf,
    /// How much lies on the disk.
    len: u64,
}

/// Finds what was left, and locks it. Whose it is, is looked at where it is told.
pub(super) fn find(target: &Path, owner: Option<u32>) -> Option<Left> {
    let open = |path: PathBuf| {
        let (file, len) = open(&path, owner)?;
        Some(Left { file, path, len })
    };
    folder::staged_for(target).into_iter().filter_map(open).max_by_key(|left| left.len)
}

/// Takes up what was left.
#[cfg(unix)]
pub(super) fn take_up(target: &Path) -> Option<(File, Place)> {
    if folder::staged_for(target).is_empty() {
        return None;
    }
    let (mode, owner) = folder::usual(target, target.file_name()?).ok()?;
    let left = find(target, Some(owner))?;
    tracing::info!(path = %left.path.display(), bytes = left.len, "goes on with what was left");
    let (target, staged) = (target.to_owned(), left.path);
    Some((left.file, Place { target, staged, mode, published: false, kept: true }))
}

/// Elsewhere it cannot be seen whose a file is.
#[cfg(not(unix))]
pub(super) fn take_up(_: &Path) -> Option<(File, Place)> {
    None
}

/// A regular file with one name, for its owner alone, that nobody works on.
#[cfg(unix)]
fn open(path: &Path, owner: Option<u32>) -> Option<(File, u64)> {
    use std::os::unix::fs::MetadataExt;
    // Before it is opened: opening a pipe would wait.
    let named = std::fs::symlink_metadata(path).ok().filter(std::fs::Metadata::is_file)?;
    let file = OpenOptions::new().read(true).write(true).open(path).ok()?;
    file.try_lock().ok()?;
    // Whoever worked on it may have finished before it could be locked: it may have
    // another name now, or none.
    let (found, now) = (file.metadata().ok()?, std::fs::symlink_metadata(path).ok()?);
    let identity = |meta: &std::fs::Metadata| (meta.dev(), meta.ino());
    let good = identity(&named) == identity(&found)
        && identity(&now) == identity(&found)
        && found.is_file()
        && found.nlink() == 1
        && found.mode() & 0o7777 == 0o600
        && owner.is_none_or(|owner| owner == found.uid());
    // Of a sparse file only what was written counts; blocks have 512 bytes here,
    // whatever the file system's own are.
    let len = found.len().min(found.blocks() * 512);
    (good && len > 0).then_some((file, len))
}

#[cfg(not(unix))]
fn open(_: &Path, _: Option<u32>) -> Option<(File, u64)> {
    None
}
