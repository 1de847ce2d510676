//! Long uploads and interrupted ones (rules R3, R9).

use super::*;

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
