//! Which databases a backup is about.

use lifeboat::setup::{Setup, Target, two_of_one_name};

use crate::arguments::{BackupArguments, Refusal};
use crate::exit::Exit;

/// The databases that a backup is about.
pub(crate) fn of(backup: &BackupArguments, setup: &Setup) -> Result<Vec<Target>, Refusal> {
    let mut targets = setup.named(&backup.databases)?;
    if targets.is_empty() {
        return Err(none(!setup.configuration().settings().databases.is_empty()));
    }
    if let Some(name) = &backup.name {
        targets.iter_mut().for_each(|target| target.name.clone_from(name));
    }
    two_of_one_name(&targets)?;
    Ok(targets)
}

fn none(configured: bool) -> Refusal {
    let message = if configured {
        "no file fits the patterns of the configured databases"
    } else {
        "no database was named, and none is configured"
    };
    Refusal {
        exit: Exit::Usage,
        message: message.into(),
        hint: "name a file, as in `lifeboat backup app.db`, or configure [[database]]".into(),
    }
}
