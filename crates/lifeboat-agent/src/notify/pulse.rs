//! What a dead man's switch is told: whoever waits for it raises the alarm when
//! nothing comes.

use std::collections::BTreeSet;

use time::{Duration, OffsetDateTime};

use crate::event::{Event, What};
use crate::health::Level;
use crate::planner::Job;

/// What kind of ping.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum PingKind {
    /// A backup begins, and none ran.
    Start,
    /// A backup succeeded, and no database is in trouble.
    Success,
    /// A backup failed, or a database is critical.
    Failure,
}

/// A ping, with what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ping {
    /// What kind.
    pub kind: PingKind,
    /// For people who look at it.
    pub text: String,
}

impl Ping {
    /// A ping that says this.
    pub fn new(kind: PingKind, text: impl Into<String>) -> Self {
        Self { kind, text: text.into() }
    }
}

/// Pings of one kind are this far apart: services count them.
const APART: Duration = Duration::seconds(15);

/// Hears what happens, and says what to ping.
#[derive(Debug)]
pub struct Pulse {
    on: BTreeSet<PingKind>,
    running: BTreeSet<String>,
    failing: BTreeSet<String>,
    critical: BTreeSet<String>,
    waiting: Vec<Ping>,
    last: Vec<(PingKind, OffsetDateTime)>,
}

impl Pulse {
    /// Pings of these kinds.
    pub fn new(on: BTreeSet<PingKind>) -> Self {
        Self {
            on,
            running: BTreeSet::new(),
            failing: BTreeSet::new(),
            critical: BTreeSet::new(),
            waiting: Vec::new(),
            last: Vec::new(),
        }
    }

    /// Pings of these kinds from now on.
    pub fn set_kinds(&mut self, on: BTreeSet<PingKind>) {
        self.on = on;
    }

    /// Forgets databases that are no longer there.
    pub fn retain(&mut self, is_there: impl Fn(&str) -> bool) {
        for names in [&mut self.running, &mut self.failing, &mut self.critical] {
            names.retain(|name| is_there(name));
        }
    }

    /// Takes note of what happened.
    pub fn hear(&mut self, event: &Event) {
        let Some(name) = event.database.as_ref() else { return };
        match &event.what {
            What::Began { job: Job::Backup, .. } => {
                if self.running.is_empty() {
                    self.queue(PingKind::Start, format!("{name}: the backup begins"));
                }
                self.running.insert(name.clone());
            }
            What::BackedUp(backed) => {
                self.running.remove(name);
                self.failing.remove(name);
                // It is as recent as can be; what else is critical is said again.
                self.critical.remove(name);
                let text = format!(
                    "{name}: record {} {} snapshot {}",
                    backed.record, backed.digest, backed.snapshot
                );
                // One URL stands for all: who hears of a success must be able to
                // believe it of every database.
                if self.failing.is_empty() && self.critical.is_empty() {
                    self.queue(PingKind::Success, text);
                }
            }
            What::Failed { job: Job::Backup, error, .. } => {
                self.running.remove(name);
                self.failing.insert(name.clone());
                self.queue(PingKind::Failure, format!("{name}: {error}"));
            }
            What::Health { now: Level::Critical, reasons, .. } => {
                self.critical.insert(name.clone());
                let why: Vec<String> = reasons.iter().map(ToString::to_string).collect();
                self.queue(PingKind::Failure, format!("{name}: {}", why.join("; ")));
            }
            What::Health { .. } => {
                self.critical.remove(name);
            }
            _ => {}
        }
    }

    fn queue(&mut self, kind: PingKind, text: String) {
        if !self.on.contains(&kind) {
            return;
        }
        if kind == PingKind::Failure {
            // It is not all well any more.
            self.waiting.retain(|ping| ping.kind != PingKind::Success);
        }
        self.waiting.retain(|ping| ping.kind != kind);
        self.waiting.push(Ping { kind, text });
    }

    /// What to ping now.
    pub fn poll(&mut self, now: OffsetDateTime) -> Vec<Ping> {
        let mut due = Vec::new();
        let waiting = std::mem::take(&mut self.waiting);
        for ping in waiting {
            if self.due(ping.kind, now) <= now {
                self.last.retain(|(kind, _)| *kind != ping.kind);
                self.last.push((ping.kind, now));
                due.push(ping);
            } else if ping.kind != PingKind::Start {
                self.waiting.push(ping);
            }
        }
        due
    }

    fn due(&self, kind: PingKind, now: OffsetDateTime) -> OffsetDateTime {
        let last = self.last.iter().find(|(other, _)| *other == kind);
        // A clock that was set back holds nothing.
        last.map_or(now, |(_, at)| (*at).min(now) + APART)
    }

    /// When to come again, if nothing happens before.
    pub fn wake_at(&self, now: OffsetDateTime) -> Option<OffsetDateTime> {
        self.waiting.iter().map(|ping| self.due(ping.kind, now)).min()
    }
}
