//! What a backup does about damage that somebody found: it does not build on it.

use lifeboat_repository::{BackupReport, Salvaged};

use super::*;

impl Scene {
    async fn backup(&self, image: &Image) -> BackupReport {
        let done = self.database.backup(image.clone(), options()).await;
        done.expect("backs up").report
    }

    async fn check(&self, depth: Depth) {
        self.host.advance(Duration::from_secs(60));
        self.database.check(&CheckOptions::of_depth(depth)).await.expect("checks");
    }

    async fn salvage(&self, number: u64) -> (Vec<u8>, Salvaged) {
        let listing = self.database.snapshots(None).await.expect("lists");
        let wanted = |snapshot: &&_| Snapshot::number(snapshot) == RecordNo(number);
        let snapshot = listing.snapshots.iter().find(wanted).expect("is there");
        let options = RestoreOptions::default();
        let saved = self.database.salvage(snapshot, Restored::default(), &options).await;
        let (restored, saved) = saved.expect("saves");
        (restored.finish(), saved)
    }
}

/// Whoever found the damage, and whatever the cache of the writer says: the next
/// backup sends again what the damaged pack held, also of a database that did not
/// change, and is whole.
#[tokio::test]
async fn damage_that_a_check_found_is_not_built_on() {
    for (missing, depth) in [(false, ALL), (true, Depth::Presence)] {
        for changed in [true, false] {
            let scene = Scene::new(false).await;
            let key = scene.damage_a_frame().await;
            if missing {
                scene.world.remove(&key).await;
            }
            // Nobody has looked: the cache says that all is well.
            let mut next = scene.image.clone().later(5);
            next.write(50, 7);
            let report = scene.backup(&next).await;
            assert_eq!((report.pages_changed, report.damaged_objects), (1, vec![]));
            scene.check(depth).await;

            let mut last = next.clone().later(5);
            if changed {
                last.write(51, 7);
            }
            let report = scene.backup(&last).await;
            assert!(!report.unchanged);
            assert!(key.ends_with(&report.damaged_objects[0]), "{report:?}");
            // The pages that the pack held, but for those that changed since.
            assert_eq!(report.pages_changed, 200 - 4, "missing: {missing}");
            assert_eq!(scene.restorable().await, [6], "the one that was taken since");
            // Once is enough.
            let mut more = last.clone().later(5);
            more.write(52, 7);
            let report = scene.backup(&more).await;
            assert_eq!((report.pages_changed, report.damaged_objects), (1, vec![]));
            let report = scene.backup(&more.later(5)).await;
            assert!(report.unchanged);
            assert_eq!(scene.restorable().await, [6, 7]);
        }
    }
}

/// What was found, and then read and found whole, is no reason to send anything.
#[tokio::test]
async fn damage_that_was_none() {
    let scene = Scene::new(false).await;
    let key = scene.damage_a_frame().await;
    scene.check(ALL).await;
    scene
        .world
        .change(&key, |bytes| {
            let at = bytes.len() / 2;
            bytes[at] ^= 1
        })
        .await;
    scene.check(ALL).await;
    let mut next = scene.image.clone().later(5);
    next.write(50, 7);
    scene.world.clear_calls();
    let report = scene.backup(&next).await;
    assert_eq!((report.pages_changed, report.damaged_objects), (1, vec![]));
    // One's own results are known, and the cache may be lost.
    let reads = |scene: &Scene| {
        let calls = scene.world.take_calls();
        calls.iter().filter(|call| call.op == Op::Get && call.key.contains("/checks/")).count()
    };
    assert_eq!(reads(&scene), 0);
    scene.host.drop_cache();
    assert!(scene.backup(&next.later(6)).await.unchanged);
    assert_eq!(reads(&scene), 2);
}

/// Damage that another machine found is looked for once an hour.
#[tokio::test]
async fn damage_that_another_found() {
    let scene = Scene::new(false).await;
    let key = scene.damage_a_frame().await;
    let other = Host::new("b");
    let reader = other.open(scene.world.client("R")).await;
    reader.check(&CheckOptions::of_depth(ALL)).await.expect("checks");
    let mut image = scene.image.clone();
    let mut listings = Vec::new();
    for n in 0..5 {
        image = image.later(1);
        image.write(100 + n, 7);
        scene.world.clear_calls();
        let report = scene.backup(&image).await;
        listings.push(scene.world.count(Op::List));
        let noticed = report.damaged_objects.iter().any(|object| key.ends_with(object));
        assert_eq!(noticed, n == 3, "{n}: {report:?}");
        scene.host.advance(Duration::from_secs(20 * 60));
    }
    assert_eq!(listings, [0, 0, 0, 1, 0], "an hour is over, and what it needs is whole again");
    assert_eq!(scene.restorable().await.len(), 2);
}

/// What was mended is built on, unless the snapshot needs pages that are lost.
#[tokio::test]
async fn what_was_mended() {
    let scene = Scene::new(false).await;
    scene.damage_the_first_frame().await;
    scene.repair(Some(&scene.image), true).await;
    assert_eq!(scene.restorable().await, [4]);
    let mut next = scene.image.clone().later(5);
    next.write(50, 7);
    let report = scene.backup(&next).await;
    assert_eq!((report.pages_changed, report.damaged_objects), (1, vec![]));
    assert_eq!(scene.restorable().await, [4, 5]);

    // Nothing but its whole frames could be had of this one: the pages of the
    // first are lost, and the next backup brings them.
    let scene = Scene::new(false).await;
    scene.damage_the_first_frame().await;
    let done = scene.repair(None, true).await;
    assert_eq!((done.packs[0].from_packs, done.packs[0].lost()), (136, 64));
    assert_eq!(scene.restorable().await, [0; 0]);
    // A check names the snapshots as well, which explains nothing more.
    scene.check(ALL).await;
    let mut next = scene.image.clone().later(5);
    next.write(50, 7);
    for cached in [true, false] {
        if !cached {
            scene.host.drop_cache();
        }
        let report = scene.backup(&next).await;
        assert_eq!(report.damaged_objects.len(), usize::from(cached), "{report:?}");
        let expected = if cached { 197 } else { 0 };
        assert_eq!(report.pages_changed, expected, "all that the pack held and no more");
    }
    assert_eq!(scene.restorable().await, [5]);
}

