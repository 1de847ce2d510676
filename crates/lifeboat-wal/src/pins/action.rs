//! What the pins want done, and what came of it.

use std::time::Duration;

use lifeboat_sqlite::WalPosition;

use crate::position::Position;

/// A lock on the wal-index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lock {
    /// A read lock whose mark is not used (*A*): nobody restarts the WAL.
    Reader,
    /// Read lock 0 (*B*): nobody copies frames into the database file.
    Guard,
    /// The writer's lock: nobody commits. Held for milliseconds.
    Writer,
}

/// Frames to be taken, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Range {
    /// The place after which they begin.
    pub after: Position,
    /// The last of them, which ends a commit.
    pub to: u32,
    /// Its cumulative checksum, which proves all of them.
    pub checksum: (u32, u32),
    /// The page size in bytes.
    pub page_size: u32,
    /// Whether checksums are over big-endian words.
    pub big_endian: bool,
    /// Whether they have to prove that the place is still the one that was
    /// stored: then each of them needs a checksum.
    pub must_prove: bool,
}

/// What is to be done next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Read header and backfill of the wal-index: [`Outcome::Seen`] or
    /// [`Outcome::Unsteady`].
    Look,
    /// Take a lock, without waiting: [`Outcome::Done`] or [`Outcome::Busy`].
    Lock(Lock),
    /// Give a lock back: [`Outcome::Done`].
    Unlock(Lock),
    /// Read frames and prove them: [`Outcome::Done`], or
    /// [`Outcome::NotContinuous`] where they are not what they should be.
    Capture(Range),
    /// Copy frames into the database file, waiting for nobody:
    /// [`Outcome::Checkpointed`], or [`Outcome::Busy`] if somebody else does.
    Checkpoint,
    /// Have SQLite rebuild a wal-index that a killed writer left half written:
    /// [`Outcome::Done`] or [`Outcome::Busy`].
    Mend,
    /// Wait: [`Outcome::Done`] or [`Outcome::Woken`].
    Wait {
        /// For how long.
        time: Duration,
        /// Whether a sign that the WAL was written to ends the wait.
        wakes: bool,
    },
    /// All locks are given back, and it is over.
    Stop(Stop),
}

/// What came of an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is done.
    Done,
    /// Somebody else was in the way.
    Busy,
    /// A wait ended early: the WAL was written to.
    Woken,
    /// What the wal-index says.
    Seen(WalPosition),
    /// The wal-index never stood still.
    Unsteady,
    /// The frames are not the ones that they should be.
    NotContinuous,
    /// Frames were copied into the database file.
    Checkpointed {
        /// Whether all that there were are copied now.
        complete: bool,
    },
}

/// Why it is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Stop {
    /// It was asked for.
    Finished,
    /// The WAL is not the one that was followed before, or not proven to be:
    /// commits may be missing.
    NotContinuous,
    /// The WAL was restarted although it was pinned: a lock is gone, and
    /// commits may be missing.
    Restarted,
    /// The first lock could not be had within the time that was set.
    Busy,
    /// The wal-index is damaged, and nobody mends it.
    Unsteady,
}
