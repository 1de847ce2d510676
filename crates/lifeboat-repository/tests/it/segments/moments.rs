//! Back to any moment: each state that was recorded comes back as it was, and what was
//! not watched is refused.

use std::sync::Arc;

use lifeboat_format::id::EpochId;
use lifeboat_format::log::CommitNo;
use lifeboat_remote::{Created, Remote};
use lifeboat_repository::{
    Database, Following, MomentPlan, NotCovered, RawKey, ReadError, Repository, ResolveError,
    Resolved, RestoreError, RestoreOptions, Secret, Selector,
};
use lifeboat_testing::script::World;
use time::Duration;

use super::{Writer, next};
use crate::image::{Image, NOON, Restored};
use crate::world::{Host, name, options};

fn seconds(n: i64) -> Duration {
    Duration::seconds(n)
}

/// An image of pages of a size.
pub(super) fn image_of(page_size: u32, pages: u32) -> Image {
    let mut image = Image::new(0);
    image.page_size = page_size;
    image.resize(pages);
    for page in 0..pages {
        image.write(page, u64::from(page));
    }
    image
}

pub(super) async fn plan(
    database: &Database,
    selector: &Selector,
) -> Result<MomentPlan, ResolveError> {
    match database.resolve_moment(selector, None).await? {
        Resolved::Moment(plan) => Ok(plan),
        other => panic!("{selector}: {other:?}"),
    }
}

pub(super) async fn bytes_of(database: &Database, plan: &MomentPlan) -> Result<Vec<u8>, ReadError> {
    let options = RestoreOptions::default();
    match database.restore_moment(plan, Restored::default(), &options).await {
        Ok((restored, report)) => {
            let mut image = image_of(report.geometry.page_size().bytes(), 0);
            image.bytes = restored.finish();
            assert_eq!(image.bytes.len() as u64, report.geometry.file_size());
            assert_eq!(image.digest(database.repository().hash_key()), report.image_digest);
            Ok(image.bytes)
        }
        Err(RestoreError::Read(error)) => Err(error),
        Err(error) => panic!("{error}"),
    }
}

/// The state that a selector means.
pub(super) async fn state(database: &Database, selector: &Selector) -> Vec<u8> {
    let plan = plan(database, selector).await.unwrap_or_else(|e| panic!("{selector}: {e}"));
    bytes_of(database, &plan).await.unwrap_or_else(|e| panic!("{selector}: {e}"))
}

pub(super) async fn refused(
    database: &Database,
    selector: Selector,
) -> (NotCovered, Vec<Option<u64>>) {
    match database.resolve_moment(&selector, None).await {
        Err(ResolveError::NotCovered { why, nearest, .. }) => {
            (why, nearest.iter().map(|near| near.commit.map(|commit| commit.0)).collect())
        }
        other => panic!("{selector}: {other:?}"),
    }
}

pub(super) fn after(commit: u64) -> Selector {
    Selector::Commit(CommitNo(commit))
}

pub(super) fn at(seconds: i64) -> Selector {
    Selector::At(NOON + Duration::seconds(seconds))
}

/// Numbers that follow from a seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u32) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
        ((self.0 >> 33) % u64::from(sides)) as u32
    }
}

/// Commits as an application makes them: a few pages, now and then more or fewer of
/// them than before.
fn commit(image: &Image, dice: &mut Dice, seed: u64) -> (Image, Vec<u32>) {
    let (mut image, mut pages) = (image.clone(), Vec::new());
    let before = image.geometry().page_count();
    match dice.roll(10) {
        0 if before > 12 => image.resize(before - dice.roll(8) - 1),
        1 | 2 => {
            let now = before + dice.roll(6) + 1;
            image.resize(now);
            pages.extend(before + 1..=now);
        }
        _ => {}
    }
    for _ in 0..=dice.roll(4) {
        pages.push(dice.roll(image.geometry().page_count()) + 1);
    }
    for &page in &pages {
        image.write(page - 1, seed * 1000 + u64::from(page));
    }
    (image, pages)
}

