//! Notices backups that do not come: by the clock and by what was heard, without
//! asking any store, so that it works when the store is what is gone.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

use crate::event::{Event, What};
use crate::health::{Facts, Level, Limits, Reason, judge};
use crate::planner::Job;

/// Watches over databases, and says when their health changes.
#[derive(Debug)]
pub struct Watch {
    limits: Limits,
    watched: BTreeMap<String, Watched>,
    /// What is known from before.
    recalled: BTreeMap<String, OffsetDateTime>,
}

/// A backup that is overdue when the agent begins gets so much time to be made before
/// anybody is told: a machine that was off begins with it.
const FIRST_CHANCE: Duration = Duration::minutes(15);

#[derive(Debug)]
struct Watched {
    facts: Facts,
    level: Option<Level>,
    reasons: Vec<Reason>,
    /// No backup was ever heard of: that it is well is not known.
    is_assumed: bool,
    /// Nothing is told before, unless something is heard.
    quiet_until: Option<OffsetDateTime>,
    /// The size in the snapshot before the last that differed.
    size: Option<u64>,
}

impl Watch {
    /// Over no database yet.
    pub fn new(limits: Limits) -> Self {
        Self { limits, watched: BTreeMap::new(), recalled: BTreeMap::new() }
    }

    /// Goes by other limits from now on.
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// Watches over a database, of which nothing may be heard for `interval`. Where
    /// nothing is known of a last backup, the time counts from now: before the first
    /// one was tried there is nothing to complain about.
    pub fn insert(&mut self, name: &str, interval: Duration, now: OffsetDateTime) {
        let recalled = self.recalled.get(name).copied();
        let watched = self.watched.entry(name.to_owned()).or_insert_with(|| Watched {
            facts: Facts { last_good: recalled.or(Some(now)), ..Facts::default() },
            level: None,
            reasons: Vec::new(),
            is_assumed: recalled.is_none(),
            quiet_until: Some(now.saturating_add(interval.min(FIRST_CHANCE))),
            size: None,
        });
        watched.facts.interval = Some(interval);
    }

    /// Forgets databases that are no longer there.
    pub fn retain(&mut self, is_there: impl Fn(&str) -> bool) {
        self.watched.retain(|name, _| is_there(name));
        self.recalled.retain(|name, _| is_there(name));
    }

    /// Takes note of what happened.
    pub fn hear(&mut self, event: &Event) {
        let Some(watched) = event.database.as_ref().and_then(|name| self.watched.get_mut(name))
        else {
            return;
        };
        if let What::BackedUp(_) | What::Failed { job: Job::Backup, .. } = event.what {
            watched.quiet_until = None;
        }
        let facts = &mut watched.facts;
        match &event.what {
            What::BackedUp(backed) => {
                watched.is_assumed = false;
                facts.last_good = Some(event.at);
                facts.failures = 0;
                facts.last_error = None;
                facts.disabled = None;
                facts.fallback =
                    backed.fallback_reason.as_ref().map(|_| backed.destination.clone());
                if !backed.unchanged {
                    facts.sizes = watched.size.map(|before| (backed.size, before));
                    watched.size = Some(backed.size);
                }
            }
            What::Failed { job: Job::Backup, error, failures, .. } => {
                facts.failures = *failures;
                facts.last_error = Some(error.clone());
            }
            What::Disabled { reason, .. } => facts.disabled = Some(reason.clone()),
            _ => {}
        }
    }

    /// Whose health is another than before. That one is healthy is told when a backup
    /// of it was heard of: before that it is not known, and whoever was told of trouble
    /// before a restart must not hear that it is over.
    pub fn poll(&mut self, now: OffsetDateTime) -> Vec<Event> {
        let mut events = Vec::new();
        for (name, watched) in &mut self.watched {
            let health = judge(&watched.facts, &self.limits, now);
            // A clock that was set back a year is not waited for.
            let is_quiet = |until: OffsetDateTime| now < until && until - now <= FIRST_CHANCE;
            if watched.quiet_until.is_some_and(is_quiet) {
                continue;
            }
            watched.quiet_until = None;
            if watched.is_assumed && health.level == Level::Healthy {
                continue;
            }
            let reasons: Vec<Reason> = health.reasons.into_iter().map(|(_, why)| why).collect();
            let is_new =
                watched.level != Some(health.level) || kinds(&watched.reasons) != kinds(&reasons);
            if is_new {
                let what = What::Health {
                    before: watched.level,
                    now: health.level,
                    reasons: reasons.clone(),
                };
                events.push(Event::of(name, now, what));
            }
            watched.level = Some(health.level);
            watched.reasons = reasons;
        }
        events
    }

    /// When each was last backed up, as far as is known, to be kept somewhere.
    pub fn memory(&self) -> Value {
        let mut times = self.recalled.clone();
        for (name, watched) in self.watched.iter().filter(|(_, watched)| !watched.is_assumed) {
            times.extend(watched.facts.last_good.map(|at| (name.clone(), at)));
        }
        let text = |(name, at): (String, OffsetDateTime)| {
            Some((name, Value::from(at.format(&Rfc3339).ok()?)))
        };
        Value::Object(times.into_iter().filter_map(text).collect::<Map<_, _>>())
    }

    /// Goes on from what was kept, for databases that come later; what is not
    /// understood is left out.
    pub fn recall(&mut self, memory: &Value) {
        let time = |text: &Value| OffsetDateTime::parse(text.as_str()?, &Rfc3339).ok();
        let known = memory.as_object().into_iter().flatten();
        self.recalled =
            known.filter_map(|(name, text)| Some((name.clone(), time(text)?))).collect();
    }

    /// The worst of all.
    pub fn worst(&self) -> Option<Level> {
        self.watched.values().filter_map(|watched| watched.level).max()
    }
}

/// Reasons without their figures, which change all the time.
fn kinds(reasons: &[Reason]) -> Vec<std::mem::Discriminant<Reason>> {
    reasons.iter().map(std::mem::discriminant).collect()
}
