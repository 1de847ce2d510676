//! POSIX locks vanish when any descriptor of a file is closed in the process
//! that holds them. Here this process holds some, every public call runs, and
//! another process must never get in.

use std::path::Path;

use lifeboat_format::geometry::BlockNo;
use lifeboat_format::source::{PageSink, PageSource};
use lifeboat_snapshot::{LiveDatabase, OpenOptions, StagedFile};

use crate::support::*;

#[track_caller]
fn held(python: &mut Python, path: &Path, after: &str) {
    let tried = python.attempt(&format!(
        "d = connect({path:?})
try: d.execute('BEGIN IMMEDIATE')
finally: d.close()"
    ));
    assert_eq!(tried, Err("err database is locked".into()), "after {after}");
}

fn check(mode: &str) {
    let folder = folder();
    let path = folder.path().join("app.db");
    let mut python = Python::new();
    let writer = rusqlite::Connection::open(&path).expect("opens");
    writer.query_row(&format!("PRAGMA journal_mode={mode}"), [], |_| Ok(())).expect("sets");
    writer
        .execute_batch("CREATE TABLE t(a); INSERT INTO t VALUES(randomblob(900000))")
        .expect("ok");
    writer.execute_batch("BEGIN IMMEDIATE; INSERT INTO t VALUES(1)").expect("holds RESERVED");
    held(&mut python, &path, "nothing");

    let mut live = open(&path);
    held(&mut python, &path, "open");
    let first = capture(&mut live, &Image::default());
    held(&mut python, &path, "capture");
    capture(&mut live, &first.image);
    held(&mut python, &path, "capture without change");
    live.fingerprint().expect("tells");
    held(&mut python, &path, "fingerprint");
    live.explain(&[(BlockNo(0), 10)], first.facts.geometry).expect("explains");
    held(&mut python, &path, "explain");
    let _ = (live.path(), live.notices());
    let second = open(&path);
    drop(second);
    held(&mut python, &path, "a second one came and went");
    StagedFile::create(&path).err().expect("the target exists");
    held(&mut python, &path, "a refused restore over it");
    let mut staged = StagedFile::create(&folder.path().join("new.db")).expect("stages");
    staged.begin(first.facts.geometry).expect("begins");
    let mut bytes = first.image.file().to_vec();
    bytes.resize(bytes.len().next_multiple_of(4096), 0);
    staged.blocks(BlockNo(0), &bytes).expect("writes");
    let proven = staged.prove(&key(), &first.image.digest()).expect("proves");
    proven.check().expect("checks");
    proven.publish().expect("publishes");
    held(&mut python, &path, "a restore beside it");
    let missing = LiveDatabase::open(&folder.path().join("none"), &OpenOptions::default());
    drop(missing);
    drop(live);
    held(&mut python, &path, "everything was dropped");
    writer.execute_batch("ROLLBACK").expect("ends");
    python.run(&format!("d = connect({path:?}); d.execute('BEGIN IMMEDIATE'); d.close()"));
}

#[test]
fn in_wal_mode() {
    check("wal");
}

#[test]
fn in_rollback_mode() {
    check("delete");
}
