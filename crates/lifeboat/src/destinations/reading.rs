//! Reading from several destinations: what there is on any of them, and a restore
//! from whichever has it whole.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use lifeboat_format::id::SnapshotId;
use lifeboat_format::numbers::RecordNo;
use lifeboat_remote::Remote;
use lifeboat_repository::{HealReport, Proof, ReadError, ResolveError, Selector, Snapshot};

use super::watch::{Counted, until_gone};
use super::{Destinations, Trouble};
use crate::destination::{Destination, Missing};
use crate::error::{Cause, Error, ErrorKind, causes_of};
use crate::keep::Inventory;
use crate::restore::{RestoreReport, RestoreSettings};

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

/// A restore, and where it came from.
#[derive(Debug)]
#[non_exhaustive]
pub struct RestoredFrom {
    /// What was restored.
    pub report: RestoreReport,
    /// The destination that had it whole.
    pub destination: Destination,
    /// Those that were tried before and failed.
    pub failed: Vec<Cause>,
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

    /// Restores a snapshot to a file, from the first destination that has it
    /// whole. One that turns out damaged, or goes away, is left for the next.
    ///
    /// Cancelled or killed, the target is what it was.
    pub async fn restore(
        &self,
        name: &str,
        selector: &Selector,
        target: &Path,
        settings: &RestoreSettings,
        announce: impl Fn(&Snapshot),
    ) -> Result<RestoredFrom, Error> {
        let (opened, mut failed) = self.open_for_reading().await?;
        let id = self.find(name, selector, &opened, &mut failed).await?;
        let exactly = Selector::Prefix(id.as_str().to_owned());
        let mut tried = Vec::new();
        for (at, destination) in &opened {
            let restored =
                self.restore_from(*at, destination, name, &exactly, target, settings, &announce);
            let error = match restored.await {
                Ok(report) => {
                    failed.append(&mut tried);
                    let destination = destination.clone();
                    return Ok(RestoredFrom { report, destination, failed });
                }
                // This one does not have it; another does.
                Err(Error::Resolve(
                    ResolveError::NotFound { .. } | ResolveError::NoSnapshots { .. },
                )) => continue,
                Err(error) => error,
            };
            if !matches!(error.kind(), ErrorKind::Damage | ErrorKind::Storage) {
                return Err(error);
            }
            let cause = self.inner.members[*at].cause(error);
            tracing::warn!("going on with another destination: {cause}");
            tried.push(cause);
        }
        // Where nobody had it at all, the reasons are those of the ones that were
        // not asked.
        failed.append(&mut tried);
        Err(self.nowhere(&[], failed))
    }

    #[expect(clippy::too_many_arguments, reason = "they are those of a restore, and where from")]
    async fn restore_from(
        &self,
        at: usize,
        destination: &Destination,
        name: &str,
        selector: &Selector,
        target: &Path,
        settings: &RestoreSettings,
        announce: impl Fn(&Snapshot),
    ) -> Result<RestoreReport, Error> {
        let arrived = Arc::default();
        let mut counted = settings.clone();
        let next = settings.progress.clone();
        counted.progress = Some(Arc::new(Counted { packs: Arc::clone(&arrived), next }));
        tokio::select! {
            done = destination.restore(name, selector, target, &counted, announce) => done,
            gone = until_gone(&self.inner.members[at].settings, &arrived) => {
                Err(ReadError::from(gone).into())
            }
        }
    }

    /// The first destination that has the snapshot that is meant.
    pub async fn holder(&self, name: &str, selector: &Selector) -> Result<Destination, Error> {
        let (opened, mut failed) = self.open_for_reading().await?;
        let id = self.find(name, selector, &opened, &mut failed).await?;
        let exactly = Selector::Prefix(id.as_str().to_owned());
        for (at, destination) in opened {
            match destination.resolve(name, &exactly).await {
                Ok(_) => return Ok(destination),
                Err(error) => failed.push(self.inner.members[at].cause(error)),
            }
        }
        Err(self.nowhere(&[], failed))
    }

