//! Over a database that exists: the old one or the new one, whole, and what was
//! there set aside.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

use lifeboat_format::source::PageSink;
use lifeboat_snapshot::{
    ProvenFile, ReplaceError, ReplaceOptions, Replaced, StagedFile, UndoError, Way, is_set_aside,
    stage_undo, undo_target,
};

use crate::support::*;

/// A database with a table of numbers, which Python made and closed.
fn make(path: &Path, mode: &str, page_size: u32, rows: u32) {
    Python::new().run(&format!(
        "db=sqlite3.connect({path:?}); db.execute('PRAGMA page_size={page_size}')
db.execute('PRAGMA journal_mode={mode}')
db.execute('CREATE TABLE t(id INTEGER PRIMARY KEY, x)')
db.executemany('INSERT INTO t(x) VALUES(?)', [('%d' % n * 50,) for n in range({rows})])
db.commit(); db.close()"
    ));
}

/// The image of the database at `from`, staged beside `target` and proven.
fn proven(from: &Path, target: &Path) -> ProvenFile {
    let image = image_of(from);
    let mut staged = StagedFile::beside(target).expect("stages");
    let geometry = image.geometry.expect("captured");
    staged.begin(geometry).expect("begins");
    let mut bytes = image.file().to_vec();
    bytes.resize(geometry.block_count() as usize * geometry.block_size() as usize, 0);
    staged.blocks(lifeboat_format::geometry::BlockNo(0), &bytes).expect("writes");
    staged.prove(&key(), &image.digest()).expect("is it")
}

fn options() -> ReplaceOptions {
    let mut options = ReplaceOptions::new("1");
    options.busy_timeout = Duration::from_millis(200);
    options
}

struct Scene {
    folder: tempfile::TempDir,
}

