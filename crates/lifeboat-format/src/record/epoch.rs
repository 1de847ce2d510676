//! What records say of the commit log: which epochs there are, and where an image
//! stands in one.

use serde::{Deserialize, Serialize};

use super::State;
use crate::digest::Digest;
use crate::id::EpochId;
use crate::log::{CommitNo, SegmentNo};
use crate::numbers::RecordNo;

/// A stretch of the commit log in which nothing is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Epoch {
    /// Names the folder of its segments.
    pub id: EpochId,
    /// The record that opened it here: of a snapshot that it can begin at.
    pub base: RecordNo,
    /// The first commit that it may have.
    pub first_commit: CommitNo,
    /// Where it begins by now; absent as long as nothing of it was collected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub floor: Option<LogFloor>,
    /// That it ended, and where; absent as long as segments may be added.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<EpochEnd>,
}

/// Where an epoch begins that was collected in part, or copied in part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogFloor {
    /// The first segment that is kept.
    pub segment: SegmentNo,
    /// The commit that its first pages belong to.
    pub commit: CommitNo,
}

/// That an epoch ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct EpochEnd {
    /// Its last segment. Absent in the record of a take-over, which comes before
    /// the seal that it announces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<LastSegment>,
}

/// The last segment of an epoch: a seal, or what else came last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastSegment {
    /// Its number.
    pub segment: SegmentNo,
    /// What names it, as [`WrittenSegment::digest`](crate::log::WrittenSegment).
    pub digest: Digest,
}

/// Where the image of a snapshot stands in the commit log: it has every commit up
/// to one, and none after another.
///
/// A state at or after `to` is this image and all commits after `from`, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogPlace {
    /// The epoch.
    pub epoch: EpochId,
    /// The last commit that the image is sure to have.
    pub from: CommitNo,
    /// The last commit that the image may have.
    pub to: CommitNo,
}

impl Epoch {
    /// The first segment that must be there, if any is.
    pub fn first_segment(&self) -> SegmentNo {
        self.floor.map_or(SegmentNo::FIRST, |floor| floor.segment)
    }

    /// The first commit that can be applied whole.
    pub fn first_kept(&self) -> CommitNo {
        self.floor.map_or(self.first_commit, |floor| floor.commit)
    }

    /// Whether segments may be added.
    pub fn is_open(&self) -> bool {
        self.end.is_none()
    }

    /// Its last segment, where a record names it.
    pub fn last(&self) -> Option<LastSegment> {
        self.end.and_then(|end| end.last)
    }
}

impl State {
    /// The epoch to which segments may be added.
    pub fn open_epoch(&self) -> Option<&Epoch> {
        self.log.last().filter(|epoch| epoch.is_open())
    }

    /// An epoch, by its id.
    pub fn epoch(&self, id: EpochId) -> Option<&Epoch> {
        self.log.iter().find(|epoch| epoch.id == id)
    }
}

/// Only the last epoch may be open; what is said of each can be.
pub(super) fn log_is_possible(state: &State, number: RecordNo) -> bool {
    let open = state.log.iter().rev().skip(1).any(Epoch::is_open);
    let ids: std::collections::HashSet<_> = state.log.iter().map(|epoch| epoch.id).collect();
    let sane = |epoch: &Epoch| {
        let floor = epoch.floor.is_none_or(|floor| floor.segment.0 > 0 && floor.commit.0 > 0);
        let last = epoch.last().is_none_or(|last| last.segment >= epoch.first_segment());
        floor && last && epoch.first_commit.0 > 0 && epoch.base <= number
    };
    !open && ids.len() == state.log.len() && state.log.iter().all(sane)
}
