//! Restoring over the database itself, also while it is in use.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use lifeboat_testing::databases::{one_row_a_page, open, overwrite};
use lifeboat_testing::writer::{Other, commit_shown};
use rusqlite::Connection;
use serde_json::Value;

use crate::command::{Folder, Ran, as_nobody, binary, same_bytes};

fn in_place(folder: &Folder, arguments: &[&str]) -> Value {
    let all = [&["--json", "restore"], arguments, &["--in-place"]].concat();
    folder.run(&all).ok().last()
}

fn aside_of(summary: &Value) -> PathBuf {
    summary["set_aside"].as_str().expect("a path").into()
}

/// What lies beside the database, apart from what belongs to the test.
fn beside(folder: &Folder) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder.path("data"))
        .expect("is there")
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// A database with a snapshot, and then another content.
fn changed(journal_mode: &str) -> (Folder, PathBuf, PathBuf) {
    let folder = Folder::new();
    fs::create_dir(folder.path("data")).expect("makes");
    let path = folder.path("data/app.db");
    let mut connection = one_row_a_page(&path, journal_mode, 200, 1);
    if journal_mode == "wal" {
        connection
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
            .expect("checkpoints");
    }
    folder.backup("data/app.db");
    let backed_up = folder.path("backed-up.db");
    fs::copy(&path, &backed_up).expect("copies");
    overwrite(&mut connection, 30, 2);
    drop(connection);
    (folder, path, backed_up)
}

#[test]
fn there_and_back_without_a_repository() {
    for journal_mode in ["delete", "wal"] {
        let (folder, path, backed_up) = changed(journal_mode);
        let before = folder.path("before.db");
        fs::copy(&path, &before).expect("copies");
        let ran = folder.run(&["restore", "app", "--in-place"]).ok();
        assert!(same_bytes(&path, &backed_up), "{journal_mode}");
        // Everything but the command must be gone.
        fs::rename(folder.path("backups"), folder.path("gone")).expect("renames");
        fs::remove_dir_all(folder.path("state")).expect("removes");
        let undo = ran.out.lines().last().expect("a last line");
        let words = undo.strip_prefix("lifeboat ").expect("a command");
        let shell = format!("{} {words}", binary().display());
        let mut command = Command::new("sh");
        command.args(["-c", &shell]);
        let ran: Ran = folder.under(command).output().expect("runs").into();
        assert!(same_bytes(&path, &before), "{journal_mode}: {ran:?}");
        assert_eq!(ran.code, 0, "{ran:?}");
        // And that can be taken back as well.
        assert!(ran.out.lines().last().is_some_and(|line| line.contains("restore --undo")));
        assert_eq!(beside(&folder).len(), 3, "no sidecars: {:?}", beside(&folder));
    }
}

/// The safety snapshot is the newest, but `latest` must not mean it: an
/// interrupted restore is run again.
#[test]
fn the_safety_snapshot() {
    let (folder, path, backed_up) = changed("wal");
    let before = folder.path("before.db");
    fs::copy(&path, &before).expect("copies");
    let first = in_place(&folder, &["app"]);
    let id = first["safety_snapshot_id"].as_str().expect("an id");
    assert!(same_bytes(&folder.restore("app", id), &before));
    let listed = folder.run(&["--json", "snapshots"]).ok().json();
    assert_eq!(listed[1]["trigger"], "safety");
    let second = in_place(&folder, &["app"]);
    assert_eq!(second["snapshot_id"], first["snapshot_id"]);
    assert!(same_bytes(&path, &backed_up));
    assert_eq!(second["bytes_fetched"], 0, "all of it was there");
    // By its id it is one like any other.
    in_place(&folder, &["app", id]);
    assert!(same_bytes(&path, &before));
}

/// A path that the snapshot was not taken of, and one that it was.
#[test]
fn only_over_what_it_was_taken_of() {
    let (folder, path, backed_up) = changed("delete");
    fs::create_dir(folder.path("other")).expect("makes");
    let other = folder.path("other/app.db");
    fs::copy(&path, &other).expect("copies");
    let before = fs::read(&other).expect("reads");
    let ran = folder.run(&["restore", "other/app.db", "--in-place"]);
    assert_eq!(ran.code, 7, "{ran:?}");
    assert!(ran.err.contains("--target") && ran.err.contains("The database is what it was"));
    assert!(fs::read(&other).expect("reads") == before, "untouched");
    in_place(&folder, &["data/app.db"]);
    assert!(same_bytes(&path, &backed_up));
    let summary = in_place(&folder, &["app", "--target", "other/app.db"]);
    assert!(same_bytes(&other, &backed_up));
    // The history of the one path is not mixed with another's.
    assert!(summary["safety_error"].as_str().is_some_and(|why| why.contains("other/app.db")));
    assert!(fs::read(aside_of(&summary)).expect("there") == before);
    // Through a link, to the file itself.
    std::os::unix::fs::symlink(&path, folder.path("link.db")).expect("links");
    in_place(&folder, &["app", "--target", "link.db"]);
    assert!(fs::symlink_metadata(folder.path("link.db")).expect("there").is_symlink());
}

