//! Makers of databases, the same for the same seed.

use std::path::Path;

use rusqlite::{Connection, params};

/// Numbers that look random, the same for the same seed (SplitMix64).
#[derive(Clone, Debug)]
pub struct Numbers(u64);

impl Numbers {
    /// Begins with a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.draw() % end.max(1)
    }

    /// Bytes that cannot be compressed.
    pub fn bytes(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(len + 8);
        while bytes.len() < len {
            bytes.extend_from_slice(&self.draw().to_le_bytes());
        }
        bytes.truncate(len);
        bytes
    }
}

/// How many bytes of a row fill a page of 4 KiB.
const PAGE_ROW: usize = 4000;

/// Opens a database, in a journal mode.
pub fn open(path: &Path, journal_mode: &str) -> Connection {
    let connection = Connection::open(path).expect("opens");
    connection
        .query_row(&format!("PRAGMA journal_mode={journal_mode}"), [], |_| Ok(()))
        .expect("sets the journal mode");
    connection
}

/// Makes a database of about `pages` pages of 4 KiB, each of which holds one
/// row of incompressible bytes.
pub fn one_row_a_page(path: &Path, journal_mode: &str, pages: i64, seed: u64) -> Connection {
    let mut connection = open(path, journal_mode);
    let transaction = connection.transaction().expect("begins");
    transaction
        .execute_batch("CREATE TABLE page(id INTEGER PRIMARY KEY, content BLOB)")
        .expect("makes the table");
    let mut numbers = Numbers::new(seed);
    {
        let mut insert =
            transaction.prepare("INSERT INTO page VALUES(?1, ?2)").expect("a good statement");
        for id in 1..=pages {
            insert.execute(params![id, numbers.bytes(PAGE_ROW)]).expect("inserts");
        }
    }
    transaction.commit().expect("commits");
    connection
}

/// Overwrites so many rows of such a database, chosen at random, each with new
/// incompressible bytes. Returns how many pages that changes.
pub fn overwrite(connection: &mut Connection, rows: usize, seed: u64) -> usize {
    let pages: i64 =
        connection.query_row("SELECT max(id) FROM page", [], |row| row.get(0)).expect("counts");
    let mut numbers = Numbers::new(seed);
    let mut chosen = std::collections::BTreeSet::new();
    while chosen.len() < rows.min(pages as usize) {
        chosen.insert(1 + numbers.below(pages as u64) as i64);
    }
    let transaction = connection.transaction().expect("begins");
    for id in &chosen {
        transaction
            .execute("UPDATE page SET content=?2 WHERE id=?1", params![id, numbers.bytes(PAGE_ROW)])
            .expect("updates");
    }
    transaction.commit().expect("commits");
    chosen.len()
}

/// Makes the tables that [`churn`] works on.
pub fn begin_churn(connection: &Connection) {
    connection
        .execute_batch(
            "CREATE TABLE person(id INTEGER PRIMARY KEY, name TEXT, note BLOB);
             CREATE INDEX person_name ON person(name);
             CREATE TABLE event(person INTEGER, at INTEGER, what TEXT);",
        )
        .expect("makes the tables");
}

/// One round of an application's life: inserts, updates, deletes; every fifth
/// round a change of the schema, every tenth a VACUUM.
pub fn churn(connection: &mut Connection, round: u64) {
    let mut numbers = Numbers::new(round);
    let transaction = connection.transaction().expect("begins");
    for _ in 0..200 {
        let note = {
            let len = numbers.below(600) as usize;
            numbers.bytes(len)
        };
        let name = format!("name {}", numbers.below(10_000));
        transaction
            .execute("INSERT INTO person(name, note) VALUES(?1, ?2)", params![name, note])
            .expect("inserts");
        let (person, at) = (numbers.below(1000) as i64, numbers.below(1 << 40) as i64);
        transaction
            .execute("INSERT INTO event VALUES(?1, ?2, 'something')", params![person, at])
            .expect("inserts");
    }
    transaction
        .execute("DELETE FROM person WHERE id % 7 = ?1", [numbers.below(7) as i64])
        .expect("deletes");
    transaction
        .execute("UPDATE event SET what='else' WHERE at % 11 = ?1", [numbers.below(11) as i64])
        .expect("updates");
    transaction.commit().expect("commits");
    if round % 5 == 4 {
        let change = format!(
            "ALTER TABLE person ADD COLUMN extra{round}; CREATE TABLE more{round}(a, b UNIQUE);
             INSERT INTO more{round} SELECT id, id FROM person LIMIT 50;"
        );
        connection.execute_batch(&change).expect("changes the schema");
    }
    if round % 10 == 9 {
        connection.execute_batch("VACUUM").expect("vacuums");
    }
}

/// The schema of a database, in full.
pub fn schema_of(path: &Path) -> Vec<String> {
    let connection = Connection::open(path).expect("opens");
    let mut statement = connection
        .prepare("SELECT type||' '||name||' '||coalesce(sql,'') FROM sqlite_schema ORDER BY rowid")
        .expect("a good statement");
    let rows = statement.query_map([], |row| row.get(0)).expect("reads");
    rows.collect::<Result<_, _>>().expect("reads")
}
