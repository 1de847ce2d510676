//! A compiled statement and the values of its present row.

use std::ffi::{CStr, c_int};
use std::ptr::{self, NonNull};

use rusqlite::ffi;

use super::Db;
use crate::error::{SqliteError, code};

/// A statement; dropped, it is finalised.
pub(crate) struct Statement<'db> {
    db: &'db Db,
    raw: NonNull<ffi::sqlite3_stmt>,
}

impl<'db> Statement<'db> {
    /// Compiles one statement. A second one after it is refused: it would be
    /// passed over in silence.
    pub(super) fn prepare(db: &'db Db, sql: &CStr) -> Result<Self, SqliteError> {
        let mut raw = ptr::null_mut();
        let mut tail = ptr::null();
        // SAFETY: the connection is open, the text ends in a zero byte, and
        // `raw` and `tail` are valid places for the results.
        let rc =
            unsafe { ffi::sqlite3_prepare_v2(db.as_ptr(), sql.as_ptr(), -1, &mut raw, &mut tail) };
        if rc != ffi::SQLITE_OK {
            return Err(db.last_error(rc));
        }
        let raw = NonNull::new(raw).ok_or_else(|| SqliteError {
            code: code::ERROR,
            message: "an empty statement".into(),
            os_code: 0,
        })?;
        let statement = Self { db, raw };
        // SAFETY: SQLite leaves it pointing into the text, at most at its end.
        let rest = unsafe { CStr::from_ptr(tail) }.to_bytes();
        if rest.iter().any(|byte| !byte.is_ascii_whitespace() && *byte != b';') {
            let message = "more than one statement".into();
            return Err(SqliteError { code: code::ERROR, message, os_code: 0 });
        }
        Ok(statement)
    }

    /// Goes to the next row; false at the end.
    pub(crate) fn step(&mut self) -> Result<bool, SqliteError> {
        // SAFETY: the statement is not finalised before drop.
        match unsafe { ffi::sqlite3_step(self.raw.as_ptr()) } {
            ffi::SQLITE_ROW => Ok(true),
            ffi::SQLITE_DONE => Ok(false),
            rc => Err(self.db.last_error(rc)),
        }
    }

    /// How many columns a row has; none where the statement returns no rows.
    pub(crate) fn column_count(&self) -> c_int {
        // SAFETY: the statement is not finalised before drop.
        unsafe { ffi::sqlite3_column_count(self.raw.as_ptr()) }
    }

    /// A column as an integer, or `None` where it is NULL.
    pub(crate) fn integer(&self, column: c_int) -> Option<i64> {
        // SAFETY: out-of-range columns and missing rows are answered with
        // NULL, by SQLite's contract.
        unsafe {
            let kind = ffi::sqlite3_column_type(self.raw.as_ptr(), column);
            (kind != ffi::SQLITE_NULL).then(|| ffi::sqlite3_column_int64(self.raw.as_ptr(), column))
        }
    }

    /// A column as text, with what is not UTF-8 replaced; empty for NULL.
    pub(crate) fn text(&self, column: c_int) -> String {
        // SAFETY: the pointer stays valid until the next call on the
        // statement, the length was asked for after the text, and both are
        // used up before this returns.
        unsafe {
            let text = ffi::sqlite3_column_text(self.raw.as_ptr(), column);
            if text.is_null() {
                return String::new();
            }
            let length = ffi::sqlite3_column_bytes(self.raw.as_ptr(), column);
            let length = usize::try_from(length).unwrap_or(0);
            String::from_utf8_lossy(std::slice::from_raw_parts(text, length)).into_owned()
        }
    }
}

impl Drop for Statement<'_> {
    fn drop(&mut self) {
        // SAFETY: finalised here and nowhere else.
        unsafe { ffi::sqlite3_finalize(self.raw.as_ptr()) };
    }
}
