//! Changes that size, time or page numbers do not show.

use lifeboat_format::geometry::{BlockNo, Geometry};
use lifeboat_format::source::PageSource;
use lifeboat_snapshot::{ChangedObject, ObjectKind};

use crate::support::*;

#[test]
fn a_wal_restarted_in_place() {
    let folder = folder();
    let path = folder.path().join("app.db");
    let mut python = Python::new();
    python.run(&format!(
        "db = connect({path:?}, 'wal')
db.execute('CREATE TABLE t(id INTEGER PRIMARY KEY, b)')
for i in range(50): db.execute('INSERT INTO t VALUES(?, randomblob(3000))', (i,))
db.execute('PRAGMA wal_checkpoint(RESTART)').fetchone()
db.execute('UPDATE t SET b=randomblob(3000) WHERE id=9')
names = [{path:?}, {path:?} + '-wal']
def look(): return [(os.stat(n).st_size, os.stat(n).st_mtime_ns) for n in names]
old = look()"
    ));
    let mut live = open(&path);
    let first = capture(&mut live, &Image::default());
    let restarted = python.run(
        "db.execute('PRAGMA wal_checkpoint(RESTART)').fetchone()
db.execute('UPDATE t SET b=randomblob(3000) WHERE id=9')
for n, (s, t) in zip(names, old): os.utime(n, ns=(t, t))
r = look() == old",
    );
    assert_eq!(restarted, "True", "the same sizes and times");
    assert_ne!(live.fingerprint().expect("is there"), first.facts.fingerprint);
    let second = capture(&mut live, &first.image);
    same(second.image.file(), &python.image(&path), "restarted");
    assert!(!second.changed.is_empty());
}

#[test]
fn vacuum_shrinks() {
    for (mode, vacuum) in
        [("wal", "0"), ("delete", "0"), ("wal", "1"), ("delete", "1"), ("wal", "2")]
    {
        let folder = folder();
        let path = folder.path().join("app.db");
        let mut python = Python::new();
        python.run(&format!(
            "db = connect({path:?})
db.execute('PRAGMA auto_vacuum={vacuum}')
db.execute('PRAGMA journal_mode={mode}').fetchone()
db.execute('CREATE TABLE t(id INTEGER PRIMARY KEY, b)')
for i in range(600): db.execute('INSERT INTO t VALUES(?, randomblob(3000))', (i,))"
        ));
        let mut live = open(&path);
        let large = capture(&mut live, &Image::default());
        assert_eq!(large.facts.sqlite.auto_vacuum, vacuum != "0");
        python.run(&format!(
            "db.execute('DELETE FROM t WHERE id > 40')
if '{vacuum}' == '0': db.execute('VACUUM')
if '{vacuum}' == '2': db.executescript('PRAGMA incremental_vacuum')"
        ));
        let small = capture(&mut live, &large.image);
        same(small.image.file(), &python.image(&path), mode);
        assert!(small.facts.geometry.page_count() * 4 < large.facts.geometry.page_count());
        // Growing again, what lay beyond the end does not come back.
        python.run(
            "for i in range(600): db.execute('REPLACE INTO t VALUES(?, randomblob(3000))', (i,))",
        );
        let grown = capture(&mut live, &small.image);
        same(grown.image.file(), &python.image(&path), mode);
    }
}

#[test]
fn the_page_size_changes_while_nobody_watches() {
    let folder = folder();
    let path = folder.path().join("app.db");
    let mut python = Python::new();
    python.run(&format!(
        "db = connect({path:?}, 'wal')
db.execute('CREATE TABLE t(id INTEGER PRIMARY KEY, b)')
for i in range(100): db.execute('INSERT INTO t VALUES(?, randomblob(3000))', (i,))"
    ));
    let mut known = image_of(&path);
    for size in [1024, 8192, 512, 65_536, 4096] {
        python.run(&format!(
            "assert db.execute('PRAGMA journal_mode=delete').fetchone() == ('delete',)
db.execute('PRAGMA page_size={size}'); db.execute('VACUUM')
db.execute('PRAGMA journal_mode=wal').fetchone()
db.execute('UPDATE t SET b=randomblob(3000) WHERE id=5')"
        ));
        let found = capture(&mut open(&path), &known);
        assert_eq!(found.facts.geometry.page_size().bytes(), size);
        same(found.image.file(), &python.image(&path), &size.to_string());
        known = found.image;
    }
}

fn runs(changed: &[BlockNo]) -> Vec<(BlockNo, u32)> {
    let mut runs: Vec<(BlockNo, u32)> = Vec::new();
    for &block in changed {
        match runs.last_mut() {
            Some((first, count)) if first.0 + *count == block.0 => *count += 1,
            _ => runs.push((block, 1)),
        }
    }
    runs
}

#[test]
fn changes_are_explained() {
    let folder = folder();
    let path = folder.path().join("app.db");
    let mut python = Python::new();
    python.run(&format!(
        "db = connect({path:?}, 'wal')
db.execute('CREATE TABLE orders(id INTEGER PRIMARY KEY, b)')
db.execute('CREATE TABLE people(id INTEGER PRIMARY KEY, name)')
db.execute('CREATE INDEX by_name ON people(name)')
for i in range(200): db.execute('INSERT INTO orders VALUES(?, randomblob(3000))', (i,))
for i in range(200): db.execute('INSERT INTO people VALUES(?, hex(randomblob(300)))', (i,))
db.execute('CREATE TABLE gone(b)'); db.execute('INSERT INTO gone VALUES(zeroblob(90000))'); db.execute('DROP TABLE gone')"
    ));
    let mut live = open(&path);
    let first = capture(&mut live, &Image::default());
    let explain =
        |live: &mut lifeboat_snapshot::LiveDatabase, changed: &[BlockNo], geometry: Geometry| {
            live.explain(&runs(changed), geometry).expect("explains")
        };
    let all = explain(&mut live, &first.changed, first.facts.geometry);
    let total: u64 = all.iter().map(|object| object.pages).sum();
    assert_eq!(total, u64::from(first.facts.geometry.page_count()));
    assert_eq!(all.last().map(|object| object.name.as_str()), Some(ChangedObject::OTHERS));
    assert_eq!(all[0].name, "orders");

    python.run("db.execute(\"UPDATE people SET name='x' WHERE id=3\")");
    let second = capture(&mut live, &first.image);
    let changed = explain(&mut live, &second.changed, second.facts.geometry);
    let find = |name: &str| changed.iter().find(|object| object.name == name);
    assert_eq!(find("orders"), None);
    let index = find("by_name").expect("changed");
    assert_eq!((index.kind, index.table.as_str()), (ObjectKind::Index, "people"));
    assert_eq!(find("people").expect("changed").pages, 1);
}
