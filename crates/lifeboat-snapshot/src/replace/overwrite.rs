//! Overwriting a database through SQLite, in one transaction, while others have
//! it open.

use std::io;
use std::path::Path;
use std::time::Duration;

use lifeboat_sqlite::{
    Completeness, JournalMode, Overwrite, PrivateDatabase, SqliteError, WritableDatabase,
};

use crate::error::Fault;
use crate::staged::ProvenFile;

use super::copy::Copy;
use super::{ReplaceError, Replaced, Way};

// How often it begins anew because the journal mode changed before the lock.
const ATTEMPTS: u32 = 4;

/// Overwrites the database in one transaction. Who has it open may go on using
/// it: in WAL mode readers never wait.
pub(super) fn overwrite(
    proven: ProvenFile,
    database: WritableDatabase,
    target: &Path,
    aside: &Path,
    patience: Duration,
) -> Result<Replaced, ReplaceError> {
    let sqlite = |source| ReplaceError::sqlite(target, source);
    let mode = database.journal_mode().map_err(sqlite)?;
    // In WAL mode the size of pages cannot change.
    let leave = mode == JournalMode::Wal && !same_page_size(&database, &proven, target)?;
    if leave && !database.leave_wal().map_err(sqlite)? {
        return Err(ReplaceError::PageSize { path: target.to_owned() });
    }
    let done = try_overwrite(&proven, &database, target, aside, leave, patience);
    if leave && done.is_err() {
        // Nobody loses anything by the mode it is in, so that the error that
        // stands is the first.
        let _ = database.enter_wal();
    }
    done
}

fn try_overwrite(
    proven: &ProvenFile,
    database: &WritableDatabase,
    target: &Path,
    aside: &Path,
    was_wal: bool,
    patience: Duration,
) -> Result<Replaced, ReplaceError> {
    let sqlite = |source| ReplaceError::sqlite(target, source);
    let source = PrivateDatabase::open(proven.path())
        .map_err(|e| ReplaceError::Io { path: target.to_owned(), source: io::Error::other(e) })?;
    let mut copy = Copy::begin(target, patience)?;
    for _ in 0..ATTEMPTS {
        let mode = database.journal_mode().map_err(sqlite)?;
        let lock = database.begin_overwrite(&source).map_err(sqlite)?;
        // From here on nobody commits: what is set aside is the newest there
        // is, and nothing acknowledged is lost.
        match mode {
            JournalMode::Wal => copy.finish_wal(patience)?,
            // Somebody entered WAL mode before the lock. (Nobody leaves it as
            // long as we are attached.)
            JournalMode::Rollback if says_wal(&lock).map_err(sqlite)? => continue,
            JournalMode::Rollback => copy.finish_file(lock.main_file().map_err(sqlite)?)?,
        }
        let old = copy.name(aside, was_wal)?;
        if let Err(source) = lock.commit() {
            // SQLite may fail after the point where the new state counts. What
            // was set aside goes only where it is known to be there still.
            if !old.is_at(target) {
                let (path, aside) = (target.to_owned(), aside.to_owned());
                return Err(ReplaceError::Uncertain { path, aside, source });
            }
            let _ = std::fs::remove_file(aside);
            return Err(sqlite(source));
        }
        // The new state is committed, whatever becomes of the checkpoint.
        let emptied = mode == JournalMode::Rollback || database.checkpoint().unwrap_or(false);
        return Ok(Replaced {
            way: Way::Overwritten,
            aside: Some(aside.to_owned()),
            wal_is_full: !emptied,
            straggler: false,
        });
    }
    Err(ReplaceError::Present(Fault::Unsteady.failure(target)))
}

/// Whether the header says that the database is in WAL mode (file format,
/// section 1.3.2).
fn says_wal(lock: &Overwrite<'_>) -> Result<bool, SqliteError> {
    let mut header = [0; 100];
    lock.main_file()?.read_at(&mut header, 0)?;
    Ok(header[18] == 2)
}

/// Whether the page sizes are the same, as far as the headers tell.
fn same_page_size(
    present: &WritableDatabase,
    proven: &ProvenFile,
    target: &Path,
) -> Result<bool, ReplaceError> {
    let sqlite = |source| ReplaceError::sqlite(target, source);
    let mut header = [0; 100];
    let file = present.main_file().map_err(sqlite)?;
    if file.read_at(&mut header, 0).map_err(sqlite)? == Completeness::Short {
        return Ok(true);
    }
    // The staged file is nobody else's, and carries no locks.
    let mut staged = [0; 100];
    std::fs::File::open(proven.path())
        .and_then(|mut file| io::Read::read_exact(&mut file, &mut staged))
        .map_err(|source| ReplaceError::Io { path: proven.path().to_owned(), source })?;
    Ok(header[16..18] == staged[16..18])
}
