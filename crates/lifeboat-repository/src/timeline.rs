//! Which states of a database can be restored: stretches of time in which every
//! commit is there, and snapshots.

use lifeboat_format::id::EpochId;
use lifeboat_format::log::{CommitNo, Segment, SegmentKind, SegmentNo};
use lifeboat_format::numbers::RecordNo;
use lifeboat_format::record::Epoch;
use time::OffsetDateTime;

use crate::error::ReadError;
use crate::moments::{Bases, last_commit, row_of};
use crate::repository::Database;
use crate::snapshots::Snapshot;

/// What of the past can be restored.
#[derive(Debug)]
#[non_exhaustive]
pub struct Timeline {
    /// Stretches of time in which every commit can be restored, the earliest first.
    /// What lies between two of them is a gap.
    pub stretches: Vec<Stretch>,
    /// The living snapshots, by generation, the oldest first.
    pub snapshots: Vec<Snapshot>,
    /// The newest record.
    pub newest: Option<RecordNo>,
}

/// A stretch of time of which every commit can be restored.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stretch {
    /// The epoch of the commit log.
    pub epoch: EpochId,
    /// The first state: that of the snapshot it begins with.
    pub from: OffsetDateTime,
    /// Until when everything is known.
    pub until: OffsetDateTime,
    /// The commit of the first state.
    pub first: CommitNo,
    /// The last commit.
    pub last: CommitNo,
    /// How many segments are kept.
    pub segments: u64,
    /// Whether it may still grow.
    pub is_open: bool,
}

impl Database {
    /// Looks at what can be restored. Reads the records of all snapshots, and the
    /// last segment of each epoch.
    pub async fn timeline(&self, expect: Option<RecordNo>) -> Result<Timeline, ReadError> {
        let head = self.whole_head(expect).await?;
        let state = head.state();
        let listing = self.list(&head).await?;
        let mut stretches = Vec::new();
        for epoch in &state.log {
            let bases = Bases::of(epoch, &listing.snapshots);
            let Some((place, base)) = bases.all.first().copied() else { continue };
            let Some((epoch, last)) = self.last_segment(&head, epoch.id).await? else { continue };
            let from = base.body().taken_at;
            let mut stretch = Stretch {
                epoch: epoch.id,
                from,
                until: from,
                first: place.to,
                last: place.to,
                segments: 0,
                is_open: epoch.is_open(),
            };
            if let Some(last) = last {
                let is_seal = last.head().kind == SegmentKind::Seal;
                let count = last.head().number.0 + 1 - epoch.first_segment().0;
                stretch.segments = count - u64::from(is_seal);
                stretch.is_open &= !is_seal;
                stretch.last = last_commit(&last);
                stretch.until = last.observed_until();
            }
            // A log that does not reach the end of its first snapshot restores nothing
            // that the snapshot is not.
            if stretch.last < place.to || (stretch.last == place.to && place.from != place.to) {
                continue;
            }
            if place.from != place.to
                && let Some(seen_at) = self.seen_at(&epoch, place.to, stretch.segments).await?
            {
                stretch.from = seen_at;
            }
            stretch.until = stretch.until.max(stretch.from);
            stretches.push(stretch);
        }
        Ok(Timeline { stretches, snapshots: listing.snapshots, newest: head.newest })
    }

    /// When a commit was first seen.
    async fn seen_at(
        &self,
        epoch: &Epoch,
        commit: CommitNo,
        segments: u64,
    ) -> Result<Option<OffsetDateTime>, ReadError> {
        let first = epoch.first_segment();
        let ends = (first, SegmentNo((first.0 + segments).saturating_sub(1)));
        let end = |segment: &Segment| last_commit(segment) >= commit;
        let segment = self.first_segment_where(epoch.id, ends, end).await?;
        Ok(segment.and_then(|segment| row_of(&segment, commit).map(|row| row.seen_at)))
    }
}
