//! Forgetting and collecting at scale, and with others in between.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use lifeboat_format::numbers::RecordNo;
use lifeboat_remote::Remote;
use lifeboat_repository::{
    CheckOptions, CollectOptions, Depth, Local, LocalOptions, Repository, Share, WriteError,
};
use lifeboat_testing::script::{Op, World};

use crate::image::{Image, NOON};
use crate::rules::DAY;
use crate::world::{Host, backup, check_all_restore, directory, name, options};

fn at_once() -> CollectOptions {
    CollectOptions::default()
        .with_times(Duration::ZERO, Duration::ZERO)
        .with_floor(0, Duration::ZERO)
}

/// A thousand snapshots are pruned with one listing of each prefix, one reading
/// of each record and list, one record, and one deletion of each object.
#[tokio::test]
async fn a_thousand_snapshots() {
    let world = World::new();
    let host = Host::new("a");
    let writer = host.create(world.client("W")).await;
    let mut image = Image::new(8);
    for n in 0..1000 {
        image.write(n % 8, 1_000_000 + u64::from(n));
        image = image.later(1);
        writer.backup(image.clone(), options()).await.expect("backs up");
    }
    let gone: Vec<RecordNo> = (1..=990).map(RecordNo).collect();
    writer.forget(&gone).await.expect("forgets");
    host.advance(DAY * 30);
    world.advance(DAY * 30);
    let before = world.keys("").await.len();
    world.clear_calls();
    let planned = writer.would_collect(CollectOptions::default()).await.expect("plans");
    assert_eq!((world.count(Op::Put), world.count(Op::Delete)), (0, 0), "only a plan");
    world.clear_calls();
    let done = writer.collect(CollectOptions::default()).await.expect("collects");
    assert_eq!(done, planned, "what was said is what was done");
    assert_eq!(done.dropped.len(), 990);

    let mut calls: BTreeMap<(Op, String), usize> = BTreeMap::new();
    for call in world.calls() {
        *calls.entry((call.op, call.key)).or_default() += 1;
    }
    let of = |op| calls.iter().filter(move |((o, _), _)| *o == op);
    let lists: Vec<&str> = of(Op::List).map(|((_, key), _)| key.as_str()).collect();
    let root = "databases/app";
    let expected = ["archives", "attachments", "checks", "lists", "packs", "repairs"];
    assert_eq!(lists, expected.map(|folder| format!("{root}/{folder}")));
    assert!(of(Op::List).all(|(_, times)| *times == 1), "each prefix once");
    // The newest record is looked at when it is found, and once as the state.
    assert!(of(Op::Get).all(|(_, times)| *times <= 2), "each record and list once");
    assert!(of(Op::Get).map(|(_, times)| times).sum::<usize>() <= 1000 + 10);
    assert_eq!(of(Op::Put).count(), 1, "one record");
    assert_eq!(of(Op::Delete).count(), done.deleted.len());
    assert!(of(Op::Delete).all(|(_, times)| *times == 1));
    assert_eq!(world.keys("").await.len(), before + 1 - done.deleted.len());
    assert_eq!(check_all_restore(&writer).await, 10);
}

/// A collector that has committed and not yet deleted: what it dropped cannot be
/// brought back any more, and what it did not drop is safe.
#[tokio::test]
async fn a_collector_between_its_record_and_its_deletions() {
    let world = World::new();
    let host = Host::new("a");
    let writer = host.create(world.client("W")).await;
    let mut image = Image::new(100);
    for round in 0..6 {
        (0..100).for_each(|page| image.write(page, round * 1000 + u64::from(page)));
        image = image.later(1);
        backup(&writer, &image).await;
    }
    let [one, two, three] = [1, 2, 3].map(RecordNo);
    writer.forget(&[one, two]).await.expect("forgets");
    host.advance(DAY);
    let pause = world.pause("G", Op::Delete, "packs/");
    let collector = host.open(world.client("G")).await;
    let slow = tokio::spawn(async move { collector.collect(at_once()).await });
    pause.reached().await;
    let error = writer.undelete(&[one]).await.expect_err("it was dropped");
    assert!(matches!(error, WriteError::NotPossible { .. }), "{error}");
    writer.pin(&[two]).await.expect_err("so was this one");
    writer.forget(&[three]).await.expect("forgets");
    writer.undelete(&[three]).await.expect("comes back");
    writer.pin(&[three]).await.expect("pins");
    image = image.later(1);
    image.write(5, 99);
    backup(&writer, &image).await;
    pause.release();
    let done = slow.await.expect("ends").expect("collects");
    assert_eq!(done.dropped.len(), 2);
    assert_eq!(check_all_restore(&writer).await, 5);
}