/// Packs that are whole one by one and not the image that the snapshot names: the
/// next backup does without all of them.
#[tokio::test]
async fn a_snapshot_that_is_another_image() {
    use lifeboat_format::check::{CheckKind, Finding};

    let scene = Scene::new(false).await;
    let mut result = scene.database.begin_check(CheckKind::Check, RecordNo(4)).expect("begins");
    let snapshots: lifeboat_format::numbers::NumberSet = (1..=4).map(RecordNo).collect();
    result.snapshots = snapshots;
    result.findings.push(Finding {
        object: "records/00000000000000000004".into(),
        what: "its packs give another image than the one it names".into(),
        snapshots: std::iter::once(RecordNo(4)).collect(),
    });
    scene.database.record_check(&result).await.expect("is stored");
    let report = scene.backup(&scene.image.clone().later(5)).await;
    assert!(!report.unchanged);
    assert_eq!(report.pages_changed, 200, "{report:?}");
    assert_eq!(report.damaged_objects, ["records/00000000000000000004"]);
    let report = scene.backup(&scene.image.clone().later(6)).await;
    assert!(report.unchanged && report.damaged_objects.is_empty());
}

/// A salvage takes what was mended, and where that is gone, what is left of the
/// damaged pack.
#[tokio::test]
async fn a_salvage_takes_what_was_mended() {
    let scene = Scene::new(false).await;
    scene.world.remove(&scene.first_pack().await).await;
    let (_, saved) = scene.salvage(1).await;
    assert_eq!(saved.lost.iter().map(|(_, count)| count).sum::<u32>(), 200);
    let done = scene.repair(Some(&scene.image), true).await;
    assert!(done.packs[0].healed.is_some());
    let (bytes, saved) = scene.salvage(4).await;
    assert!(saved.is_whole() && bytes == scene.image.bytes, "{saved:?}");
    let scene = Scene::new(false).await;
    scene.damage_the_first_frame().await;
    let done = scene.repair(Some(&scene.image), true).await;
    // In the first those pages are lost that were changed since.
    let (_, saved) = scene.salvage(1).await;
    let lost: u32 = saved.lost.iter().map(|(_, count)| count).sum();
    assert!(lost == 3 && saved.doubtful.is_empty(), "{saved:?}");
    let healed = format!("databases/app/{}", done.packs[0].healed.clone().expect("is healed"));
    scene.world.remove(&healed).await;
    let (_, saved) = scene.salvage(4).await;
    let lost: u32 = saved.lost.iter().map(|(_, count)| count).sum();
    assert!(lost <= 64 && saved.doubtful.is_empty(), "the other frames are whole: {saved:?}");
}

/// What a restore would take can be said of what was mended as well.
#[tokio::test]
async fn a_plan_takes_what_was_mended() {
    let scene = Scene::new(false).await;
    scene.world.remove(&scene.first_pack().await).await;
    scene.repair(Some(&scene.image), true).await;
    let listing = scene.database.snapshots(None).await.expect("lists");
    let latest = listing.snapshots.last().expect("some");
    let plan = scene.database.plan_restore(latest, None).await.expect("plans");
    assert!(plan.bytes > 0 && plan.packs > 1);
    let error = scene.database.plan_restore(&listing.snapshots[0], None).await;
    assert!(error.is_err(), "some of its pages are lost");
}

/// A record or a list that cannot be read stops no backup: the next one needs
/// neither.
#[tokio::test]
async fn a_parent_that_cannot_be_read() {
    for part in ["/records/00000000000000000014", "/lists/"] {
        let scene = Scene::new(false).await;
        let mut image = scene.image.clone();
        for n in 5..15 {
            image.write(n, 2_000_000 + u64::from(n));
            image = image.later(1);
            scene.backup(&image).await;
        }
        // So that the newest record is not that of the snapshot.
        scene.database.pin(&[RecordNo(1)]).await.expect("pins");
        let key = scene.world.keys(part).await.pop().expect("there is one");
        scene.world.change(&key, |bytes| bytes[60] ^= 1).await;
        let before = scene.restorable_or_damaged().await;
        image.write(100, 5);
        image = image.later(1);
        let report = scene.backup(&image).await;
        let named = report.damaged_records.len() + report.damaged_objects.len();
        assert_eq!(named, 1, "{part}: {report:?}");
        let listing = scene.database.snapshots(None).await.expect("lists");
        let latest = listing.snapshots.last().expect("some");
        let (restored, _) = scene
            .database
            .restore(latest, Restored::default(), &RestoreOptions::default())
            .await
            .expect("restores");
        assert!(restored.finish() == image.bytes, "{part}");
        assert_eq!(scene.restorable_or_damaged().await, before + 1, "no other is hurt");
    }
}

impl Scene {
    /// How many of the snapshots that can be listed restore.
    async fn restorable_or_damaged(&self) -> usize {
        self.restorable().await.len()
    }
}
