//! What needs neither another destination nor the live database: bytes that follow
//! from those that are left.

use super::*;

/// The bytes of an object, all of them.
async fn bytes_of(scene: &Scene, key: &str) -> Vec<u8> {
    let object = scene.world.client("look").get(key, u64::MAX).await.expect("reads");
    object.expect("is there").to_vec()
}

/// Damages every pack in the same way, and repairs; each is what it was.
async fn check(sealed: bool, what: &str, damage: impl Fn(&mut Vec<u8>)) {
    let scene = Scene::new(sealed).await;
    let packs = scene.world.keys("/packs/").await;
    let mut before = Vec::new();
    for key in &packs {
        before.push(bytes_of(&scene, key).await);
        scene.world.change(key, &damage).await;
    }
    let planned = scene.repair(None, false).await;
    assert_eq!(planned.packs.len(), packs.len(), "{what} {sealed}");
    assert!(planned.packs.iter().all(|pack| pack.is_put_back()), "{what}: {:?}", planned.packs);
    let done = scene.repair(None, true).await;
    assert!(done.is_mended() && done.broken.len() == 4, "{what} {sealed}: {:?}", done.left);
    for (key, before) in packs.iter().zip(&before) {
        assert!(bytes_of(&scene, key).await == *before, "{what} {sealed}: {key}");
    }
    assert_eq!(scene.findings().await, [""; 0], "{what} {sealed}");
    assert!(scene.world.keys("/repairs/").await.is_empty(), "{what}: nothing was made anew");
}

#[tokio::test]
async fn what_follows_from_the_rest_of_a_pack() {
    for sealed in [false, true] {
        let trailer = 32;
        let (header, before) = if sealed { (96, 80 + trailer) } else { (16, trailer) };
        for at in [0, 9, 11, 12, 15, header - 1] {
            check(sealed, "header", |bytes| bytes[at] ^= 1).await;
        }
        for at in [1, 8, 12, 17, 21, 32] {
            check(sealed, "trailer", |bytes| {
                let at = bytes.len() - at;
                bytes[at] ^= 1;
            })
            .await;
        }
        check(sealed, "end", |bytes| {
            let len = bytes.len();
            bytes[len - trailer..].fill(0xa5);
        })
        .await;
        if sealed {
            check(sealed, "seal", |bytes| {
                let len = bytes.len();
                bytes[len - before..len - trailer].fill(0);
            })
            .await;
        }
        check(sealed, "block hashes", |bytes| {
            let at = |from_end: usize| {
                let start = bytes.len() - from_end;
                u32::from_le_bytes(bytes[start..start + 4].try_into().expect("four")) as usize
            };
            let start = at(32) + at(28);
            bytes[start] ^= 1;
        })
        .await;
        check(sealed, "appended", |bytes| bytes.push(7)).await;
    }
}

/// Frames and indexes follow from nothing: one that is damaged is no worse than
/// before, and is not taken for whole.
#[tokio::test]
async fn what_does_not_follow() {
    for sealed in [false, true] {
        let scene = Scene::new(sealed).await;
        let key = scene.damage_a_frame().await;
        scene.world.change(&key, |bytes| bytes[3] ^= 1).await;
        let done = scene.repair(None, true).await;
        assert!(!done.is_mended(), "{:?}", done.packs);
        assert!(done.back.healed.is_empty(), "{:?}", done.back);
    }
}

/// A record is removed in the middle of the log: its number is taken again, and what
/// was no snapshot is given up.
#[tokio::test]
async fn a_hole_in_the_log() {
    for sealed in [false, true] {
        let scene = Scene::new(sealed).await;
        scene.database.pin(&[RecordNo(2)]).await.expect("pins");
        scene.database.unpin(&[RecordNo(2)]).await.expect("unpins");
        let hole = scene.world.keys("/records/00000000000000000005").await.remove(0);
        scene.world.remove(&hole).await;
        assert!(!scene.findings().await.is_empty());
        let done = scene.repair(None, true).await;
        assert!(done.is_mended(), "{:?}", done.left);
        assert_eq!(done.back.given_up, [RecordNo(5)]);
        assert_eq!(scene.findings().await, [""; 0]);
        assert_eq!(scene.restorable().await, [1, 2, 3, 4]);
        // Nobody can take the number any more, and somebody who has never been here
        // finds the end of the log.
        let secret = sealed.then(|| Secret::Raw(RawKey::from_bytes([1; 32])));
        let stranger = Host::new("b");
        let opened = Repository::open_with(
            scene.world.client("stranger"),
            stranger.local.clone(),
            secret.as_ref(),
        );
        let database = opened.await.expect("opens").database(name());
        assert_eq!(database.snapshots(None).await.expect("lists").snapshots.len(), 4);
        assert_eq!(check_all_restore(&database).await, 4);
    }
}

/// A snapshot whose record is gone, and that nobody else has, is not given up: its
/// packs stay.
#[tokio::test]
async fn a_lost_snapshot_is_not_given_up() {
    let scene = Scene::new(false).await;
    let hole = scene.world.keys("/records/00000000000000000002").await.remove(0);
    scene.world.remove(&hole).await;
    let packs = scene.world.keys("/packs/").await;
    scene.host.advance(DAY * 30);
    let done = scene.repair(None, true).await;
    assert_eq!(numbers(&done.broken), [2]);
    assert!(!done.is_mended() && done.back.given_up.is_empty(), "{:?}", done.back);
    assert_eq!(scene.world.keys("/packs/").await, packs);
    assert_eq!(scene.restorable().await, [1, 3, 4]);
}
