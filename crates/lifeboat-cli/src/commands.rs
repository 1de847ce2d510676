//! One module for each command.

pub(crate) mod backup;
pub(crate) mod check;
pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod decrypt;
pub(crate) mod diff;
pub(crate) mod doctor;
pub(crate) mod drill;
pub(crate) mod export;
pub(crate) mod forget;
pub(crate) mod health;
pub(crate) mod import;
pub(crate) mod init;
pub(crate) mod key;
pub(crate) mod links;
pub(crate) mod man;
pub(crate) mod notify;
pub(crate) mod object;
pub(crate) mod prune;
pub(crate) mod repair;
pub(crate) mod restore;
pub(crate) mod run;
pub(crate) mod snapshots;
pub(crate) mod stats;
pub(crate) mod status;
pub(crate) mod storage;
pub(crate) mod sync;
pub(crate) mod trash;

use lifeboat::config::TakeOver;
use lifeboat::remote::without_secrets;
use lifeboat::repository::{FromElsewhere, ResolveError, Selector};
use lifeboat::{
    Cause, Chosen, Destination, Destinations, Error, ErrorKind, Healed, Missing, ReadAs, Whole,
};
use serde_json::json;

use crate::arguments::Arguments;
use crate::report::Reporter;

/// Opens the repository that was named, with the key that was configured. Of
/// several places it is the first that works.
async fn open(arguments: &Arguments, missing: Missing) -> Result<Destination, Error> {
    let chosen = patiently(arguments, choose(arguments, missing, &[])).await?;
    Ok(chosen.destination)
}

/// How long a store may take before somebody is told what is waited for.
const SILENCE: std::time::Duration = std::time::Duration::from_secs(10);

/// Waits for stores, and says so now and then: a store that refuses everything is
/// asked again for as long as its settings say.
async fn patiently<T>(arguments: &Arguments, work: impl Future<Output = T>) -> T {
    let mut work = std::pin::pin!(work);
    loop {
        tokio::select! {
            done = &mut work => return done,
            () = tokio::time::sleep(SILENCE) => {}
        }
        let setup = arguments.setup();
        let places = setup.places().iter().map(|place| without_secrets(&place.url));
        tracing::warn!("still waiting for {}", places.collect::<Vec<_>>().join(", "));
    }
}

/// As [`open`], but only places of these names, where any are given; and says
/// which it was.
async fn choose(
    arguments: &Arguments,
    missing: Missing,
    names: &[String],
) -> Result<Chosen, Error> {
    destinations(arguments).choose(names, missing).await
}

/// All places of the settings.
fn destinations(arguments: &Arguments) -> Destinations {
    arguments.setup().destinations(arguments.secret.as_ref())
}

/// Whether there is more than one place.
fn has_several(arguments: &Arguments) -> bool {
    let setup = arguments.setup();
    setup.places().len() + setup.mirrors().len() > 1
}

/// Does something with a snapshot at the first place that has it whole. Where there
/// is one place, or `alone` says that the first is meant, it is that one.
async fn at_first_whole<T, F: Future<Output = Result<T, Error>>>(
    arguments: &Arguments,
    name: &str,
    selector: &Selector,
    (how, alone): (ReadAs, bool),
    job: impl Fn(Destination, Selector) -> F,
) -> Result<Whole<T>, Error> {
    if has_several(arguments) && !alone {
        return destinations(arguments).first_whole(name, selector, how, job).await;
    }
    let destination = open(arguments, Missing::Refuse).await?;
    let report = job(destination.clone(), selector.clone()).await?;
    Ok(Whole::of(report, destination))
}

