//! What destroyed other people's backups, through the binary.

use std::path::Path;
use std::process::Command;

use lifeboat_testing::databases::{begin_churn, churn, one_row_a_page, open, overwrite};
use lifeboat_testing::writer::{Other, commit_shown};

use crate::command::{Folder, Ran, as_nobody, binary, same_bytes};
use crate::place::{Place, in_every_folder, in_every_place};

in_every_place!(the_file_was_replaced, killed_writers, nothing_is_left_beside_the_database);
in_every_folder!(the_page_size_changed);

/// Before 3.51.3 two connections that checkpoint and write at the wrong moment
/// lose pages: neither ours nor anybody's should be older, and it is said.
#[test]
fn the_wal_reset_bug() {
    assert!(rusqlite::version_number() >= 3_051_003, "the SQLite that is compiled in");
    let folder = Folder::new();
    let path = folder.path("app.db");
    let writer = Other::writing(&path, "wal");
    let ran = folder.run(&["backup", "app.db"]).ok();
    drop(writer);
    assert!(ran.err.contains("last written by SQLite 3."), "{}", ran.err);
    drop(open(&folder.path("new.db"), "wal").execute_batch("CREATE TABLE t(a)"));
    let ran = folder.run(&["backup", "new.db"]).ok();
    assert!(!ran.err.contains("last written by"), "{}", ran.err);
}

/// Another file under the same name: every page is compared, nothing is mixed.
fn the_file_was_replaced(place: Place) {
    let folder = Folder::at(place);
    let path = folder.path("app.db");
    drop(one_row_a_page(&path, "wal", 300, 1));
    folder.backup("app.db");
    drop(one_row_a_page(&folder.path("other.db"), "wal", 200, 2));
    std::fs::rename(folder.path("other.db"), &path).expect("replaces");
    assert_eq!(folder.backup("app.db")["unchanged"], false);
    assert!(same_bytes(&folder.restore("app", "latest"), &path));

    // Another content in the same file, with the same change counter.
    let folder = Folder::at(place);
    let path = folder.path("app.db");
    drop(one_row_a_page(&path, "delete", 300, 1));
    folder.backup("app.db");
    drop(one_row_a_page(&folder.path("other.db"), "delete", 300, 2));
    let bytes = std::fs::read(folder.path("other.db")).expect("reads");
    std::fs::write(&path, bytes).expect("overwrites");
    assert_eq!(folder.backup("app.db")["unchanged"], false);
    assert!(same_bytes(&folder.restore("app", "latest"), &path));
}

/// The page size changes while nobody watches: WAL → DELETE → VACUUM → WAL.
fn the_page_size_changed(place: Place) {
    let folder = Folder::at(place);
    let path = folder.path("app.db");
    let mut connection = open(&path, "wal");
    begin_churn(&connection);
    churn(&mut connection, 1);
    for page_size in [512, 1024, 2048, 4096, 8192, 16_384, 32_768, 65_536] {
        let change = format!("PRAGMA journal_mode=delete; PRAGMA page_size={page_size}; VACUUM;");
        connection.execute_batch(&change).expect("changes the page size");
        connection.query_row("PRAGMA journal_mode=wal", [], |_| Ok(())).expect("works");
        churn(&mut connection, 2);
        let summary = folder.backup("app.db");
        let pages = summary["pages_total"].as_u64().expect("a number");
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).expect("works");
        assert_eq!(path.metadata().expect("is there").len(), pages * page_size);
        assert!(same_bytes(&folder.restore("app", "latest"), &path), "page size {page_size}");
        assert!(same_bytes(&folder.read_independently("app", "latest"), &path), "{page_size}");
    }
}

/// The page at 1 GiB, which SQLite never writes: a database that reaches beyond
/// it goes out and comes back.
#[test]
fn the_lock_page() {
    for page_size in [4096, 1024] {
        let folder = Folder::new();
        let path = folder.path("app.db");
        let connection = rusqlite::Connection::open(&path).expect("opens");
        let make = format!(
            "PRAGMA page_size={page_size}; PRAGMA journal_mode=off; PRAGMA synchronous=off;
             CREATE TABLE t(a); INSERT INTO t VALUES(zeroblob(540000000)), (zeroblob(540000000));
             CREATE TABLE after(b); INSERT INTO after VALUES('beyond');"
        );
        connection.execute_batch(&make).expect("writes");
        drop(connection);
        assert!(path.metadata().expect("is there").len() > 1 << 30);
        folder.backup("app.db");
        let target = folder.path("new.db");
        folder.run(&["restore", "app", "--target", "new.db"]).ok();
        let compared = Command::new("cmp").arg(&path).arg(&target).status().expect("cmp runs");
        assert!(compared.success(), "page size {page_size}");
        assert_eq!(folder.backup("app.db")["unchanged"], true);
    }
}

/// Bytes that an extension keeps for itself at the end of every page.
#[test]
fn reserved_bytes() {
    let folder = Folder::new();
    let path = folder.path("app.db");
    drop(one_row_a_page(&path, "delete", 50, 1));
    let made = Command::new("sqlite3")
        .arg(&path)
        .args([".filectrl reserve_bytes 48", "VACUUM"])
        .output()
        .expect("sqlite3 is installed");
    assert!(made.status.success(), "{made:?}");
    assert_eq!(std::fs::read(&path).expect("reads")[20], 48);
    folder.backup("app.db");
    assert!(same_bytes(&folder.restore("app", "latest"), &path));
}

