//! Which locks to hold, and when to read and to checkpoint, so that no frame is
//! lost: a state machine without input or output.
//!
//! Two locks take turns. Under the *reader's* (A) nobody can restart the WAL,
//! and checkpoints of everybody go on. Under the *guard* (B) nobody can copy
//! frames into the database file; as only a WAL that was copied whole is ever
//! restarted, what is written after the guard was taken stays until it is given
//! back. The guard is where one rests: then the application's own checkpoints
//! that truncate the WAL succeed at once.
//!
//! From A to B one goes when all frames are taken and copied, and nothing was
//! written between that look and the guard; from B to A as soon as there are
//! frames that are not copied. Under load the first never happens by itself, so
//! beyond a number of frames one checkpoints, and beyond a greater one holds up
//! the writers for the moment that it takes.

mod action;
mod hold;
mod limits;
mod step;

use std::collections::VecDeque;
use std::time::Duration;

use crate::position::Position;

use step::{Held, Look, Patience, Seen, Step};

pub use action::{Action, Lock, Outcome, Range, Stop};
pub use limits::{Limits, Start};

// How often a wal-index may be found unsteady before it is mended, and how
// often that may be tried, a poll apart.
const UNSTEADY: u32 = 8;
const MENDS: u32 = 500;
// Between tries while writers are held up.
const INSIST: Duration = Duration::from_millis(1);

/// The state machine. Feed it the outcome of each action and the time that
/// passed, and do what it says.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pins {
    limits: Limits,
    start: Start,
    step: Step,
    held: Held,
    /// What cannot fail and is to be done before anything else.
    queue: VecDeque<Action>,
    position: Option<Position>,
    /// Whether a place that was stored turned out to be the one.
    proven: bool,
    /// Where the life of the WAL before this one ended.
    previous: Option<Position>,
    /// Whether, at the last look under the guard, all frames were copied: only
    /// then the WAL may be restarted.
    clean: bool,
    /// Since when there was no commit, up to `rest_after`.
    quiet: Duration,
    waited: Duration,
    held_for: Duration,
    checkpoint: Patience,
    hold: Patience,
    /// Whether the last checkpoint copied all that there was: else a reader is
    /// in the way, and holding writers up would not help.
    caught_up: bool,
    unsteady: u32,
    mends: u32,
    finishing: bool,
    /// Whether the look that is settled now began after it was asked to finish.
    last_look: bool,
}

impl Pins {
    /// A machine that holds nothing yet. The first outcome is
    /// [`Outcome::Done`].
    pub fn new(start: Start, limits: Limits) -> Self {
        Self {
            limits,
            start,
            step: Step::Begin,
            held: Held::default(),
            queue: VecDeque::new(),
            position: None,
            proven: start == Start::Fresh,
            previous: None,
            clean: false,
            quiet: Duration::ZERO,
            waited: Duration::ZERO,
            held_for: Duration::ZERO,
            checkpoint: Patience::default(),
            hold: Patience::default(),
            caught_up: false,
            unsteady: 0,
            mends: 0,
            finishing: false,
            last_look: false,
        }
    }

    /// The place up to which all was taken; none before the first look.
    pub fn position(&self) -> Option<Position> {
        self.position
    }

    /// Whether it rests: nothing holds back anybody's checkpoint.
    pub fn is_resting(&self) -> bool {
        self.held.guard && !self.held.reader && !self.held.writer && self.clean
    }

    /// Whether it is over, but for locks that are still to be given back.
    pub fn is_over(&self) -> bool {
        matches!(self.step, Step::Over(_))
    }

    /// Whether writers are being held up.
    pub fn holds_writers(&self) -> bool {
        self.held.writer
    }

    /// Asks it to stop, after one more look.
    pub fn finish(&mut self) {
        self.finishing = true;
    }

    /// What to do next, after the last action had this outcome and took
    /// `elapsed`.
    pub fn next(&mut self, outcome: Outcome, elapsed: Duration) -> Action {
        self.pass(elapsed);
        if let Some(action) = self.queue.pop_front() {
            return self.issue(action);
        }
        match self.step {
            Step::Begin => self.go(Step::FirstGuard, Action::Lock(Lock::Guard)),
            Step::FirstGuard => self.first_guard(outcome),
            Step::Looking(look) => self.looked(look, outcome),
            Step::Capturing(seen) => self.captured(seen, outcome),
            Step::Pinning { again } => self.pinned(again, outcome),
            Step::FreeingMarks => {
                self.go(Step::Pinning { again: true }, Action::Lock(Lock::Reader))
            }
            Step::Guarding(seen) => self.guarded(seen, outcome),
            Step::Checkpointing => self.checkpointed(outcome),
            Step::Holding => self.holding(outcome),
            Step::HeldCheckpoint => self.held_checkpoint(outcome),
            Step::HeldGuard => self.held_guard(outcome),
            Step::Mending => self.mended(outcome),
            Step::Passing => {
                if outcome == Outcome::Woken {
                    // Frames are written before they are committed.
                    self.quiet = Duration::ZERO;
                }
                self.look(Look::Usual)
            }
            Step::Over(stop) => Action::Stop(stop),
        }
    }

