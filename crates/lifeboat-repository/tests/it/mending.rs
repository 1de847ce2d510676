//! Repair: what is mended, from what, and what is said of the rest.

mod archives;
mod backups;
mod lists;
mod remains;

use std::time::Duration;

use lifeboat_format::numbers::RecordNo;
use lifeboat_repository::{
    CheckOptions, CollectOptions, Database, Depth, RawKey, RepairReport, Repository,
    RestoreOptions, Secret, Share, Snapshot,
};
use lifeboat_testing::script::{Op, World};

use crate::image::{Image, Restored};
use crate::rules::DAY;
use crate::world::{Host, check_all_restore, name, options};

const ALL: Depth = Depth::Data(Share::All);

/// Snapshots of an image that changes, and the image as it is now.
struct Scene {
    world: World,
    host: Host,
    database: Database,
    image: Image,
}

impl Scene {
    async fn new(sealed: bool) -> Self {
        let world = World::new();
        let host = Host::new("a");
        let secret = sealed.then(|| Secret::Raw(RawKey::from_bytes([1; 32])));
        let remote = world.client("W");
        let made = Repository::create_with(remote, host.local.clone(), secret.as_ref(), "first");
        let database = made.await.expect("creates").database(name());
        let mut image = Image::new(200);
        for n in 0..4 {
            image.write(n, 1_000_000 + u64::from(n));
            image = image.later(1);
            database.backup(image.clone(), options()).await.expect("backs up");
        }
        Self { world, host, database, image }
    }

    /// The pack of the first snapshot, which all of them need.
    async fn first_pack(&self) -> String {
        let mut packs = Vec::new();
        for key in self.world.keys("/packs/").await {
            let object = self.world.client("look").get(&key, u64::MAX).await.expect("reads");
            packs.push((object.expect("is there").len(), key));
        }
        packs.sort();
        packs.pop().expect("there is one").1
    }

    /// Flips a bit in the middle: in one of the frames.
    async fn damage_a_frame(&self) -> String {
        self.damage(|len| len / 2).await
    }

    /// Flips a bit in the frame of the first 64 pages.
    async fn damage_the_first_frame(&self) -> String {
        self.damage(|_| 2000).await
    }

    async fn damage(&self, at: impl Fn(usize) -> usize) -> String {
        let key = self.first_pack().await;
        self.world
            .change(&key, |bytes| {
                let at = at(bytes.len());
                bytes[at] ^= 1;
            })
            .await;
        key
    }

    async fn repair(&self, live: Option<&Image>, apply: bool) -> RepairReport {
        let done = self.database.repair(live.cloned(), apply, CollectOptions::default()).await;
        done.expect("repairs").1
    }

    async fn findings(&self) -> Vec<String> {
        let report = self.database.check(&CheckOptions::of_depth(ALL)).await.expect("checks");
        report.result.findings.iter().map(|f| format!("{}: {}", f.object, f.what)).collect()
    }

    /// Which snapshots restore to an image with their digest.
    async fn restorable(&self) -> Vec<u64> {
        let listing = self.database.snapshots(None).await.expect("lists");
        let mut whole = Vec::new();
        for snapshot in &listing.snapshots {
            let options = RestoreOptions::default();
            let restored = self.database.restore(snapshot, Restored::default(), &options).await;
            let Ok((restored, _)) = restored else { continue };
            let mut image = Image::new(0);
            image.bytes = restored.finish();
            let digest = image.digest(self.database.repository().hash_key());
            assert_eq!(digest, snapshot.body().image_digest, "never something else");
            whole.push(snapshot.number().0);
        }
        whole
    }
}

fn numbers(set: &lifeboat_format::numbers::NumberSet) -> Vec<u64> {
    set.iter().map(|number| number.0).collect()
}

/// A frame is damaged, and the live database still has its pages.
#[tokio::test]
async fn a_frame_from_the_live_database() {
    for sealed in [false, true] {
        let scene = Scene::new(sealed).await;
        let key = scene.damage_the_first_frame().await;
        assert_eq!(scene.restorable().await, [0; 0]);
        // Without --apply it says what it would do, and does nothing.
        scene.world.clear_calls();
        let planned = scene.repair(Some(&scene.image), false).await;
        let changes = [Op::Put, Op::Delete, Op::Complete].map(|op| scene.world.count(op));
        assert_eq!((changes, planned.applied), ([0; 3], false));
        let [pack] = &planned.packs[..] else { panic!("{planned:?}") };
        assert!(key.ends_with(&pack.object));
        assert_eq!((pack.blocks, pack.lost()), (200, 3), "three pages were changed since");
        assert_eq!((pack.from_packs, pack.from_database), (136, 61), "one frame has 64 pages");
        let done = scene.repair(Some(&scene.image), true).await;
        assert_eq!((done.packs[0].lost(), &done.mended), (3, &planned.mended));
        let restorable = scene.restorable().await;
        assert_eq!(restorable, numbers(&done.whole));
        assert_eq!(restorable, [4], "the others need what was changed since");
        // What is left is still named, and only of those that it hits.
        let again = scene.repair(Some(&scene.image), false).await;
        assert_eq!(numbers(&again.whole), restorable);
    }
}

