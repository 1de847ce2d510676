//! Where the machine is, and what it remembers of what it saw.

use std::time::Duration;

use lifeboat_sqlite::WalPosition;

use super::Stop;
use crate::position::Position;

// How long one waits before what did not succeed is tried again: doubled from
// the first to the last.
const AGAIN_MIN: Duration = Duration::from_millis(100);
const AGAIN_MAX: Duration = Duration::from_secs(5);

/// What an outcome is awaited of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Step {
    Begin,
    /// The guard, before anything was seen.
    FirstGuard,
    Looking(Look),
    Capturing(Seen),
    /// The reader's lock, under the guard.
    Pinning {
        again: bool,
    },
    /// A checkpoint under the guard, which frees marks that nobody uses.
    FreeingMarks,
    /// The guard, under the reader's lock.
    Guarding(Seen),
    Checkpointing,
    /// The writer's lock.
    Holding,
    /// A checkpoint while writers wait.
    HeldCheckpoint,
    /// The guard while writers wait.
    HeldGuard,
    Mending,
    /// Whatever comes, the next thing is a look.
    Passing,
    Over(Stop),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Look {
    First,
    Usual,
    /// With both locks: is it still what it was?
    Confirm(Seen),
}

/// What a look showed, as far as it matters later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Seen {
    pub(super) end: Position,
    pub(super) change: u32,
    pub(super) backfilled: u32,
    pub(super) page_size: u32,
    pub(super) big_endian: bool,
}

impl Seen {
    pub(super) fn of(position: &WalPosition) -> Self {
        let header = &position.header;
        Self {
            end: Position::at_end(header),
            change: header.change,
            backfilled: position.backfilled,
            page_size: header.page_size,
            big_endian: header.big_endian_checksums,
        }
    }

    /// Whether the database file holds every frame.
    pub(super) fn is_copied(&self) -> bool {
        self.backfilled >= self.end.frame
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Held {
    pub(super) reader: bool,
    pub(super) guard: bool,
    pub(super) writer: bool,
}

/// Something that is tried again after longer and longer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Patience {
    pub(super) left: Duration,
    pub(super) next: Duration,
}

impl Patience {
    pub(super) fn failed(&mut self) {
        self.left = self.next.max(AGAIN_MIN);
        self.next = (self.left * 2).min(AGAIN_MAX);
    }

    pub(super) fn is_over(&self) -> bool {
        self.left.is_zero()
    }
}
