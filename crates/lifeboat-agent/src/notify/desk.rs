//! What is told, and when: a state machine without a clock.
//!
//! Trouble is told when it begins, once a day while it lasts, and when it is over.

use std::collections::{BTreeMap, BTreeSet};

use time::{Duration, OffsetDateTime};

use super::message::{Item, Kind, Message, clip, for_people, random_id};
use super::topic::Topic;
use crate::event::{Backed, Event, What};
use crate::health::{Level, Reason};
use crate::planner::Job;

/// What is to be told.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Rules {
    /// These kinds and no others.
    pub on: BTreeSet<Kind>,
    /// Who tells it: the name of a machine.
    pub source: String,
    /// Trouble that lasts is told again after this time.
    pub remind: Duration,
    /// So long is waited for more before the first message leaves.
    pub gather: Duration,
    /// Messages of one kind are at least this far apart; what comes in between is
    /// put together.
    pub apart: Duration,
    /// A message has no more items.
    pub most: usize,
}

impl Rules {
    /// Failures, warnings and recoveries; reminders once a day, messages of one kind
    /// ten minutes apart.
    pub fn new(source: impl Into<String>) -> Self {
        Self {
            on: [Kind::Failure, Kind::Recovery, Kind::Warning].into(),
            source: source.into(),
            remind: Duration::DAY,
            gather: Duration::seconds(5),
            apart: Duration::minutes(10),
            most: 50,
        }
    }
}

/// Something that is wrong until it is over.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Trouble {
    pub(super) kind: Kind,
    pub(super) since: OffsetDateTime,
    /// When it was last told; not at all if nobody knows yet.
    pub(super) told: Option<OffsetDateTime>,
    /// The latest of it.
    pub(super) item: Item,
}

/// Whom it is about, and what.
pub(super) type Subject = (Option<String>, Topic);

/// What waits to be told, of one kind.
#[derive(Debug, Default)]
struct Lane {
    waiting: Vec<Waiting>,
    since: Option<OffsetDateTime>,
    last: Option<OffsetDateTime>,
}

#[derive(Debug)]
struct Waiting {
    subject: Subject,
    item: Item,
    /// Of a recovery: what is over.
    over: Option<Trouble>,
}

/// Hears what happens, and says what is to be told.
#[derive(Debug)]
pub struct Desk {
    rules: Rules,
    pub(super) open: BTreeMap<Subject, Trouble>,
    lanes: BTreeMap<Kind, Lane>,
}

impl Desk {
    /// Nothing is wrong yet.
    pub fn new(rules: Rules) -> Self {
        Self { rules, open: BTreeMap::new(), lanes: BTreeMap::new() }
    }

    /// Goes by other rules from now on.
    pub fn set_rules(&mut self, rules: Rules) {
        self.rules = rules;
    }

    /// Takes note of what happened.
    pub fn hear(&mut self, event: &Event) {
        let (at, name) = (event.at, event.database.as_deref());
        let subject = |topic| (event.database.clone(), topic);
        match &event.what {
            What::Began { .. } => {}
            What::BackedUp(backed) => self.backed_up(at, name, backed),
            What::Done { job, summary, .. } => {
                self.close(&subject(Topic::Job(*job)), at, &format!("{} works again", named(*job)));
                if !summary.is_empty() {
                    let mut item = Item::new(at, name, &job.to_string());
                    item.words = format!("{}: {summary}", named(*job));
                    self.queue(Kind::Success, subject(Topic::Job(*job)), item, None);
                }
            }
            What::Failed { job, error, hint, data_is_safe, failures, .. } => {
                let mut item = Item::new(at, name, &job.to_string());
                item.words = format!("{} failed", named(*job));
                item.why.push(clip(error));
                item.hint.clone_from(hint);
                item.data_is_safe = Some(*data_is_safe);
                item.failures = Some(*failures);
                self.open(kind_of(*job), subject(Topic::Job(*job)), item);
            }
            What::Health { now, reasons, .. } => self.health(at, name, *now, reasons),
            What::Disabled { reason, hint } => {
                let mut item = Item::new(at, name, "disabled");
                item.words = "backups are disabled here".to_owned();
                item.why.push(clip(reason));
                item.hint = Some(hint.clone());
                self.open(Kind::Warning, subject(Topic::Disabled), item);
            }
        }
    }

