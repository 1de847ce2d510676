//! Archives, made anew from others of the same state.

use super::*;

/// Takes a snapshot of an image as one file, and returns its key.
async fn archive(scene: &Scene, image: &Image) -> String {
    let before = scene.world.keys("/archives/").await;
    scene.database.archive(image.clone(), options()).await.expect("archives");
    let after = scene.world.keys("/archives/").await;
    after.into_iter().find(|key| !before.contains(key)).expect("a new one")
}

async fn bytes(scene: &Scene, key: &str) -> Vec<u8> {
    let object = scene.world.client("look").get(key, u64::MAX).await.expect("reads");
    object.expect("is there").to_vec()
}

/// From a snapshot of pages, from another archive, and, only where it is missing,
/// from the live database.
#[tokio::test]
async fn archives_are_made_anew() {
    for missing in [true, false] {
        let scene = Scene::new(false).await;
        let same = archive(&scene, &scene.image.clone().later(1)).await;
        let mut other = scene.image.clone().later(2);
        other.write(150, 9);
        let (first, second) = (archive(&scene, &other).await, archive(&scene, &other).await);
        let mut alone = other.clone().later(3);
        alone.write(151, 9);
        let alone_key = archive(&scene, &alone).await;
        let all = scene.restorable().await;
        let damage = async |key: &str| {
            let good = bytes(&scene, key).await;
            if missing {
                scene.world.remove(key).await;
            } else {
                scene.world.change(key, |bytes| bytes[5000] ^= 1).await;
            }
            good
        };
        for key in [&same, &first, &second] {
            let good = damage(key).await;
            scene.world.clear_calls();
            let planned = scene.repair(None, false).await;
            assert_eq!((planned.objects.len(), planned.objects[0].hindrance), (1, None));
            assert!(planned.is_mended() && scene.world.objects_put().is_empty());
            let done = scene.repair(None, true).await;
            assert!(done.is_mended(), "{:?}", done.left);
            assert!(bytes(&scene, key).await == good, "byte for byte");
            assert_eq!(scene.restorable().await, all);
        }
        // Nothing but the live database is of this state.
        let good = damage(&alone_key).await;
        let done = scene.repair(Some(&alone), true).await;
        assert_eq!(done.is_mended(), missing, "what may still be of use is not taken away");
        if missing {
            assert!(bytes(&scene, &alone_key).await == good);
        } else {
            assert!(done.objects[0].hindrance.is_some_and(|why| why.contains("same state")));
            assert_eq!(bytes(&scene, &alone_key).await.len(), good.len());
        }
    }
}

/// Killed at every change, a repair leaves nothing that the next one cannot mend.
#[tokio::test]
async fn an_archive_killed_at_every_step() {
    for changes in 0..4 {
        let scene = Scene::new(false).await;
        let key = archive(&scene, &scene.image.clone().later(1)).await;
        let good = bytes(&scene, &key).await;
        scene.world.change(&key, |bytes| bytes[5000] ^= 1).await;
        scene.world.crash_after("W", changes);
        let done = scene.database.repair(None::<Image>, true, CollectOptions::default()).await;
        assert_eq!(done.is_err(), changes < 3, "after {changes}");
        scene.world.revive("W");
        scene.repair(None, true).await;
        assert!(bytes(&scene, &key).await == good, "after {changes}");
    }
}

/// A sealed one cannot be made anew, and nothing is taken away.
#[tokio::test]
async fn a_sealed_archive() {
    let scene = Scene::new(true).await;
    let key = archive(&scene, &scene.image.clone().later(1)).await;
    scene.world.change(&key, |bytes| bytes[5000] ^= 1).await;
    let bad = bytes(&scene, &key).await;
    let done = scene.repair(Some(&scene.image), true).await;
    assert!(done.objects[0].hindrance.is_some() && !done.is_mended());
    assert!(bytes(&scene, &key).await == bad);
}
