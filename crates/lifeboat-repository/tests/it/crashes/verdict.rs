//! What must hold afterwards.

use std::collections::{BTreeMap, BTreeSet};

use lifeboat_format::id::SnapshotId;
use lifeboat_repository::{
    CheckOptions, Database, Depth, RestoreOptions, Selector, Share, Snapshot, WriteError,
};
use lifeboat_testing::script::World;

use super::operation::{Operation, at_once};
use super::scene::{CANARY, FALLBACK, PRIMARY, Scene, key_bytes, open, other_name, secret};
use super::{NEXT, READER};
use crate::image::{Image, Restored};
use crate::world::{Host, options};

impl Scene {
    /// Looks at the world as it is, and leaves it so.
    pub(super) async fn judge(&self, world: &World, acknowledged: bool, at: &str) {
        self.nothing_lies_in_the_clear(world, at).await;
        // A reader leaves a result of its check, and tries what is in the trash.
        let world = world.fork();
        let host = Host::new("reader");
        if self.operation == Operation::Init {
            let opened = open(&world, &host, READER, PRIMARY, &secret(1)).await;
            assert!(opened.is_ok() || !acknowledged, "{at}: it was made");
            return;
        }
        let opened = self.open_primary(&world, &host, READER).await;
        let (_, database) = opened.unwrap_or_else(|error| panic!("{at}: nobody opens it: {error}"));
        let whole = !self.operation.is_of_a_damaged_store() || acknowledged;
        if whole {
            let gone = if self.operation.drops_the_trash() { &self.trash[..] } else { &[] };
            self.all_restore(&database, &self.at_primary, gone, at).await;
        }
        if let Ok(fallback) = open(&world, &host, READER, FALLBACK, &secret(1)).await {
            self.all_restore(&fallback, &self.at_fallback, &[], at).await;
        }
        if acknowledged {
            assert!(self.has_its_effect(&database, &world, &host).await, "{at}: acknowledged");
        }
        if whole {
            finds_nothing(&database, at).await;
        }
    }

    /// These snapshots are there and restore, and so does every other one.
    async fn all_restore(
        &self,
        database: &Database,
        wanted: &[SnapshotId],
        may_be_gone: &[SnapshotId],
        at: &str,
    ) {
        // Whoever writes finishes what was agreed on and not written: then there is
        // other trash than the listing before showed.
        for round in 0.. {
            let found = database.snapshots(None).await;
            let found = found.unwrap_or_else(|error| panic!("{at}: no listing: {error}"));
            assert!(found.broken.is_empty(), "{at}: {:?}", found.broken);
            let trash: Vec<_> = found.trash.iter().map(|one| one.number).collect();
            if trash.is_empty() {
                break;
            }
            match database.undelete(&trash).await {
                Err(WriteError::NotPossible { .. }) if round < 3 => {}
                back => back.unwrap_or_else(|e| panic!("{at}: the trash does not come back: {e}")),
            }
        }
        let listing = database.snapshots(None).await.expect("was listed before");
        let there: BTreeMap<&SnapshotId, &Snapshot> =
            listing.snapshots.iter().map(|snapshot| (snapshot.id(), snapshot)).collect();
        for id in wanted.iter().filter(|id| !may_be_gone.contains(id)) {
            assert!(there.contains_key(id), "{at}: {id} is gone");
        }
        for (id, snapshot) in there {
            let options = RestoreOptions::default();
            let restored = database.restore(snapshot, Restored::default(), &options).await;
            let (restored, _) = restored.unwrap_or_else(|e| panic!("{at}: {id}: {e}"));
            let bytes = restored.finish();
            let right = match self.known.get(id) {
                Some(image) => bytes == image.bytes,
                None => self.to_come().any(|image| bytes == image.bytes),
            };
            assert!(right, "{at}: {id} restores to something else");
        }
    }

