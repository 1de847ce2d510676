//! The power goes after any of the calls by which an operation changes files: a
//! repository in a local directory, the state directory, the cache. Of what was not
//! synced all is lost, or its names, or its contents, or a part by chance. What was
//! there before restores, what was acknowledged is there, and the installation is
//! still the one that it was: it goes on.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use lifeboat_format::numbers::RecordNo;
use lifeboat_remote::Remote;
use lifeboat_repository::{
    CheckOptions, CollectOptions, Database, Depth, Local, LocalOptions, Repository, RestoreOptions,
    Selector, Share,
};
use lifeboat_testing::disk::{self, Loss, Recording, Tree};

use crate::image::{Image, NOON, Restored};
use crate::world::{directory, name, options};

/// What the process does that is recorded.
const DEED: &str = "LIFEBOAT_TEST_DEED";
const FOLDER: &str = "LIFEBOAT_TEST_CHILD";

/// The image that is backed up as the `n`-th.
fn image(n: u32) -> Image {
    let mut image = Image::new(12).later(i64::from(n));
    (0..n).for_each(|page| image.write(page % 12, 1_000_000 + u64::from(page)));
    image
}

/// As a process opens it; the id of the installation is its own.
async fn open(folder: &Path, create: bool) -> Option<Database> {
    let place = folder.join("deep/backups").to_string_lossy().into_owned();
    let options = LocalOptions::new(folder.join("home/state"), folder.join("home/cache"));
    let local = Local::open(options).with_clock(Arc::new(|| NOON + Duration::from_secs(86_400)));
    let repository = if create {
        let remote = Remote::open_or_create(&place).expect("opens");
        Repository::create(remote, local).await.expect("creates")
    } else {
        Repository::open(Remote::open(&place).ok()?, local).await.ok()?
    };
    Some(repository.database(name()))
}

async fn act(folder: &Path, deed: &str) {
    let database = open(folder, deed == "first").await.expect("is there");
    let back_up = async |n| drop(database.backup(image(n), options()).await.expect("backs up"));
    match deed {
        "first" => back_up(1).await,
        "second" => back_up(2).await,
        "more" => {
            for n in 2..5 {
                back_up(n).await;
            }
        }
        "forget" => database.forget(&[RecordNo(1)]).await.expect("forgets"),
        "collect" => {
            let at_once = CollectOptions::default()
                .with_times(Duration::ZERO, Duration::ZERO)
                .with_floor(0, Duration::ZERO);
            let done = database.collect(at_once).await.expect("collects");
            assert_eq!(done.dropped, [RecordNo(1)]);
        }
        other => panic!("{other} is no deed"),
    }
}

fn run<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.expect("builds").block_on(future)
}

/// In a process of its own: the one that is recorded.
#[test]
fn a_process_that_is_recorded() {
    let (Ok(folder), Ok(deed)) = (std::env::var(FOLDER), std::env::var(DEED)) else { return };
    run(act(Path::new(&folder), &deed));
}

/// Records the last of these deeds, after the others were done, and tries every
/// moment that leaves something else.
fn outages(deeds: &[&str], kept: &[u32], new: &[u32], least: usize) {
    let dir = directory();
    let folder: PathBuf = dir.path().join("disk");
    std::fs::create_dir(&folder).expect("makes");
    let (deed, before) = deeds.split_last().expect("there is one");
    before.iter().for_each(|deed| run(act(&folder, deed)));
    let exe = std::env::current_exe().expect("has a path");
    let child = ["--exact", "power::a_process_that_is_recorded", "--test-threads=1"];
    let recording = Recording::of(&folder, &exe, &child, |strace| {
        strace.env(FOLDER, &folder).env(DEED, deed);
    });
    assert!(recording.output.status.success(), "{:?}", recording.output);
    assert!(disk::read(&folder) == recording.whole(), "what was recorded is what was done");
    let (mut seen, calls) = (BTreeSet::new(), recording.calls());
    for call in 0..=calls {
        for loss in Loss::ALL {
            let tree = recording.after(call, loss);
            let acknowledged = call == calls;
            if !seen.insert((digest(&tree), acknowledged)) {
                continue;
            }
            let after = if call == 0 { "nothing".into() } else { recording.call(call) };
            let at = format!("{deed}, call {call} of {calls}, {after}, lost: {loss:?}");
            disk::write(&tree, &folder);
            run(judge(&folder, kept, new, acknowledged, &at));
        }
    }
    println!("{deed}: {calls} calls, {} states of the disk", seen.len());
    assert!(seen.len() >= least, "only {} states", seen.len());
}

fn digest(tree: &Tree) -> u64 {
    let mut hasher = DefaultHasher::new();
    tree.hash(&mut hasher);
    hasher.finish()
}

/// The snapshots of these images are there; and of the new ones, if somebody was told
/// so. Others may be.
async fn judge(folder: &Path, kept: &[u32], new: &[u32], acknowledged: bool, at: &str) {
    let Some(database) = open(folder, false).await else {
        assert!(kept.is_empty() && !acknowledged, "{at}: there is no repository");
        let database = open(folder, true).await.expect("is made");
        return goes_on(&database, at).await;
    };
    let all = CheckOptions::of_depth(Depth::Data(Share::All));
    let report = database.check(&all).await.unwrap_or_else(|e| panic!("{at}: the check: {e}"));
    assert!(report.is_ok(), "{at}: {:?}", report.result.findings);
    let listing = database.snapshots(None).await.unwrap_or_else(|e| panic!("{at}: {e}"));
    assert!(listing.broken.is_empty() && listing.burnt.is_empty(), "{at}: {:?}", listing.broken);
    let mut there = Vec::new();
    for snapshot in &listing.snapshots {
        let options = RestoreOptions::default();
        let restored = database.restore(snapshot, Restored::default(), &options).await;
        let bytes = restored.unwrap_or_else(|e| panic!("{at}: {}: {e}", snapshot.id())).0.finish();
        let found = (1..6).find(|n| image(*n).bytes == bytes);
        there.push(found.unwrap_or_else(|| panic!("{at}: {} is another", snapshot.id())));
    }
    assert!(kept.iter().all(|n| there.contains(n)), "{at}: only {there:?}");
    let told = !acknowledged || new.iter().all(|n| there.contains(n));
    assert!(told, "{at}: acknowledged, and not there: {there:?}");
    goes_on(&database, at).await;
}

/// The same installation, by what it remembers, backs up once more.
async fn goes_on(database: &Database, at: &str) {
    let after = image(9).later(60);
    let done = database.backup(after.clone(), options()).await;
    done.unwrap_or_else(|error| panic!("{at}: the next backup: {error}"));
    let latest = database.resolve(&Selector::Latest(0), None).await.expect("is there");
    let restored = database.restore(&latest, Restored::default(), &RestoreOptions::default()).await;
    assert!(restored.expect("restores").0.finish() == after.bytes, "{at}: the next backup");
}

#[test]
fn a_first_backup() {
    outages(&["first"], &[], &[1], 40);
}

#[test]
fn a_backup() {
    outages(&["first", "second"], &[1], &[2], 40);
}

#[test]
fn forgetting() {
    outages(&["first", "more", "forget"], &[2, 3, 4], &[], 8);
}

#[test]
fn collecting() {
    outages(&["first", "more", "forget", "collect"], &[2, 3, 4], &[], 8);
}
