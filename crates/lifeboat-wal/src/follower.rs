//! Does what the pins say, on a live database.

use std::path::Path;
use std::time::Duration;

use lifeboat_format::geometry::{PageNo, PageSize};
use lifeboat_sqlite::{LockState, MIN_SAFE_VERSION, PinnedWal, WalIndexError, library_version};
use time::OffsetDateTime;

use crate::clock::{Clock, SystemClock};
use crate::commit::{Commit, CommitSink};
use crate::error::{CannotFollow, FollowError};
use crate::frames::{self, Frame, ReadError};
use crate::pins::{Action, Limits, Lock, Outcome, Pins, Range, Start, Stop};
use crate::position::Position;
use crate::wake::{StopHandle, Wake, Woken};

mod aside;
mod identity;

use aside::Aside;
use identity::Identity;

// How often is it checked that files and locks are still the same.
const CHECK_EVERY: Duration = Duration::from_secs(1);
// How long the writer's lock is tried for, and how far apart: between two
// commits of a busy writer there are some 20 µs.
const WRITER_TRIES: u32 = 100;
const WRITER_PAUSE: Duration = Duration::from_micros(30);

/// How a database is followed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FollowOptions {
    /// When what happens.
    pub limits: Limits,
}

/// Follows a live database in WAL mode.
///
/// While it is attached, applications read, write and checkpoint as usual, but
/// neither leave WAL mode nor take the database exclusively. Dropped, also in
/// a panic, it gives its locks back and leaves the WAL as it is.
pub struct Follower {
    wal: PinnedWal,
    pins: Pins,
    /// The first action that needs a sink.
    pending: Action,
    clock: Box<dyn Clock>,
    wake: Wake,
    identity: Identity,
    checked_at: Duration,
    /// When the last look began.
    looked_at: OffsetDateTime,
    commits: Commits,
    buffer: Vec<u8>,
    aside: Aside,
    why: &'static str,
}

/// What of commits goes on from one capture to the next.
struct Commits {
    number: u64,
    pages: u32,
    seen_at: OffsetDateTime,
}

impl Follower {
    /// Attaches to the database at `path`, and begins to hold its WAL: what is
    /// committed from now on will be handed over by [`run`](Self::run), which
    /// should follow soon, because until then nothing is copied from the WAL
    /// into the file.
    pub fn attach(path: &Path, start: Start, options: &FollowOptions) -> Result<Self, FollowError> {
        Self::attach_with(path, start, options, Box::new(SystemClock::default()))
    }

    /// Attaches, with another clock.
    pub fn attach_with(
        path: &Path,
        start: Start,
        options: &FollowOptions,
        clock: Box<dyn Clock>,
    ) -> Result<Self, FollowError> {
        must_be_safe(library_version())?;
        let wal = PinnedWal::open(path, options.limits.patience)?;
        let io = |source: std::io::Error| {
            FollowError::Sqlite(lifeboat_sqlite::SqliteError {
                code: 10,
                message: source.to_string(),
                os_code: source.raw_os_error().unwrap_or(0),
            })
        };
        let wake = Wake::new(&wal.sidecar("-wal")).map_err(io)?;
        let identity = Identity::of(&wal.sidecar("-wal"));
        let seen_at = clock.now();
        let mut follower = Self {
            wal,
            pins: Pins::new(start, options.limits.clone()),
            pending: Action::Look,
            checked_at: clock.monotonic(),
            looked_at: seen_at,
            clock,
            wake,
            identity,
            commits: Commits { number: 0, pages: 0, seen_at },
            buffer: Vec::new(),
            aside: Aside::default(),
            why: "the WAL is another one, or what was known of it proves nothing",
        };
        follower.find_the_place()?;
        Ok(follower)
    }

    /// The path of the database.
    pub fn path(&self) -> &Path {
        self.wal.path()
    }

    /// The place up to which commits were handed over, or before anything was,
    /// the place where following begins. Without a checksum it proves nothing
    /// later.
    pub fn position(&self) -> Option<Position> {
        self.pins.position()
    }

    /// What ends [`run`](Self::run).
    pub fn stop_handle(&self) -> StopHandle {
        self.wake.stop_handle()
    }

    /// Follows until it is told to stop, or something is wrong. In the second
    /// case it is detached, and the WAL left as it is.
    pub fn run(mut self, sink: &mut dyn CommitSink) -> Result<Followed, FollowError> {
        self.follow(sink)?;
        Ok(Followed { position: self.pins.position(), wal: self.wal })
    }