/// All of its pages are still what they were.
#[tokio::test]
async fn nothing_is_lost() {
    let scene = Scene::new(false).await;
    let key = scene.damage_a_frame().await;
    let mut first = Image::new(200);
    first.write(0, 1_000_000);
    let done = scene.repair(Some(&first), true).await;
    assert_eq!(done.packs[0].lost(), 0);
    assert_eq!(numbers(&done.mended), [1, 2, 3, 4]);
    assert!(done.is_mended() && done.key.is_some());
    assert_eq!(scene.findings().await, [""; 0]);
    assert_eq!(check_all_restore(&scene.database).await, 4);
    // Nothing that could still be used is gone, and nothing is to do.
    assert!(scene.world.keys(&key).await.contains(&key));
    let again = scene.repair(Some(&first), true).await;
    assert!(again.packs.is_empty() && again.broken.is_empty());
    // A backup goes on from it.
    let next = scene.image.clone().later(5);
    scene.database.backup(next, options()).await.expect("backs up");
    assert_eq!(check_all_restore(&scene.database).await, 4);
}

/// Consolidation sent pages again: where the live database is gone, the newer
/// pack has what the older one lost.
#[tokio::test]
async fn from_another_pack() {
    let scene = Scene::new(false).await;
    // Before there is another pack of that size.
    scene.damage_the_first_frame().await;
    scene
        .database
        .backup(scene.image.clone().later(9), {
            let mut options = options();
            options.full = true;
            options
        })
        .await
        .expect("backs up");
    let planned = scene.repair(None, true).await;
    let pack = &planned.packs[0];
    // The other pack has the pages as they are now; three were changed since.
    assert_eq!((pack.from_database, pack.lost()), (0, 3));
    assert_eq!(scene.restorable().await, [4, 5]);
    assert_eq!(numbers(&planned.whole), [4, 5]);
}

/// A pack that is gone as a whole: its pages are known from the cache, or from
/// the live database where that is still what was backed up.
#[tokio::test]
async fn a_missing_pack() {
    for cached in [true, false] {
        let scene = Scene::new(false).await;
        scene.world.remove(&scene.first_pack().await).await;
        if !cached {
            scene.host.drop_cache();
        }
        let done = scene.repair(Some(&scene.image), true).await;
        let pack = &done.packs[0];
        assert_eq!((pack.from_packs, pack.hindrance), (0, None), "{done:?}");
        assert_eq!(pack.from_database, 197, "all but those that newer packs have");
        assert!(numbers(&done.whole).contains(&4));
        let restorable = scene.restorable().await;
        assert_eq!(restorable, numbers(&done.whole), "cached: {cached}");
        // The next snapshot builds on it.
        let mut next = scene.image.clone().later(5);
        next.write(50, 7);
        scene.database.backup(next, options()).await.expect("backs up");
        assert!(scene.restorable().await.contains(&scene_latest(&scene).await));
    }
}

async fn scene_latest(scene: &Scene) -> u64 {
    let listing = scene.database.snapshots(None).await.expect("lists");
    listing.snapshots.last().expect("some").number().0
}

/// Nothing knows what the pack held: the damage is recorded, the snapshots that
/// are whole are named, and the next backup is whole.
#[tokio::test]
async fn what_cannot_be_mended_is_said() {
    let scene = Scene::new(false).await;
    scene.world.remove(&scene.first_pack().await).await;
    scene.host.drop_cache();
    let mut changed = scene.image.clone();
    changed.write(77, 5);
    let done = scene.repair(Some(&changed), true).await;
    assert!(done.packs[0].hindrance.is_some() && done.packs[0].healed.is_none());
    assert!(done.mended.is_empty() && done.whole.is_empty() && !done.is_mended());
    assert!(scene.world.keys("/repairs/").await.is_empty());
    let listing = scene.database.snapshots(None).await.expect("lists");
    let alive = listing.snapshots.iter().map(|snapshot| snapshot.number()).collect();
    let proofs = scene.database.proofs(&alive).await.expect("reads");
    let damage = proofs.of(RecordNo(4)).damage.expect("is recorded");
    assert!(damage.contains("missing"), "{damage}");
    scene.database.backup(changed.later(5), options()).await.expect("backs up");
    let latest = scene_latest(&scene).await;
    assert_eq!(scene.restorable().await, [latest]);
}

