//! Damage is named, and never mistaken for something else (rule R10).

use super::*;

/// R10: a damaged newest record is a burnt number, and an alarm.
#[tokio::test]
async fn a_damaged_newest_record() {
    let world = World::new();
    let host = Host::new("a");
    let writer = host.create(world.client("W")).await;
    let first = Image::new(300);
    backup(&writer, &first).await;
    let second = next(&first, 3);
    backup(&writer, &second).await;
    let key = world.keys("records/00000000000000000002").await.remove(0);
    world.change(&key, |bytes| bytes[40] ^= 1).await;

    let error = writer.resolve(&LATEST, None).await.expect_err("the latest is damaged");
    assert!(matches!(error, lifeboat_repository::ResolveError::Read(e) if e.is_damage()));
    let listing = writer.snapshots(None).await.expect("lists");
    assert_eq!((listing.snapshots.len(), listing.burnt), (1, vec![RecordNo(2)]));

    let third = next(&second, 4);
    let report = writer.backup(third.clone(), options()).await.expect("backs up").report;
    assert_eq!((report.number, report.damaged_records), (RecordNo(3), vec![RecordNo(2)]));
    assert_eq!(report.pages_changed, 300, "only what is sent anew is sure to stay");
    check_restores(&writer, &LATEST, &third).await;
    assert_eq!(check_all_restore(&writer).await, 2);
}

/// R10: a record that cannot be fetched is an error, not damage.
#[tokio::test]
async fn a_transport_error_is_not_damage() {
    let world = World::new();
    let host = Host::new("a");
    let writer = host.create(world.client("W")).await;
    let first = Image::new(300);
    backup(&writer, &first).await;
    for op in [Op::Get, Op::Head] {
        world.fail("W", op, "records/", 1);
        let error = writer.backup(next(&first, 3), options()).await.expect_err("fails");
        let transport = matches!(error, BackupError::Write(WriteError::Read(ReadError::Remote(_))));
        assert!(transport, "{error}");
    }
    assert_eq!(world.keys("records/").await.len(), 1);
}

/// A missing pack, a flipped byte and a cut are each named, and no image comes
/// out of them.
#[tokio::test]
async fn damage_is_named() {
    let world = World::new();
    let host = Host::new("a");
    let writer = host.create(world.client("W")).await;
    let image = Image::new(300);
    backup(&writer, &image).await;
    let key = world.keys("packs/").await.remove(0);
    let whole = world.client("x").get(&key, u64::MAX).await.expect("reads").expect("is there");
    let set = |bytes: Vec<u8>| world.change(&key, |now| *now = bytes);
    let error = || async {
        let snapshot = resolve(&writer, &LATEST).await;
        let result =
            writer.restore(&snapshot, Restored::default(), &RestoreOptions::default()).await;
        let error = result.map(|_| ()).expect_err("damaged");
        let lifeboat_repository::RestoreError::Read(error) = error else { panic!("{error}") };
        assert!(error.is_damage() && error.to_string().contains(&key), "{error}");
    };
    for at in [20, whole.len() / 2, whole.len() - 5, whole.len() - 100] {
        let mut bad = whole.to_vec();
        bad[at] ^= 1;
        set(bad).await;
        error().await;
    }
    for len in [0, 1, 31, whole.len() / 2, whole.len() - 1] {
        set(whole[..len].to_vec()).await;
        error().await;
    }
    world.remove(&key).await;
    error().await;
    assert_eq!(name().as_str(), "app");
}

/// A pack that is damaged is not built on: its pages are sent again, and the
/// next snapshot is whole.
#[tokio::test]
async fn a_damaged_pack_is_sent_again() {
    for missing in [false, true] {
        let world = World::new();
        let host = Host::new("a");
        let writer = host.create(world.client("W")).await;
        let first = Image::new(300);
        backup(&writer, &first).await;
        let key = world.keys("packs/").await.remove(0);
        let second = next(&first, 3);
        backup(&writer, &second).await;
        if missing {
            world.remove(&key).await;
        } else {
            world.change(&key, |bytes| bytes.truncate(1000)).await;
        }
        // The cache does not know that the pack is gone; without it, it shows.
        host.drop_cache();
        let third = next(&second, 4);
        let report = writer.backup(third.clone(), options()).await.expect("backs up").report;
        // One page lies in the whole pack; it is the one that stays.
        assert_eq!(report.pages_changed, 299);
        check_restores(&writer, &LATEST, &third).await;
    }
}

/// A record that is whole but belongs to another database is no damage to build
/// over: somebody moved things, and everything stops.
#[tokio::test]
async fn a_record_of_another_database() {
    let world = World::new();
    let host = Host::new("a");
    let writer = host.create(world.client("W")).await;
    let first = Image::new(30);
    backup(&writer, &first).await;
    let other = writer.repository().database("other".to_owned().try_into().expect("a name"));
    backup(&other, &first).await;
    backup(&other, &next(&first, 1)).await;
    let foreign = "databases/other/records/00000000000000000002";
    let object = world.client("x").get(foreign, u64::MAX).await.expect("reads").expect("is there");
    let here = "databases/app/records/00000000000000000002";
    let _ = world.client("x").create(here, object).await.expect("creates");
    let error = writer.backup(next(&first, 2), options()).await.expect_err("stops");
    let BackupError::Write(WriteError::Read(ReadError::Unusable { source, .. })) = error else {
        panic!("{error}");
    };
    assert!(source.to_string().contains("another database"), "{source}");
    assert_eq!(world.keys("app/records/").await.len(), 2);
}

