//! Lists of packs, made anew from what the snapshots around them say.

use super::*;
use crate::model::reference::closure;

/// A repository with several lists, of which each serves several snapshots.
async fn with_lists(sealed: bool) -> (Scene, Vec<String>) {
    let scene = Scene::new(sealed).await;
    let mut image = scene.image.clone();
    for n in 0..44 {
        image.write(4 + 2 * n, 2_000_000 + u64::from(n));
        image = image.later(1);
        scene.database.backup(image.clone(), options()).await.expect("backs up");
    }
    let lists = scene.world.keys("/lists/").await;
    assert!(lists.len() >= 3, "{lists:?}");
    (scene, lists)
}

async fn bytes(scene: &Scene, key: &str) -> Vec<u8> {
    let object = scene.world.client("look").get(key, u64::MAX).await.expect("reads");
    object.expect("is there").to_vec()
}

/// Damaged or missing, the first, the last and those between: each is again what it
/// was, byte for byte, and all snapshots restore.
#[tokio::test]
async fn lists_are_made_anew() {
    let (scene, lists) = with_lists(false).await;
    let all = scene.restorable().await;
    for missing in [true, false] {
        for key in &lists {
            let good = bytes(&scene, key).await;
            if missing {
                scene.world.remove(key).await;
            } else {
                scene.world.change(key, |bytes| bytes[40] ^= 1).await;
            }
            let hit = all.len() - scene.restorable().await.len();
            assert!(hit > 0, "{key} serves somebody");
            // What it named looks like nobody's, and is not called that.
            let looked = scene.database.check(&CheckOptions::default()).await;
            let looked = looked.expect("checks");
            assert!(looked.orphans.is_empty(), "{:?}", looked.orphans);
            scene.world.clear_calls();
            let planned = scene.repair(None, false).await;
            assert_eq!((planned.objects.len(), planned.objects[0].hindrance), (1, None));
            assert_eq!(scene.world.objects_put(), [""; 0]);
            assert!(!planned.is_mended(), "not yet");
            let done = scene.repair(None, true).await;
            assert_eq!((done.objects.len(), done.objects[0].hindrance), (1, None), "{key}");
            assert_eq!((done.broken.len(), done.mended.len()), (hit as u64, hit as u64));
            assert!(done.is_mended(), "{:?}", done.left);
            assert!(bytes(&scene, key).await == good, "byte for byte");
            assert_eq!(scene.restorable().await, all);
        }
    }
    assert_eq!(scene.findings().await, [""; 0]);
}

/// Killed after the damaged list is gone and before the new one is there, it is
/// made by the next repair.
#[tokio::test]
async fn killed_between_the_two() {
    let (scene, lists) = with_lists(false).await;
    let all = scene.restorable().await;
    for changes in 0..4 {
        let good = bytes(&scene, &lists[1]).await;
        scene.world.change(&lists[1], |bytes| bytes[40] ^= 1).await;
        scene.world.crash_after("W", changes);
        let done = scene.database.repair(None::<Image>, true, CollectOptions::default()).await;
        assert_eq!(done.is_err(), changes < 3, "after {changes}");
        scene.world.revive("W");
        scene.repair(None, true).await;
        assert!(bytes(&scene, &lists[1]).await == good);
        assert_eq!(scene.restorable().await, all);
    }
}

/// What cannot be made anew is said, with what stands against it; packs that
/// nobody but that list names stay.
#[tokio::test]
async fn lists_that_stay_lost() {
    let (scene, lists) = with_lists(true).await;
    scene.world.change(&lists[0], |bytes| bytes[100] ^= 1).await;
    let packs = scene.world.keys("/packs/").await;
    scene.host.advance(DAY * 30);
    scene.world.advance(DAY * 30);
    let done = scene.repair(Some(&scene.image), true).await;
    assert!(done.objects[0].hindrance.is_some_and(|why| why.contains("encrypted")));
    assert!(!done.is_mended() && done.collected.deleted.is_empty());
    assert_eq!(scene.world.keys("/packs/").await, packs);

    // Of a list and a pack that only it names not all can be had.
    let (scene, _) = with_lists(false).await;
    let newest = scene_latest(&scene).await;
    let remote = scene.world.client("model");
    let needed = |number| closure(&remote, &scene.database, RecordNo(number));
    let (with, without) = (needed(newest).await, needed(newest - 20).await);
    let key = with.iter().find(|key| key.contains("/lists/")).expect("has one");
    scene.world.remove(key).await;
    for pack in with.iter().filter(|key| key.contains("/packs/") && !without.contains(key)) {
        scene.world.remove(pack).await;
    }
    let done = scene.repair(None, false).await;
    assert!(done.objects.iter().any(|list| list.hindrance.is_some()), "{:?}", done.objects);
}

/// All of them at once: each says what the next one was.
#[tokio::test]
async fn one_list_after_the_other() {
    let (scene, lists) = with_lists(false).await;
    let all = scene.restorable().await;
    for key in &lists {
        scene.world.remove(key).await;
    }
    let done = scene.repair(None, true).await;
    assert!(done.objects.iter().all(|list| list.hindrance.is_none()), "{:?}", done.objects);
    assert_eq!(scene.world.keys("/lists/").await, lists);
    assert_eq!(scene.restorable().await, all);
    assert!(done.is_mended());
}
