//! The rules of the record log, under the schedules that broke the designs
//! before it: every test names the rule that it would miss.

use std::sync::Arc;
use std::time::Duration;

use lifeboat_format::numbers::RecordNo;
use lifeboat_repository::{
    BackupError, CollectOptions, Database, Ownership, ReadError, RestoreOptions, Selector,
    WriteError,
};

use lifeboat_testing::script::{Op, World};

use crate::image::{Image, Restored};

use crate::world::{Host, backup, check_all_restore, check_restores, name, options, resolve};

const LATEST: Selector = Selector::Latest(0);
const DAY: Duration = Duration::from_secs(24 * 3600);

fn at_once() -> CollectOptions {
    CollectOptions::default()
        .with_times(Duration::ZERO, Duration::ZERO)
        .with_floor(0, Duration::ZERO)
}

/// The same image with another page changed, taken later.
fn next(image: &Image, page: u32) -> Image {
    let mut image = image.clone().later(1);
    image.write(page, 1_000_000 + u64::from(page));
    image
}

async fn client(world: &World, host: &Host, name_of_client: &str) -> Database {
    host.open(world.client(name_of_client)).await
}

/// R2, R3: a collector that lists between a slow writer's upload and its commit
/// must not take its packs, or the writer must notice.
#[tokio::test]
async fn a_slow_writer_and_a_collector() {
    let world = World::new();
    let host = Host::new("a");
    let writer = host.create(world.client("W")).await;
    let first = Image::new(300);
    backup(&writer, &first).await;

    let second = next(&first, 7);
    let pause = world.pause("W", Op::Put, "records/");
    let slow = tokio::spawn({
        let (writer, second) = (writer.clone(), second.clone());
        async move { writer.backup(second, options()).await }
    });
    pause.reached().await;
    let collected = client(&world, &host, "G").await.collect(at_once()).await.expect("collects");
    assert_eq!(collected.deleted.len(), 1, "the pack that no record names yet");
    pause.release();
    let report = slow.await.expect("ends").expect("backs up").report;
    assert_eq!(report.number.0, 3, "after the first snapshot and the collection");
    check_restores(&writer, &LATEST, &second).await;
    assert_eq!(check_all_restore(&writer).await, 2);
}

/// R2: a collector that was about to commit when the writer did must plan anew.
#[tokio::test]
async fn a_slow_collector_and_a_writer() {
    let world = World::new();
    let host = Host::new("a");
    let writer = host.create(world.client("W")).await;
    let first = Image::new(300);
    backup(&writer, &first).await;

    let second = next(&first, 7);
    let commit = world.pause("W", Op::Put, "records/");
    let slow_writer = tokio::spawn({
        let (writer, second) = (writer.clone(), second.clone());
        async move { writer.backup(second, options()).await }
    });
    commit.reached().await;
    let collect = world.pause("G", Op::Put, "records/");
    let collector = client(&world, &host, "G").await;
    let slow_collector = tokio::spawn(async move { collector.collect(at_once()).await });
    collect.reached().await;
    commit.release();
    slow_writer.await.expect("ends").expect("backs up");
    collect.release();
    let collected = slow_collector.await.expect("ends").expect("collects");
    assert_eq!(collected.deleted, [""; 0], "everything is named by a record now");
    check_restores(&writer, &LATEST, &second).await;
}

/// R1, R2: a listing that is stale names too little; nothing is concluded from
/// what it does not show.
#[tokio::test]
async fn a_collector_with_a_stale_listing() {
    let world = World::new();
    let host = Host::new("a");
    let writer = host.create(world.client("W")).await;
    let mut image = Image::new(300);
    backup(&writer, &image).await;
    world.freeze_listings("G").await;
    for page in 0..5 {
        image = next(&image, page);
        backup(&writer, &image).await;
    }
    client(&world, &host, "G").await.collect(at_once()).await.expect("collects");
    assert_eq!(check_all_restore(&writer).await, 6);
}

