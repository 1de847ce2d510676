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

use lifeboat::repository::{FromElsewhere, ResolveError, Selector};
use lifeboat::{
    Cause, Chosen, Destination, Destinations, Error, ErrorKind, Missing, ReadAs, Whole,
};

use crate::arguments::Arguments;
use crate::report::Reporter;

/// Opens the repository that was named, with the key that was configured. Of
/// several places it is the first that works.
async fn open(arguments: &Arguments, missing: Missing) -> Result<Destination, Error> {
    Ok(choose(arguments, missing, &[]).await?.destination)
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
