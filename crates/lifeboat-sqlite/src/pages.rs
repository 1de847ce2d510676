//! Which table or index a page belongs to.

use crate::check::PrivateDatabase;
use crate::error::{SqliteError, code};
use crate::raw::Statement;
use crate::transaction::ReadTransaction;

/// What a b-tree holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ObjectKind {
    /// The rows of a table.
    Table,
    /// An index.
    Index,
    /// The schema itself.
    Schema,
    /// None of these.
    Other,
}

/// A b-tree of the schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaObject {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub kind: ObjectKind,
    /// The table it belongs to; its own name for a table.
    pub table: String,
}

/// A page and the b-tree that it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageOwner {
    /// The page, counted from 1.
    pub page: u32,
    /// The name of the table or index.
    pub name: String,
}

/// Why pages could not be told apart.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PagesError {
    /// The library was compiled without the virtual table `dbstat`.
    #[error("use dbstat, which this SQLite library lacks")]
    NotAvailable,
    /// SQLite failed.
    #[error("walk through the tables")]
    Sqlite(#[source] SqliteError),
}

impl PagesError {
    fn from_dbstat(e: SqliteError) -> Self {
        let missing = e.primary() == code::ERROR && e.message.contains("dbstat");
        if missing { Self::NotAvailable } else { Self::Sqlite(e) }
    }
}

impl ReadTransaction<'_> {
    /// All tables and indexes that have pages, the schema included.
    pub fn schema_objects(&self) -> Result<Vec<SchemaObject>, PagesError> {
        let rows = self
            .prepare("SELECT name, type, tbl_name FROM main.sqlite_master WHERE rootpage > 0")
            .map_err(PagesError::Sqlite)?;
        let (objects, end) = collect(rows);
        end.map_err(PagesError::Sqlite)?;
        Ok(objects)
    }

    /// Calls `each` for every page of every table and index, in no order that
    /// is promised, until it returns false. Reads the whole database; pages
    /// that are free or only administer others are not among them.
    pub fn each_page(&self, mut each: impl FnMut(&PageOwner) -> bool) -> Result<(), PagesError> {
        let mut rows = self
            .prepare("SELECT name, pageno FROM dbstat('main')")
            .map_err(PagesError::from_dbstat)?;
        while rows.step().map_err(PagesError::Sqlite)? {
            let Some(page) = rows.integer(1).and_then(|page| u32::try_from(page).ok()) else {
                continue;
            };
            let owner = PageOwner { page, name: rows.text(0) };
            if !each(&owner) {
                break;
            }
        }
        Ok(())
    }
}

impl PrivateDatabase {
    /// All tables and indexes that have pages, the schema included; of a
    /// damaged schema, those that could be read.
    pub fn schema_objects(&self) -> Result<Vec<SchemaObject>, PagesError> {
        // A damaged schema is read as far as it goes.
        let _ = self.db().run("PRAGMA writable_schema=ON");
        let rows = self
            .db()
            .prepare("SELECT name, type, tbl_name FROM main.sqlite_master WHERE rootpage > 0")
            .map_err(PagesError::Sqlite)?;
        Ok(collect(rows).0)
    }

    /// Calls `each` for every page of one table or index that can be reached,
    /// damaged ones included.
    pub fn each_page_of(&self, name: &str, mut each: impl FnMut(u32)) -> Result<(), PagesError> {
        let name = name.replace('\'', "''");
        let sql = format!("SELECT pageno FROM dbstat('main') WHERE name='{name}'");
        let mut rows = self.db().prepare(&sql).map_err(PagesError::from_dbstat)?;
        while rows.step().map_err(PagesError::Sqlite)? {
            if let Some(page) = rows.integer(0).and_then(|page| u32::try_from(page).ok()) {
                each(page);
            }
        }
        Ok(())
    }
}

/// The objects of the schema, as far as it can be read.
fn collect(mut rows: Statement<'_>) -> (Vec<SchemaObject>, Result<(), SqliteError>) {
    // The name depends on the version of the library: dbstat knows it.
    let mut objects: Vec<_> = ["sqlite_schema", "sqlite_master"]
        .map(|name| SchemaObject {
            name: name.into(),
            kind: ObjectKind::Schema,
            table: name.into(),
        })
        .into();
    loop {
        match rows.step() {
            Ok(true) => {}
            Ok(false) => return (objects, Ok(())),
            Err(e) => return (objects, Err(e)),
        }
        objects.push(SchemaObject {
            name: rows.text(0),
            kind: match rows.text(1).as_str() {
                "table" => ObjectKind::Table,
                "index" => ObjectKind::Index,
                _ => ObjectKind::Other,
            },
            table: rows.text(2),
        });
    }
}