/// Forgetting and pinning at once: whoever commits first is right, and the other
/// one is told.
#[tokio::test]
async fn a_pin_against_a_forget() {
    let world = World::new();
    let host = Host::new("a");
    let writer = host.create(world.client("W")).await;
    let mut image = Image::new(10);
    for n in 0..3 {
        image.write(n, 100 + u64::from(n));
        image = image.later(1);
        backup(&writer, &image).await;
    }
    let other = host.open(world.client("P")).await;
    let pause = world.pause("W", Op::Put, "records/");
    let slow = tokio::spawn({
        let writer = writer.clone();
        async move { writer.forget(&[RecordNo(1)]).await }
    });
    pause.reached().await;
    other.pin(&[RecordNo(1)]).await.expect("pins");
    pause.release();
    let error = slow.await.expect("ends").expect_err("it is pinned now");
    assert!(error.to_string().contains("is pinned"), "{error}");
    assert_eq!(check_all_restore(&writer).await, 3);
}

/// Undeleting while a collector works from a listing that is older than
/// everything, and one that shows nothing.
#[tokio::test]
async fn undelete_with_a_collector_whose_listings_lie() {
    let world = World::new();
    let host = Host::new("a");
    let writer = host.create(world.client("W")).await;
    let mut image = Image::new(100);
    for round in 0..5 {
        (0..100).for_each(|page| image.write(page, round * 1000 + u64::from(page)));
        image = image.later(1);
        backup(&writer, &image).await;
        if round == 2 {
            world.freeze_listings("G").await;
        }
    }
    host.advance(DAY);
    writer.forget(&[1, 2, 3].map(RecordNo)).await.expect("forgets");
    let pause = world.pause("G", Op::Put, "records/");
    let collector = host.open(world.client("G")).await;
    let slow = tokio::spawn({
        let collector = collector.clone();
        async move { collector.collect(at_once()).await }
    });
    pause.reached().await;
    writer.undelete(&[RecordNo(2)]).await.expect("comes back");
    pause.release();
    let done = slow.await.expect("ends").expect("collects");
    assert_eq!(done.dropped, [1, 3].map(RecordNo), "planned anew");
    assert_eq!(check_all_restore(&writer).await, 3);
    world.empty_listing("G");
    let done = collector.collect(at_once()).await.expect("collects");
    assert!(done.deleted.is_empty(), "what is not listed is not deleted");
    world.fresh_listing("G");
    collector.collect(at_once()).await.expect("collects");
    assert_eq!(check_all_restore(&writer).await, 3);
}

/// The latest that was verified stays, whoever forgets what and how long ago: it
/// is all that is known to be good.
#[tokio::test]
async fn the_latest_verified_stays() {
    let world = World::new();
    let host = Host::new("a");
    let writer = host.create(world.client("W")).await;
    let mut image = Image::new(10);
    for n in 0..3 {
        image.write(n, 100 + u64::from(n));
        image = image.later(1);
        backup(&writer, &image).await;
    }
    // Forgotten before it was verified.
    writer.forget(&[1, 2].map(RecordNo)).await.expect("forgets");
    let options = CheckOptions::of_depth(Depth::Data(Share::All));
    writer.check(&options).await.expect("checks");
    for n in 4..7 {
        image.write(n, 100 + u64::from(n));
        image = image.later(1);
        backup(&writer, &image).await;
    }
    let error = writer.forget(&[RecordNo(3)]).await.expect_err("it is the latest verified");
    assert!(error.to_string().contains("latest that was verified"), "{error}");
    host.advance(DAY * 30);
    let done = writer.collect(at_once()).await.expect("collects");
    assert_eq!(done.dropped, [1, 2].map(RecordNo));
    // A later one was verified: now it may go.
    writer.check(&options).await.expect("checks");
    writer.forget(&[RecordNo(3)]).await.expect("forgets");
    assert_eq!(check_all_restore(&writer).await, 3);
}

