//! What a follower hands over.

use std::time::Duration;

use lifeboat_format::geometry::{PageNo, PageSize};
use time::OffsetDateTime;

use crate::position::Position;

/// A commit, after its pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Commit {
    /// Its number, counted from 1 by this follower.
    pub number: u64,
    /// The page size of the database.
    pub page_size: PageSize,
    /// How many pages the database has after it; what lies beyond is gone.
    pub page_count: u32,
    /// How many page images came with it.
    pub pages: u32,
    /// When it was first seen: it was committed before, and after the end of
    /// the look before. Never earlier than that of the commit before.
    pub seen_at: OffsetDateTime,
    /// Where it ends. To be stored with it, for [`Start::Resume`]. Some older
    /// SQLite versions commit frames without a checksum: nothing can be proven
    /// from such a place ([`Position::to_bytes`]).
    ///
    /// [`Start::Resume`]: crate::Start::Resume
    pub position: Position,
}

/// Takes what was committed, in order.
///
/// While a method runs, the application commits as usual, but the WAL grows
/// with what it writes: a taker should put things aside, not send them away.
pub trait CommitSink {
    /// A page of the next commit; if it comes twice, the last one counts.
    /// Without a [`commit`](Self::commit) after it, it never happened.
    fn page(&mut self, page: PageNo, data: &[u8]) -> Result<(), SinkError>;

    /// The pages since the last commit are one.
    fn commit(&mut self, commit: &Commit) -> Result<(), SinkError>;

    /// The wal-index is about to be looked at: what was committed before now is
    /// handed over before the next [`observed`](Self::observed).
    fn looking(&mut self) {}

    /// All that was committed until `until`, and before the last
    /// [`looking`](Self::looking), has been handed over.
    fn observed(&mut self, until: OffsetDateTime) -> Result<(), SinkError> {
        let _ = until;
        Ok(())
    }

    /// In what time at most it is to hear that everything was
    /// [`observed`](Self::observed), although nothing is written.
    fn hears_within(&self) -> Option<Duration> {
        None
    }
}

/// Why a sink takes no more.
pub type SinkError = Box<dyn std::error::Error + Send + Sync>;