    /// What a snapshot may hold that was not there before.
    fn to_come(&self) -> impl Iterator<Item = &Image> {
        [&self.next, &self.between, &self.after, self.last_at_primary()].into_iter()
    }

    /// What was acknowledged has happened.
    pub(super) async fn judge_the_effect(&self, world: &World, at: &str) {
        if matches!(self.operation, Operation::Init | Operation::TwinBackup) {
            return;
        }
        let host = Host::new("reader");
        let opened = self.open_primary(world, &host, READER).await;
        let (_, database) = opened.unwrap_or_else(|error| panic!("{at}: nobody opens it: {error}"));
        assert!(self.has_its_effect(&database, world, &host).await, "{at}: acknowledged");
    }

    /// Whether what was acknowledged has happened.
    async fn has_its_effect(&self, database: &Database, world: &World, host: &Host) -> bool {
        let listing = database.snapshots(None).await.expect("lists");
        // The judge has brought back what was in the trash: of what is forgotten it
        // was seen before that it is there.
        let alive: BTreeSet<_> = listing.snapshots.iter().map(Snapshot::number).collect();
        let pinned = |number: u64| {
            let found = listing.snapshots.iter().find(|one| one.number().0 == number);
            found.is_some_and(Snapshot::is_pinned)
        };
        match self.operation {
            Operation::Backup
            | Operation::FullBackup
            | Operation::ConsolidatingBackup
            | Operation::RacedBackup
            | Operation::TakeOver
            | Operation::Archive
            | Operation::RacedArchive => restores_to(database, &self.next).await,
            Operation::FirstBackup => {
                let new = database.repository().database(other_name());
                restores_to(&new, &self.next).await
            }
            Operation::UnchangedBackup | Operation::Restore => {
                restores_to(database, self.last_at_primary()).await
            }
            Operation::Pin => pinned(3),
            Operation::Unpin => !pinned(2),
            Operation::Undelete => alive.iter().any(|number| number.0 == 4),
            Operation::ReturnFromFallback => {
                let ids: BTreeSet<_> = listing.snapshots.iter().map(Snapshot::id).collect();
                self.at_fallback.iter().all(|id| ids.contains(id))
            }
            Operation::Copy => {
                let there = open(world, host, READER, FALLBACK, &secret(1)).await.expect("opens");
                let there = there.snapshots(None).await.expect("lists");
                let ids: BTreeSet<_> = there.snapshots.iter().map(Snapshot::id).collect();
                let wanted = self.at_primary.iter().filter(|id| !self.trash.contains(id));
                wanted.into_iter().all(|id| ids.contains(id))
            }
            Operation::AddKey | Operation::ReplaceKey => {
                open(world, host, READER, PRIMARY, &secret(2)).await.is_ok()
            }
            Operation::RemoveKey => {
                open(world, &Host::new("x"), READER, PRIMARY, &secret(3)).await.is_err()
            }
            Operation::Replicate => open(world, host, READER, FALLBACK, &secret(1)).await.is_ok(),
            _ => true,
        }
    }

    /// Everybody goes on: a backup, a collection, and a check of every byte that finds
    /// nothing wrong and nothing left over. (It composes each snapshot and compares
    /// its digest, as a restore does.)
    pub(super) async fn go_on(&self, world: &World, host: &Host, at: &str) {
        // A twin was refused: the original goes on.
        let original = (self.operation == Operation::TwinBackup).then(|| self.host.fork());
        let host = original.as_ref().unwrap_or(host);
        if self.operation == Operation::Init {
            return;
        }
        let opened = self.open_primary(world, host, NEXT).await;
        let (_, database) = opened.unwrap_or_else(|error| panic!("{at}: going on: {error}"));
        self.live_on(&database, at).await;
        self.nothing_stays_in_the_clear_here(host, at);
        self.judge_the_end(world, at).await;
    }

