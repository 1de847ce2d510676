//! Restoring a snapshot to a file: staged, proven, and only then in place.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lifeboat_format::digest::{Digest, HashKey};
use lifeboat_format::geometry::{BlockNo, Geometry};
use lifeboat_format::id::SnapshotId;
use lifeboat_format::log::CommitNo;
use lifeboat_format::numbers::RecordNo;
use lifeboat_format::record::{Content, SnapshotBody};
use lifeboat_format::source::PageSink;
use lifeboat_repository::{
    Database, FromElsewhere, Held, MomentPlan, Progress, Resolved, RestoreError, RestoreOptions,
    RestorePlan, Selector, Snapshot,
};
use lifeboat_snapshot::{HeldBlocks, ProvenFile, ReplaceOptions, Replaced, StageError, StagedFile};

use time::OffsetDateTime;

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
    /// The state after a commit that it was, where a commit log has it.
    pub moment: Option<RestoredMoment>,
    /// How many bytes were fetched.
    pub bytes_fetched: u64,
    /// How many bytes of the database the target held already, or a restore that
    /// was interrupted had left.
    pub bytes_kept: u64,
    /// Whether it went on with what an interrupted restore had left.
    pub resumed: bool,
    /// What was damaged or gone on this destination, and was read from others.
    pub from_elsewhere: Vec<FromElsewhere>,
    /// Whether SQLite checked the file.
    pub checked: bool,
    /// What became of a file that was there before.
    pub replaced: Option<Replaced>,
}

/// A state between snapshots that was restored.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RestoredMoment {
    /// The last commit in it.
    pub commit: CommitNo,
    /// When that was first seen; none where it is the snapshot's own state.
    pub seen_at: Option<OffsetDateTime>,
    /// How many commits were applied to the snapshot.
    pub commits: u64,
    /// How many segments of the log were read.
    pub segments: u64,
    /// The shape of the image.
    pub geometry: Geometry,
    /// The digest of the image.
    pub image_digest: Digest,
}

/// What a restore would do.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PlannedRestore {
    /// The snapshot.
    pub snapshot: Snapshot,
    /// What a commit log adds to it, where a state between snapshots is meant.
    pub moment: Option<MomentPlan>,
    /// What it would take.
    pub plan: RestorePlan,
    /// Where it would go.
    pub target: PathBuf,
    /// Whether it would go on with what an interrupted restore left.
    pub resumes: bool,
}

impl Destination {
    /// Restores a snapshot to a file that does not exist yet, or, if that is
    /// forced, over one. Every page is proven before the file appears under its
    /// name; what the target holds already is not fetched. `announce` is told
    /// which snapshot it is, before anything is fetched of it.
    ///
    /// Cancelled or killed, or where the store cannot be reached any more, the
    /// target is what it was. A temporary file beside it has what was fetched; the
    /// next restore to the same target goes on with it, whatever snapshot it is of.
    pub async fn restore(
        &self,
        name: &str,
        selector: &Selector,
        target: &Path,
        settings: &RestoreSettings,
        announce: impl FnOnce(&Resolved),
    ) -> Result<RestoreReport, Error> {
        let database = self.database(name)?;
        // Staged first: what stands in the way is said before anything is read.
        let (staged, target) = if settings.force {
            let target = canonical(target)?;
            if target.is_dir() {
                let source = std::io::ErrorKind::IsADirectory.into();
                return Err(Error::Path { path: target, source });
            }
            (StagedFile::resume_beside(&target)?, target)
        } else {
            (StagedFile::resume(target)?, target.to_owned())
        };
        let meant = database.resolve_moment(selector, settings.expect.map(RecordNo)).await?;
        announce(&meant);
        let present = settings.force.then_some(target.as_path());
        let fetched = fetch_meant(&database, &meant, staged, present, settings).await?;
        let snapshot = meant.base();
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
            moment: fetched.moment,
            bytes_fetched: fetched.bytes_fetched,
            bytes_kept: fetched.bytes_kept,
            resumed: fetched.resumed,
            from_elsewhere: database.from_elsewhere(),
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
        let meant = database.resolve_moment(selector, expect.map(RecordNo)).await?;
        self.plan_of_meant(&database, meant, target).await
    }

