//! Writers in other processes: every image is exactly one commit.

use std::path::Path;

use lifeboat_snapshot::{LiveDatabase, OpenOptions, Slice};

use crate::support::*;

/// Every commit changes some rows and stores its number and a checksum over
/// all rows; the checksum is kept up to date as rows change.
const WRITER: &str = "
db = connect(PATH, MODE, 30)
db.execute('PRAGMA synchronous=OFF')
if MODE == 'wal': db.execute('PRAGMA wal_autocheckpoint=60')
db.execute('CREATE TABLE t(id INTEGER PRIMARY KEY, b)')
db.execute('CREATE TABLE c(n, sum)')
db.execute('INSERT INTO c VALUES(0, 0)')
rows = {}
n = 0
while True:
    n += 1
    db.execute('BEGIN IMMEDIATE')
    for _ in range(random.randrange(1, 12)):
        i = random.randrange(300)
        rows[i] = random.randbytes(random.randrange(10, 5000))
        db.execute('REPLACE INTO t VALUES(?, ?)', (i, rows[i]))
    if n % 50 == 0:
        for i in list(rows)[:200]:
            del rows[i]
            db.execute('DELETE FROM t WHERE id=?', (i,))
    total = sum(zlib.crc32(b) ^ i for i, b in rows.items())
    db.execute('UPDATE c SET n=?, sum=?', (n, total))
    db.execute('COMMIT')
    if n == 20: print('started', flush=True)
";

/// The number of the one commit that an image shows.
const CHECK: &str = "
db2 = sqlite3.connect(f'file:{OUT}?immutable=1', uri=True)
n, expected = db2.execute('SELECT n, sum FROM c').fetchone()
total = sum(zlib.crc32(b) ^ i for i, b in db2.execute('SELECT id, b FROM t'))
assert total == expected, (n, total, expected)
assert db2.execute('PRAGMA integrity_check').fetchone() == ('ok',)
db2.close()
r = n";

fn start(path: &Path, mode: &str) -> Python {
    let mut writer = Python::new();
    writer.start(&format!("PATH={path:?}; MODE='{mode}'\n{WRITER}"));
    assert_eq!(writer.line(), "started");
    writer
}

#[track_caller]
fn commit_of(python: &mut Python, image: &Image, folder: &Path) -> u64 {
    let out = folder.join("image.db");
    std::fs::write(&out, image.file()).expect("writes");
    python.run(&format!("OUT={out:?}{CHECK}")).parse().expect("a number")
}

fn check(mode: &str, captures: u32, options: &OpenOptions) {
    let folder = folder();
    let path = folder.path().join("app.db");
    let writer = start(&path, mode);
    let mut checker = Python::new();
    let mut live = LiveDatabase::open(&path, options).expect("opens");
    let mut known = Image::default();
    let (mut first, mut last) = (None, 0);
    for _ in 0..captures {
        known = capture(&mut live, &known).image;
        let commit = commit_of(&mut checker, &known, folder.path());
        assert!(commit >= last, "{commit} after {last}");
        first.get_or_insert(commit);
        last = commit;
    }
    assert!(last > first.unwrap_or(last) + u64::from(captures), "the writer went on: {last}");
    drop(writer);
}

#[test]
fn in_wal_mode() {
    check("wal", 120, &OpenOptions::default());
}

#[test]
fn in_rollback_mode() {
    let mut options = OpenOptions::default();
    options.slice = Slice::Groups(1.try_into().expect("not zero"));
    check("delete", 100, &options);
}

#[test]
fn killed_writers() {
    let folder = folder();
    let path = folder.path().join("app.db");
    let mut checker = Python::new();
    // Another process stays attached, so that the wal-index lives on.
    checker.run(&format!(
        "watch = connect({path:?}, 'wal'); watch.execute('CREATE TABLE IF NOT EXISTS x(a)')"
    ));
    let mut live = open(&path);
    let mut known = capture(&mut live, &Image::default()).image;
    for _ in 0..12 {
        checker.run(
            "watch.execute('DROP TABLE IF EXISTS t'); watch.execute('DROP TABLE IF EXISTS c')",
        );
        drop(start(&path, "wal"));
        known = capture(&mut live, &known).image;
        commit_of(&mut checker, &known, folder.path());
        same(known.file(), &checker.image(&path), "after a kill");
    }
}

#[test]
fn what_is_not_committed() {
    let folder = folder();
    let path = folder.path().join("app.db");
    let mut python = Python::new();
    python.run(&format!(
        "db = connect({path:?}, 'wal')
db.execute('CREATE TABLE t(a)')
for i in range(200): db.execute('INSERT INTO t VALUES(randomblob(3000))')"
    ));
    let expected = python.image(&path);
    let mut spiller = Python::new();
    let frames = spiller.run(&format!(
        "s = connect({path:?})
s.execute('PRAGMA cache_size=5')
s.execute('BEGIN')
old = os.path.getsize({0:?})
s.execute('UPDATE t SET a=randomblob(3000)')
r = os.path.getsize({0:?}) - old",
        with_suffix(&path, "-wal")
    ));
    assert!(frames.parse::<u64>().expect("a number") > 500_000, "it spilled: {frames}");
    let mut live = open(&path);
    same(capture(&mut live, &Image::default()).image.file(), &expected, "spilled");
    drop(spiller);
    same(capture(&mut live, &Image::default()).image.file(), &expected, "killed");
    python.run("db.execute('INSERT INTO t VALUES(2)')");
    let found = capture(&mut live, &Image::default()).image;
    same(found.file(), &python.image(&path), "overwritten");
}

/// A writer that died before it published leaves frames that are valid, and a
/// commit that is not: the wal-index alone says what is committed.
#[test]
fn phantom_commits() {
    let folder = folder();
    let path = folder.path().join("app.db");
    let shm = with_suffix(&path, "-shm");
    let mut python = Python::new();
    python.run(&format!(
        "db = connect({path:?}, 'wal')
db.execute('CREATE TABLE t(a)')
db.execute('INSERT INTO t VALUES(1)')"
    ));
    let expected = python.image(&path);
    let mut live = open(&path);
    // In a process without locks.
    let mut other = Python::new();
    other.run(&format!("f = open({shm:?}, 'r+b'); old = f.read(96)"));
    python.run("db.execute('INSERT INTO t VALUES(randomblob(9000))')");
    let before = capture(&mut live, &Image::default()).image;
    assert_ne!(before.file(), expected, "the second commit was there");
    other.run("f.seek(0); f.write(old); f.flush()");
    same(capture(&mut live, &Image::default()).image.file(), &expected, "phantom");
}

#[test]
fn a_wal_that_contradicts_its_index_is_an_error() {
    let folder = folder();
    let path = folder.path().join("app.db");
    let wal = with_suffix(&path, "-wal");
    let mut python = Python::new();
    python.run(&format!(
        "db = connect({path:?}, 'wal')
db.execute('CREATE TABLE t(a)')
db.execute('INSERT INTO t VALUES(1)')"
    ));
    let mut live = open(&path);
    // One bit of a salt of the second frame.
    Python::new().run(&format!(
        "f = open({wal:?}, 'r+b'); f.seek(32 + 4120 + 9); b = f.read(1); f.seek(-1, 1); f.write(bytes([b[0] ^ 1])); f.close()"
    ));
    let failure = try_capture(&mut live, &Image::default()).err().expect("fails");
    assert!(
        matches!(failure, lifeboat_snapshot::CaptureFailure::WalDamaged { frame: 2, .. }),
        "{failure:?}"
    );
}
