//! A folder for the temporary files of one run, which the next run clears away
//! if this one is killed.
//!
//! Beside the folder lies a file that the run keeps locked. A lock that is free
//! was left by a run that is dead, and its folder goes.

use std::fs::File;
use std::path::{Path, PathBuf};

use super::random;
use crate::error::LocalError;

const LOCK: &str = "lock";

/// The folder of this run. Removed when it is dropped.
#[derive(Debug)]
pub struct Scratch {
    dir: PathBuf,
    lock: PathBuf,
    _locked: File,
}

impl Scratch {
    /// Clears away what dead runs left in `cache`, and makes a folder there.
    pub(crate) fn new(cache: &Path) -> Result<Self, LocalError> {
        sweep(cache);
        loop {
            let dir = cache.join(format!("run-{}", lifeboat_format::hex::encode(&random::<8>())));
            let lock = dir.with_extension(LOCK);
            let file = File::create_new(&lock).map_err(LocalError::at("write", &lock))?;
            file.lock().map_err(LocalError::at("lock", &lock))?;
            // Between the two another run may have taken it for a dead one's.
            if !lock.exists() {
                continue;
            }
            private_directory(&dir).map_err(LocalError::at("make the directory", &dir))?;
            return Ok(Self { dir, lock, _locked: file });
        }
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.dir
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        remove(&self.dir, &self.lock);
    }
}

/// What lies in it may be a database: it is for its owner alone.
fn private_directory(dir: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir)
}

fn remove(dir: &Path, lock: &Path) {
    // What cannot be removed now is left to the next run.
    let _ = std::fs::remove_dir_all(dir);
    let _ = std::fs::remove_file(lock);
}

fn sweep(cache: &Path) {
    for entry in std::fs::read_dir(cache).into_iter().flatten().flatten() {
        let lock = entry.path();
        let is_lock = lock.extension().is_some_and(|extension| extension == LOCK);
        let dead = is_lock && File::open(&lock).is_ok_and(|file| file.try_lock().is_ok());
        if dead {
            remove(&lock.with_extension(""), &lock);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_dead_are_cleared_away() {
        let cache = tempfile::tempdir().expect("a temporary directory");
        let alive = Scratch::new(cache.path()).expect("makes");
        std::fs::write(alive.path().join("x"), "1").expect("writes");
        let dead = cache.path().join("run-00");
        std::fs::create_dir(&dead).expect("makes");
        std::fs::write(dead.join("y"), "1").expect("writes");
        std::fs::write(dead.with_extension(LOCK), "").expect("writes");
        let second = Scratch::new(cache.path()).expect("makes");
        assert!(alive.path().join("x").exists() && !dead.exists());
        drop((alive, second));
        assert_eq!(std::fs::read_dir(cache.path()).expect("lists").count(), 0);
    }
}
