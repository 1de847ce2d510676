//! Segments of the commit log: what was committed between snapshots, in order.
//!
//! ```text
//! header | frames | index | seal (sealed only) | trailer
//! ```
//!
//! A segment holds page images, commit by commit, in frames as packs have them.
//! Its index says where each commit ends, and names the segment before, so that
//! none can be missing. A *seal* is a segment without commits that ends an
//! epoch. `docs/format.md` has the byte tables.

mod index;
mod writer;

use std::fmt;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::digest::Digest;
use crate::geometry::PageSize;
use crate::id::{EpochId, Nonce};

pub use index::{CommitRow, Segment, SegmentTrailer};
pub use writer::{SegmentError, SegmentOptions, SegmentWriter, WrittenSegment};

/// The most pages one segment holds.
pub const MAX_PAGES: u32 = 65_536;
/// The most commits that one segment has rows for.
pub const MAX_COMMITS: u32 = 65_536;
/// The most bytes a segment may have that is read.
pub const MAX_SEGMENT_LEN: u64 = 64 * 1024 * 1024;
/// The most bytes that a mark has.
pub const MAX_MARK_LEN: usize = 64;
/// The size of the trailer in bytes.
pub const TRAILER_LEN: usize = 64;

/// The number of a segment in its epoch, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SegmentNo(pub u64);

impl SegmentNo {
    /// The first segment of an epoch.
    pub const FIRST: Self = Self(1);

    /// The number after this one.
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for SegmentNo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The number of a commit of a database: counted from 1, and on across epochs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CommitNo(pub u64);

impl fmt::Display for CommitNo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a segment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SegmentKind {
    /// Commits, every one of them.
    Commits,
    /// What several commits did together, the last in each grid of so many
    /// seconds: the states in between cannot be restored from it.
    RolledUp(u32),
    /// The end of an epoch: no segment follows.
    Seal,
}

/// What is known of a segment before its pages are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentHead {
    /// The epoch it belongs to.
    pub epoch: EpochId,
    /// Its number.
    pub number: SegmentNo,
    /// What it is.
    pub kind: SegmentKind,
    /// Drawn anew for every attempt to create a segment.
    pub nonce: Nonce,
    /// The digest of the segment before, as [`WrittenSegment::digest`] has it;
    /// none for the first.
    pub previous: Option<Digest>,
    /// The page size of the database.
    pub page_size: PageSize,
    /// The commit that its first pages belong to.
    pub first_commit: CommitNo,
    /// Whether that commit began in a segment before.
    pub continues: bool,
    /// From when on, by the writer's clock, it has everything. In microseconds.
    pub observed_from: OffsetDateTime,
}

/// A time in microseconds since 1970, cut down.
fn to_micros(time: OffsetDateTime) -> i64 {
    // The time crate's years end at ±9,999: that fits into 64 bits.
    (time.unix_timestamp_nanos().div_euclid(1_000)) as i64
}

fn from_micros(micros: i64) -> Option<OffsetDateTime> {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(micros) * 1_000).ok()
}

/// What a segment is sealed for: its epoch and number, which copies keep.
fn object_id(epoch: EpochId, number: SegmentNo) -> [u8; 24] {
    let mut id = [0; 24];
    id[..16].copy_from_slice(epoch.as_bytes());
    id[16..].copy_from_slice(&number.0.to_le_bytes());
    id
}

#[cfg(test)]
mod tests;
