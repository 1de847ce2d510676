//! Databases whose commits are followed, through the built binary.

mod kit;
mod replay;

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use lifeboat_testing::databases::schema_of;
use lifeboat_testing::servers::{Fault, Kind};

use crate::command::Folder;
use crate::place::Place;
use kit::{Agent, Ledger, configure, count, until};
use replay::Log;

const AGAIN: &str = "without a gap";
const BEGUN: &str = "every commit is backed up";
const GAP: &str = "a gap: ";

/// A folder with a database that is to be followed.
fn followed(place: Place) -> (Folder, Ledger) {
    let folder = Folder::at(place);
    configure(&folder, "");
    let ledger = Ledger::new(&folder.path("app.db"));
    (folder, ledger)
}

/// An application that writes as fast as once in two milliseconds, until this is over.
fn while_writing<T>(path: &Path, work: impl FnOnce(&AtomicU64) -> T) -> T {
    let (stop, written) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        let writing = scope.spawn(|| {
            let mut ledger = Ledger::new(path);
            while !stop.load(Ordering::Relaxed) {
                written.store(ledger.commit(), Ordering::Relaxed);
                // An application's pace: nothing waits for it.
                std::thread::sleep(std::time::Duration::from_millis(2));
            }
        });
        let done = work(&written);
        stop.store(true, Ordering::Relaxed);
        writing.join().expect("no commit failed");
        done
    })
}

/// A disk that is unmounted leaves a directory: nothing is begun there, commits wait,
/// and nothing is missing when it is back.
#[test]
fn the_disk_is_unmounted_for_a_while() {
    let (folder, mut ledger) = followed(Place::Directory);
    let agent = Agent::start(&folder, "run");
    until("it follows", || agent.says(BEGUN));
    ledger.commit();
    folder.run(&["sync", "app", "--wait"]).ok();
    let (backups, disk) = (folder.path("backups"), folder.path("disk"));
    std::fs::rename(&backups, &disk).expect("is unmounted");
    std::fs::create_dir(&backups).expect("makes the empty directory that is there then");
    ledger.commit();
    until("it waits", || agent.says("commits wait on the disk"));
    let there = std::fs::read_dir(&backups).expect("is a directory").count();
    assert_eq!(there, 0, "something was begun there");
    std::fs::remove_dir(&backups).expect("is empty");
    std::fs::rename(&disk, &backups).expect("is mounted");
    let last = ledger.commit();
    folder.run(&["sync", "app", "--wait"]).ok();
    assert_eq!((agent.says(GAP), agent.stop()), (false, 0));
    folder.run(&["restore", "app", "newest", "--target", "back.db"]).ok();
    assert_eq!(Ledger::shown(&folder.path("back.db")), Some(last));
}

/// Killed hard again and again while an application writes: what is stored are its
/// commits, each of them exactly, and where some are missing that is said.
#[test]
fn killed_at_any_moment() {
    let (folder, ledger) = followed(Place::Directory);
    let path = folder.path("app.db");
    let settings = ledger.settings();
    let mut gaps = 0;
    while_writing(&path, |written| {
        for round in 1..=4 {
            let agent = Agent::start(&folder, &format!("run-{round}"));
            until("it follows", || agent.says(BEGUN) || agent.says(AGAIN));
            let segments = count(&folder, "log");
            let until_commit = written.load(Ordering::Relaxed) + 150 * round;
            until("a segment comes", || {
                count(&folder, "log") >= segments + 2
                    && written.load(Ordering::Relaxed) >= until_commit
            });
            gaps += u64::from(agent.says(GAP));
            agent.kill();
        }
    });
    let agent = Agent::start(&folder, "last");
    until("it follows", || agent.says(BEGUN) || agent.says(AGAIN));
    gaps += u64::from(agent.says(GAP));
    let stored = folder.run(&["--json", "sync", "app", "--wait"]).ok().json();
    assert_eq!(stored[0]["message_type"], "stored", "{stored:?}");
    assert_eq!(agent.stop(), 0);
    let log = Log::of(&folder);
    assert_eq!(log.epochs.len() as u64, gaps + 1, "each gap ends an epoch, and nothing else does");
    log.prove(&folder);
    let last = folder.restore("app", "latest");
    assert!(Ledger::shown(&last).is_some(), "the snapshot is of one moment");
    // The application's database is what it was, but for what it wrote itself.
    let restored = schema_of(&path);
    drop(ledger);
    let ledger = Ledger::new(&path);
    assert_eq!(ledger.settings(), settings);
    assert_eq!(schema_of(&path), restored);
}