/// R1: a number is taken for good. A writer that slept through the forgetting
/// and collection of a snapshot does not get its number.
#[tokio::test]
async fn no_hole_is_filled_by_a_paused_writer() {
    let world = World::new();
    let host = Host::new("a");
    let writer = host.create(world.client("W")).await;
    let first = Image::new(300);
    backup(&writer, &first).await;

    let slept = next(&first, 3);
    let pause = world.pause("W", Op::Put, "records/");
    let sleeper = tokio::spawn({
        let (writer, slept) = (writer.clone(), slept.clone());
        async move { writer.backup(slept, options()).await }
    });
    pause.reached().await;
    let other = client(&world, &host, "Z").await;
    let second = next(&first, 4);
    backup(&other, &second).await;
    let third = next(&second, 5);
    backup(&other, &third).await;
    other.forget(&[RecordNo(2)]).await.expect("forgets");
    other.collect(at_once()).await.expect("collects");
    pause.release();
    let report = sleeper.await.expect("ends").expect("backs up").report;
    assert!(report.number > RecordNo(4), "{}", report.number);
    check_all_restore(&writer).await;
    let listing = writer.snapshots(None).await.expect("lists");
    let newest = listing.snapshots.last().expect("some").number();
    assert_eq!(newest, report.number, "latest is the one committed last");
}

/// R5: a cache that is newer than the store (the store was set back) decides
/// nothing.
#[tokio::test]
async fn a_cache_that_is_newer_than_the_store() {
    let world = World::new();
    let host = Host::new("a");
    let writer = host.create(world.client("W")).await;
    let first = Image::new(300);
    backup(&writer, &first).await;
    let second = next(&first, 3);
    backup(&writer, &second).await;
    for key in world.keys("records/00000000000000000002").await {
        world.remove(&key).await;
    }
    let error = writer.backup(second.clone(), options()).await.expect_err("set back");
    let rolled_back = matches!(
        error,
        BackupError::Write(WriteError::Read(ReadError::RolledBack {
            seen: RecordNo(2),
            newest: Some(RecordNo(1)),
        }))
    );
    assert!(rolled_back, "{error}");
    // Somebody says that it is meant: the cache of record 2 must not be used.
    let mut meant = options();
    meant.expect = Some(RecordNo(1));
    let report = writer.backup(second.clone(), meant).await.expect("backs up").report;
    assert_eq!((report.unchanged, report.pages_changed), (false, 1));
    check_restores(&writer, &LATEST, &second).await;
}

/// R4: the answer to the commit is lost; the record is there, once.
#[tokio::test]
async fn a_lost_answer_is_one_snapshot() {
    let world = World::new();
    let host = Host::new("a");
    let writer = host.create(world.client("W")).await;
    let image = Image::new(300);
    for key in ["records/", "packs/"] {
        world.lose_answer("W", Op::Put, key);
    }
    backup(&writer, &image).await;
    assert_eq!(world.keys("records/").await.len(), 1);
    assert_eq!(check_all_restore(&writer).await, 1);
}

/// R4, R6: the commit is applied, its answer is lost and so is the read that
/// would tell. The next run knows the record as its own and goes on.
#[tokio::test]
async fn a_commit_of_unknown_fate() {
    let world = World::new();
    let host = Host::new("a");
    let writer = host.create(world.client("W")).await;
    let first = Image::new(300);
    backup(&writer, &first).await;
    let second = next(&first, 3);
    world.lose_answer("W", Op::Put, "records/");
    world.fail("W", Op::Get, "records/00000000000000000002", 1);
    writer.backup(second.clone(), options()).await.expect_err("nobody knows");
    let third = next(&second, 4);
    let report = backup(&writer, &third).await;
    assert_eq!((report.number, report.pages_changed), (RecordNo(3), 1));
    assert_eq!(check_all_restore(&writer).await, 3);
}

