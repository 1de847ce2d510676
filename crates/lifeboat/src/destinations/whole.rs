//! Reading a snapshot from the first destination that has it whole: of one that is
//! damaged, gone or silent, the next takes over, in the middle as well.
//!
//! What is damaged at the one that is read comes from the others, object by object;
//! only where that is not enough, because its record or its list of packs is
//! concerned, or because it does not answer, all begins anew with the next.

use std::path::Path;

use lifeboat_format::id::{DatabaseName, SnapshotId};
use lifeboat_format::record::Trigger;
use lifeboat_repository::{ResolveError, Resolved, Selector, Snapshot};

use super::Destinations;
use crate::compare::{Comparison, compare_files};
use crate::destination::Destination;
use crate::error::{Cause, Error, ErrorKind};
use crate::restore::{RestoreReport, RestoreSettings};
use crate::restore_all::{OneOfAll, Outcome, RestoreAllSettings, each_of};

/// What was read, and where.
#[derive(Debug)]
#[non_exhaustive]
pub struct Whole<T> {
    /// What came of it.
    pub report: T,
    /// The destination that was read.
    pub destination: Destination,
    /// Those that were tried before and failed.
    pub failed: Vec<Cause>,
}

/// Which snapshots count, and how destinations are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum ReadAs {
    /// Any, each destination with the help of the others.
    #[default]
    Helped,
    /// As that; `latest` means the latest that no restore took.
    HelpedInPlace,
    /// Any, each destination by itself: for whoever proves it.
    Alone,
}

impl<T> Whole<T> {
    /// Read at a destination that was the only choice.
    pub fn of(report: T, destination: Destination) -> Self {
        Self { report, destination, failed: Vec::new() }
    }
}

