//! Odd names, odd files, odd neighbours.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use lifeboat_format::source::PageSource;
use lifeboat_snapshot::{CaptureFailure, LiveDatabase, Notice, OpenError, OpenOptions};

use crate::support::*;

fn make(path: &Path, mode: &str) -> rusqlite::Connection {
    let connection = rusqlite::Connection::open(path).expect("opens");
    connection.query_row(&format!("PRAGMA journal_mode={mode}"), [], |_| Ok(())).expect("sets");
    connection
        .execute_batch("CREATE TABLE t(a); INSERT INTO t VALUES(randomblob(9000))")
        .expect("ok");
    connection
}

#[test]
fn names() {
    let folder = folder();
    let mut names: Vec<OsString> =
        ["app", "app.sqlite", "a.b.c", "my app", "what?", "a#b", "100%25", "file:x", "-x"]
            .map(OsString::from)
            .into();
    names.push(OsString::from_vec(b"caf\xe9.db".to_vec()));
    for name in names {
        let path = folder.path().join(&name);
        let _writer = make(&path, "wal");
        let image = image_of(&path);
        assert!(image.file().starts_with(b"SQLite format 3\0"), "{name:?}");
        assert!(image.file().len() > 9000, "the rows are in the WAL");
    }
    let link = folder.path().join("link.db");
    std::os::unix::fs::symlink(folder.path().join("app"), &link).expect("links");
    let live = open(&link);
    assert!(live.path().ends_with("app"), "canonical");
    assert_eq!(image_of(&link).file(), image_of(&folder.path().join("app")).file());
}

#[test]
fn relative_names() {
    if let Some(folder) = child_argument() {
        std::env::set_current_dir(&folder).expect("is there");
        let _writer = make(Path::new("rel.db"), "wal");
        assert!(image_of(Path::new("rel.db")).file().len() > 9000);
        assert!(image_of(Path::new("./rel.db")).file().len() > 9000);
        return;
    }
    must_pass(&in_child("odd::relative_names", folder().path(), false));
}

#[track_caller]
fn refused(path: &Path) -> OpenError {
    let error = LiveDatabase::open(path, &OpenOptions::default()).err().expect("is refused");
    assert!(error.is_source_unusable() && !error.is_busy(), "{error:?}");
    error
}

#[test]
fn what_is_no_database() {
    let folder = folder();
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("empty"), b"").expect("writes");
    std::fs::write(at("garbage"), [0x5a; 20_000]).expect("writes");
    std::fs::write(at("short"), b"SQLite").expect("writes");
    assert!(matches!(refused(&at("none")), OpenError::NotFound { .. }));
    assert!(matches!(refused(&at("garbage/none")), OpenError::NotFound { .. }));
    assert!(matches!(refused(folder.path()), OpenError::IsDirectory { .. }));
    assert!(matches!(refused(&at("empty")), OpenError::Empty { .. }));
    for name in ["garbage", "short"] {
        let error = refused(&at(name));
        assert!(
            matches!(error, OpenError::FirstRead(CaptureFailure::NotADatabase { .. })),
            "{error:?}"
        );
    }
    assert_eq!(listing(folder.path()), ["empty", "garbage", "short"], "nothing was created");
}

#[test]
fn an_application_in_exclusive_mode() {
    for mode in ["delete", "wal"] {
        let folder = folder();
        let path = folder.path().join("app.db");
        let mut python = Python::new();
        python.run(&format!(
            "db = sqlite3.connect({path:?}, isolation_level=None)
db.execute('PRAGMA locking_mode=EXCLUSIVE').fetchone()
db.execute('PRAGMA journal_mode={mode}').fetchone()
db.execute('CREATE TABLE t(a)')"
        ));
        let mut options = OpenOptions::default();
        options.busy_timeout = Duration::from_millis(50);
        let error = LiveDatabase::open(&path, &options).err().expect("is refused");
        assert!(error.is_busy() && !error.is_source_unusable(), "{mode}: {error:?}");
        assert!(error.to_string().contains("EXCLUSIVE"), "{error}");
        drop(python);
        open(&path);
    }
}

