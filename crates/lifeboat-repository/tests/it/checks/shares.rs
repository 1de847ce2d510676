//! Parts, budgets, and what may be called verified.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use lifeboat_format::check::CheckKind;
use lifeboat_repository::{Local, LocalOptions};
use lifeboat_testing::script::Op;

use super::*;
use crate::image::NOON;

/// A repository with many packs.
async fn many_packs(world: &World) -> (Host, Database) {
    let host = Host::new("a");
    let database = host.create(world.client("W")).await;
    let mut image = Image::new(60);
    for n in 0..40 {
        image.write(n, 1_000_000 + u64::from(n));
        image = image.later(1);
        database.backup(image.clone(), options()).await.expect("backs up");
    }
    (host, database)
}

async fn verified(database: &Database) -> usize {
    let listing = database.snapshots(None).await.expect("lists");
    let numbers = listing.snapshots.iter().map(|snapshot| snapshot.number()).collect();
    let proofs = database.proofs(&numbers).await.expect("reads");
    numbers.iter().filter(|number| proofs.of(*number).verified_at.is_some()).count()
}

/// Results that end within one second are heard in their order all the same: the
/// last one counts, whether it found damage or none.
#[tokio::test]
async fn many_checks_within_a_second() {
    let world = World::new();
    let host = Host::new("a");
    let database = host.create(world.client("W")).await;
    database.backup(Image::new(60), options()).await.expect("backs up");
    let listing = database.snapshots(None).await.expect("lists");
    let numbers = listing.snapshots.iter().map(|snapshot| snapshot.number()).collect();
    let pack = world.keys("databases/").await.into_iter().find(|key| key.contains("/packs/"));
    let pack = pack.expect("there is one");
    for n in 0..16 {
        host.advance(Duration::from_millis(10));
        let report = database.check(&CheckOptions::of_depth(ALL)).await.expect("checks");
        assert_eq!(report.is_ok(), n % 2 == 0);
        let proofs = database.proofs(&numbers).await.expect("reads");
        let damaged = proofs.snapshots.values().any(|proof| proof.damage.is_some());
        assert_eq!(damaged, n % 2 == 1, "after check {n}");
        world.change(&pack, |bytes| bytes[150] ^= 1).await;
    }
}

/// A check that reads nothing does not say verified, whatever it looked at.
#[tokio::test]
async fn what_was_not_read_is_not_verified() {
    let world = World::new();
    let (_host, database) = many_packs(&world).await;
    for depth in [Depth::References, Depth::Presence, Depth::Data(Share::Bytes(0))] {
        let report = database.check(&CheckOptions::of_depth(depth)).await.expect("checks");
        assert!(report.is_ok() && report.verified.is_empty(), "{depth:?}");
        assert_eq!((report.result.objects_read, report.result.bytes_read), (0, 0));
        assert_eq!(verified(&database).await, 0, "{depth:?}");
    }
    let report = database.check(&CheckOptions::of_depth(ALL)).await.expect("checks");
    assert_eq!(report.verified.len(), 40);
    assert_eq!(report.result.bytes_read, report.bytes);
    assert_eq!(verified(&database).await, 40);
    // A database without snapshots has nothing that could be verified.
    let empty = database.repository().database("none".to_owned().try_into().expect("valid"));
    let report = empty.check(&CheckOptions::of_depth(ALL)).await.expect("checks");
    assert!(report.verified.is_empty() && report.key.is_none());
}

/// Parts of a number: each object is read in exactly one of them, and only all
/// of them together verify anything.
#[tokio::test]
async fn parts() {
    let world = World::new();
    let (_host, database) = many_packs(&world).await;
    let mut read = Vec::new();
    for n in 1..=5 {
        assert_eq!(verified(&database).await, 0, "before part {n}");
        world.clear_calls();
        let depth = Depth::Data(Share::Part { n, of: 5 });
        let report = database.check(&CheckOptions::of_depth(depth)).await.expect("checks");
        assert!(report.complete && report.verified.is_empty());
        let packs = world
            .calls()
            .into_iter()
            .filter(|call| call.op == Op::Get && call.key.contains("/packs/"));
        read.extend(packs.map(|call| call.key));
    }
    read.sort();
    assert_eq!(read, world.keys("/packs/").await, "each pack is read once");
    assert_eq!(verified(&database).await, 40);
}