/// Records so many commits, in segments as they come, some of them cut within a commit,
/// with a snapshot every now and then. Returns the state after each.
pub(super) async fn record(
    writer: &mut Writer,
    first: &Image,
    commits: u64,
    snapshots: u64,
) -> Vec<Image> {
    let mut dice = Dice(7);
    let mut states = vec![first.clone()];
    let mut open: Option<(Image, Vec<u32>)> = None;
    while (states.len() as u64) <= commits {
        let mut rows: Vec<(Image, Vec<u32>)> = open.take().into_iter().collect();
        for _ in 0..=dice.roll(6) {
            let before = rows.last().map_or(&states[states.len() - 1], |(image, _)| image);
            rows.push(commit(before, &mut dice, states.len() as u64 + rows.len() as u64));
        }
        let cut = (dice.roll(4) == 0).then(|| rows.pop()).flatten();
        let whole: Vec<(&Image, &[u32])> =
            rows.iter().map(|(image, pages)| (image, pages.as_slice())).collect();
        let begun = cut.as_ref().map(|(image, pages)| {
            let some = &pages[..pages.len().div_ceil(2)];
            (image, some)
        });
        let written = writer.write_part(&whole, begun);
        writer.append(&written).await.expect("is stored");
        open = cut.map(|(image, pages)| {
            let rest = pages[pages.len().div_ceil(2)..].to_vec();
            (image, rest)
        });
        let before = states.len() as u64;
        states.extend(rows.into_iter().map(|(image, _)| image));
        if (before..states.len() as u64).any(|n| n % snapshots == 0) {
            let mut last = states[states.len() - 1].clone();
            last.taken_at = writer.now;
            writer.snapshot(&last).await;
        }
    }
    states
}

/// Every one of a thousand recorded moments, by its number and by times.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_moments() {
    let host = Host::new("a");
    let database = host.create(Remote::memory()).await;
    let first = image_of(4096, 24);
    let mut writer = Writer::begin(&database, 1);
    writer.snapshot(&first).await;
    let states = record(&mut writer, &first, 1000, 50).await;
    for n in 1..=1000_u64 {
        let selector = if n % 2 == 0 { after(n) } else { at(n as i64) };
        assert!(state(&database, &selector).await == states[n as usize].bytes, "{selector}");
    }
    // Between two commits it is the one before; at the very beginning the snapshot.
    for n in [0, 1, 17, 500, 999] {
        let time = Selector::At(NOON + seconds(n) + Duration::milliseconds(500));
        assert!(state(&database, &time).await == states[n as usize].bytes, "{time}");
    }
    let used: Vec<u64> = {
        let plan = plan(&database, &after(900)).await.expect("is there");
        vec![plan.from.0, plan.commit.0, plan.commits()]
    };
    assert!(used[0] >= 850 && used[2] <= 50, "begins with the nearest snapshot: {used:?}");
}

/// Pages that are less than a block are put together from both sides.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn moments_of_small_pages() {
    for page_size in [512, 1024] {
        let host = Host::new("a");
        let database = host.create(Remote::memory()).await;
        let first = image_of(page_size, 37);
        let mut writer = Writer::begin(&database, 1);
        writer.snapshot(&first).await;
        let states = record(&mut writer, &first, 60, 25).await;
        for n in 0..=60_u64 {
            assert!(state(&database, &after(n)).await == states[n as usize].bytes, "{n}");
        }
    }
}

/// In a sealed repository, from another machine that has the key and no cache.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn moments_of_a_sealed_repository() {
    let (host, other, world) = (Host::new("a"), Host::new("b"), World::new());
    let secret = Secret::Raw(RawKey::from_bytes([7; 32]));
    let local = host.local.clone();
    let made = Repository::create_with(world.client("W"), local, Some(&secret), "").await;
    let database = made.expect("creates").database(name());
    let first = image_of(4096, 24);
    let mut writer = Writer::begin(&database, 1);
    writer.snapshot(&first).await;
    let states = record(&mut writer, &first, 40, 15).await;
    let opened = Repository::open_with(world.client("R"), other.local.clone(), Some(&secret)).await;
    let reader = opened.expect("opens").database(name());
    for n in 0..=40_u64 {
        assert!(state(&reader, &after(n)).await == states[n as usize].bytes, "{n}");
    }
    let stored = world.read(&world.keys("log/").await[0]).await;
    let page = &states[1].bytes[..64];
    assert!(!stored.windows(64).any(|bytes| bytes == page), "lies in the open");
}

