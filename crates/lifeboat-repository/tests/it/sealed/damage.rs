//! Every kind of object, damaged by chance and on purpose.

use super::*;

/// A sealed repository with every kind of object, a second data key, and two
/// secrets.
async fn whole(pages: u32, snapshots: u32) -> (World, Vec<Image>) {
    let world = World::new();
    let host = Host::new("a");
    let repository = make(&world, &host, &raw(1)).await;
    let images = fill(&named(&repository, "app"), &Image::new(pages), snapshots).await;
    repository.begin_data_key(&raw(1), false).await.expect("begins");
    let lists = world.keys("lists/").await.len();
    assert_eq!(lists, usize::from(snapshots > 13), "the deltas grew long enough");
    assert_eq!(complaints(&world, Some(&raw(1)), "app", &images).await, [""; 0]);
    (world, images)
}

/// Changes an object, and returns what a reader says.
async fn with(
    (world, images): &(World, Vec<Image>),
    key: &str,
    whole: &[u8],
    change: impl FnOnce(&mut Vec<u8>),
) -> Vec<String> {
    let mut bytes = whole.to_vec();
    change(&mut bytes);
    assert!(bytes != whole, "{key} is as it was");
    set(world, key, &bytes).await;
    let found = complaints(world, Some(&raw(1)), "app", images).await;
    set(world, key, whole).await;
    found
}

/// How a damaged object is named: by its key, or by its number.
fn names(complaint: &str, key: &str) -> bool {
    let number = key.rsplit('/').next().unwrap_or_default().trim_start_matches('0');
    complaint.contains(key)
        || key.contains("/records/") && {
            let last = format!("records/{number:0>20}");
            complaint.starts_with(&format!("record {number}:")) || complaint.contains(&last)
        }
}

/// Every byte of the header and of the end of an object, and a sample between
/// them; that its digest covers all of them is proven where it is made.
fn places(len: usize) -> impl Iterator<Item = usize> {
    (0..len).filter(move |at| !(112..len - 48).contains(at) || at % 7 == 0)
}

/// A flipped bit in the small objects: the reader names it.
#[tokio::test]
async fn bytes_of_small_objects() {
    let all = whole(16, 14).await;
    let newest = all.0.keys("/records/").await.pop().expect("is there");
    let list = all.0.keys("/lists/").await.remove(0);
    for key in all.0.keys("format/").await.into_iter().chain([newest, list]) {
        let whole = bytes_of(&all.0, &key).await;
        for at in places(whole.len()) {
            let found = with(&all, &key, &whole, |bytes| bytes[at] ^= 1 << (at % 8)).await;
            assert!(found.iter().any(|complaint| names(complaint, &key)), "{key} {at}: {found:?}");
        }
    }
}

/// Slots, of which any other that opens the same data key is as good.
#[tokio::test]
async fn every_byte_of_slots() {
    let all = whole(3, 2).await;
    let slots = all.0.keys("keys/").await;
    assert_eq!(slots.len(), 2, "the first, and the chain to the second data key");
    for key in &slots {
        let whole = bytes_of(&all.0, key).await;
        for at in 0..whole.len() {
            let found = with(&all, key, &whole, |bytes| bytes[at] ^= 1 << (at % 8)).await;
            // Without the first there is no way to the second, which is named.
            assert!(
                found
                    .iter()
                    .any(|complaint| complaint.contains(key)
                        || complaint.contains("open scripted://")),
                "{key} {at}: {found:?}"
            );
        }
    }
}

/// Packs: what a restore reads is refused by name. The beginning and the block
/// hashes are not read by a restore; what comes out is proven to be the same.
#[tokio::test]
async fn bytes_of_packs() {
    let all = whole(70, 2).await;
    for key in [all.0.keys("/packs/").await.remove(0), small_pack(&all.0).await] {
        let whole = bytes_of(&all.0, &key).await;
        let trailer = whole.len() - 32;
        let field = |at: usize| {
            let bytes = &whole[trailer + at..trailer + at + 4];
            u32::from_le_bytes(bytes.try_into().expect("four bytes")) as usize
        };
        let (header, frames, hashes) = (field(0), field(4), field(8));
        assert_eq!(header, 96, "it is sealed");
        // A small pack comes whole with its end, and then its beginning is proven.
        let is_whole = whole.len() < 20_000;
        let unread = |at: usize| {
            at < header && !is_whole || (header + frames..header + frames + hashes).contains(&at)
        };
        // Every byte of the ends, and a sample of what is long.
        let sampled = (0..whole.len()).filter(|at| match at {
            _ if (header + 32..header + frames - 32).contains(at) => at % 16_001 == 0,
            _ if unread(*at) => at % 17 == 0,
            _ => true,
        });
        for at in sampled {
            let found = with(&all, &key, &whole, |bytes| bytes[at] ^= 1 << (at % 8)).await;
            match unread(at) {
                true => assert_eq!(found, [""; 0], "{key} {at}"),
                false => assert!(found.iter().any(|c| names(c, &key)), "{key} {at}: {found:?}"),
            }
        }
    }
}

