//! What was counted.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use time::OffsetDateTime;
use time::macros::format_description;

use crate::event::{Backed, Event, What};
use crate::health::{Following, Level};
use crate::planner::Job;

/// Everything that was counted.
#[derive(Debug)]
pub(super) struct State {
    pub(super) most: usize,
    pub(super) since: OffsetDateTime,
    pub(super) databases: BTreeMap<String, Database>,
    pub(super) runs: BTreeMap<(Job, Outcome), u64>,
    pub(super) running: BTreeSet<(String, Job)>,
    pub(super) channels: BTreeMap<&'static str, Counts>,
    pub(super) missed: u64,
    pub(super) is_disabled: bool,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Outcome {
    Success,
    Unchanged,
    Failure,
}

impl Outcome {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Unchanged => "unchanged",
            Self::Failure => "failure",
        }
    }
}

/// Messages over one channel.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) sent: u64,
    pub(super) failed: u64,
}

/// One database. What is not known is not printed.
#[derive(Debug, Default)]
pub(super) struct Database {
    pub(super) last_success: Option<OffsetDateTime>,
    pub(super) last_failure: Option<OffsetDateTime>,
    pub(super) last: Option<Backed>,
    pub(super) last_snapshot: Option<OffsetDateTime>,
    pub(super) duration: Option<Duration>,
    pub(super) failures: u32,
    pub(super) health: Option<Level>,
    pub(super) next_run: Option<OffsetDateTime>,
    pub(super) bytes_sent: u64,
    pub(super) bytes_read: u64,
    pub(super) pages_changed: u64,
    pub(super) requests: u64,
    pub(super) following: Option<Following>,
}

impl State {
    pub(super) fn new(most: usize, since: OffsetDateTime) -> Self {
        Self {
            most,
            since,
            databases: BTreeMap::new(),
            runs: BTreeMap::new(),
            running: BTreeSet::new(),
            channels: BTreeMap::new(),
            missed: 0,
            is_disabled: false,
        }
    }

    pub(super) fn retain(&mut self, is_there: impl Fn(&str) -> bool) {
        self.databases.retain(|name, _| is_there(name));
        self.running.retain(|(name, _)| is_there(name));
    }

    pub(super) fn hear(&mut self, event: &Event) {
        if let What::Disabled { .. } = event.what {
            self.is_disabled = true;
        }
        let Some(name) = &event.database else { return };
        let database = self.databases.entry(name.clone()).or_default();
        let ended = match &event.what {
            What::Began { job, .. } => {
                self.running.insert((name.clone(), *job));
                return;
            }
            What::BackedUp(backed) => {
                self.is_disabled = false;
                database.backed_up(event.at, backed);
                let changed = if backed.unchanged { Outcome::Unchanged } else { Outcome::Success };
                (Job::Backup, changed)
            }
            What::Done { job, .. } => (*job, Outcome::Success),
            What::Failed { job, took, failures, .. } => {
                if *job == Job::Backup {
                    database.last_failure = Some(event.at);
                    database.failures = *failures;
                    database.duration = Some(*took);
                }
                (*job, Outcome::Failure)
            }
            What::Health { now, .. } => {
                database.health = Some(*now);
                return;
            }
            What::Disabled { .. } => return,
        };
        *self.runs.entry(ended).or_default() += 1;
        self.running.remove(&(name.clone(), ended.0));
    }
}

impl Database {
    fn backed_up(&mut self, at: OffsetDateTime, backed: &Backed) {
        self.last_success = Some(at);
        self.failures = 0;
        self.duration = Some(backed.took);
        self.last_snapshot = snapshot_time(&backed.snapshot).or(self.last_snapshot);
        self.bytes_sent += backed.bytes_sent;
        self.bytes_read += backed.bytes_read;
        self.pages_changed += backed.pages_changed;
        self.requests += backed.requests;
        self.last = Some(backed.clone());
    }
}

/// The time in the id of a snapshot: `20261120T101530Z-3f9a2c1b`.
fn snapshot_time(id: &str) -> Option<OffsetDateTime> {
    let form = format_description!("[year][month][day]T[hour][minute][second]Z");
    let (time, _) = id.split_once('-')?;
    Some(time::PrimitiveDateTime::parse(time, &form).ok()?.assume_utc())
}

/// The first twelve digits of a digest in hex, as a number: all that a figure holds.
#[cfg(feature = "metrics")]
pub(super) fn digest_number(digest: &str) -> Option<u64> {
    u64::from_str_radix(digest.get(..12)?, 16).ok()
}
