//! Files beside the database: put once, shared by snapshots, copied, checked, healed
//! and collected with them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::TryStreamExt;
use futures::future::BoxFuture;
use lifeboat_format::attached::{AttachedFile, PART_LEN};
use lifeboat_format::digest::Digest;
use lifeboat_repository::{
    Attach, Attacher, BackupReport, CheckOptions, CollectOptions, Database, Depth, FileFacts,
    HealExtent, Ownership, RawKey, Repository, Secret, Selector, Share, Snapshot, WriteError,
};
use lifeboat_testing::script::World;

use crate::image::Image;
use crate::world::{Host, check_restores, name, options, resolve};

/// A bucket: store and key to bytes, in order.
#[derive(Clone, Default)]
struct Bucket(BTreeMap<(String, String), Bytes>);

impl Bucket {
    /// So many small files, one of no bytes, and one of three parts.
    fn of(small: usize) -> Self {
        let mut bucket = Self::default();
        for n in 0..small {
            bucket.put(&format!("small/{n:05}"), format!("file {n}").into());
        }
        bucket.put("empty", Bytes::new());
        bucket.put("large", vec![7; 2 * PART_LEN + 5].into());
        bucket
    }

    fn put(&mut self, key: &str, bytes: Bytes) {
        self.0.insert(("s3://media".into(), key.into()), bytes);
    }
}

impl Attach for Bucket {
    fn attach<'a>(&'a self, attacher: &'a mut Attacher) -> BoxFuture<'a, Result<(), WriteError>> {
        Box::pin(async move {
            let uploader = attacher.uploader();
            for ((store, key), bytes) in &self.0 {
                let old = attacher.before(store, key).await?;
                let same = |old: &AttachedFile| old.digest == Digest::of(bytes);
                if let Some(old) = old.filter(same) {
                    attacher.push(old).await?;
                    continue;
                }
                let facts =
                    FileFacts { store: store.clone(), key: key.clone(), ..FileFacts::default() };
                // In pieces that are no parts.
                let pieces: Vec<Result<Bytes, ()>> =
                    bytes.chunks(3_000_000).map(|one| Ok(Bytes::copy_from_slice(one))).collect();
                let put = uploader.put(facts, futures::stream::iter(pieces)).await?;
                attacher.push(put.expect("nothing fails here")).await?;
            }
            Ok(())
        })
    }
}

async fn back_up(
    database: &Database,
    image: &Image,
    bucket: &Bucket,
) -> Result<BackupReport, String> {
    let mut options = options();
    options.attach = Some(Arc::new(bucket.clone()));
    let done = database.backup(image.clone(), options).await;
    done.map(|done| done.report).map_err(|error| error.to_string())
}

/// Reads all files of a snapshot back.
async fn read(database: &Database, snapshot: &Snapshot) -> Result<Bucket, String> {
    let mut bucket = Bucket::default();
    let files = database.attached(snapshot).await.map_err(|error| error.to_string())?;
    let Some(mut files) = files else { return Ok(bucket) };
    while let Some(file) = files.advance().await.map_err(|error| error.to_string())? {
        let parts: Result<Vec<Bytes>, _> = database.read_attached(&file).try_collect().await;
        let bytes = parts.map_err(|error| error.to_string())?.concat();
        bucket.0.insert((file.store, file.key), bytes.into());
    }
    Ok(bucket)
}

async fn check_holds(database: &Database, report: &BackupReport, bucket: &Bucket) {
    let selector = Selector::Prefix(report.snapshot_id.to_string());
    let snapshot = resolve(database, &selector).await;
    assert!(read(database, &snapshot).await.expect("reads").0 == bucket.0, "{selector}");
}

async fn findings(database: &Database) -> Vec<String> {
    let all = CheckOptions::of_depth(Depth::Data(Share::All));
    let report = database.check(&all).await.expect("checks");
    report.result.findings.into_iter().map(|finding| finding.object).collect()
}

async fn created(world: &World, host: &Host, sealed: bool) -> Database {
    let secret = sealed.then(|| Secret::Raw(RawKey::from_bytes([1; 32])));
    let made =
        Repository::create_with(world.client("W"), host.local.clone(), secret.as_ref(), "first");
    made.await.expect("creates").database(name())
}

