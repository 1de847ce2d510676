//! The power goes after any of the calls by which a command changes files: of what
//! was not synced by then all is lost, or its names, or its contents, or a part by
//! chance. What was there before is there and restores, and what a command has said
//! to be done is done.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use lifeboat::repository::{CheckOptions, Depth, Selector, Share, Snapshot};
use lifeboat::{BackupSettings, Destination, Directories, ErrorKind, Missing, RestoreSettings};
use lifeboat_testing::databases::{one_row_a_page, overwrite};
use lifeboat_testing::disk::{self, Loss, Recording, Tree};

use crate::command::{Folder, binary};
use crate::crashes::rows;

/// A command, and what is there when the power comes back.
struct Outage {
    folder: Folder,
    recording: Recording,
}

/// One moment at which it went.
struct Moment {
    at: String,
    /// The command had said that it is done.
    acknowledged: bool,
}

impl Outage {
    /// Records a command in a folder that was prepared. The folder lies in memory:
    /// what reaches a disk is decided here.
    fn of(folder: Folder, arguments: &[&str]) -> Self {
        let home = home(&folder);
        let mut all = vec!["--progress", "none"];
        all.extend(arguments);
        let recording = Recording::of(&home, &binary(), &all, |strace| {
            folder.surround(strace);
        });
        assert!(recording.output.status.success(), "{:?}", recording.output);
        assert!(disk::read(&home) == recording.whole(), "what was recorded is what was done");
        Self { folder, recording }
    }

    /// Tries every moment that leaves something else. Returns how many there were.
    fn at_every_call(&self, least: usize, judge: impl Fn(&Folder, &Moment)) {
        let (mut seen, calls) = (BTreeSet::new(), self.recording.calls());
        for call in 0..=calls {
            for loss in Loss::ALL {
                let tree = self.recording.after(call, loss);
                let acknowledged = call == calls;
                if !seen.insert((digest(&tree), acknowledged)) {
                    continue;
                }
                let after = if call == 0 { "nothing".into() } else { self.recording.call(call) };
                let at = format!("call {call} of {calls}, {after}, {loss:?} lost");
                disk::write(&tree, &home(&self.folder));
                judge(&self.folder, &Moment { at, acknowledged });
            }
        }
        eprintln!("{} calls, {} states", calls, seen.len());
        assert!(seen.len() >= least, "only {} states", seen.len());
    }
}

fn home(folder: &Folder) -> PathBuf {
    folder.path("app.db").parent().expect("has one").to_owned()
}

fn digest(tree: &Tree) -> u64 {
    let mut hasher = DefaultHasher::new();
    tree.hash(&mut hasher);
    hasher.finish()
}

fn run<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("builds").block_on(future)
}

/// The repository as the next process finds it; none if there is none.
async fn open(folder: &Folder) -> Option<Destination> {
    let place = folder.path("backups").to_string_lossy().into_owned();
    let (state, cache) = (folder.path("state"), folder.path("cache"));
    let opened = Destination::open(&place, &Directories { state, cache }, Missing::Refuse).await;
    match opened {
        Ok(destination) => Some(destination),
        Err(error) if error.kind() == ErrorKind::NoRepository => None,
        Err(error) => panic!("cannot be opened: {error}"),
    }
}

/// Every snapshot restores to one of these files, and a check finds nothing. Returns
/// the snapshots.
async fn all_is_well(
    folder: &Folder,
    destination: &Destination,
    images: &[&Path],
    at: &str,
) -> Vec<Snapshot> {
    let database = destination.database("app").expect("a good name");
    let all = CheckOptions::of_depth(Depth::Data(Share::All));
    let report = database.check(&all).await.unwrap_or_else(|e| panic!("{at}: the check: {e}"));
    assert!(report.is_ok(), "{at}: {:?}", report.result.findings);
    let listing = database.snapshots(None).await.unwrap_or_else(|e| panic!("{at}: {e}"));
    assert!(listing.broken.is_empty() && listing.burnt.is_empty(), "{at}: {:?}", listing.broken);
    for snapshot in &listing.snapshots {
        let restored = restored(folder, destination, snapshot).await;
        let known = images.iter().any(|image| std::fs::read(image).expect("reads") == restored);
        assert!(known, "{at}: {} is something else", snapshot.id());
    }
    listing.snapshots
}

async fn restored(folder: &Folder, destination: &Destination, snapshot: &Snapshot) -> Vec<u8> {
    let target = folder.path("looked-at.db");
    let selector = Selector::Prefix(snapshot.id().to_string());
    let settings = RestoreSettings::default();
    let done = destination.restore("app", &selector, &target, &settings, |_| ()).await;
    done.unwrap_or_else(|error| panic!("{}: {error}", snapshot.id()));
    let bytes = std::fs::read(&target).expect("reads");
    std::fs::remove_file(&target).expect("is there");
    bytes
}

/// The next backup is made, and is what the database is.
async fn goes_on(folder: &Folder, destination: &Destination, at: &str) {
    let path = folder.path("app.db");
    let done = destination.backup(&path, &BackupSettings::default()).await;
    done.unwrap_or_else(|error| panic!("{at}: the next backup: {error}"));
    let database = destination.database("app").expect("a good name");
    let latest = database.resolve(&Selector::Latest(0), None).await.expect("is there");
    let latest = restored(folder, destination, &latest).await;
    assert!(latest == std::fs::read(&path).expect("reads"), "{at}: the next backup");
}

