//! Every kind of object: bytes flipped, cut, missing, swapped, brought from
//! elsewhere.

use super::*;

/// One object of each kind, and what it hits: none where nobody but a holder of
/// a key is hit, or where only the key shows it.
async fn one_of_each(whole: &Whole) -> Vec<(String, Option<BTreeSet<u64>>)> {
    let mut keys = vec![
        "databases/app/records/00000000000000000002".to_owned(),
        "databases/app/records/00000000000000000018".to_owned(),
    ];
    for part in ["format/", "keys/", "/lists/", "/archives/", "/checks/"] {
        keys.extend(whole.world.keys(part).await.into_iter().take(1));
    }
    let mut packs = Vec::new();
    for key in whole.world.keys("/packs/").await {
        packs.push((whole.bytes(&key).await.len(), key));
    }
    packs.sort();
    keys.push(packs[0].1.clone());
    keys.push(packs[packs.len() - 1].1.clone());
    let mut all = Vec::new();
    for key in keys {
        let hit = match whole.sealed {
            _ if ["format/", "keys/", "/checks/"].iter().any(|part| key.contains(part)) => {
                Some(BTreeSet::new())
            }
            true => None,
            false => Some(match key.contains("/archives/") {
                true => BTreeSet::from([17]),
                false => whole.needed_by(&key).await,
            }),
        };
        all.push((key, hit));
    }
    all
}

/// Every byte of the beginning and of the end, where the fields are, and a
/// sample of what lies between.
fn places(len: usize) -> impl Iterator<Item = usize> {
    let step = (len / 16).max(1);
    (0..len).filter(move |at| *at < 20 || *at + 36 >= len || at % step == 7 % step)
}

async fn every_byte_class(sealed: bool) {
    let whole = Whole::new(sealed).await;
    for (key, hit) in one_of_each(&whole).await {
        let good = whole.bytes(&key).await;
        for at in places(good.len()) {
            let mut bad = good.clone();
            bad[at] ^= 1 << (at % 8);
            whole.set(&key, &bad).await;
            let found = whole.check(ALL).await;
            assert!(names(&found, &key, hit.as_ref()), "{key} {at}: {hit:?} {found:?}");
        }
        whole.set(&key, &good).await;
    }
    let found = whole.check(ALL).await.expect("checks");
    assert_eq!(found.result.findings, [], "nothing is left of it");
}

#[tokio::test]
async fn every_byte_class_of_every_kind() {
    every_byte_class(false).await;
}

#[tokio::test]
async fn every_byte_class_of_every_sealed_kind() {
    every_byte_class(true).await;
}

/// Cut to nothing, within the header, at its end, in the middle, by one byte;
/// and longer than it was.
#[tokio::test]
async fn every_cut() {
    for sealed in [false, true] {
        let whole = Whole::new(sealed).await;
        for (key, hit) in one_of_each(&whole).await {
            let good = whole.bytes(&key).await;
            for len in [0, 1, 15, 16, 96, good.len() / 2, good.len() - 32, good.len() - 1] {
                whole.set(&key, &good[..len.min(good.len() - 1)]).await;
                let found = whole.check(ALL).await;
                assert!(names(&found, &key, hit.as_ref()), "{key} {len}: {found:?}");
            }
            whole.set(&key, &[&good[..], b"x"].concat()).await;
            let found = whole.check(ALL).await;
            assert!(names(&found, &key, hit.as_ref()), "{key}, longer: {found:?}");
            whole.set(&key, &good).await;
        }
    }
}

/// What is missing or has another size is found without reading it.
#[tokio::test]
async fn every_object_missing() {
    let whole = Whole::new(false).await;
    let mut keys = Vec::new();
    for part in ["/records/", "/lists/", "/packs/", "/archives/"] {
        keys.extend(whole.world.keys(part).await);
    }
    // The newest record missing is a log that ends earlier: only who has seen
    // it knows.
    keys.retain(|key| !key.ends_with("0018"));
    let referenced: BTreeSet<u64> = (1..=17).collect();
    for key in keys {
        let good = whole.bytes(&key).await;
        let hit = match key.contains("/archives/") {
            true => BTreeSet::from([17]),
            false => whole.needed_by(&key).await,
        };
        assert!(hit.is_subset(&referenced));
        if hit.is_empty() {
            continue;
        }
        whole.world.remove(&key).await;
        let found = whole.check(Depth::Presence).await;
        assert!(names(&found, &key, Some(&hit)), "{key}: {hit:?} {found:?}");
        let remote = whole.world.client("x");
        let _ = remote.create(&key, good.into()).await.expect("is put back");
    }
    // The newest: whoever has seen it finds it missing.
    whole.world.remove("databases/app/records/00000000000000000018").await;
    let found = whole.database.check(&CheckOptions::of_depth(Depth::References)).await;
    let findings = found.expect("checks").result.findings;
    assert!(findings.iter().any(|finding| finding.what.contains("18")), "{findings:?}");
}

