//! A database connection, owned and closed.

use std::ffi::{CStr, CString, c_int, c_void};
use std::marker::PhantomData;
use std::ptr::{self, NonNull};
use std::time::Duration;

use rusqlite::ffi;

use super::{FileHandle, Statement};
use crate::error::{SqliteError, code};

// Not in the bindings of every accepted version of rusqlite; the numbers are
// part of SQLite's interface (sqlite3.h) and never change.
const FCNTL_FILE_POINTER: c_int = 7;
const FCNTL_HAS_MOVED: c_int = 20;
const FCNTL_JOURNAL_POINTER: c_int = 28;

/// Switches of `sqlite3_db_config` that are used here.
#[derive(Clone, Copy)]
pub(crate) enum DbConfig {
    /// Leave the WAL alone when the last connection closes.
    NoCheckpointOnClose,
    /// Whether functions of the schema are trusted.
    TrustedSchema,
}

/// The version of the library in this process.
pub(crate) fn library_version() -> u32 {
    // SAFETY: takes no arguments, touches no state.
    let version = unsafe { ffi::sqlite3_libversion_number() };
    version.unsigned_abs()
}

/// An open connection. It moves between threads but is used by one at a time:
/// SQLite's own mutexes are off.
pub(crate) struct Db {
    raw: NonNull<ffi::sqlite3>,
    // A connection without mutexes must not be shared.
    not_sync: PhantomData<*mut ffi::sqlite3>,
}

// SAFETY: a connection opened with SQLITE_OPEN_NOMUTEX may move to another
// thread, as long as two never use it at once; `Db` is not `Sync`, and
// `open` makes sure that the library was compiled with threads.
unsafe impl Send for Db {}

impl Db {
    /// Whether the library can be used by a program with threads.
    pub(crate) fn threads_supported() -> bool {
        // SAFETY: takes no arguments, touches no state.
        unsafe { ffi::sqlite3_threadsafe() != 0 }
    }

    /// Opens `name` with `flags` (`SQLITE_OPEN_…`; the thread mode is added).
    pub(crate) fn open(name: &CStr, flags: c_int) -> Result<Self, SqliteError> {
        let mut raw = ptr::null_mut();
        // SAFETY: `name` ends in a zero byte, `raw` is a valid place for the
        // result, and a null VFS means the default one.
        let rc = unsafe {
            ffi::sqlite3_open_v2(
                name.as_ptr(),
                &mut raw,
                flags | ffi::SQLITE_OPEN_NOMUTEX,
                ptr::null(),
            )
        };
        let Some(raw) = NonNull::new(raw) else {
            return Err(SqliteError { code: rc, message: "out of memory".into(), os_code: 0 });
        };
        let db = Self { raw, not_sync: PhantomData };
        // SAFETY: `raw` is open, even if the file could not be opened.
        unsafe { ffi::sqlite3_extended_result_codes(db.raw.as_ptr(), 1) };
        if rc == ffi::SQLITE_OK { Ok(db) } else { Err(db.last_error(rc)) }
    }

    pub(super) fn as_ptr(&self) -> *mut ffi::sqlite3 {
        self.raw.as_ptr()
    }

    /// The error that the connection remembers.
    pub(crate) fn last_error(&self, fallback: c_int) -> SqliteError {
        // SAFETY: the connection is open; the message is copied before
        // anything else is called on it.
        let (code, os_code, message) = unsafe {
            let db = self.as_ptr();
            let text = ffi::sqlite3_errmsg(db);
            let message = if text.is_null() {
                "no message".into()
            } else {
                CStr::from_ptr(text).to_string_lossy().into_owned()
            };
            (ffi::sqlite3_extended_errcode(db), ffi::sqlite3_system_errno(db), message)
        };
        SqliteError { code: if code == ffi::SQLITE_OK { fallback } else { code }, message, os_code }
    }

    /// Waits this long for locks of others before SQLITE_BUSY.
    pub(crate) fn busy_timeout(&self, timeout: Duration) {
        let ms = c_int::try_from(timeout.as_millis()).unwrap_or(c_int::MAX);
        // SAFETY: the connection is open.
        unsafe { ffi::sqlite3_busy_timeout(self.as_ptr(), ms) };
    }

