//! `lifeboat run`, alone and around an application, and `lifeboat health`.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use lifeboat_testing::databases::open;

use crate::command::Folder;

/// A database, and a configuration that names it.
fn configured(every: &str) -> Folder {
    let folder = Folder::new();
    open(&folder.path("app.db"), "wal")
        .execute_batch("CREATE TABLE t(a); INSERT INTO t VALUES(1)")
        .expect("writes");
    configure(&folder, every, &["app.db"]);
    folder
}

fn configure(folder: &Folder, every: &str, databases: &[&str]) {
    let mut text = format!("[schedule]\nevery = \"{every}\"\n");
    for path in databases {
        text.push_str(&format!("[[database]]\npath = \"{path}\"\n"));
    }
    // In one step: it is read while it is written.
    fs::write(folder.path("lifeboat.new"), text).expect("writes");
    fs::rename(folder.path("lifeboat.new"), folder.path("lifeboat.toml")).expect("renames");
}

fn around(folder: &Folder, script: &str) -> crate::command::Ran {
    folder.run(&["run", "--", "sh", "-c", script])
}

fn rows(path: &Path) -> i64 {
    let connection = open(path, "delete");
    connection.query_row("SELECT count(*) FROM t", [], |row| row.get(0)).expect("counts")
}

/// Until it is so; what never becomes so is a failure and not a hanging test.
fn until(what: &str, holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(60), "{what} never came");
        std::thread::yield_now();
    }
}

fn start(folder: &Folder, arguments: &[&str]) -> Child {
    let mut command = folder.command();
    command.arg("run").args(arguments).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().expect("starts")
}

fn signal(child: &Child, name: &str) {
    let done = Command::new("kill").args(["-s", name, &child.id().to_string()]).status();
    assert!(done.expect("kill is installed").success());
}

/// What the application did last is backed up, and its exit code is passed on.
#[test]
fn around_an_application() {
    let folder = configured("1h");
    let ran = around(&folder, "sqlite3 app.db 'INSERT INTO t VALUES(2)'; exit 7");
    assert_eq!(ran.code, 7, "{ran:?}");
    assert_eq!(rows(&folder.restore("app", "latest")), 2);
    assert_eq!(around(&folder, "kill -9 $$").code, 137);
    let ran = folder.run(&["run", "--", "no-such-program"]);
    assert_eq!(ran.code, 127, "{ran:?}");
    assert!(ran.err.contains("failed to start no-such-program"), "{}", ran.err);
}

#[test]
fn by_the_schedule() {
    let folder = configured("1s");
    // Writes until the third snapshot is there.
    let script = "while [ ! -e backups/databases/app/records/00000000000000000003 ]; do
        sqlite3 app.db 'PRAGMA busy_timeout=9999; INSERT INTO t VALUES(2)' >/dev/null; done";
    assert_eq!(around(&folder, script).code, 0);
    let listed = folder.run(&["--json", "snapshots"]).ok().json();
    assert!(listed.len() >= 4, "{listed:?}");
    assert_eq!(listed[0]["trigger"], "startup");
    assert_eq!(listed[1]["trigger"], "scheduled");
}

#[test]
fn a_database_that_is_missing() {
    let folder = configured("1h");
    let script = "sqlite3 app.db 'CREATE TABLE IF NOT EXISTS t(a); SELECT count(*) FROM t' > seen";
    let run =
        |folder: &Folder| folder.run(&["run", "--restore-if-missing", "--", "sh", "-c", script]);
    let seen = |folder: &Folder| fs::read_to_string(folder.path("seen")).expect("was written");
    run(&folder).ok();
    assert_eq!(seen(&folder).trim(), "1", "it was there, and stays what it is");
    let lose = |folder: &Folder| {
        for name in ["app.db", "app.db-wal", "app.db-shm", "seen"] {
            let _ = fs::remove_file(folder.path(name));
        }
    };
    lose(&folder);
    run(&folder).ok();
    assert_eq!(seen(&folder).trim(), "1", "restored before the application began");
    // No backup was ever made: the first day.
    let first = configured("1h");
    lose(&first);
    run(&first).ok();
    assert_eq!(seen(&first).trim(), "0");
    // A disk that is not mounted: nothing of it is seen, but it was there.
    lose(&folder);
    fs::rename(folder.path("backups"), folder.path("unmounted")).expect("renames");
    let ran = run(&folder);
    assert_eq!(ran.code, 10, "{ran:?}");
    assert!(!folder.path("seen").exists() && !folder.path("app.db").exists());
    assert!(!folder.path("backups/format").exists());
    let _ = fs::remove_dir_all(folder.path("backups"));
    fs::rename(folder.path("unmounted"), folder.path("backups")).expect("renames");
    // Backups that cannot be read: the application must not begin with nothing.
    lose(&folder);
    let record = folder.path("backups/databases/app/records/00000000000000000001");
    fs::write(&record, b"nonsense").expect("writes");
    let ran = run(&folder);
    assert_eq!(ran.code, 4, "{ran:?}");
    assert!(ran.err.contains("the application was not started"), "{}", ran.err);
    assert!(!folder.path("seen").exists() && !folder.path("app.db").exists());
}