    pub(crate) async fn plan_of_meant(
        &self,
        database: &Database,
        meant: Resolved,
        target: &Path,
    ) -> Result<PlannedRestore, Error> {
        match meant {
            Resolved::Moment(moment) => {
                let plan = database.plan_restore_moment(&moment).await.map_err(Error::of_plan)?;
                let (snapshot, target) = (moment.base.clone(), target.to_owned());
                let moment = Some(moment);
                Ok(PlannedRestore { snapshot, moment, plan, target, resumes: false })
            }
            meant => self.plan_of(database, meant.base().clone(), target).await,
        }
    }

    pub(crate) async fn plan_of(
        &self,
        database: &Database,
        snapshot: Snapshot,
        target: &Path,
    ) -> Result<PlannedRestore, Error> {
        let path = |source| Error::Path { path: target.to_owned(), source };
        let geometry = snapshot.body().geometry().expect("a record is refused without one");
        let in_packs = matches!(snapshot.body().content, Content::Pages { .. });
        let present = target.try_exists().map_err(path)?;
        let (present, left) = {
            let (target, key) = (target.to_owned(), self.repository().hash_key().clone());
            let cache = self.repository().local().cache_dir()?.to_owned();
            let looked = off_thread(move || {
                let present =
                    present.then(|| HeldBlocks::look(&target, &key, &cache)).transpose()?;
                let left = HeldBlocks::left_behind(&target, geometry, &key);
                Ok((present, left.filter(|_| in_packs)))
            });
            looked.await.map_err(path)?
        };
        let present = present.filter(|held| held.block_size() == geometry.block_size());
        let resumes = left.is_some();
        let held: Option<Held> = match (present, left) {
            (None, None) => None,
            (Some(held), None) | (None, Some(held)) => Some(comparing(held)),
            (Some(mut present), Some(mut left)) => Some(Box::new(move |block, hash| {
                left.holds(block, hash) || present.holds(block, hash)
            })),
        };
        let plan = database.plan_restore(&snapshot, held).await.map_err(Error::of_plan)?;
        Ok(PlannedRestore { snapshot, moment: None, plan, target: target.to_owned(), resumes })
    }
}

/// A staged file with the whole image in it.
pub(crate) struct FetchedFile {
    pub(crate) proven: ProvenFile,
    pub(crate) bytes_fetched: u64,
    pub(crate) bytes_kept: u64,
    pub(crate) resumed: bool,
    pub(crate) moment: Option<RestoredMoment>,
}

/// Fetches a snapshot or a state between snapshots, proves all of it, and has it
/// checked.
pub(crate) async fn fetch_meant(
    database: &Database,
    meant: &Resolved,
    staged: StagedFile,
    present: Option<&Path>,
    settings: &RestoreSettings,
) -> Result<FetchedFile, Error> {
    match meant.moment() {
        Some(moment) => fetch_moment(database, moment, staged, settings).await,
        None => fetch(database, meant.base(), staged, present, settings).await,
    }
}

/// Fetches a state between snapshots, proves that the disk has what its frames gave,
/// and has it checked. What the target holds, or an earlier attempt left, is not used.
async fn fetch_moment(
    database: &Database,
    moment: &MomentPlan,
    mut staged: StagedFile,
    settings: &RestoreSettings,
) -> Result<FetchedFile, Error> {
    let key = database.repository().hash_key().clone();
    let path = staged.path().to_owned();
    let cleared = off_thread(move || {
        staged.keep(false);
        staged.clear().map(|()| staged)
    });
    let staged = cleared.await.map_err(|source| Error::Path { path, source })?;
    let mut options = RestoreOptions::default();
    options.progress.clone_from(&settings.progress);
    let (staged, report) = database.restore_moment(moment, staged, &options).await?;
    let check = settings.check;
    let proven = off_thread(move || prove(staged, &key, &report.image_digest, check)).await?;
    let restored = RestoredMoment {
        commit: moment.commit,
        seen_at: moment.seen_at,
        commits: report.commits,
        segments: report.segments,
        geometry: report.geometry,
        image_digest: report.image_digest,
    };
    let bytes_fetched = report.bytes_fetched;
    let moment = Some(restored);
    Ok(FetchedFile { proven, bytes_fetched, bytes_kept: 0, resumed: false, moment })
}

