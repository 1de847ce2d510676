//! Following live databases, step by step.

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use lifeboat_wal::{CannotFollow, Clock, FollowError, FollowOptions, Follower, Position, Start};
use time::OffsetDateTime;

use crate::support::*;

/// Byte for byte.
#[track_caller]
fn same(replica: &[u8], file: &[u8]) {
    let differs = |i: &usize| replica.get(*i) != file.get(*i);
    let first = (0..replica.len().max(file.len())).find(differs);
    assert_eq!((replica.len(), None), (file.len(), first), "the first difference is there");
}

/// What a follower left of what it made: the file alone is the database.
#[track_caller]
fn left_alone(path: &Path) {
    for suffix in ["-wal", "-shm"] {
        let mut sidecar = path.as_os_str().to_owned();
        sidecar.push(suffix);
        assert!(!Path::new(&sidecar).exists(), "{suffix} is left");
    }
}

#[test]
fn every_commit_is_handed_over() {
    let (_folder, path) = place();
    let app = app(&path);
    write(&app, 10);
    let running =
        Running::start(attach(&path, Start::Fresh).expect("attaches"), Replica::of(copy(&path)));
    write(&app, 3_000);
    app.execute_batch("DELETE FROM t WHERE id % 2; VACUUM").expect("shrinks");
    let (followed, replica) = running.stop();
    // The ten and the table lie in the WAL when following begins.
    assert!(replica.commits.len() >= 3_012, "{} commits", replica.commits.len());
    assert!(truncates_at_once(&app), "nothing holds the WAL any more");
    same(&replica.image, &copy(&path));
    drop(app);
    followed.expect("was asked to stop").detach();
    left_alone(&path);
}

#[test]
fn the_last_to_close_tidies_up() {
    let (_folder, path) = place();
    let app = app(&path);
    let running =
        Running::start(attach(&path, Start::Fresh).expect("attaches"), Replica::of(copy(&path)));
    write(&app, 5);
    drop(app);
    let (followed, replica) = running.stop();
    followed.expect("was asked to stop").detach();
    left_alone(&path);
    same(&replica.image, &copy(&path));
}

#[test]
fn idle_it_holds_nobody_up() {
    let (_folder, path) = place();
    let app = app(&path);
    let (sender, commits) = std::sync::mpsc::channel();
    let mut replica = Replica::of(copy(&path));
    replica.each = Some(Box::new(move |_, commit| Ok(sender.send(commit.number)?)));
    let running = Running::start(attach(&path, Start::Fresh).expect("attaches"), replica);
    write(&app, 1);
    commits.recv().expect("the table");
    commits.recv().expect("the row");
    // How long it takes to rest is up to the machine; that it does is not.
    while !truncates_at_once(&app) {
        std::thread::yield_now();
    }
    write(&app, 1);
    let (followed, replica) = running.stop();
    followed.expect("was asked to stop");
    assert_eq!(replica.commits.len(), 3, "also what came after the WAL began anew");
}

/// Whoever must know is told soon, however seldom a follower looks at rest.
#[test]
fn who_rests_looks_when_asked() {
    struct Looks(std::sync::mpsc::Sender<()>);
    impl lifeboat_wal::CommitSink for Looks {
        fn page(
            &mut self,
            _: lifeboat_format::geometry::PageNo,
            _: &[u8],
        ) -> Result<(), lifeboat_wal::SinkError> {
            Ok(())
        }
        fn commit(&mut self, _: &lifeboat_wal::Commit) -> Result<(), lifeboat_wal::SinkError> {
            Ok(())
        }
        fn looking(&mut self) {
            // The receiver may be gone.
            let _ = self.0.send(());
        }
    }
    let (_folder, path) = place();
    let app = app(&path);
    write(&app, 1);
    let mut options = FollowOptions::default();
    options.limits.rest = Duration::from_secs(3600);
    let follower = Follower::attach(&path, Start::Fresh, &options).expect("attaches");
    let handle = follower.stop_handle();
    let (sender, looks) = std::sync::mpsc::channel();
    let thread = std::thread::spawn(move || follower.run(&mut Looks(sender)));
    // Where the system has no notices left it looks often by itself: then it never
    // comes to rest, and each of this is true at once.
    let comes_to_rest = || {
        let begun = std::time::Instant::now();
        while begun.elapsed() < Duration::from_secs(2)
            && looks.recv_timeout(Duration::from_secs(1)).is_ok()
        {}
    };
    for _ in 0..3 {
        comes_to_rest();
        handle.look();
        looks.recv_timeout(Duration::from_secs(60)).expect("looks at once");
    }
    handle.stop();
    thread.join().expect("does not panic").expect("was asked to stop");
}

