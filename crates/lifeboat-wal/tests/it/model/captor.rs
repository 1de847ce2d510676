//! The pins at work in the model: what they say is done at once.

use std::time::Duration;

use lifeboat_wal::Start;
use lifeboat_wal::pins::{Action, Lock, Outcome, Range, Stop};

use super::{CAPTOR, CKPT, Captor, NOT_USED, READ, WRITE, World};

impl World {
    pub(super) fn captor_step(&mut self) -> Result<(), String> {
        let action = self.captor.action;
        let mut elapsed = Duration::ZERO;
        let outcome = match action {
            Action::Look if self.sql.torn => Outcome::Unsteady,
            Action::Look => Outcome::Seen(self.sql.seen()),
            Action::Lock(lock) => self.captor_lock(lock),
            Action::Unlock(lock) => {
                match lock {
                    Lock::Writer => self.sql.unlock(WRITE, CAPTOR),
                    Lock::Guard => self.sql.unlock(READ, CAPTOR),
                    Lock::Reader => {
                        if let Some(slot) = self.captor.slot.take() {
                            self.sql.unlock(slot, CAPTOR);
                        }
                    }
                }
                Outcome::Done
            }
            Action::Capture(range) => self.captor_capture(range),
            Action::Checkpoint => {
                if self.sql.torn || !self.sql.can_exclude(CKPT..CKPT + 1) {
                    Outcome::Busy
                } else {
                    let frames = self.sql.header.frames;
                    if self.sql.backfilled < frames {
                        let safe = self.sql.safe_frames();
                        if self.sql.can_exclude(READ..READ + 1) {
                            self.sql.backfilled = self.sql.backfilled.max(safe);
                        }
                    }
                    Outcome::Checkpointed { complete: self.sql.backfilled >= frames }
                }
            }
            Action::Mend if !self.sql.torn || self.sql.recover() => Outcome::Done,
            Action::Mend => Outcome::Busy,
            Action::Wait { time, .. } => {
                elapsed = time.max(self.coarse);
                Outcome::Done
            }
            Action::Stop(stop) => return self.captor_stopped(stop),
        };
        self.captor.action = self.captor.pins.next(outcome, elapsed);
        if let (None, Some(position)) = (self.captor.base, self.captor.pins.position()) {
            let waiting = self.waiting(position);
            self.captor.base = Some(self.sql.committed.len() - waiting.len());
        }
        Ok(())
    }

    fn captor_lock(&mut self, lock: Lock) -> Outcome {
        if self.captor.lies_about == Some(lock) {
            return Outcome::Done;
        }
        let locked = match lock {
            Lock::Writer => self.sql.lock_exclusive(WRITE, CAPTOR),
            Lock::Guard => self.sql.lock_shared(READ, CAPTOR),
            Lock::Reader => {
                let slot = (2..5).rev().find(|&i| {
                    self.sql.marks[i] == NOT_USED && self.sql.exclusive[READ + i].is_none()
                });
                self.captor.slot = slot.map(|i| READ + i);
                slot.is_some_and(|i| self.sql.lock_shared(READ + i, CAPTOR))
            }
        };
        if locked { Outcome::Done } else { Outcome::Busy }
    }

    fn captor_capture(&mut self, range: Range) -> Outcome {
        let life = range.after.salts;
        let frames = self.sql.wal.get(range.after.frame as usize..range.to as usize);
        let Some(frames) = frames else {
            return Outcome::NotContinuous;
        };
        let right = frames.iter().all(|frame| u64::from(frame.life).to_le_bytes() == life)
            && frames.last().is_some_and(|last| last.serial == range.checksum.0)
            && frames.windows(2).all(|pair| pair[1].before == pair[0].serial)
            && range.after.checksum.is_none_or(|(serial, _)| frames[0].before == serial);
        if !right {
            return Outcome::NotContinuous;
        }
        self.captor.captured.extend(frames.iter().filter_map(|frame| frame.commit));
        Outcome::Done
    }

    fn captor_stopped(&mut self, stop: Stop) -> Result<(), String> {
        if stop == Stop::Busy && self.captor.pins.position().is_none() {
            let old = self.captor.clone();
            self.captor = Captor::new(old.start, &self.limits, old.lies_about);
            (self.captor.captured, self.captor.base) = (old.captured, old.base);
            return Ok(());
        }
        if !self.captor.resumed || stop != Stop::NotContinuous {
            return Err(format!("stopped: {stop:?}"));
        }
        self.sql.unlock_all(CAPTOR);
        self.captor = Captor::new(Start::Fresh, &self.limits, self.captor.lies_about);
        Ok(())
    }
}
