//! Epochs, seals and owners (rule R8): the schedules of the model that broke simpler
//! rules, named as there.

use bytes::Bytes;
use lifeboat_format::log::{CommitNo, SegmentNo};
use lifeboat_format::numbers::RecordNo;
use lifeboat_repository::{BackupError, Ownership, ReadError, WriteError};
use lifeboat_testing::script::{Op, World};

use super::{Writer, next};
use crate::image::Image;
use crate::world::{Host, options};

fn adopting() -> lifeboat_repository::BackupOptions {
    let mut options = options();
    options.ownership = Ownership::Adopt;
    options
}

/// What a log says of itself, in short: open, next segment, next commit.
async fn end(database: &lifeboat_repository::Database) -> (bool, u64, u64) {
    let end = database.log_end().await.expect("is found").expect("there is a log");
    (end.is_open, end.next.0, end.next_commit.0)
}

#[tokio::test]
async fn an_epoch_begins_with_a_snapshot_and_goes_on() {
    let world = World::new();
    let host = Host::new("a");
    let database = host.create(world.client("W")).await;
    assert_eq!(database.log_end().await.expect("is found"), None);
    let first = Image::new(30);
    let mut writer = Writer::begin(&database, 1);
    writer.snapshot(&first).await;
    assert_eq!(end(&database).await, (true, 1, 1));
    let second = next(&first, 3, 1);
    writer.add(&[(&second, &[3])]).await;
    writer.add(&[]).await;
    for drops_cache in [false, true] {
        if drops_cache {
            host.drop_cache();
        }
        let end = database.log_end().await.expect("is found").expect("there is a log");
        assert_eq!((end.is_open, end.epoch, end.next), (true, writer.epoch, SegmentNo(3)));
        assert_eq!((end.next_commit, end.mark), (CommitNo(2), b"after 1".to_vec()));
        assert_eq!(end.observed_until, Some(writer.now));
    }
    // Who restarts and can prove where it was sends nothing but segments.
    let mut again = Writer::resume(&database).await;
    let third = next(&second, 4, 2);
    again.add(&[(&third, &[4])]).await;
    assert_eq!(end(&database).await, (true, 4, 3));
    // A snapshot in an epoch that is open says where it stands, and opens none.
    let report = again.snapshot(&third).await;
    let snapshots = database.snapshots(None).await.expect("lists").snapshots;
    let place = snapshots.last().and_then(|snapshot| snapshot.body().log).expect("is placed");
    assert_eq!((place.epoch, place.from, place.to), (writer.epoch, CommitNo(2), CommitNo(2)));
    assert_eq!(report.number, RecordNo(2));
    // Unchanged, and in the same epoch: no record.
    assert!(again.snapshot(&third).await.unchanged);
    // A snapshot by somebody who does not follow leaves the epoch open.
    database.backup(next(&third, 5, 9), options()).await.expect("backs up");
    assert_eq!(end(&database).await, (true, 4, 3));
}

/// A gap: another epoch is opened, though no page changed, and no page is sent for it.
#[tokio::test]
async fn a_gap_ends_an_epoch() {
    let world = World::new();
    let host = Host::new("a");
    let database = host.create(world.client("W")).await;
    let mut first = Image::new(30);
    first.recognisable = true;
    let mut old = Writer::begin(&database, 1);
    old.snapshot(&first).await;
    let second = next(&first, 3, 1);
    old.add(&[(&second, &[3])]).await;
    old.snapshot(&second).await;
    world.take_calls();
    let mut new = Writer::begin(&database, 2);
    let report = new.snapshot(&second).await;
    assert!(!report.unchanged);
    let calls = world.take_calls();
    assert!(!calls.iter().any(|call| call.op == Op::Put && call.key.contains("packs/")));
    assert_eq!(end(&database).await, (true, 1, 2));
    new.add(&[(&next(&second, 4, 2), &[4])]).await;
    // The record names the seal of the epoch before: nothing comes after it.
    let late = old.write(&[(&second, &[5])]);
    let error = old.append(&late).await.expect_err("is ended");
    assert!(matches!(error, WriteError::EpochEnded { segment: Some(SegmentNo(2)), .. }), "{error}");
    let error = database.backup(second.clone(), old.following(options())).await;
    let error = error.expect_err("is ended");
    assert!(matches!(error, BackupError::Write(WriteError::EpochEnded { .. })), "{error}");
    assert_eq!(end(&database).await, (true, 2, 3));
}