#[test]
fn it_goes_on_where_it_ended_if_that_is_proven() {
    let (_folder, path) = place();
    let app = app(&path);
    app.execute_batch("PRAGMA wal_autocheckpoint=0").expect("sets");
    write(&app, 5);
    let first = attach(&path, Start::Fresh).expect("attaches");
    let (followed, mut replica) = Running::start(first, Replica::of(copy(&path))).stop();
    let position = followed.expect("was asked to stop").position().expect("captured");
    let stored = position.to_bytes().expect("proves something");
    replica.commits.clear();

    let resume = |replica: Replica| {
        let position = Position::from_bytes(&stored).expect("was stored");
        let follower = attach(&path, Start::Resume(position));
        follower.map(|follower| Running::start(follower, replica).stop())
    };
    let (followed, replica) = resume(replica).expect("nothing happened");
    drop(followed);
    assert_eq!(replica.commits.len(), 0);
    write(&app, 7);
    let (followed, mut replica) = resume(replica).expect("commits were added");
    drop(followed.expect("was asked to stop"));
    assert_eq!(replica.commits.len(), 7);
    replica.commits.clear();

    // The WAL begins anew: what was in it meanwhile is not known.
    assert!(truncates_at_once(&app));
    write(&app, 20);
    let error = resume(replica).err().expect("is refused");
    assert!(matches!(error, FollowError::NotContinuous { .. }), "{error:?}");
    assert!(error.leaves_a_gap());
}

/// The salts are the same and the frames are not: as after a power failure
/// that took the end of the WAL.
#[test]
fn equal_salts_prove_nothing() {
    let (_folder, path) = place();
    let app = app(&path);
    write(&app, 5);
    let first = attach(&path, Start::Fresh).expect("attaches");
    let (followed, _) = Running::start(first, Replica::of(copy(&path))).stop();
    let position = followed.expect("was asked to stop").position().expect("captured");
    let (s1, s2) = position.checksum.expect("captured");
    let other = Position { checksum: Some((s1 ^ 1, s2)), ..position };
    let at_end = attach(&path, Start::Resume(other)).err();
    assert!(matches!(at_end, Some(FollowError::NotContinuous { .. })), "{at_end:?}");
    // It takes two writes of different pages to come to rest without a
    // checkpoint, which would begin the WAL anew.
    let follower = attach(&path, Start::Resume(position)).expect("attaches");
    write(&app, 1);
    drop(follower);
    let before = attach(&path, Start::Resume(other)).expect("is found out when it reads");
    let (result, replica) = Running::start(before, Replica::default()).join();
    assert!(matches!(result, Err(FollowError::NotContinuous { .. })));
    assert_eq!(replica.commits.len(), 0, "nothing of it is handed over");
}

#[test]
fn what_cannot_be_followed_is_named() {
    let (_folder, path) = place();
    let app = connect(&path);
    app.execute_batch("CREATE TABLE t(x)").expect("makes");
    let refused = |options: &FollowOptions| {
        Follower::attach(&path, Start::Fresh, options).err().expect("is refused")
    };
    let mut options = FollowOptions::default();
    options.limits.patience = Duration::from_millis(1);
    let error = refused(&options);
    assert!(matches!(error, FollowError::CannotFollow(CannotFollow::NotWal)), "{error:?}");
    app.execute_batch(
        "PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=wal; INSERT INTO t VALUES(1)",
    )
    .expect("takes it");
    let error = refused(&options);
    assert!(matches!(error, FollowError::CannotFollow(CannotFollow::Exclusive(_))), "{error:?}");
    drop(app);
    left_alone(&path);
}