    /// Goes as far as it can without a sink.
    fn find_the_place(&mut self) -> Result<(), FollowError> {
        let mut outcome = Outcome::Done;
        let mut before = self.clock.monotonic();
        loop {
            let now = self.clock.monotonic();
            let action = self.pins.next(outcome, now.saturating_sub(before));
            before = now;
            if let Some(ended) = self.ended(&action) {
                return ended;
            }
            if self.pins.position().is_some() && !self.pins.is_over() {
                self.pending = action;
                return Ok(());
            }
            outcome = self.perform(action, &mut NoSink)?;
        }
    }

    fn follow(&mut self, sink: &mut dyn CommitSink) -> Result<(), FollowError> {
        let mut before = self.clock.monotonic();
        let mut outcome = self.perform(self.pending, sink)?;
        loop {
            if self.wake.is_stopped() {
                self.pins.finish();
            }
            let now = self.clock.monotonic();
            self.check(now)?;
            let action = self.pins.next(outcome, now.saturating_sub(before));
            before = now;
            if let Some(ended) = self.ended(&action) {
                return ended;
            }
            outcome = self.perform(action, sink)?;
            if !self.pins.holds_writers() {
                self.aside.hand_over(sink)?;
            }
        }
    }

    /// How it ended, if the action says so.
    fn ended(&self, action: &Action) -> Option<Result<(), FollowError>> {
        let Action::Stop(stop) = action else {
            return None;
        };
        Some(match stop {
            Stop::Finished => Ok(()),
            Stop::NotContinuous => Err(FollowError::NotContinuous { why: self.why }),
            Stop::Restarted => Err(FollowError::LocksLost),
            Stop::Busy => Err(FollowError::Busy),
            Stop::Unsteady => Err(FollowError::WalIndex(WalIndexError::Unsteady)),
        })
    }

    fn perform(
        &mut self,
        action: Action,
        sink: &mut dyn CommitSink,
    ) -> Result<Outcome, FollowError> {
        let done = |done: bool| if done { Outcome::Done } else { Outcome::Busy };
        Ok(match action {
            Action::Look => self.look(sink)?,
            Action::Lock(Lock::Reader) => done(self.wal.lock_reader()?),
            Action::Lock(Lock::Guard) => done(self.wal.lock_guard()?),
            Action::Lock(Lock::Writer) => done(self.lock_writer()?),
            Action::Unlock(lock) => {
                match lock {
                    Lock::Reader => self.wal.unlock_reader()?,
                    Lock::Guard => self.wal.unlock_guard()?,
                    Lock::Writer => self.wal.unlock_writer()?,
                }
                Outcome::Done
            }
            Action::Capture(range) => self.capture(&range, sink)?,
            Action::Checkpoint => match self.wal.checkpoint() {
                Ok(Some(complete)) => Outcome::Checkpointed { complete },
                Ok(None) => Outcome::Busy,
                // A full disk, or one that fails: the application's affair,
                // whose own checkpoints fail as well. The WAL has it all.
                Err(error) => {
                    tracing::warn!(%error, "a checkpoint failed; the WAL goes on growing");
                    Outcome::Busy
                }
            },
            Action::Mend => done(self.wal.mend().map_err(FollowError::Begin)?),
            Action::Wait { time, wakes } => {
                let time = if wakes { sink.hears_within().unwrap_or(time).min(time) } else { time };
                match self.wake.wait(time, wakes) {
                    Woken::ByWrite => Outcome::Woken,
                    Woken::ByTime => Outcome::Done,
                }
            }
            Action::Stop(_) => Outcome::Done,
        })
    }

    fn look(&mut self, sink: &mut dyn CommitSink) -> Result<Outcome, FollowError> {
        sink.looking();
        self.looked_at = self.clock.now();
        let position = match self.wal.look() {
            Ok(position) => position,
            Err(WalIndexError::Unsteady) => return Ok(Outcome::Unsteady),
            Err(e) => return Err(FollowError::WalIndex(e)),
        };
        // What was seen was committed before now, whatever the clock did.
        self.commits.seen_at = self.commits.seen_at.max(self.clock.now());
        let header = &position.header;
        let nothing_new = self
            .pins
            .position()
            .is_some_and(|at| at.salts == header.salts && at.frame == header.max_frame);
        if nothing_new && !self.pins.holds_writers() {
            sink.observed(self.looked_at).map_err(FollowError::Sink)?;
        }
        Ok(Outcome::Seen(position))
    }

