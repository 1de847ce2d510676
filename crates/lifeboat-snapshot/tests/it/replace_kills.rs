//! Killed at every system call that changes a file, in each way of replacing a
//! database: afterwards it is the old one or the new one, whole, the old one is
//! not lost, and the next run works.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use lifeboat_format::source::PageSink;
use lifeboat_snapshot::{ReplaceOptions, StagedFile, Way};

use crate::support::*;

/// Everything that changes files or their names.
const CALLS: [&str; 13] = [
    "write",
    "pwrite64",
    "ftruncate",
    "fallocate",
    "fsync",
    "fdatasync",
    "link",
    "linkat",
    "rename",
    "renameat",
    "unlink",
    "unlinkat",
    "fchmod",
];
const KILL: &str = "signal=KILL:when={n}";
const FULL: &str = "error=ENOSPC:when={n}+";
const OLD: i64 = 60;
const NEW: i64 = 40;

fn make(path: &Path, mode: &str, page_size: u32, rows: i64) {
    let db = rusqlite::Connection::open(path).expect("opens");
    db.execute_batch(&format!("PRAGMA page_size={page_size}")).expect("works");
    db.query_row(&format!("PRAGMA journal_mode={mode}"), [], |_| Ok(())).expect("works");
    db.execute_batch("CREATE TABLE t(id INTEGER PRIMARY KEY, x)").expect("works");
    let fill = format!(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<{rows})
         INSERT INTO t SELECT i, hex(zeroblob(150)) FROM n"
    );
    db.execute_batch(&fill).expect("works");
}

/// How many rows a sound database has. Opened as any application would.
fn rows(path: &Path) -> Result<i64, rusqlite::Error> {
    let db = rusqlite::Connection::open(path)?;
    db.busy_timeout(Duration::from_secs(5))?;
    let sound: String = db.query_row("PRAGMA integrity_check", [], |row| row.get(0))?;
    assert_eq!(sound, "ok");
    db.query_row("SELECT count(*) FROM t", [], |row| row.get(0))
}

fn replace(new: &Path, app: &Path, label: &str) -> Way {
    let image = image_of(new);
    let geometry = image.geometry.expect("captured");
    let mut staged = StagedFile::beside(app).expect("stages");
    staged.begin(geometry).expect("begins");
    let mut bytes = image.file().to_vec();
    bytes.resize(geometry.block_count() as usize * geometry.block_size() as usize, 0);
    staged.blocks(lifeboat_format::geometry::BlockNo(0), &bytes).expect("writes");
    let proven = staged.prove(&key(), &image.digest()).expect("is it");
    proven.replace(&ReplaceOptions::new(label)).expect("replaces").way
}

struct Case {
    test: &'static str,
    mode: &'static str,
    page_size: u32,
    /// What another process does to `{}` meanwhile.
    attached: &'static str,
    /// What lies there before.
    prepare: fn(&Path),
    way: Way,
    /// Whether what was there before is a database.
    old: Option<i64>,
    /// What happens at a call: it is killed, or there is no room from there on.
    injected: &'static str,
    /// Fewer points than that mean that something was not tried.
    least: usize,
}

fn check(case: &Case) {
    if let Some(app) = child_argument() {
        let way = replace(&app.with_file_name("../new.db"), &app, "killed");
        assert_eq!(way, case.way);
        return;
    }
    let template = folder();
    let path = |name: &str| template.path().join(name);
    make(&path("app.db"), case.mode, 4096, OLD);
    make(&path("new.db"), "wal", case.page_size, NEW);
    let exe = std::env::current_exe().expect("has a name");
    let mut points = 0;
    let calls: &[&str] =
        if case.injected == KILL { &CALLS } else { &["pwrite64", "ftruncate", "fallocate"] };
    for &call in calls {
        for n in 1.. {
            let folder = folder();
            let app = folder.path().join("live/app.db");
            fs::create_dir(folder.path().join("live")).expect("makes");
            fs::copy(path("app.db"), &app).expect("copies");
            fs::copy(path("new.db"), folder.path().join("new.db")).expect("copies");
            (case.prepare)(&app);
            let mut other = Python::new();
            other.run(&case.attached.replace("{}", app.to_str().expect("UTF-8")));
            let output = Command::new("strace")
                .args(["-f", "-qq", "-o", "/dev/null", "-e", &format!("trace={call}")])
                .args([
                    "-e",
                    &format!("inject={call}:{}", case.injected.replace("{n}", &n.to_string())),
                ])
                .arg(&exe)
                .args(["--exact", case.test, "--nocapture", "--test-threads=1"])
                .env("LIFEBOAT_TEST_CHILD", &app)
                .output()
                .expect("strace is installed");
            if output.status.success() {
                must_pass(&output);
                break;
            }
            if case.injected == KILL {
                let killed = output.status.signal() == Some(9) || output.status.code() == Some(137);
                assert!(killed, "{call} {n}: {output:?}");
            }
            points += 1;
            let at = format!("killed at {call} {n}");
            // What another application finds there: the one that was attached
            // goes on, and others come.
            drop(other);
            after(case, &app, &at);
        }
    }
    eprintln!("{}: {points} points", case.test);
    assert!(points >= case.least, "only {points} points");
}

