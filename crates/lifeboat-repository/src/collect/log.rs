//! What of the commit log may go (rule R8): what lies before the snapshot with which
//! the time begins that is kept. The last segment of an epoch never goes: whoever slept
//! since before it was put must not find its number free.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use lifeboat_format::id::EpochId;
use lifeboat_format::key;
use lifeboat_format::log::{CommitNo, Segment, SegmentNo};
use lifeboat_format::numbers::NumberSet;
use lifeboat_format::record::{Epoch, LogFloor, State};
use time::OffsetDateTime;

use super::is_older;
use crate::error::ReadError;
use crate::log::Head;
use crate::moments::{Bases, first_bases, last_begun};
use crate::repository::Database;
use crate::snapshots::Snapshot;

/// What a collection does to the log.
#[derive(Debug, Default)]
pub(super) struct LogPlan {
    /// The epochs after it.
    pub(super) epochs: Vec<Epoch>,
    /// Segments to delete, by their keys relative to the database, and their sizes.
    pub(super) segments: Vec<(String, u64)>,
}

impl Database {
    /// Decides what of the log may go: everything before the newest snapshot that was
    /// taken before `cutoff`, as long as a later one does not need it.
    pub(super) async fn plan_log(
        &self,
        head: &Head,
        stays: &NumberSet,
        cutoff: OffsetDateTime,
        (now, grace): (OffsetDateTime, std::time::Duration),
        most: usize,
    ) -> Result<LogPlan, ReadError> {
        let state = head.state();
        if state.log.is_empty() {
            return Ok(LogPlan::default());
        }
        let snapshots = self.bases_among(head, stays).await?;
        let mut plan = LogPlan::default();
        let newest = state.log.last().map(|epoch| epoch.id);
        for epoch in &state.log {
            let bases = Bases::of(epoch, &snapshots);
            let is_newest = Some(epoch.id) == newest;
            if !is_newest && self.is_over(head, epoch, cutoff).await? {
                continue;
            }
            let floor = match bases.newest_before(cutoff) {
                Some((place, at)) if at > 0 || epoch.floor.is_none() => {
                    self.floor_at(head, epoch, place.from).await?
                }
                _ => None,
            };
            let moved = floor.filter(|floor| floor.segment > epoch.first_segment());
            plan.epochs.push(Epoch { floor: moved.or(epoch.floor), ..*epoch });
        }
        let listed = self.listed_segments(&plan.epochs, most).await?;
        for (epoch, segments) in listed {
            let known = plan.epochs.iter().any(|one| one.id == epoch);
            // The last one of an epoch that no record knows is not known either: the
            // greatest that shows stays, and a listing that hides greater ones only
            // makes more stay.
            let last = segments.last_key_value().map(|(number, _)| *number);
            for (number, (size, modified)) in segments {
                if known || Some(number) != last && is_older(modified, now, grace) {
                    plan.segments.push((key::segment(epoch, number), size));
                }
            }
        }
        plan.segments.truncate(most);
        Ok(plan)
    }

    /// The living snapshots that stand in a log.
    pub(crate) async fn bases_among(
        &self,
        head: &Head,
        numbers: &NumberSet,
    ) -> Result<Vec<Snapshot>, ReadError> {
        let mut bases = Vec::new();
        let alive = head.state().alive;
        for number in numbers.iter().filter(|number| alive.contains(*number)) {
            match self.record_below(head, number).await {
                Ok(record) if record.body.as_ref().is_some_and(|body| body.log.is_some()) => {
                    bases.extend(Snapshot::of(record, false));
                }
                Ok(_) => {}
                Err(error) if error.is_lost_record() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(bases)
    }

    /// Whether an epoch ended before a time, and the record says where.
    async fn is_over(
        &self,
        head: &Head,
        epoch: &Epoch,
        cutoff: OffsetDateTime,
    ) -> Result<bool, ReadError> {
        if epoch.last().is_none() {
            return Ok(false);
        }
        match self.last_segment(head, epoch.id).await {
            Ok(Some((_, last))) => Ok(last.is_none_or(|last| last.observed_until() <= cutoff)),
            Ok(None) => Ok(false),
            // What cannot be read stays: a check names it.
            Err(error) if error.is_damage() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Where an epoch begins for which commits after one are kept: never behind its
    /// last segment.
    async fn floor_at(
        &self,
        head: &Head,
        epoch: &Epoch,
        from: CommitNo,
    ) -> Result<Option<LogFloor>, ReadError> {
        let Some((_, Some(last))) = self.last_segment(head, epoch.id).await? else {
            return Ok(None);
        };
        let ends = (epoch.first_segment(), last.head().number);
        let later = |segment: &Segment| last_begun(segment) > from;
        let first = self.first_segment_where(epoch.id, ends, later).await?.unwrap_or(last);
        Ok(Some(floor_of(&first)))
    }

    /// The segments that a listing shows below where epochs begin, and those of epochs
    /// that no record knows.
    async fn listed_segments(
        &self,
        epochs: &[Epoch],
        most: usize,
    ) -> Result<BTreeMap<EpochId, BTreeMap<SegmentNo, (u64, i64)>>, ReadError> {
        let root = format!("{}/", self.keys.root());
        let mut found: BTreeMap<EpochId, BTreeMap<SegmentNo, (u64, i64)>> = BTreeMap::new();
        let mut count = 0;
        let folder = self.keys.log();
        let take = |object: lifeboat_remote::Listed| {
            let key = object.key.strip_prefix(&root).and_then(key::parse_segment);
            let Some((id, number)) = key else { return ControlFlow::Continue(()) };
            let floor = epochs.iter().find(|epoch| epoch.id == id).map(Epoch::first_segment);
            if floor.is_none_or(|floor| number < floor) {
                let seen = (object.size, object.modified);
                found.entry(id).or_default().insert(number, seen);
                count += 1;
            }
            if count > most { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        self.remote().list_each(&folder, take).await?;
        Ok(found)
    }

    /// The snapshots with which the log begins that is kept, each the earliest of its
    /// epoch: without one of these, states could not be restored that are.
    pub(crate) async fn log_bases(&self, head: &Head) -> Result<NumberSet, ReadError> {
        let state: State = head.state();
        if state.log.is_empty() {
            return Ok(NumberSet::default());
        }
        let snapshots = self.bases_among(head, &state.alive).await?;
        Ok(first_bases(&state.log, &snapshots))
    }
}

/// Where an epoch begins of which a segment is the first.
pub(crate) fn floor_of(segment: &Segment) -> LogFloor {
    let head = segment.head();
    // What began before cannot be applied from here.
    let commit = CommitNo(head.first_commit.0 + u64::from(head.continues));
    LogFloor { segment: head.number, commit }
}