    /// Writers come and go within microseconds: a short while of trying is
    /// often enough.
    fn lock_writer(&mut self) -> Result<bool, FollowError> {
        for _ in 0..WRITER_TRIES {
            if self.wal.lock_writer()? {
                return Ok(true);
            }
            std::thread::sleep(WRITER_PAUSE);
        }
        Ok(false)
    }

    fn capture(
        &mut self,
        range: &Range,
        sink: &mut dyn CommitSink,
    ) -> Result<Outcome, FollowError> {
        let Some(page_size) = PageSize::new(range.page_size) else {
            self.why = "the page size is none of SQLite's";
            return Ok(Outcome::NotContinuous);
        };
        // Whoever takes the frames may be slow; writers must not wait for that.
        let holds_writers = self.pins.holds_writers();
        let taker: &mut dyn CommitSink = if holds_writers { &mut self.aside } else { sink };
        let commits = &mut self.commits;
        // The pages of a commit that a recovery made undone are not counted.
        commits.pages = 0;
        let taken = frames::read(&self.wal.wal_file()?, range, &mut self.buffer, |frame| {
            commits.take(frame, page_size, taker)
        });
        match taken {
            Ok(()) => {
                if !holds_writers {
                    sink.observed(self.looked_at).map_err(FollowError::Sink)?;
                }
                Ok(Outcome::Done)
            }
            Err(ReadError::NotContinuous(why)) => {
                self.why = why;
                Ok(Outcome::NotContinuous)
            }
            Err(ReadError::Sqlite(e)) => Err(e.into()),
            Err(ReadError::Taker(e)) => Err(FollowError::Sink(e)),
        }
    }

    /// Are files and locks still the ones they were?
    fn check(&mut self, now: Duration) -> Result<(), FollowError> {
        if now.saturating_sub(self.checked_at) < CHECK_EVERY || self.pins.holds_writers() {
            return Ok(());
        }
        self.checked_at = now;
        if self.wal.has_moved()? || Identity::of(&self.wal.sidecar("-wal")) != self.identity {
            return Err(FollowError::Replaced);
        }
        if self.wal.lock_state() == LockState::Lost {
            return Err(FollowError::LocksLost);
        }
        Ok(())
    }
}

/// A database that was followed until somebody said stop. Dropped, it leaves the
/// WAL as it is.
pub struct Followed {
    wal: PinnedWal,
    position: Option<Position>,
}

impl Followed {
    /// Where it ended: everything before was handed over.
    pub fn position(&self) -> Option<Position> {
        self.position
    }

    /// Detaches as an application does that closes the database: if nobody
    /// else has it open, the WAL is copied into the file, and the sidecars go.
    pub fn detach(self) {
        self.wal.close_tidily();
    }
}

impl Commits {
    fn take(
        &mut self,
        frame: &Frame<'_>,
        page_size: PageSize,
        sink: &mut dyn CommitSink,
    ) -> Result<(), crate::commit::SinkError> {
        sink.page(PageNo(frame.page), frame.data)?;
        self.pages += 1;
        if frame.page_count > 0 {
            self.number += 1;
            sink.commit(&Commit {
                number: self.number,
                page_size,
                page_count: frame.page_count,
                pages: std::mem::take(&mut self.pages),
                seen_at: self.seen_at,
                position: frame.position,
            })?;
        }
        Ok(())
    }
}

/// For the time in which nothing is captured yet.
struct NoSink;

impl CommitSink for NoSink {
    fn page(&mut self, _: PageNo, _: &[u8]) -> Result<(), crate::commit::SinkError> {
        Err("nothing is taken before a sink is there".into())
    }

    fn commit(&mut self, _: &Commit) -> Result<(), crate::commit::SinkError> {
        Err("nothing is taken before a sink is there".into())
    }
}

/// Checkpoints of an older library may lose pages of the user's database.
fn must_be_safe(version: u32) -> Result<(), CannotFollow> {
    if version < MIN_SAFE_VERSION { Err(CannotFollow::OldLibrary { version }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_libraries_are_refused() {
        for (version, safe) in [(3_040_001, false), (3_051_002, false), (3_051_003, true)] {
            assert_eq!(must_be_safe(version).is_ok(), safe, "{version}");
        }
        let error = FollowError::from(CannotFollow::OldLibrary { version: 3_051_002 });
        assert!(error.to_string().contains("3.51.2"), "{error}");
        assert!(error.leaves_a_gap());
    }
}