    fn backed_up(&mut self, at: OffsetDateTime, name: Option<&str>, backed: &Backed) {
        let subject = |topic| (name.map(str::to_owned), topic);
        let mut item = Item::new(at, name, "backup");
        item.snapshot = Some(backed.snapshot.clone());
        item.record = Some((backed.record, backed.digest.clone()));
        item.destination = Some(backed.destination.clone());
        self.close(&subject(Topic::Job(Job::Backup)), at, "the backup works again");
        // What kept all of them from being made is over with the first that is.
        self.close(&(None, Topic::Job(Job::Backup)), at, "backups work again");
        if let Some(why) = &backed.fallback_reason {
            let mut item = item.clone();
            item.topic = "fallback".to_owned();
            item.words = format!("backups go to {}, a fallback", backed.destination);
            item.why.push(clip(why));
            self.open(Kind::Warning, subject(Topic::Fallback), item);
        } else {
            let words = format!("backups go to {} again", backed.destination);
            self.close(&subject(Topic::Fallback), at, &words);
        }
        item.words = if backed.unchanged {
            "nothing had changed since the last backup".to_owned()
        } else {
            format!("backed up, {} bytes sent", backed.bytes_sent)
        };
        self.queue(Kind::Success, subject(Topic::Job(Job::Backup)), item, None);
    }

    fn health(&mut self, at: OffsetDateTime, name: Option<&str>, now: Level, reasons: &[Reason]) {
        let subject = (name.map(str::to_owned), Topic::Health);
        // What has a message of its own is not told twice.
        let is_told = |reason: &&Reason| {
            matches!(reason, Reason::Failing { .. } | Reason::Fallback(_) | Reason::Disabled(_))
        };
        let why: Vec<String> =
            reasons.iter().filter(|one| !is_told(one)).map(|one| clip(&one.to_string())).collect();
        if now == Level::Healthy || (now == Level::Warning && why.is_empty()) {
            let is_well = now == Level::Healthy;
            let words = if is_well { "healthy again" } else { "the last backup is recent again" };
            self.close(&subject, at, words);
            return;
        }
        let mut item = Item::new(at, name, "health");
        item.words = format!(
            "the backups are {}",
            if now == Level::Critical { "in a critical state" } else { "not as they should be" }
        );
        item.why = why;
        if reasons.iter().any(|reason| matches!(reason, Reason::Old { .. } | Reason::Never)) {
            item.hint = Some(
                "what changed since the last backup would be lost with the disk; `lifeboat \
                 doctor` says what keeps backups from being made"
                    .to_owned(),
            );
        }
        let kind = if now == Level::Critical { Kind::Failure } else { Kind::Warning };
        self.open(kind, subject, item);
    }

    /// Something is wrong, or still is.
    pub(super) fn open(&mut self, kind: Kind, subject: Subject, mut item: Item) {
        if let Some(trouble) = self.open.get_mut(&subject) {
            item.since = Some(trouble.since);
            trouble.item = item.clone();
            let worse = kind == Kind::Failure && trouble.kind == Kind::Warning;
            if !worse {
                self.update(&subject, &item);
                return;
            }
            trouble.kind = kind;
            trouble.told = None;
            self.drop_waiting(Kind::Warning, &subject);
        } else if let Some(over) = self.drop_waiting(Kind::Recovery, &subject).and_then(|w| w.over)
        {
            // It came back before anybody heard that it was over.
            item.since = Some(over.since);
            self.open.insert(subject, Trouble { kind, item, ..over });
            return;
        } else {
            item.since = Some(item.at);
            let trouble = Trouble { kind, since: item.at, told: None, item: item.clone() };
            self.open.insert(subject.clone(), trouble);
        }
        self.queue(kind, subject, item, None);
    }

    /// Something is no longer wrong.
    pub(super) fn close(&mut self, subject: &Subject, at: OffsetDateTime, words: &str) {
        let Some(trouble) = self.open.remove(subject) else { return };
        self.drop_waiting(trouble.kind, subject);
        // Who never heard of it needs not hear that it is over.
        let on = &self.rules.on;
        let recoveries_only = !on.contains(&Kind::Failure) && !on.contains(&Kind::Warning);
        if trouble.told.is_none() && !recoveries_only {
            return;
        }
        let mut item = Item::new(at, subject.0.as_deref(), subject.1.name());
        item.words = words.to_owned();
        item.since = Some(trouble.since);
        item.failures = trouble.item.failures;
        item.why.push(match trouble.item.failures {
            Some(count) if count > 1 => {
                format!("it failed {count} times since {}", for_people(trouble.since))
            }
            _ => format!("it was not so since {}", for_people(trouble.since)),
        });
        self.queue(Kind::Recovery, subject.clone(), item, Some(trouble));
    }

    fn queue(&mut self, kind: Kind, subject: Subject, item: Item, over: Option<Trouble>) {
        if !self.rules.on.contains(&kind) {
            return;
        }
        let lane = self.lanes.entry(kind).or_default();
        let since = lane.since.get_or_insert(item.at);
        *since = (*since).min(item.at);
        lane.waiting.retain(|waiting| waiting.subject != subject);
        lane.waiting.push(Waiting { subject, item, over });
    }

