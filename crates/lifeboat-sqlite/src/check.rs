//! SQLite's own checks of a file that belongs to nobody else.

mod inspect;

use std::path::{Path, PathBuf};

use rusqlite::ffi;

use crate::error::SqliteError;
use crate::raw::{Db, DbConfig};
use crate::uri;

pub use inspect::{Answer, SchemaEntry, TableRows};

/// A file that nobody else has open and nobody changes, such as a restored
/// database before it is published. It is opened without locks and leaves no
/// sidecars.
pub struct PrivateDatabase {
    db: Db,
}

/// Something that a check found.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Finding {
    /// What `integrity_check` said, in SQLite's words.
    Integrity {
        /// One of its lines.
        message: String,
    },
    /// A row that refers to one that does not exist.
    ForeignKey {
        /// The table with the reference.
        table: String,
        /// The row, unless the table is WITHOUT ROWID.
        rowid: Option<i64>,
        /// The table that it refers to.
        parent: String,
    },
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Integrity { message } => f.write_str(message),
            Self::ForeignKey { table, rowid: Some(rowid), parent } => {
                write!(f, "row {rowid} of {table} refers to no row of {parent}")
            }
            Self::ForeignKey { table, parent, .. } => {
                write!(f, "a row of {table} refers to no row of {parent}")
            }
        }
    }
}

/// Why a check could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckError {
    /// The path cannot be passed to SQLite.
    #[error("pass the path {} to SQLite", path.display())]
    UnusablePath {
        /// The path.
        path: PathBuf,
    },
    /// The file is not a database, or one that is encrypted and needs its key.
    #[error("check what is not a SQLite database, or is encrypted")]
    NotADatabase(#[source] SqliteError),
    /// SQLite could not go through with it.
    #[error("check the database")]
    Sqlite(#[source] SqliteError),
}

impl From<SqliteError> for CheckError {
    fn from(source: SqliteError) -> Self {
        if source.is_not_a_database() { Self::NotADatabase(source) } else { Self::Sqlite(source) }
    }
}

impl PrivateDatabase {
    /// Opens the file, for reading alone. **Never for a live database**:
    /// without locks a read is torn.
    pub fn open(path: &Path) -> Result<Self, CheckError> {
        let uri = uri::immutable(path)
            .ok_or_else(|| CheckError::UnusablePath { path: path.to_owned() })?;
        let flags = ffi::SQLITE_OPEN_READONLY | ffi::SQLITE_OPEN_URI;
        let db = Db::open(&uri, flags)?;
        db.configure(DbConfig::TrustedSchema, false);
        Ok(Self { db })
    }

    pub(crate) fn db(&self) -> &Db {
        &self.db
    }

    /// `PRAGMA integrity_check`: at most `limit` findings, none if all is well.
    pub fn integrity_check(&self, limit: usize) -> Result<Vec<Finding>, CheckError> {
        let limit = limit.max(1);
        let mut rows = self.db.prepare(&format!("PRAGMA integrity_check({limit})"))?;
        let mut findings = Vec::new();
        while rows.step()? {
            let text = rows.text(0);
            // One row may hold several lines.
            for line in text.lines().filter(|line| *line != "ok") {
                if findings.len() < limit {
                    findings.push(Finding::Integrity { message: line.to_owned() });
                }
            }
        }
        Ok(findings)
    }

    /// `PRAGMA foreign_key_check`: at most `limit` findings.
    pub fn foreign_key_check(&self, limit: usize) -> Result<Vec<Finding>, CheckError> {
        let mut rows = self.db.prepare("PRAGMA foreign_key_check")?;
        let mut findings = Vec::new();
        while findings.len() < limit && rows.step()? {
            findings.push(Finding::ForeignKey {
                table: rows.text(0),
                rowid: rows.integer(1),
                parent: rows.text(2),
            });
        }
        Ok(findings)
    }
}
