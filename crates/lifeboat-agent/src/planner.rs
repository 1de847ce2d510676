//! What is to be started now, of many databases and several kinds of work.

use std::collections::BTreeMap;
use std::fmt;

use time::{Duration, OffsetDateTime};

use crate::schedule::{Schedule, signed};

/// A kind of work for a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Job {
    /// A snapshot, or the proof that nothing changed.
    Backup,
    /// Copies home what only a fallback holds, and to mirrors what they lack.
    Return,
    /// Forgets by the policy, and collects.
    Prune,
    /// Reads a share of the data again.
    Check,
    /// Restores to scratch and checks what comes back.
    Drill,
    /// Takes commits as they come. It is never planned: it goes on all the time.
    Follow,
}

impl Job {
    /// Whether it goes before the upkeep, and beside it.
    fn is_backup(self) -> bool {
        self == Self::Backup
    }
}

impl fmt::Display for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Backup => "backup",
            Self::Return => "return",
            Self::Prune => "prune",
            Self::Check => "check",
            Self::Drill => "drill",
            Self::Follow => "follow",
        })
    }
}

/// Why something is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cause {
    /// The agent has just begun, or has just heard of the database.
    Start,
    /// It is time.
    Due,
    /// It was time long ago: the machine slept, the agent was away, or too much
    /// was to be done. However many times were missed, it is done once.
    CatchUp,
    /// It failed, and is tried again before its time.
    Retry,
    /// Somebody asked for it.
    Asked,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Start => "at the start",
            Self::Due => "scheduled",
            Self::CatchUp => "overdue",
            Self::Retry => "tried again",
            Self::Asked => "asked for",
        })
    }
}

/// Something to be started now.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Start {
    /// The name of the database.
    pub database: String,
    /// What to do.
    pub job: Job,
    /// Why now.
    pub cause: Cause,
    /// When it was due.
    pub due: OffsetDateTime,
}

/// Which work runs, and which is due when.
#[derive(Debug)]
pub struct Planner {
    tasks: BTreeMap<(String, Job), Task>,
    /// By when they are due, so that a poll looks at those alone.
    queue: BTreeMap<(OffsetDateTime, Job, String), ()>,
    limit: usize,
    backups: usize,
    upkeep: usize,
    chance: Chance,
    /// The latest that was said to be now.
    now: Option<OffsetDateTime>,
}

#[derive(Debug)]
struct Task {
    schedule: Schedule,
    due: OffsetDateTime,
    cause: Cause,
    /// When it was last done, or tried.
    last: Option<OffsetDateTime>,
    failures: u32,
    running: bool,
    /// Somebody asked for another while it ran.
    again: bool,
    /// It is to be forgotten when it has ended.
    removed: bool,
}

impl Task {
    fn new(schedule: Schedule, due: OffsetDateTime, cause: Cause) -> Self {
        Self {
            schedule,
            due,
            cause,
            last: None,
            failures: 0,
            running: false,
            again: false,
            removed: false,
        }
    }
}

/// Later than this is no longer on time.
const ON_TIME: Duration = Duration::minutes(1);
const FIRST_RETRY: Duration = Duration::minutes(1);
const LAST_RETRY: Duration = Duration::hours(1);

impl Planner {
    /// A planner of nothing yet, that has at most so many backups run at once
    /// (at least one). The seed is what jitter is drawn from.
    pub fn new(limit: usize, seed: u64) -> Self {
        Self {
            tasks: BTreeMap::new(),
            queue: BTreeMap::new(),
            limit: limit.max(1),
            backups: 0,
            upkeep: 0,
            chance: Chance(seed),
            now: None,
        }
    }

    /// Plans a job of a database, or plans it anew by another schedule. `last`
    /// is when it was last done, as far as is known.
    pub fn insert(
        &mut self,
        database: &str,
        job: Job,
        schedule: Schedule,
        last: Option<OffsetDateTime>,
        now: OffsetDateTime,
    ) {
        let key = (database.to_owned(), job);
        let present = self.tasks.remove(&key);
        let known = present.is_some();
        if let Some(task) = &present {
            self.queue.remove(&place(&key, task));
        }
        let jitter = self.draw(&schedule);
        let last = last.or(present.as_ref().and_then(|task| task.last));
        // A time in the future says that a clock was wrong.
        let last = last.filter(|last| *last <= now);
        let (mut due, mut cause) = match last.map(|last| schedule.next_after(last)) {
            _ if schedule.is_due_on_start() && !known => (now + jitter, Cause::Start),
            Some(due) if due <= now => (due, Cause::CatchUp),
            Some(due) => (due + jitter, Cause::Due),
            None => (schedule.next_after(now) + jitter, Cause::Due),
        };
        let task = match present {
            Some(old) => {
                // What waits already goes on waiting for no longer: else whoever
                // plans anew often enough would never have it done.
                if old.due < due {
                    (due, cause) = (old.due, old.cause);
                }
                Task { schedule, due, cause, removed: false, ..old }
            }
            None => Task::new(schedule, due, cause),
        };
        if !task.running {
            self.queue.insert(place(&key, &task), ());
        }
        self.tasks.insert(key, task);
    }

    /// Plans a job no more. If it runs, it goes on to its end.
    pub fn remove(&mut self, database: &str, job: Job) {
        let key = (database.to_owned(), job);
        let Some(task) = self.tasks.get_mut(&key) else { return };
        self.queue.remove(&place(&key, task));
        if task.running {
            task.removed = true;
        } else {
            self.tasks.remove(&key);
        }
    }