/// Reads a staged file again, and has SQLite check it if that is wanted. Blocks.
fn prove(
    staged: StagedFile,
    key: &HashKey,
    digest: &Digest,
    check: bool,
) -> Result<ProvenFile, Error> {
    let proven = staged.prove(key, digest)?;
    if check {
        let report = proven.check()?;
        if !report.is_ok() {
            return Err(Error::Unsound { report });
        }
    }
    Ok(proven)
}

/// Fetches what neither the database at `present` holds nor an earlier attempt
/// left, proves all of it, and has it checked.
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
    let resumed = staged.is_resumed() && in_packs;
    let present = present.filter(|path| in_packs && path.exists());
    let (mut staged, held) = {
        let (present, key) = (present.map(Path::to_owned), key.clone());
        off_thread(move || begin(staged, present.as_deref(), in_packs, geometry, &key)).await?
    };
    // What was fetched until then is worth something to the next attempt.
    staged.keep(in_packs);
    let staged = Lent(Arc::new(Mutex::new(staged)));
    let mut options = RestoreOptions::default();
    options.progress.clone_from(&settings.progress);
    let restored = database.restore_over(snapshot, staged.clone(), held, &options).await;
    let report = match restored {
        Ok((lent, report)) => {
            drop(lent);
            report
        }
        Err(error) => {
            staged.lock().keep(in_packs && is_of_the_line(&error));
            return Err(error.into());
        }
    };
    let staged = Arc::into_inner(staged.0).expect("what it was lent to has ended");
    let staged = staged.into_inner().unwrap_or_else(PoisonError::into_inner);
    let (digest, check) = (snapshot.body().image_digest, settings.check);
    let proven = off_thread(move || prove(staged, &key, &digest, check)).await?;
    let bytes_kept = report.blocks_kept * u64::from(geometry.block_size());
    let bytes_fetched = report.bytes_fetched;
    Ok(FetchedFile { proven, bytes_fetched, bytes_kept, resumed, moment: None })
}

/// Has a staged file hold what there is already. Blocks.
fn begin(
    mut staged: StagedFile,
    present: Option<&Path>,
    in_packs: bool,
    geometry: Geometry,
    key: &HashKey,
) -> Result<(StagedFile, Option<Held>), Error> {
    let held = match present {
        Some(present) => staged
            .begin_with(present, geometry, key)
            .map(Some)
            .map_err(|source| Error::Path { path: present.to_owned(), source })?,
        None if staged.is_resumed() => {
            let path = staged.path().to_owned();
            let io = |source| Error::Path { path, source };
            if in_packs {
                Some(staged.begin_again(geometry, key).map_err(io)?)
            } else {
                // An archive is one stream, and written from its beginning.
                staged.clear().map_err(io)?;
                None
            }
        }
        None => None,
    };
    Ok((staged, held.map(comparing)))
}

/// Whether the store failed, and neither what it holds nor the disk.
fn is_of_the_line(error: &RestoreError<StageError>) -> bool {
    matches!(error, RestoreError::Read(error) if !error.is_damage())
}

/// A staged file that is still here when whoever writes it fails.
#[derive(Clone)]
struct Lent(Arc<Mutex<StagedFile>>);

impl Lent {
    fn lock(&self) -> MutexGuard<'_, StagedFile> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PageSink for Lent {
    type Error = StageError;

    fn begin(&mut self, geometry: Geometry) -> Result<(), StageError> {
        self.lock().begin(geometry)
    }

    fn blocks(&mut self, first: BlockNo, data: &[u8]) -> Result<(), StageError> {
        self.lock().blocks(first, data)
    }
}

/// Puts a file over what is at its target. Blocks.
pub(crate) fn replace(proven: ProvenFile) -> Result<Replaced, Error> {
    replace_if(proven, false)
}

/// Puts a file over what is at its target; if that is said, only where nobody has it
/// open. Blocks.
pub(crate) fn replace_if(proven: ProvenFile, alone: bool) -> Result<Replaced, Error> {
    let path = proven.target().to_owned();
    let mut options = ReplaceOptions::fresh().map_err(|source| Error::Path { path, source })?;
    options.alone = alone;
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
