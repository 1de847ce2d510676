//! Killed at every step: what remains is whole, and the next run works.

use std::process::Command;

use lifeboat_testing::databases::{one_row_a_page, overwrite};

use crate::command::{Folder, Ran, binary, same_bytes};
use crate::place::{Place, in_every_place};

in_every_place!(a_backup_killed_at_every_step, a_restore_killed_at_every_step);

/// Calls that change something: in files, and where there is a store, on the wire.
fn calls(place: Place, files: &[&'static str]) -> Vec<&'static str> {
    let wire: &[_] = if place == Place::Directory { &[] } else { &["writev", "sendto", "connect"] };
    [files, wire].concat()
}

/// Runs the binary and kills it when it makes a system call for the n-th time.
/// Returns whether it was killed.
pub(crate) fn killed_at(folder: &Folder, call: &str, n: usize, arguments: &[&str]) -> bool {
    let mut strace = Command::new("strace");
    strace
        .args(["-f", "-qq", "-o"])
        .arg(folder.path("strace.log"))
        .args(["-e", &format!("trace={call}")])
        .args(["-e", &format!("inject={call}:signal=KILL:when={n}")])
        .arg(binary())
        .args(["--progress", "none"])
        .args(arguments);
    let output = folder.under(strace).output().expect("strace is installed");
    let ran = Ran::from(output);
    assert!(ran.code == 0 || ran.code == -1 || ran.code == 137, "{call} {n}: {ran:?}");
    ran.code != 0
}

fn a_backup_killed_at_every_step(place: Place) {
    let mut points = 0;
    let files = ["linkat", "fsync", "rename", "renameat", "unlink", "write", "pwrite64", "mkdir"];
    for call in calls(place, &files) {
        for n in 1..25 {
            let folder = Folder::at(place);
            let path = folder.path("app.db");
            let mut connection = one_row_a_page(&path, "delete", 300, 1);
            folder.backup("app.db");
            let before = folder.path("before.db");
            std::fs::copy(&path, &before).expect("copies");
            overwrite(&mut connection, 20, n as u64);
            if !killed_at(&folder, call, n, &["backup", "app.db"]) {
                break;
            }
            points += 1;
            let at = format!("killed at {call} {n}");
            let listed = folder.run(&["--json", "snapshots"]).ok().json().len() - 1;
            assert!(listed == 1 || listed == 2, "{at}");
            let first = folder.run(&["--json", "snapshots"]).ok().json()[0]["snapshot_id"].clone();
            let first = first.as_str().expect("an id").to_owned();
            assert!(same_bytes(&folder.restore("app", &first), &before), "{at}");
            if listed == 2 {
                assert!(same_bytes(&folder.restore("app", "latest"), &path), "{at}");
            }
            folder.backup("app.db");
            assert!(same_bytes(&folder.restore("app", "latest"), &path), "{at}");
        }
    }
    eprintln!("{points} points");
    assert!(points >= 25, "only {points} points");
}

fn a_restore_killed_at_every_step(place: Place) {
    let folder = Folder::at(place);
    let path = folder.path("app.db");
    one_row_a_page(&path, "delete", 300, 1);
    folder.backup("app.db");
    let mut points = 0;
    let files = ["write", "ftruncate", "fsync", "flock", "fchmod", "linkat", "unlink"];
    for call in calls(place, &files) {
        for n in 1..25 {
            let target = folder.path("new.db");
            let _ = std::fs::remove_file(&target);
            if !killed_at(&folder, call, n, &["restore", "app", "--target", "new.db"]) {
                break;
            }
            points += 1;
            let at = format!("killed at {call} {n}");
            assert!(!target.exists() || same_bytes(&target, &path), "{at}: half a file");
            let _ = std::fs::remove_file(&target);
            folder.run(&["restore", "app", "--target", "new.db"]).ok();
            assert!(same_bytes(&target, &path), "{at}");
            let left = std::fs::read_dir(folder.path("."))
                .expect("lists")
                .flatten()
                .filter(|entry| entry.file_name().to_string_lossy().contains(".partial"))
                .count();
            assert_eq!(left, 0, "{at}: the next restore clears away");
        }
    }
    eprintln!("{points} points");
    assert!(points >= 12, "only {points} points");
}

/// The whole command, safety snapshot included, in both forms: exchanged, and
/// overwritten while somebody has it open. (That every call of the replacing
/// itself is tried is tested where it is done in one thread.)
#[test]
fn a_restore_in_place_killed_at_every_step() {
    in_place_killed(false);
}

#[test]
fn a_restore_in_place_killed_at_every_step_under_others() {
    in_place_killed(true);
}

fn in_place_killed(attached: bool) {
    let mut points = 0;
    for call in ["linkat", "fsync", "rename", "unlink", "pwrite64", "ftruncate", "fchmod"] {
        for n in 1.. {
            let folder = Folder::new();
            let path = folder.path("app.db");
            let mut connection = one_row_a_page(&path, "wal", 30, 1);
            folder.backup("app.db");
            let wanted = rows(&path);
            overwrite(&mut connection, 10, n as u64);
            let before = rows(&path);
            let idle = attached.then_some(connection);
            if !killed_at(&folder, call, n, &["restore", "app", "--in-place"]) {
                break;
            }
            drop(idle);
            points += 1;
            let at = format!("attached {attached}, killed at {call} {n}");
            let found = rows(&path);
            assert!(found == before || found == wanted, "{at}: neither old nor new");
            // What was there before is in the repository or beside it.
            let summary = folder.run(&["--json", "restore", "app", "--in-place"]).ok().last();
            assert!(rows(&path) == wanted, "{at}: the next run");
            let kept = std::fs::read_dir(folder.path("."))
                .expect("lists")
                .flatten()
                .filter(|entry| entry.file_name().to_string_lossy().contains(".before-restore-"))
                .any(|entry| rows(&entry.path()) == before);
            assert!(kept, "{at}: {summary}");
        }
    }
    eprintln!("{points} points, attached {attached}");
    assert!(points >= 20, "only {points} points");
}

/// All rows, as an application reads them.
pub(crate) fn rows(path: &std::path::Path) -> Vec<(i64, Vec<u8>)> {
    let connection = rusqlite::Connection::open(path).expect("opens");
    let mut rows = connection.prepare("SELECT id, content FROM page ORDER BY id").expect("good");
    let rows = rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).expect("reads");
    rows.collect::<Result<_, _>>().expect("reads")
}

/// A first backup that was killed goes on where it was.
#[test]
fn an_interrupted_first_backup_goes_on() {
    // The calls are counted in each thread: which one is the first to kill the
    // process after two packs is found by trying.
    for n in (2..6).rev() {
        let folder = Folder::new();
        let path = folder.path("app.db");
        one_row_a_page(&path, "delete", 9000, 1);
        let killed = killed_at(&folder, "linkat", n, &["backup", "app.db"]);
        let stored = folder.objects_of("/packs/").iter().filter(|p| !has_hash(p)).count();
        if !killed || stored < 2 {
            continue;
        }
        let summary = folder.backup("app.db");
        let resumed = summary["packs_resumed"].as_u64().expect("a number");
        // At most what was in flight is not in the journal yet.
        assert!(resumed >= 1 && resumed + 2 >= stored as u64, "{stored}: {summary}");
        assert!(same_bytes(&folder.restore("app", "latest"), &path));
        return;
    }
    panic!("no run was killed after two packs");
}

/// Files that the local store leaves when it is killed while it writes.
fn has_hash(path: &std::path::Path) -> bool {
    path.to_string_lossy().contains('#')
}
