//! That somebody looked, and nothing had changed.

use std::time::Duration;

use lifeboat_testing::script::World;

use crate::image::{Image, NOON};
use crate::rules::DAY;
use crate::world::{Host, backup};

#[tokio::test]
async fn the_newest_is_known_and_the_old_go() {
    let world = World::new();
    let host = Host::new("a");
    let writer = host.create(world.client("W")).await;
    let report = backup(&writer, &Image::new(8)).await;
    assert_eq!(writer.last_heartbeat().await.expect("lists"), None);
    for hour in 0..60 {
        let at = NOON + Duration::from_secs(3600 * hour);
        writer.beat(at, report.number, &report.snapshot_id).await.expect("says so");
    }
    let newest = writer.last_heartbeat().await.expect("lists").expect("the last");
    assert_eq!(newest.at, NOON + Duration::from_secs(3600 * 59));
    assert_eq!((newest.record, &newest.snapshot_id), (report.number, &report.snapshot_id));
    assert_eq!(newest.by.to_string(), "a");

    host.advance(Duration::from_secs(3600 * 60));
    assert_eq!(writer.sweep_heartbeats().await.expect("sweeps"), 12, "older than two days");
    host.advance(DAY * 30);
    assert_eq!(writer.sweep_heartbeats().await.expect("sweeps"), 47, "all but the newest");
    assert_eq!(writer.last_heartbeat().await.expect("lists"), Some(newest));
    assert_eq!(writer.sweep_heartbeats().await.expect("sweeps"), 0);
}

/// One that is damaged makes a database seem less watched, and no more.
#[tokio::test]
async fn a_damaged_one_is_passed_over() {
    let world = World::new();
    let host = Host::new("a");
    let writer = host.create(world.client("W")).await;
    let report = backup(&writer, &Image::new(8)).await;
    for hour in 0..3 {
        let at = NOON + Duration::from_secs(3600 * hour);
        writer.beat(at, report.number, &report.snapshot_id).await.expect("says so");
    }
    let keys = world.keys("databases/app/heartbeats").await;
    world.change(&keys[2], |bytes| bytes[40] ^= 1).await;
    let newest = writer.last_heartbeat().await.expect("lists").expect("the one before");
    assert_eq!(newest.at, NOON + Duration::from_secs(3600));
}

/// What failed since the database was last watched, and nothing older.
#[tokio::test]
async fn what_failed_since() {
    let world = World::new();
    let host = Host::new("a");
    let writer = host.create(world.client("W")).await;
    let report = backup(&writer, &Image::new(8)).await;
    let at = |minutes: u64| NOON + Duration::from_secs(60 * minutes);
    let beat = async |minutes: u64| {
        writer.beat(at(minutes), report.number, &report.snapshot_id).await.expect("says so");
    };
    let pulse = async || writer.pulse().await.expect("reads");
    beat(0).await;
    writer.say_failed(at(1), 1, "it rained").await.expect("says so");
    writer.say_failed(at(2), 2, &"ü".repeat(3000)).await.expect("says so");
    let failed = pulse().await.failed.expect("the second");
    assert_eq!((failed.at, failed.failures, failed.error.as_str()), (at(2), 2, &*"ü".repeat(1000)));
    assert_eq!(writer.last_heartbeat().await.expect("lists").expect("the first").at, at(0));
    // One that is damaged says nothing; the one before does.
    let said = world.keys("databases/app/heartbeats").await;
    let newest = said.iter().filter(|key| key.ends_with("-failed")).max().expect("two");
    world.change(newest, |bytes| bytes[40] ^= 1).await;
    assert_eq!(pulse().await.failed.expect("the first").error, "it rained");
    beat(3).await;
    assert_eq!(pulse().await.failed, None, "it works again");
    assert_eq!(pulse().await.watched.expect("the last").at, at(3));
    // The newest of each stays.
    host.advance(DAY * 30);
    assert_eq!(writer.sweep_heartbeats().await.expect("sweeps"), 2);
    assert_eq!(pulse().await.watched.expect("the last").at, at(3));
}
