//! `lifeboat health`: healthy, warning or critical, and why.

use lifeboat::Missing;
use lifeboat::agent::{Facts, Health, Level, Limits, Schedule, judge};
use serde_json::json;
use time::{Duration, OffsetDateTime};

use crate::arguments::{Arguments, HealthArguments, Refusal};
use crate::exit::Exit;
use crate::report::Reporter;
use crate::text::{age, several, utc};
use lifeboat::hint::About;
use lifeboat::setup::Setup;
use lifeboat::setup::Target;

/// One database, judged.
struct Judged {
    name: String,
    facts: Facts,
    health: Health,
}

pub(crate) async fn run(
    arguments: &Arguments,
    asked: &HealthArguments,
    reporter: &Reporter,
) -> Exit {
    let now = OffsetDateTime::now_utc();
    let mut all = match judged(arguments, asked, reporter, now).await {
        Ok(all) => all,
        Err(exit) => return exit,
    };
    // The worst first.
    all.sort_by(|a, b| b.health.level.cmp(&a.health.level).then_with(|| a.name.cmp(&b.name)));
    let level = all.first().map_or(Level::Critical, |worst| worst.health.level);
    let exit = match level {
        Level::Healthy => Exit::Ok,
        Level::Warning => Exit::Warning,
        Level::Critical => Exit::Critical,
    };
    if asked.nagios {
        return nagios(&all, level, reporter);
    }
    for one in &all {
        tell(one, now, reporter);
    }
    if all.is_empty() {
        reporter.say("there is no database to look at, and so no backup of one");
    }
    let count = |level| all.iter().filter(|one| one.health.level == level).count();
    let summary = json!({
        "databases": all.len(),
        "status": level.to_string(),
        "healthy": count(Level::Healthy),
        "warning": count(Level::Warning),
        "critical": count(Level::Critical),
        "code": exit.code(),
    });
    reporter.told(summary, &[]);
    exit
}

async fn judged(
    arguments: &Arguments,
    asked: &HealthArguments,
    reporter: &Reporter,
    now: OffsetDateTime,
) -> Result<Vec<Judged>, Exit> {
    let setup = arguments.setup();
    let targets = setup.targets().map_err(|error| {
        let refusal = Refusal::from(error);
        reporter.refuse(&refusal);
        refusal.exit
    })?;
    let limits = limits(setup);
    if let Some(disabled) = arguments.disabled() {
        let facts = Facts { disabled: Some(disabled.reason), ..Facts::default() };
        let judge_one = |target: &Target| Judged {
            name: target.name.clone(),
            health: judge(&facts, &limits, now),
            facts: facts.clone(),
        };
        return Ok(targets.iter().map(judge_one).collect());
    }
    let looked = async {
        let destination = super::open(arguments, Missing::Refuse).await?;
        let mut names = super::names(arguments, &destination, asked.name.as_deref()).await?;
        if asked.name.is_none() {
            // Configured, and never backed up.
            let known = names.clone();
            let missing =
                targets.iter().map(|target| &target.name).filter(|name| !known.contains(name));
            names.extend(missing.cloned());
        }
        let mut all = Vec::new();
        for name in names {
            let mut facts = destination.facts(&name).await?;
            let target = targets.iter().find(|target| target.name == name);
            if let Some(Ok(schedule)) = target.map(|target| setup.schedule(target)) {
                facts.interval = Duration::try_from(seen_every(&schedule)).ok();
            }
            all.push(Judged { health: judge(&facts, &limits, now), name, facts });
        }
        Ok(all)
    };
    match looked.await {
        Ok(all) => Ok(all),
        Err(error) => {
            reporter.error("", &error, About::Reading);
            // Whoever cannot tell cannot call it healthy.
            Err(Exit::Critical)
        }
    }
}

/// How often something is heard of a database: an unchanged one says so at most
/// once an hour.
fn seen_every(schedule: &Schedule) -> std::time::Duration {
    let longest = schedule.longest_gap() + schedule.jitter();
    let hour = std::time::Duration::from_secs(3600);
    if longest < hour { hour + longest } else { longest }
}

fn limits(setup: &Setup) -> Limits {
    let configured = &setup.configuration().settings().health;
    let long =
        |duration: Option<std::time::Duration>| duration.and_then(|it| Duration::try_from(it).ok());
    Limits {
        warn_age: long(configured.warn_age),
        max_age: long(configured.max_age),
        max_verify_age: long(configured.max_verify_age),
        max_drill_age: long(configured.max_drill_age),
        min_free_space: configured.min_free_space,
        ..Limits::default()
    }
}

fn tell(one: &Judged, now: OffsetDateTime, reporter: &Reporter) {
    let Judged { name, facts, health } = one;
    let last = facts.last_good.map_or("never".to_owned(), |at| age(at, now));
    let mut line = format!("{name}: {}, the last good state {last}", health.level);
    for (_, reason) in &health.reasons {
        line.push_str(&format!("\n  {reason}"));
    }
    let reasons: Vec<_> = health
        .reasons
        .iter()
        .map(|(level, reason)| json!({ "level": level.to_string(), "reason": reason.to_string() }))
        .collect();
    let object = json!({
        "database": name,
        "status": health.level.to_string(),
        "reasons": reasons,
        "last_good": facts.last_good.map(utc),
        "verified_at": facts.verified_at.map(utc),
        "drilled_at": facts.drilled_at.map(utc),
    });
    reporter.found("health", object, &line);
}

/// One line and the exit codes 0, 1 and 2, as plugins of Nagios have them.
fn nagios(all: &[Judged], level: Level, reporter: &Reporter) -> Exit {
    let (word, exit) = match level {
        Level::Healthy => ("OK", Exit::Ok),
        Level::Warning => ("WARNING", Exit::Failed),
        Level::Critical => ("CRITICAL", Exit::Usage),
    };
    let worst = all.iter().find_map(|one| {
        let (_, reason) = one.health.reasons.first()?;
        Some(format!("{}: {reason}", one.name))
    });
    let count = several(all.len() as u64, "database");
    reporter.say(&format!("LIFEBOAT {word} - {}", worst.unwrap_or(format!("{count} healthy"))));
    exit
}