    async fn live_on(&self, database: &Database, at: &str) {
        let after = &self.after;
        let done = database.backup(after.clone(), options()).await;
        done.unwrap_or_else(|error| panic!("{at}: the next backup: {error}"));
        assert!(restores_to(database, after).await, "{at}: the next backup");
        let collected = database.collect(at_once()).await;
        collected.unwrap_or_else(|error| panic!("{at}: the next collection: {error}"));
    }

    async fn judge_the_end(&self, world: &World, at: &str) {
        let world = world.fork();
        let host = Host::new("reader");
        let opened = self.open_primary(&world, &host, READER).await;
        let (_, database) = opened.unwrap_or_else(|error| panic!("{at}: in the end: {error}"));
        let mut orphans = finds_nothing(&database, at).await;
        // What heals a pack is spared as long as that pack is needed, by its id, also
        // where two repairs made one each.
        orphans
            .retain(|(key, _)| self.operation != Operation::Repair || !key.starts_with("packs/"));
        assert!(orphans.is_empty(), "{at}: nobody collects {orphans:?}");
        let listing = database.snapshots(None).await.expect("lists");
        let there: BTreeSet<&SnapshotId> = listing.snapshots.iter().map(Snapshot::id).collect();
        for id in self.at_primary.iter().filter(|id| !self.may_be_forgotten(id)) {
            assert!(there.contains(id), "{at}: {id} is gone in the end");
        }
    }

    fn may_be_forgotten(&self, id: &SnapshotId) -> bool {
        let forgotten = matches!(self.operation, Operation::Forget | Operation::RacedForget)
            && self.at_primary.get(2) == Some(id);
        forgotten || self.trash.contains(id)
    }

    /// No object that came holds a page, a word or a key in the clear.
    async fn nothing_lies_in_the_clear(&self, world: &World, at: &str) {
        for key in world.keys("").await {
            if self.keys.contains(&key) {
                continue;
            }
            let bytes = world.object(&key).await;
            if let Some(what) = in_the_clear(&bytes) {
                panic!("{at}: {key} holds {what}");
            }
        }
    }

    /// Nor does a file of the installation.
    fn nothing_stays_in_the_clear_here(&self, host: &Host, at: &str) {
        let mut folders = vec![host.dir.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder).expect("lists").flatten() {
                let path = entry.path();
                if path.is_dir() {
                    folders.push(path);
                } else if let Some(what) = in_the_clear(&std::fs::read(&path).unwrap_or_default()) {
                    panic!("{at}: {path:?} holds {what}");
                }
            }
        }
    }
}

/// Checks every byte, and returns what no snapshot needs.
async fn finds_nothing(database: &Database, at: &str) -> Vec<(String, u64)> {
    let all = CheckOptions::of_depth(Depth::Data(Share::All));
    let report = database.check(&all).await.unwrap_or_else(|e| panic!("{at}: the check: {e}"));
    assert!(report.is_ok(), "{at}: {:?}", report.result.findings);
    report.orphans
}

async fn restores_to(database: &Database, image: &Image) -> bool {
    let latest = database.resolve(&Selector::Latest(0), None).await.expect("is there");
    let options = RestoreOptions::default();
    let restored = database.restore(&latest, Restored::default(), &options).await;
    restored.expect("restores").0.finish() == image.bytes
}

/// What of the secrets these bytes hold.
fn in_the_clear(bytes: &[u8]) -> Option<&'static str> {
    let holds = |needle: &[u8]| {
        let first = needle[0];
        let mut rest = bytes;
        while let Some(at) = rest.iter().position(|byte| *byte == first) {
            if rest[at..].starts_with(needle) {
                return true;
            }
            rest = &rest[at + 1..];
        }
        false
    };
    if holds(CANARY) {
        return Some("what was backed up");
    }
    for number in 1..=3 {
        let key = key_bytes(number);
        let hex: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
        if holds(&key) || holds(hex.as_bytes()) {
            return Some("a key");
        }
    }
    None
}