/// Leaves a database and the journal of a writer that died while it wrote the
/// database; returns what the database was before.
fn leave_hot_journal(path: &Path) -> Vec<u8> {
    let mut python = Python::new();
    python.run(&format!(
        "db = connect({path:?}, 'delete')
db.execute('CREATE TABLE t(id INTEGER PRIMARY KEY, b)')
for i in range(300): db.execute('INSERT INTO t VALUES(?, randomblob(3000))', (i,))"
    ));
    let before = python.image(path);
    python.run(
        "db.execute('PRAGMA cache_size=5')
db.execute('BEGIN')
db.execute('UPDATE t SET b=randomblob(3000)')",
    );
    drop(python);
    let torn = std::fs::read(path).expect("is there");
    assert!(torn != before, "pages were spilled into the database");
    before
}

#[test]
fn a_hot_journal_is_rolled_back() {
    let folder = folder();
    let path = folder.path().join("app.db");
    let before = leave_hot_journal(&path);
    let mut live = open(&path);
    let found = capture(&mut live, &Image::default()).image;
    assert_eq!(live.notices(), [Notice::HotJournalRolledBack]);
    // The rollback itself leaves everything as it was.
    same(found.file(), &before, "rolled back");
    assert_eq!(listing(folder.path()), ["app.db"]);
}

#[test]
fn a_journal_in_use_is_not_hot() {
    for mode in ["delete", "persist"] {
        let folder = folder();
        let path = folder.path().join("app.db");
        let writer = make(&path, mode);
        writer.execute_batch("BEGIN IMMEDIATE; INSERT INTO t VALUES(1)").expect("writes");
        let mut live = open(&path);
        capture(&mut live, &Image::default());
        assert_eq!(live.notices(), []);
        writer.execute_batch("COMMIT").expect("commits");
        capture(&mut live, &Image::default());
        assert_eq!(live.notices(), []);
    }
}

#[test]
fn nothing_stays_behind() {
    let folder = folder();
    let path = folder.path().join("app.db");
    drop(make(&path, "wal"));
    assert_eq!(listing(folder.path()), ["app.db"]);
    let mut live = open(&path);
    capture(&mut live, &Image::default());
    live.fingerprint().expect("tells");
    drop(live);
    assert_eq!(listing(folder.path()), ["app.db"], "-wal and -shm are gone again");

    // The frames of others stay, to the byte.
    let mut python = Python::new();
    python.run(&format!("db = connect({path:?}); db.execute('INSERT INTO t VALUES(2)')"));
    drop(python);
    let bytes = || ["", "-wal"].map(|s| std::fs::read(with_suffix(&path, s)).expect("is there"));
    let before = bytes();
    assert!(!before[1].is_empty());
    capture(&mut open(&path), &Image::default());
    assert!(before == bytes(), "nothing was checkpointed");
}

#[test]
fn a_replaced_database() {
    for mode in ["wal", "delete"] {
        let folder = folder();
        let (path, other) = (folder.path().join("app.db"), folder.path().join("other.db"));
        let writer = make(&path, mode);
        drop(make(&other, "delete"));
        let mut live = open(&path);
        // In the middle of a scan.
        let (from, to) = (other.clone(), path.clone());
        let replace = move || {
            // Only the first time there is something to rename.
            let _ = std::fs::rename(&from, &to);
        };
        let sink = Builder { poll: Some(Box::new(replace)), ..Builder::default() };
        let failure = match capture_with(&mut live, &Image::default(), sink) {
            Err(lifeboat_format::source::CaptureError::Source(failure)) => failure,
            _ => panic!("{mode}: was not noticed"),
        };
        assert!(matches!(failure, CaptureFailure::Replaced { .. }), "{failure:?}");
        let failure = live.fingerprint().expect_err("still replaced");
        assert!(matches!(failure, CaptureFailure::Replaced { .. }), "{failure:?}");
        std::fs::remove_file(&path).expect("is there");
        let failure = try_capture(&mut live, &Image::default()).err().expect("removed");
        assert!(matches!(failure, CaptureFailure::Replaced { .. }), "{failure:?}");
        drop(writer);
    }
}

