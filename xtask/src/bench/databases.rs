//! The databases: rows as an application has them, indexes included, made and
//! changed by the command-line shell of SQLite.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, ensure};

use super::command;
use crate::process;

/// Rows for each MiB, measured: customers and their orders, with two indexes.
const ROWS_A_MIB: u64 = 5_460;

/// A database that is measured with.
pub(super) struct Database {
    pub(super) path: PathBuf,
    /// Its size as it was asked for, in MiB.
    pub(super) size: u64,
    rows: u64,
}

impl Database {
    /// Makes a database of about so many MiB, in WAL mode. Its rows are the same
    /// each time but for tokens, which are random, as tokens are.
    pub(super) fn create(path: &Path, size: u64) -> Result<Self> {
        let rows = size * ROWS_A_MIB;
        let database = Self { path: path.to_owned(), size, rows };
        let customers = rows / 13;
        database.run(&format!(
            "PRAGMA page_size = 4096; PRAGMA journal_mode = wal; PRAGMA synchronous = off;
             CREATE TABLE customer (id INTEGER PRIMARY KEY, name TEXT, email TEXT, city TEXT,
                 created TEXT);
             CREATE TABLE event (id INTEGER PRIMARY KEY, customer INTEGER, at TEXT, kind TEXT,
                 token TEXT, amount REAL, note TEXT);
             WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {customers})
             INSERT INTO customer SELECT i, 'Customer ' || (i * 7919 % 99991),
                 'user' || i || '@example' || (i % 97) || '.org', 'City ' || (i * 31 % 5003),
                 datetime(1600000000 + i * 37, 'unixepoch') FROM n;
             {}
             CREATE INDEX event_customer ON event (customer, at);
             CREATE INDEX event_token ON event (token);
             PRAGMA wal_checkpoint(TRUNCATE);",
            database.events(1, rows)
        ))?;
        Ok(database)
    }

    /// The same database, which was put back to what it was.
    pub(super) fn again(other: &Self) -> Self {
        Self { path: other.path.clone(), size: other.size, rows: other.rows }
    }

    /// A table of one row, and nothing else.
    pub(super) fn tiny(path: &Path) -> Result<Self> {
        let database = Self { path: path.to_owned(), size: 0, rows: 1 };
        database.run(
            "PRAGMA journal_mode = wal; CREATE TABLE event (id INTEGER PRIMARY KEY, amount REAL);
             INSERT INTO event VALUES (1, 1.0);",
        )?;
        Ok(database)
    }

    fn events(&self, first: u64, last: u64) -> String {
        let customers = self.rows / 13 + 1;
        format!(
            "WITH RECURSIVE n (i) AS (SELECT {first} UNION ALL SELECT i + 1 FROM n WHERE i < {last})
             INSERT INTO event SELECT i, i * 7919 % {customers} + 1,
                 datetime(1600000000 + i * 11, 'unixepoch'),
                 substr('view  click order return', 1 + (i % 4) * 6, 5),
                 lower(hex(randomblob(12))), (i * 104729 % 1000000) / 100.0,
                 'order ' || (i * 31 % 100003) || ' shipped to city ' || (i * 17 % 5003)
                     || ' by carrier ' || (i % 13) FROM n;"
        )
    }

    /// Its pages.
    pub(super) fn pages(&self) -> Result<u64> {
        let mut shell = Command::new("sqlite3");
        let answer = process::output(shell.arg(&self.path).arg("PRAGMA page_count"))?;
        Ok(answer.trim().parse()?)
    }

    /// Changes rows that are scattered over so many pages, by and large: one row
    /// for each.
    pub(super) fn change(&self, share: f64) -> Result<()> {
        let rows = (self.pages()? as f64 * share).ceil();
        let all = self.rows;
        self.run(&format!(
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows})
             UPDATE event SET amount = amount + 1
             WHERE id IN (SELECT abs(random()) % {all} + 1 FROM n);"
        ))
    }

    /// Appends so many rows of those there are.
    pub(super) fn append(&mut self, share: f64) -> Result<()> {
        let first = self.rows + 1;
        self.rows += (self.rows as f64 * share) as u64;
        self.run(&self.events(first, self.rows))
    }

    /// Rewrites all of it.
    pub(super) fn vacuum(&self) -> Result<()> {
        self.run("VACUUM;")
    }

    /// Moves what is in the WAL to the file.
    pub(super) fn checkpoint(&self) -> Result<()> {
        self.run("PRAGMA wal_checkpoint(TRUNCATE);")
    }

    fn run(&self, sql: &str) -> Result<()> {
        let found = process::answers("sqlite3", &["--version"]);
        ensure!(found, "the benchmarks need the command-line shell of SQLite, `sqlite3`");
        command::run(Command::new("sqlite3").arg("-bail").arg(&self.path).arg(sql)).map(drop)
    }
}
