//! Holding writers up, for the moment that it takes to copy the rest of a WAL
//! whose writers never rest.

use super::step::{Patience, Step};
use super::{Action, INSIST, Lock, Look, Outcome, Pins, Seen};

impl Pins {
    pub(super) fn holding(&mut self, outcome: Outcome) -> Action {
        if outcome != Outcome::Done {
            return self.poll();
        }
        self.held.writer = true;
        self.look(Look::Usual)
    }

    /// Nobody writes: copy all, and take the guard.
    pub(super) fn settle_held(&mut self, seen: Seen) -> Action {
        if self.held_for >= self.limits.hold_time {
            return self.give_up_hold();
        }
        if seen.is_copied() {
            return self.go(Step::HeldGuard, Action::Lock(Lock::Guard));
        }
        self.go(Step::HeldCheckpoint, Action::Checkpoint)
    }

    pub(super) fn held_checkpoint(&mut self, outcome: Outcome) -> Action {
        match outcome {
            Outcome::Checkpointed { complete: true } => self.look(Look::Usual),
            // A reader is in the way, who may stay for long.
            Outcome::Checkpointed { complete: false } => self.give_up_hold(),
            _ if self.held_for >= self.limits.hold_time => self.give_up_hold(),
            _ => self.wait(INSIST, false),
        }
    }

    pub(super) fn held_guard(&mut self, outcome: Outcome) -> Action {
        if outcome != Outcome::Done {
            if self.held_for >= self.limits.hold_time {
                return self.give_up_hold();
            }
            return self.wait(INSIST, false);
        }
        // All was taken and copied, and nobody could write since.
        (self.held.guard, self.clean) = (true, true);
        self.hold = Patience::default();
        self.queue.push_back(Action::Unlock(Lock::Writer));
        self.go(Step::Passing, Action::Unlock(Lock::Reader))
    }

    pub(super) fn give_up_hold(&mut self) -> Action {
        self.hold.failed();
        self.caught_up = false;
        self.release_writers()
    }

    pub(super) fn release_writers(&mut self) -> Action {
        self.go(Step::Passing, Action::Unlock(Lock::Writer))
    }
}
