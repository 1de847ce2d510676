//! Reading from several destinations: what there is on any of them, and which
//! snapshot is meant.

use std::collections::BTreeSet;

use lifeboat_format::id::SnapshotId;
use lifeboat_format::numbers::RecordNo;
use lifeboat_repository::{Proof, ReadError, ResolveError, Selector, Snapshot};

use super::{Destinations, Trouble};
use crate::destination::{Destination, Missing};
use crate::error::{Cause, Error, ErrorKind};
use crate::keep::Inventory;

/// A snapshot, and where it lies.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Everywhere {
    /// As the first of its places has it.
    pub snapshot: Snapshot,
    /// What was proven of it there.
    pub proof: Proof,
    /// Where it lies.
    pub places: Vec<String>,
}

/// The snapshots of a database on all destinations.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Merged {
    /// Each once, by generation and time, the oldest first.
    pub snapshots: Vec<Everywhere>,
    /// Snapshots whose records cannot be read: where, which, and why.
    pub broken: Vec<(String, RecordNo, ReadError)>,
    /// Damaged records after the last that can be read.
    pub burnt: Vec<(String, RecordNo)>,
}

impl Merged {
    /// Puts listings together, each with where it is from.
    pub fn of(inventories: impl IntoIterator<Item = (String, Inventory)>) -> Self {
        let mut merged = Self::default();
        for (place, Inventory { listing, proofs, .. }) in inventories {
            for snapshot in listing.snapshots {
                let known =
                    merged.snapshots.iter_mut().find(|one| one.snapshot.id() == snapshot.id());
                match known {
                    Some(known) => known.places.push(place.clone()),
                    None => merged.snapshots.push(Everywhere {
                        proof: proofs.of(snapshot.number()),
                        snapshot,
                        places: vec![place.clone()],
                    }),
                }
            }
            let broken = listing.broken.into_iter();
            merged.broken.extend(broken.map(|(number, error)| (place.clone(), number, error)));
            merged.burnt.extend(listing.burnt.iter().map(|number| (place.clone(), *number)));
        }
        merged.snapshots.sort_by_key(|one| order(&one.snapshot));
        merged
    }

    /// The snapshots that are a fork: another one has the same generation.
    pub fn is_fork(&self, one: &Everywhere) -> bool {
        let generation = one.snapshot.body().generation;
        let same = self.snapshots.iter().filter(|o| o.snapshot.body().generation == generation);
        same.count() > 1
    }
}

fn order(snapshot: &Snapshot) -> (u64, time::OffsetDateTime) {
    (snapshot.body().generation, snapshot.body().taken_at)
}

impl Destinations {
    /// The names of the databases on any destination, sorted, and the destinations
    /// that could not be asked.
    pub async fn databases(&self) -> Result<(Vec<String>, Vec<Cause>), Error> {
        let (opened, mut causes) = self.open_for_reading().await?;
        let mut names = BTreeSet::new();
        for (at, destination) in &opened {
            match destination.databases().await {
                Ok(found) => names.extend(found.iter().map(ToString::to_string)),
                Err(error) => causes.push(self.inner.members[*at].cause(error)),
            }
        }
        Ok((names.into_iter().collect(), causes))
    }

    /// The snapshots of a database on any destination, and the destinations that
    /// could not be asked.
    pub async fn inventory(&self, name: &str) -> Result<(Merged, Vec<Cause>), Error> {
        let (inventories, causes) = self.inventories(name).await?;
        Ok((Merged::of(inventories), causes))
    }

    /// The snapshots of a database on each destination, and the destinations that
    /// could not be asked.
    pub async fn inventories(
        &self,
        name: &str,
    ) -> Result<(Vec<(String, Inventory)>, Vec<Cause>), Error> {
        let (opened, mut causes) = self.open_for_reading().await?;
        let mut inventories = Vec::new();
        for (at, destination) in &opened {
            match destination.inventory(name, None).await {
                Ok(inventory) => inventories.push((destination.shown().to_owned(), inventory)),
                Err(error) => causes.push(self.inner.members[*at].cause(error)),
            }
        }
        if inventories.is_empty() {
            return Err(self.nowhere(&[], causes));
        }
        Ok((inventories, causes))
    }

    /// The snapshot that is meant, on whichever destination it is.
    pub(super) async fn find(
        &self,
        name: &str,
        selector: &Selector,
        opened: &[(usize, Destination)],
        failed: &mut Vec<Cause>,
    ) -> Result<SnapshotId, Error> {
        if let Selector::Latest(back @ 1..) = selector {
            // Counted over all of them.
            let (merged, causes) = self.inventory(name).await?;
            failed.extend(causes);
            let found = merged.snapshots.iter().rev().nth(*back);
            return match found {
                Some(found) => Ok(found.snapshot.id().clone()),
                None => {
                    let asked = selector.to_string();
                    let nearest = merged.snapshots.first().map(|one| one.snapshot.id().clone());
                    let nearest = nearest.into_iter().collect();
                    Err(ResolveError::NotFound { asked, nearest }.into())
                }
            };
        }
        let (mut found, mut absent): (Vec<Snapshot>, Option<Error>) = (Vec::new(), None);
        for (at, destination) in opened {
            match destination.resolve(name, selector).await {
                Ok(snapshot) => found.push(snapshot),
                Err(error) if matches!(error.kind(), ErrorKind::Damage | ErrorKind::Storage) => {
                    let cause = self.inner.members[*at].cause(error);
                    tracing::warn!("looking for it elsewhere: {cause}");
                    failed.push(cause);
                }
                Err(error @ Error::Resolve(ResolveError::Ambiguous { .. })) => return Err(error),
                Err(error) => {
                    absent.get_or_insert(error);
                }
            }
        }
        if let Selector::Prefix(_) = selector {
            let ids: BTreeSet<&SnapshotId> = found.iter().map(Snapshot::id).collect();
            if ids.len() > 1 {
                let matches = ids.into_iter().cloned().collect();
                let asked = selector.to_string();
                return Err(ResolveError::Ambiguous { asked, matches }.into());
            }
        }
        match found.iter().max_by_key(|snapshot| order(snapshot)) {
            Some(snapshot) => Ok(snapshot.id().clone()),
            // Who did not answer may have it.
            None if !failed.is_empty() => Err(self.nowhere(&[], std::mem::take(failed))),
            None => Err(absent.unwrap_or_else(|| self.nowhere(&[], Vec::new()))),
        }
    }

    /// All that can be opened now; an error where none can.
    pub(crate) async fn open_for_reading(
        &self,
    ) -> Result<(Vec<(usize, Destination)>, Vec<Cause>), Error> {
        let (mut opened, mut causes) = (Vec::new(), Vec::new());
        let others = self.inner.members.len() > 1;
        for (at, member) in self.inner.members.iter().enumerate() {
            let error = match self.open(at, Missing::Refuse, others).await {
                Ok(destination) => {
                    opened.push((at, destination));
                    continue;
                }
                Err(Trouble::Is(error)) => error,
                Err(Trouble::Silent) => Error::Silent { place: member.settings.place.clone() },
            };
            causes.push(member.cause(error));
        }
        if opened.is_empty() {
            // A wrong key is one everywhere; where another opens, it is what lies here
            // that is wrong.
            let keys = causes.iter().position(|cause| cause.error.kind() == ErrorKind::Key);
            return Err(match keys {
                Some(at) => *causes.swap_remove(at).error,
                None => self.nowhere(&[], causes),
            });
        }
        // One that has nothing yet is no trouble.
        causes.retain(|cause| !matches!(*cause.error, Error::NoRepository { .. }));
        Ok((opened, causes))
    }
}