#[tokio::test]
async fn a_file_is_put_once_and_every_snapshot_has_its_own() {
    for sealed in [false, true] {
        let (world, host) = (World::new(), Host::new("a"));
        let database = created(&world, &host, sealed).await;
        let (mut image, mut bucket) = (Image::new(20), Bucket::of(1500));
        let first = back_up(&database, &image, &bucket).await.expect("backs up");
        let said = first.attachments.expect("has files");
        assert_eq!((said.files, said.pending), (1502, 0));
        let objects = world.keys("/attachments/").await.len();
        let lists = objects - 1500 - 3 - 1;
        assert!((2..10).contains(&lists), "{objects}");
        if sealed {
            for key in world.keys("/attachments/").await {
                let bytes = world.client("look").get(&key, u64::MAX).await.expect("reads");
                let bytes = bytes.expect("is there");
                assert!(!bytes.windows(6).any(|part| part == b"file 7"), "{key}");
            }
        }
        // One is replaced, one is new, one is gone: three parts at most are named anew.
        let before = bucket.clone();
        bucket.put("small/00100", "another".into());
        bucket.put("small/00100b", "new".into());
        bucket.0.remove(&("s3://media".to_owned(), "small/00900".to_owned()));
        image = image.later(1);
        image.write(3, 99);
        let second = back_up(&database, &image, &bucket).await.expect("backs up");
        let new = world.keys("/attachments/").await.len() - objects;
        assert!((2 + 1 + 1..=2 + 3 + 1).contains(&new), "{new} of them are new");
        check_holds(&database, &first, &before).await;
        check_holds(&database, &second, &bucket).await;
        // Nothing changed: nothing is sent.
        world.take_calls();
        let third = back_up(&database, &image.later(1), &bucket).await.expect("backs up");
        assert!(third.unchanged);
        assert_eq!(world.objects_put(), Vec::<String>::new());
        assert_eq!(findings(&database).await, Vec::<String>::new());
    }
}

#[tokio::test]
async fn whatever_is_damaged_is_named_and_healed_from_another_destination() {
    for sealed in [false, true] {
        let (world, host) = (World::new(), Host::new("a"));
        let database = created(&world, &host, sealed).await;
        let (image, bucket) = (Image::new(20), Bucket::of(3));
        let report = back_up(&database, &image, &bucket).await.expect("backs up");
        let elsewhere = World::new();
        let secret = sealed.then(|| Secret::Raw(RawKey::from_bytes([1; 32])));
        let replica = database
            .repository()
            .replicate(elsewhere.client("W"), secret.as_ref())
            .await
            .expect("adopts");
        let copy = replica.database(name());
        let snapshot = resolve(&database, &Selector::Latest(0)).await;
        copy.copy_from(&database, &snapshot, &Ownership::Refuse).await.expect("copies");
        check_holds(&copy, &report, &bucket).await;
        assert_eq!(findings(&copy).await, Vec::<String>::new());

        let mut keys = Vec::new();
        for key in world.keys("/attachments/").await {
            let size = world.client("look").size(&key).await.expect("asks").expect("is there");
            keys.push((size, key));
        }
        assert_eq!(keys.len(), 3 + 3 + 1 + 1);
        // Parts are of a few bytes or of millions; index and list lie between. One of
        // them is healed by writing the snapshot anew, and the other has no use then.
        keys.sort();
        let is_part = |size: u64| size <= 170 || size > 1_000_000;
        let (parts, mut lists): (Vec<_>, Vec<_>) =
            keys.into_iter().partition(|(size, _)| is_part(*size));
        assert_eq!(lists.len(), 2);
        if sealed {
            lists.reverse();
        }
        lists.truncate(1);
        for (size, key) in parts.into_iter().chain(lists) {
            world.change(&key, |bytes| *bytes.last_mut().expect("has some") ^= 1).await;
            let relative = key.split_once("databases/app/").expect("is below").1;
            assert_eq!(findings(&database).await, [relative]);
            let here = resolve(&database, &Selector::Latest(0)).await;
            assert!(read(&database, &here).await.is_err(), "{key}");
            // The part is had from the copy, and a list with the whole snapshot.
            let both = database.clone().with_others([copy.clone()]);
            let healed = both.heal(&HealExtent::All, &Ownership::Refuse).await.expect("heals");
            assert!(healed.left.is_empty(), "{key}: {:?}", healed.left);
            let after = resolve(&database, &Selector::Latest(0)).await;
            assert_eq!(after.number() == here.number(), is_part(size), "{key}");
            assert!(read(&database, &after).await.expect("reads").0 == bucket.0, "{key}");
            check_restores(&database, &Selector::Latest(0), &image).await;
        }
    }
}

