//! `lifeboat sync` and `lifeboat copy`: snapshots from one destination to another.

use std::collections::BTreeSet;

use lifeboat::config::{Mode, Role};
use lifeboat::setup::Target;
use lifeboat::{
    BackupSettings, DestinationSettings, Destinations, Error, Missing, SyncReport, continuous,
};
use serde_json::json;
use time::OffsetDateTime;

use super::backup;
use crate::arguments::{Arguments, CopyArguments, Refusal};
use crate::exit::Exit;
use crate::report::Reporter;
use crate::text::{several, utc};
use lifeboat::hint::About;

/// How long `--wait` leaves a destination alone that does not answer.
const PAUSE: std::time::Duration = std::time::Duration::from_secs(10);

/// Brings all destinations to the same snapshots.
pub(crate) async fn run(
    arguments: &Arguments,
    name: Option<&str>,
    wait: bool,
    reporter: &Reporter,
) -> Exit {
    let destinations = super::destinations(arguments);
    let stored = match wait {
        true => match wait_stored(arguments, &destinations, name, reporter).await {
            Ok(stored) => stored,
            Err(exit) => return exit,
        },
        false => 0,
    };
    if destinations.settings().count() < 2 && stored > 0 {
        summary(0, 0, Exit::Ok, reporter);
        return Exit::Ok;
    }
    if destinations.settings().count() < 2 {
        reporter.say("there is one destination: nothing to copy");
        summary(0, 0, Exit::Ok, reporter);
        return Exit::Ok;
    }
    let name = name.map(|name| super::restore::name_of(arguments, name));
    let mut copied = 0;
    loop {
        let (exit, more) = match bring(arguments, &destinations, name.as_deref(), reporter).await {
            Ok(report) => {
                let failed = report.troubles.len();
                copied += report.copied.len();
                let exit = if failed == 0 { Exit::Ok } else { Exit::PartlyDone };
                (Ok((exit, failed)), failed > 0)
            }
            Err(error) => {
                let out = Exit::of(error.kind()) == Exit::Storage;
                (Err(error), out)
            }
        };
        if wait && more {
            reporter.note("waiting for destinations that do not answer");
            tokio::time::sleep(PAUSE).await;
            continue;
        }
        return match exit {
            Ok((exit, failed)) => {
                summary(copied, failed, exit, reporter);
                exit
            }
            Err(error) => reporter.error("", &error, About::Reading),
        };
    }
}

/// Waits until everything that was committed is stored, of databases whose mode is
/// continuous: whoever follows them is asked, and where nobody does a snapshot is taken.
/// How many there were, or how the command ends.
async fn wait_stored(
    arguments: &Arguments,
    destinations: &Destinations,
    name: Option<&str>,
    reporter: &Reporter,
) -> Result<usize, Exit> {
    let setup = arguments.setup();
    let configured = &setup.configuration().settings().databases;
    let targets = setup.targets().map_err(|error| {
        let refusal = Refusal::from(error);
        reporter.refuse(&refusal);
        refusal.exit
    })?;
    let wanted = name.map(|name| super::restore::name_of(arguments, name));
    let state = setup.directories().state;
    let mut count = 0;
    for target in targets {
        let is_meant = wanted.as_ref().is_none_or(|name| *name == target.name);
        let mode = target.index.and_then(|at| configured.get(at)).map(|one| one.mode);
        if !is_meant || mode != Some(Mode::Continuous) {
            continue;
        }
        let name = &target.name;
        let (commit, until) = match continuous::wait_stored(&state, name).await {
            Some(Ok(durable)) => (Some(durable.commit), durable.until),
            Some(Err(error)) => return Err(reporter.error(name, &error, About::Backup)),
            None => (None, Some(by_snapshot(arguments, destinations, &target, reporter).await?)),
        };
        count += 1;
        let object = json!({ "database": name, "commit": commit, "until": until.map(utc) });
        let line = match commit {
            Some(commit) => format!("{name}: stored, up to commit {commit}"),
            None => format!("{name}: stored as a snapshot; no agent follows it"),
        };
        reporter.found("stored", object, &line);
    }
    Ok(count)
}