    /// Tries once a millisecond, so many times, before SQLITE_BUSY. SQLite's own
    /// way to wait sleeps longer from try to try, up to 100 ms, and hardly ever
    /// meets the moment between two transactions of a busy writer.
    pub(crate) fn busy_insist(&self, tries: c_int) {
        unsafe extern "C" fn again(limit: *mut c_void, tried: c_int) -> c_int {
            let again = usize::try_from(tried).is_ok_and(|tried| tried < limit.addr());
            if again {
                std::thread::sleep(Duration::from_millis(1));
            }
            again.into()
        }
        let limit = ptr::without_provenance_mut(tries.max(0).unsigned_abs() as usize);
        // SAFETY: the connection is open; the callback takes its argument for a
        // number, and unwinds never.
        unsafe { ffi::sqlite3_busy_handler(self.as_ptr(), Some(again), limit) };
    }

    /// Sets a switch; libraries that do not know it ignore it.
    pub(crate) fn configure(&self, switch: DbConfig, on: bool) {
        let op: c_int = match switch {
            DbConfig::NoCheckpointOnClose => 1006,
            DbConfig::TrustedSchema => 1017,
        };
        // SAFETY: both switches take an int and a pointer to an int, which may
        // be null.
        unsafe {
            ffi::sqlite3_db_config(self.as_ptr(), op, c_int::from(on), ptr::null_mut::<c_int>())
        };
    }

    /// Whether the main database was opened for reading alone.
    pub(crate) fn is_read_only(&self) -> bool {
        // SAFETY: the connection is open and the name ends in a zero byte.
        unsafe { ffi::sqlite3_db_readonly(self.as_ptr(), c"main".as_ptr()) == 1 }
    }

    /// Runs one statement to its end, without its rows.
    pub(crate) fn run(&self, sql: &str) -> Result<(), SqliteError> {
        let mut statement = self.prepare(sql)?;
        while statement.step()? {}
        Ok(())
    }

    /// How many rows the last statement changed, and how many were changed since
    /// the connection was opened, by triggers and foreign keys as well.
    pub(crate) fn changes(&self) -> (u64, u64) {
        // SAFETY: the connection is open.
        let (last, all) = unsafe {
            (ffi::sqlite3_changes(self.as_ptr()), ffi::sqlite3_total_changes(self.as_ptr()))
        };
        (u64::try_from(last).unwrap_or(0), u64::try_from(all).unwrap_or(0))
    }

    /// Compiles one statement.
    pub(crate) fn prepare(&self, sql: &str) -> Result<Statement<'_>, SqliteError> {
        let sql = CString::new(sql).map_err(|_| SqliteError {
            code: code::MISUSE,
            message: "the statement contains a zero byte".into(),
            os_code: 0,
        })?;
        Statement::prepare(self, &sql)
    }

    /// Whether the file at the path is no longer the one that is open.
    pub(crate) fn has_moved(&self) -> Result<bool, SqliteError> {
        let mut moved: c_int = 0;
        self.control(FCNTL_HAS_MOVED, (&raw mut moved).cast())?;
        Ok(moved != 0)
    }

    /// The handle of the database file.
    pub(crate) fn main_file(&self) -> Result<FileHandle<'_>, SqliteError> {
        self.file(FCNTL_FILE_POINTER)
    }

    /// The handle of the journal, or in WAL mode of the WAL.
    pub(crate) fn journal_file(&self) -> Result<FileHandle<'_>, SqliteError> {
        self.file(FCNTL_JOURNAL_POINTER)
    }

    fn file(&self, op: c_int) -> Result<FileHandle<'_>, SqliteError> {
        let mut file: *mut ffi::sqlite3_file = ptr::null_mut();
        self.control(op, (&raw mut file).cast())?;
        // SAFETY: SQLite answered with a handle of this connection, which
        // outlives the borrow.
        unsafe { FileHandle::new(file) }
    }

    fn control(&self, op: c_int, argument: *mut c_void) -> Result<(), SqliteError> {
        // SAFETY: the connection is open, the name ends in a zero byte, and
        // the callers pass a pointer to what `op` writes.
        let rc =
            unsafe { ffi::sqlite3_file_control(self.as_ptr(), c"main".as_ptr(), op, argument) };
        if rc == ffi::SQLITE_OK {
            Ok(())
        } else {
            Err(SqliteError {
                code: rc,
                message: format!("file control {op} is not available"),
                os_code: 0,
            })
        }
    }
}

impl Drop for Db {
    fn drop(&mut self) {
        // SAFETY: no statement outlives the connection, because each borrows
        // it, so this closes it, once.
        unsafe { ffi::sqlite3_close(self.as_ptr()) };
    }
}