impl Scene {
    /// `app.db` in one journal mode, and `new.db` in another, elsewhere.
    fn new(mode: &str, new_mode: &str) -> Self {
        let scene = Self { folder: folder() };
        fs::create_dir(scene.path("live")).expect("makes");
        make(&scene.app(), mode, 4096, 3000);
        make(&scene.new_database(), new_mode, 4096, 2000);
        scene
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn app(&self) -> PathBuf {
        self.path("live/app.db")
    }

    fn aside(&self) -> PathBuf {
        self.path("live/app.db.before-restore-1")
    }

    fn new_database(&self) -> PathBuf {
        self.path("new.db")
    }

    fn replace(&self) -> Result<Replaced, ReplaceError> {
        proven(&self.new_database(), &self.app()).replace(&options())
    }

    #[track_caller]
    fn done(&self, way: Way) -> Replaced {
        let done = self.replace().unwrap_or_else(|e| panic!("replaces: {e:?}"));
        assert_eq!(done.way, way);
        done
    }

    /// What lies beside the database.
    fn beside(&self) -> Vec<String> {
        listing(&self.path("live"))
    }
}

/// How many rows a database shows to another SQLite, and that it is sound.
#[track_caller]
fn rows(path: &Path) -> u32 {
    let answer = Python::new().run(&format!(
        "db=sqlite3.connect({path:?}); r='%s %d' % (db.execute('PRAGMA integrity_check').fetchone()[0], db.execute('SELECT count(*) FROM t').fetchone()[0])"
    ));
    let (sound, count) = answer.split_once(' ').expect("two words");
    assert_eq!(sound, "ok", "{path:?}");
    count.parse().expect("a number")
}

#[test]
fn nobody_has_it_open() {
    for (mode, new_mode) in [("delete", "delete"), ("wal", "wal"), ("delete", "wal")] {
        let scene = Scene::new(mode, new_mode);
        let (old, new) = (fs::read(scene.app()), fs::read(scene.new_database()));
        set_mode(&scene.app(), 0o640);
        chown(scene.app(), Some(1234), Some(4321)).expect("tests run as root");
        let done = scene.done(Way::Swapped);
        assert!(!done.straggler && !done.wal_is_full);
        assert_eq!(done.aside.as_deref(), Some(&*scene.aside()));
        same(&fs::read(scene.app()).expect("there"), &new.expect("there"), "the new one");
        same(&fs::read(scene.aside()).expect("there"), &old.expect("there"), "the old one");
        let data = fs::metadata(scene.app()).expect("there");
        assert_eq!((data.uid(), data.gid(), data.mode() & 0o7777), (1234, 4321, 0o640));
        assert_eq!(scene.beside(), ["app.db", "app.db.before-restore-1"], "{mode}");
    }
}

/// What was left by a killed writer belongs to the old one, and to nothing else.
#[test]
fn sidecars_of_the_old_one() {
    // Frames that no checkpoint reached, and a transaction that never ended.
    for (mode, left, rows_of_old) in [("wal", "-wal", 3001), ("delete", "-journal", 3000)] {
        let scene = Scene::new(mode, "wal");
        let app = scene.app();
        let mut writer = Python::new();
        if mode == "wal" {
            writer.run(&format!("w=connect({app:?}); w.execute('INSERT INTO t(x) VALUES(1)')"));
        } else {
            writer.run(&format!(
                "w=connect({app:?}); w.execute('PRAGMA cache_size=2'); w.execute('BEGIN')
w.execute(\"UPDATE t SET x='spoilt'||x\")"
            ));
        }
        drop(writer);
        assert!(fs::metadata(with_suffix(&app, left)).expect("is left").len() > 0);
        scene.done(Way::Swapped);
        assert_eq!(scene.beside(), ["app.db", "app.db.before-restore-1"], "{mode}");
        assert_eq!(rows(&app), 2000);
        assert_eq!(rows(&scene.aside()), rows_of_old);
    }
}

/// A WAL of another database beside it, which SQLite would replay.
#[test]
fn a_stale_wal() {
    for mode in ["wal", "delete"] {
        for way in [Way::Swapped, Way::Overwritten] {
            let scene = Scene::new(mode, "wal");
            let other = scene.path("other.db");
            make(&other, "wal", 4096, 700);
            let mut writer = Python::new();
            writer.run(&format!("w=connect({other:?}); w.execute('DELETE FROM t WHERE id>100')"));
            drop(writer);
            fs::copy(with_suffix(&other, "-wal"), with_suffix(&scene.app(), "-wal"))
                .expect("there");
            let mut idle = Python::new();
            if way == Way::Overwritten {
                idle.run(&format!("c=open({:?}, 'rb')", scene.app()));
            }
            scene.done(way);
            drop(idle);
            assert_eq!(rows(&scene.app()), 2000, "{mode} {way:?}");
            // The header counts how often it was written, by whom.
            let content = |path: PathBuf| image_of(&path).file()[100..].to_vec();
            same(&content(scene.app()), &content(scene.new_database()), "the content");
        }
    }
}

/// Readers and idle connections of other processes, and of this one.
#[test]
fn others_have_it_open() {
    for mode in ["wal", "delete"] {
        let scene = Scene::new(mode, mode);
        let app = scene.app();
        let mut reader = Python::new();
        reader.run(&format!(
            "c=connect({app:?}); r=c.execute('SELECT count(*) FROM t').fetchone()[0]"
        ));
        let mut never_read = Python::new();
        never_read.run(&format!("c=sqlite3.connect({app:?})"));
        let inode = fs::metadata(&app).expect("there").ino();
        let done = scene.done(Way::Overwritten);
        assert_eq!(fs::metadata(&app).expect("there").ino(), inode, "the same file");
        assert!(!done.wal_is_full, "{mode}");
        for (other, expected) in [(&mut reader, "2000"), (&mut never_read, "2001")] {
            assert_eq!(other.run("r=c.execute('SELECT count(*) FROM t').fetchone()[0]"), expected);
            other.run("c.execute('INSERT INTO t(x) VALUES(7)'); c.commit()");
        }
        drop((reader, never_read));
        assert_eq!(rows(&app), 2002);
        assert_eq!(rows(&scene.aside()), 3000);
    }
}

/// A read transaction keeps its state, and holds the checkpoint up; in a
/// rollback mode everybody waits, and nothing happens in vain.
#[test]
fn a_reader_in_a_transaction() {
    let scene = Scene::new("wal", "wal");
    let mut reader = Python::new();
    let count = "r=c.execute('SELECT count(*) FROM t').fetchone()[0]";
    reader.run(&format!("c=connect({:?}); c.execute('BEGIN'); {count}", scene.app()));
    assert!(scene.done(Way::Overwritten).wal_is_full);
    assert_eq!(reader.run(count), "3000");
    reader.run("c.execute('COMMIT')");
    assert_eq!(reader.run(count), "2000");
    assert_eq!(rows(&scene.aside()), 3000);

    let scene = Scene::new("delete", "delete");
    reader.run(&format!("c=connect({:?}); c.execute('BEGIN'); {count}", scene.app()));
    let before = fs::read(scene.app()).expect("there");
    let error = scene.replace().expect_err("is held up");
    assert!(matches!(error, ReplaceError::Busy { .. }) && error.is_busy(), "{error:?}");
    same(&fs::read(scene.app()).expect("there"), &before, "untouched");
    assert_eq!(scene.beside(), ["app.db"], "nothing is left");
}

#[test]
fn a_writer_in_a_transaction() {
    for mode in ["wal", "delete"] {
        let scene = Scene::new(mode, mode);
        let mut writer = Python::new();
        writer.run(&format!("c=connect({:?}); c.execute('BEGIN IMMEDIATE')", scene.app()));
        writer.run("c.execute('INSERT INTO t(x) VALUES(1)')");
        let error = scene.replace().expect_err("is held up");
        assert!(error.is_busy(), "{mode}: {error:?}");
        writer.run("c.execute('COMMIT')");
        assert_eq!(rows(&scene.app()), 3001, "{mode}");
        scene.done(Way::Overwritten);
        assert_eq!((rows(&scene.app()), rows(&scene.aside())), (2000, 3001), "{mode}");
    }
}

#[test]
fn pages_of_another_size() {
    for (mode, attached, expected) in [
        ("wal", "", Ok(Way::Swapped)),
        ("delete", "", Ok(Way::Swapped)),
        // Open, and nothing read of it: that is no reason not to leave WAL mode.
        ("wal", "c=open({:?}, 'rb')", Ok(Way::Overwritten)),
        ("wal", "c=connect({:?}); c.execute('SELECT * FROM t').fetchall()", Err(())),
        (
            "delete",
            "c=connect({:?}); c.execute('SELECT * FROM t').fetchall()",
            Ok(Way::Overwritten),
        ),
    ] {
        for page_size in [512, 65_536] {
            let scene = Scene::new(mode, "wal");
            fs::remove_file(scene.new_database()).expect("there");
            make(&scene.new_database(), "wal", page_size, 2000);
            let mut other = Python::new();
            other.run(&attached.replace("{:?}", &format!("{:?}", scene.app())));
            match (scene.replace(), expected) {
                (Ok(done), Ok(way)) => {
                    assert_eq!(done.way, way);
                    assert_eq!((rows(&scene.app()), rows(&scene.aside())), (2000, 3000));
                    let header = fs::read(scene.aside()).expect("there")[18];
                    assert_eq!(header == 2, mode == "wal", "the old journal mode is kept");
                }
                (Err(ReplaceError::PageSize { .. }), Err(())) => {
                    assert_eq!(rows(&scene.app()), 3000);
                    assert_eq!(fs::read(scene.app()).expect("there")[18], 2, "still WAL mode");
                }
                (done, _) => panic!("{mode} {attached}: {done:?}"),
            }
        }
    }
}

/// What SQLite cannot use goes away whole, with all that lies beside it.
#[test]
fn not_a_database_any_more() {
    let scene = Scene::new("wal", "wal");
    fs::write(scene.app(), b"nothing that SQLite knows".repeat(100)).expect("writes");
    fs::write(with_suffix(&scene.app(), "-wal"), b"frames").expect("writes");
    fs::write(with_suffix(&scene.app(), "-journal"), b"journal").expect("writes");
    let mut other = Python::new();
    other.run(&format!("c=open({:?}, 'rb')", scene.app()));
    let error = scene.replace().expect_err("somebody has it open");
    assert!(matches!(error, ReplaceError::InUse { .. }), "{error:?}");
    assert_eq!(scene.beside(), ["app.db", "app.db-journal", "app.db-wal"]);
    drop(other);
    scene.done(Way::Removed);
    assert_eq!(rows(&scene.app()), 2000);
    assert_eq!(fs::read(with_suffix(&scene.aside(), "-wal")).expect("there"), b"frames");
    assert_eq!(fs::read(with_suffix(&scene.aside(), "-journal")).expect("there"), b"journal");
    let error = stage_undo(&scene.aside()).err().expect("cannot be read");
    assert!(matches!(error, UndoError::Unreadable(_)), "{error:?}");
}

#[test]
fn nothing_and_next_to_nothing() {
    let scene = Scene::new("wal", "wal");
    fs::remove_file(scene.app()).expect("there");
    fs::write(with_suffix(&scene.app(), "-wal"), b"of whom?").expect("writes");
    assert_eq!(scene.done(Way::Placed).aside, None);
    assert_eq!(rows(&scene.app()), 2000);
    assert_eq!(fs::read(with_suffix(&scene.aside(), "-wal")).expect("kept"), b"of whom?");
    for open in [false, true] {
        let scene = Scene::new("wal", "wal");
        fs::write(scene.app(), b"").expect("empties");
        let mut other = Python::new();
        if open {
            other.run(&format!("c=sqlite3.connect({:?})", scene.app()));
        }
        scene.replace().expect("replaces");
        assert_eq!(rows(&scene.app()), 2000);
        // Locking an empty file alone makes a database without tables of it.
        let tables =
            format!("c=connect({:?}); r=c.execute('SELECT * FROM sqlite_schema')", scene.aside());
        assert_eq!(Python::new().run(&format!("{tables}.fetchall()")), "[]");
    }
}

/// Who has the file under another name goes on having it.
#[test]
fn a_file_with_two_names() {
    let scene = Scene::new("delete", "delete");
    fs::hard_link(scene.app(), scene.path("second.db")).expect("links");
    scene.done(Way::Overwritten);
    assert_eq!(rows(&scene.path("second.db")), 2000);
    assert_eq!(rows(&scene.aside()), 3000);
}

/// There and back, byte for byte.
#[test]
fn taken_back() {
    for (mode, attached) in [("wal", false), ("delete", false), ("wal", true), ("delete", true)] {
        let scene = Scene::new(mode, "wal");
        let before = image_of(&scene.app());
        let mut other = Python::new();
        if attached {
            other.run(&format!(
                "c=connect({:?}); c.execute('SELECT * FROM t').fetchall()",
                scene.app()
            ));
        }
        scene.replace().expect("replaces");
        assert_eq!(rows(&scene.app()), 2000);
        assert!(is_set_aside(&scene.aside()) && !is_set_aside(&scene.app()));
        assert_eq!(undo_target(&scene.aside()).expect("is one"), scene.app());
        let undone = stage_undo(&scene.aside()).expect("stages").replace(&ReplaceOptions::new("2"));
        undone.expect("replaces");
        assert_eq!(rows(&scene.app()), 3000, "{mode} {attached}");
        same(&image_of(&scene.app()).file()[100..], &before.file()[100..], "as it was");
        assert_eq!(rows(&scene.path("live/app.db.before-restore-2")), 2000);
    }
    let error = stage_undo(Path::new("/nowhere/app.db")).err().expect("is none");
    assert!(matches!(error, UndoError::NotSetAside { .. }), "{error:?}");
    let error = stage_undo(Path::new("/nowhere/app.db.before-restore-x")).err().expect("is none");
    assert!(matches!(error, UndoError::NotFound { .. }), "{error:?}");
}

/// A second name of the living database, from a run that was killed, would
/// change with it.
#[test]
fn second_names_are_swept() {
    let scene = Scene::new("wal", "wal");
    let left = scene.path("live/app.db.before-restore-0");
    fs::hard_link(scene.app(), &left).expect("links");
    scene.done(Way::Swapped);
    assert!(!left.exists());
    // But not where it has a WAL that lies nowhere else.
    let scene = Scene::new("wal", "wal");
    let left = scene.path("live/app.db.before-restore-0");
    fs::hard_link(scene.app(), &left).expect("links");
    fs::write(with_suffix(&left, "-wal"), b"precious").expect("writes");
    scene.replace().expect("replaces");
    assert_eq!(fs::read(with_suffix(&left, "-wal")).expect("kept"), b"precious");
    // A link is somebody's own.
    let scene = Scene::new("wal", "wal");
    let left = scene.path("live/app.db.before-restore-0");
    symlink(scene.app(), &left).expect("links");
    scene.replace().expect("replaces");
    assert!(fs::symlink_metadata(&left).is_ok());
}

/// Commits between the first copy and the lock: each that was acknowledged is
/// in what was set aside.
#[test]
fn nothing_acknowledged_is_lost() {
    for mode in ["wal", "delete"] {
        let scene = Scene::new(mode, mode);
        let mut writer = Python::new();
        writer.start(&format!(
            "w=connect({:?}, timeout=30)
n=0
while True:
    try:
        # Counted before the commit: after it, the count may be of the new state.
        w.execute('BEGIN IMMEDIATE')
        w.execute('INSERT INTO t(x) VALUES(?)', (n,))
        count=w.execute('SELECT count(*) FROM t').fetchone()[0]
        w.execute('COMMIT')
    except sqlite3.OperationalError as e:
        if 'locked' not in str(e): raise
        if w.in_transaction: w.execute('ROLLBACK')
        continue
    n+=1
    print(count, flush=True)",
            scene.app()
        ));
        let first: u32 = writer.line().parse().expect("a number");
        assert_eq!(first, 3001);
        let mut patient = options();
        patient.busy_timeout = Duration::from_secs(30);
        let done = proven(&scene.new_database(), &scene.app()).replace(&patient);
        assert_eq!(done.expect("replaces").way, Way::Overwritten);
        // Each number is acknowledged; after the overwriting they begin anew.
        let (mut last, mut after) = (first, 0);
        while after == 0 {
            match writer.line().parse::<u32>() {
                Ok(n) if n == last + 1 => last = n,
                Ok(n) => after = n,
                Err(_) => panic!("the writer failed"),
            }
        }
        drop(writer);
        assert_eq!(after, 2001, "{mode}: the first commit upon the new state");
        assert_eq!(rows(&scene.aside()), last, "{mode}: all, and not one more");
        assert!(rows(&scene.app()) >= 2001);
    }
}