    /// What waits says the latest.
    fn update(&mut self, subject: &Subject, item: &Item) {
        for lane in self.lanes.values_mut() {
            for waiting in &mut lane.waiting {
                if waiting.subject == *subject && waiting.over.is_none() {
                    waiting.item = item.clone();
                }
            }
        }
    }

    fn drop_waiting(&mut self, kind: Kind, subject: &Subject) -> Option<Waiting> {
        let lane = self.lanes.get_mut(&kind)?;
        let at = lane.waiting.iter().position(|waiting| waiting.subject == *subject)?;
        let dropped = lane.waiting.remove(at);
        if lane.waiting.is_empty() {
            lane.since = None;
        }
        Some(dropped)
    }

    /// Forgets what is wrong with databases that are no longer there.
    pub fn retain(&mut self, is_there: impl Fn(&str) -> bool) {
        let keep = |subject: &Subject| subject.0.as_deref().is_none_or(&is_there);
        self.open.retain(|subject, _| keep(subject));
        for lane in self.lanes.values_mut() {
            lane.waiting.retain(|waiting| keep(&waiting.subject));
        }
    }

    /// What is to be told now.
    pub fn poll(&mut self, now: OffsetDateTime) -> Vec<Message> {
        self.remind(now);
        let (gather, apart) = (self.rules.gather, self.rules.apart);
        self.take(now, |lane| lane.due(gather, apart).is_some_and(|due| due <= now))
    }

    /// All that waits, because this is the end.
    pub fn finish(&mut self, now: OffsetDateTime) -> Vec<Message> {
        self.take(now, |_| true)
    }

    /// When to come again, if nothing happens before.
    pub fn wake_at(&self) -> Option<OffsetDateTime> {
        let lanes = self.lanes.values().filter_map(|l| l.due(self.rules.gather, self.rules.apart));
        let reminders = self.open.values().filter_map(|trouble| {
            self.rules.on.contains(&trouble.kind).then_some(trouble.told? + self.rules.remind)
        });
        lanes.chain(reminders).min()
    }

    fn remind(&mut self, now: OffsetDateTime) {
        let mut due = Vec::new();
        for (subject, trouble) in &mut self.open {
            let Some(told) = trouble.told else { continue };
            // A clock that was set back must not silence anything.
            let told = told.min(now);
            trouble.told = Some(told);
            if now - told >= self.rules.remind {
                trouble.told = Some(now);
                let mut item = trouble.item.clone();
                item.at = now;
                item.words = format!("still, since {}: {}", for_people(trouble.since), item.words);
                due.push((trouble.kind, subject.clone(), item));
            }
        }
        for (kind, subject, item) in due {
            self.queue(kind, subject, item, None);
        }
    }

    fn take(&mut self, now: OffsetDateTime, is_due: impl Fn(&Lane) -> bool) -> Vec<Message> {
        let mut messages = Vec::new();
        for kind in Kind::ALL {
            let Some(lane) = self.lanes.get_mut(&kind) else { continue };
            // Neither may a clock that was set back hold anything.
            lane.last = lane.last.map(|last| last.min(now));
            lane.since = lane.since.map(|since| since.min(now));
            if lane.waiting.is_empty() || !is_due(lane) {
                continue;
            }
            lane.last = Some(now);
            lane.since = None;
            let mut waiting = std::mem::take(&mut lane.waiting);
            for waiting in &waiting {
                if let Some(trouble) = self.open.get_mut(&waiting.subject)
                    && trouble.kind == kind
                {
                    trouble.told = Some(now);
                }
            }
            let more = waiting.len().saturating_sub(self.rules.most);
            waiting.truncate(self.rules.most);
            messages.push(Message {
                id: random_id(),
                at: now,
                kind,
                source: self.rules.source.clone(),
                items: waiting.into_iter().map(|waiting| waiting.item).collect(),
                more,
                is_test: false,
            });
        }
        messages
    }
}

impl Lane {
    fn due(&self, gather: Duration, apart: Duration) -> Option<OffsetDateTime> {
        let since = self.since.filter(|_| !self.waiting.is_empty())?;
        let gathered = since + gather;
        Some(self.last.map_or(gathered, |last| gathered.max(last + apart)))
    }
}

/// That these fail costs proof or the backup itself; the others only upkeep.
fn kind_of(job: Job) -> Kind {
    match job {
        Job::Backup | Job::Check | Job::Drill | Job::Follow => Kind::Failure,
        _ => Kind::Warning,
    }
}

fn named(job: Job) -> &'static str {
    match job {
        Job::Backup => "the backup",
        Job::Return => "the copy between destinations",
        Job::Prune => "the clean-up",
        Job::Check => "the verification",
        Job::Drill => "the restore drill",
        Job::Follow => "the continuous capture",
    }
}
