//! What is to be done when, by the settings.

use std::time::Duration;

use lifeboat::agent::{Job, Planned, Schedule};

use crate::arguments::Refusal;
use crate::exit::Exit;
use lifeboat::setup::Setup;
use lifeboat::setup::Target;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// The databases that the settings name.
pub(super) fn targets(setup: &Setup) -> Result<Vec<Target>, Refusal> {
    if setup.configuration().settings().databases.is_empty() {
        return Err(Refusal {
            exit: Exit::Usage,
            message: "no database is configured".into(),
            hint: "name it in lifeboat.toml: [[database]] with path = \"app.db\"".into(),
        });
    }
    Ok(setup.targets()?)
}

/// The jobs of these databases.
pub(super) fn jobs(setup: &Setup, targets: &[Target]) -> Result<Vec<Planned>, Refusal> {
    let upkeep = Schedule::every(DAY).map_err(refusal)?.with_jitter(DAY / 24).with_start(false);
    let mut planned = Vec::new();
    for target in targets {
        let backup = setup.schedule(target)?;
        planned.push(Planned::new(&target.name, Job::Backup, backup));
        for job in [Job::Prune, Job::Check] {
            planned.push(Planned::new(&target.name, job, upkeep.clone()));
        }
    }
    Ok(planned)
}

fn refusal(error: lifeboat::agent::ScheduleError) -> Refusal {
    Refusal {
        exit: Exit::Usage,
        message: format!("[schedule]: failed to {error}"),
        hint: "docs/configuration.md has examples".into(),
    }
}
