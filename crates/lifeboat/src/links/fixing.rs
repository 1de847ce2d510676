//! Rows mended, after a snapshot that brings them back.

use std::collections::BTreeMap;
use std::path::PathBuf;

use lifeboat_format::id::SnapshotId;
use lifeboat_format::record::Trigger;
use lifeboat_links::{Checked, Findings, FixReport, LinksError, fix};

use super::{Links, blocking, off_thread};
use crate::destination::Missing;
use crate::destinations::Destinations;
use crate::error::Error;
use crate::take::BackupSettings;

/// What is done before rows are mended.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Safeguard {
    /// A snapshot at these destinations. `adopt` takes the database over from
    /// whichever installation owns it.
    Snapshot {
        /// Where it goes: the first that works.
        destinations: Destinations,
        /// Whether others' databases are taken over.
        adopt: bool,
    },
    /// Nothing: somebody said so.
    Nothing,
}

/// A database whose rows were mended.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Fixed {
    /// Its name in the repository.
    pub database: String,
    /// Its path.
    pub path: PathBuf,
    /// What was done.
    pub report: FixReport,
    /// The snapshot that brings it back, and where it lies.
    pub snapshot: Option<(SnapshotId, String)>,
}

impl Links {
    /// Refuses what must not be mended, and rules that do not say how.
    pub fn may_fix(&self, checked: &[Checked], expected: Option<u64>) -> Result<(), Error> {
        let total: u64 = checked.iter().map(|one| one.all().broken).sum();
        for (store, checked) in self.stores.iter().zip(checked) {
            // Somebody expects so many in all.
            let own = match expected {
                Some(expected) if expected == total => Some(checked.all().broken),
                other => other,
            };
            checked.may_fix(own)?;
            store.group.can_fix(checked)?;
        }
        Ok(())
    }

    /// Mends the rows whose object is missing, in one transaction for each
    /// database, after each has been backed up. [`may_fix`](Self::may_fix) comes
    /// before; each object is asked for once more.
    ///
    /// Killed, each database is as it was, or mended as a whole.
    pub async fn fix(
        &self,
        mut checked: Vec<Checked>,
        safeguard: &Safeguard,
    ) -> Result<Vec<Fixed>, Error> {
        let mut databases: BTreeMap<PathBuf, (String, Vec<String>)> = BTreeMap::new();
        for (store, checked) in self.stores.iter().zip(&checked) {
            for (rule, counts) in store.rules.iter().zip(&checked.rules) {
                if let (Some(path), Some(name)) = (&rule.path, &rule.database)
                    && counts.broken > 0
                {
                    let known = (name.clone(), rule.destinations.clone());
                    databases.entry(path.clone()).or_insert(known);
                }
            }
        }
        // Before anything is changed anywhere.
        let mut snapshots = BTreeMap::new();
        if let Safeguard::Snapshot { destinations, adopt } = safeguard {
            for (path, (name, places)) in &databases {
                let settings = BackupSettings {
                    name: Some(name.clone()),
                    trigger: Trigger::BeforeOperation,
                    description: Some("before links fix".to_owned()),
                    adopt: *adopt,
                    ..BackupSettings::default()
                };
                let placed = destinations.backup(path, &settings, places, Missing::CreateIfLocal);
                let placed = placed.await?;
                let place = placed.destination.shown().to_owned();
                snapshots.insert(path.clone(), (placed.report.snapshot_id.clone(), place));
            }
        }
        let mut confirmed = Vec::new();
        for (store, mut checked) in self.stores.iter().zip(checked.drain(..)) {
            let group = store.group.clone();
            let asked = off_thread(async move { group.confirm(&mut checked).await });
            confirmed.push(asked.await?);
        }
        let mut fixed = Vec::new();
        for (path, (database, _)) in databases {
            let (links, at) = (self.clone(), path.clone());
            let work = move || {
                let pairs = links.stores.iter().map(|store| &store.group).zip(&mut confirmed);
                let mut work: Vec<(_, &mut Findings)> = pairs.collect();
                let report = fix(&at, &mut work)?;
                Ok::<_, LinksError>((report, confirmed))
            };
            let (report, back) = blocking(move || work().map_err(Error::from)).await?;
            confirmed = back;
            let snapshot = snapshots.remove(&path);
            fixed.push(Fixed { database, path, report, snapshot });
        }
        Ok(fixed)
    }
}
