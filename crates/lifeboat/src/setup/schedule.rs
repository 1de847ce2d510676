//! When the settings have something done.

use std::time::Duration;

use lifeboat_agent::{Schedule, ScheduleError, TimeZone};
use lifeboat_config as config;

use super::{Setup, SetupError, Target};

/// Where nothing else is configured.
const EVERY: Duration = Duration::from_secs(3600);

impl Setup {
    /// When a database is backed up: by its own schedule, else by the common one,
    /// else every hour.
    pub fn schedule(&self, target: &Target) -> Result<Schedule, SetupError> {
        let settings = self.configuration.settings();
        let own = target.index.and_then(|at| settings.databases[at].schedule.as_ref());
        let configured = own.unwrap_or(&settings.schedule);
        let mut schedule = match (&configured.cron, configured.every) {
            (Some(line), _) => Schedule::cron(line.as_str(), zone(configured)?).map_err(refused)?,
            (None, every) => Schedule::every(every.unwrap_or(EVERY)).map_err(refused)?,
        };
        if let Some(jitter) = configured.jitter {
            schedule = schedule.with_jitter(jitter);
        }
        Ok(schedule.with_start(configured.on_start.unwrap_or(true)))
    }
}

fn zone(configured: &config::Schedule) -> Result<TimeZone, SetupError> {
    let Some(name) = &configured.timezone else { return Ok(TimeZone::system()) };
    TimeZone::get(name).map_err(|error| {
        SetupError::usage(
            format!("failed to find the time zone {name:?}: {error}"),
            "zones are named as in Europe/Berlin, America/New_York or UTC",
        )
    })
}

fn refused(error: ScheduleError) -> SetupError {
    SetupError::usage(
        format!("[schedule]: failed to {error}"),
        "docs/configuration.md has examples",
    )
}