    /// Has a job done at once, or once more when it has ended. False if nothing
    /// of that name is planned.
    pub fn ask(&mut self, database: &str, job: Job, now: OffsetDateTime) -> bool {
        let key = (database.to_owned(), job);
        let Some(task) = self.tasks.get_mut(&key).filter(|task| !task.removed) else {
            return false;
        };
        if task.running {
            task.again = true;
        } else {
            self.queue.remove(&place(&key, task));
            (task.due, task.cause) = (now, Cause::Asked);
            self.queue.insert(place(&key, task), ());
        }
        true
    }

    /// What is to be started now. Each counts as running until
    /// [`finished`](Self::finished) is called for it.
    pub fn poll(&mut self, now: OffsetDateTime) -> Vec<Start> {
        if self.now.is_some_and(|before| now < before) {
            self.clock_went_back(now);
        }
        self.now = Some(now);
        let due: Vec<_> = self
            .queue
            .keys()
            .take_while(|(due, ..)| *due <= now)
            .map(|(_, job, database)| (database.clone(), *job))
            .collect();
        let mut started = Vec::new();
        for key in due {
            let (running, limit) = match key.1.is_backup() {
                true => (&mut self.backups, self.limit),
                // Upkeep is in no hurry, and must not slow backups down.
                false => (&mut self.upkeep, 1),
            };
            if *running == limit {
                continue;
            }
            let Some(task) = self.tasks.get_mut(&key) else { continue };
            *running += 1;
            self.queue.remove(&place(&key, task));
            task.running = true;
            let late = task.cause == Cause::Due && now - task.due > ON_TIME;
            let cause = if late { Cause::CatchUp } else { task.cause };
            started.push(Start { database: key.0, job: key.1, cause, due: task.due });
        }
        started
    }

    /// Says that what [`poll`](Self::poll) had started has ended.
    pub fn finished(&mut self, database: &str, job: Job, succeeded: bool, now: OffsetDateTime) {
        let key = (database.to_owned(), job);
        let Some(task) = self.tasks.get_mut(&key).filter(|task| task.running) else { return };
        let running = if job.is_backup() { &mut self.backups } else { &mut self.upkeep };
        *running -= 1;
        task.running = false;
        if task.removed {
            self.tasks.remove(&key);
            return;
        }
        task.failures = if succeeded { 0 } else { task.failures.saturating_add(1) };
        // From when it was due, so that the times do not drift; whatever was
        // missed meanwhile is done once, and not once for each.
        let began = task.due.min(now);
        task.last = Some(began);
        let mut regular = task.schedule.next_after(began);
        if regular <= now {
            regular = task.schedule.next_after(now);
        }
        let regular = regular + self.chance.below(signed(task.schedule.jitter()));
        (task.due, task.cause) = (regular, Cause::Due);
        if std::mem::take(&mut task.again) {
            (task.due, task.cause) = (now, Cause::Asked);
        } else if !succeeded {
            let wait = back_off(task.failures);
            // Half as long again at most, so that what failed together is not
            // tried again together.
            let retry = now + wait + self.chance.below(wait / 2);
            if retry < regular {
                (task.due, task.cause) = (retry, Cause::Retry);
            }
        }
        self.queue.insert(place(&key, task), ());
    }

    /// When to come again, unless something ends or is asked for before. What
    /// waits for its turn alone does not count.
    pub fn wake_at(&self) -> Option<OffsetDateTime> {
        let may_start = |job: Job| match job.is_backup() {
            true => self.backups < self.limit,
            false => self.upkeep == 0,
        };
        self.queue.keys().find(|(_, job, _)| may_start(*job)).map(|(due, ..)| *due)
    }

    /// When a job is due next; none while it runs.
    pub fn next_run(&self, database: &str, job: Job) -> Option<OffsetDateTime> {
        let task = self.tasks.get(&(database.to_owned(), job))?;
        (!task.running).then_some(task.due)
    }

    /// How often a job failed since it last succeeded.
    pub fn failures(&self, database: &str, job: Job) -> u32 {
        self.tasks.get(&(database.to_owned(), job)).map_or(0, |task| task.failures)
    }

    /// How many jobs run.
    pub fn running(&self) -> usize {
        self.backups + self.upkeep
    }

    fn draw(&mut self, schedule: &Schedule) -> Duration {
        self.chance.below(signed(schedule.jitter()))
    }

    /// Times that were planned with a clock that went ahead would never come.
    fn clock_went_back(&mut self, now: OffsetDateTime) {
        for (key, task) in &mut self.tasks {
            let latest = task.schedule.next_after(now) + signed(task.schedule.jitter());
            if task.running || task.due <= latest {
                continue;
            }
            self.queue.remove(&place(key, task));
            task.due = latest;
            self.queue.insert(place(key, task), ());
        }
    }
}

/// Where a task stands in the queue: backups before upkeep of the same time.
fn place(key: &(String, Job), task: &Task) -> (OffsetDateTime, Job, String) {
    (task.due, key.1, key.0.clone())
}

/// How long is waited after so many failures in a row.
fn back_off(failures: u32) -> Duration {
    let doubled = 1_i32.checked_shl(failures.saturating_sub(1)).filter(|factor| *factor > 0);
    doubled.map_or(LAST_RETRY, |factor| (FIRST_RETRY * factor).min(LAST_RETRY))
}

/// Numbers that look random: SplitMix64 (Steele, Lea, Flood, "Fast splittable
/// pseudorandom number generators", 2014). Nothing secret is drawn from it.
#[derive(Debug)]
struct Chance(u64);

impl Chance {
    fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A duration from nothing to a limit, in whole milliseconds.
    fn below(&mut self, limit: Duration) -> Duration {
        let limit = u64::try_from(limit.whole_milliseconds()).unwrap_or(0);
        let drawn = if limit == 0 { 0 } else { self.draw() % (limit + 1) };
        Duration::milliseconds(i64::try_from(drawn).unwrap_or(i64::MAX))
    }
}
