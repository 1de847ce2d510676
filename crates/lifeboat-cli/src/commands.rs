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

use lifeboat::repository::{ResolveError, Selector};
use lifeboat::{Chosen, Destination, Destinations, Error, Missing};

use crate::arguments::Arguments;
use crate::choice;

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
    choice::choose(arguments.setup(), arguments.secret.as_ref(), missing, names).await
}

/// All places of the settings.
fn destinations(arguments: &Arguments) -> Destinations {
    choice::destinations(arguments.setup(), arguments.secret.as_ref())
}

/// The error that says which databases there are, where there is none of this
/// name. Nothing else is asked: what is damaged is told by others.
async fn must_be_there(destination: &Destination, name: &str) -> Result<(), Error> {
    match destination.resolve(name, &Selector::Latest(0)).await {
        Err(error @ Error::Resolve(ResolveError::NoSnapshots { .. })) => Err(error),
        _ => Ok(()),
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