impl Destinations {
    /// Does something with a snapshot at the first destination that has it, until
    /// one does not fail for damage or for its store. `job` is handed the
    /// destination and a selector of exactly that snapshot.
    pub async fn first_whole<T, F: Future<Output = Result<T, Error>>>(
        &self,
        name: &str,
        selector: &Selector,
        how: ReadAs,
        job: impl Fn(Destination, Selector) -> F,
    ) -> Result<Whole<T>, Error> {
        let (opened, mut failed) = self.open_for_reading().await?;
        if let Selector::At(_) | Selector::Commit(_) | Selector::Newest = selector
            && let Some(whole) = self.moment(name, selector, &opened, &mut failed, &job).await?
        {
            return Ok(whole);
        }
        let mut id = self.find(name, selector, &opened, &mut failed).await?;
        if how == ReadAs::HelpedInPlace && *selector == Selector::Latest(0) {
            id = self.no_safety(name, id).await?;
        }
        let exactly = Selector::Prefix(id.as_str().to_owned());
        let mut tried = Vec::new();
        for (at, destination) in &opened {
            let mut read = destination.clone();
            if how != ReadAs::Alone {
                let others = opened.iter().filter(|(other, _)| other != at);
                read = read.with_others(others.map(|(_, other)| other.clone()));
            }
            let error = match job(read, exactly.clone()).await {
                Ok(report) => {
                    failed.append(&mut tried);
                    let destination = destination.clone();
                    return Ok(Whole { report, destination, failed });
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

    /// Does something with a state between snapshots at the first destination whose
    /// commit log has it. None where there are no logs; where there are and none has
    /// it, no snapshot passes for it.
    async fn moment<T, F: Future<Output = Result<T, Error>>>(
        &self,
        name: &str,
        selector: &Selector,
        opened: &[(usize, Destination)],
        failed: &mut Vec<Cause>,
        job: impl Fn(Destination, Selector) -> F,
    ) -> Result<Option<Whole<T>>, Error> {
        let (mut refused, mut tried, mut newest) = (None, Vec::new(), None);
        let mut looked = Vec::new();
        for (at, destination) in opened {
            let found = destination.database(name)?.resolve_moment(selector, None).await;
            let until = match &found {
                Ok(Resolved::Moment(plan)) => Some(plan.log_until),
                Ok(Resolved::Snapshot(snapshot)) => Some(snapshot.body().taken_at),
                _ => None,
            };
            newest = newest.max(until);
            looked.push((at, destination, until, found));
        }
        if *selector == Selector::Newest {
            // The place that has the newest first, be it a snapshot.
            looked.sort_by_key(|(_, _, until, _)| std::cmp::Reverse(*until));
            let first = looked.iter().find(|(_, _, until, _)| *until == newest);
            if matches!(first, Some((_, _, _, Ok(Resolved::Snapshot(_))))) {
                return Ok(None);
            }
        }
        for (at, destination, _, found) in looked {
            let done = match found {
                Ok(Resolved::Moment(_)) => job(destination.clone(), selector.clone()).await,
                Err(error @ ResolveError::Read(_)) => Err(error.into()),
                Err(error @ ResolveError::NotCovered { .. }) => {
                    refused.get_or_insert(error);
                    continue;
                }
                // A snapshot, or nothing at all.
                Ok(_) | Err(_) => continue,
            };
            let error = match done {
                Ok(report) => {
                    failed.append(&mut tried);
                    let (destination, failed) = (destination.clone(), std::mem::take(failed));
                    return Ok(Some(Whole { report, destination, failed }));
                }
                Err(error) => error,
            };
            if !matches!(error.kind(), ErrorKind::Damage | ErrorKind::Storage) {
                return Err(error);
            }
            let cause = self.inner.members[*at].cause(error);
            tracing::warn!("looking for it elsewhere: {cause}");
            tried.push(cause);
        }
        failed.append(&mut tried);
        match refused {
            Some(error) => Err(error.into()),
            None => Ok(None),
        }
    }

    /// The snapshot, or the latest before it that no restore took of what it was
    /// about to replace.
    async fn no_safety(&self, name: &str, id: SnapshotId) -> Result<SnapshotId, Error> {
        let (merged, _) = self.inventory(name).await?;
        let is_it = |snapshot: &Snapshot| {
            *snapshot.id() == id && snapshot.body().trigger == Trigger::Safety
        };
        let mut all = merged.snapshots.iter().map(|one| &one.snapshot);
        if !all.clone().any(is_it) {
            return Ok(id);
        }
        let found = all.rfind(|one| one.body().trigger != Trigger::Safety);
        Ok(found.map_or(id, |one| one.id().clone()))
    }

    /// Restores a snapshot to a file, from the first destination that has it
    /// whole.
    ///
    /// Cancelled or killed, the target is what it was.
    pub async fn restore(
        &self,
        name: &str,
        selector: &Selector,
        target: &Path,
        settings: &RestoreSettings,
        announce: impl Fn(&Resolved),
    ) -> Result<Whole<RestoreReport>, Error> {
        let announce = &announce;
        let job = |destination: Destination, exactly: Selector| async move {
            destination.restore(name, &exactly, target, settings, announce).await
        };
        self.first_whole(name, selector, ReadAs::Helped, job).await
    }

    /// Compares two snapshots, each from the first destination that has it whole.
    pub async fn compare(
        &self,
        name: &str,
        a: &Selector,
        b: &Selector,
    ) -> Result<Whole<Comparison>, Error> {
        let job = |destination: Destination, exactly: Selector| async move {
            destination.rehearse_one(name, &exactly).await
        };
        let first = self.first_whole(name, a, ReadAs::Helped, job).await?;
        let second = self.first_whole(name, b, ReadAs::Helped, job).await?;
        let mut failed = first.failed;
        failed.extend(second.failed);
        let ((a, first), (b, file)) = (first.report, second.report);
        let report = compare_files([a, b], [first, file]).await?;
        Ok(Whole { report, destination: second.destination, failed })
    }

    /// Restores each database on any destination to `<folder>/<name>.db`, as
    /// [`Destination::restore_all`] does. Also returns the destinations that could
    /// not be asked.
    pub async fn restore_all(
        &self,
        folder: &Path,
        selector: &Selector,
        settings: &RestoreAllSettings,
        mut done: impl FnMut(&OneOfAll),
    ) -> Result<(Vec<OneOfAll>, Vec<Cause>), Error> {
        let (names, causes) = self.databases().await?;
        let names = names.into_iter().filter_map(|name| DatabaseName::new(name).ok()).collect();
        let one = |name: DatabaseName, target: std::path::PathBuf| async move {
            let (wanted, into) = (&name, &target);
            let job = |destination: Destination, exactly: Selector| async move {
                destination.one_of_all(wanted, into, &exactly, settings).await
            };
            let done = self.first_whole(name.as_str(), selector, ReadAs::Helped, job).await;
            let (outcome, failed): (Result<Outcome, Error>, _) = match done {
                Ok(done) => (Ok(done.report), done.failed),
                Err(error) => (Err(error), Vec::new()),
            };
            OneOfAll { name, target, outcome, failed }
        };
        Ok((each_of(names, folder, one, &mut done).await?, causes))
    }
}
