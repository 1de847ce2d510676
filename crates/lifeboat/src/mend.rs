//! Mending a repository with the help of the live database.

use std::path::Path;

use lifeboat_repository::{CollectOptions, RepairReport};
use lifeboat_snapshot::LiveDatabase;

use crate::destination::Destination;
use crate::error::Error;
use crate::take::BackupSettings;

impl Destination {
    /// Reads everything of a database, and mends what can be mended; only says
    /// so without `apply`. `live` is the database itself, where it is at hand:
    /// pages that have not changed since are taken from there.
    ///
    /// Killed or cancelled, it has mended some packs and not others; run again,
    /// it goes on.
    pub async fn repair(
        &self,
        name: &str,
        live: Option<&Path>,
        apply: bool,
        options: CollectOptions,
    ) -> Result<RepairReport, Error> {
        let database = self.database(name)?;
        let source: Option<LiveDatabase> = match live {
            Some(path) => Some(self.open_source(path, &BackupSettings::default()).await?),
            None => None,
        };
        let (source, report) = database.repair(source, apply, options).await?;
        // Detaching from the database blocks.
        if let Err(error) = tokio::task::spawn_blocking(move || drop(source)).await {
            std::panic::resume_unwind(error.into_panic());
        }
        Ok(report)
    }
}
