//! A compiled statement and the values of its present row.

use std::ffi::{CStr, c_int};
use std::ptr::{self, NonNull};

use rusqlite::ffi;

use super::Db;
use crate::error::{SqliteError, code};
use crate::rows::Value;

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

impl Statement<'_> {
    /// Whether running it changes nothing in the database.
    pub(crate) fn is_read_only(&self) -> bool {
        // SAFETY: the statement is not finalised before drop.
        unsafe { ffi::sqlite3_stmt_readonly(self.raw.as_ptr()) != 0 }
    }

    /// How many parameters it has; the numbers begin with 1.
    pub(crate) fn parameter_count(&self) -> c_int {
        // SAFETY: the statement is not finalised before drop.
        unsafe { ffi::sqlite3_bind_parameter_count(self.raw.as_ptr()) }
    }

    /// The name of a parameter, with its `:`; none for `?`.
    pub(crate) fn parameter_name(&self, number: c_int) -> Option<String> {
        // SAFETY: numbers out of range are answered with null; the text lives as
        // long as the statement, and is copied.
        unsafe {
            let name = ffi::sqlite3_bind_parameter_name(self.raw.as_ptr(), number);
            (!name.is_null()).then(|| CStr::from_ptr(name).to_string_lossy().into_owned())
        }
    }

    /// Gives a parameter its value. Only before the first step, or after a reset.
    pub(crate) fn bind(&mut self, number: c_int, value: &Value) -> Result<(), SqliteError> {
        let raw = self.raw.as_ptr();
        let length = |bytes: &[u8]| {
            c_int::try_from(bytes.len()).map_err(|_| SqliteError {
                code: ffi::SQLITE_TOOBIG,
                message: "a value of more than 2 GiB".into(),
                os_code: 0,
            })
        };
        // SAFETY: the statement is not finalised before drop, numbers out of range
        // are refused by SQLite, and it copies texts and blobs (SQLITE_TRANSIENT)
        // of exactly the length that is said.
        let rc = unsafe {
            match value {
                Value::Null => ffi::sqlite3_bind_null(raw, number),
                Value::Integer(value) => ffi::sqlite3_bind_int64(raw, number, *value),
                Value::Real(value) => ffi::sqlite3_bind_double(raw, number, *value),
                Value::Text(text) => ffi::sqlite3_bind_text(
                    raw,
                    number,
                    text.as_ptr().cast(),
                    length(text.as_bytes())?,
                    ffi::SQLITE_TRANSIENT(),
                ),
                Value::Blob(bytes) => ffi::sqlite3_bind_blob(
                    raw,
                    number,
                    bytes.as_ptr().cast(),
                    length(bytes)?,
                    ffi::SQLITE_TRANSIENT(),
                ),
            }
        };
        if rc == ffi::SQLITE_OK { Ok(()) } else { Err(self.db.last_error(rc)) }
    }

    /// Makes it ready to run again, with the same values.
    pub(crate) fn reset(&mut self) {
        // SAFETY: the statement is not finalised before drop. What it returns is
        // the error of the last step, which was told then.
        unsafe { ffi::sqlite3_reset(self.raw.as_ptr()) };
    }

    /// The name of a column.
    pub(crate) fn column_name(&self, column: c_int) -> String {
        // SAFETY: columns out of range are answered with null; the text is copied
        // before anything else is called.
        unsafe {
            let name = ffi::sqlite3_column_name(self.raw.as_ptr(), column);
            if name.is_null() {
                return String::new();
            }
            CStr::from_ptr(name).to_string_lossy().into_owned()
        }
    }

    /// A column as it is stored. Text that is not UTF-8 is a blob.
    pub(crate) fn value(&self, column: c_int) -> Value {
        // SAFETY: out-of-range columns and missing rows are NULL, by SQLite's
        // contract; the pointers stay valid until the next call on the statement,
        // the length is asked for after the content, and both are used up before
        // this returns.
        unsafe {
            let raw = self.raw.as_ptr();
            let bytes = |start: *const u8| {
                let length = usize::try_from(ffi::sqlite3_column_bytes(raw, column)).unwrap_or(0);
                if start.is_null() || length == 0 {
                    return Vec::new();
                }
                std::slice::from_raw_parts(start, length).to_vec()
            };
            match ffi::sqlite3_column_type(raw, column) {
                ffi::SQLITE_INTEGER => Value::Integer(ffi::sqlite3_column_int64(raw, column)),
                ffi::SQLITE_FLOAT => Value::Real(ffi::sqlite3_column_double(raw, column)),
                ffi::SQLITE_TEXT => {
                    match String::from_utf8(bytes(ffi::sqlite3_column_text(raw, column))) {
                        Ok(text) => Value::Text(text),
                        Err(other) => Value::Blob(other.into_bytes()),
                    }
                }
                ffi::SQLITE_BLOB => {
                    Value::Blob(bytes(ffi::sqlite3_column_blob(raw, column).cast()))
                }
                _ => Value::Null,
            }
        }
    }
}

impl Drop for Statement<'_> {
    fn drop(&mut self) {
        // SAFETY: finalised here and nowhere else.
        unsafe { ffi::sqlite3_finalize(self.raw.as_ptr()) };
    }
}
