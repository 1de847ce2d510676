//! Rows of a query, and changes to rows that somebody asked for.

use std::ffi::c_int;

use crate::error::{SqliteError, code};
use crate::raw::{Db, Statement};
use crate::transaction::ReadTransaction;
use crate::writable::WritableDatabase;

/// A value as SQLite stores it.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// NULL.
    Null,
    /// A whole number.
    Integer(i64),
    /// A floating point number.
    Real(f64),
    /// A text.
    Text(String),
    /// Bytes; also a text that is not UTF-8.
    Blob(Vec<u8>),
}

impl Value {
    /// The text, of a text or of bytes that are one.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Blob(bytes) => std::str::from_utf8(bytes).ok(),
            _ => None,
        }
    }
}

/// The rows of a query, one at a time.
pub struct Rows<'c> {
    statement: Statement<'c>,
}

impl<'c> Rows<'c> {
    fn of(db: &'c Db, sql: &str, parameters: &[Value]) -> Result<Self, SqliteError> {
        let mut statement = db.prepare(sql)?;
        // What returns no rows is no question, and may end the transaction.
        if statement.column_count() == 0 || !statement.is_read_only() {
            return Err(misuse("it is no query: it returns no rows, or changes something"));
        }
        bind(&mut statement, parameters)?;
        Ok(Self { statement })
    }

    /// Goes to the next row; false at the end.
    pub fn advance(&mut self) -> Result<bool, SqliteError> {
        self.statement.step()
    }

    /// The names of the columns.
    pub fn columns(&self) -> Vec<String> {
        (0..self.statement.column_count()).map(|at| self.statement.column_name(at)).collect()
    }

    /// A column of the present row; NULL where there is none.
    pub fn value(&self, column: usize) -> Value {
        c_int::try_from(column).map_or(Value::Null, |column| self.statement.value(column))
    }
}

impl ReadTransaction<'_> {
    /// Asks for rows, with values for the parameters `?1`, `?2` and so on.
    pub fn query(&self, sql: &str, parameters: &[Value]) -> Result<Rows<'_>, SqliteError> {
        Rows::of(self.db(), sql, parameters)
    }
}

/// A transaction that changes rows. Dropped without
/// [`commit`](Self::commit), nothing has happened.
pub struct WriteTransaction<'d> {
    db: &'d Db,
    before: u64,
    open: bool,
}

impl WritableDatabase {
    /// Begins to change rows, and takes the lock at once: nobody else commits
    /// meanwhile. Foreign keys are enforced, as far as the schema has any.
    ///
    /// Killed, the database is what it was.
    pub fn begin_write(&mut self) -> Result<WriteTransaction<'_>, SqliteError> {
        let db = self.db();
        for pragma in ["PRAGMA main.synchronous=FULL", "PRAGMA foreign_keys=ON"] {
            db.run(pragma)?;
        }
        db.run("BEGIN IMMEDIATE")?;
        Ok(WriteTransaction { db, before: db.changes().1, open: true })
    }
}

impl WriteTransaction<'_> {
    /// Asks for rows.
    pub fn query(&self, sql: &str, parameters: &[Value]) -> Result<Rows<'_>, SqliteError> {
        Rows::of(self.db, sql, parameters)
    }

    /// Compiles a statement that changes rows.
    pub fn prepare(&self, sql: &str) -> Result<Change<'_>, SqliteError> {
        let statement = self.db.prepare(sql)?;
        // COMMIT, BEGIN and their like count as reading.
        if statement.is_read_only() {
            return Err(misuse("it changes no rows"));
        }
        Ok(Change { db: self.db, statement })
    }

    /// How many rows were changed so far, by triggers and foreign keys as well.
    pub fn changed(&self) -> u64 {
        self.db.changes().1.wrapping_sub(self.before)
    }

    /// Makes it so, durably.
    pub fn commit(mut self) -> Result<(), SqliteError> {
        self.db.run("COMMIT")?;
        self.open = false;
        Ok(())
    }
}

impl Drop for WriteTransaction<'_> {
    fn drop(&mut self) {
        if self.open {
            // SQLite may have taken it back by itself already.
            let _ = self.db.run("ROLLBACK");
        }
    }
}

/// A statement that changes rows.
pub struct Change<'t> {
    db: &'t Db,
    statement: Statement<'t>,
}

impl Change<'_> {
    /// The names of its parameters, without `:`, `@` or `$`; none for `?`.
    pub fn parameters(&self) -> Vec<Option<String>> {
        let name = |number| {
            let name = self.statement.parameter_name(number)?;
            name.strip_prefix([':', '@', '$']).map(ToOwned::to_owned)
        };
        (1..=self.statement.parameter_count()).map(name).collect()
    }

    /// Runs it, and says how many rows it changed.
    pub fn run(&mut self, parameters: &[Value]) -> Result<u64, SqliteError> {
        bind(&mut self.statement, parameters)?;
        let before = self.db.changes().1;
        let done = loop {
            match self.statement.step() {
                Ok(true) => {}
                Ok(false) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        self.statement.reset();
        let (last, all) = self.db.changes();
        done.map(|()| if all == before { 0 } else { last })
    }
}

fn bind(statement: &mut Statement<'_>, parameters: &[Value]) -> Result<(), SqliteError> {
    let wanted = usize::try_from(statement.parameter_count()).unwrap_or(0);
    if wanted != parameters.len() {
        return Err(misuse(&format!(
            "it has {wanted} parameters, and {} values are given",
            parameters.len()
        )));
    }
    for (number, value) in (1..).zip(parameters) {
        statement.bind(number, value)?;
    }
    Ok(())
}

fn misuse(message: &str) -> SqliteError {
    SqliteError { code: code::MISUSE, message: message.to_owned(), os_code: 0 }
}