    fn pass(&mut self, elapsed: Duration) {
        self.quiet = (self.quiet + elapsed).min(self.limits.rest_after);
        self.checkpoint.left = self.checkpoint.left.saturating_sub(elapsed);
        self.hold.left = self.hold.left.saturating_sub(elapsed);
        if self.held.writer {
            self.held_for += elapsed;
        }
        if self.position.is_none() {
            self.waited += elapsed;
        }
    }

    fn go(&mut self, step: Step, action: Action) -> Action {
        self.step = step;
        self.issue(action)
    }

    fn issue(&mut self, action: Action) -> Action {
        match action {
            Action::Unlock(Lock::Reader) => self.held.reader = false,
            Action::Unlock(Lock::Guard) => (self.held.guard, self.clean) = (false, false),
            Action::Unlock(Lock::Writer) => {
                (self.held.writer, self.held_for) = (false, Duration::ZERO);
            }
            _ => {}
        }
        action
    }

    fn look(&mut self, look: Look) -> Action {
        self.last_look = self.finishing;
        self.go(Step::Looking(look), Action::Look)
    }

    fn wait(&mut self, time: Duration, wakes: bool) -> Action {
        self.go(Step::Passing, Action::Wait { time, wakes })
    }

    fn poll(&mut self) -> Action {
        self.wait(self.limits.poll, false)
    }

    /// Gives everything back, the writers first.
    fn stop(&mut self, stop: Stop) -> Action {
        self.queue.clear();
        for (held, lock) in [
            (self.held.writer, Lock::Writer),
            (self.held.guard, Lock::Guard),
            (self.held.reader, Lock::Reader),
        ] {
            if held {
                self.queue.push_back(Action::Unlock(lock));
            }
        }
        self.step = Step::Over(stop);
        match self.queue.pop_front() {
            Some(action) => self.issue(action),
            None => Action::Stop(stop),
        }
    }

    fn first_guard(&mut self, outcome: Outcome) -> Action {
        match outcome {
            Outcome::Done => {
                self.held.guard = true;
                self.look(Look::First)
            }
            _ if self.finishing => self.stop(Stop::Finished),
            _ if self.waited >= self.limits.patience => self.stop(Stop::Busy),
            _ => {
                let time = self.limits.poll;
                self.go(Step::Begin, Action::Wait { time, wakes: false })
            }
        }
    }

    fn looked(&mut self, look: Look, outcome: Outcome) -> Action {
        let Outcome::Seen(position) = outcome else {
            return self.not_steady(look);
        };
        (self.unsteady, self.mends) = (0, 0);
        let seen = Seen::of(&position);
        match look {
            Look::First => self.first_look(seen),
            Look::Usual => self.compare(seen),
            Look::Confirm(before) => self.confirm(before, seen),
        }
    }

    /// A header that is being written is steady at the next look, unless its
    /// writer was killed.
    fn not_steady(&mut self, look: Look) -> Action {
        self.unsteady += 1;
        if self.unsteady < UNSTEADY {
            return self.wait_for(look, INSIST);
        }
        if self.held.writer {
            // SQLite wants that lock to mend it.
            return self.release_writers();
        }
        if self.mends >= MENDS {
            return self.stop(Stop::Unsteady);
        }
        self.mends += 1;
        self.go(Step::Mending, Action::Mend)
    }

    /// Waits, and looks again as before; but never confirms what was too long
    /// ago.
    fn wait_for(&mut self, look: Look, time: Duration) -> Action {
        let action = Action::Wait { time, wakes: false };
        match look {
            Look::First => self.look(Look::First),
            Look::Usual => self.go(Step::Passing, action),
            Look::Confirm(_) => {
                self.queue.push_back(action);
                self.go(Step::Passing, Action::Unlock(Lock::Guard))
            }
        }
    }

    fn mended(&mut self, _outcome: Outcome) -> Action {
        if self.position.is_none() {
            self.queue.push_back(Action::Look);
            let time = self.limits.poll;
            return self.go(Step::Looking(Look::First), Action::Wait { time, wakes: false });
        }
        if self.mends > 1 { self.poll() } else { self.look(Look::Usual) }
    }

    /// Under the guard: frames that are not copied stay.
    fn first_look(&mut self, seen: Seen) -> Action {
        let position = match self.start {
            Start::Fresh => {
                let frame = seen.backfilled.min(seen.end.frame);
                if frame == seen.end.frame {
                    seen.end
                } else {
                    Position { salts: seen.end.salts, frame, checksum: None }
                }
            }
            Start::Resume(from) => {
                // Whether the frame is still the one is proven with those that
                // follow it, or, where none do, by the header.
                let possible = from.frame > 0
                    && from.checksum.is_some()
                    && from.salts == seen.end.salts
                    && from.frame <= seen.end.frame;
                if !possible {
                    return self.stop(Stop::NotContinuous);
                }
                from
            }
        };
        self.position = Some(position);
        self.compare(seen)
    }

