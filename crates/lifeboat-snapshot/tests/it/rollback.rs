//! The two passes: what is committed between them.

use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};

use lifeboat_snapshot::{LiveDatabase, OpenOptions, Slice};

use crate::support::*;

#[derive(Default)]
struct Tries {
    done: u32,
    refused: u32,
    last: Vec<u8>,
}

/// A writer tries to commit at every poll. It succeeds exactly when no lock is
/// held: between slices, and before the hold. The image is its last success.
fn check(page_size: u32, groups: u32, grow: bool) {
    let folder = folder();
    let path = folder.path().join("app.db");
    let writer = rusqlite::Connection::open(&path).expect("opens");
    writer
        .execute_batch(&format!(
            "PRAGMA page_size={page_size}; CREATE TABLE t(id INTEGER PRIMARY KEY, b);
             WITH n(i) AS (VALUES(1) UNION ALL SELECT i+1 FROM n WHERE i<700)
             INSERT INTO t SELECT i, randomblob(3000) FROM n"
        ))
        .expect("writes");
    writer.busy_timeout(std::time::Duration::ZERO).expect("sets");
    let mut options = OpenOptions::default();
    options.slice = Slice::Groups(NonZeroU32::new(groups).expect("not zero"));
    options.spool_dir = Some(folder.path().to_owned());
    let mut live = LiveDatabase::open(&path, &options).expect("opens");
    let known = capture(&mut live, &Image::default()).image;

    let tries = Arc::new(Mutex::new(Tries::default()));
    let (shared, mut python) = (Arc::clone(&tries), Python::new());
    let dump_of = path.clone();
    let commits = Mutex::new((writer, move || python.image(&dump_of)));
    let poll = move || {
        let mut commits = commits.lock().expect("one thread");
        let mut tries = shared.lock().expect("one thread");
        let sql = if grow {
            "INSERT INTO t(b) VALUES(randomblob(400000))"
        } else {
            "UPDATE t SET b=randomblob(3000) WHERE id IN (3, 400)"
        };
        if commits.0.execute(sql, []).is_ok() {
            tries.done += 1;
            tries.last = (commits.1)();
        } else {
            tries.refused += 1;
        }
    };
    let sink = Builder { image: known.clone(), poll: Some(Box::new(poll)), ..Builder::default() };
    let (sink, _) = capture_with(&mut live, &known, sink).expect("captures");
    let tries = tries.lock().expect("one thread");
    assert!(tries.done >= 3, "commits got in: {}", tries.done);
    assert!(tries.refused >= 3, "locks were held: {}", tries.refused);
    same(sink.image.file(), &tries.last, "the state at the hold");
    assert!(sink.changed.len() < sink.image.hashes.len());
    // The temporary files have no name.
    assert_eq!(listing(folder.path()), ["app.db"]);
}

#[test]
fn commits_between_slices() {
    check(4096, 1, false);
    check(512, 3, false);
    check(65_536, 2, false);
}

#[test]
fn the_database_grows_between_slices() {
    check(4096, 2, true);
}
