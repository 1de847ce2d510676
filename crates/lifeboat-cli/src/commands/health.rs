//! `lifeboat health`: healthy, warning or critical, and why.

mod nagios;

use lifeboat::agent::{Facts, Health, Level, judge};
use lifeboat::hint::About;
use lifeboat::{Error, ErrorKind, Expected, Look};
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::restore::name_of;
use crate::arguments::{Arguments, HealthArguments, Refusal};
use crate::exit::Exit;
use crate::report::Reporter;
use crate::text::{age, utc};

pub(crate) use nagios::{UNKNOWN, is_plugin, unknown};

/// One database, judged.
pub(super) struct Judged {
    pub(super) name: String,
    pub(super) look: Look,
    pub(super) health: Health,
}

/// Databases, the worst first.
pub(super) struct AllJudged {
    pub(super) all: Vec<Judged>,
    /// Why it is not known which databases there are besides those of the settings.
    pub(super) error: Option<Error>,
}

impl AllJudged {
    /// The worst of them. Where there is none, nothing can be restored.
    pub(super) fn level(&self) -> Level {
        self.all.first().map_or(Level::Critical, |worst| worst.health.level)
    }

    fn count(&self, level: Level) -> usize {
        self.all.iter().filter(|one| one.health.level == level).count()
    }

    /// What kind of trouble keeps anything from being known, if so.
    fn trouble(&self) -> Option<ErrorKind> {
        let error = self.error.as_ref().filter(|_| self.all.is_empty()).map(Error::kind);
        error.or_else(|| {
            let worst = self.all.iter().filter(|one| one.health.level == self.level());
            let mut kinds = worst.map(|one| one.look.trouble);
            let first = kinds.next()??;
            kinds.all(|kind| kind.is_some()).then_some(first)
        })
    }
}

pub(crate) async fn run(
    arguments: &Arguments,
    asked: &HealthArguments,
    reporter: &Reporter,
) -> Exit {
    let now = OffsetDateTime::now_utc();
    let name = asked.name.as_deref().map(|name| name_of(arguments, name));
    let judged = match judged(arguments, name, now).await {
        Ok(judged) => judged,
        Err(refusal) if asked.nagios => return unknown(&refusal.message),
        Err(refusal) => {
            reporter.refuse(&refusal);
            return refusal.exit;
        }
    };
    if asked.nagios {
        return nagios::tell(&judged);
    }
    for one in &judged.all {
        tell(one, now, reporter);
    }
    match &judged.error {
        Some(error) if judged.all.is_empty() => {
            // Whoever cannot tell cannot call it healthy.
            reporter.error("", error, About::Reading);
            return Exit::Critical;
        }
        None if judged.all.is_empty() => {
            reporter.say("there is no database to look at, and so no backup of one");
        }
        _ => {}
    }
    let level = judged.level();
    let exit = match level {
        Level::Healthy => Exit::Ok,
        Level::Warning => Exit::Warning,
        Level::Critical => Exit::Critical,
    };
    let summary = json!({
        "databases": judged.all.len(),
        "status": level.to_string(),
        "healthy": judged.count(Level::Healthy),
        "warning": judged.count(Level::Warning),
        "critical": judged.count(Level::Critical),
        "code": exit.code(),
    });
    reporter.told(summary, &[]);
    exit
}

/// Judges one database, or all that are configured or stored. Needs nothing but to
/// read.
pub(super) async fn judged(
    arguments: &Arguments,
    name: Option<String>,
    now: OffsetDateTime,
) -> Result<AllJudged, Refusal> {
    let setup = arguments.setup();
    let targets = setup.targets()?;
    let limits = setup.limits();
    let mut names: Vec<String> = match &name {
        Some(name) => vec![name.clone()],
        None => targets.iter().map(|target| target.name.clone()).collect(),
    };
    let target_of = |name: &str| targets.iter().find(|target| target.name == name);
    if let Some(disabled) = arguments.disabled() {
        let judge_one = |name: &String| {
            let facts = Facts { disabled: Some(disabled.reason.clone()), ..Facts::default() };
            let health = judge(&facts, &limits, now);
            let mut look = Look::default();
            look.facts = facts;
            Judged { name: name.clone(), health, look }
        };
        return Ok(AllJudged { all: names.iter().map(judge_one).collect(), error: None });
    }
    let destinations = super::destinations(arguments);
    let mut error = None;
    if name.is_none() {
        match super::patiently(arguments, destinations.databases()).await {
            Ok((stored, _)) => names.extend(stored),
            Err(why) => error = Some(why),
        }
        names.sort();
        names.dedup();
    }
    let expected: Vec<Expected> =
        names.iter().map(|name| setup.expected(name, target_of(name))).collect();
    let looks = super::patiently(arguments, destinations.look_at_all(&expected)).await;
    let judge_one = |(name, look): (String, Look)| {
        let health = judge(&look.facts, &limits, now);
        Judged { name, look, health }
    };
    let mut all: Vec<Judged> = names.into_iter().zip(looks).map(judge_one).collect();
    // The worst first.
    all.sort_by(|a, b| b.health.level.cmp(&a.health.level).then_with(|| a.name.cmp(&b.name)));
    Ok(AllJudged { all, error })
}

/// The reasons, for programs.
pub(super) fn reasons(health: &Health) -> Vec<Value> {
    let reason = |(level, reason): &_| json!({ "level": Level::to_string(level), "reason": lifeboat::agent::Reason::to_string(reason) });
    health.reasons.iter().map(reason).collect()
}

/// The reasons, for people: a line each.
pub(super) fn lines(health: &Health) -> String {
    health.reasons.iter().map(|(_, reason)| format!("\n  {reason}")).collect()
}

fn tell(one: &Judged, now: OffsetDateTime, reporter: &Reporter) {
    let Judged { name, look, health } = one;
    let facts = &look.facts;
    let last = match facts.last_good {
        Some(at) => age(at, now),
        // Nothing was asked.
        None if facts.disabled.is_some() => "not looked for".to_owned(),
        None if facts.unreadable.is_some() => "not known".to_owned(),
        None => "never".to_owned(),
    };
    let line = format!("{name}: {}, the last good state {last}{}", health.level, lines(health));
    let due = facts.last_good.zip(facts.interval).and_then(|(at, every)| at.checked_add(every));
    let object = json!({
        "database": name,
        "status": health.level.to_string(),
        "reasons": reasons(health),
        "last_good": facts.last_good.map(utc),
        "due_by": due.map(utc),
        "failures": facts.failures,
        "last_error": facts.last_error,
        "fallback": facts.fallback,
        "verified_at": facts.verified_at.map(utc),
        "drilled_at": facts.drilled_at.map(utc),
    });
    reporter.found("health", object, &line);
}