/// Backs a database up that nobody follows; the time of what is stored.
async fn by_snapshot(
    arguments: &Arguments,
    destinations: &Destinations,
    target: &Target,
    reporter: &Reporter,
) -> Result<OffsetDateTime, Exit> {
    let mut settings = BackupSettings::default();
    settings.name = Some(target.name.clone());
    // Who only waits takes nothing away from whoever follows it.
    settings.adopt = arguments.setup().adopts();
    settings.never_adopt = !settings.adopt;
    let began = OffsetDateTime::now_utc();
    let (path, places) = (&target.path, &target.places);
    let placed = destinations.backup(path, &settings, places, Missing::CreateIfLocal).await;
    let placed = placed.map_err(|error| reporter.error(&target.name, &error, About::Backup))?;
    match placed.fallback_reason {
        None => Ok(began),
        // What lies there alone may be superseded.
        Some(why) => {
            reporter.warn(&format!("{}: stored at a fallback only: {why}", target.name));
            Err(Exit::Fallback)
        }
    }
}

async fn bring(
    arguments: &Arguments,
    destinations: &Destinations,
    name: Option<&str>,
    reporter: &Reporter,
) -> Result<SyncReport, Error> {
    let adopt = arguments.setup().adopts();
    let report = destinations.sync(name, adopt).await?;
    tell(&report, reporter);
    let names: BTreeSet<&str> = report.copied.iter().map(|one| one.database.as_str()).collect();
    for name in names {
        let collect = arguments.setup().collecting(name);
        for thinned in destinations.thin_filled(&report, name, collect).await {
            backup::thinned(reporter, name, &thinned);
        }
    }
    Ok(report)
}

/// Copies the snapshots of a database to another place, whatever the settings say.
pub(crate) async fn copy(arguments: &Arguments, copy: &CopyArguments, reporter: &Reporter) -> Exit {
    match copy_to(arguments, copy, reporter).await {
        Ok(exit) => exit,
        Err(error) => reporter.error(&copy.name, &error, About::Reading),
    }
}

async fn copy_to(
    arguments: &Arguments,
    copy: &CopyArguments,
    reporter: &Reporter,
) -> Result<Exit, Error> {
    let name = super::restore::name_of(arguments, &copy.name);
    let mut target = DestinationSettings::new(Role::Mirror, &copy.to);
    target.create = copy.init;
    // The one that is typed may be configured as well, with its options.
    let setup = arguments.setup();
    let known = setup.places().iter().chain(setup.mirrors()).find(|place| place.url == copy.to);
    if let Some(known) = known {
        target.options = known.options.clone();
    }
    let adopt = setup.adopts();
    let report = super::destinations(arguments).copy(&name, target, adopt).await?;
    tell(&report, reporter);
    let failed = report.troubles.len();
    let exit = if failed == 0 { Exit::Ok } else { Exit::PartlyDone };
    summary(report.copied.len(), failed, exit, reporter);
    Ok(exit)
}

fn summary(copied: usize, failed: usize, exit: Exit, reporter: &Reporter) {
    let line = match copied {
        0 => "nothing was missing".to_owned(),
        some => format!("{} copied", several(some as u64, "snapshot")),
    };
    let lines = if failed == 0 { vec![line] } else { vec![] };
    reporter.told(json!({ "copied": copied, "failed": failed, "code": exit.code() }), &lines);
}

/// Says what was copied, and what could not be.
pub(crate) fn tell(report: &SyncReport, reporter: &Reporter) {
    for one in &report.copied {
        let object = json!({
            "database": one.database,
            "snapshot_id": one.snapshot_id.as_str(),
            "sequence": one.number.0,
            "from": one.from,
            "destination": one.to,
        });
        let line =
            format!("{}: {} copied from {} to {}", one.database, one.snapshot_id, one.from, one.to);
        reporter.found("copied", object, &line);
    }
    for cause in &report.troubles {
        reporter.warn(&format!("not copied: {cause}"));
        if let Some(hint) = lifeboat::hint::hint(&cause.error) {
            reporter.note(&format!(" HINT: {hint}"));
        }
    }
    for (name, healed) in &report.healed {
        super::tell_healed(reporter, name, healed);
    }
}
