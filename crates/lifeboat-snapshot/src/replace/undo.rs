//! Taking a restore back: the database that was set aside becomes a staged file
//! again.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use lifeboat_sqlite::{Connection, JournalMode};

use crate::error::{CaptureFailure, Fault};
use crate::staged::{ProvenFile, image};

use super::{ReplaceError, aside};

/// Why a database that was set aside cannot be brought back.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UndoError {
    /// The path is not that of one.
    #[error("bring back {}, which no restore set aside", path.display())]
    NotSetAside {
        /// The path.
        path: PathBuf,
    },
    /// There is nothing there.
    #[error("find {}", path.display())]
    NotFound {
        /// The path.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// It cannot be read as a database.
    #[error("read the database that was set aside: {0}")]
    Unreadable(CaptureFailure),
    /// It could not be copied.
    #[error(transparent)]
    Copy(ReplaceError),
}

/// Which database was set aside under a path.
pub fn undo_target(path: &Path) -> Result<PathBuf, UndoError> {
    aside::target_of(path).ok_or_else(|| UndoError::NotSetAside { path: path.to_owned() })
}

/// Copies what was set aside to a staged file beside its old place, and proves
/// the copy. Where the database there is in WAL mode now, the copy will be.
pub fn stage_undo(path: &Path) -> Result<ProvenFile, UndoError> {
    let target = undo_target(path)?;
    std::fs::metadata(path)
        .map_err(|source| UndoError::NotFound { path: path.to_owned(), source })?;
    let wal = is_wal(&target);
    let failed = |fault: Fault| UndoError::Unreadable(fault.failure(path));
    let mut connection = Connection::open(path, Duration::from_secs(5))
        .map_err(|source| UndoError::Copy(ReplaceError::Open { source }))?;
    let read = connection.begin_read().map_err(|e| failed(Fault::Begin(e)))?;
    let mode = read.journal_mode().map_err(|e| failed(e.into()))?;
    let mut image = image(&read, mode).map_err(failed)?;
    let geometry = image.geometry();
    aside::copy(&target, &mut image, geometry, wal).map_err(UndoError::Copy)
}

/// Whether the database at a path is in WAL mode; what cannot be read is not.
fn is_wal(path: &Path) -> bool {
    Connection::open(path, Duration::from_secs(5))
        .ok()
        .and_then(|mut connection| connection.begin_read().ok()?.journal_mode().ok())
        == Some(JournalMode::Wal)
}
