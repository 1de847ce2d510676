//! A connection to a live database that leaves no trace of itself.

use std::ffi::CString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::ffi;

use crate::error::{BeginError, ConnectError, SqliteError};
use crate::raw::{Db, DbConfig};
use crate::transaction::{JournalMode, ReadTransaction, journal_mode};
use crate::{uri, wal_index};

/// What a connection may do with the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Write: it never does of its own, but SQLite can roll back a hot journal
    /// and keep the `-shm`.
    ReadWrite,
    /// Read alone, because the file does not permit more.
    ReadOnly,
}

/// A connection that reads a live database and changes nothing: no rows, no
/// settings, no checkpoints, also not when it is the last to close.
pub struct Connection {
    db: Db,
    path: PathBuf,
    access: Access,
    /// Whether there was no `-wal`, or an empty one, when the connection came.
    came_without_wal: bool,
}

impl Connection {
    /// Opens the database at `path`, which must exist; `busy_timeout` is how
    /// long locks of others are waited for.
    ///
    /// It asks for write access first, because only then SQLite can roll back
    /// a hot journal, and is content with less ([`Connection::access`]).
    /// Nothing is read of the file but its header.
    pub fn open(path: &Path, busy_timeout: Duration) -> Result<Self, ConnectError> {
        if !Db::threads_supported() {
            return Err(ConnectError::SingleThreaded);
        }
        let unusable = || ConnectError::UnusablePath { path: path.to_owned() };
        let sqlite = |source| ConnectError::Sqlite { path: path.to_owned(), source };
        // A relative name would be resolved by SQLite against the working
        // directory; one that begins with `file:` or `:memory:` means
        // something else to it.
        let absolute = std::path::absolute(path).map_err(|_| unusable())?;
        let bytes = uri::path_bytes(&absolute).ok_or_else(unusable)?;
        let name = CString::new(bytes).map_err(|_| unusable())?;
        let came_without_wal = is_missing_or_empty(&sidecar(&absolute, "-wal"));

        let db = match Db::open(&name, ffi::SQLITE_OPEN_READWRITE) {
            Err(e) if e.is_cannot_open() => {
                Db::open(&name, ffi::SQLITE_OPEN_READONLY).map_err(|_| sqlite(e))
            }
            other => other.map_err(sqlite),
        }?;
        db.busy_timeout(busy_timeout);
        db.configure(DbConfig::NoCheckpointOnClose, true);
        db.configure(DbConfig::TrustedSchema, false);
        for pragma in ["PRAGMA query_only=1", "PRAGMA wal_autocheckpoint=0"] {
            db.run(pragma).map_err(sqlite)?;
        }
        let access = if db.is_read_only() { Access::ReadOnly } else { Access::ReadWrite };
        Ok(Self { db, path: absolute, access, came_without_wal })
    }

    /// The absolute path that was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What the file permitted.
    pub fn access(&self) -> Access {
        self.access
    }

    /// The path of a file beside the database: `-wal`, `-shm` or `-journal`.
    pub fn sidecar(&self, suffix: &str) -> PathBuf {
        sidecar(&self.path, suffix)
    }

    /// Waits this long for locks of others from now on.
    pub fn set_busy_timeout(&mut self, timeout: Duration) {
        self.db.busy_timeout(timeout);
    }

    /// Whether the file at the path is no longer the one that is open.
    pub fn has_moved(&self) -> Result<bool, SqliteError> {
        self.db.has_moved()
    }

    /// Whether any connection of any process holds RESERVED or more, so that
    /// a journal beside the database is in use and not hot. (This one holds
    /// nothing outside transactions that could hide the answer.)
    pub fn is_reserved(&self) -> Result<bool, SqliteError> {
        self.db.main_file()?.is_reserved()
    }

    /// Begins a read transaction and takes its lock at once. SQLite recovers
    /// here what a killed writer left: a hot journal, a stale wal-index.
    pub fn begin_read(&mut self) -> Result<ReadTransaction<'_>, BeginError> {
        self.db.run("BEGIN").map_err(BeginError::from)?;
        // Reads the header and no schema, which may be one that this library
        // cannot parse.
        if let Err(e) = self.db.run("PRAGMA main.schema_version") {
            // The first failure is the one to report.
            let _ = self.db.run("ROLLBACK");
            return Err(e.into());
        }
        Ok(ReadTransaction::new(&self.db))
    }

    pub(crate) fn db(&self) -> &Db {
        &self.db
    }

    /// Lets SQLite write the WAL back and remove it if this turns out to be the
    /// last connection that closes, as it does for everybody.
    pub(crate) fn checkpoint_on_close(&mut self) {
        self.db.configure(DbConfig::NoCheckpointOnClose, false);
    }

    /// Whether the WAL holds no frame at all, so that closing may remove it.
    fn wal_is_unused(&self) -> bool {
        let in_wal_mode = journal_mode(&self.db).is_ok_and(|mode| mode == JournalMode::Wal);
        in_wal_mode
            && self.db.main_file().is_ok_and(|file| {
                file.map_wal_index()
                    .ok()
                    .and_then(|shm| wal_index::read(&shm))
                    .is_some_and(|position| position.header.max_frame == 0)
            })
            && is_missing_or_empty(&self.sidecar("-wal"))
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // Whoever holds the database now is not waited for, only to tidy up.
        self.db.busy_timeout(Duration::ZERO);
        // Where opening made the sidecars, closing removes them; frames of
        // others are never checkpointed.
        if self.came_without_wal && self.wal_is_unused() {
            self.db.configure(DbConfig::NoCheckpointOnClose, false);
        }
    }
}

fn sidecar(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn is_missing_or_empty(path: &Path) -> bool {
    match std::fs::metadata(path) {
        Ok(metadata) => metadata.len() == 0,
        Err(e) => e.kind() == std::io::ErrorKind::NotFound,
    }
}