    /// Compares what was seen with what was taken.
    fn compare(&mut self, seen: Seen) -> Action {
        let Some(mut position) = self.position else {
            return self.stop(Stop::NotContinuous);
        };
        if position.salts != seen.end.salts {
            let allowed = self.is_resting();
            if !allowed {
                return self.stop(Stop::Restarted);
            }
            // Where a writer is killed between the header of the wal-index and
            // that of the WAL, a recovery brings the life before it back.
            let begun = Position { salts: seen.end.salts, frame: 0, checksum: None };
            let back = self.previous.filter(|previous| previous.salts == begun.salts);
            self.previous = Some(position);
            position = back.unwrap_or(begun);
            self.position = Some(position);
        }
        if seen.end.frame < position.frame {
            return self.stop(Stop::NotContinuous);
        }
        if seen.end.frame > position.frame {
            return self.capture(position, seen);
        }
        if position.checksum.is_some() && position.checksum != seen.end.checksum {
            return self.stop(Stop::NotContinuous);
        }
        self.settle(seen)
    }

    fn capture(&mut self, after: Position, seen: Seen) -> Action {
        self.quiet = Duration::ZERO;
        let Some(checksum) = seen.end.checksum else {
            return self.stop(Stop::NotContinuous);
        };
        if self.held.writer && seen.end.frame - after.frame > self.limits.hold_frames {
            // It took too long to get here; the next try begins nearer.
            return self.release_writers();
        }
        // Frames that were not taken may only be where they stay.
        self.clean = false;
        let range = Range {
            after,
            to: seen.end.frame,
            checksum,
            page_size: seen.page_size,
            big_endian: seen.big_endian,
            must_prove: !self.proven,
        };
        self.go(Step::Capturing(seen), Action::Capture(range))
    }

    fn captured(&mut self, seen: Seen, outcome: Outcome) -> Action {
        if outcome != Outcome::Done {
            return self.stop(Stop::NotContinuous);
        }
        self.position = Some(seen.end);
        self.settle(seen)
    }

    /// Everything that was seen is taken.
    fn settle(&mut self, seen: Seen) -> Action {
        self.proven = true;
        if self.last_look {
            return self.stop(Stop::Finished);
        }
        if self.finishing {
            return self.look(Look::Usual);
        }
        match (self.held.reader, self.held.guard, self.held.writer) {
            (true, false, true) => self.settle_held(seen),
            (true, false, false) => self.settle_pinned(seen),
            (false, true, _) => self.settle_guarded(seen),
            // Both, or neither: only on the way from one to the other, where
            // nothing is settled.
            _ => self.stop(Stop::NotContinuous),
        }
    }

    fn settle_guarded(&mut self, seen: Seen) -> Action {
        self.clean = seen.is_copied();
        if !self.clean {
            return self.go(Step::Pinning { again: false }, Action::Lock(Lock::Reader));
        }
        self.rest()
    }

    fn rest(&mut self) -> Action {
        if self.quiet >= self.limits.rest_after {
            self.wait(self.limits.rest, true)
        } else {
            self.poll()
        }
    }

    fn pinned(&mut self, again: bool, outcome: Outcome) -> Action {
        match outcome {
            Outcome::Done => {
                self.held.reader = true;
                self.go(Step::Passing, Action::Unlock(Lock::Guard))
            }
            // Marks of readers that are gone are cleared by a checkpoint, which
            // can do nothing else here.
            _ if !again => self.go(Step::FreeingMarks, Action::Checkpoint),
            _ => self.poll(),
        }
    }

    fn settle_pinned(&mut self, seen: Seen) -> Action {
        if seen.is_copied() {
            return self.go(Step::Guarding(seen), Action::Lock(Lock::Guard));
        }
        let frames = seen.end.frame;
        if frames >= self.limits.hold_at && self.caught_up && self.hold.is_over() {
            return self.go(Step::Holding, Action::Lock(Lock::Writer));
        }
        let due = frames >= self.limits.checkpoint_at || self.quiet >= self.limits.rest_after;
        if due && self.checkpoint.is_over() {
            return self.go(Step::Checkpointing, Action::Checkpoint);
        }
        if self.quiet >= self.limits.rest_after {
            // A reader is in the way.
            let time = self.checkpoint.left.clamp(self.limits.poll, self.limits.rest);
            return self.wait(time, true);
        }
        self.poll()
    }

    fn checkpointed(&mut self, outcome: Outcome) -> Action {
        self.caught_up = outcome == Outcome::Checkpointed { complete: true };
        if self.caught_up {
            self.checkpoint = Patience { left: self.limits.poll * 5, next: Duration::ZERO };
        } else {
            self.checkpoint.failed();
        }
        self.look(Look::Usual)
    }

    fn guarded(&mut self, seen: Seen, outcome: Outcome) -> Action {
        if outcome != Outcome::Done {
            return self.poll();
        }
        self.held.guard = true;
        self.look(Look::Confirm(seen))
    }

    /// With both locks: nothing may have been written since all was copied.
    fn confirm(&mut self, before: Seen, seen: Seen) -> Action {
        if before == seen {
            self.clean = true;
            self.go(Step::Passing, Action::Unlock(Lock::Reader))
        } else {
            self.go(Step::Passing, Action::Unlock(Lock::Guard))
        }
    }
}