#[test]
fn reserved_bytes_and_old_libraries() {
    let folder = folder();
    let path = folder.path().join("app.db");
    // A database whose pages end in 32 bytes that belong to an extension.
    Python::new().run(&format!(
        "db = sqlite3.connect({path:?}, isolation_level=None)
db.execute('CREATE TABLE t(a)'); db.execute('DROP TABLE t'); db.close()
f = open({path:?}, 'r+b'); f.seek(20); f.write(bytes([32])); f.seek(100 + 5); f.write((4096 - 32).to_bytes(2, 'big')); f.close()
db = connect({path:?}, 'wal')
db.execute('CREATE TABLE t(a)'); db.execute('INSERT INTO t VALUES(randomblob(20000))')
r = db.execute('PRAGMA integrity_check').fetchone()[0]
assert r == 'ok', r
db.execute('PRAGMA wal_checkpoint(TRUNCATE)').fetchone()"
    ));
    let mut live = open(&path);
    let captured = capture(&mut live, &Image::default());
    assert_eq!(captured.facts.sqlite.reserved_bytes, 32);
    let version = captured.facts.sqlite.written_by;
    assert!(version < 3_051_003, "Python's SQLite was expected to be old: {version}");
    assert_eq!(live.notices(), [Notice::WrittenByOldLibrary { version }]);
    assert!(captured.facts.sqlite.read_by >= 3_051_003);
}

/// What a user without privileges can and cannot read.
#[test]
fn permissions() {
    if let Some(folder) = child_argument() {
        return unprivileged(&folder);
    }
    let folder = folder();
    let at = |name: &str| folder.path().join(name);
    for name in ["closed", "locked", "sealed", "hot", "walled", "open"] {
        std::fs::create_dir(at(name)).expect("creates");
    }
    let database = |name: &str| at(name).join("app.db");
    drop(make(&database("closed"), "delete"));
    drop(make(&database("locked"), "delete"));
    drop(make(&database("sealed"), "delete"));
    drop(make(&database("walled"), "wal"));
    leave_hot_journal(&database("hot"));
    set_mode(&database("locked"), 0o000);
    set_mode(&at("closed"), 0o700);
    for name in ["sealed", "hot", "walled", "locked"] {
        set_mode(&at(name), 0o555);
    }
    for name in ["sealed", "walled"] {
        set_mode(&database(name), 0o444);
    }
    set_mode(&database("hot"), 0o444);
    set_mode(folder.path(), 0o755);
    // With somebody attached, the sidecars are there to be read.
    let writer = make(&database("open"), "wal");
    for suffix in ["", "-wal", "-shm"] {
        set_mode(&with_suffix(&database("open"), suffix), 0o444);
    }
    set_mode(&at("open"), 0o555);
    if std::fs::metadata(database("closed")).is_err() {
        // Not root, and the folder is one's own: 0700 would not close it.
        return;
    }
    must_pass(&in_child("odd::permissions", folder.path(), true));
    drop(writer);
    for name in ["sealed", "hot", "walled", "locked", "open"] {
        set_mode(&at(name), 0o755);
    }
}

fn unprivileged(folder: &Path) {
    let database = |name: &str| -> PathBuf { folder.join(name).join("app.db") };
    assert!(matches!(refused(&database("closed")), OpenError::Unreadable { .. }));
    let error = refused(&database("locked"));
    assert!(matches!(error, OpenError::Unreadable { .. }), "{error:?}");
    let mut live = open(&database("sealed"));
    assert_eq!(live.notices(), [Notice::ReadOnly]);
    capture(&mut live, &Image::default());
    let error = refused(&database("hot"));
    assert!(matches!(error, OpenError::FirstRead(CaptureFailure::HotJournal { .. })), "{error:?}");
    let error = refused(&database("walled"));
    assert!(
        matches!(error, OpenError::FirstRead(CaptureFailure::SidecarsUnavailable { .. })),
        "{error:?}"
    );
    let mut live = open(&database("open"));
    assert_eq!(live.notices(), [Notice::ReadOnly]);
    assert!(capture(&mut live, &Image::default()).image.file().len() > 9000);
}

#[test]
fn descriptors_do_not_leak() {
    if let Some(path) = child_argument() {
        let count = || listing(Path::new("/proc/self/fd")).len();
        for mode in ["wal", "delete"] {
            let path = with_suffix(&path, mode);
            drop(make(&path, mode));
            image_of(&path);
            let before = count();
            for _ in 0..20 {
                let mut live = open(&path);
                capture(&mut live, &Image::default());
                live.fingerprint().expect("tells");
            }
            assert_eq!(count(), before, "{mode}");
        }
        return;
    }
    let folder = folder();
    must_pass(&in_child("odd::descriptors_do_not_leak", &folder.path().join("app"), false));
}