#[test]
fn nothing_that_sqlite_can_use() {
    let (folder, path, backed_up) = changed("wal");
    fs::write(&path, b"spoilt".repeat(9999)).expect("writes");
    fs::write(folder.path("data/app.db-wal"), b"frames").expect("writes");
    let summary = in_place(&folder, &["app"]);
    assert_eq!((&summary["way"], &summary["undo"]), (&"removed".into(), &Value::Null));
    assert!(same_bytes(&path, &backed_up));
    assert_eq!(fs::read(aside_of(&summary)).expect("there"), b"spoilt".repeat(9999));
    let wal = format!("{}-wal", aside_of(&summary).display());
    assert_eq!(fs::read(wal).expect("there"), b"frames");
    let undo = folder.run(&["restore", "--undo", aside_of(&summary).to_str().expect("UTF-8")]);
    assert_eq!(undo.code, 1, "{undo:?}");
    assert!(undo.err.contains("it lies there whole") && same_bytes(&path, &backed_up));
    // Damage inside is set aside as well.
    let mut bytes = fs::read(&path).expect("reads");
    bytes[100..60_000].fill(0xff);
    fs::write(&path, &bytes).expect("writes");
    let summary = in_place(&folder, &["app"]);
    assert!(same_bytes(&path, &backed_up));
    assert!(fs::read(aside_of(&summary)).expect("there") == bytes);
    // And where there is nothing, it appears.
    fs::remove_file(&path).expect("removes");
    assert_eq!(in_place(&folder, &["app"])["way"], "placed");
    assert!(same_bytes(&path, &backed_up));
}

/// SQLite's checks come before the exchange, unless they are not wanted.
#[test]
fn checked_before() {
    let folder = Folder::new();
    let connection = open(&folder.path("app.db"), "delete");
    connection
        .execute_batch(
            "CREATE TABLE a(id INTEGER PRIMARY KEY); CREATE TABLE b(a REFERENCES a(id));
             PRAGMA foreign_keys=OFF; INSERT INTO b VALUES(17);",
        )
        .expect("writes");
    folder.backup("app.db");
    connection.execute_batch("DELETE FROM b").expect("writes");
    let before = fs::read(folder.path("app.db")).expect("reads");
    let ran = folder.run(&["restore", "app", "--in-place"]);
    assert_eq!(ran.code, 4, "{ran:?}");
    assert!(ran.err.contains("--no-check"), "{}", ran.err);
    assert!(fs::read(folder.path("app.db")).expect("reads") == before);
    folder.run(&["restore", "app", "--in-place", "--no-check"]).ok();
    let rows: i64 = connection
        .query_row("SELECT count(*) FROM b", [], |row| row.get(0))
        .expect("the connection goes on");
    assert_eq!(rows, 1);
}

/// The number of the commit that the database shows now.
fn newest_commit(path: &Path) -> u64 {
    let connection = Connection::open(path).expect("opens");
    connection.busy_timeout(Duration::from_secs(30)).expect("is set");
    let seq: i64 =
        connection.query_row("SELECT seq FROM commits", [], |row| row.get(0)).expect("one number");
    seq.try_into().expect("not negative")
}

/// Readers and writers of an open database: each read is of one state, no error
/// but "locked", and each commit that was acknowledged is in what was set aside
/// or in the result.
#[test]
fn while_it_is_used() {
    for journal_mode in ["wal", "delete"] {
        let folder = Folder::new();
        let path = folder.path("app.db");
        let writer = Other::writing(&path, journal_mode);
        writer.wait_for_commits(60);
        folder.backup("app.db");
        writer.wait_for_commits(60);
        let watcher = Other::watching(&path);
        let (mut last, mut turned) = (0, 0);
        for _ in 0..3 {
            let before = writer.commits();
            let summary = in_place(&folder, &["app"]);
            assert_eq!(summary["way"], "overwritten");
            // They go on, upon the new state: what was committed until now, and
            // is still to be read from the writer, says nothing of that.
            while newest_commit(&path) <= before {
                writer.wait_for_commits(1);
            }
            let shown = commit_shown(&aside_of(&summary)).expect("one commit");
            assert!(shown > last, "{journal_mode}: {shown} after {last}");
            last = shown;
            let seen = watcher.saw().unwrap_or_else(|bad| panic!("{journal_mode}: {bad}"));
            // The restored state has a lower number than what was read before.
            turned += seen.windows(2).filter(|pair| pair[1] < pair[0]).count();
        }
        assert!(turned <= 3, "{journal_mode}: read {turned} times something older");
        let acknowledged = writer.commits() - 1;
        writer.kill();
        drop(watcher);
        let copy = folder.path("copy.db");
        // As the next application finds it.
        open(&path, "delete").query_row("SELECT 1", [], |_| Ok(())).expect("opens");
        fs::copy(&path, &copy).expect("copies");
        let shown = commit_shown(&copy).unwrap_or_else(|e| panic!("{journal_mode}: {e}"));
        assert!(shown >= acknowledged, "{journal_mode}: {shown} of {acknowledged}");
    }
}

