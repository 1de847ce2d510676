//! A database that is to be replaced: locked against everybody, so that its
//! file can be exchanged, or overwritten through SQLite while others use it.

use std::ffi::{CString, c_int};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::ffi;

use crate::check::PrivateDatabase;
use crate::error::{ConnectError, SqliteError};
use crate::raw::{Backup, Db, DbConfig, FileHandle};
use crate::transaction::{JournalMode, journal_mode};
use crate::uri;

/// A connection that may change the database. Unlike
/// [`Connection`](crate::Connection) it behaves as any other: the last to close
/// checkpoints the WAL and removes it.
pub struct WritableDatabase {
    db: Db,
    path: PathBuf,
}

impl WritableDatabase {
    /// Opens the database at `path`, which must exist, for writing;
    /// `busy_timeout` is how long locks of others are waited for. Nothing is
    /// read of the file yet.
    pub fn open(path: &Path, busy_timeout: Duration) -> Result<Self, ConnectError> {
        let (db, absolute) = open(path)?;
        let sqlite = |source| ConnectError::Sqlite { path: absolute.clone(), source };
        db.busy_insist(tries(busy_timeout));
        db.run("PRAGMA wal_autocheckpoint=0").map_err(sqlite)?;
        Ok(Self { path: absolute, db })
    }

    /// The absolute path that was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Waits this long for locks of others from now on.
    pub fn set_busy_timeout(&mut self, timeout: Duration) {
        self.db.busy_insist(tries(timeout));
    }

    /// Whether the file permits reading alone.
    pub fn is_read_only(&self) -> bool {
        self.db.is_read_only()
    }

    /// The journal mode. The first look at the file: what a killed writer left
    /// is recovered here, and a file that is no database refused.
    pub fn journal_mode(&self) -> Result<JournalMode, SqliteError> {
        // The mode alone would be answered without a lock.
        self.db.run("PRAGMA main.schema_version")?;
        journal_mode(&self.db)
    }

    /// The database file.
    pub fn main_file(&self) -> Result<FileHandle<'_>, SqliteError> {
        self.db.main_file()
    }

    /// Leaves WAL mode: the WAL is written into the database file and removed.
    /// False if somebody else is attached, and nothing was changed.
    pub fn leave_wal(&self) -> Result<bool, SqliteError> {
        match self.db.run("PRAGMA main.journal_mode=DELETE") {
            Ok(()) => Ok(journal_mode(&self.db)? == JournalMode::Rollback),
            Err(e) if e.is_busy() => Ok(false),
            Err(e) => Err(e),
        }
    }

    /// Enters WAL mode. False if somebody was in the way.
    pub fn enter_wal(&self) -> Result<bool, SqliteError> {
        match self.db.run("PRAGMA main.journal_mode=WAL") {
            Ok(()) => Ok(journal_mode(&self.db)? == JournalMode::Wal),
            Err(e) if e.is_busy() => Ok(false),
            Err(e) => Err(e),
        }
    }

    /// Prepares to overwrite the database with another, and takes the lock:
    /// from now on nobody else commits. In WAL mode others go on reading the
    /// old state, in rollback modes they wait.
    pub fn begin_overwrite<'d>(
        &'d self,
        source: &'d PrivateDatabase,
    ) -> Result<Overwrite<'d>, SqliteError> {
        // What replaces a database is on the disk when it is said to be.
        self.db.run("PRAGMA main.synchronous=FULL")?;
        let mut backup = Backup::prepare(&self.db, source.db())?;
        backup.step(0)?;
        Ok(Overwrite { backup })
    }

    pub(crate) fn db(&self) -> &Db {
        &self.db
    }

    /// Writes the WAL into the database file and empties it. False if readers
    /// held it up: then one of the next commits does it.
    pub fn checkpoint(&self) -> Result<bool, SqliteError> {
        checkpoint(&self.db)
    }
}

