//! What is to be done when, by the settings.

use std::time::Duration;

use lifeboat::agent::{Job, Planned, Schedule, TimeZone};
use lifeboat::config;

use crate::arguments::Refusal;
use crate::exit::Exit;
use crate::setup::Setup;
use crate::targets::{self, Target};

/// Where nothing else is configured.
const EVERY: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// The databases that the settings name.
pub(super) fn targets(setup: &Setup) -> Result<Vec<Target>, Refusal> {
    if setup.configuration.settings().databases.is_empty() {
        return Err(Refusal {
            exit: Exit::Usage,
            message: "no database is configured".into(),
            hint: "name it in lifeboat.toml: [[database]] with path = \"app.db\"".into(),
        });
    }
    targets::configured(setup)
}

/// The jobs of these databases.
pub(super) fn jobs(setup: &Setup, targets: &[Target]) -> Result<Vec<Planned>, Refusal> {
    let upkeep = Schedule::every(DAY).map_err(refusal)?.with_jitter(DAY / 24).with_start(false);
    let mut planned = Vec::new();
    for target in targets {
        let backup = schedule(setup, target)?;
        planned.push(Planned::new(&target.name, Job::Backup, backup));
        for job in [Job::Prune, Job::Check] {
            planned.push(Planned::new(&target.name, job, upkeep.clone()));
        }
    }
    Ok(planned)
}

/// When a database is backed up: by its own schedule, else by the common one,
/// else every hour.
pub(crate) fn schedule(setup: &Setup, target: &Target) -> Result<Schedule, Refusal> {
    let settings = setup.configuration.settings();
    let own = target.index.and_then(|at| settings.databases[at].schedule.as_ref());
    let configured = own.unwrap_or(&settings.schedule);
    let mut schedule = match (&configured.cron, configured.every) {
        (Some(line), _) => Schedule::cron(line.as_str(), zone(configured)?).map_err(refusal)?,
        (None, every) => Schedule::every(every.unwrap_or(EVERY)).map_err(refusal)?,
    };
    if let Some(jitter) = configured.jitter {
        schedule = schedule.with_jitter(jitter);
    }
    Ok(schedule.with_start(configured.on_start.unwrap_or(true)))
}

fn zone(configured: &config::Schedule) -> Result<TimeZone, Refusal> {
    let Some(name) = &configured.timezone else { return Ok(TimeZone::system()) };
    TimeZone::get(name).map_err(|error| Refusal {
        exit: Exit::Usage,
        message: format!("failed to find the time zone {name:?}: {error}"),
        hint: "zones are named as in Europe/Berlin, America/New_York or UTC".into(),
    })
}

fn refusal(error: lifeboat::agent::ScheduleError) -> Refusal {
    Refusal {
        exit: Exit::Usage,
        message: format!("[schedule]: failed to {error}"),
        hint: "docs/configuration.md has examples".into(),
    }
}