#[test]
fn signals_end_it() {
    for name in ["TERM", "INT"] {
        let folder = configured("1h");
        let mut agent = start(&folder, &[]);
        let record = folder.path("backups/databases/app/records/00000000000000000001");
        until("a backup", || record.exists());
        signal(&agent, name);
        assert_eq!(agent.wait().expect("ends").code(), Some(0), "{name}");
    }
    // The application gets them, and says how it ends.
    let folder = configured("1h");
    let script = "trap 'echo got > told; exit 9' TERM; : > begun; while :; do sleep 0.05; done";
    let mut agent = start(&folder, &["--", "sh", "-c", script]);
    until("the application", || folder.path("begun").exists());
    signal(&agent, "TERM");
    assert_eq!(agent.wait().expect("ends").code(), Some(9));
    assert!(folder.path("told").exists());
}

/// Settings are taken over while it runs; bad ones leave those from before.
#[test]
fn other_settings() {
    let folder = configured("1h");
    open(&folder.path("other.db"), "wal").execute_batch("CREATE TABLE t(a)").expect("writes");
    let mut agent = start(&folder, &[]);
    let record = |name: &str| folder.path(&format!("backups/databases/{name}/records")).exists();
    until("a backup", || record("app"));
    fs::write(folder.path("lifeboat.toml"), "nonsense = 1").expect("writes");
    signal(&agent, "HUP");
    configure(&folder, "1h", &["app.db", "other.db"]);
    signal(&agent, "HUP");
    until("a backup of the other", || record("other"));
    signal(&agent, "TERM");
    assert_eq!(agent.wait().expect("ends").code(), Some(0));
}

/// Around an application SIGHUP is for both: it gets the signal, and the settings are
/// read anew.
#[test]
fn other_settings_around_an_application() {
    let folder = configured("1h");
    open(&folder.path("other.db"), "wal").execute_batch("CREATE TABLE t(a)").expect("writes");
    let script = "trap ': > told' HUP; : > begun
        while [ ! -e told ] || [ ! -e over ]; do sleep 0.05; done; exit 3";
    let mut agent = start(&folder, &["--", "sh", "-c", script]);
    until("the application", || folder.path("begun").exists());
    configure(&folder, "1h", &["app.db", "other.db"]);
    signal(&agent, "HUP");
    let record = folder.path("backups/databases/other/records/00000000000000000001");
    until("a backup of the other", || record.exists());
    fs::write(folder.path("over"), "").expect("writes");
    assert_eq!(agent.wait().expect("ends").code(), Some(3));
    assert!(folder.path("told").exists());
}

#[test]
fn health() {
    let folder = configured("1h");
    // There is not even a repository: nobody can call that healthy.
    assert_eq!(folder.run(&["health"]).code, 6);
    folder.backup("app.db");
    folder.run(&["health"]).ok();
    let nagios = folder.run(&["health", "--nagios"]).ok();
    assert_eq!(nagios.out.trim(), "LIFEBOAT OK - 1 database healthy");
    // One more, of which there is no backup.
    open(&folder.path("other.db"), "wal").execute_batch("CREATE TABLE t(a)").expect("writes");
    configure(&folder, "1h", &["app.db", "other.db"]);
    let ran = folder.run(&["--json", "health"]);
    assert_eq!(ran.code, 6, "{ran:?}");
    let objects = ran.json();
    assert_eq!(
        (&objects[0]["database"], &objects[0]["status"]),
        (&"other".into(), &"critical".into())
    );
    assert_eq!(objects[0]["reasons"][0]["reason"], "there is no backup");
    assert_eq!(objects[1]["status"], "healthy");
    assert_eq!(objects[2]["critical"], 1);
    assert_eq!(folder.run(&["health", "--nagios"]).code, 2);
    // Limits that are stated count.
    let stated = "[[database]]\npath = \"app.db\"\n[health]\nmax_age = \"1ms\"\n";
    fs::write(folder.path("lifeboat.toml"), stated).expect("writes");
    let ran = folder.run(&["health"]);
    assert_eq!(ran.code, 6, "{ran:?}");
    assert!(ran.out.contains("the last backup is "), "{}", ran.out);
}

/// An unchanged database says that it is watched.
#[test]
fn watched_and_unchanged() {
    let folder = configured("1h");
    folder.backup("app.db");
    let taken = folder.run(&["--json", "snapshots"]).ok().json()[0]["taken_at"].clone();
    around(&folder, ":").ok();
    let listed = folder.run(&["--json", "snapshots"]).ok().json();
    assert_eq!(listed.len(), 2, "still one, and the summary");
    let health = folder.run(&["--json", "health"]).ok().json();
    let last_good = health[0]["last_good"].as_str().expect("a time");
    assert!(last_good >= taken.as_str().expect("a time"), "{last_good} after {taken}");
    let ran = folder.run(&["doctor"]).ok();
    assert!(ran.out.contains(", and nothing changed until "), "{ran:?}");
    // A heartbeat that is damaged makes it less watched, and no more.
    let beats = folder.path("backups/databases/app/heartbeats");
    let mut beats = fs::read_dir(beats).expect("is there");
    let beat = beats.next().expect("one").expect("reads").path();
    assert!(beats.next().is_none(), "two looks within an hour say so once");
    fs::write(beat, b"nonsense").expect("writes");
    let health = folder.run(&["--json", "health"]).ok().json();
    assert_eq!(health[0]["last_good"], taken);
    let ran = folder.run(&["doctor"]).ok();
    assert!(!ran.out.contains("nothing changed until"), "{ran:?}");
}