/// A floor of the collector's own: nothing that records say lowers it.
#[tokio::test]
async fn the_floor() {
    let world = World::new();
    let host = Host::new("a");
    let writer = host.create(world.client("W")).await;
    let mut image = Image::new(10);
    for n in 0..6 {
        image.write(n, 100 + u64::from(n));
        image.taken_at += DAY;
        backup(&writer, &image).await;
    }
    writer.forget(&[1, 2, 3, 4, 5].map(RecordNo)).await.expect("forgets");
    // Six days after the first was taken, one after the last.
    host.advance(DAY * 7);
    let options = CollectOptions::default().with_times(Duration::ZERO, Duration::ZERO);
    let floor = |snapshots, days| options.with_floor(snapshots, DAY * days);
    let plan = async |options| {
        let plan = writer.would_collect(options).await.expect("plans");
        plan.dropped.iter().map(|number| number.0).collect::<Vec<_>>()
    };
    assert_eq!(plan(floor(3, 0)).await, [1, 2, 3]);
    assert_eq!(plan(floor(0, 5)).await, [1, 2]);
    assert_eq!(plan(floor(6, 0)).await, [0; 0]);
    assert_eq!(plan(floor(0, 0)).await, [1, 2, 3, 4, 5]);
    // A clock set back makes nothing older.
    *host.clock.lock().expect("never poisoned") -= DAY * 20;
    assert_eq!(plan(floor(0, 1)).await, [0; 0]);
}

/// A snapshot whose record is damaged can be forgotten and collected; until
/// then nobody knows what it needs, and nothing is deleted.
#[tokio::test]
async fn a_damaged_record_in_the_trash() {
    let world = World::new();
    let host = Host::new("a");
    let writer = host.create(world.client("W")).await;
    let mut image = Image::new(100);
    for round in 0..4 {
        (0..100).for_each(|page| image.write(page, round * 1000 + u64::from(page)));
        image = image.later(1);
        backup(&writer, &image).await;
    }
    let key = "databases/app/records/00000000000000000002";
    world.change(key, |bytes| bytes[60] ^= 1).await;
    host.advance(DAY);
    let error = writer.collect(at_once()).await.expect_err("what it needs is not known");
    assert!(error.to_string().contains(key), "{error}");
    assert_eq!(world.count(Op::Delete), 0);
    writer.forget(&[RecordNo(2)]).await.expect("forgets");
    let done = writer.collect(at_once()).await.expect("collects");
    assert_eq!((done.dropped.len(), done.deleted.len()), (1, 1));
    assert_eq!(check_all_restore(&writer).await, 3);
}