/// A share goes on where the last one stopped, and comes to an end.
#[tokio::test]
async fn shares_resume() {
    for share in [Share::Percent(13.0), Share::Bytes(90_000)] {
        let world = World::new();
        let (host, database) = many_packs(&world).await;
        world.clear_calls();
        let mut runs = 0;
        while verified(&database).await < 40 {
            host.advance(Duration::from_secs(3600));
            let options = CheckOptions::of_depth(Depth::Data(share));
            let report = database.check(&options).await.expect("checks");
            assert!(report.result.bytes_read < report.bytes * 2 / 3, "only a share");
            runs += 1;
            assert!(runs < 40, "{share:?} does not end");
        }
        assert!(runs > 3, "{share:?}: {runs}");
        let mut read: Vec<String> = world
            .calls()
            .into_iter()
            .filter(|call| call.op == Op::Get && call.key.contains("/packs/"))
            .map(|call| call.key)
            .collect();
        let reads = read.len();
        read.sort();
        read.dedup();
        assert_eq!(read, world.keys("/packs/").await);
        // The last run comes round to the first objects: at most a share more.
        assert!(reads < read.len() + 24, "{reads} reads of {} packs", read.len());
        // As old as the oldest part that counts.
        let number = RecordNo(1);
        let numbers = std::iter::once(number).collect();
        let proof = database.proofs(&numbers).await.expect("reads").of(number);
        assert!(proof.verified_at.is_some_and(|at| at <= NOON + Duration::from_secs(3600 * 2)));
    }
}

/// A budget of time: no object is begun after it, and the next run goes on. The
/// clock of this installation runs on with every look at it.
#[tokio::test]
async fn a_budget_of_time() {
    let world = World::new();
    let (_writer, _) = many_packs(&world).await;
    let dir = tempfile::tempdir().expect("a temporary directory");
    let seconds = Arc::new(AtomicI64::new(0));
    let clock = Arc::clone(&seconds);
    let local = Local::open(LocalOptions::new(dir.path().join("s"), dir.path().join("c")))
        .with_clock(Arc::new(move || {
            NOON + time::Duration::seconds(clock.fetch_add(1, Ordering::Relaxed))
        }));
    let repository = Repository::open(world.client("C"), local).await.expect("opens");
    let database = repository.database(name());
    let mut options = CheckOptions::of_depth(ALL);
    options.max_duration = Some(Duration::from_secs(12));
    let mut runs = 0;
    while verified(&database).await < 40 {
        let report = database.check(&options).await.expect("checks");
        assert!((1..=12).contains(&report.result.objects_read), "{report:?}");
        assert!(!report.complete && report.verified.is_empty());
        runs += 1;
        assert!(runs < 20);
    }
    assert!(runs > 2);
}

/// What was proven once is proven no more when damage is found, and is again
/// when it is whole and was read again.
#[tokio::test]
async fn damage_ends_a_proof() {
    let world = World::new();
    let (host, database) = many_packs(&world).await;
    let all = CheckOptions::of_depth(ALL);
    database.check(&all).await.expect("checks");
    let key = world.keys("/packs/").await.remove(0);
    world.change(&key, |bytes| bytes[100] ^= 1).await;
    host.advance(Duration::from_secs(60));
    let report = database.check(&all).await.expect("checks");
    assert!(!report.broken.is_empty());
    assert_eq!(report.broken.len() + report.verified.len(), 40);
    assert_eq!(verified(&database).await as u64, report.verified.len());
    let broken = report.broken.iter().next().expect("one");
    let proof = database.proofs(&report.broken).await.expect("reads").of(broken);
    assert!(proof.damage.is_some_and(|what| what.contains("packs/")));
    world.change(&key, |bytes| bytes[100] ^= 1).await;
    host.advance(Duration::from_secs(60));
    database.check(&all).await.expect("checks");
    assert_eq!(verified(&database).await, 40);
    assert_eq!(report.result.kind, CheckKind::Check);
}

/// Each prefix is listed once, each record and list is read once or twice, and
/// each pack once.
#[tokio::test]
async fn calls_of_a_check() {
    let world = World::new();
    let (_host, database) = many_packs(&world).await;
    let packs = world.keys("/packs/").await.len();
    world.clear_calls();
    database.check(&CheckOptions::default()).await.expect("checks");
    assert!(world.count(Op::List) <= 8, "{}", world.count(Op::List));
    assert!(world.count(Op::Get) <= 45, "{}", world.count(Op::Get));
    world.clear_calls();
    database.check(&CheckOptions::of_depth(ALL)).await.expect("checks");
    let gets = world.calls();
    let gets = gets.iter().filter(|call| call.op == Op::Get && call.key.contains("/packs/"));
    assert_eq!(gets.count(), packs);
}
