//! Long uploads and interrupted ones (rules R3, R9).

use super::*;

/// R9: what a long upload has sent so far, and noted, is safe from collection.
#[tokio::test]
async fn a_long_upload_writes_partial_records() {
    let world = World::new();
    let host = Host::new("a");
    let writer = host.create(world.client("W")).await;
    backup(&writer, &Image::new(10)).await;
    // Three packs; the time for a partial record comes after each.
    let image = Image::new(6000).later(1);
    let mut long = options();
    long.grace = DAY;
    let clock = Arc::clone(&host.clock);
    long.progress = Some(Arc::new(move |event| {
        if let lifeboat_repository::Event::Sent { .. } = event {
            *clock.lock().expect("never poisoned") += DAY / 4;
        }
    }));
    // Record 2 notes one pack; the second is stored, and not noted yet.
    let pause = world.pause("W", Op::Put, "records/00000000000000000003");
    let slow = tokio::spawn({
        let (writer, image) = (writer.clone(), image.clone());
        async move { writer.backup(image, long).await }
    });
    pause.reached().await;
    let collector = client(&world, &host, "G").await;
    assert_eq!(collector.snapshots(None).await.expect("lists").snapshots.len(), 1);
    world.age_all(DAY * 30).await;
    let stored = world.keys("packs/").await.len();
    let collected = collector.collect(at_once()).await.expect("collects");
    assert_eq!(collected.deleted.len(), stored - 2, "the first snapshot's pack and the noted one");
    pause.release();
    slow.await.expect("ends").expect("backs up");
    check_restores(&writer, &LATEST, &image).await;
    assert_eq!(check_all_restore(&writer).await, 2);
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
    // The collector is paused between its record and the deletions.
    let condemned = world.keys("packs/").await;
    let pause = world.pause("G", Op::Delete, "packs/");
    let collector = client(&world, &host, "G").await;
    let slow = tokio::spawn(async move { collector.collect(at_once()).await });
    pause.reached().await;
    let report = backup(&writer, &image).await;
    assert_eq!(report.packs_resumed, 0, "they are there, and condemned: {condemned:?}");
    pause.release();
    assert_eq!(slow.await.expect("ends").expect("collects").deleted.len(), 2);
    assert_eq!(check_all_restore(&writer).await, 2);
}