async fn small_pack(world: &World) -> String {
    for key in world.keys("/packs/").await {
        if bytes_of(world, &key).await.len() < 20_000 {
            return key;
        }
    }
    panic!("all packs are large");
}

/// What a restore does not read is read by a backup without its cache, which
/// finds the damage and sends the pages again.
#[tokio::test]
async fn block_hashes_are_proven_by_who_uses_them() {
    let world = World::new();
    let host = Host::new("a");
    let database = named(&make(&world, &host, &raw(1)).await, "app");
    let images = fill(&database, &Image::new(70), 1).await;
    let key = world.keys("/packs/").await.remove(0);
    host.drop_cache();
    world
        .change(&key, |bytes| {
            let trailer = bytes.len() - 32;
            let index =
                u32::from_le_bytes(bytes[trailer + 12..trailer + 16].try_into().expect("four"));
            // The last byte of the block hashes: before index, seal and trailer.
            bytes[trailer - 80 - index as usize - 1] ^= 1;
        })
        .await;
    // The database has not changed, and still a new snapshot is taken.
    let next = images[0].clone().later(1);
    let report = database.backup(next.clone(), options()).await.expect("backs up").report;
    assert_eq!((report.pages_changed, report.unchanged), (70, false), "none of it is trusted");
    world.remove(&key).await;
    check_restores(&database, &LATEST, &next).await;
}

#[tokio::test]
async fn cut_objects() {
    let all = whole(70, 14).await;
    let mut objects = vec![all.0.keys("/records/").await.pop().expect("is there")];
    for kind in ["format/", "/lists/", "/packs/"] {
        objects.push(all.0.keys(kind).await.remove(0));
    }
    for key in objects {
        let whole = bytes_of(&all.0, &key).await;
        for len in [0, 1, 15, 16, 95, 96, 97, whole.len() / 2, whole.len() - 33, whole.len() - 1] {
            let found = with(&all, &key, &whole, |bytes| bytes.truncate(len)).await;
            assert!(found.iter().any(|complaint| names(complaint, &key)), "{key} {len}: {found:?}");
        }
        // A pack is read up to the length that its record states, and no further.
        let found = with(&all, &key, &whole, |bytes| bytes.push(0)).await;
        let named = found.iter().any(|complaint| names(complaint, &key));
        assert_eq!(named, !key.contains("/packs/"), "{key} longer: {found:?}");
    }
}

/// Who can write and has no key can set digests right, and gains nothing.
#[tokio::test]
async fn forged_with_the_digest_set_right() {
    let all = whole(3, 2).await;
    let newest = all.0.keys("/records/").await.pop().expect("is there");
    let whole = bytes_of(&all.0, &newest).await;
    for at in places(whole.len()).filter(|at| *at < whole.len() - 32) {
        let found = with(&all, &newest, &whole, |bytes| {
            bytes[at] ^= 1 << (at % 8);
            mend_digest(bytes);
        })
        .await;
        let expected = match at {
            16..32 => "was encrypted with data key",
            32..96 => "belongs to another database or repository",
            96.. => "forged",
            _ => "",
        };
        let named = |c: &String| names(c, &newest) && c.contains(expected);
        assert!(found.iter().any(named), "{at}: {found:?}");
    }
}

/// A slot that is damaged bars its own holder, and nobody else.
#[tokio::test]
async fn somebody_elses_damaged_slot() {
    let world = World::new();
    let host = Host::new("a");
    let repository = make(&world, &host, &raw(1)).await;
    let images = fill(&named(&repository, "app"), &Image::new(3), 1).await;
    let secrets = [raw(1), passphrase("correct horse"), passphrase("battery staple")];
    for secret in &secrets[1..] {
        repository.add_secret(secret, "paper").await.expect("adds");
    }
    let slots = world.keys("keys/").await;
    assert_eq!(slots.len(), 3);
    let mut barred = [0; 3];
    for key in slots {
        let whole = bytes_of(&world, &key).await;
        world.change(&key, |bytes| bytes[30] ^= 1).await;
        for (at, secret) in secrets.iter().enumerate() {
            let found = complaints(&world, Some(secret), "app", &images).await;
            barred[at] += found.len();
            assert!(found.iter().all(|complaint| complaint.contains(&key)), "{found:?}");
        }
        set(&world, &key, &whole).await;
    }
    assert_eq!(barred, [1; 3]);
}

/// The chain to a newer data key is one way of two.
#[tokio::test]
async fn a_damaged_chain_beside_a_slot_of_ones_own() {
    let world = World::new();
    let host = Host::new("a");
    let repository = make(&world, &host, &raw(1)).await;
    let images = fill(&named(&repository, "app"), &Image::new(3), 1).await;
    let before = world.keys("keys/").await;
    let next = repository.begin_data_key(&raw(1), false).await.expect("begins");
    let chain = world.keys("keys/").await.into_iter().find(|key| !before.contains(key));
    next.add_secret(&raw(2), "second").await.expect("adds");
    world.change(&chain.expect("was made"), |bytes| bytes[30] ^= 1).await;
    assert_eq!(complaints(&world, Some(&raw(2)), "app", &images).await, [""; 0]);
    assert_eq!(complaints(&world, Some(&raw(1)), "app", &images).await.len(), 1);
}
