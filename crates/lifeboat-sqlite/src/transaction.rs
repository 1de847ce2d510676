//! A read transaction, and what may be read only while one is open.

use crate::error::SqliteError;
use crate::raw::{Db, FileHandle, Statement};
use crate::wal_index::{self, WalPosition};

/// How a database keeps its commits whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JournalMode {
    /// Commits go to the `-wal` first.
    Wal,
    /// Commits go to the file, after what they overwrite was put aside
    /// (DELETE, TRUNCATE, PERSIST, MEMORY, or OFF).
    Rollback,
}

/// Why the wal-index could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WalIndexError {
    /// It never stood still: a writer died while it wrote the header, or
    /// publishes faster than it can be read. A new transaction mends the
    /// first.
    #[error("read a wal-index that does not come to rest")]
    Unsteady,
    /// SQLite has it in memory of its own, or cannot share it.
    #[error("reach the wal-index")]
    Unavailable(#[source] SqliteError),
}

/// A read transaction: in WAL mode the state of the database stays readable
/// while it is open, in rollback modes the state stays what it is (SHARED).
/// Ends when dropped.
pub struct ReadTransaction<'c> {
    db: &'c Db,
}

impl<'c> ReadTransaction<'c> {
    pub(crate) fn new(db: &'c Db) -> Self {
        Self { db }
    }

    /// The journal mode that the database is in.
    pub fn journal_mode(&self) -> Result<JournalMode, SqliteError> {
        journal_mode(self.db)
    }

    /// The database file.
    pub fn main_file(&self) -> Result<FileHandle<'_>, SqliteError> {
        self.db.main_file()
    }

    /// The WAL, in WAL mode.
    pub fn wal_file(&self) -> Result<FileHandle<'_>, SqliteError> {
        self.db.journal_file()
    }

    /// Whether the file at the path is no longer the one that is being read.
    pub fn has_moved(&self) -> Result<bool, SqliteError> {
        self.db.has_moved()
    }

    /// What the wal-index says, in WAL mode: read after the transaction began,
    /// twice, and equal. Every state that it names stays readable until the
    /// transaction ends.
    pub fn wal_position(&self) -> Result<WalPosition, WalIndexError> {
        const ATTEMPTS: usize = 10_000;
        let file = self.main_file().map_err(WalIndexError::Unavailable)?;
        let shm = file.map_wal_index().map_err(WalIndexError::Unavailable)?;
        for attempt in 0..ATTEMPTS {
            if let Some(position) = wal_index::read(&shm) {
                return Ok(position);
            }
            if attempt > 100 {
                std::thread::yield_now();
            }
        }
        Err(WalIndexError::Unsteady)
    }

    pub(crate) fn db(&self) -> &'c Db {
        self.db
    }

    pub(crate) fn prepare(&self, sql: &str) -> Result<Statement<'_>, SqliteError> {
        self.db.prepare(sql)
    }
}

impl Drop for ReadTransaction<'_> {
    fn drop(&mut self) {
        // Only reading was done: there is nothing that could fail to be
        // undone, and nobody to tell.
        let _ = self.db.run("ROLLBACK");
    }
}

pub(crate) fn journal_mode(db: &Db) -> Result<JournalMode, SqliteError> {
    let mut statement = db.prepare("PRAGMA main.journal_mode")?;
    let wal = statement.step()? && statement.text(0).eq_ignore_ascii_case("wal");
    Ok(if wal { JournalMode::Wal } else { JournalMode::Rollback })
}
