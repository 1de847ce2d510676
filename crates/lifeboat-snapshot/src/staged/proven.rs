//! A staged file that is the image it should be, and its way to its place.

use std::fs::File;
use std::io;
use std::path::Path;

use lifeboat_sqlite::{CheckError, Finding, PrivateDatabase};

use super::error::PublishError;
use super::settled::{Settled, sync_folder};
use super::{Place, folder};

// More findings than anybody reads.
const FINDINGS: usize = 100;

/// A staged file whose content was read again and is the image's. Still
/// nothing lies at the target; dropped, the file is removed.
pub struct ProvenFile {
    place: Place,
    file: File,
}

/// What SQLite says of a restored database.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CheckReport {
    /// What `integrity_check` found; the first hundred.
    pub integrity: Vec<Finding>,
    /// What `foreign_key_check` found; the first hundred.
    pub foreign_keys: Vec<Finding>,
}

impl CheckReport {
    /// Whether nothing was found.
    pub fn is_ok(&self) -> bool {
        self.integrity.is_empty() && self.foreign_keys.is_empty()
    }
}

impl ProvenFile {
    pub(super) fn new(file: File, place: Place) -> Self {
        Self { place, file }
    }

    /// Where the file lies now.
    pub fn path(&self) -> &Path {
        &self.place.staged
    }

    /// Where it goes.
    pub fn target(&self) -> &Path {
        &self.place.target
    }

    /// Has SQLite check the content: `integrity_check`, `foreign_key_check`.
    pub fn check(&self) -> Result<CheckReport, CheckError> {
        let database = PrivateDatabase::open(self.path())?;
        Ok(CheckReport {
            integrity: database.integrity_check(FINDINGS)?,
            foreign_keys: database.foreign_key_check(FINDINGS)?,
        })
    }

    /// Gives the file the permissions of `like`, or those that a new file gets,
    /// writes everything to disk and closes it.
    pub(crate) fn settle(self, like: Option<&std::fs::Metadata>) -> io::Result<Settled> {
        Settled::new(self.file, self.place, like)
    }

    /// Puts the file in its place, with the permissions that a new file gets
    /// there (0600 less the umask: who may read it is for its owner to say), and makes the name durable. If something
    /// appeared at the target meanwhile it stays untouched.
    pub fn publish(self) -> Result<(), PublishError> {
        let Self { file, mut place } = self;
        folder::must_be_free(&place.target).map_err(PublishError::from_taken)?;
        let target = place.target.clone();
        let io = |source| PublishError::Io { path: target.clone(), source };
        #[cfg(unix)]
        file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(place.mode))
            .map_err(io)?;
        file.sync_all().map_err(io)?;
        // Closed before anybody can find the file: an application in this
        // process that opened it at once would lose its locks otherwise.
        drop(file);

        link(&mut place).map_err(|source| match source.kind() {
            io::ErrorKind::AlreadyExists => PublishError::TargetExists { path: target.clone() },
            io::ErrorKind::NotFound => PublishError::StagedFileGone { path: place.staged.clone() },
            _ => io(source),
        })?;
        // Takes the staged name away, so that one sync covers both names.
        drop(place);
        sync_folder(&target)
            .map_err(|source| PublishError::NotDurable { path: target.clone(), source })
    }
}

/// Gives the file its final name; the other goes with `place`.
fn link(place: &mut Place) -> io::Result<()> {
    match std::fs::hard_link(&place.staged, &place.target) {
        // Dropping the place removes the staged name.
        Ok(()) => Ok(()),
        Err(e) if has_no_links(&e) => {
            // Between the look and the renaming somebody may create the
            // target, and lose it; only where links do not exist.
            if std::fs::symlink_metadata(&place.target).is_ok() {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            std::fs::rename(&place.staged, &place.target)?;
            place.published = true;
            Ok(())
        }
        Err(e) => Err(e),
    }?;
    Ok(())
}

pub(super) fn has_no_links(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::Unsupported | io::ErrorKind::PermissionDenied)
}
