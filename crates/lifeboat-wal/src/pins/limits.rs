//! When what happens, and where following begins.

use std::time::Duration;

use crate::position::Position;

/// When what happens.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Limits {
    /// From how many frames on one checkpoints. 600.
    pub checkpoint_at: u32,
    /// From how many frames on writers are held up, so that the WAL can begin
    /// anew. 900: below the 1,000 at which SQLite begins to checkpoint.
    pub hold_at: u32,
    /// For how long at most. 50 ms.
    pub hold_time: Duration,
    /// How many frames may be taken meanwhile. 256.
    pub hold_frames: u32,
    /// How often one looks while there is something going on. 10 ms.
    pub poll: Duration,
    /// After how long without a commit one checkpoints and rests. 200 ms.
    pub rest_after: Duration,
    /// How often one looks at rest, if nothing wakes one before. 1 s.
    pub rest: Duration,
    /// How long the first lock is waited for. 30 s.
    pub patience: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        let ms = Duration::from_millis;
        Self {
            checkpoint_at: 600,
            hold_at: 900,
            hold_time: ms(50),
            hold_frames: 256,
            poll: ms(10),
            rest_after: ms(200),
            rest: ms(1_000),
            patience: ms(30_000),
        }
    }
}

/// Where following begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Start {
    /// With the frames that the database file does not hold yet. A copy of the
    /// file that is begun from now on, however slowly it is made, becomes exact
    /// with the commits that were seen until it was finished.
    Fresh,
    /// Where it ended, if that can be proven; else it stops with
    /// [`Stop::NotContinuous`](super::Stop::NotContinuous).
    Resume(Position),
}