/// With no writes in between, following goes on where it ended, and sends nothing:
/// after a clean stop and after a kill, whether somebody has the database open or not.
#[test]
fn it_goes_on_where_it_ended() {
    let (folder, ledger) = followed(Place::Directory);
    let mut ledger = Some(ledger);
    let first = Agent::start(&folder, "first");
    until("it follows", || first.says(BEGUN));
    for _ in 0..20 {
        ledger.as_mut().expect("is open").commit();
    }
    folder.run(&["sync", "app", "--wait"]).ok();
    let packs = |folder: &Folder| (count(folder, "packs"), count(folder, "records"));
    let (before, segments) = (packs(&folder), count(&folder, "log"));
    first.kill();
    for (round, is_killed) in [false, true, false, false].into_iter().enumerate() {
        let agent = Agent::start(&folder, &format!("again-{round}"));
        until("it follows", || agent.says(AGAIN) || agent.says(BEGUN));
        assert!(agent.says(AGAIN), "round {round}: {}", agent.log());
        if round == 1 {
            // From now on nobody else has it open.
            ledger = None;
        }
        if is_killed {
            agent.kill();
        } else {
            assert_eq!(agent.stop(), 0);
        }
        assert_eq!((packs(&folder), count(&folder, "log")), (before, segments), "round {round}");
    }
    drop(ledger);
}

/// A new owner, while the old one is stopped in the middle: it finds out, says so, and
/// nothing of it is stored after that.
#[test]
fn another_host_takes_over() {
    let (folder, mut ledger) = followed(Place::Own);
    let old = Agent::start(&folder, "old");
    until("it follows", || old.says(BEGUN));
    ledger.commit();
    folder.run(&["sync", "app", "--wait"]).ok();
    old.signal("STOP");
    let mut new = folder.command();
    new.env("LIFEBOAT_STATE_DIR", folder.path("state-2"));
    new.env("LIFEBOAT_CACHE_DIR", folder.path("cache-2"));
    new.env("LIFEBOAT_TAKE_OVER", "always");
    let new = Agent::of(new, &folder, "new");
    until("the new one follows", || new.says(BEGUN));
    ledger.commit();
    until("the new one stores it", || Log::of(&folder).last_epoch() >= 1);
    let sealed = Log::of(&folder).segments_of_first();
    old.signal("CONT");
    ledger.commit();
    let (code, said) = old.ended();
    assert_eq!(code, 11, "{said}");
    assert!(said.contains("was ended by segment"), "{said}");
    assert!(said.contains("HINT: another installation has taken over"), "{said}");
    let log = Log::of(&folder);
    assert_eq!(log.segments_of_first(), sealed, "nothing comes after the seal");
    until("the new one stores that too", || Log::of(&folder).last_epoch() >= 2);
    assert_eq!(new.stop(), 0);
    Log::of(&folder).prove_last_epoch();
}

/// While the store is away commits wait on the disk, and nobody notices; then they are
/// all stored.
#[test]
fn an_outage_is_ridden_out() {
    let (folder, mut ledger) = followed(Place::Faulty);
    let agent = Agent::start(&folder, "run");
    until("it follows", || agent.says(BEGUN));
    let proxy = folder.store().proxy();
    proxy.when(Kind::Put, "/log/").always(Fault::Refuse(503, "SlowDown"));
    let segments = count(&folder, "log");
    let mut last = 0;
    until("several segments wait", || {
        last = ledger.commit();
        waiting(&folder).0 >= 3
    });
    assert_eq!(count(&folder, "log"), segments);
    proxy.heal();
    folder.run(&["sync", "app", "--wait"]).ok();
    assert_eq!(waiting(&folder).0, 0, "what is stored waits no longer");
    assert!(!agent.says(GAP), "{}", agent.log());
    assert_eq!(agent.stop(), 0);
    let log = Log::of(&folder);
    assert_eq!(log.epochs.len(), 1);
    assert_eq!(log.prove(&folder), last, "the last commit is there");
}