/// L1: the record of the take-over comes first, then the seal. What the owner before
/// adds in between counts, since nobody was told yet; after it, it stops.
#[tokio::test]
async fn a_take_over_seals_after_its_record() {
    let world = World::new();
    let (old, new) = (Host::new("old"), Host::new("new"));
    let database = old.create(world.client("A")).await;
    let first = Image::new(30);
    let mut writer = Writer::begin(&database, 1);
    writer.snapshot(&first).await;
    writer.add(&[(&next(&first, 1, 1), &[1])]).await;

    let pause = world.pause("B", Op::Put, "log/");
    let taking = tokio::spawn({
        let (successor, image) = (new.open(world.client("B")).await, next(&first, 2, 2).later(9));
        async move { successor.backup(image, adopting()).await }
    });
    pause.reached().await;
    assert_eq!(world.keys("records/").await.len(), 2, "the record is there");
    // Stopped before the seal: the owner before goes on, and is told so.
    writer.add(&[(&next(&first, 1, 3), &[1])]).await;
    pause.release();
    taking.await.expect("ends").expect("takes over");

    let late = writer.write(&[(&next(&first, 1, 4), &[1])]);
    let error = writer.append(&late).await.expect_err("was taken over");
    assert!(matches!(error, WriteError::EpochEnded { segment: Some(SegmentNo(3)), .. }), "{error}");
    let error = database.backup(first.clone(), writer.following(options())).await;
    let error = error.expect_err("was taken over");
    assert!(matches!(error, BackupError::Write(WriteError::HeldByOther { .. })), "{error}");
    assert_eq!(end(&database).await, (false, 4, 3), "what was acknowledged is there");
    // The successor's snapshot names the last segment.
    let body = world.read("records/00000000000000000003").await;
    let body = String::from_utf8_lossy(&body);
    assert!(body.contains("\"last\":{\"segment\":3,"), "{body}");
}

/// L1: who takes over dies between record and seal. Its next run seals before it
/// commits anything, or the owner before would go on for ever.
#[tokio::test]
async fn a_take_over_that_died_before_its_seal() {
    let world = World::new();
    let (old, new) = (Host::new("old"), Host::new("new"));
    let database = old.create(world.client("A")).await;
    let first = Image::new(30);
    let mut writer = Writer::begin(&database, 1);
    writer.snapshot(&first).await;
    writer.add(&[(&next(&first, 1, 1), &[1])]).await;
    let successor = new.open(world.client("B")).await;
    world.refuse("B", Op::Put, "log/");
    successor.backup(next(&first, 2, 2), adopting()).await.expect_err("dies");
    assert_eq!(world.keys("records/").await.len(), 2);
    writer.add(&[(&next(&first, 1, 2), &[1])]).await;
    world.revive("B");
    // Nothing of its own to say about the log: it seals all the same.
    successor.backup(next(&first, 2, 2), options()).await.expect("backs up");
    let late = writer.write(&[(&next(&first, 1, 3), &[1])]);
    let error = writer.append(&late).await.expect_err("was taken over");
    assert!(matches!(error, WriteError::EpochEnded { segment: Some(SegmentNo(3)), .. }), "{error}");
}

/// L2: an epoch is opened by a record and by nothing else.
#[tokio::test]
async fn segments_without_a_record_are_no_epoch() {
    let world = World::new();
    let (old, new) = (Host::new("old"), Host::new("new"));
    let database = old.create(world.client("A")).await;
    let first = Image::new(30);
    Writer::begin(&database, 1).snapshot(&first).await;
    let successor = new.open(world.client("B")).await;
    successor.backup(next(&first, 2, 2), adopting()).await.expect("takes over");
    // The old owner wakes, and begins anew without asking.
    let mut stray = Writer::begin(&database, 1);
    stray.add(&[(&next(&first, 1, 1), &[1])]).await;
    let error = database.backup(first.clone(), stray.following(options())).await;
    assert!(matches!(
        error.expect_err("was taken over"),
        BackupError::Write(WriteError::HeldByOther { .. })
    ));
    assert_eq!(end(&successor).await, (false, 2, 1), "there is the first epoch, and its seal");
}

