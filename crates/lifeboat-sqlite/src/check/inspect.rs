//! Asking a private file: assertions, tables, row counts.

use super::{CheckError, PrivateDatabase};

/// What a statement returned that should have returned 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// One row, with one column, which is 1.
    One,
    /// Something else, in words.
    Other(String),
}

/// A table, and how many rows it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableRows {
    /// Its name.
    pub name: String,
    /// Its rows; none where they cannot be counted, as in virtual tables whose
    /// module is not here.
    pub rows: Option<u64>,
}

/// An entry of the schema.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SchemaEntry {
    /// `table`, `index`, `view` or `trigger`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// The statement that makes it; empty for automatic indexes.
    pub sql: String,
}

impl PrivateDatabase {
    /// Runs a statement that must return one row with the one value 1. A
    /// statement that SQLite refuses is an answer too, in its words.
    pub fn ask(&self, sql: &str) -> Answer {
        let asked = || -> Result<Answer, crate::SqliteError> {
            let mut rows = self.db.prepare(sql)?;
            let columns = rows.column_count();
            if !rows.step()? {
                return Ok(Answer::Other("no row".into()));
            }
            let value = rows.text(0);
            if columns != 1 {
                return Ok(Answer::Other(format!("{columns} columns")));
            }
            if rows.step()? {
                return Ok(Answer::Other("several rows".into()));
            }
            Ok(if value == "1" { Answer::One } else { Answer::Other(value) })
        };
        asked().unwrap_or_else(|error| Answer::Other(format!("an error: {error}")))
    }

    /// The entries of the schema, sorted.
    pub fn schema(&self) -> Result<Vec<SchemaEntry>, CheckError> {
        let mut rows = self.db.prepare("SELECT type, name, sql FROM sqlite_schema")?;
        let mut entries = Vec::new();
        while rows.step()? {
            let [kind, name, sql] = [0, 1, 2].map(|column| rows.text(column));
            entries.push(SchemaEntry { kind, name, sql });
        }
        entries.sort();
        Ok(entries)
    }

    /// The tables of the application, sorted, with their rows counted.
    pub fn tables(&self) -> Result<Vec<TableRows>, CheckError> {
        let mut tables = Vec::new();
        for entry in self.schema()? {
            if entry.kind != "table" || entry.name.starts_with("sqlite_") {
                continue;
            }
            let quoted = entry.name.replace('"', "\"\"");
            let count = || -> Result<Option<i64>, crate::SqliteError> {
                let mut rows = self.db.prepare(&format!("SELECT count(*) FROM \"{quoted}\""))?;
                Ok(if rows.step()? { rows.integer(0) } else { None })
            };
            let rows = count().ok().flatten().and_then(|rows| u64::try_from(rows).ok());
            tables.push(TableRows { name: entry.name, rows });
        }
        Ok(tables)
    }
}
