//! Overwriting a database through SQLite, in one transaction, while others have
//! it open.

use std::io;
use std::path::Path;
use std::time::Duration;

use lifeboat_sqlite::{Connection, JournalMode, Overwrite, PrivateDatabase, WritableDatabase};

use crate::error::Fault;
use crate::header::Header;
use crate::image::Image;
use crate::staged::{ProvenFile, image, sync_folder};

use super::{ReplaceError, Replaced, Way, aside};

// How often it begins anew because the journal mode changed before the lock.
const ATTEMPTS: u32 = 4;

pub(super) fn overwrite(
    proven: ProvenFile,
    database: WritableDatabase,
    target: &Path,
    aside: &Path,
) -> Result<Replaced, ReplaceError> {
    let sqlite = |source| ReplaceError::sqlite(target, source);
    let source = PrivateDatabase::open(proven.path())
        .map_err(|e| ReplaceError::Io { path: target.to_owned(), source: io::Error::other(e) })?;
    for _ in 0..ATTEMPTS {
        let mode = database.journal_mode().map_err(sqlite)?;
        let lock = database.begin_overwrite(&source).map_err(sqlite)?;
        // From here on nobody commits: what is set aside is the newest there
        // is, and nothing acknowledged is lost.
        if mode != header_mode(&lock, target)? {
            continue;
        }
        set_aside(&lock, mode, target, aside)?;
        if let Err(source) = lock.commit() {
            // Nothing was replaced, so nothing old is to be kept.
            let _ = std::fs::remove_file(aside);
            return Err(sqlite(source));
        }
        let wal_is_full = mode == JournalMode::Wal && !database.checkpoint().map_err(sqlite)?;
        return Ok(Replaced {
            way: Way::Overwritten,
            aside: Some(aside.to_owned()),
            wal_is_full,
            straggler: false,
        });
    }
    Err(ReplaceError::Present(Fault::Unsteady.failure(target)))
}

/// The journal mode that the file claims, which under the lock nobody changes.
fn header_mode(lock: &Overwrite<'_>, target: &Path) -> Result<JournalMode, ReplaceError> {
    let sqlite = |source| ReplaceError::sqlite(target, source);
    let mut header = [0; 100];
    lock.main_file().map_err(sqlite)?.read_at(&mut header, 0).map_err(sqlite)?;
    Ok(if header[18] == 2 { JournalMode::Wal } else { JournalMode::Rollback })
}

/// Copies the present state, under the lock.
fn set_aside(
    lock: &Overwrite<'_>,
    mode: JournalMode,
    target: &Path,
    aside: &Path,
) -> Result<(), ReplaceError> {
    let failed = |fault: Fault| ReplaceError::Present(fault.failure(target));
    let io = |source| ReplaceError::Aside { path: target.to_owned(), source };
    let like = std::fs::metadata(target).map_err(io)?;
    let copied = match mode {
        JournalMode::Wal => {
            let mut connection = Connection::open(target, Duration::from_secs(5))
                .map_err(|source| ReplaceError::Open { source })?;
            let read = connection.begin_read().map_err(|e| failed(Fault::Begin(e)))?;
            let mut image = image(&read, mode).map_err(failed)?;
            let geometry = image.geometry();
            Some(aside::copy(target, &mut image, geometry, false)?)
        }
        JournalMode::Rollback => {
            let file = lock.main_file().map_err(|e| failed(Fault::Sqlite(e)))?;
            let size = file.size().map_err(|e| failed(Fault::Sqlite(e)))?;
            let geometry = Header::read(&file).and_then(|header| {
                if size == 0 { Err(Fault::Empty) } else { header.geometry(size) }
            });
            match geometry {
                Ok(geometry) => {
                    let mut image = Image::of_file(file, geometry).map_err(failed)?;
                    Some(aside::copy(target, &mut image, geometry, false)?)
                }
                // Nothing was ever written to it.
                Err(Fault::Empty) => None,
                Err(fault) => return Err(failed(fault)),
            }
        }
    };
    match copied {
        Some(copied) => {
            copied.settle(Some(&like)).and_then(|settled| settled.name(aside)).map_err(io)?;
        }
        None => {
            std::fs::File::create_new(aside).and_then(|file| file.sync_all()).map_err(io)?;
        }
    }
    sync_folder(aside).map_err(io)
}