/// R6: who was superseded while it uploaded has lost, and says so.
#[tokio::test]
async fn an_old_owner_wakes_after_a_take_over() {
    let world = World::new();
    let (old, new) = (Host::new("old"), Host::new("new"));
    let writer = old.create(world.client("W")).await;
    let first = Image::new(300);
    backup(&writer, &first).await;

    let pause = world.pause("W", Op::Put, "records/");
    let sleeper = tokio::spawn({
        let (writer, image) = (writer.clone(), next(&first, 3));
        async move { writer.backup(image, options()).await }
    });
    pause.reached().await;
    let successor = client(&world, &new, "T").await;
    let second = next(&first, 4);
    let refused = successor.backup(second.clone(), options()).await.expect_err("held");
    let BackupError::Write(WriteError::HeldByOther { number, .. }) = refused else {
        panic!("{refused}");
    };
    let mut taking = options();
    taking.ownership = Ownership::TakeOver(number);
    successor.backup(second.clone(), taking.clone()).await.expect("takes over");
    pause.release();
    let error = sleeper.await.expect("ends").expect_err("superseded");
    assert!(matches!(error, BackupError::Write(WriteError::HeldByOther { .. })), "{error}");
    check_restores(&successor, &LATEST, &second).await;
    // The same words do not work twice.
    let error = writer.backup(second, taking).await.expect_err("used up");
    assert!(matches!(error, BackupError::Write(WriteError::HeldByOther { .. })), "{error}");
}

/// R6: an owner that restarts after a take-over finds out before it uploads.
#[tokio::test]
async fn a_restarted_owner_sends_nothing() {
    let world = World::new();
    let (old, new) = (Host::new("old"), Host::new("new"));
    let writer = old.create(world.client("W")).await;
    let first = Image::new(300);
    backup(&writer, &first).await;
    let mut adopting = options();
    adopting.ownership = Ownership::Adopt;
    let successor = client(&world, &new, "T").await;
    successor.backup(next(&first, 3), adopting).await.expect("takes over");
    world.take_calls();
    let error = writer.backup(next(&first, 4), options()).await.expect_err("superseded");
    assert!(matches!(error, BackupError::Write(WriteError::HeldByOther { .. })), "{error}");
    assert!(world.take_calls().iter().all(|call| call.op != Op::Put), "nothing was sent");
}

/// R6: a cloned machine has the id, and not the memory.
#[tokio::test]
async fn a_twin_is_stopped() {
    let world = World::new();
    let (one, twin) = (Host::new("same"), Host::new("same"));
    let writer = one.create(world.client("W")).await;
    let first = Image::new(300);
    backup(&writer, &first).await;
    // The clone remembers what the original knew when it was cloned.
    let clone = client(&world, &twin, "T").await;
    clone.snapshots(None).await.expect("lists");
    let second = next(&first, 3);
    backup(&writer, &second).await;
    let error = clone.backup(next(&first, 4), options()).await.expect_err("a twin");
    let BackupError::Write(WriteError::Twin { number: RecordNo(2) }) = error else {
        panic!("{error}");
    };
}

/// R9: what a long upload has sent so far is safe from collection.
#[tokio::test]
async fn a_long_upload_writes_partial_records() {
    let world = World::new();
    let host = Host::new("a");
    let writer = host.create(world.client("W")).await;
    // Three packs; the time for a partial record comes after each.
    let image = Image::new(6000);
    let mut long = options();
    long.grace = DAY;
    let clock = Arc::clone(&host.clock);
    long.progress = Some(Arc::new(move |event| {
        if let lifeboat_repository::Event::Sent { .. } = event {
            *clock.lock().expect("never poisoned") += DAY / 4;
        }
    }));
    let pause = world.pause("W", Op::Put, "records/00000000000000000003");
    let slow = tokio::spawn({
        let (writer, image) = (writer.clone(), image.clone());
        async move { writer.backup(image, long).await }
    });
    pause.reached().await;
    let collector = client(&world, &host, "G").await;
    assert!(collector.snapshots(None).await.expect("lists").snapshots.is_empty());
    world.age_all(DAY * 30).await;
    collector.collect(at_once()).await.expect("collects");
    pause.release();
    slow.await.expect("ends").expect("backs up");
    check_restores(&writer, &LATEST, &image).await;
}

