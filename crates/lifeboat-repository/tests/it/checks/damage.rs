//! Every kind of object: bytes flipped, cut, missing, swapped, brought from
//! elsewhere.

use std::collections::BTreeMap;

use super::*;

/// The kinds of objects below a database of which there are several.
const KINDS: [&str; 7] =
    ["/packs/", "/records/", "/lists/", "/archives/", "/attachments/", "/repairs/", "/checks/"];

/// What nobody but a holder of a key is hit by.
const OF_NOBODY: [&str; 4] = ["format/", "keys/", "/checks/", "/repairs/"];

/// One object of each kind, and what it hits: none where only the key shows it.
async fn one_of_each(whole: &Whole) -> Vec<(String, Option<BTreeSet<u64>>)> {
    let mut keys = vec![
        "databases/app/records/00000000000000000002".to_owned(),
        format!("databases/app/records/{:020}", whole.newest()),
    ];
    let parts =
        ["format/", "keys/", "/lists/", "/archives/", "/attachments/", "/checks/", "/repairs/"];
    for part in parts {
        let there = whole.world.keys(part).await;
        let expected = match part {
            "keys/" => whole.sealed,
            "/attachments/" => !whole.sealed,
            _ => true,
        };
        assert_eq!(!there.is_empty(), expected, "{part}");
        keys.extend(there.into_iter().take(1));
    }
    let mended = whole.mended().await;
    keys.push(mended[0].1.clone());
    let mut packs = Vec::new();
    for key in whole.world.keys("/packs/").await {
        if mended.iter().all(|(damaged, healed)| *damaged != key && *healed != key) {
            packs.push((whole.bytes(&key).await.len(), key));
        }
    }
    packs.sort();
    keys.push(packs[0].1.clone());
    keys.push(packs[packs.len() - 1].1.clone());
    let mut all = Vec::new();
    for key in keys {
        let hit = match whole.sealed {
            _ if OF_NOBODY.iter().any(|part| key.contains(part)) => Some(BTreeSet::new()),
            true => None,
            // What it says is not known then, neither that it is a snapshot.
            false if key.ends_with(&format!("/records/{:020}", whole.newest())) => {
                Some(BTreeSet::new())
            }
            false => Some(whole.needed_by(&key).await),
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

/// For `cargo xtask damage`, which adds these up.
fn tell(what: &str, sealed: bool, count: usize) {
    println!("damaged: {what}, {}: {count}", if sealed { "sealed" } else { "plain" });
}

async fn every_byte_class(sealed: bool) {
    let whole = Whole::new(sealed).await;
    let mut count = 0;
    for (key, hit) in one_of_each(&whole).await {
        let good = whole.bytes(&key).await;
        for at in places(good.len()) {
            let mut bad = good.clone();
            bad[at] ^= 1 << (at % 8);
            whole.set(&key, &bad).await;
            let found = whole.check(ALL).await;
            assert!(names(&found, &key, hit.as_ref()), "{key} {at}: {hit:?} {found:?}");
            count += 1;
        }
        whole.set(&key, &good).await;
    }
    assert!(count > 600, "{count}");
    tell("a bit of each byte class", sealed, count);
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
        let mut count = 0;
        for (key, hit) in one_of_each(&whole).await {
            let good = whole.bytes(&key).await;
            for len in [0, 1, 15, 16, 96, good.len() / 2, good.len() - 32, good.len() - 1] {
                whole.set(&key, &good[..len.min(good.len() - 1)]).await;
                let found = whole.check(ALL).await;
                assert!(names(&found, &key, hit.as_ref()), "{key} {len}: {hit:?} {found:?}");
                count += 1;
            }
            whole.set(&key, &[&good[..], b"x"].concat()).await;
            let found = whole.check(ALL).await;
            assert!(names(&found, &key, hit.as_ref()), "{key}, longer: {found:?}");
            count += 1;
            whole.set(&key, &good).await;
        }
        tell("cut, or longer", sealed, count);
    }
}

/// What is missing or has another size is found without reading it.
#[tokio::test]
async fn every_object_missing() {
    for sealed in [false, true] {
        let whole = Whole::new(sealed).await;
        let damaged: Vec<String> =
            whole.mended().await.into_iter().map(|(damaged, _)| damaged).collect();
        let mut keys = Vec::new();
        for part in ["/records/", "/lists/", "/packs/", "/archives/", "/attachments/"] {
            keys.extend(whole.world.keys(part).await);
        }
        // The newest record missing is a log that ends earlier: only who has seen
        // it knows.
        let newest = format!("databases/app/records/{:020}", whole.newest());
        keys.retain(|key| *key != newest && !damaged.contains(key));
        let mut counted = 0;
        for key in keys {
            let good = whole.bytes(&key).await;
            let hit = if sealed { None } else { Some(whole.needed_by(&key).await) };
            if hit.as_ref().is_some_and(BTreeSet::is_empty) && !key.contains("/records/") {
                // Nobody needs it any more, and nobody misses it.
                continue;
            }
            whole.world.remove(&key).await;
            let found = whole.check(Depth::Presence).await;
            let is_orphan = sealed && found.as_ref().is_ok_and(CheckReport::is_ok);
            assert!(is_orphan || names(&found, &key, hit.as_ref()), "{key}: {hit:?} {found:?}");
            counted += usize::from(!is_orphan);
            let remote = whole.world.client("x");
            let _ = remote.create(&key, good.into()).await.expect("is put back");
        }
        assert!(counted > 40, "{counted}");
        tell("missing", sealed, counted);
        // Without the repair the damaged pack is read, and named.
        for (key, (damaged, _)) in
            whole.world.keys("/repairs/").await.iter().zip(whole.mended().await)
        {
            let good = whole.bytes(key).await;
            whole.world.remove(key).await;
            let found = whole.check(ALL).await;
            assert!(names(&found, &damaged, None), "{key}: {found:?}");
            let _ = whole.world.client("x").create(key, good.into()).await.expect("is put back");
        }
        // The newest: whoever has seen it finds it missing.
        whole.world.remove(&newest).await;
        let found = whole.database.check(&CheckOptions::of_depth(Depth::References)).await;
        let findings = found.expect("checks").result.findings;
        let number = whole.newest().to_string();
        assert!(findings.iter().any(|finding| finding.what.contains(&number)), "{findings:?}");
    }
}

/// Two objects in each other's place: both are named, of every kind.
#[tokio::test]
async fn objects_swapped() {
    for sealed in [false, true] {
        let whole = Whole::new(sealed).await;
        let damaged: Vec<String> =
            whole.mended().await.into_iter().map(|(damaged, _)| damaged).collect();
        let mut swapped = 0;
        for part in KINDS {
            let mut keys = whole.world.keys(part).await;
            if part == "/packs/" {
                let mut needed = Vec::new();
                for key in keys {
                    if !damaged.contains(&key)
                        && (sealed || !whole.needed_by(&key).await.is_empty())
                    {
                        needed.push(key);
                    }
                }
                keys = needed;
            }
            let [a, .., b] = &keys[..] else {
                assert!(part == "/attachments/" && sealed, "{part}");
                continue;
            };
            let (good_a, good_b) = (whole.bytes(a).await, whole.bytes(b).await);
            whole.set(a, &good_b).await;
            whole.set(b, &good_a).await;
            let found = whole.check(ALL).await;
            assert!(names(&found, a, None) && names(&found, b, None), "{part}: {found:?}");
            whole.set(a, &good_a).await;
            whole.set(b, &good_b).await;
            swapped += 1;
        }
        assert_eq!(swapped, KINDS.len() - usize::from(sealed));
        tell("in each other's place", sealed, 2 * swapped);
        assert_eq!(whole.check(ALL).await.expect("checks").result.findings, []);
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
        fill(&whole.world, &other, 77).await;
        if !sealed {
            attach(&whole.world, &other).await;
        }
        other.check(&CheckOptions::default()).await.expect("checks");
        let mended = whole.mended().await;
        let mut count = 0;
        for part in KINDS {
            let mut own = whole.world.keys(&format!("databases/app{part}")).await;
            own.retain(|key| mended.iter().all(|(damaged, _)| damaged != key));
            let Some(key) = own.get(own.len() / 2) else {
                assert!(part == "/attachments/" && sealed, "{part}");
                continue;
            };
            // A healed pack, which is surely needed.
            let key = if part == "/packs/" { &mended[0].1 } else { key };
            let good = whole.bytes(key).await;
            let sibling = whole.world.keys(&format!("databases/other{part}")).await;
            let foreign = strange.world.keys(part).await;
            let sibling = whole.bytes(&sibling[sibling.len() / 2]).await;
            for bytes in [sibling, strange.bytes(&foreign[foreign.len() / 2]).await] {
                // Attachments of the other are the same bytes, byte for byte.
                if bytes == good {
                    continue;
                }
                whole.set(key, &bytes).await;
                let found = whole.check(ALL).await;
                assert!(names(&found, key, None), "{key}: {found:?}");
                count += 1;
            }
            whole.set(key, &good).await;
        }
        tell("from elsewhere", sealed, count);
        // What says what the repository is, and the slot of who checks. That of
        // somebody else cannot be told from one of another repository: only its
        // holder could open it.
        let mut noticed = BTreeMap::new();
        for part in ["format/", "keys/"] {
            let foreign = strange.world.keys(part).await;
            for (key, foreign) in whole.world.keys(part).await.into_iter().zip(foreign) {
                let good = whole.bytes(&key).await;
                whole.set(&key, &strange.bytes(&foreign).await).await;
                let found = whole.check(ALL).await;
                let clean = found.is_ok_and(|report| report.is_ok());
                *noticed.entry(part).or_insert(0) += usize::from(!clean);
                whole.set(&key, &good).await;
            }
        }
        let expected = BTreeMap::from([("format/", 1), ("keys/", 1)]);
        assert!(noticed.iter().eq(expected.iter().take(1 + usize::from(sealed))), "{noticed:?}");
        assert_eq!(whole.check(ALL).await.expect("checks").result.findings, []);
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
