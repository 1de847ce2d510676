//! One module for each command.

pub(crate) mod backup;
pub(crate) mod check;
pub(crate) mod completions;
pub(crate) mod decrypt;
pub(crate) mod diff;
pub(crate) mod drill;
pub(crate) mod export;
pub(crate) mod forget;
pub(crate) mod import;
pub(crate) mod init;
pub(crate) mod key;
pub(crate) mod prune;
pub(crate) mod repair;
pub(crate) mod restore;
pub(crate) mod snapshots;
pub(crate) mod stats;
pub(crate) mod status;
pub(crate) mod trash;

use lifeboat::{Destination, Directories, Error, Missing};

use crate::arguments::Arguments;

/// Opens the repository that was named, with the key that was configured.
async fn open(arguments: &Arguments, missing: Missing) -> Result<Destination, Error> {
    let (place, secret) = (arguments.repository(), arguments.secret.as_ref());
    Destination::open_with(place, &Directories::from_env(), missing, secret).await
}

/// The databases that were meant: the one that was named, or all.
async fn names(destination: &Destination, name: Option<&str>) -> Result<Vec<String>, Error> {
    Ok(match name {
        Some(name) => vec![restore::name_of(name)],
        None => destination.databases().await?.iter().map(ToString::to_string).collect(),
    })
}
