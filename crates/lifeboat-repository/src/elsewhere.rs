//! Reading from other destinations what is damaged or gone here: object by
//! object, so that two destinations that are damaged in different places are
//! still one whole.
//!
//! A pack is the same bytes everywhere, and proven against what is known here.
//! Where it lies there is found by a listing: its suffix is another.

use std::sync::{Arc, Mutex, PoisonError};

use lifeboat_format::key;
use lifeboat_format::list::PackEntry;

use crate::error::ReadError;
use crate::repository::Database;

/// An object that was read from another destination.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FromElsewhere {
    /// Its key here, relative to the folder of the database.
    pub object: String,
    /// The destination that has it whole.
    pub place: String,
    /// What is wrong with it here.
    pub why: String,
}

/// The same database at other destinations, and what was read there.
#[derive(Clone, Debug, Default)]
pub(crate) struct Others {
    all: Arc<[Database]>,
    used: Arc<Mutex<Vec<FromElsewhere>>>,
}

impl Database {
    /// This database, read with the help of the same one at other destinations.
    /// Those of other repositories are no help, and are left out.
    #[must_use]
    pub fn with_others(mut self, others: impl IntoIterator<Item = Self>) -> Self {
        let same = |other: &Self| {
            other.repository().info().repository == self.repository().info().repository
                && other.name == self.name
        };
        let all = others.into_iter().filter(same).collect();
        self.others = Others { all, used: Arc::default() };
        self
    }

    /// What had to be read at other destinations so far, by this value and its
    /// clones.
    pub fn from_elsewhere(&self) -> Vec<FromElsewhere> {
        self.others.used.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn others(&self) -> &[Self] {
        &self.others.all
    }

    /// Notes that something was read elsewhere.
    pub(crate) fn was_read_at(&self, other: &Self, entry: &PackEntry, why: &ReadError) {
        let place = other.remote().shown().to_owned();
        let from = FromElsewhere { object: key::pack(entry), place, why: why.to_string() };
        let mut used = self.others.used.lock().unwrap_or_else(PoisonError::into_inner);
        if used.iter().all(|one| one.object != from.object) {
            tracing::warn!(object = from.object, place = from.place, error = %why, "read elsewhere");
            used.push(from);
        }
    }

    /// Where a pack lies here that is known from another destination: under every
    /// suffix that a listing shows. A store that does not answer has it not.
    pub(crate) async fn packs_like(&self, entry: &PackEntry) -> Vec<PackEntry> {
        let folder = self.keys.packs();
        let prefix = format!("{folder}/{}-", entry.pack);
        let mut found = Vec::new();
        let mut after = prefix.clone();
        loop {
            let wanted = |key: &str| key.starts_with(&prefix);
            match self.remote().any_after(&folder, &after, wanted).await {
                Ok(Some(key)) => {
                    let suffix = key.strip_prefix(&prefix).and_then(|suffix| suffix.parse().ok());
                    found.extend(suffix.map(|suffix| PackEntry { suffix, ..*entry }));
                    after = key;
                }
                Ok(None) => return found,
                Err(error) => {
                    tracing::info!(%error, "packs cannot be listed there");
                    return found;
                }
            }
        }
    }
}