fn after(case: &Case, app: &Path, at: &str) {
    let aside = with_suffix(app, ".before-restore-killed");
    let found = rows(app);
    match (&found, case.old) {
        (Ok(NEW), _) => {
            // Then the old one is whole where it was set aside.
            if let Some(old) = case.old {
                assert_eq!(rows(&aside).ok(), Some(old), "{at}");
            } else {
                assert!(aside.exists(), "{at}: what was there is kept");
            }
        }
        (Ok(found), Some(old)) => assert_eq!(*found, old, "{at}"),
        (Err(_), None) => {}
        _ => panic!("{at}: neither the old one nor the new one: {found:?}"),
    }
    // The next run. (What another application left is tidy now.)
    let new: PathBuf = app.with_file_name("../new.db");
    replace(&new, app, "again");
    assert_eq!(rows(app).expect("is sound"), NEW, "{at}: the next run");
    let left = listing(app.parent().expect("has one"));
    assert!(!left.iter().any(|name| name.contains(".partial")), "{at}: {left:?}");
    assert!(!left.iter().any(|name| name == "app.db-wal" || name == "app.db-journal"), "{at}");
    if case.old.is_some() {
        assert!(rows(&with_suffix(app, ".before-restore-again")).is_ok(), "{at}: set aside");
    }
}

fn nothing(_: &Path) {}

/// Frames that no checkpoint reached.
fn leave_a_wal(app: &Path) {
    let mut writer = Python::new();
    writer.run(&format!("w=connect({app:?}); w.execute('INSERT INTO t(x) VALUES(1)')"));
}

/// A transaction that never ended.
fn leave_a_hot_journal(app: &Path) {
    let mut writer = Python::new();
    writer.run(&format!(
        "w=connect({app:?}); w.execute('PRAGMA cache_size=1'); w.execute('BEGIN')
w.execute(\"UPDATE t SET x='spoilt'||x\")"
    ));
    assert!(fs::metadata(with_suffix(app, "-journal")).is_ok_and(|data| data.len() > 0));
}

fn spoil(app: &Path) {
    fs::write(app, b"nothing that SQLite knows".repeat(500)).expect("writes");
    fs::write(with_suffix(app, "-wal"), b"of the old one").expect("writes");
}

const READS: &str = "c=connect('{}'); r=c.execute('SELECT count(*) FROM t').fetchone()[0]";

#[test]
fn a_swap_in_wal_mode() {
    check(&Case {
        test: "replace_kills::a_swap_in_wal_mode",
        mode: "wal",
        page_size: 4096,
        attached: "",
        prepare: leave_a_wal,
        way: Way::Swapped,
        old: Some(OLD + 1),
        injected: KILL,
        least: 15,
    });
}

#[test]
fn a_swap_with_a_hot_journal() {
    check(&Case {
        test: "replace_kills::a_swap_with_a_hot_journal",
        mode: "delete",
        page_size: 4096,
        attached: "",
        prepare: leave_a_hot_journal,
        way: Way::Swapped,
        old: Some(OLD),
        injected: KILL,
        least: 15,
    });
}

#[test]
fn an_overwriting_in_wal_mode() {
    check(&Case {
        test: "replace_kills::an_overwriting_in_wal_mode",
        mode: "wal",
        page_size: 4096,
        attached: READS,
        prepare: leave_a_wal,
        way: Way::Overwritten,
        old: Some(OLD + 1),
        injected: KILL,
        least: 30,
    });
}

#[test]
fn an_overwriting_in_a_rollback_mode() {
    check(&Case {
        test: "replace_kills::an_overwriting_in_a_rollback_mode",
        mode: "delete",
        page_size: 4096,
        attached: READS,
        prepare: leave_a_hot_journal,
        way: Way::Overwritten,
        old: Some(OLD),
        injected: KILL,
        least: 30,
    });
}

#[test]
fn an_overwriting_with_other_pages() {
    check(&Case {
        test: "replace_kills::an_overwriting_with_other_pages",
        mode: "wal",
        page_size: 1024,
        attached: "c=open('{}', 'rb')",
        prepare: nothing,
        way: Way::Overwritten,
        old: Some(OLD),
        injected: KILL,
        least: 30,
    });
}

#[test]
fn a_removal() {
    check(&Case {
        test: "replace_kills::a_removal",
        mode: "delete",
        page_size: 4096,
        attached: "",
        prepare: spoil,
        way: Way::Removed,
        old: None,
        injected: KILL,
        least: 12,
    });
}

fn full_disk(mode: &'static str, attached: &'static str) {
    check(&Case {
        test: "replace_kills::a_full_disk_in_a_child",
        mode,
        page_size: 4096,
        attached,
        prepare: if mode == "wal" { leave_a_wal } else { leave_a_hot_journal },
        way: Way::Overwritten,
        old: Some(if mode == "wal" { OLD + 1 } else { OLD }),
        injected: FULL,
        least: 2,
    });
}

#[test]
fn a_full_disk_while_overwriting_in_wal_mode() {
    full_disk("wal", READS);
}

#[test]
fn a_full_disk_while_overwriting_in_a_rollback_mode() {
    full_disk("delete", READS);
}

#[test]
fn a_full_disk_while_swapping() {
    full_disk("wal", "");
    full_disk("delete", "");
}

#[test]
fn a_full_disk_in_a_child() {
    if let Some(app) = child_argument() {
        replace(&app.with_file_name("../new.db"), &app, "killed");
    }
}