/// Somebody holds it for longer than is waited: nothing happens.
#[test]
fn held_by_others() {
    for (journal_mode, kind, code) in
        [("wal", "reserved", 1), ("delete", "reserved", 1), ("delete", "exclusive", 1)]
    {
        let (folder, path, _) = changed(journal_mode);
        let holder = Other::holding(&path, kind);
        let before = fs::read(&path).expect("reads");
        let ran = folder.run(&["restore", "app", "--in-place"]);
        assert_eq!(ran.code, code, "{journal_mode} {kind}: {ran:?}");
        assert!(ran.err.contains("HINT: try again"), "{}", ran.err);
        assert!(fs::read(&path).expect("reads") == before, "{journal_mode} {kind}");
        drop(holder);
        in_place(&folder, &["app"]);
    }
}

/// In WAL mode the size of pages cannot change under somebody.
#[test]
fn pages_of_another_size() {
    let (folder, path, backed_up) = changed("wal");
    let connection = open(&path, "delete");
    connection.execute_batch("PRAGMA page_size=1024; VACUUM").expect("vacuums");
    connection.query_row("PRAGMA journal_mode=wal", [], |_| Ok(())).expect("works");
    connection.query_row("SELECT count(*) FROM page", [], |_| Ok(())).expect("is attached");
    let ran = folder.run(&["restore", "app", "--in-place"]);
    assert_eq!(ran.code, 7, "{ran:?}");
    assert!(ran.err.contains("stop the programs"), "{}", ran.err);
    drop(connection);
    in_place(&folder, &["app"]);
    assert!(same_bytes(&path, &backed_up));
}

#[test]
fn a_directory_that_may_not_be_written() {
    let (folder, path, _) = changed("delete");
    let before = fs::read(&path).expect("reads");
    let ran = as_nobody(&folder, &["restore", "app", "--in-place"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.err.contains("create a file beside"), "{}", ran.err);
    assert!(fs::read(&path).expect("reads") == before);
    assert_eq!(beside(&folder), ["app.db"]);
}

/// Where nobody reads meanwhile, the WAL is empty again: the application's next
/// commit does not pay for the whole database.
#[test]
fn the_wal_afterwards() {
    let (folder, path, backed_up) = changed("wal");
    let idle = open(&path, "wal");
    let count = "SELECT count(*) FROM page";
    idle.query_row(count, [], |_| Ok(())).expect("reads");
    let summary = in_place(&folder, &["app"]);
    assert_eq!((&summary["way"], &summary["wal_is_full"]), (&"overwritten".into(), &false.into()));
    assert_eq!(fs::metadata(folder.path("data/app.db-wal")).expect("there").len(), 0);
    assert!(content(&path) == content(&backed_up));
    // A reader in a transaction holds that up, and it is said.
    idle.execute_batch(&format!("BEGIN; {count}")).expect("reads");
    let summary = in_place(&folder, &["app"]);
    assert_eq!(summary["wal_is_full"], true);
    idle.execute_batch("COMMIT").expect("ends");
}

/// No room left from some write on.
#[test]
fn a_full_disk() {
    let mut failed = 0;
    for n in (1..).step_by(29) {
        let (folder, path, backed_up) = changed("wal");
        let holder = open(&path, "wal");
        holder.query_row("SELECT count(*) FROM page", [], |_| Ok(())).expect("reads");
        let before = content(&path);
        let mut strace = Command::new("strace");
        strace
            .args(["-f", "-qq", "-o", "/dev/null", "-e", "trace=pwrite64"])
            .args(["-e", &format!("inject=pwrite64:error=ENOSPC:when={n}+")])
            .arg(binary())
            .args(["restore", "app", "--in-place"]);
        let ran: Ran = folder.under(strace).output().expect("runs").into();
        let at = format!("write {n}: {ran:?}");
        let now = content(&path);
        if ran.code == 0 {
            assert!(now == content(&backed_up), "{at}");
            if !ran.err.contains("warning") {
                break;
            }
        } else {
            assert!(now == before, "{at}: not the old one");
            assert!(ran.err.contains("The database is what it was"), "{at}");
            failed += 1;
        }
        in_place(&folder, &["app"]);
        assert!(content(&path) == content(&backed_up), "{at}: the next run");
    }
    assert!(failed >= 4, "only {failed} runs had no room");
}

/// All rows, as an application reads them.
fn content(path: &Path) -> Vec<(i64, Vec<u8>)> {
    let connection = rusqlite::Connection::open(path).expect("opens");
    let mut rows = connection.prepare("SELECT id, content FROM page ORDER BY id").expect("good");
    let rows = rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).expect("reads");
    rows.collect::<Result<_, _>>().expect("reads")
}