/// R9: what an interrupted first backup has stored is used by the next.
#[tokio::test]
async fn an_interrupted_backup_goes_on() {
    for crash_after in 0..4 {
        let world = World::new();
        let host = Host::new("a");
        let writer = host.create(world.client("W")).await;
        let image = Image::new(6000);
        world.crash_after("W", crash_after);
        writer.backup(image.clone(), options()).await.expect_err("dies");
        let stored = world.keys("packs/").await.len();
        world.revive("W");
        let report = backup(&writer, &image).await;
        assert_eq!(report.packs_resumed, crash_after as u64, "dead after {crash_after}");
        assert!(stored >= crash_after && world.keys("packs/").await.len() <= 3);
    }
}

/// R3: packs of an interrupted run that were collected meanwhile are not used.
#[tokio::test]
async fn condemned_leftovers_are_sent_again() {
    let world = World::new();
    let host = Host::new("a");
    let writer = host.create(world.client("W")).await;
    let small = Image::new(10);
    backup(&writer, &small).await;
    let image = Image::new(6000).later(1);
    world.crash_after("W", 2);
    writer.backup(image.clone(), options()).await.expect_err("dies");
    world.revive("W");
    let collected = client(&world, &host, "G").await.collect(at_once()).await.expect("collects");
    assert_eq!(collected.deleted.len(), 2);
    let report = backup(&writer, &image).await;
    assert_eq!(report.packs_resumed, 0);
    assert_eq!(check_all_restore(&writer).await, 2);
}

/// R10: a damaged newest record is a burnt number, and an alarm.
#[tokio::test]
async fn a_damaged_newest_record() {
    let world = World::new();
    let host = Host::new("a");
    let writer = host.create(world.client("W")).await;
    let first = Image::new(300);
    backup(&writer, &first).await;
    let second = next(&first, 3);
    backup(&writer, &second).await;
    let key = world.keys("records/00000000000000000002").await.remove(0);
    world.change(&key, |bytes| bytes[40] ^= 1).await;

    let error = writer.resolve(&LATEST, None).await.expect_err("the latest is damaged");
    assert!(matches!(error, lifeboat_repository::ResolveError::Read(e) if e.is_damage()));
    let listing = writer.snapshots(None).await.expect("lists");
    assert_eq!((listing.snapshots.len(), listing.burnt), (1, vec![RecordNo(2)]));

    let third = next(&second, 4);
    let report = writer.backup(third.clone(), options()).await.expect("backs up").report;
    assert_eq!((report.number, report.damaged_records), (RecordNo(3), vec![RecordNo(2)]));
    assert_eq!(report.pages_changed, 300, "only what is sent anew is sure to stay");
    check_restores(&writer, &LATEST, &third).await;
    assert_eq!(check_all_restore(&writer).await, 2);
}

/// R10: a record that cannot be fetched is an error, not damage.
#[tokio::test]
async fn a_transport_error_is_not_damage() {
    let world = World::new();
    let host = Host::new("a");
    let writer = host.create(world.client("W")).await;
    let first = Image::new(300);
    backup(&writer, &first).await;
    for op in [Op::Get, Op::Head] {
        world.fail("W", op, "records/", 1);
        let error = writer.backup(next(&first, 3), options()).await.expect_err("fails");
        let transport = matches!(error, BackupError::Write(WriteError::Read(ReadError::Remote(_))));
        assert!(transport, "{error}");
    }
    assert_eq!(world.keys("records/").await.len(), 1);
}

