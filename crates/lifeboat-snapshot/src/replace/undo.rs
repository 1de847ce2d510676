//! Taking a restore back: the database that was set aside becomes a staged file
//! again.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use lifeboat_format::digest::{BlockHash, HashKey, ImageDigester};
use lifeboat_format::geometry::GroupNo;
use lifeboat_format::source::PageSink;
use lifeboat_sqlite::Connection;

use crate::error::{CaptureFailure, Fault};
use crate::image::Image;
use crate::staged::{ProvenFile, StageError, StagedFile, image};
use crate::{ProveError, SqliteError};

use super::aside;

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
    /// The copy could not be written.
    #[error(transparent)]
    Stage(#[from] StageError),
    /// The copy is not what was copied.
    #[error(transparent)]
    Prove(#[from] ProveError),
}

/// Which database was set aside under a path.
pub fn undo_target(path: &Path) -> Result<PathBuf, UndoError> {
    aside::target_of(path).ok_or_else(|| UndoError::NotSetAside { path: path.to_owned() })
}

/// Copies what was set aside to a staged file beside its old place, and proves
/// the copy.
pub fn stage_undo(path: &Path) -> Result<ProvenFile, UndoError> {
    let target = undo_target(path)?;
    std::fs::metadata(path)
        .map_err(|source| UndoError::NotFound { path: path.to_owned(), source })?;
    let failed = |fault: Fault| UndoError::Unreadable(fault.failure(path));
    let mut connection = Connection::open(path, Duration::from_secs(5)).map_err(|e| {
        failed(Fault::Sqlite(match e {
            lifeboat_sqlite::ConnectError::Sqlite { source, .. } => source,
            other => SqliteError { code: 14, message: other.to_string(), os_code: 0 },
        }))
    })?;
    let read = connection.begin_read().map_err(|e| failed(Fault::Begin(e)))?;
    let mode = read.journal_mode().map_err(|e| failed(e.into()))?;
    let mut image = image(&read, mode).map_err(failed)?;
    copy(&target, path, &mut image)
}

fn copy(target: &Path, path: &Path, image: &mut Image<'_>) -> Result<ProvenFile, UndoError> {
    let mut staged = StagedFile::beside(target)?;
    let geometry = image.geometry();
    staged.begin(geometry)?;
    // It only ever meets hashes of its own.
    let key = HashKey::from_bytes([0; 32]);
    let mut digester = ImageDigester::default();
    let mut data = Vec::new();
    for group in (0..geometry.group_count()).map(GroupNo) {
        let (first, _) = image
            .group(group, &mut data)
            .map_err(|fault| UndoError::Unreadable(fault.failure(path)))?;
        let blocks = (first.0..).zip(data.chunks_exact(geometry.block_size() as usize));
        for (block, bytes) in blocks {
            let absent = geometry.absent_block().is_some_and(|absent| absent.0 == block);
            digester.push(if absent { BlockHash::ABSENT } else { BlockHash::of(&key, bytes) });
        }
        staged.blocks(first, &data)?;
    }
    Ok(staged.prove(&key, &digester.finish())?)
}
