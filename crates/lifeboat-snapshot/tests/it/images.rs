//! Images equal SQLite's own: all page sizes, all journal modes.

use std::fs;

use lifeboat_format::geometry::{BlockNo, Geometry, LOCK_BYTE};
use lifeboat_format::source::{ChangeSink, PageSink, PageSource, ScannedGroup, Stopped};
use lifeboat_snapshot::StagedFile;

use crate::support::*;

fn check(page_size: u32, mode: &str) {
    let what = format!("{mode}, {page_size}");
    let folder = folder();
    let path = folder.path().join("app.db");
    let mut python = Python::new();
    let journal = mode.split('+').next().expect("a first part");
    let checkpoint = if mode.ends_with("+checkpoint") {
        "db.execute('PRAGMA wal_checkpoint(TRUNCATE)').fetchone()"
    } else {
        ""
    };
    python.run(&format!(
        "db = sqlite3.connect({path:?}, isolation_level=None)
db.execute('PRAGMA page_size={page_size}')
db.execute('PRAGMA journal_mode={journal}').fetchone()
db.execute('PRAGMA wal_autocheckpoint=0')
db.execute('CREATE TABLE t(id INTEGER PRIMARY KEY, b)')
db.execute('WITH n(i) AS (VALUES(1) UNION ALL SELECT i+1 FROM n WHERE i<400) INSERT INTO t SELECT i, randomblob(1500) FROM n')
db.execute('PRAGMA user_version=42')
{checkpoint}"
    ));
    let mut live = open(&path);
    let first = capture(&mut live, &Image::default());
    same(first.image.file(), &python.image(&path), &what);
    assert_eq!(first.facts.geometry.page_size().bytes(), page_size);
    let blocks = first.facts.geometry.block_count();
    assert_eq!(first.changed.len(), blocks as usize);
    assert_eq!(first.facts.sqlite.user_version, 42);
    assert_eq!(first.facts.sqlite.journal, if journal == "wal" { "wal" } else { "rollback" });
    assert!(first.facts.bytes_read >= first.facts.geometry.file_size() / 2);

    // Unchanged.
    let again = capture(&mut live, &first.image);
    assert_eq!(again.changed, [], "{what}");
    let fingerprint = live.fingerprint().expect("is there");
    assert_eq!(fingerprint, first.facts.fingerprint, "{what}");
    assert_eq!(fingerprint.is_some(), !mode.ends_with("checkpoint"), "{what}");

    // A small change.
    python.run(&format!(
        "db.execute('UPDATE t SET b=randomblob(1500) WHERE id IN (7, 300)')
{checkpoint}"
    ));
    let second = capture(&mut live, &first.image);
    same(second.image.file(), &python.image(&path), &what);
    assert!((1..=12).contains(&second.changed.len()), "{what}: {:?}", second.changed);
    if let Some(fingerprint) = second.facts.fingerprint.clone() {
        assert_ne!(Some(fingerprint), first.facts.fingerprint, "{what}");
    }
    assert_eq!(second.facts.fingerprint, live.fingerprint().expect("is there"), "{what}");

    // And back.
    let target = folder.path().join("back.db");
    let mut staged = StagedFile::create(&target).expect("stages");
    staged.begin(second.facts.geometry).expect("begins");
    let size = second.facts.geometry.block_size() as usize;
    let mut padded = second.image.file().to_vec();
    padded.resize(padded.len().next_multiple_of(size), 0);
    staged.blocks(BlockNo(0), &padded).expect("writes");
    let proven = staged.prove(&key(), &second.image.digest()).expect("is it");
    assert!(proven.check().expect("checks").is_ok());
    proven.publish().expect("publishes");
    same(&fs::read(&target).expect("is there"), second.image.file(), &what);
    assert!(
        !listing(folder.path())
            .iter()
            .any(|name| name.contains("lifeboat") || name.starts_with("back.db-"))
    );
}

const SIZES: [u32; 8] = [512, 1024, 2048, 4096, 8192, 16_384, 32_768, 65_536];

#[test]
fn wal_with_frames() {
    for size in SIZES {
        check(size, "wal");
    }
}

#[test]
fn wal_checkpointed() {
    for size in SIZES {
        check(size, "wal+checkpoint");
    }
}

#[test]
fn delete() {
    for size in SIZES {
        check(size, "delete");
    }
}

#[test]
fn truncate() {
    for size in SIZES {
        check(size, "truncate");
    }
}

#[test]
fn persist() {
    for size in SIZES {
        check(size, "persist");
    }
}

#[test]
fn memory() {
    for size in SIZES {
        check(size, "memory");
    }
}

/// Looks at the blocks around the lock page, and keeps no bytes.
struct Around {
    geometry: Option<Geometry>,
    seen: Vec<(BlockNo, bool, Vec<u8>)>,
}

impl ChangeSink for Around {
    fn begin(&mut self, geometry: Geometry) -> Result<(), Stopped> {
        self.geometry = Some(geometry);
        Ok(())
    }

    fn group(&mut self, group: &ScannedGroup<'_>) -> Result<(), Stopped> {
        let geometry = self.geometry.expect("begun");
        let size = geometry.block_size() as usize;
        let lock = geometry.block_of(geometry.lock_page().expect("large enough"));
        for (i, hash) in group.hashes.iter().enumerate() {
            let block = BlockNo(group.first.0 + i as u32);
            if block.0.abs_diff(lock.0) > 1 {
                continue;
            }
            let bytes = group.changed.iter().position(|&changed| changed == block);
            let bytes = bytes.map(|at| group.data[at * size..][..size].to_vec());
            self.seen.push((block, hash.is_absent(), bytes.unwrap_or_default()));
        }
        Ok(())
    }

    fn keep_going(&self) -> Result<(), Stopped> {
        Ok(())
    }
}

fn check_lock_page(page_size: u32) {
    let folder = folder();
    let path = folder.path().join("large.db");
    let pages = LOCK_BYTE / u64::from(page_size) + 16;
    // The bytes of the lock page are garbage, as after a change of file system;
    // SQLite never reads them.
    Python::new().run(&format!(
        "db = sqlite3.connect({path:?}, isolation_level=None)
db.execute('PRAGMA page_size={page_size}')
db.execute('CREATE TABLE t(a)')
db.close()
f = open({path:?}, 'r+b')
f.truncate({pages} * {page_size})
f.seek(28); f.write(({pages}).to_bytes(4, 'big'))
f.seek({LOCK_BYTE} - {page_size}); f.write(b'A' * {page_size} + b'L' * {page_size} + b'B' * 8192)
f.close()"
    ));
    let mut sink = Around { geometry: None, seen: Vec::new() };
    let captured = open(&path).capture(&key(), &mut Image::default(), &mut sink).expect("reads");
    assert_eq!(u64::from(captured.geometry.page_count()), pages);
    let (before, lock, after) = (&sink.seen[0], &sink.seen[1], &sink.seen[2]);
    assert_eq!(before.2.last(), Some(&b'A'));
    assert_eq!(after.2.first(), Some(&b'B'));
    if page_size >= 4096 {
        assert!(lock.1 && lock.2.is_empty(), "absent, and never among the changed");
    } else {
        let end = page_size as usize;
        assert!(!lock.1 && lock.2[..end].iter().all(|&b| b == 0), "masked");
        assert!(lock.2[end..].iter().all(|&b| b == b'B'), "its neighbours are not");
    }
}

#[test]
fn the_lock_page_of_large_pages() {
    check_lock_page(4096);
}

#[test]
fn the_lock_page_of_small_pages() {
    check_lock_page(1024);
}