/// Two objects in each other's place: both are named.
#[tokio::test]
async fn objects_swapped() {
    for sealed in [false, true] {
        let whole = Whole::new(sealed).await;
        for part in ["/packs/", "/records/"] {
            let keys = whole.world.keys(part).await;
            let (a, b) = (&keys[1], &keys[4]);
            let (good_a, good_b) = (whole.bytes(a).await, whole.bytes(b).await);
            whole.set(a, &good_b).await;
            whole.set(b, &good_a).await;
            let found = whole.check(ALL).await;
            assert!(names(&found, a, None) && names(&found, b, None), "{part}: {found:?}");
            whole.set(a, &good_a).await;
            whole.set(b, &good_b).await;
        }
    }
}

/// Objects of another database of the same repository, and of another
/// repository, in the place of one's own.
#[tokio::test]
async fn objects_from_elsewhere() {
    for sealed in [false, true] {
        let whole = Whole::new(sealed).await;
        let strange = Whole::new(sealed).await;
        let other =
            whole.database.repository().database("other".to_owned().try_into().expect("ok"));
        for n in 0..16 {
            let mut image = Image::new(70).later(n);
            image.write(n as u32, 77 + n as u64);
            other.backup(image.clone(), options()).await.expect("backs up");
        }
        other.check(&CheckOptions::default()).await.expect("checks");
        for part in ["/packs/", "/records/", "/lists/", "/checks/"] {
            let own = whole.world.keys(&format!("databases/app{part}")).await;
            let key = &own[own.len() / 2];
            let good = whole.bytes(key).await;
            let sibling = whole.world.keys(&format!("databases/other{part}")).await;
            let foreign = strange.world.keys(part).await;
            let sibling = whole.bytes(&sibling[sibling.len() / 2]).await;
            for bytes in [sibling, strange.bytes(&foreign[foreign.len() / 2]).await] {
                whole.set(key, &bytes).await;
                let found = whole.check(ALL).await;
                assert!(names(&found, key, None), "{key}: {found:?}");
            }
            whole.set(key, &good).await;
        }
    }
}

/// Packs that are whole one by one, and not the image that the record says: a
/// writer that forgot one of them, with every digest right.
#[tokio::test]
async fn whole_packs_that_are_the_wrong_ones() {
    use lifeboat_format::digest::Digest;
    use lifeboat_format::list::{PackListRef, packs_digest};
    use lifeboat_format::object::{ObjectKind, decode_control, encode_control};
    use serde_json::Value;

    let world = World::new();
    let host = Host::new("a");
    let database = host.create(world.client("W")).await;
    let first = Image::new(70);
    database.backup(first.clone(), options()).await.expect("backs up");
    let mut second = first.later(1);
    second.write(5, 77);
    database.backup(second, options()).await.expect("backs up");
    let key = "databases/app/records/00000000000000000002";
    world
        .change(key, |bytes| {
            let content = decode_control(ObjectKind::Record, bytes).expect("is whole");
            let text = String::from_utf8(content.to_vec()).expect("is text");
            let (envelope, body) = text.split_once('\n').expect("two lines");
            let mut envelope: Value = serde_json::from_str(envelope).expect("is JSON");
            let mut body: Value = serde_json::from_str(body).expect("is JSON");
            let mut packs: PackListRef =
                serde_json::from_value(envelope["packs"].clone()).expect("is a list");
            assert_eq!((packs.list, packs.added.len()), (None, 2));
            packs.added.remove(0);
            body["content"]["packs_digest"] =
                serde_json::to_value(packs_digest(&packs.added)).expect("serialises");
            envelope["packs"] = serde_json::to_value(&packs).expect("serialises");
            let body = body.to_string();
            envelope["body_digest"] =
                serde_json::to_value(Digest::of(body.as_bytes())).expect("serialises");
            *bytes = encode_control(ObjectKind::Record, format!("{envelope}\n{body}").as_bytes());
        })
        .await;
    let stranger = Host::new("b");
    let reader = stranger.open(world.client("R")).await;
    let report = reader.check(&CheckOptions::of_depth(ALL)).await.expect("checks");
    let [finding] = &report.result.findings[..] else { panic!("{report:?}") };
    assert!(key.ends_with(&finding.object), "{finding:?}");
    assert!(finding.what.contains("69 of 70 blocks are in none of its packs"), "{finding:?}");
    assert_eq!(report.verified.len(), 1, "the first is what it was");
}