/// Undelete and pin race with a collector: whoever was acknowledged has it.
#[tokio::test]
async fn undelete_and_pin_race_with_a_collector() {
    for pin in [false, true] {
        let world = World::new();
        let host = Host::new("a");
        let writer = host.create(world.client("W")).await;
        let mut image = Image::new(300);
        for page in 0..4 {
            image = next(&image, page);
            backup(&writer, &image).await;
        }
        // Snapshots that were taken in the future would be kept.
        host.advance(DAY);
        let two = [RecordNo(2)];
        if !pin {
            writer.forget(&two).await.expect("forgets");
        }
        let collect = world.pause("G", Op::Put, "records/");
        let collector = client(&world, &host, "G").await;
        writer.forget(&[RecordNo(1)]).await.expect("forgets");
        let slow = tokio::spawn(async move { collector.collect(at_once()).await });
        collect.reached().await;
        if pin {
            writer.pin(&two).await.expect("pins");
        } else {
            writer.undelete(&two).await.expect("comes back");
        }
        collect.release();
        slow.await.expect("ends").expect("collects");
        assert_eq!(check_all_restore(&writer).await, 3);
        let listing = writer.snapshots(None).await.expect("lists");
        assert!(listing.snapshots.iter().any(|s| s.number() == RecordNo(2)));
    }
}

/// The latest and the pinned are never forgotten; the trash is emptied late.
#[tokio::test]
async fn what_may_be_forgotten() {
    let world = World::new();
    let host = Host::new("a");
    let writer = host.create(world.client("W")).await;
    let mut image = Image::new(300);
    for page in 0..3 {
        image = next(&image, page);
        backup(&writer, &image).await;
    }
    writer.pin(&[RecordNo(1)]).await.expect("pins");
    for number in [RecordNo(1), RecordNo(3), RecordNo(9)] {
        let error = writer.forget(&[number]).await.expect_err("not this one");
        assert!(matches!(error, WriteError::NotPossible { .. }), "{error}");
    }
    writer.forget(&[RecordNo(2)]).await.expect("forgets");
    let kept = writer.collect(CollectOptions::default()).await.expect("collects");
    assert_eq!(kept.dropped, []);
    host.advance(DAY * 8);
    let kept = writer.collect(CollectOptions::default()).await.expect("collects");
    assert_eq!(kept.dropped, [], "the floor: the three newest stay");
    let dropped = writer.collect(at_once()).await.expect("collects");
    assert_eq!(dropped.dropped, [RecordNo(2)]);
    assert_eq!(check_all_restore(&writer).await, 2);
}

/// Killed at every change it makes to the store, a collection leaves every
/// living snapshot whole, and the next one finishes the work.
#[tokio::test]
async fn a_collection_killed_at_every_step() {
    for crash_after in 0..8 {
        let world = World::new();
        let host = Host::new("a");
        let writer = host.create(world.client("W")).await;
        let mut image = Image::new(100);
        for round in 0..6 {
            for page in 0..100 {
                image.write(page, round * 1000 + u64::from(page));
            }
            image = image.later(1);
            backup(&writer, &image).await;
        }
        writer.forget(&[1, 2, 3].map(RecordNo)).await.expect("forgets");
        // Snapshots that were taken in the future would be kept.
        host.advance(DAY);
        let collector = client(&world, &host, "G").await;
        world.crash_after("G", crash_after);
        let _ = collector.collect(at_once()).await;
        assert_eq!(check_all_restore(&writer).await, 3, "killed after {crash_after}");
        world.revive("G");
        collector.collect(at_once()).await.expect("collects");
        assert_eq!(check_all_restore(&writer).await, 3);
        assert_eq!(world.keys("packs/").await.len(), 3);
    }
}

