//! Restoring a snapshot to a new file: staged, proven, and only then in place.

use std::path::Path;
use std::sync::Arc;

use lifeboat_format::digest::HashKey;
use lifeboat_format::id::SnapshotId;
use lifeboat_format::numbers::RecordNo;
use lifeboat_format::record::SnapshotBody;
use lifeboat_repository::{Database, Progress, RestoreOptions, Selector, Snapshot};
use lifeboat_snapshot::{CheckReport, StagedFile};

use crate::destination::Destination;
use crate::error::Error;

/// How a snapshot is restored.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct RestoreSettings {
    /// Have SQLite check the restored file before it is put in its place:
    /// `integrity_check` and `foreign_key_check`.
    pub check: bool,
    /// The newest record that is meant, where it is not the highest seen.
    pub expect: Option<u64>,
    /// Who listens.
    pub progress: Option<Arc<dyn Progress>>,
}

impl std::fmt::Debug for RestoreSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RestoreSettings").field("check", &self.check).finish_non_exhaustive()
    }
}

/// What was restored.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RestoreReport {
    /// The snapshot.
    pub snapshot_id: SnapshotId,
    /// Its number on this destination.
    pub number: RecordNo,
    /// What its record says of it.
    pub body: SnapshotBody,
    /// How many bytes were fetched.
    pub bytes_fetched: u64,
    /// Whether SQLite checked the file.
    pub checked: bool,
}

impl Destination {
    /// Restores a snapshot to a file that does not exist yet. Every page is
    /// proven before the file appears under its name. `announce` is told which
    /// snapshot it is, before anything is fetched of it.
    ///
    /// Cancelled or killed, no file has appeared; a temporary one beside it is
    /// removed, by the next restore at the latest.
    pub async fn restore(
        &self,
        name: &str,
        selector: &Selector,
        target: &Path,
        settings: &RestoreSettings,
        announce: impl FnOnce(&Snapshot),
    ) -> Result<RestoreReport, Error> {
        let database = self.database(name)?;
        // Staged first: what stands in the way is said before anything is read.
        let staged = StagedFile::create(target)?;
        let snapshot = database.resolve(selector, settings.expect.map(RecordNo)).await?;
        announce(&snapshot);
        let mut options = RestoreOptions::default();
        options.progress.clone_from(&settings.progress);
        let (staged, fetched) = database.restore(&snapshot, staged, &options).await?;
        publish(&database, &snapshot, staged, settings.check).await?;
        Ok(RestoreReport {
            snapshot_id: snapshot.id().clone(),
            number: snapshot.number(),
            body: snapshot.body().clone(),
            bytes_fetched: fetched.bytes_fetched,
            checked: settings.check,
        })
    }
}

/// Proves what was written, has it checked, and gives it its name.
async fn publish(
    database: &Database,
    snapshot: &Snapshot,
    staged: StagedFile,
    check: bool,
) -> Result<(), Error> {
    let key: HashKey = database.repository().hash_key().clone();
    let digest = snapshot.body().image_digest;
    let work = tokio::task::spawn_blocking(move || -> Result<(), Error> {
        let proven = staged.prove(&key, &digest)?;
        if check {
            let report: CheckReport = proven.check()?;
            if !report.is_ok() {
                return Err(Error::Unsound { report });
            }
        }
        Ok(proven.publish()?)
    });
    match work.await {
        Ok(done) => done,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}
