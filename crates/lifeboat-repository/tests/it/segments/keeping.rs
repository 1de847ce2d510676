//! How long the commit log is kept, and that nothing goes which the rest needs (L3).

use std::time::Duration;

use lifeboat_repository::{CheckOptions, CollectOptions, Depth, NotCovered, Share, WriteError};
use lifeboat_testing::script::World;

use super::moments::{after, image_of, refused, state};
use super::{Writer, next};
use crate::image::NOON;
use crate::world::{Host, options};

fn keeping(seconds: u64) -> CollectOptions {
    CollectOptions::default()
        .with_times(Duration::ZERO, Duration::ZERO)
        .with_floor(0, Duration::ZERO)
        .with_log(Duration::from_secs(seconds))
}

/// A log is kept from the newest snapshot before the time that is kept; that snapshot
/// cannot be forgotten, and the one before can.
#[tokio::test]
async fn a_log_is_kept_from_a_snapshot_on() {
    let world = World::new();
    let host = Host::new("a");
    let database = host.create(world.client("W")).await;
    let mut states = vec![image_of(4096, 12)];
    let mut writer = Writer::begin(&database, 1);
    let mut numbers = vec![writer.snapshot(&states[0]).await.number];
    for n in 1..=30_u32 {
        let image = next(&states[n as usize - 1], n % 12 + 1, u64::from(n));
        writer.add(&[(&image, &[n % 12 + 1])]).await;
        if n.is_multiple_of(10) {
            let mut image = image.clone();
            image.taken_at = writer.now;
            numbers.push(writer.snapshot(&image).await.number);
        }
        states.push(image);
    }
    // Forty seconds after the beginning, 25 of them are kept: from commit 15 on, and so
    // from the snapshot after commit 10.
    host.advance(Duration::from_secs(40));
    let error = database.forget(&numbers[..1]).await.expect_err("is a base");
    assert!(matches!(error, WriteError::NotPossible { .. }), "{error}");
    database.forget(&numbers[1..2]).await.expect("is none");
    database.undelete(&numbers[1..2]).await.expect("comes back");
    let report = database.collect(keeping(25)).await.expect("collects");
    assert_eq!(report.segments, 10);
    assert_eq!(world.keys("log/").await.len(), 20);
    database.forget(&numbers[..1]).await.expect("is none any more");
    let error = database.forget(&numbers[1..2]).await.expect_err("is a base now");
    assert!(matches!(error, WriteError::NotPossible { .. }), "{error}");
    for drops_cache in [false, true] {
        if drops_cache {
            host.drop_cache();
        }
        for n in 10..=30_u64 {
            assert!(state(&database, &after(n)).await == states[n as usize].bytes, "{n}");
        }
        assert_eq!(refused(&database, after(9)).await.0, NotCovered::Before);
        let options = CheckOptions::of_depth(Depth::Data(Share::All));
        let checked = database.check(&options).await.expect("checks");
        assert!(checked.is_ok(), "{:?}", checked.result.findings);
        assert_eq!(checked.segments, 20);
    }
    // The writer goes on as if nothing had happened.
    let mut again = Writer::resume(&database).await;
    let image = next(&states[30], 1, 31);
    again.add(&[(&image, &[1])]).await;
    assert!(state(&database, &after(31)).await == image.bytes);
    // Nothing is left to do.
    assert_eq!(database.collect(keeping(25)).await.expect("collects").segments, 0);
}

