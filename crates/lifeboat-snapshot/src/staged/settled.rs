//! A proven file that is closed and on the disk, one renaming away from its
//! place.

use std::fs::{File, Metadata};
use std::io;
use std::path::{Path, PathBuf};

use super::proven::has_no_links;
use super::{Place, folder};

/// A file that only needs its name; dropped, it is removed.
pub(crate) struct Settled {
    place: Place,
}

impl Settled {
    /// With owner and permissions of `like`, or those that a new file gets.
    pub(super) fn new(file: File, place: Place, like: Option<&Metadata>) -> io::Result<Self> {
        #[cfg(unix)]
        {
            use std::os::unix::fs::{MetadataExt, PermissionsExt};
            if let Some(like) = like {
                own(&file, like)?;
            }
            let mode = like.map_or(place.mode, |like| like.mode() & 0o7777);
            file.set_permissions(PermissionsExt::from_mode(mode))?;
        }
        #[cfg(not(unix))]
        let _ = like;
        file.sync_all()?;
        Ok(Self { place })
    }

    /// With owner and permissions of what it is a copy of; where the owner
    /// cannot be the same, nobody but the one who made it may read it.
    pub(super) fn copy(file: File, place: Place, of: &Metadata) -> io::Result<Self> {
        #[cfg(unix)]
        {
            use std::os::unix::fs::{MetadataExt, PermissionsExt};
            let mode = if own(&file, of).is_ok() { of.mode() & 0o7777 } else { 0o600 };
            file.set_permissions(PermissionsExt::from_mode(mode))?;
        }
        #[cfg(not(unix))]
        let _ = of;
        file.sync_all()?;
        Ok(Self { place })
    }

    /// Takes the place of whatever is at the target, in one step.
    pub(crate) fn rename_over(mut self) -> io::Result<()> {
        std::fs::rename(&self.place.staged, &self.place.target)?;
        self.place.published = true;
        Ok(())
    }

    /// Gets a name that must be free.
    pub(crate) fn name(mut self, path: &Path) -> io::Result<()> {
        match std::fs::hard_link(&self.place.staged, path) {
            Err(e) if has_no_links(&e) && std::fs::symlink_metadata(path).is_err() => {
                std::fs::rename(&self.place.staged, path)?;
                self.place.published = true;
                Ok(())
            }
            done => done,
        }
    }
}

/// Gives a file the owner of another.
#[cfg(unix)]
fn own(file: &File, like: &Metadata) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt, fchown};
    let made = file.metadata()?;
    if (like.uid(), like.gid()) == (made.uid(), made.gid()) {
        return Ok(());
    }
    fchown(file, Some(like.uid()), Some(like.gid()))
}

/// The folder that holds a path.
pub(crate) fn folder_of(path: &Path) -> PathBuf {
    folder::of(path).to_owned()
}

/// Makes the names in the folder of a path durable.
pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    // Elsewhere folders cannot be opened as files.
    if cfg!(unix) {
        File::open(folder::of(path))?.sync_all()?;
    }
    Ok(())
}