/// L4: what tells one's own segment is all of its bytes, not a nonce.
#[tokio::test]
async fn a_segment_that_is_there_is_compared() {
    let world = World::new();
    let (one, other) = (Host::new("a"), Host::new("b"));
    let database = one.create(world.client("A")).await;
    let first = Image::new(30);
    let mut writer = Writer::begin(&database, 1);
    writer.snapshot(&first).await;
    let mut twin = Writer::resume(&other.open(world.client("B")).await).await;
    let segment = writer.write(&[(&next(&first, 1, 1), &[1])]);
    world.lose_answer("A", Op::Put, "log/");
    writer.append(&segment).await.expect("is its own");
    writer.append(&segment).await.expect("is still its own");
    let same_place = twin.write(&[(&next(&first, 1, 2), &[1])]);
    let error = twin.append(&same_place).await.expect_err("is another's");
    assert!(matches!(error, WriteError::SegmentTaken { segment: SegmentNo(1), .. }), "{error}");
    // Bytes that are no segment of this place never take a number.
    let key = Bytes::copy_from_slice(&segment.bytes);
    let error = database.append(segment.epoch, SegmentNo(2), key).await.expect_err("misplaced");
    assert!(matches!(error, WriteError::Read(ReadError::Unusable { .. })), "{error}");
    assert_eq!(world.keys("log/").await.len(), 1);
}

/// L5: nothing is stored behind a hole, or behind a seal.
#[tokio::test]
async fn only_what_is_contiguous_counts() {
    let world = World::new();
    let host = Host::new("a");
    let database = host.create(world.client("A")).await;
    let first = Image::new(30);
    let mut writer = Writer::begin(&database, 1);
    writer.snapshot(&first).await;
    let segments: Vec<_> =
        (1..=4).map(|seed| writer.write(&[(&next(&first, 1, seed), &[1])])).collect();
    writer.append(&segments[0]).await.expect("is stored");
    for drops_cache in [false, true] {
        if drops_cache {
            host.drop_cache();
        }
        let error = writer.append(&segments[2]).await.expect_err("would leave a hole");
        assert!(matches!(error, WriteError::Read(ReadError::Missing { .. })), "{error}");
    }
    assert_eq!(end(&database).await, (true, 2, 2));
    database.seal_epoch(writer.epoch).await.expect("seals");
    assert_eq!(end(&database).await, (false, 3, 2));
    let error = writer.append(&segments[2]).await.expect_err("is behind the seal");
    assert!(matches!(error, WriteError::EpochEnded { .. }), "{error}");
    assert_eq!(database.seal_epoch(writer.epoch).await.expect("is sealed").segment, SegmentNo(2));
}

/// A tail that was seen here, and is gone: damage, and not an end.
#[tokio::test]
async fn a_tail_that_is_gone() {
    let world = World::new();
    let host = Host::new("a");
    let database = host.create(world.client("A")).await;
    let first = Image::new(30);
    let mut writer = Writer::begin(&database, 1);
    writer.snapshot(&first).await;
    for seed in 1..=3 {
        writer.add(&[(&next(&first, 1, seed), &[1])]).await;
    }
    let key = world.keys("log/").await.pop().expect("there are three");
    world.remove(&key).await;
    let error = database.log_end().await.expect_err("is gone");
    assert!(matches!(&error, ReadError::Missing { key: gone, .. } if *gone == key), "{error}");
    assert!(error.is_damage());
}

/// Stores that ignore conditions keep no log, and say so before anything is sent.
#[tokio::test]
async fn a_store_without_conditions_keeps_no_log() {
    let world = World::new();
    world.ignore_conditions();
    let host = Host::new("a");
    let database = host.create(world.stranger("A")).await;
    let writer = Writer::begin(&database, 1);
    let error = database.backup(Image::new(3), writer.following(options())).await;
    let error = error.expect_err("cannot be kept apart");
    assert!(matches!(error, BackupError::Write(WriteError::NoConditions { .. })), "{error}");
    assert_eq!(world.keys("records/").await.len(), 0);
}