/// Gaps, and what lies outside: refused, with what is nearest.
#[tokio::test]
async fn what_was_not_watched_is_refused() {
    let host = Host::new("a");
    let database = host.create(Remote::memory()).await;
    let zero = image_of(4096, 12);
    let mut early = zero.clone();
    early.taken_at = NOON - seconds(100);
    database.backup(early.clone(), options()).await.expect("backs up");
    assert_eq!(refused(&database, after(1)).await, (NotCovered::NoLog, vec![None]));

    let mut one = Writer::begin(&database, 1);
    let first = next(&zero, 1, 1);
    one.snapshot(&first).await;
    let mut image = first.clone();
    for n in 1..=5 {
        image = next(&image, 3, n);
        one.add(&[(&image, &[3])]).await;
    }
    // A restart that proved where it was: what was committed meanwhile is there, but
    // not when.
    let mut same = Writer::resume(&database).await;
    same.now += seconds(10);
    image = next(&image, 4, 6);
    same.add(&[(&image, &[4])]).await;
    // A restart that could not: another epoch.
    let mut two = Writer::begin(&database, 7);
    two.now = NOON + seconds(30);
    let mut base = next(&image, 5, 7);
    base.taken_at = two.now;
    two.snapshot(&base).await;
    let last = next(&base, 6, 8);
    two.add(&[(&last, &[6])]).await;

    assert_eq!(refused(&database, at(8)).await, (NotCovered::Gap, vec![Some(5), None]));
    assert_eq!(refused(&database, at(20)).await, (NotCovered::Gap, vec![Some(6), Some(6)]));
    assert_eq!(refused(&database, at(29)).await.0, NotCovered::Gap);
    assert_eq!(refused(&database, at(40)).await, (NotCovered::Beyond, vec![Some(7)]));
    assert_eq!(refused(&database, after(8)).await, (NotCovered::Beyond, vec![Some(7)]));
    // The log of commit 0 begins with the first snapshot that follows.
    for (selector, expected) in [
        (at(0), &first),
        (after(0), &first),
        (at(16), &image),
        (at(30), &base),
        (at(31), &last),
        (after(7), &last),
        (Selector::Newest, &last),
    ] {
        assert!(state(&database, &selector).await == expected.bytes, "{selector}");
    }
    // Before the log there are snapshots, as ever.
    match database.resolve_moment(&at(-50), None).await.expect("is there") {
        Resolved::Snapshot(found) => assert_eq!(found.body().taken_at, early.taken_at),
        other => panic!("{other:?}"),
    }
    let none = database.resolve_moment(&at(-200), None).await;
    assert!(matches!(none, Err(ResolveError::NotFound { .. })), "{none:?}");
    // Nobody follows any more: snapshots count from then on.
    let mut later = last.clone();
    later.taken_at = NOON + seconds(100);
    let later = next(&later, 7, 9);
    database.backup(later, options()).await.expect("backs up");
    assert_eq!(refused(&database, at(40)).await.0, NotCovered::Beyond);
    match database.resolve_moment(&at(200), None).await.expect("is there") {
        Resolved::Snapshot(found) => assert_eq!(found.body().taken_at, NOON + seconds(100)),
        other => panic!("{other:?}"),
    }
    // It is newer than the log, and so the newest state.
    match database.resolve_moment(&Selector::Newest, None).await.expect("is there") {
        Resolved::Snapshot(found) => assert_eq!(found.body().taken_at, NOON + seconds(100)),
        other => panic!("{other:?}"),
    }
    let timeline = database.timeline(None).await.expect("is read");
    let lines: Vec<_> = timeline
        .stretches
        .iter()
        .map(|one| {
            let from = (one.from - NOON).whole_seconds();
            let until = (one.until - NOON).whole_seconds();
            (from, until, one.first.0, one.last.0, one.segments, one.is_open)
        })
        .collect();
    assert_eq!(lines, [(0, 16, 0, 6, 6, false), (30, 31, 6, 7, 1, true)]);
}

/// What a follower says that takes commits while a snapshot is read.
struct Between {
    epoch: EpochId,
    commits: (CommitNo, CommitNo),
}

impl Following for Between {
    fn epoch(&self) -> EpochId {
        self.epoch
    }

    fn first_commit(&self) -> CommitNo {
        CommitNo(1)
    }

    fn before(&self) -> CommitNo {
        self.commits.0
    }

    fn after(&self) -> CommitNo {
        self.commits.1
    }
}

/// A base has every commit up to one and none after another: in between only its log
/// knows what was the state.
#[tokio::test]
async fn commits_while_the_base_is_read() {
    let host = Host::new("a");
    let database = host.create(Remote::memory()).await;
    let mut writer = Writer::begin(&database, 1);
    let mut states = vec![image_of(4096, 12)];
    for n in 1..=9_u64 {
        states.push(next(&states[n as usize - 1], n as u32, n));
    }
    // The image has commits up to 5, though the follower only knows of 3 to 6.
    let commits = (CommitNo(3), CommitNo(6));
    let mut following = options();
    following.following = Some(Arc::new(Between { epoch: writer.epoch, commits }));
    database.backup(states[5].clone(), following).await.expect("backs up");
    for (n, state) in (0..).zip(&states).skip(1) {
        writer.add(&[(state, &[n])]).await;
    }
    for n in 6..=9_u64 {
        assert!(state(&database, &after(n)).await == states[n as usize].bytes, "{n}");
        assert!(state(&database, &at(n as i64)).await == states[n as usize].bytes, "{n}");
    }
    for n in 0..6 {
        assert_eq!(refused(&database, after(n)).await, (NotCovered::Before, vec![None]), "{n}");
        assert_eq!(refused(&database, at(n as i64)).await.0, NotCovered::Within, "{n}");
    }
    let stretch = &database.timeline(None).await.expect("is read").stretches[0];
    assert_eq!((stretch.from, stretch.first), (NOON + seconds(6), CommitNo(6)));
}

