//! One module for each command.

pub(crate) mod backup;
pub(crate) mod completions;
pub(crate) mod init;
pub(crate) mod key;
pub(crate) mod restore;
pub(crate) mod snapshots;

use lifeboat::{Destination, Directories, Error, Missing};

use crate::arguments::Arguments;

/// Opens the repository that was named, with the key that was configured.
async fn open(arguments: &Arguments, missing: Missing) -> Result<Destination, Error> {
    let (place, secret) = (arguments.repository(), arguments.secret.as_ref());
    Destination::open_with(place, &Directories::from_env(), missing, secret).await
}
