//! Packs that were healed: reading where the content of damaged ones lies now.

use std::collections::{BTreeMap, HashSet};

use lifeboat_format::geometry::BlockNo;
use lifeboat_format::id::PackId;
use lifeboat_format::list::PackEntry;
use lifeboat_format::numbers::RecordNo;
use lifeboat_format::repair::{self, MAX_REPAIR_LEN, Repair};

use crate::error::ReadError;
use crate::repository::Database;

/// The newest repair of each damaged pack that a listing shows.
///
/// A repair that a stale listing hides leaves the damage as it was: it is named,
/// and nothing wrong comes out of it.
#[derive(Debug, Default)]
pub(crate) struct Repairs {
    of: BTreeMap<PackId, (u32, Repair)>,
    /// Repairs that cannot be read, by their keys below the database.
    pub(crate) unreadable: Vec<(PackId, u32, ReadError)>,
}

impl Clone for Repairs {
    /// Those that can be read.
    fn clone(&self) -> Self {
        Self { of: self.of.clone(), unreadable: Vec::new() }
    }
}

/// The packs of a snapshot with the healed ones in the place of the damaged.
#[derive(Debug, Default)]
pub(crate) struct Healed {
    pub(crate) packs: Vec<PackEntry>,
    /// Blocks of packs in that list that could not be healed: no older pack must
    /// give them.
    pub(crate) lost: BTreeMap<PackId, HashSet<BlockNo>>,
}

impl Repairs {
    /// The repair of a pack, if it serves a snapshot.
    pub(crate) fn of(&self, pack: PackId, snapshot: RecordNo) -> Option<&Repair> {
        let (_, repair) = self.of.get(&pack)?;
        let serves = repair.only_for.as_ref().is_none_or(|only| {
            // Later snapshots have newer packs over whatever was not known.
            only.contains(snapshot) || only.last().is_some_and(|last| snapshot > last)
        });
        serves.then_some(repair)
    }

    /// All of them: the damaged pack, which repair of it this is, and the repair.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (PackId, u32, &Repair)> {
        self.of.iter().map(|(pack, (k, repair))| (*pack, *k, repair))
    }

    /// Puts what was healed in the place of what is damaged.
    pub(crate) fn apply(&self, packs: Vec<PackEntry>, snapshot: RecordNo) -> Healed {
        let mut healed = Healed { packs, lost: BTreeMap::new() };
        for entry in &mut healed.packs {
            if let Some(repair) = self.of(entry.pack, snapshot) {
                *entry = repair.healed;
                if !repair.lost.is_empty() {
                    healed.lost.insert(entry.pack, repair.lost_blocks().collect());
                }
            }
        }
        healed
    }

    /// Adds one that is not stored yet.
    pub(crate) fn insert(&mut self, k: u32, repair: Repair) {
        self.of.insert(repair.pack, (k, repair));
    }

    /// How often a pack was repaired.
    pub(crate) fn count(&self, pack: PackId) -> u32 {
        let unreadable = self.unreadable.iter().filter(|one| one.0 == pack).map(|one| one.1);
        self.of.get(&pack).map(|(k, _)| *k).into_iter().chain(unreadable).max().unwrap_or(0)
    }
}

impl Database {
    /// Reads the newest repair of each pack.
    pub(crate) async fn repairs(&self) -> Result<Repairs, ReadError> {
        let root = format!("{}/", self.keys.root());
        let listed = self.remote().list(&self.keys.repairs()).await?;
        let mut newest: BTreeMap<PackId, u32> = BTreeMap::new();
        for object in &listed {
            let parsed = object.key.strip_prefix(&root).and_then(repair::parse_key);
            if let Some((pack, k)) = parsed {
                let highest = newest.entry(pack).or_default();
                *highest = k.max(*highest);
            }
        }
        let mut repairs = Repairs::default();
        for (pack, k) in newest {
            let key = self.keys.at(&repair::key(pack, k));
            // Listed, and gone: it was collected with its pack.
            let Some(object) = self.remote().get(&key, MAX_REPAIR_LEN).await? else { continue };
            match repair::decode(&object, pack, k, &self.home()) {
                Ok(repair) => repairs.insert(k, repair),
                Err(error) => {
                    let error = ReadError::unusable(key)(error);
                    repairs.unreadable.push((pack, k, error));
                }
            }
        }
        Ok(repairs)
    }

    /// As [`repairs`](Self::repairs) for a restore: what cannot be listed or
    /// read is warned of, and the damage it would have healed is named when it
    /// is met.
    pub(crate) async fn repairs_if_any(&self) -> Repairs {
        match self.repairs().await {
            Ok(repairs) => {
                for (pack, k, error) in &repairs.unreadable {
                    tracing::warn!(%pack, k, %error, "a repair cannot be read");
                }
                repairs
            }
            Err(error) => {
                tracing::warn!(%error, "repairs cannot be listed");
                Repairs::default()
            }
        }
    }
}