/// What heals a pack stays as long as that pack is needed, also where a listing
/// hides the repairs; and goes with it.
#[tokio::test]
async fn collections_spare_what_heals() {
    let scene = Scene::new(false).await;
    scene.world.empty_listing("G");
    scene.damage_a_frame().await;
    let mut first = Image::new(200);
    first.write(0, 1_000_000);
    scene.repair(Some(&first), true).await;
    let at_once = CollectOptions::default()
        .with_times(Duration::ZERO, Duration::ZERO)
        .with_floor(0, Duration::ZERO);
    let repository = Repository::open(scene.world.client("G"), scene.host.local.clone()).await;
    let blind = repository.expect("opens").database(name());
    blind.collect(at_once).await.expect("collects");
    scene.database.collect(at_once).await.expect("collects");
    assert_eq!(scene.restorable().await, [1, 2, 3, 4]);
    assert_eq!(scene.world.keys("/repairs/").await.len(), 1);
    // A new base, and the old snapshots go: so does the pack, with its repair.
    let mut options = options();
    options.full = true;
    let next = scene.image.clone().later(9);
    scene.database.backup(next, options).await.expect("backs up");
    scene.host.advance(DAY);
    // The latest that was verified is never forgotten: first there is a newer.
    let four = [RecordNo(4)];
    scene.database.forget(&four).await.expect_err("it was proven by the repair");
    assert_eq!(scene.findings().await, [""; 0]);
    scene.database.forget(&[1, 2, 3, 4].map(RecordNo)).await.expect("forgets");
    scene.database.collect(at_once).await.expect("collects");
    assert_eq!(scene.world.keys("/repairs/").await, [""; 0]);
    assert_eq!(scene.world.keys("/packs/").await.len(), 1);
    assert_eq!(check_all_restore(&scene.database).await, 1);
}

/// Killed at every change, a repair leaves nothing that is wrong, and goes on.
#[tokio::test]
async fn a_repair_killed_at_every_step() {
    for changes in 0..4 {
        let scene = Scene::new(false).await;
        scene.damage_a_frame().await;
        let mut first = Image::new(200);
        first.write(0, 1_000_000);
        scene.world.crash_after("W", changes);
        let done =
            scene.database.repair(Some(first.clone()), true, CollectOptions::default()).await;
        assert_eq!(done.is_err(), changes < 3, "after {changes}");
        scene.world.revive("W");
        let between = scene.restorable().await;
        assert!(between.is_empty() || between.len() == 4);
        scene.repair(Some(&first), true).await;
        assert_eq!(scene.restorable().await, [1, 2, 3, 4]);
        assert_eq!(scene.findings().await, [""; 0]);
    }
}

/// A repair that is damaged itself is named, and the pack that heals is read
/// like any other.
#[tokio::test]
async fn damage_of_what_was_mended() {
    let scene = Scene::new(false).await;
    scene.damage_a_frame().await;
    let mut first = Image::new(200);
    first.write(0, 1_000_000);
    let done = scene.repair(Some(&first), true).await;
    let healed = done.packs[0].healed.clone().expect("is healed");
    let repair = scene.world.keys("/repairs/").await.remove(0);
    let len = scene.world.client("x").size(&repair).await.expect("asks").expect("is there");
    for at in (0..len as usize).filter(|at| *at < 20 || at % 29 == 0 || at + 33 > len as usize) {
        scene.world.change(&repair, |bytes| bytes[at] ^= 1).await;
        let found = scene.findings().await;
        assert!(found.iter().any(|what| repair.contains(what.split(':').next().expect("a key"))));
        scene.world.change(&repair, |bytes| bytes[at] ^= 1).await;
    }
    let healed = format!("databases/app/{healed}");
    scene.world.change(&healed, |bytes| bytes[200] ^= 1).await;
    let found = scene.findings().await;
    assert!(found.iter().any(|what| healed.contains(what.split(':').next().expect("a key"))));
    // And it is healed once more.
    scene.repair(Some(&first), true).await;
    assert_eq!(scene.findings().await, [""; 0]);
    assert_eq!(scene.restorable().await, [1, 2, 3, 4]);
}
