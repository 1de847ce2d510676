//! Backups that drop packs, and those who race with them (rules R2, R3).

use crate::consolidation::backups::Churn;

use super::*;

/// How many snapshots there are before one that consolidates.
const RIPE: u64 = 21;

/// A database whose next snapshot sends small packs again as one.
async fn ripe(writer: &Database) -> Churn {
    let mut churn = Churn::new(300);
    backup(writer, &churn.image).await;
    for _ in 1..RIPE {
        let image = churn.change(3).clone();
        let report = writer.backup(image, options()).await.expect("backs up").report;
        assert_eq!(report.pages_resent, 0);
    }
    churn
}

fn all_before(number: u64) -> Vec<RecordNo> {
    (1..number).map(RecordNo).collect()
}

/// R2, R3: what is dropped stays for as long as a kept snapshot needs it, and
/// goes with the last one that does.
#[tokio::test]
async fn dropped_packs_go_with_the_snapshots_that_need_them() {
    let world = World::new();
    let host = Host::new("a");
    let writer = host.create(world.client("W")).await;
    let mut churn = ripe(&writer).await;
    let image = churn.change(3).clone();
    let report = backup(&writer, &image).await;
    assert!(report.pages_resent > 0 && report.packs_dropped >= 20, "{report:?}");
    let collected = writer.collect(at_once()).await.expect("collects");
    assert_eq!(collected.deleted, [""; 0]);
    assert_eq!(check_all_restore(&writer).await, 22);

    host.advance(DAY);
    writer.forget(&all_before(22)).await.expect("forgets");
    writer.collect(at_once()).await.expect("collects");
    assert_eq!(world.keys("packs/").await.len(), 2, "the base and one pack of all changes");
    check_restores(&writer, &LATEST, &image).await;
}

/// R3: the packs of a consolidating writer are collected before it commits.
#[tokio::test]
async fn a_slow_consolidation_and_a_collector() {
    let world = World::new();
    let host = Host::new("a");
    let writer = host.create(world.client("W")).await;
    let mut churn = ripe(&writer).await;
    let image = churn.change(3).clone();
    let pause = world.pause("W", Op::Put, "records/");
    let slow = tokio::spawn({
        let (writer, image) = (writer.clone(), image.clone());
        async move { writer.backup(image, options()).await }
    });
    pause.reached().await;
    let collected = client(&world, &host, "G").await.collect(at_once()).await.expect("collects");
    assert!(!collected.deleted.is_empty(), "what no record names yet");
    pause.release();
    let report = slow.await.expect("ends").expect("backs up").report;
    assert!(report.pages_resent > 0);
    check_restores(&writer, &LATEST, &image).await;
    assert_eq!(check_all_restore(&writer).await, 22);
}

/// R3: while a writer that consolidates sleeps, another consolidates as well,
/// and the snapshots that both build on are forgotten and collected.
#[tokio::test]
async fn two_that_consolidate_and_a_collector() {
    for sleeper_is_later in [false, true] {
        let world = World::new();
        let host = Host::new("a");
        let writer = host.create(world.client("W")).await;
        let mut churn = ripe(&writer).await;
        let mut slept = churn.change(3).clone();
        let mut other = churn.change(5).clone();
        if sleeper_is_later {
            std::mem::swap(&mut slept.taken_at, &mut other.taken_at);
        }
        let pause = world.pause("W", Op::Put, "records/");
        let sleeper = tokio::spawn({
            let (writer, slept) = (writer.clone(), slept.clone());
            async move { writer.backup(slept, options()).await }
        });
        pause.reached().await;
        let rival = client(&world, &host, "Z").await;
        assert!(backup(&rival, &other).await.pages_resent > 0);
        host.advance(DAY);
        rival.forget(&all_before(RIPE + 1)).await.expect("forgets");
        let collected = rival.collect(at_once()).await.expect("collects");
        assert!(collected.deleted.len() >= 20, "{collected:?}");
        pause.release();
        sleeper.await.expect("ends").expect("backs up");
        assert_eq!(check_all_restore(&writer).await, 2);
        check_restores(&writer, &LATEST, &slept).await;
    }
}

/// Killed at every change that it makes to the store, a consolidating backup
/// costs no snapshot, and the next one does its work.
#[tokio::test]
async fn a_consolidation_killed_at_every_step() {
    for crash_after in 0..4 {
        let world = World::new();
        let host = Host::new("a");
        let writer = host.create(world.client("W")).await;
        let mut churn = ripe(&writer).await;
        let image = churn.change(3).clone();
        world.crash_after("W", crash_after);
        let died = writer.backup(image.clone(), options()).await.is_err();
        world.revive("W");
        check_all_restore(&writer).await;
        let again = backup(&writer, &image).await;
        assert!(died || again.unchanged, "killed after {crash_after}");
        check_all_restore(&writer).await;

        // What it left behind is found, and in nobody's way.
        let image = churn.change(3).clone();
        backup(&writer, &image).await;
        host.advance(DAY);
        let newest = writer.snapshots(None).await.expect("lists").newest.expect("some");
        let before: Vec<RecordNo> = all_before(newest.0);
        writer.forget(&before).await.expect("forgets");
        writer.collect(at_once()).await.expect("collects");
        assert!(world.keys("packs/").await.len() <= 3, "killed after {crash_after}");
        check_restores(&writer, &LATEST, &image).await;
    }
}
