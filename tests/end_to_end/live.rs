//! Databases that are written to at full speed while they are backed up.

use lifeboat_testing::databases::schema_of;
use lifeboat_testing::writer::{Other, commit_shown};

use crate::command::Folder;
use crate::place::{Place, in_every_folder, in_every_place};

in_every_place!(what_is_not_committed_is_not_backed_up);
in_every_folder!(wal_each_snapshot_is_one_commit, delete_each_snapshot_is_one_commit);

fn check(place: Place, journal_mode: &str, backups: usize) {
    let folder = Folder::at(place);
    let path = folder.path("app.db");
    let writer = Other::writing(&path, journal_mode);
    writer.wait_for_commits(5);
    let schema = schema_of(&path);
    let mut ids = Vec::new();
    for _ in 0..backups {
        let before = writer.commits();
        let summary = folder.backup("app.db");
        writer.wait_for_commits(3);
        ids.push((summary["snapshot_id"].as_str().expect("an id").to_owned(), before));
    }
    assert_eq!(schema_of(&path), schema, "the writer's schema is untouched");
    drop(writer);
    let mut last = 0;
    for (id, before) in ids {
        let restored = folder.restore("app", &id);
        let shown = commit_shown(&restored).unwrap_or_else(|e| panic!("{journal_mode} {id}: {e}"));
        assert!(shown + 1 >= before, "{journal_mode}: {shown} is older than the backup ({before})");
        assert!(shown >= last, "{journal_mode}: snapshots go forward");
        last = shown;
        let read = folder.read_independently("app", &id);
        assert_eq!(commit_shown(&read), Ok(shown), "{journal_mode}: the independent reader");
    }
}

fn wal_each_snapshot_is_one_commit(place: Place) {
    check(place, "wal", 12);
}

fn delete_each_snapshot_is_one_commit(place: Place) {
    check(place, "delete", 6);
}

#[test]
fn truncate_each_snapshot_is_one_commit() {
    check(Place::Directory, "truncate", 4);
}

#[test]
fn persist_each_snapshot_is_one_commit() {
    check(Place::Directory, "persist", 4);
}

#[test]
fn memory_each_snapshot_is_one_commit() {
    check(Place::Directory, "memory", 4);
}

fn what_is_not_committed_is_not_backed_up(place: Place) {
    let folder = Folder::at(place);
    let path = folder.path("app.db");
    let writer = Other::writing(&path, "wal");
    writer.wait_for_commits(20);
    writer.kill();
    let shown = commit_shown_of(&folder, "before");
    // Thousands of frames lie in the WAL, and none of them is committed.
    let spilling = Other::spilling(&path, "wal");
    assert_eq!(commit_shown_of(&folder, "during"), shown);
    spilling.kill();
    assert_eq!(commit_shown_of(&folder, "after"), shown);
}

fn commit_shown_of(folder: &Folder, when: &str) -> u64 {
    let summary = folder.backup("app.db");
    let restored = folder.restore("app", summary["snapshot_id"].as_str().expect("an id"));
    commit_shown(&restored).unwrap_or_else(|e| panic!("{when}: {e}"))
}