/// Killed in the middle of commits, again and again: phantom frames, torn tails
/// and hot journals never reach a snapshot.
fn killed_writers(place: Place) {
    for journal_mode in ["wal", "delete"] {
        let folder = Folder::at(place);
        let path = folder.path("app.db");
        let mut last = 0;
        for round in 0..6 {
            let writer = Other::writing(&path, journal_mode);
            writer.wait_for_commits(7 + round);
            writer.kill();
            let id = folder.backup("app.db")["snapshot_id"].as_str().expect("an id").to_owned();
            let shown = commit_shown(&folder.restore("app", &id));
            let shown = shown.unwrap_or_else(|e| panic!("{journal_mode} {round}: {e}"));
            assert!(shown >= 6 + round, "{journal_mode} {round}: {shown} after {last}");
            last = shown;
        }
    }
}

/// What a backup leaves beside the database: nothing.
fn nothing_is_left_beside_the_database(place: Place) {
    for journal_mode in ["wal", "delete", "persist"] {
        let folder = Folder::at(place);
        std::fs::create_dir(folder.path("data")).expect("makes");
        let path = folder.path("data/app.db");
        let mut connection = one_row_a_page(&path, journal_mode, 50, 1);
        overwrite(&mut connection, 5, 2);
        drop(connection);
        let beside = |path: &Path| {
            let mut names: Vec<_> = std::fs::read_dir(path.parent().expect("has one"))
                .expect("lists")
                .flatten()
                .map(|entry| entry.file_name())
                .collect();
            names.sort();
            names
        };
        let before = (beside(&path), std::fs::read(&path).expect("reads"));
        folder.backup("data/app.db");
        folder.backup("data/app.db");
        assert_eq!(beside(&path), before.0, "{journal_mode}");
        assert!(std::fs::read(&path).expect("reads") == before.1, "{journal_mode}");
    }
}

/// A directory that nobody may write to.
#[test]
fn a_read_only_directory() {
    let folder = Folder::new();
    let path = folder.path("app.db");
    drop(one_row_a_page(&path, "delete", 50, 1));
    let place = folder.path("nobody");
    std::fs::create_dir(&place).expect("makes");
    std::os::unix::fs::chown(&place, Some(65_534), Some(65_534)).expect("tests run as root");
    let ran = as_nobody(&folder, &["-r", "nobody/backups", "backup", "app.db"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    // In WAL mode SQLite cannot make its sidecars there, and that is said.
    drop(one_row_a_page(&folder.path("wal.db"), "wal", 50, 1));
    let ran = as_nobody(&folder, &["-r", "nobody/backups", "backup", "wal.db"]);
    assert_eq!(ran.code, 15, "{ran:?}");
    assert!(ran.err.contains("permissions forbid the -wal and -shm files"), "{}", ran.err);
}

/// A backup that was said to be there survives a power cut: each object's bytes were
/// synced before it got its name, and each directory after it got an entry.
#[test]
fn what_was_said_to_be_stored_is_on_the_disk() {
    let folder = Folder::new();
    drop(one_row_a_page(&folder.path("app.db"), "wal", 50, 1));
    let trace = folder.path("trace");
    let mut strace = Command::new("strace");
    let calls = "trace=fsync,fdatasync,link,linkat,rename,renameat,renameat2";
    strace.args(["-f", "-y", "-qq", "-s", "4096", "-e", calls, "-o"]).arg(&trace);
    strace.arg(binary()).args(["backup", "app.db"]);
    let ran: Ran = folder.under(strace).output().expect("strace is installed").into();
    ran.ok();
    let trace = std::fs::read_to_string(&trace).expect("was written");
    // What is synced is shown by its path between angle brackets, what gets a name
    // between quotes. Calls that others interrupted are shown in two pieces, of which
    // the second has neither.
    let position = |wanted: &dyn Fn(&str) -> bool| trace.lines().position(wanted);
    let synced = |path: &Path, after: usize| {
        let shown = format!("<{}>", path.display());
        trace.lines().skip(after).position(|line| line.contains("sync(") && line.contains(&shown))
    };
    let objects = folder.objects();
    assert!(objects.len() >= 3, "{objects:?}");
    for object in objects {
        let shown = format!("\"{}\"", object.display());
        let named = position(&|line: &str| {
            (line.contains("link") || line.contains("rename")) && line.contains(&shown)
        });
        let named = named.unwrap_or_else(|| panic!("{object:?} got no name:\n{trace}"));
        let line = trace.lines().nth(named).unwrap_or_default();
        let draft = line.split('"').nth(1).unwrap_or_default();
        let before = synced(Path::new(draft), 0);
        assert!(before.is_some_and(|at| at < named), "{object:?} was named first:\n{trace}");
        let home = object.parent().expect("has one");
        assert!(synced(home, named).is_some(), "{home:?} was never synced:\n{trace}");
    }
}
