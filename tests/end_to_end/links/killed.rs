//! Killed at every step of mending rows and of moving objects: what remains is whole,
//! and can be taken back.

use std::collections::BTreeSet;
use std::fs;

use lifeboat_testing::databases::open;

use super::{App, app_in_a_directory, collect};
use crate::crashes::killed_at;

/// A step is killed so often at each kind of call.
const TIMES: usize = 12;

fn app_with(good: usize, broken: usize, orphaned: usize) -> App {
    let app = app_in_a_directory();
    app.fill(good, broken, orphaned);
    app
}

/// How many rows name what is missing, and whether SQLite finds the file whole.
fn broken(app: &App) -> u64 {
    let connection = open(&app.folder.path("app.db"), "wal");
    let whole: String =
        connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).expect("one row");
    assert_eq!(whole, "ok");
    drop(connection);
    app.links(&["check"]).last()["broken"].as_u64().expect("a number")
}

#[test]
fn rows_are_all_mended_or_none() {
    let mut points = 0;
    for call in ["pwrite64", "fdatasync", "fsync", "linkat", "renameat", "unlink"] {
        for n in 1..TIMES {
            let app = app_with(10, 9, 0);
            let rows = app.rows();
            let fix = ["links", "fix", "--apply", "--expect-broken", "9"];
            let was_killed = killed_at(&app.folder, call, n, &fix);
            let left = broken(&app);
            assert!(left == 9 || left == 0, "{call} {n}: {left}");
            if !was_killed {
                assert_eq!(left, 0);
                break;
            }
            points += 1;
            if left == 9 {
                assert_eq!(app.rows(), rows, "{call} {n}");
                app.links(&["fix", "--apply", "--expect-broken", "9"]).ok();
                assert_eq!(broken(&app), 0, "{call} {n}");
            }
            // A snapshot of what it was is there in any case: rows were changed after it.
            app.run(&["restore", "app", "--in-place", "--no-links", "latest"]).ok();
            assert_eq!(app.rows(), rows, "{call} {n}");
        }
    }
    assert!(points >= 15, "only {points} points");
}

#[test]
fn each_object_is_in_its_place_or_in_quarantine() {
    let mut points = 0;
    for call in ["linkat", "renameat", "rename", "unlink", "unlinkat", "mkdir"] {
        for n in 1..TIMES {
            let app = app_with(10, 0, 6);
            let objects = app.objects();
            let was_killed = killed_at(&app.folder, call, n, &["links", "clean", "--apply"]);
            let mut there = BTreeSet::new();
            collect(&app.bucket, "", &mut there);
            for key in &objects {
                let away = there.iter().any(|one| {
                    one.starts_with(".lifeboat/quarantine/") && one.ends_with(&format!("/{key}"))
                });
                assert!(away || there.contains(key), "{call} {n}: {key} is nowhere");
            }
            if !was_killed {
                break;
            }
            points += 1;
            // All of it comes back, as far as anything was moved.
            let back = app.links(&["clean", "--undo"]);
            assert!(back.code == 0 || back.code == 7, "{call} {n}: {back:?}");
            assert_eq!(app.objects(), objects, "{call} {n}");
            for key in &objects {
                assert!(fs::metadata(app.bucket.join(key)).expect("is there").is_file());
            }
        }
    }
    assert!(points >= 6, "only {points} points");
}