/// A record whose own digests are right and whose content lies: the body and the
/// pack list prove each other.
#[tokio::test]
async fn a_record_that_lies() {
    use lifeboat_format::object::{ObjectKind, decode_control, encode_control};

    type Lie = fn(&str, &str) -> String;
    let lies: [(&str, Lie); 2] = [
        ("body", |envelope, body| format!("{envelope}\n{}", body.replace("manual", "safety"))),
        ("belongs to another record", |envelope, body| {
            let start = envelope.find("\"added\":[[").expect("a pack stands in the record") + 11;
            let other = if &envelope[start..start + 1] == "0" { "1" } else { "0" };
            format!("{}{other}{}\n{body}", &envelope[..start], &envelope[start + 1..])
        }),
    ];
    for (words, lie) in lies {
        let world = World::new();
        let host = Host::new("a");
        let writer = host.create(world.client("W")).await;
        backup(&writer, &Image::new(30)).await;
        let key = world.keys("records/").await.remove(0);
        world
            .change(&key, |bytes| {
                let content = decode_control(ObjectKind::Record, bytes).expect("is whole");
                let text = String::from_utf8(content.to_vec()).expect("is text");
                let (envelope, body) = text.split_once('\n').expect("two lines");
                *bytes = encode_control(ObjectKind::Record, lie(envelope, body).as_bytes());
            })
            .await;
        // Whoever has seen the record before knows that it is another one.
        let stranger = Host::new("b");
        let fresh = client(&world, &stranger, "F").await;
        let error = match fresh.resolve(&LATEST, None).await {
            Err(lifeboat_repository::ResolveError::Read(error)) => error,
            Err(error) => panic!("{error}"),
            Ok(snapshot) => {
                let options = RestoreOptions::default();
                match fresh.restore(&snapshot, Restored::default(), &options).await {
                    Err(lifeboat_repository::RestoreError::Read(error)) => error,
                    Err(error) => panic!("{error}"),
                    Ok(_) => panic!("{words}: restored all the same"),
                }
            }
        };
        assert!(error.is_damage(), "{error}");
        let ReadError::Unusable { source, .. } = error else { panic!("{error}") };
        let found = source.to_string();
        assert!(found.contains(words) || found.contains("newest record"), "{words}: {found}");
    }
}

/// The log is dense. Who remembers nothing, and who asks what there is, tells a
/// log that ends from one with a gap; and nothing is written into the gap.
#[tokio::test]
async fn a_gap_in_the_log() {
    let world = World::new();
    let host = Host::new("a");
    let writer = host.create(world.client("W")).await;
    let mut image = Image::new(30);
    let early = Host::new("b");
    let reader = client(&world, &early, "E").await;
    for page in 0..7 {
        image = next(&image, page);
        backup(&writer, &image).await;
        if page == 1 {
            assert_eq!(resolve(&reader, &LATEST).await.number(), RecordNo(2));
        }
    }
    world.remove("databases/app/records/00000000000000000003").await;

    let stranger = client(&world, &Host::new("c"), "F").await;
    for database in [&stranger, &reader] {
        let error = database.resolve(&LATEST, None).await.expect_err("is not the latest");
        let text = error.to_string();
        assert!(text.contains("00000000000000000003 is missing"), "{text}");
        let error = database.snapshots(None).await.expect_err("not all");
        assert!(error.is_damage(), "{error}");
    }
    let error = stranger.backup(next(&image, 8), options()).await.expect_err("stops");
    assert!(matches!(error, BackupError::Write(WriteError::Read(ReadError::Gap { .. }))));
    assert_eq!(world.keys("app/records/").await.len(), 6);
    // Who was here before has seen the end.
    check_restores(&writer, &LATEST, &image).await;
    // Somebody can say that the second is meant.
    let second = stranger.resolve(&LATEST, Some(RecordNo(2))).await.expect("is accepted");
    assert_eq!(second.number(), RecordNo(2));
}

/// A damaged record is not passed over in silence where it may be the one that
/// is asked for.
#[tokio::test]
async fn a_damaged_record_that_is_asked_for() {
    let world = World::new();
    let host = Host::new("a");
    let writer = host.create(world.client("W")).await;
    let mut image = Image::new(30);
    let (mut ids, mut times) = (Vec::new(), Vec::new());
    for page in 0..4 {
        image = next(&image, page);
        backup(&writer, &image).await;
        let snapshot = resolve(&writer, &LATEST).await;
        ids.push(snapshot.id().to_string());
        times.push(snapshot.body().taken_at);
    }
    let key = "databases/app/records/00000000000000000002";
    world.change(key, |bytes| bytes[40] ^= 1).await;
    let get = async |selector: &Selector| match writer.resolve(selector, None).await {
        Ok(snapshot) => Ok(snapshot.number().0),
        Err(error) => Err(error.to_string()),
    };
    let named = Err(format!("use {key}"));
    assert_eq!(get(&Selector::Prefix(ids[1].clone())).await, named);
    assert_eq!(get(&Selector::At(times[1])).await, named);
    assert_eq!(get(&Selector::Latest(2)).await, named, "two before the latest");
    // Those that are certain are found.
    assert_eq!(get(&Selector::Prefix(ids[0].clone())).await, Ok(1));
    assert_eq!(get(&Selector::At(times[2])).await, Ok(3));
    assert_eq!(get(&Selector::Latest(1)).await, Ok(3));
    let before = times[1] - time::Duration::milliseconds(1);
    assert_eq!(get(&Selector::At(before)).await, named, "its time stands in the record");
}