/// What waits never takes more than it may: following ends in a gap that is said, and
/// begins anew with a snapshot when the store is back.
#[test]
fn the_spool_keeps_its_bound() {
    let folder = Folder::at(Place::Faulty);
    configure(&folder, "[continuous]\nspool = \"16MiB\"\ninterval = \"50ms\"\n");
    let mut ledger = Ledger::new(&folder.path("app.db"));
    let agent = Agent::start(&folder, "run");
    until("it follows", || agent.says(BEGUN));
    let proxy = folder.store().proxy();
    proxy.when(Kind::Any, "/log/").always(Fault::Refuse(503, "SlowDown"));
    let mut most = 0;
    for _ in 0..24 {
        // 1 MiB each, that no compression makes smaller.
        ledger.commit_with(1 << 20);
        most = most.max(waiting(&folder).1);
    }
    until("it is full, or all is seen", || {
        most = most.max(waiting(&folder).1);
        agent.says("wait already")
    });
    assert!(most <= (16 << 20) + (1 << 16), "{most} bytes");
    assert!(most > 8 << 20, "it was used: {most} bytes");
    proxy.heal();
    until("it begins anew", || agent.says(GAP) && agent.times(BEGUN) == 2);
    let last = ledger.commit();
    folder.run(&["sync", "app", "--wait"]).ok();
    assert_eq!(agent.stop(), 0);
    let log = Log::of(&folder);
    assert_eq!(log.epochs.len(), 2);
    assert_eq!(log.prove(&folder), last);
}

/// Segments that wait on the disk, and their bytes.
fn waiting(folder: &Folder) -> (usize, u64) {
    let spool = folder.path("cache").join("continuous/app");
    let files = std::fs::read_dir(spool).into_iter().flatten().flatten();
    let sizes = files.filter_map(|file| Some(file.metadata().ok()?.len()));
    sizes.fold((0, 0), |(count, bytes), size| (count + 1, bytes + size))
}

/// What cannot be followed is backed up by snapshots, and that is said.
#[test]
fn what_is_not_in_wal_mode() {
    let folder = Folder::new();
    configure(&folder, "[schedule]\nevery = \"1h\"\n");
    let app = lifeboat_testing::databases::open(&folder.path("app.db"), "delete");
    app.execute_batch("CREATE TABLE t(x)").expect("writes");
    let agent = Agent::start(&folder, "run");
    until("it says so", || {
        agent.says("not followed, but backed up at the interval") && agent.says("not in WAL mode")
    });
    until("there is a snapshot", || count(&folder, "records") == 1);
    // What waits until all is stored has a snapshot taken.
    app.execute_batch("INSERT INTO t VALUES(1)").expect("writes");
    folder.run(&["sync", "app", "--wait"]).ok();
    assert_eq!(count(&folder, "records"), 2);
    assert_eq!(agent.stop(), 0);
}

/// Around an application nothing is lost that it wrote last; without an agent the
/// command that waits takes a snapshot.
#[test]
fn around_an_application() {
    let (folder, ledger) = followed(Place::Directory);
    drop(ledger);
    // Until the log has begun, and then once more.
    let script = "write() { sqlite3 app.db \"PRAGMA busy_timeout=9999; $1\" >/dev/null; }
        write 'CREATE TABLE some(x)'
        while [ ! -e backups/databases/app/log ]; do write 'INSERT INTO some VALUES(1)'; done
        write 'CREATE TABLE last(x)'";
    folder.run(&["run", "--", "sh", "-c", script]).ok();
    let has_last = |path: &Path| schema_of(path).iter().any(|sql| sql.contains("TABLE last"));
    let log = Log::of(&folder);
    log.prove_last_epoch();
    let ran = folder.run(&["--json", "sync", "app", "--wait"]).ok().json();
    assert_eq!(ran[0]["commit"], serde_json::Value::Null, "{ran:?}");
    assert!(has_last(&folder.restore("app", "latest")));
}

/// The settings are understood, and what they cost is told before it is paid.
#[test]
fn what_it_costs() {
    let (folder, ledger) = followed(Place::Directory);
    drop(ledger);
    let ran = folder.run(&["config", "check"]).ok();
    assert!(ran.err.contains("at most 2592000 uploads a month"), "{ran:?}");
    configure(&folder, "[continuous]\ninterval = \"10s\"\n");
    let ran = folder.run(&["config", "check"]).ok();
    assert!(ran.err.contains("at most 259200 uploads a month"), "{ran:?}");
    configure(&folder, "[continuous]\nspool = \"1MiB\"\n");
    let ran = folder.run(&["config", "check"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.err.contains("continuous.spool is at least 16MiB"), "{ran:?}");
}