/// Tries a millisecond apart.
fn tries(timeout: Duration) -> c_int {
    c_int::try_from(timeout.as_millis()).unwrap_or(c_int::MAX)
}

/// Opens the database at a path, which must exist, for writing.
fn open(path: &Path) -> Result<(Db, PathBuf), ConnectError> {
    if !Db::threads_supported() {
        return Err(ConnectError::SingleThreaded);
    }
    let unusable = || ConnectError::UnusablePath { path: path.to_owned() };
    let absolute = std::path::absolute(path).map_err(|_| unusable())?;
    let bytes = uri::path_bytes(&absolute).ok_or_else(unusable)?;
    let name = CString::new(bytes).map_err(|_| unusable())?;
    let db = Db::open(&name, ffi::SQLITE_OPEN_READWRITE)
        .map_err(|source| ConnectError::Sqlite { path: absolute.clone(), source })?;
    db.configure(DbConfig::TrustedSchema, false);
    Ok((db, absolute))
}

fn checkpoint(db: &Db) -> Result<bool, SqliteError> {
    let mut row = db.prepare("PRAGMA main.wal_checkpoint(TRUNCATE)")?;
    match row.step() {
        Ok(found) => Ok(found && row.integer(0) == Some(0)),
        Err(e) if e.is_busy() => Ok(false),
        Err(e) => Err(e),
    }
}

/// A database that nobody else reads or writes until this is dropped, and that
/// lies in its file alone: the WAL is written back, and no journal counts.
///
/// Taken in exclusive locking mode, which changes nothing in the file: killed,
/// the database is what it was, journal mode included.
pub struct Exclusive {
    db: Db,
}

impl Exclusive {
    /// Takes the database at `path`; `None` if somebody else is in the way, or
    /// the file may not be written. Others in WAL mode are noticed as long as
    /// they are attached, others in rollback modes only while they read or
    /// write.
    pub fn take(path: &Path) -> Result<Option<Self>, ConnectError> {
        let (db, absolute) = open(path)?;
        // Never a checkpoint for a file that may have lost its name meanwhile.
        db.configure(DbConfig::NoCheckpointOnClose, true);
        let sqlite = |source| ConnectError::Sqlite { path: absolute.clone(), source };
        match settle(&db) {
            Ok(true) if !db.is_read_only() => Ok(Some(Self { db })),
            Ok(_) => Ok(None),
            Err(e) if e.is_busy() => Ok(None),
            Err(e) => Err(sqlite(e)),
        }
    }

    /// Whether the file at the path is no longer the one that is locked.
    pub fn has_moved(&self) -> Result<bool, SqliteError> {
        self.db.has_moved()
    }
}

/// Takes the lock for as long as the connection is open, and empties the WAL.
/// False if that did not succeed.
fn settle(db: &Db) -> Result<bool, SqliteError> {
    db.run("PRAGMA main.locking_mode=EXCLUSIVE")?;
    // The lock outlives the transaction, in this locking mode.
    db.run("BEGIN EXCLUSIVE")?;
    db.run("COMMIT")?;
    if journal_mode(db)? == JournalMode::Wal && !checkpoint(db)? {
        return Ok(false);
    }
    Ok(true)
}

/// A database that is about to be overwritten, under the lock of its writer.
/// Dropped without [`commit`](Self::commit), nothing has happened.
pub struct Overwrite<'d> {
    backup: Backup<'d>,
}

impl Overwrite<'_> {
    /// The database file, as it was before: in rollback modes the whole of the
    /// database.
    pub fn main_file(&self) -> Result<FileHandle<'_>, SqliteError> {
        self.backup.target().main_file()
    }

    /// Overwrites the database in one transaction, durably.
    ///
    /// Everybody sees all of it or nothing; killed in the middle, the next who
    /// opens the database finds it as it was. In WAL mode the page sizes must
    /// be the same.
    pub fn commit(mut self) -> Result<(), SqliteError> {
        while !self.backup.step(-1)? {}
        Ok(())
    }
}
