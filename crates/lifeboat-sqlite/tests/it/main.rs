//! What SQLite is asked, and what it answers.

use std::path::{Path, PathBuf};
use std::time::Duration;

use lifeboat_sqlite::{
    BeginError, CheckError, Completeness, Connection, Exclusive, Finding, JournalMode,
    MIN_SAFE_VERSION, PrivateDatabase, library_version,
};

fn make(path: &Path, sql: &str) -> rusqlite::Connection {
    let connection = rusqlite::Connection::open(path).expect("opens");
    connection.execute_batch(sql).expect("runs");
    connection
}

fn place() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("a b?#%.db");
    (folder, path)
}

fn open(path: &Path) -> Connection {
    Connection::open(path, Duration::ZERO).expect("opens")
}

/// Only the library that is compiled in is ours to choose.
#[cfg(feature = "bundled")]
#[test]
fn the_library_is_without_the_wal_reset_bug() {
    assert!(library_version() >= MIN_SAFE_VERSION, "{}", library_version());
}

#[test]
fn the_wal_index_follows_commits() {
    let (_folder, path) = place();
    let writer = make(&path, "CREATE TABLE t(a)");
    writer.query_row("PRAGMA journal_mode=wal", [], |_| Ok(())).expect("sets");
    let mut connection = open(&path);
    let mut last = None;
    for n in 1..=3 {
        writer.execute_batch("INSERT INTO t VALUES(randomblob(3000))").expect("writes");
        let read = connection.begin_read().expect("begins");
        assert_eq!(read.journal_mode().expect("tells"), JournalMode::Wal);
        let position = read.wal_position().expect("is steady");
        assert!(position.header.max_frame >= n && position.backfilled == 0);
        assert_eq!(position.header.page_size, 4096);
        // The header of the WAL carries the same salts.
        let mut header = [0; 32];
        let wal = read.wal_file().expect("is open");
        assert_eq!(wal.read_at(&mut header, 0).expect("reads"), Completeness::Full);
        assert_eq!(header[16..24], position.header.salts);
        assert_ne!(last.replace(position), Some(position));
    }
    writer.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())).expect("checkpoints");
    let read = connection.begin_read().expect("begins");
    let position = read.wal_position().expect("is steady");
    assert_eq!(position.backfilled, position.header.max_frame);
}

#[test]
fn reads_beyond_the_end_are_zeros() {
    let (_folder, path) = place();
    drop(make(&path, "CREATE TABLE t(a)"));
    let mut connection = open(&path);
    let read = connection.begin_read().expect("begins");
    let file = read.main_file().expect("is open");
    let size = file.size().expect("tells");
    let mut buffer = [7; 100];
    let short = file.read_at(&mut buffer, size - 40).expect("reads");
    assert_eq!(short, Completeness::Short);
    assert!(buffer[40..].iter().all(|&b| b == 0));
}

#[test]
fn locks_of_others() {
    let (_folder, path) = place();
    let writer = make(&path, "CREATE TABLE t(a)");
    let mut connection = open(&path);
    assert!(!connection.is_reserved().expect("tells"));
    writer.execute_batch("BEGIN IMMEDIATE").expect("reserves");
    assert!(connection.is_reserved().expect("tells"));
    connection.begin_read().expect("readers go on");
    writer.execute_batch("ROLLBACK; BEGIN EXCLUSIVE").expect("excludes");
    let busy = connection.begin_read().err().expect("is refused");
    assert!(matches!(busy, BeginError::Busy(_)), "{busy:?}");
}

#[test]
fn nothing_is_created() {
    let (folder, path) = place();
    drop(make(&path, "CREATE TABLE t(a)"));
    Connection::open(&folder.path().join("none"), Duration::ZERO).err().expect("never creates");
    assert!(!folder.path().join("none").exists());
}