/// Memory does not grow with what is pruned: the peak of a process of its own,
/// which is this test binary once more, that prunes a thousand snapshots.
#[tokio::test]
async fn memory_of_a_thousand_snapshots() {
    const PLACE: &str = "LIFEBOAT_TEST_PRUNE_AT";
    if let Some(place) = std::env::var_os(PLACE) {
        prune_at(std::path::Path::new(&place)).await;
        return;
    }
    let dir = directory();
    let store = dir.path().join("store");
    let remote = Remote::open_or_create(store.to_str().expect("UTF-8")).expect("opens");
    let local = LocalOptions::new(dir.path().join("state"), dir.path().join("cache"));
    let local = Local::open(local).with_clock(Arc::new(|| NOON));
    let writer = Repository::create(remote, local).await.expect("creates").database(name());
    let mut image = Image::new(8);
    for n in 0..1000 {
        image.write(n % 8, 1_000_000 + u64::from(n));
        image = image.later(1);
        writer.backup(image.clone(), options()).await.expect("backs up");
    }
    let gone: Vec<RecordNo> = (1..=990).map(RecordNo).collect();
    writer.forget(&gone).await.expect("forgets");
    let this = std::env::current_exe().expect("the test has a path");
    let ran = std::process::Command::new(this)
        .args(["--exact", "pruning::memory_of_a_thousand_snapshots", "--nocapture"])
        .env(PLACE, dir.path())
        .output()
        .expect("runs");
    let out = String::from_utf8_lossy(&ran.stdout).into_owned();
    assert!(ran.status.success(), "{out} {}", String::from_utf8_lossy(&ran.stderr));
    let peak = out.lines().find_map(|line| line.strip_prefix("peak KiB: "));
    let peak: u64 = peak.expect("is said").parse().expect("a number");
    eprintln!("peak: {peak} KiB");
    assert!(peak <= 64 * 1024, "{peak} KiB");
    let listing = writer.snapshots(None).await.expect("lists");
    assert_eq!((listing.snapshots.len(), listing.trash.len()), (10, 0));
}

async fn prune_at(place: &std::path::Path) {
    let remote = Remote::open(place.join("store").to_str().expect("UTF-8")).expect("opens");
    let local = LocalOptions::new(place.join("state"), place.join("cache"));
    let local = Local::open(local).with_clock(Arc::new(|| NOON + DAY * 3000));
    let database = Repository::open(remote, local).await.expect("opens").database(name());
    let done = database.collect(CollectOptions::default()).await.expect("collects");
    assert_eq!(done.dropped.len(), 990);
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux says it");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("is there");
    // A new line first: the test runner has begun one.
    println!("\npeak KiB: {}", peak.trim().trim_end_matches(" kB"));
}

/// What killed writers left in a directory goes with the next backup that writes
/// something, with a collection, and when a repository is made; what may still be
/// written stays, and so does what is not ours.
#[tokio::test]
async fn what_killed_writers_left() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let remote = || Remote::open(folder.path().to_str().expect("UTF-8")).expect("opens");
    let host = Host::new("a");
    let put = |name: &str, age: Duration| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().expect("has one")).expect("makes it");
        std::fs::write(&path, b"half").expect("writes");
        let file = std::fs::File::options().write(true).open(&path).expect("opens");
        file.set_modified((NOON - age).into()).expect("is ours");
    };
    let there = |name: &str| folder.path().join(name).exists();
    put("keys/1#1", DAY * 4);
    put("photos/p#1", DAY * 4);
    let writer = host.create(remote()).await;
    assert!(!there("keys/1#1") && there("photos/p#1"));
    let mut image = Image::new(8);
    for by_backup in [true, false] {
        put("databases/app/packs/1#1", DAY * 4);
        put("databases/app/records/2#7", DAY * 3 + Duration::from_secs(1));
        put("databases/app/packs/live#1", DAY * 3 - Duration::from_secs(1));
        put("databases/app/packs/future#1", Duration::ZERO);
        put("databases/other/packs/1#1", DAY * 4);
        if by_backup {
            image.write(1, 1);
            backup(&writer, &image).await;
        } else {
            writer.collect(CollectOptions::default()).await.expect("collects");
        }
        assert!(!there("databases/app/packs/1#1") && !there("databases/app/records/2#7"));
        assert!(there("databases/app/packs/live#1") && there("databases/app/packs/future#1"));
        assert!(there("databases/other/packs/1#1"), "another database's backup does that");
    }
    // Where nothing is written nothing is looked through.
    put("databases/app/packs/1#1", DAY * 4);
    let again = writer.backup(image.clone(), options()).await.expect("looks");
    assert!(again.report.unchanged && there("databases/app/packs/1#1"));
}