/// Leaving WAL mode wants the database for itself.
#[track_caller]
fn is_free(app: &rusqlite::Connection) {
    app.execute_batch("PRAGMA busy_timeout=0").expect("sets");
    assert!(truncates_at_once(app));
    let mode: String =
        app.query_row("PRAGMA journal_mode=delete", [], |row| row.get(0)).expect("leaves WAL mode");
    assert_eq!(mode, "delete");
}

#[test]
fn dropped_it_holds_nothing() {
    let (_folder, path) = place();
    let app = app(&path);
    write(&app, 3);
    let follower = attach(&path, Start::Fresh).expect("attaches");
    assert!(!truncates_at_once(&app), "it holds the WAL");
    drop(follower);
    is_free(&app);
}

#[test]
fn in_a_panic_it_holds_nothing() {
    let (_folder, path) = place();
    let app = app(&path);
    let follower = attach(&path, Start::Fresh).expect("attaches");
    write(&app, 3);
    let mut replica = Replica::of(copy(&path));
    replica.each = Some(Box::new(|_, _| panic!("as a broken program does")));
    let thread = std::thread::spawn(move || follower.run(&mut replica).is_ok());
    thread.join().expect_err("panics");
    is_free(&app);
}

#[test]
fn a_sink_that_fails_ends_it() {
    let (_folder, path) = place();
    let app = app(&path);
    let mut replica = Replica::of(copy(&path));
    replica.each = Some(Box::new(|_, _| Err("the disk is full".into())));
    let running = Running::start(attach(&path, Start::Fresh).expect("attaches"), replica);
    write(&app, 3);
    let (result, _) = running.join();
    let error = result.err().expect("ended");
    assert!(matches!(error, FollowError::Sink(_)), "{error:?}");
    assert!(!error.leaves_a_gap(), "a resumed follower hands it over again");
    is_free(&app);
}

/// A clock on which a second passes whenever it is asked.
#[derive(Default)]
struct Hurried(AtomicU64);

impl Clock for Hurried {
    fn now(&self) -> OffsetDateTime {
        OffsetDateTime::UNIX_EPOCH
    }

    fn monotonic(&self) -> Duration {
        Duration::from_secs(self.0.fetch_add(1, Ordering::Relaxed))
    }
}

fn hurried(path: &Path) -> Follower {
    let options = FollowOptions::default();
    Follower::attach_with(path, Start::Fresh, &options, Box::new(Hurried::default()))
        .expect("attaches")
}

// Descriptors of a `-shm` are those of the process: one test at a time.
static ALONE: Mutex<()> = Mutex::new(());

/// Hazard 2: anybody in the process who closes a descriptor of the `-shm`
/// drops all of its locks.
#[cfg(target_os = "linux")]
#[test]
fn a_lost_lock_is_noticed() {
    let _alone = ALONE.lock().expect("nobody panicked");
    let (_folder, path) = place();
    let app = app(&path);
    write(&app, 3);
    let follower = hurried(&path);
    let mut shm = path.as_os_str().to_owned();
    shm.push("-shm");
    drop(std::fs::File::open(shm).expect("opens"));
    let (result, _) = Running::start(follower, Replica::of(copy(&path))).join();
    let error = result.err().expect("ended");
    assert!(matches!(error, FollowError::LocksLost), "{error:?}");
    assert!(error.leaves_a_gap());
}

#[test]
fn a_replaced_database_is_noticed() {
    for name in ["", "-wal"] {
        let (folder, path) = place();
        let app = app(&path);
        write(&app, 3);
        let follower = hurried(&path);
        let mut file = path.as_os_str().to_owned();
        file.push(name);
        std::fs::rename(file, folder.path().join("elsewhere")).expect("renames");
        let (result, _) = Running::start(follower, Replica::of(vec![])).join();
        let error = result.err().expect("ended");
        assert!(matches!(error, FollowError::Replaced), "{name}: {error:?}");
    }
}
