//! A file that SQLite holds open, read through SQLite's own methods.

use std::ffi::c_int;
use std::marker::PhantomData;
use std::ptr::{self, NonNull};

use rusqlite::ffi;

use super::Shm;
use crate::error::{SqliteError, code};

// The largest read passed to `xRead`, whose length is a C int.
const MAX_READ: usize = 1 << 30;
// The size of the first part of a wal-index, WALINDEX_PGSZ of wal.c.
const WAL_INDEX_PART: c_int = 32_768;

/// Whether a read found all the bytes that were asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Completeness {
    /// All of them.
    Full,
    /// The file ended before; the rest of the buffer was filled with zeros.
    Short,
}

/// A lock on the wal-index, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ShmLock {
    pub(crate) slot: u8,
    pub(crate) mode: ShmMode,
}

/// Whether others may hold the lock as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ShmMode {
    Shared,
    Exclusive,
}

/// A file of a connection: the database, or its WAL. No descriptor is opened
/// or closed by using it, so no lock is lost.
pub struct FileHandle<'c> {
    raw: NonNull<ffi::sqlite3_file>,
    methods: NonNull<ffi::sqlite3_io_methods>,
    connection: PhantomData<&'c super::Db>,
}

impl FileHandle<'_> {
    /// # Safety
    ///
    /// `raw` is null or a handle of SQLite's that outlives the lifetime.
    pub(super) unsafe fn new(raw: *mut ffi::sqlite3_file) -> Result<Self, SqliteError> {
        let not_open = || failed(code::MISUSE, "the file is not open");
        let raw = NonNull::new(raw).ok_or_else(not_open)?;
        // SAFETY: the caller vouches for the handle; the methods of a handle
        // that is not open are null.
        let methods = unsafe { raw.as_ref().pMethods };
        let methods = NonNull::new(methods.cast_mut()).ok_or_else(not_open)?;
        Ok(Self { raw, methods, connection: PhantomData })
    }

    fn methods(&self) -> &ffi::sqlite3_io_methods {
        // SAFETY: the table of methods of an open file is valid and constant
        // as long as the file is open.
        unsafe { self.methods.as_ref() }
    }

    /// Fills `buffer` from `offset` on; what lies beyond the end of the file
    /// is filled with zeros, and reported.
    pub fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<Completeness, SqliteError> {
        let read = self.methods().xRead.ok_or_else(|| unsupported("xRead"))?;
        let mut completeness = Completeness::Full;
        let mut at = offset;
        for part in buffer.chunks_mut(MAX_READ) {
            let place = i64::try_from(at).map_err(|_| failed(code::MISUSE, "offset too large"))?;
            let length = part.len() as c_int;
            // SAFETY: the file is open, and `part` has room for `length`
            // bytes; `xRead` keeps no pointer.
            let rc = unsafe { read(self.raw.as_ptr(), part.as_mut_ptr().cast(), length, place) };
            match rc {
                ffi::SQLITE_OK => {}
                ffi::SQLITE_IOERR_SHORT_READ => completeness = Completeness::Short,
                rc => return Err(failed(rc, "the file could not be read")),
            }
            at += part.len() as u64;
        }
        Ok(completeness)
    }

    /// The size of the file in bytes.
    pub fn size(&self) -> Result<u64, SqliteError> {
        let size_of = self.methods().xFileSize.ok_or_else(|| unsupported("xFileSize"))?;
        let mut size = 0;
        // SAFETY: the file is open, and `size` is a valid place.
        let rc = unsafe { size_of(self.raw.as_ptr(), &mut size) };
        match rc {
            ffi::SQLITE_OK => Ok(size.unsigned_abs()),
            rc => Err(failed(rc, "the size of the file is not known")),
        }
    }

    /// Whether any connection holds RESERVED, PENDING or EXCLUSIVE on the
    /// database file: somebody is writing.
    pub fn is_reserved(&self) -> Result<bool, SqliteError> {
        let check =
            self.methods().xCheckReservedLock.ok_or_else(|| unsupported("xCheckReservedLock"))?;
        let mut held: c_int = 0;
        // SAFETY: the file is open, and `held` is a valid place.
        let rc = unsafe { check(self.raw.as_ptr(), &mut held) };
        match rc {
            ffi::SQLITE_OK => Ok(held != 0),
            rc => Err(failed(rc, "the locks of the file are not known")),
        }
    }

    /// Takes a lock on the wal-index, which must be mapped. For a connection
    /// that runs no statement meanwhile: SQLite does not know of it.
    pub(crate) fn shm_lock(&self, lock: ShmLock) -> Result<(), SqliteError> {
        self.shm_change(lock, ffi::SQLITE_SHM_LOCK)
    }

    /// Gives a lock back that was taken here.
    pub(crate) fn shm_unlock(&self, lock: ShmLock) -> Result<(), SqliteError> {
        self.shm_change(lock, ffi::SQLITE_SHM_UNLOCK)
    }

    fn shm_change(&self, lock: ShmLock, change: c_int) -> Result<(), SqliteError> {
        if c_int::from(lock.slot) >= ffi::SQLITE_SHM_NLOCK {
            return Err(failed(code::MISUSE, "there is no such lock"));
        }
        let methods = self.methods();
        if methods.iVersion < 2 {
            return Err(unsupported("xShmLock"));
        }
        let change_lock = methods.xShmLock.ok_or_else(|| unsupported("xShmLock"))?;
        let mode = match lock.mode {
            ShmMode::Shared => ffi::SQLITE_SHM_SHARED,
            ShmMode::Exclusive => ffi::SQLITE_SHM_EXCLUSIVE,
        };
        // SAFETY: the file is open and the lock exists; without a mapped
        // wal-index the method answers with an error.
        let rc = unsafe { change_lock(self.raw.as_ptr(), lock.slot.into(), 1, change | mode) };
        match rc {
            ffi::SQLITE_OK => Ok(()),
            rc => Err(failed(rc, "the lock on the wal-index could not be changed")),
        }
    }

    /// The first part of the wal-index. Only for a file whose connection is in
    /// WAL mode: for any other, SQLite would create a `-shm`.
    pub(crate) fn map_wal_index(&self) -> Result<Shm<'_>, SqliteError> {
        let methods = self.methods();
        if methods.iVersion < 2 {
            return Err(unsupported("xShmMap"));
        }
        let map = methods.xShmMap.ok_or_else(|| unsupported("xShmMap"))?;
        let barrier = methods.xShmBarrier.ok_or_else(|| unsupported("xShmBarrier"))?;
        let mut place = ptr::null_mut();
        // SAFETY: the file is open; the part is not extended, so nothing is
        // written; `place` is valid.
        let rc = unsafe { map(self.raw.as_ptr(), 0, WAL_INDEX_PART, 0, &mut place) };
        // A read-only `-shm` is answered with SQLITE_READONLY and a pointer
        // that is good for reading.
        if rc != ffi::SQLITE_OK && rc & 0xff != ffi::SQLITE_READONLY {
            return Err(failed(rc, "the wal-index could not be mapped"));
        }
        let Some(place) = NonNull::new(place.cast()) else {
            return Err(failed(
                if rc == ffi::SQLITE_OK { code::MISUSE } else { rc },
                "there is no wal-index",
            ));
        };
        // SAFETY: SQLite keeps the part mapped as long as the connection is in
        // WAL mode, which a transaction holds it to.
        Ok(unsafe { Shm::new(place, self.raw, barrier) })
    }
}

fn failed(code: i32, message: &str) -> SqliteError {
    SqliteError { code, message: message.into(), os_code: 0 }
}

fn unsupported(method: &str) -> SqliteError {
    failed(code::MISUSE, &format!("the VFS has no {method}"))
}
