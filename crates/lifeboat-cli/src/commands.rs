//! One module for each command.

pub(crate) mod backup;
pub(crate) mod completions;
pub(crate) mod init;
pub(crate) mod restore;
pub(crate) mod snapshots;

use lifeboat::{Destination, Directories, Error, Missing};

use crate::arguments::Arguments;

/// Opens the repository that was named.
async fn open(arguments: &Arguments, missing: Missing) -> Result<Destination, Error> {
    Destination::open(arguments.repository(), &Directories::from_env(), missing).await
}
