//! What can be saved of a damaged snapshot, as a file.

use std::path::Path;

use lifeboat_format::digest::Digest;
use lifeboat_format::id::SnapshotId;
use lifeboat_format::numbers::RecordNo;
use lifeboat_format::record::SnapshotBody;
use lifeboat_repository::{FromElsewhere, ReadError, RestoreOptions, Selector, Snapshot};
use lifeboat_snapshot::{LostPages, StagedFile};

use crate::destination::Destination;
use crate::error::Error;
use crate::restore::{RestoreSettings, off_thread};

/// What was saved of a snapshot.
#[derive(Debug)]
#[non_exhaustive]
pub struct SalvageReport {
    /// The snapshot.
    pub snapshot_id: SnapshotId,
    /// Its number on this destination.
    pub number: RecordNo,
    /// What its record says of it.
    pub body: SnapshotBody,
    /// How many bytes were fetched.
    pub bytes_fetched: u64,
    /// The digest of the whole image, if nothing was missing: then the file was
    /// proven against it.
    pub proven: Option<Digest>,
    /// Pages that are zeros now, and whose they were.
    pub lost: Vec<LostPages>,
    /// Pages that may be older than the snapshot, and whose they are.
    pub doubtful: Vec<LostPages>,
    /// What is damaged or missing in the repository.
    pub damage: Vec<ReadError>,
    /// What was damaged or gone on this destination, and was read from others.
    pub from_elsewhere: Vec<FromElsewhere>,
}

impl SalvageReport {
    /// How many pages are lost, and how many doubtful.
    pub fn pages(&self) -> (usize, usize) {
        let sum = |all: &[LostPages]| all.iter().map(|lost| lost.pages.len()).sum();
        (sum(&self.lost), sum(&self.doubtful))
    }
}

impl Destination {
    /// Restores what can be proven of a snapshot to a file that does not exist
    /// yet, with zeros for pages that are lost, and names those. Where nothing
    /// is lost, this is a restore.
    ///
    /// Cancelled or killed, no file has appeared.
    pub async fn salvage(
        &self,
        name: &str,
        selector: &Selector,
        target: &Path,
        settings: &RestoreSettings,
        announce: impl FnOnce(&Snapshot),
    ) -> Result<SalvageReport, Error> {
        let database = self.database(name)?;
        let staged = StagedFile::create(target)?;
        let snapshot = database.resolve(selector, settings.expect.map(RecordNo)).await?;
        announce(&snapshot);
        let mut options = RestoreOptions::default();
        options.progress.clone_from(&settings.progress);
        let (staged, saved) = database.salvage(&snapshot, staged, &options).await?;
        let key = database.repository().hash_key().clone();
        let digest = snapshot.body().image_digest;
        let whole = saved.is_whole();
        let (lost, doubtful) = (saved.lost, saved.doubtful);
        let work = move || -> Result<_, Error> {
            if whole {
                staged.prove(&key, &digest)?.publish()?;
                return Ok((Some(digest), Vec::new(), Vec::new()));
            }
            let file = staged.accept_with_holes()?;
            let owners = (file.owners(&lost)?, file.owners(&doubtful)?);
            file.publish()?;
            Ok((None, owners.0, owners.1))
        };
        let (proven, lost, doubtful) = off_thread(work).await?;
        Ok(SalvageReport {
            snapshot_id: snapshot.id().clone(),
            number: snapshot.number(),
            body: snapshot.body().clone(),
            bytes_fetched: saved.bytes_fetched,
            proven,
            lost,
            doubtful,
            damage: saved.damage,
            from_elsewhere: database.from_elsewhere(),
        })
    }
}
