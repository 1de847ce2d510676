//! What a directory needs beyond what its library does: durability of what was
//! found rather than written, and tidying after processes that were killed.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::Remote;
use crate::error::RemoteError;

impl Remote {
    /// Sees to it that an object which is there by somebody else's hand, such as a
    /// process that was killed before it could, stays there.
    pub(super) async fn sync_found(&self, key: &str) -> Result<(), RemoteError> {
        let Some(root) = self.directory.clone() else { return Ok(()) };
        let path = root.join(key);
        let synced = tokio::task::spawn_blocking(move || sync(&root, &path)).await;
        synced
            .unwrap_or_else(|error| Err(io::Error::other(error)))
            .map_err(|error| RemoteError::new("create", key, unsynced(error)))
    }

    /// Removes what processes that were killed while they wrote left in a
    /// directory: temporary files that no listing shows. Only files older than
    /// `age`, which is longer than any write takes, and only in the folders that
    /// are named, at any depth. Returns how many went. Other stores have none.
    ///
    /// Cancelled or killed half-way, some are gone and some are left.
    pub async fn sweep_temporary(
        &self,
        folders: &[&str],
        now: SystemTime,
        age: Duration,
    ) -> Result<usize, RemoteError> {
        let Some(root) = self.directory.clone() else { return Ok(0) };
        let folders: Vec<PathBuf> = folders.iter().map(|folder| root.join(folder)).collect();
        let before = now.checked_sub(age).unwrap_or(SystemTime::UNIX_EPOCH);
        let swept = tokio::task::spawn_blocking(move || {
            folders.iter().try_fold(0, |sum, folder| Ok(sum + sweep(folder, before)?))
        });
        swept
            .await
            .unwrap_or_else(|error| Err(io::Error::other(error)))
            .map_err(|error| RemoteError::new("tidy", self.shown(), unsynced(error)))
    }
}

fn unsynced(error: io::Error) -> object_store::Error {
    object_store::Error::Generic { store: "LocalFileSystem", source: Box::new(error) }
}

/// The file, and every directory between it and the root.
fn sync(root: &Path, path: &Path) -> io::Result<()> {
    std::fs::File::open(path)?.sync_all()?;
    #[cfg(unix)]
    for parent in path.ancestors().skip(1).take_while(|parent| parent.starts_with(root)) {
        std::fs::File::open(parent)?.sync_all()?;
    }
    #[cfg(not(unix))]
    let _ = root;
    Ok(())
}

fn sweep(folder: &Path, before: SystemTime) -> io::Result<usize> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        entries => entries?,
    };
    let mut gone = 0;
    for entry in entries {
        let entry = entry?;
        // Nothing is followed out of the folder.
        let kind = entry.file_type()?;
        if kind.is_dir() {
            gone += sweep(&entry.path(), before)?;
        } else if kind.is_file() && entry.file_name().to_str().is_some_and(is_temporary) {
            let old = entry.metadata().and_then(|meta| meta.modified()).is_ok_and(|at| at < before);
            if old && remove(&entry.path())? {
                gone += 1;
            }
        }
    }
    Ok(gone)
}

fn remove(path: &Path) -> io::Result<bool> {
    match std::fs::remove_file(path) {
        Ok(()) => {
            tracing::debug!(path = %path.display(), "removed what a killed write had left");
            Ok(true)
        }
        // Whoever wrote it, or another who tidies, was quicker.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// `name#1`: what the library writes before it gives a file its name. It refuses
/// such names for objects, so that none is ever called so.
fn is_temporary(name: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    name.rsplit_once('#').is_some_and(|(stem, number)| !stem.is_empty() && digits(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3_600);

    #[test]
    fn what_is_temporary() {
        for name in ["key#1", "key#27", "a#b#3"] {
            assert!(is_temporary(name), "{name}");
        }
        for name in ["key", "#1", "key#", "key#1a", "key#1.db", "k1"] {
            assert!(!is_temporary(name), "{name}");
        }
    }

    #[tokio::test]
    async fn only_what_killed_writes_left_goes() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let put = |name: &str| {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().expect("has one")).expect("makes it");
            std::fs::write(&path, "x").expect("writes");
        };
        let left = ["databases/a/packs/1#1", "databases/a/records/2#3", "keys/k#1"];
        let kept = ["databases/a/packs/1", "databases/a/packs/1#1.txt", "photos/p#1", "top#1"];
        left.iter().chain(&kept).for_each(|name| put(name));
        #[cfg(unix)]
        std::os::unix::fs::symlink(dir.path().join("photos"), dir.path().join("databases/link"))
            .expect("links");
        let remote = Remote::open(dir.path().to_str().expect("UTF-8")).expect("opens");
        let folders = ["databases", "keys", "nothing"];
        let now = SystemTime::now();
        let sweep = |now| remote.sweep_temporary(&folders, now, HOUR);
        assert_eq!(sweep(now).await.expect("sweeps"), 0, "somebody may be writing them");
        assert_eq!(sweep(now + 2 * HOUR).await.expect("sweeps"), 3);
        assert!(left.iter().all(|name| !dir.path().join(name).exists()));
        assert!(kept.iter().all(|name| dir.path().join(name).exists()));
        assert_eq!(sweep(now + 2 * HOUR).await.expect("sweeps"), 0);
        assert_eq!(Remote::memory().sweep_temporary(&folders, now, HOUR).await.expect("none"), 0);
    }

    #[tokio::test]
    async fn what_is_found_is_synced_before_it_counts() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let remote = Remote::open(dir.path().to_str().expect("UTF-8")).expect("opens");
        remote.sync_found("a/b/missing").await.expect_err("nothing is there");
        let path = dir.path().join("a/b/c");
        std::fs::create_dir_all(path.parent().expect("has one")).expect("makes it");
        std::fs::write(&path, "x").expect("writes");
        remote.sync_found("a/b/c").await.expect("is there");
    }
}
