//! Collections and those who race with them (rules R1, R2, R3).

use super::*;

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

/// What is in the trash is whole until it is dropped: a collection leaves it
/// alone, and it can be brought back.
#[tokio::test]
async fn the_trash_is_whole() {
    let world = World::new();
    let host = Host::new("a");
    let writer = host.create(world.client("W")).await;
    let first = Image::new(100);
    backup(&writer, &first).await;
    let mut second = first.clone().later(1);
    (0..100).for_each(|page| second.write(page, 5000 + u64::from(page)));
    backup(&writer, &second).await;
    writer.forget(&[RecordNo(1)]).await.expect("forgets");
    world.age_all(DAY * 30).await;
    host.advance(DAY);
    let week = at_once().with_times(DAY * 7, Duration::ZERO);
    let collected = writer.collect(week).await.expect("collects");
    assert_eq!(collected.deleted, [""; 0]);
    writer.undelete(&[RecordNo(1)]).await.expect("comes back");
    assert_eq!(check_all_restore(&writer).await, 2);
}

/// What an upload has just stored is left alone, as a politeness.
#[tokio::test]
async fn the_time_of_grace() {
    let world = World::new();
    let host = Host::new("a");
    let writer = host.create(world.client("W")).await;
    backup(&writer, &Image::new(10)).await;
    world.crash_after("W", 2);
    writer.backup(Image::new(6000).later(1), options()).await.expect_err("dies");
    world.revive("W");
    let collector = client(&world, &host, "G").await;
    let young = collector.collect(CollectOptions::default()).await.expect("collects");
    assert_eq!(young.deleted, [""; 0]);
    world.age_all(DAY + Duration::from_secs(1)).await;
    let old = collector.collect(CollectOptions::default()).await.expect("collects");
    assert_eq!(old.deleted.len(), 2);
}