/// A moment before the mistake never has it: what was seen late counts from then on.
#[tokio::test]
async fn a_commit_counts_from_when_it_was_seen() {
    let host = Host::new("a");
    let database = host.create(Remote::memory()).await;
    let first = image_of(4096, 12);
    let mut writer = Writer::begin(&database, 1);
    writer.snapshot(&first).await;
    let mistake = next(&first, 2, 1);
    // Seen at second 1, by a look that had observed everything until second 0.
    let observed = writer.now;
    let head = writer.write_observed(&[(&mistake, &[2])], observed);
    writer.append(&head).await.expect("is stored");
    writer.now = observed;
    writer.add_at(&[], NOON + seconds(5)).await;
    let half = Selector::At(NOON + Duration::milliseconds(900));
    assert!(state(&database, &half).await == first.bytes);
    assert!(state(&database, &at(1)).await == mistake.bytes);
}

/// Damage in the log is named, and nothing passes for a state that it is not.
#[tokio::test]
async fn damage_in_the_log_is_named() {
    let world = World::new();
    let host = Host::new("a");
    let database = host.create(world.client("W")).await;
    let first = image_of(4096, 12);
    let mut writer = Writer::begin(&database, 1);
    writer.snapshot(&first).await;
    let mut states = vec![first.clone()];
    for n in 1..=7_u32 {
        let image = next(&states[n as usize - 1], n, u64::from(n));
        writer.add(&[(&image, &[n])]).await;
        states.push(image);
    }
    database.seal_epoch(writer.epoch).await.expect("seals");
    // A record names the seal.
    let two = Writer::begin(&database, 8);
    two.snapshot(&states[7]).await;
    let keys = world.keys("log/").await;
    assert_eq!(keys.len(), 8);
    // The seventh is where the next epoch begins.
    let wanted = states[6].clone();
    let sound = plan(&database, &after(6)).await.expect("is there");
    for (which, key) in keys.iter().enumerate() {
        let bytes = world.read(key).await;
        for at in (0..bytes.len()).step_by(131) {
            world.change(key, |bytes| bytes[at] ^= 1).await;
            // The plan that was made before, and one that is made now.
            let planned = match plan(&database, &after(6)).await {
                Ok(plan) => bytes_of(&database, &plan).await.err(),
                Err(ResolveError::Read(error)) => Some(error),
                Err(error) => panic!("{error}"),
            };
            let old = bytes_of(&database, &sound).await.err();
            let named = |error: &ReadError| {
                assert!(error.is_damage(), "{error}");
                assert!(error.to_string().contains(key), "{error} is not of {key}");
            };
            planned.iter().for_each(named);
            old.iter().for_each(named);
            // The seal has no state in it; only who makes a plan reads it.
            match which {
                7 => assert!(planned.is_some(), "{key}, byte {at}"),
                6 => {}
                _ => assert!(old.is_some(), "{key}, byte {at}"),
            }
            world.change(key, |bytes| bytes[at] ^= 1).await;
        }
        world.remove(key).await;
        let gone = match plan(&database, &after(6)).await {
            Ok(plan) => bytes_of(&database, &plan).await.err(),
            Err(ResolveError::Read(error)) => Some(error),
            Err(error) => panic!("{error}"),
        };
        match (which, gone) {
            (6, _) => {}
            (_, Some(ReadError::Missing { key: gone, .. })) => assert_eq!(gone, *key),
            (_, other) => panic!("{other:?}"),
        }
        let put = world.client("P").create(key, bytes.into()).await;
        assert_eq!(put.expect("is put"), Created::New);
    }
    assert!(state(&database, &after(6)).await == wanted.bytes, "whole again");
}

/// Segments of two writers that each prove themselves are not mixed.
#[tokio::test]
async fn a_segment_of_another_history_is_refused() {
    let world = World::new();
    let host = Host::new("a");
    let database = host.create(world.client("W")).await;
    let first = image_of(4096, 12);
    let mut writer = Writer::begin(&database, 1);
    writer.snapshot(&first).await;
    let mut other = Writer::resume(&database).await;
    for n in 1..=3 {
        writer.add(&[(&next(&first, 2, n), &[2])]).await;
    }
    let written: Vec<_> =
        (1..=3).map(|n| other.write(&[(&next(&first, 2, 9 + n), &[2])])).collect();
    let key = world.keys("log/").await[1].clone();
    world.change(&key, |bytes| bytes.clone_from(&written[1].bytes)).await;
    let plan = plan(&database, &after(3)).await.expect("is found");
    let error = bytes_of(&database, &plan).await.expect_err("is another's");
    assert!(error.is_damage(), "{error}");
}
