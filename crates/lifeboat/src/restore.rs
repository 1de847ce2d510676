//! Restoring a snapshot to a file: staged, proven, and only then in place.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use lifeboat_format::id::SnapshotId;
use lifeboat_format::numbers::RecordNo;
use lifeboat_format::record::{Content, SnapshotBody};
use lifeboat_repository::{
    Database, Held, Progress, RestoreOptions, RestorePlan, Selector, Snapshot,
};
use lifeboat_snapshot::{HeldBlocks, ProvenFile, ReplaceOptions, Replaced, StagedFile};

use crate::destination::Destination;
use crate::error::Error;
use crate::in_place::canonical;

/// How a snapshot is restored.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct RestoreSettings {
    /// Have SQLite check the restored file before it is put in its place:
    /// `integrity_check` and `foreign_key_check`.
    pub check: bool,
    /// Replace what is at the target. It is set aside, not removed.
    pub force: bool,
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
    /// How many bytes of the database the target held already.
    pub bytes_kept: u64,
    /// Whether SQLite checked the file.
    pub checked: bool,
    /// What became of a file that was there before.
    pub replaced: Option<Replaced>,
}

/// What a restore would do.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PlannedRestore {
    /// The snapshot.
    pub snapshot: Snapshot,
    /// What it would take.
    pub plan: RestorePlan,
    /// Where it would go.
    pub target: PathBuf,
}

impl Destination {
    /// Restores a snapshot to a file that does not exist yet, or, if that is
    /// forced, over one. Every page is proven before the file appears under its
    /// name; what the target holds already is not fetched. `announce` is told
    /// which snapshot it is, before anything is fetched of it.
    ///
    /// Cancelled or killed, the target is what it was; a temporary file beside
    /// it is removed, by the next restore at the latest.
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
        let (staged, target) = if settings.force {
            let target = canonical(target)?;
            if target.is_dir() {
                let source = std::io::ErrorKind::IsADirectory.into();
                return Err(Error::Path { path: target, source });
            }
            (StagedFile::beside(&target)?, target)
        } else {
            (StagedFile::create(target)?, target.to_owned())
        };
        let snapshot = database.resolve(selector, settings.expect.map(RecordNo)).await?;
        announce(&snapshot);
        let present = settings.force.then_some(target.as_path());
        let fetched = fetch(&database, &snapshot, staged, present, settings).await?;
        let force = settings.force;
        let proven = fetched.proven;
        let replaced = off_thread(move || -> Result<_, Error> {
            if force { Ok(Some(replace(proven)?)) } else { Ok(proven.publish().map(|()| None)?) }
        })
        .await?;
        Ok(RestoreReport {
            snapshot_id: snapshot.id().clone(),
            number: snapshot.number(),
            body: snapshot.body().clone(),
            bytes_fetched: fetched.bytes_fetched,
            bytes_kept: fetched.bytes_kept,
            checked: settings.check,
            replaced,
        })
    }

    /// Says what a restore to a path would take, and restores nothing. What the
    /// database there holds is compared, if there is one.
    pub async fn plan_restore(
        &self,
        name: &str,
        selector: &Selector,
        target: &Path,
        expect: Option<u64>,
    ) -> Result<PlannedRestore, Error> {
        let database = self.database(name)?;
        let snapshot = database.resolve(selector, expect.map(RecordNo)).await?;
        self.plan_of(&database, snapshot, target).await
    }

    pub(crate) async fn plan_of(
        &self,
        database: &Database,
        snapshot: Snapshot,
        target: &Path,
    ) -> Result<PlannedRestore, Error> {
        let path = |source| Error::Path { path: target.to_owned(), source };
        let present = target.try_exists().map_err(path)?;
        let held = if present {
            let (target, key) = (target.to_owned(), self.repository().hash_key().clone());
            let cache = self.repository().local().cache_dir()?.to_owned();
            let looked = off_thread(move || HeldBlocks::look(&target, &key, &cache)).await;
            let looked = looked.map_err(path)?;
            let size = snapshot.body().geometry().map(|geometry| geometry.block_size());
            (Some(looked.block_size()) == size).then(|| comparing(looked))
        } else {
            None
        };
        let plan = database.plan_restore(&snapshot, held).await.map_err(Error::of_plan)?;
        Ok(PlannedRestore { snapshot, plan, target: target.to_owned() })
    }
}

/// A staged file with the whole image in it.
pub(crate) struct FetchedFile {
    pub(crate) proven: ProvenFile,
    pub(crate) bytes_fetched: u64,
    pub(crate) bytes_kept: u64,
}

/// Fetches what the database at `present` does not hold, proves all of it, and
/// has it checked.
pub(crate) async fn fetch(
    database: &Database,
    snapshot: &Snapshot,
    staged: StagedFile,
    present: Option<&Path>,
    settings: &RestoreSettings,
) -> Result<FetchedFile, Error> {
    let key = database.repository().hash_key().clone();
    let geometry = snapshot.body().geometry().expect("a record is refused without one");
    let in_packs = matches!(snapshot.body().content, Content::Pages { .. });
    let (staged, held) = match present.filter(|path| in_packs && path.exists()) {
        None => (staged, None),
        Some(present) => {
            let (present, key) = (present.to_owned(), key.clone());
            off_thread(move || -> Result<_, Error> {
                let mut staged = staged;
                let held = staged.begin_with(&present, geometry, &key);
                let held = held.map_err(|source| Error::Path { path: present, source })?;
                Ok((staged, Some(comparing(held))))
            })
            .await?
        }
    };
    let mut options = RestoreOptions::default();
    options.progress.clone_from(&settings.progress);
    let (staged, report) = database.restore_over(snapshot, staged, held, &options).await?;
    let (digest, check) = (snapshot.body().image_digest, settings.check);
    let proven = off_thread(move || -> Result<ProvenFile, Error> {
        let proven = staged.prove(&key, &digest)?;
        if check {
            let report = proven.check()?;
            if !report.is_ok() {
                return Err(Error::Unsound { report });
            }
        }
        Ok(proven)
    })
    .await?;
    let bytes_kept = report.blocks_kept * u64::from(geometry.block_size());
    Ok(FetchedFile { proven, bytes_fetched: report.bytes_fetched, bytes_kept })
}

/// Puts a file over what is at its target. Blocks.
pub(crate) fn replace(proven: ProvenFile) -> Result<Replaced, Error> {
    let path = proven.target().to_owned();
    let options = ReplaceOptions::fresh().map_err(|source| Error::Path { path, source })?;
    Ok(proven.replace(&options)?)
}

fn comparing(mut held: HeldBlocks) -> Held {
    Box::new(move |block, hash| held.holds(block, hash))
}

/// Files and SQLite block.
pub(crate) async fn off_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}