/// R7: a copy is a commit of its destination, with its own number.
#[tokio::test]
async fn copies_have_numbers_of_their_own() {
    let (primary, fallback) = (World::new(), World::new());
    let host = Host::new("a");
    let from = host.create(fallback.client("F")).await;
    let replica = from.repository().replicate(primary.client("P")).await.expect("replicates");
    let to = replica.database(name());
    let first = Image::new(300);
    backup(&to, &first).await;
    let mut image = first.clone();
    for page in 0..3 {
        image = next(&image, page);
        backup(&from, &image).await;
    }
    let snapshot = resolve(&from, &LATEST).await;
    let number = to.copy_from(&from, &snapshot, &Ownership::Refuse).await.expect("copies");
    assert_eq!(number, RecordNo(2));
    let again = to.copy_from(&from, &snapshot, &Ownership::Refuse).await.expect("is there");
    assert_eq!(again, number);
    let there = resolve(&to, &Selector::Prefix(snapshot.id().to_string())).await;
    assert_eq!(there.body(), snapshot.body());
    let (restored, _) = to
        .restore(&there, Restored::default(), &RestoreOptions::default())
        .await
        .expect("restores");
    assert!(restored.finish() == image.bytes);
    // A repository of its own is no destination of this one.
    let stranger = host.create(World::new().client("S")).await;
    let refused = stranger.copy_from(&from, &snapshot, &Ownership::Refuse).await;
    assert!(matches!(refused, Err(WriteError::OtherRepository { .. })));
    // The next backup there is compared with the copy.
    let report = backup(&to, &next(&image, 9)).await;
    assert_eq!(report.pages_changed, 1);
}

/// Two processes of one installation back up at once: both end well.
#[tokio::test]
async fn two_writers_at_once() {
    let world = World::new();
    let host = Host::new("a");
    let one = host.create(world.client("W")).await;
    let other = client(&world, &host, "Z").await;
    let mut image = Image::new(300);
    backup(&one, &image).await;
    for round in 0..10 {
        let [mine, theirs] = [next(&image, round), next(&image, 100 + round)];
        let (a, b) = tokio::join!(
            one.backup(mine.clone(), options()),
            other.backup(theirs.clone(), options())
        );
        for result in [a, b] {
            let contention =
                matches!(result, Err(BackupError::Write(WriteError::Contention { .. })));
            assert!(result.is_ok() || contention, "{result:?}");
        }
        image = next(&theirs, 200);
    }
    check_all_restore(&one).await;
}

/// A missing pack, a flipped byte and a cut are each named, and no image comes
/// out of them.
#[tokio::test]
async fn damage_is_named() {
    let world = World::new();
    let host = Host::new("a");
    let writer = host.create(world.client("W")).await;
    let image = Image::new(300);
    backup(&writer, &image).await;
    let key = world.keys("packs/").await.remove(0);
    let whole = world.client("x").get(&key, u64::MAX).await.expect("reads").expect("is there");
    let set = |bytes: Vec<u8>| world.change(&key, |now| *now = bytes);
    let error = || async {
        let snapshot = resolve(&writer, &LATEST).await;
        let result =
            writer.restore(&snapshot, Restored::default(), &RestoreOptions::default()).await;
        let error = result.map(|_| ()).expect_err("damaged");
        let lifeboat_repository::RestoreError::Read(error) = error else { panic!("{error}") };
        assert!(error.is_damage() && error.to_string().contains(&key), "{error}");
    };
    for at in [20, whole.len() / 2, whole.len() - 5, whole.len() - 100] {
        let mut bad = whole.to_vec();
        bad[at] ^= 1;
        set(bad).await;
        error().await;
    }
    for len in [0, 1, 31, whole.len() / 2, whole.len() - 1] {
        set(whole[..len].to_vec()).await;
        error().await;
    }
    world.remove(&key).await;
    error().await;
    assert_eq!(name().as_str(), "app");
}

/// What each operation costs in calls.
#[tokio::test]
async fn calls_are_counted() {
    let world = World::new();
    let host = Host::new("a");
    let writer = host.create(world.client("W")).await;
    let image = Image::new(300);
    backup(&writer, &image).await;
    let second = next(&image, 3);
    world.take_calls();
    writer.backup(second.clone(), options()).await.expect("backs up");
    let calls: Vec<Op> = world.take_calls().iter().map(|call| call.op).collect();
    assert_eq!(calls, [Op::Get, Op::Head, Op::Get, Op::Put, Op::Put]);
    writer.backup(second, options()).await.expect("unchanged");
    let calls: Vec<Op> = world.take_calls().iter().map(|call| call.op).collect();
    assert_eq!(calls, [Op::Get, Op::Head, Op::Get]);
}