/// L3: the seal stays when all else of an epoch goes, and an owner that slept since
/// before it finds it.
#[tokio::test]
async fn a_seal_is_never_collected() {
    let world = World::new();
    let host = Host::new("a");
    let database = host.create(world.client("W")).await;
    let first = image_of(4096, 12);
    let mut old = Writer::begin(&database, 1);
    old.snapshot(&first).await;
    for n in 1..=5 {
        old.add(&[(&next(&first, 1, n), &[1])]).await;
    }
    // It sleeps before its sixth, and others take over the name of the epoch's end.
    let sixth = old.write(&[(&next(&first, 1, 6), &[1])]);
    let mut new = Writer::begin(&database, 6);
    let mut base = next(&first, 2, 7);
    base.taken_at = NOON + time::Duration::seconds(10);
    new.now = base.taken_at;
    new.snapshot(&base).await;
    new.add(&[(&next(&base, 3, 8), &[3])]).await;
    host.advance(Duration::from_secs(1000));
    let report = database.collect(keeping(20)).await.expect("collects");
    assert_eq!(report.segments, 5);
    let left = world.keys(&format!("log/{}/", old.epoch)).await;
    assert_eq!(left.len(), 1, "{left:?}");
    for drops_cache in [false, true] {
        if drops_cache {
            host.drop_cache();
        }
        let error = old.append(&sixth).await.expect_err("was ended");
        let is_ended = matches!(error, WriteError::EpochEnded { .. });
        let is_gone =
            matches!(error, WriteError::Read(lifeboat_repository::ReadError::Missing { .. }));
        assert!(is_ended || is_gone, "{error}");
    }
    assert!(state(&database, &after(6)).await == next(&base, 3, 8).bytes);
    let checked = database.check(&CheckOptions::default()).await.expect("checks");
    assert!(checked.is_ok(), "{:?}", checked.result.findings);
    // Segments that no record opened an epoch for go as well, but for the last.
    let mut stray = Writer::begin(&database, 7);
    for n in 1..=3 {
        stray.add(&[(&next(&first, 1, n), &[1])]).await;
    }
    world.age_all(Duration::from_secs(10)).await;
    assert_eq!(database.collect(keeping(20)).await.expect("collects").segments, 2);
    assert_eq!(world.keys(&format!("log/{}/", stray.epoch)).await.len(), 1);
}

/// What is damaged or gone in the log is found, and named.
#[tokio::test]
async fn a_check_reads_the_log() {
    let world = World::new();
    let host = Host::new("a");
    let database = host.create(world.client("W")).await;
    let first = image_of(4096, 12);
    let mut writer = Writer::begin(&database, 1);
    writer.snapshot(&first).await;
    for n in 1..=5 {
        writer.add(&[(&next(&first, 1, n), &[1])]).await;
    }
    let keys = world.keys("log/").await;
    let all = CheckOptions::of_depth(Depth::Data(Share::All));
    let presence = CheckOptions::of_depth(Depth::Presence);
    let found = async |options: &CheckOptions| -> Vec<String> {
        let report = database.check(options).await.expect("checks");
        assert!(report.broken.is_empty(), "a snapshot needs no log");
        report.result.findings.into_iter().map(|finding| finding.object).collect()
    };
    assert_eq!(found(&all).await, Vec::<String>::new());
    for (which, key) in keys.iter().enumerate() {
        let relative = key.strip_prefix("databases/app/").expect("lies there").to_owned();
        let len = world.read(key).await.len();
        for at in [3, 40, len - 200, len - 10] {
            world.change(key, |bytes| bytes[at] ^= 16).await;
            assert!(found(&all).await == [relative.as_str()], "byte {at} of {which}");
            world.change(key, |bytes| bytes[at] ^= 16).await;
        }
    }
    let bytes = world.read(&keys[2]).await;
    world.remove(&keys[2]).await;
    let relative = keys[2].strip_prefix("databases/app/").expect("lies there").to_owned();
    assert_eq!(found(&presence).await, [relative.as_str()]);
    assert_eq!(found(&all).await, [relative]);
    let put = world.client("P").create(&keys[2], bytes.into()).await.expect("is put");
    assert_eq!(put, lifeboat_remote::Created::New);
    // A snapshot by somebody who does not follow changes nothing of it.
    database.backup(next(&first, 2, 9), options()).await.expect("backs up");
    assert_eq!(found(&all).await, Vec::<String>::new());
}