/// Says what could not be read where it was looked for first.
fn tell_detours(reporter: &Reporter, failed: &[Cause], elsewhere: &[FromElsewhere]) {
    for cause in failed {
        reporter.note(&format!("not from there: {cause}"));
    }
    for FromElsewhere { object, place, why, .. } in elsewhere {
        reporter.note(&format!("{object} was read from {place}: failed to {why}"));
    }
    if failed.iter().any(|cause| cause.error.kind() == ErrorKind::Damage) || !elsewhere.is_empty() {
        reporter.note("what is damaged there is put back by `lifeboat repair --apply`");
    }
}

/// Whether a database is taken over from another installation without being asked.
fn adopts(arguments: &Arguments) -> bool {
    arguments.setup().configuration().settings().take_over == TakeOver::Always
}

/// Says what was put back, and what is still damaged.
pub(crate) fn tell_healed(reporter: &Reporter, name: &str, healed: &Healed) {
    // Before any database is looked at there is none to name.
    let whose = if name.is_empty() { String::new() } else { format!("{name}: ") };
    for cause in &healed.troubles {
        reporter.warn(&format!("{whose}not healed: {cause}"));
    }
    for (place, report) in &healed.reports {
        for key in &report.healed {
            let object = json!({ "database": name, "destination": place, "object": key });
            reporter.found("healed", object, &format!("{place}: {key} is whole again"));
        }
        for (id, number) in &report.moved {
            let object = json!({
                "database": name, "destination": place, "snapshot_id": id.as_str(),
                "sequence": number.0,
            });
            let line = format!("{place}: {id} was written again, as record {}", number.0);
            reporter.found("healed", object, &line);
        }
        for number in &report.given_up {
            reporter.say(&format!("{place}: record {} is given up", number.0));
        }
        for (key, why) in &report.left {
            reporter.warn(&format!("{place}: {key} is not healed: {why}"));
        }
    }
}

/// The error that says which databases there are, where there is none of this
/// name. Nothing else is asked: what is damaged is told by others.
async fn must_be_there(destination: &Destination, name: &str) -> Result<(), Error> {
    match destination.resolve(name, &Selector::Latest(0)).await {
        Err(error @ Error::Resolve(ResolveError::NoSnapshots { .. })) => Err(error),
        _ => Ok(()),
    }
}

/// The databases that were meant: the one that was named, or all of all places.
async fn names_anywhere(arguments: &Arguments, name: Option<&str>) -> Result<Vec<String>, Error> {
    match name {
        Some(name) => Ok(vec![restore::name_of(arguments, name)]),
        None if has_several(arguments) => Ok(destinations(arguments).databases().await?.0),
        None => names(arguments, &open(arguments, Missing::Refuse).await?, None).await,
    }
}

/// Every place that can be opened, what became of the others, and the databases that
/// are meant. What a place needs to be opened at all is put back first if `reopen`
/// says so.
async fn each_place(
    arguments: &Arguments,
    name: Option<&str>,
    reopen: bool,
) -> Result<(Vec<Destination>, Healed, Vec<String>), Error> {
    if !has_several(arguments) {
        let destination = open(arguments, Missing::Refuse).await?;
        let names = names(arguments, &destination, name).await?;
        return Ok((vec![destination], Healed::default(), names));
    }
    let (destinations, others) = destinations(arguments).each_helped(reopen).await?;
    Ok((destinations, others, names_anywhere(arguments, name).await?))
}

/// Says which of several places is meant from here on; not where a database is one of
/// other places.
async fn announce(reporter: &Reporter, destination: &Destination, name: &str) -> bool {
    let is_there =
        !matches!(destination.snapshots(name).await, Ok(listing) if listing.newest.is_none());
    if is_there {
        reporter.say(&format!("{}:", destination.shown()));
    }
    is_there
}

/// The databases that were meant: the one that was named, or all.
async fn names(
    arguments: &Arguments,
    destination: &Destination,
    name: Option<&str>,
) -> Result<Vec<String>, Error> {
    Ok(match name {
        Some(name) => vec![restore::name_of(arguments, name)],
        None => destination.databases().await?.iter().map(ToString::to_string).collect(),
    })
}