#[test]
fn checks_find_what_is_wrong() {
    let (folder, path) = place();
    let writer = make(
        &path,
        "PRAGMA journal_mode=wal; PRAGMA foreign_keys=OFF;
         CREATE TABLE p(id INTEGER PRIMARY KEY);
         CREATE TABLE c(p REFERENCES p(id));
         CREATE TABLE w(id TEXT PRIMARY KEY, p REFERENCES p(id)) WITHOUT ROWID;
         CREATE TABLE t(a); CREATE INDEX i ON t(a);
         INSERT INTO t VALUES('left'), ('right');",
    );
    drop(writer);
    let check = |sql: &str| {
        drop(make(&path, sql));
        let database = PrivateDatabase::open(&path).expect("opens");
        let integrity = database.integrity_check(100).expect("checks");
        (integrity, database.foreign_key_check(1).expect("checks"))
    };
    assert_eq!(check(""), (vec![], vec![]));
    let (integrity, keys) = check("PRAGMA foreign_keys=OFF; INSERT INTO c VALUES(5), (6)");
    assert_eq!(integrity, []);
    let row = Finding::ForeignKey { table: "c".into(), rowid: Some(1), parent: "p".into() };
    assert_eq!(keys, [row], "the first alone");
    let (_, keys) = check("PRAGMA foreign_keys=OFF; DELETE FROM c; INSERT INTO w VALUES('x', 5)");
    assert_eq!(keys.len(), 1);
    assert_eq!(keys[0].to_string(), "a row of w refers to no row of p");

    // The row in the table, but not in the index, says otherwise.
    let mut bytes = std::fs::read(&path).expect("is there");
    let at = bytes.windows(4).position(|window| window == b"left").expect("is there");
    bytes[at] = b'L';
    std::fs::write(&path, bytes).expect("writes");
    let database = PrivateDatabase::open(&path).expect("opens");
    let found = database.integrity_check(100).expect("checks");
    assert!(!found.is_empty() && found.len() <= 100);
    assert_eq!(database.integrity_check(1).expect("checks").len(), 1);
    let names: Vec<_> = std::fs::read_dir(folder.path()).expect("is there").collect();
    assert_eq!(names.len(), 1, "no sidecars, although the header says WAL");

    std::fs::write(&path, [1; 9000]).expect("writes");
    let error = PrivateDatabase::open(&path).and_then(|d| d.integrity_check(1));
    assert!(matches!(error, Err(CheckError::NotADatabase(_))), "{error:?}");
}

/// Nobody else reads or writes, and the file alone holds everything.
#[test]
fn taken_exclusively() {
    for mode in ["wal", "delete"] {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("app.db");
        let other = rusqlite::Connection::open(&path).expect("opens");
        other.query_row(&format!("PRAGMA journal_mode={mode}"), [], |_| Ok(())).expect("works");
        other.execute_batch("CREATE TABLE t(x); INSERT INTO t VALUES(1)").expect("works");
        // In WAL mode who is attached is in the way, in others who reads.
        if mode == "delete" {
            other.execute_batch("BEGIN; SELECT * FROM t").expect("works");
        }
        assert!(Exclusive::take(&path).expect("works").is_none(), "{mode}");
        if mode == "delete" {
            other.execute_batch("COMMIT").expect("works");
        } else {
            // As a killed writer leaves it.
            other
                .set_db_config(rusqlite::config::DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)
                .expect("works");
        }
        drop(other);
        let taken = Exclusive::take(&path).expect("works").expect("nobody is in the way");
        assert!(!taken.has_moved().expect("works"));
        let wal = std::fs::metadata(folder.path().join("app.db-wal"));
        assert!(wal.is_err() || wal.is_ok_and(|wal| wal.len() == 0), "{mode}");
        let alone = folder.path().join("alone.db");
        std::fs::copy(&path, &alone).expect("copies: nobody's locks matter any more");
        let alone = rusqlite::Connection::open(&alone).expect("opens");
        let count: i64 =
            alone.query_row("SELECT count(*) FROM t", [], |row| row.get(0)).expect("reads");
        assert_eq!(count, 1, "{mode}");
        drop(taken);
        let again = rusqlite::Connection::open(&path).expect("opens");
        let is_now: String =
            again.query_row("PRAGMA journal_mode", [], |row| row.get(0)).expect("reads");
        assert_eq!(is_now, mode, "the journal mode is what it was");
    }
}
