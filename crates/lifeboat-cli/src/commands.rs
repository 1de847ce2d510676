//! One module for each command.

pub(crate) mod backup;
pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod decrypt;
pub(crate) mod doctor;
pub(crate) mod export;
pub(crate) mod import;
pub(crate) mod init;
pub(crate) mod key;
pub(crate) mod restore;
pub(crate) mod snapshots;

use lifeboat::{Destination, Error, Missing};

use crate::arguments::Arguments;
use crate::choice::{self, Chosen};

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
