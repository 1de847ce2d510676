//! The model: what a handful of maps say of a database, and which objects must
//! be there.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use lifeboat_format::key;
use lifeboat_format::list;
use lifeboat_format::numbers::RecordNo;
use lifeboat_format::record::{Content, Record, RecordPlace};
use lifeboat_format::seal::Home;
use lifeboat_remote::Remote;
use lifeboat_repository::{CollectOptions, Database};
use lifeboat_testing::script::World;
use time::OffsetDateTime;

use crate::image::Image;

/// What there is, in the words of the promises.
#[derive(Default)]
pub(super) struct Model {
    pub(super) newest: u64,
    pub(super) alive: BTreeMap<u64, Image>,
    pub(super) trash: BTreeMap<u64, (OffsetDateTime, Image)>,
    pub(super) pins: BTreeSet<u64>,
}

impl Model {
    pub(super) fn backed_up(&mut self, image: Image) {
        self.newest += 1;
        self.alive.insert(self.newest, image);
    }

    fn latest(&self) -> Option<u64> {
        self.alive.keys().next_back().copied()
    }

    /// Whether it is possible; and then it is done. So with the others.
    pub(super) fn forget(&mut self, number: u64, now: OffsetDateTime) -> bool {
        if self.latest() == Some(number) || self.pins.contains(&number) {
            return false;
        }
        let Some(image) = self.alive.remove(&number) else { return false };
        self.trash.insert(number, (now, image));
        self.newest += 1;
        true
    }

    pub(super) fn undelete(&mut self, number: u64) -> bool {
        let Some((_, image)) = self.trash.remove(&number) else { return false };
        self.alive.insert(number, image);
        self.newest += 1;
        true
    }

    pub(super) fn pin(&mut self, number: u64) -> bool {
        let there = self.alive.contains_key(&number);
        if there {
            self.pins.insert(number);
            self.newest += 1;
        }
        there
    }

    pub(super) fn unpin(&mut self, number: u64) -> bool {
        let there = self.pins.remove(&number);
        self.newest += u64::from(there);
        there
    }

    /// What a collection must drop now.
    pub(super) fn due(&self, now: OffsetDateTime, options: CollectOptions) -> Vec<u64> {
        let mut all: Vec<u64> = self.alive.keys().chain(self.trash.keys()).copied().collect();
        all.sort_unstable();
        let floor: BTreeSet<u64> = all.into_iter().rev().take(options.floor_snapshots).collect();
        let old = |then: OffsetDateTime, age| now - then >= age;
        self.trash
            .iter()
            .filter(|(_, (since, _))| old(*since, options.trash))
            .filter(|(_, (_, image))| old(image.taken_at, options.floor_age))
            .map(|(number, _)| *number)
            .filter(|number| !floor.contains(number))
            .collect()
    }

    pub(super) fn collected(&mut self, committed: bool, due: &[u64]) {
        if committed {
            self.newest += 1;
            due.iter().for_each(|number| drop(self.trash.remove(number)));
        }
    }

    pub(super) fn trash_times(&self) -> BTreeMap<u64, OffsetDateTime> {
        self.trash.iter().map(|(number, (since, _))| (*number, *since)).collect()
    }
}

/// What every snapshot needs, read once from its record by this code alone, and
/// the versions that those objects had then.
#[derive(Default)]
pub(super) struct Objects {
    of: HashMap<u64, Vec<String>>,
    versions: HashMap<String, String>,
    proven: HashSet<u64>,
}

impl Objects {
    /// Every object that these snapshots need is there, and nobody has put it
    /// since it was first seen.
    pub(super) async fn check(&mut self, world: &World, database: &Database, holders: Vec<u64>) {
        for number in &holders {
            if !self.of.contains_key(number) {
                let remote = world.client("model");
                let keys = closure(&remote, database, RecordNo(*number)).await;
                self.of.insert(*number, keys);
            }
        }
        self.of.retain(|number, _| holders.contains(number));
        self.proven.retain(|number| holders.contains(number));
        let there = world.versions().await;
        for (number, keys) in &self.of {
            for key in keys {
                let Some(version) = there.get(key) else {
                    panic!("{key} is gone, and snapshot {number} needs it");
                };
                match self.versions.get(key) {
                    Some(before) => assert!(before == version, "{key} was overwritten"),
                    None => drop(self.versions.insert(key.clone(), version.clone())),
                }
            }
        }
    }

    /// The snapshot was restored, from the objects as they are.
    pub(super) fn restored(&mut self, number: u64) {
        self.proven.insert(number);
    }

    /// Whether a snapshot was restored from the very objects that are there: since
    /// the last [`check`](Self::check) none of them is missing or was put anew.
    pub(super) fn is_proven(&self, number: u64) -> bool {
        self.proven.contains(&number)
    }
}

async fn bytes(remote: &Remote, key: &str) -> Vec<u8> {
    let object = remote.get(key, u64::MAX).await.expect("reads");
    object.unwrap_or_else(|| panic!("{key} is gone")).to_vec()
}

/// A record, read by this code alone.
pub(crate) async fn record(remote: &Remote, database: &Database, number: RecordNo) -> Record {
    let key = format!("databases/{}/records/{:020}", database.name().key(), number.0);
    let home = Home {
        repository: database.repository().info().repository,
        database: database.name(),
        keys: None,
    };
    Record::decode(&bytes(remote, &key).await, RecordPlace { home, number }).expect("is whole")
}

/// The keys of all objects that a snapshot needs.
pub(crate) async fn closure(remote: &Remote, database: &Database, number: RecordNo) -> Vec<String> {
    let root = format!("databases/{}", database.name().key());
    let record_key = format!("{root}/records/{:020}", number.0);
    let home = Home {
        repository: database.repository().info().repository,
        database: database.name(),
        keys: None,
    };
    let record = record(remote, database, number).await;
    let packs = record.envelope.packs.clone().unwrap_or_default();
    let mut keys = vec![record_key];
    let mut base = Vec::new();
    if let Some(list) = &packs.list {
        let list_key = format!("{root}/{}", key::list(list.id));
        let object = bytes(remote, &list_key).await;
        base = list::decode(&object, list, &home).expect("is whole");
        keys.push(list_key);
    }
    keys.extend(packs.resolve(base).iter().map(|entry| format!("{root}/{}", key::pack(entry))));
    if let Some(body) = &record.body {
        if let Content::File { archive, .. } = &body.content {
            keys.push(format!("{root}/{}", key::archive(archive)));
        }
        keys.extend(body.attachments.iter().map(|one| format!("{root}/attachments/{}", one.id)));
    }
    keys
}