    /// The snapshot that is meant, on whichever destination it is.
    async fn find(
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

    /// Reads all that a snapshot consists of, on every destination that has it,
    /// and puts back what is damaged or gone on one and whole on another. Returns
    /// what was done where, and what could not be looked at.
    ///
    /// Killed or cancelled, some objects are whole again and the others are as
    /// they were.
    pub async fn heal(
        &self,
        name: &str,
        id: &SnapshotId,
    ) -> Result<(Vec<(String, HealReport)>, Vec<Cause>), Error> {
        self.heal_formats().await;
        let (opened, mut causes) = self.open_for_reading().await?;
        let exactly = Selector::Prefix(id.as_str().to_owned());
        let mut reports = Vec::new();
        for (at, damaged) in &opened {
            let snapshot = match damaged.resolve(name, &exactly).await {
                Ok(snapshot) => snapshot,
                Err(Error::Resolve(
                    ResolveError::NotFound { .. } | ResolveError::NoSnapshots { .. },
                )) => continue,
                Err(error) => {
                    causes.push(self.inner.members[*at].cause(error));
                    continue;
                }
            };
            let mut sum = HealReport::default();
            for (other, whole) in opened.iter().filter(|(other, _)| other != at) {
                let from = whole.database(name)?;
                match damaged.database(name)?.heal_from(&from, &snapshot).await {
                    Ok(done) => {
                        sum.healed.extend(done.healed);
                        sum.left = done.left;
                        if sum.left.is_empty() {
                            break;
                        }
                    }
                    Err(error) => causes.push(self.inner.members[*other].cause(error.into())),
                }
            }
            reports.push((damaged.shown().to_owned(), sum));
        }
        causes.dedup_by(|a, b| a.to_string() == b.to_string());
        Ok((reports, causes))
    }

    /// Puts back format objects that are gone, where the rest is still there. What
    /// cannot be done is told by whoever then opens it.
    async fn heal_formats(&self) {
        let Ok((opened, _)) = self.open_for_reading().await else { return };
        let Some((_, whole)) = opened.first() else { return };
        for (at, member) in self.inner.members.iter().enumerate() {
            if opened.iter().any(|(open, _)| *open == at) {
                continue;
            }
            let settings = &member.settings;
            let Ok(remote) = Remote::open_with(&settings.place, settings.impatient()) else {
                continue;
            };
            if remote.folders(lifeboat_format::key::DATABASES).await.is_ok_and(|f| !f.is_empty()) {
                let secret = self.inner.secret.as_ref();
                if let Err(error) = whole.repository().replicate(remote, secret).await {
                    tracing::info!("{}: failed to {}", member.shown(), causes_of(&error));
                }
            }
        }
    }

    /// All that can be opened now; an error where none can.
    pub(super) async fn open_for_reading(
        &self,
    ) -> Result<(Vec<(usize, Destination)>, Vec<Cause>), Error> {
        let (mut opened, mut causes) = (Vec::new(), Vec::new());
        for (at, member) in self.inner.members.iter().enumerate() {
            let error = match self.open(at, Missing::Refuse, true).await {
                Ok(destination) => {
                    opened.push((at, destination));
                    continue;
                }
                Err(Trouble::Is(error)) => error,
                Err(Trouble::Silent) => Error::Silent { place: member.settings.place.clone() },
            };
            // A wrong key is one everywhere.
            if error.kind() == ErrorKind::Key {
                return Err(error);
            }
            causes.push(member.cause(error));
        }
        if opened.is_empty() {
            return Err(self.nowhere(&[], causes));
        }
        // One that has nothing yet is no trouble.
        causes.retain(|cause| !matches!(*cause.error, Error::NoRepository { .. }));
        Ok((opened, causes))
    }
}