/// A folder with a database, and beside it, where no power goes, copies of it.
struct Past {
    folder: Folder,
    beside: tempfile::TempDir,
}

impl Past {
    fn begin() -> (Self, rusqlite::Connection) {
        let folder = Folder::in_memory();
        let connection = one_row_a_page(&folder.path("app.db"), "delete", 12, 1);
        (Self { folder, beside: tempfile::tempdir().expect("a directory") }, connection)
    }

    fn keep(&self, name: &str) -> PathBuf {
        let copy = self.beside.path().join(name);
        std::fs::copy(self.folder.path("app.db"), &copy).expect("copies");
        copy
    }
}

#[test]
fn a_first_backup() {
    let (past, _connection) = Past::begin();
    let image = past.keep("1");
    let outage = Outage::of(past.folder, &["backup", "app.db"]);
    outage.at_every_call(40, |folder, Moment { at, acknowledged }| {
        run(async {
            let Some(destination) = open(folder).await else {
                assert!(!acknowledged, "{at}: the repository is gone");
                return;
            };
            let there = all_is_well(folder, &destination, &[&image], at).await;
            assert!(there.len() == 1 || !acknowledged, "{at}: the snapshot is gone");
            goes_on(folder, &destination, at).await;
        });
    });
}

#[test]
fn a_backup() {
    let (past, mut connection) = Past::begin();
    let first = past.keep("1");
    past.folder.backup("app.db");
    overwrite(&mut connection, 3, 2);
    let second = past.keep("2");
    let outage = Outage::of(past.folder, &["backup", "app.db"]);
    outage.at_every_call(40, |folder, Moment { at, acknowledged }| {
        run(async {
            let destination = open(folder).await.expect("was there before");
            let there = all_is_well(folder, &destination, &[&first, &second], at).await;
            assert!(there.len() == 2 || !acknowledged && there.len() == 1, "{at}");
            goes_on(folder, &destination, at).await;
        });
    });
}

#[test]
fn forgetting_and_pruning() {
    let (past, mut connection) = Past::begin();
    let mut images = vec![past.keep("0")];
    past.folder.backup("app.db");
    for n in 1..4 {
        overwrite(&mut connection, 3, n);
        images.push(past.keep(&n.to_string()));
        past.folder.backup("app.db");
    }
    let ids: Vec<String> = past.folder.run(&["--json", "snapshots"]).ok().json()[..4]
        .iter()
        .map(|one| one["snapshot_id"].as_str().expect("an id").to_owned())
        .collect();
    let kept = |there: &[Snapshot], at: &str| {
        let there: Vec<String> = there.iter().map(|one| one.id().to_string()).collect();
        assert!(ids[1..].iter().all(|id| there.contains(id)), "{at}: {there:?}");
        there.contains(&ids[0])
    };
    let images: Vec<&Path> = images.iter().map(PathBuf::as_path).collect();
    let outage = Outage::of(past.folder, &["forget", "app", &ids[0]]);
    outage.at_every_call(8, |folder, Moment { at, acknowledged }| {
        run(async {
            let destination = open(folder).await.expect("was there before");
            let there = all_is_well(folder, &destination, &images, at).await;
            assert!(!kept(&there, at) || !acknowledged, "{at}: it is forgotten");
            goes_on(folder, &destination, at).await;
        });
    });
}

#[test]
fn a_restore_to_a_new_file() {
    let (past, _connection) = Past::begin();
    let image = past.keep("1");
    past.folder.backup("app.db");
    let outage = Outage::of(past.folder, &["restore", "app", "--target", "new.db"]);
    outage.at_every_call(6, |folder, Moment { at, acknowledged }| {
        let target = folder.path("new.db");
        let there = target.exists();
        assert!(there || !acknowledged, "{at}: it is gone");
        let whole = std::fs::read(&image).expect("reads");
        assert!(!there || std::fs::read(&target).expect("reads") == whole, "{at}: half a file");
    });
}

#[test]
fn a_restore_in_place() {
    let (past, mut connection) = Past::begin();
    let first = past.keep("1");
    past.folder.backup("app.db");
    let wanted = rows(&first);
    overwrite(&mut connection, 3, 2);
    drop(connection);
    let second = past.keep("2");
    let before = rows(&second);
    let outage = Outage::of(past.folder, &["restore", "app", "--in-place"]);
    outage.at_every_call(40, |folder, Moment { at, acknowledged }| {
        let found = rows(&folder.path("app.db"));
        assert!(found == before || found == wanted, "{at}: neither old nor new");
        assert!(found == wanted || !acknowledged, "{at}: it is the old one");
        let aside = std::fs::read_dir(home(folder)).expect("lists").flatten().any(|entry| {
            entry.file_name().to_string_lossy().contains(".before-restore-")
                && rows(&entry.path()) == before
        });
        assert!(aside || found == before, "{at}: the old one is lost");
        run(async {
            let destination = open(folder).await.expect("was there before");
            all_is_well(folder, &destination, &[&first, &second], at).await;
            goes_on(folder, &destination, at).await;
        });
    });
}
