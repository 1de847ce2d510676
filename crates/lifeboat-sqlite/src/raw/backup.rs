//! SQLite's backup interface: the pages of one database over those of another.

use std::ffi::c_int;
use std::ptr::NonNull;

use rusqlite::ffi;

use super::Db;
use crate::error::SqliteError;

/// An overwriting that is under way. Dropped before its last step it is rolled
/// back.
pub(crate) struct Backup<'d> {
    raw: NonNull<ffi::sqlite3_backup>,
    to: &'d Db,
    // The source must stay open as long.
    _from: &'d Db,
}

impl<'d> Backup<'d> {
    /// Prepares to overwrite; takes no lock.
    pub(crate) fn prepare(to: &'d Db, from: &'d Db) -> Result<Self, SqliteError> {
        // SAFETY: both connections are open and outlive the result, the names
        // end in a zero byte, and no transaction of `to` is open, or SQLite
        // refuses.
        let raw = unsafe {
            ffi::sqlite3_backup_init(to.as_ptr(), c"main".as_ptr(), from.as_ptr(), c"main".as_ptr())
        };
        match NonNull::new(raw) {
            Some(raw) => Ok(Self { raw, to, _from: from }),
            None => Err(to.last_error(ffi::SQLITE_ERROR)),
        }
    }

    /// Takes the locks, if it has not got them yet, and copies so many pages: 0
    /// for the locks alone, a negative number for all. True when everything is
    /// copied and committed.
    pub(crate) fn step(&mut self, pages: c_int) -> Result<bool, SqliteError> {
        // SAFETY: the backup is not finished before drop.
        match unsafe { ffi::sqlite3_backup_step(self.raw.as_ptr(), pages) } {
            ffi::SQLITE_DONE => Ok(true),
            ffi::SQLITE_OK => Ok(false),
            code => Err(SqliteError { code, message: message(code), os_code: 0 }),
        }
    }

    /// The connection that is being overwritten.
    pub(crate) fn target(&self) -> &Db {
        self.to
    }
}

/// The text for a result code; a step leaves none on the connection.
fn message(code: c_int) -> String {
    // SAFETY: takes any number and answers with a constant text.
    let text = unsafe { std::ffi::CStr::from_ptr(ffi::sqlite3_errstr(code)) };
    text.to_string_lossy().into_owned()
}

impl Drop for Backup<'_> {
    fn drop(&mut self) {
        // SAFETY: finished here and nowhere else; the connections are open.
        unsafe { ffi::sqlite3_backup_finish(self.raw.as_ptr()) };
    }
}