#[tokio::test]
async fn what_no_snapshot_needs_is_collected_and_nothing_else() {
    let (world, host) = (World::new(), Host::new("a"));
    let database = created(&world, &host, false).await;
    let (image, mut bucket) = (Image::new(8), Bucket::of(4));
    let first = back_up(&database, &image, &bucket).await.expect("backs up");
    bucket.0.remove(&("s3://media".to_owned(), "large".to_owned()));
    bucket.put("small/00001", "another".into());
    let mut later = image.later(1);
    later.write(1, 1000);
    let second = back_up(&database, &later, &bucket).await.expect("backs up");
    let none = Duration::ZERO;
    let options = CollectOptions::default().with_times(none, none).with_floor(1, none);
    assert_eq!(database.collect(options).await.expect("collects").deleted, Vec::<String>::new());
    database.forget(&[first.number]).await.expect("forgets");
    let stays = world.keys("/attachments/").await.len();
    let collected = database.collect(options).await.expect("collects");
    // Three parts of the large one, the one that was replaced, a list and an index; and
    // what it had of pages.
    let gone = collected.deleted.iter().filter(|key| key.starts_with("attachments/")).count();
    assert_eq!(gone, 3 + 1 + 1 + 1, "{:?}", collected.deleted);
    assert_eq!(world.keys("/attachments/").await.len(), stays - gone);
    check_holds(&database, &second, &bucket).await;
    assert_eq!(findings(&database).await, Vec::<String>::new());
}

/// Killed at every change, a backup leaves what was there, and garbage.
#[tokio::test]
async fn a_backup_with_files_killed_at_every_step() {
    let mut changes = 1;
    loop {
        let (world, host) = (World::new(), Host::new("a"));
        let database = created(&world, &host, false).await;
        let (image, mut bucket) = (Image::new(8), Bucket::of(2));
        let first = back_up(&database, &image, &bucket).await.expect("backs up");
        let before = bucket.clone();
        bucket.put("small/00000", "another".into());
        let mut later = image.later(1);
        later.write(1, 1000);
        world.crash_after("W", changes);
        let died = back_up(&database, &later, &bucket).await.is_err();
        world.revive("W");
        check_holds(&database, &first, &before).await;
        assert_eq!(findings(&database).await, Vec::<String>::new());
        let again = back_up(&database, &later, &bucket).await.expect("backs up");
        check_holds(&database, &again, &bucket).await;
        let none = Duration::ZERO;
        let options = CollectOptions::default().with_times(none, none).with_floor(1, none);
        database.collect(options).await.expect("collects");
        check_holds(&database, &first, &before).await;
        check_holds(&database, &again, &bucket).await;
        // First and last part, list and index of each; parts that both have once.
        assert_eq!(world.keys("/attachments/").await.len(), (2 + 3 + 2) + (1 + 2));
        if !died {
            break;
        }
        changes += 1;
    }
    assert!(changes > 4, "{changes}");
}

/// What a collection condemns between the plan and the record is put once more.
#[tokio::test]
async fn a_file_that_is_condemned_meanwhile_is_put_again() {
    struct Slow {
        bucket: Bucket,
        other: Database,
        world: World,
        times: AtomicUsize,
    }
    impl Attach for Slow {
        fn attach<'a>(
            &'a self,
            attacher: &'a mut Attacher,
        ) -> BoxFuture<'a, Result<(), WriteError>> {
            Box::pin(async move {
                self.bucket.attach(attacher).await?;
                if self.times.fetch_add(1, Ordering::Relaxed) > 0 {
                    return Ok(());
                }
                // Days pass; somebody collects what no record names.
                self.world.age_all(Duration::from_secs(3 * 86_400)).await;
                let collected = self.other.collect(CollectOptions::default()).await?;
                assert_eq!(collected.deleted.len(), 2 + 3 + 1, "{:?}", collected.deleted);
                Ok(())
            })
        }
    }
    let (world, host) = (World::new(), Host::new("a"));
    let database = created(&world, &host, false).await;
    let (image, bucket) = (Image::new(8), Bucket::of(2));
    let first = back_up(&database, &image, &Bucket::default()).await.expect("backs up");
    let other = host.open(world.client("C")).await;
    let mut options = options();
    let slow =
        Slow { bucket: bucket.clone(), other, world: world.clone(), times: AtomicUsize::new(0) };
    options.attach = Some(Arc::new(slow));
    let mut later = image.later(1);
    later.write(1, 1000);
    let done = database.backup(later, options).await.expect("backs up in the end");
    check_holds(&database, &first, &Bucket::default()).await;
    check_holds(&database, &done.report, &bucket).await;
    assert_eq!(findings(&database).await, Vec::<String>::new());
}
