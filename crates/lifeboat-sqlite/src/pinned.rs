//! Locks on the wal-index, taken one by one and without a transaction, so that
//! frames stay where they are while somebody follows a WAL.
//!
//! SQLite has five read locks. Whoever holds read lock 0 reads the database
//! file alone, so nobody copies frames into it; whoever holds one of the others
//! reads the WAL, so nobody restarts it, and frames up to the lock's *mark* may
//! be copied. A lock whose mark is "not used" holds back nothing but the
//! restart. See walTryBeginRead, walRestartLog and walCheckpoint in wal.c.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::connection::{Access, Connection};
use crate::error::{BeginError, ConnectError, SqliteError, code};
use crate::raw::{Canary, FileHandle, LockState, ShmLock, ShmMode};
use crate::transaction::{JournalMode, WalIndexError};
use crate::wal_index::{self, READ_MARKS_AT, WalPosition};

// The numbers of locks and marks in a wal-index (WAL_WRITE_LOCK,
// WAL_READ_LOCK(0) and READMARK_NOT_USED of wal.c).
const WRITER: u8 = 0;
const READERS: u8 = 3;
const NOT_USED: u32 = 0xffff_ffff;

/// Why locks on the wal-index of a database cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum PinError {
    /// The database could not be opened.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// It could not be read.
    #[error(transparent)]
    Begin(#[from] BeginError),
    /// It is in another journal mode than WAL.
    #[error("follow a database that is not in WAL mode")]
    NotWal,
    /// The file, or its `-shm`, may only be read.
    #[error("lock the wal-index of a database that may only be read")]
    ReadOnly,
    /// Its wal-index is not shared with other connections.
    #[error("reach the wal-index")]
    NoSharedMemory(#[source] SqliteError),
}

/// Two connections to a live database in WAL mode: one that locks and reads and
/// never runs a statement, and one that checkpoints.
///
/// While this is open no application can leave WAL mode or take the database
/// exclusively. Dropped, also in a panic, it gives all locks back and leaves
/// the WAL as it is.
pub struct PinnedWal {
    pins: Connection,
    checkpointer: Connection,
    canary: Canary,
    reader: Option<u8>,
    guard: bool,
    writer: bool,
}

impl PinnedWal {
    /// Attaches to the database at `path`. `patience` is how long its locks are
    /// waited for, now and never again.
    pub fn open(path: &Path, patience: Duration) -> Result<Self, PinError> {
        let checkpointer = enter(path, patience)?;
        let pins = enter(path, patience)?;
        pins.db().main_file().map_err(PinError::NoSharedMemory)?.map_wal_index().map_err(|e| {
            if e.is_read_only() { PinError::ReadOnly } else { PinError::NoSharedMemory(e) }
        })?;
        let canary = Canary::find(&pins.sidecar("-shm"));
        let mut wal =
            Self { pins, checkpointer, canary, reader: None, guard: false, writer: false };
        // What waits from now on would wait while it holds others up.
        wal.checkpointer.set_busy_timeout(Duration::ZERO);
        Ok(wal)
    }

    /// The absolute path that was opened.
    pub fn path(&self) -> &Path {
        self.pins.path()
    }

    /// The path of a file beside the database.
    pub fn sidecar(&self, suffix: &str) -> PathBuf {
        self.pins.sidecar(suffix)
    }

    /// Whether the file at the path is no longer the one that is open.
    pub fn has_moved(&self) -> Result<bool, SqliteError> {
        self.pins.has_moved()
    }

    /// The WAL. What it holds stays there only under a lock.
    pub fn wal_file(&self) -> Result<FileHandle<'_>, SqliteError> {
        self.pins.db().journal_file()
    }

    /// What the wal-index says now. Takes no lock and waits for nobody.
    pub fn look(&self) -> Result<WalPosition, WalIndexError> {
        const ATTEMPTS: usize = 200;
        let file = self.pins.db().main_file().map_err(WalIndexError::Unavailable)?;
        let shm = file.map_wal_index().map_err(WalIndexError::Unavailable)?;
        for attempt in 0..ATTEMPTS {
            if let Some(position) = wal_index::read(&shm) {
                return Ok(position);
            }
            if attempt > 50 {
                std::thread::yield_now();
            }
        }
        Err(WalIndexError::Unsteady)
    }

    /// Takes a read lock whose mark is not used: nobody can restart the WAL,
    /// and checkpoints go on. False if there is none to be had now.
    pub fn lock_reader(&mut self) -> Result<bool, SqliteError> {
        if self.reader.is_some() {
            return Ok(true);
        }
        // Readers look for one from below; slot 1 always has a mark.
        for slot in (2..=4).rev() {
            if self.mark(slot)? != NOT_USED {
                continue;
            }
            if !self.lock(READERS + slot, ShmMode::Shared)? {
                continue;
            }
            // Somebody may have set the mark just before the lock was there.
            if self.mark(slot)? == NOT_USED {
                self.reader = Some(slot);
                return Ok(true);
            }
            self.unlock(READERS + slot, ShmMode::Shared)?;
        }
        Ok(false)
    }

    /// Gives that lock back.
    pub fn unlock_reader(&mut self) -> Result<(), SqliteError> {
        match self.reader.take() {
            Some(slot) => self.unlock(READERS + slot, ShmMode::Shared),
            None => Ok(()),
        }
    }

    /// Takes read lock 0: nobody can copy frames into the database file, so
    /// the WAL can be restarted only where that was done already. False if
    /// somebody is copying now.
    pub fn lock_guard(&mut self) -> Result<bool, SqliteError> {
        self.guard = self.guard || self.lock(READERS, ShmMode::Shared)?;
        Ok(self.guard)
    }

    /// Gives that lock back.
    pub fn unlock_guard(&mut self) -> Result<(), SqliteError> {
        if std::mem::take(&mut self.guard) { self.unlock(READERS, ShmMode::Shared) } else { Ok(()) }
    }

    /// Takes the lock of the one who writes: **everybody else who wants to
    /// write waits**. False if somebody is writing now.
    pub fn lock_writer(&mut self) -> Result<bool, SqliteError> {
        self.writer = self.writer || self.lock(WRITER, ShmMode::Exclusive)?;
        Ok(self.writer)
    }

    /// Gives that lock back.
    pub fn unlock_writer(&mut self) -> Result<(), SqliteError> {
        if std::mem::take(&mut self.writer) {
            self.unlock(WRITER, ShmMode::Exclusive)
        } else {
            Ok(())
        }
    }

    /// Copies into the database file what nobody's lock holds back (a PASSIVE
    /// checkpoint). True if that was all there was; `None` if another
    /// connection is at it.
    pub fn checkpoint(&mut self) -> Result<Option<bool>, SqliteError> {
        match self.checkpointer.db().checkpoint_passive() {
            Ok((frames, done)) => Ok(Some(done >= frames)),
            Err(e) if e.is_busy() => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Has SQLite rebuild the wal-index, if a killed writer left it half
    /// written. False if somebody who lives is in the way.
    pub fn mend(&mut self) -> Result<bool, BeginError> {
        match self.checkpointer.begin_read() {
            Ok(_) => Ok(true),
            Err(BeginError::Busy(_)) => Ok(false),
            Err(e) => Err(e),
        }
    }

    /// Whether the locks that were taken are still there. They vanish if
    /// anything in this process closes a descriptor of the `-shm`.
    pub fn lock_state(&self) -> LockState {
        let taken = [
            self.reader.map(|slot| READERS + slot),
            self.guard.then_some(READERS),
            self.writer.then_some(WRITER),
        ];
        let mut state = LockState::Held;
        for slot in taken.into_iter().flatten() {
            let mut answer = self.canary.ask(slot);
            if answer == LockState::Lost {
                // The descriptor may have been a stranger's, and be another
                // file by now.
                answer = Canary::find(&self.pins.sidecar("-shm")).ask(slot);
            }
            match answer {
                LockState::Lost => return LockState::Lost,
                LockState::Unknown => state = LockState::Unknown,
                LockState::Held => {}
            }
        }
        state
    }

    /// Detaches as an application does: if nobody else has the database open,
    /// the WAL is copied into the file, and the sidecars go.
    pub fn close_tidily(mut self) {
        self.release();
        // The fields close in their order, so this one is the last.
        self.checkpointer.checkpoint_on_close();
    }

    fn release(&mut self) {
        // A lock that cannot be given back goes with the descriptor.
        let _ = self.unlock_writer();
        let _ = self.unlock_guard();
        let _ = self.unlock_reader();
    }

    fn mark(&self, slot: u8) -> Result<u32, SqliteError> {
        let file = self.pins.db().main_file()?;
        Ok(file.map_wal_index()?.word(READ_MARKS_AT + usize::from(slot)))
    }

    fn lock(&self, slot: u8, mode: ShmMode) -> Result<bool, SqliteError> {
        match self.pins.db().main_file()?.shm_lock(ShmLock { slot, mode }) {
            Ok(()) => Ok(true),
            Err(e) if e.is_busy() => Ok(false),
            Err(e) => Err(e),
        }
    }

    fn unlock(&self, slot: u8, mode: ShmMode) -> Result<(), SqliteError> {
        self.pins.db().main_file()?.shm_unlock(ShmLock { slot, mode })
    }
}

impl Drop for PinnedWal {
    /// Locks first: SQLite forgets a connection's raw locks when it closes, and
    /// others in this process would find them taken for ever.
    fn drop(&mut self) {
        self.release();
    }
}

/// A connection that has the WAL open.
fn enter(path: &Path, patience: Duration) -> Result<Connection, PinError> {
    let mut connection = Connection::open(path, patience)?;
    if connection.access() == Access::ReadOnly {
        return Err(PinError::ReadOnly);
    }
    let read = match connection.begin_read() {
        Err(BeginError::Sqlite(e)) if e.is_read_only() => return Err(PinError::ReadOnly),
        Err(BeginError::Sqlite(e)) if e.primary() == code::CANTOPEN => {
            return Err(PinError::NoSharedMemory(e));
        }
        other => other?,
    };
    let mode = read.journal_mode().map_err(BeginError::from)?;
    drop(read);
    match mode {
        JournalMode::Wal => Ok(connection),
        JournalMode::Rollback => Err(PinError::NotWal),
    }
}
