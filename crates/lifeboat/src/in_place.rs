//! Restoring a snapshot over the database that it was taken of, while it may be
//! in use, and taking that back.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use lifeboat_format::numbers::RecordNo;
use lifeboat_format::record::{SnapshotBody, Trigger};
use lifeboat_repository::{Database, Progress, Selector, Snapshot};
use lifeboat_snapshot::{Replaced, StagedFile, is_no_database, stage_undo, undo_target};

use crate::destination::Destination;
use crate::error::Error;
use crate::restore::{
    PlannedRestore, RestoreReport, RestoreSettings, fetch, off_thread, replace, replace_if,
};
use crate::take::{BackupReport, BackupSettings};

/// Which database is to be replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Place {
    /// The one that the snapshot was taken of.
    Origin,
    /// This one; refused if the snapshot was taken of another.
    Its(PathBuf),
    /// This one, whatever the snapshot was taken of.
    Any(PathBuf),
}

/// How a database is restored in place.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct InPlaceSettings {
    /// Do without `integrity_check` and `foreign_key_check` of the new database.
    pub skip_check: bool,
    /// Replace the database only where it is known that nobody has it open.
    pub alone: bool,
    /// The newest record that is meant, where it is not the highest seen.
    pub expect: Option<u64>,
    /// Who listens.
    pub progress: Option<Arc<dyn Progress>>,
}

impl std::fmt::Debug for InPlaceSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("InPlaceSettings")
            .field("skip_check", &self.skip_check)
            .finish_non_exhaustive()
    }
}

/// The snapshot of what was there before.
#[derive(Debug)]
#[non_exhaustive]
pub enum Safety {
    /// There was nothing.
    NothingThere,
    /// What was there is no SQLite database.
    NotADatabase,
    /// It was taken, or the latest was of that state already.
    Taken(Box<BackupReport>),
    /// It could not be taken. Nothing is lost by that: the old database is set
    /// aside whole.
    Failed(Box<Error>),
}

/// What was restored in place.
#[derive(Debug)]
#[non_exhaustive]
pub struct InPlaceReport {
    /// What was restored.
    pub restored: RestoreReport,
    /// Where to.
    pub target: PathBuf,
    /// The snapshot of what was there before.
    pub safety: Safety,
    /// How the database was replaced, and where the old one lies now.
    pub replaced: Replaced,
    /// What people are shown of the destination that it came from.
    pub destination: String,
}

impl Destination {
    /// Restores a snapshot over a database, which may be in use. A snapshot of
    /// what is there is taken first, if that is possible; in any case the old
    /// database is set aside beside the new one. What it holds already is not
    /// fetched. `announce` is told which snapshot it is, and the path.
    ///
    /// `latest` means the latest that is no safety snapshot of an earlier
    /// restore: a restore that was interrupted does the same again when it is
    /// run again.
    ///
    /// Cancelled or killed at any point, there is one whole database at the
    /// path: the old one or the new one.
    pub async fn restore_in_place(
        &self,
        name: &str,
        selector: &Selector,
        place: &Place,
        settings: &InPlaceSettings,
        announce: impl FnOnce(&Snapshot, &Path),
    ) -> Result<InPlaceReport, Error> {
        let database = self.database(name)?;
        let snapshot = choose(&database, selector, settings.expect).await?;
        let target = target(place, snapshot.body())?;
        // Staged first: what stands in the way is said before anything is read.
        let staged = StagedFile::resume_beside(&target)?;
        announce(&snapshot, &target);
        let safety = self.safety(name, &target, settings).await;
        let restoring = RestoreSettings {
            check: !settings.skip_check,
            progress: settings.progress.clone(),
            ..RestoreSettings::default()
        };
        let fetched = fetch(&database, &snapshot, staged, Some(&target), &restoring).await?;
        let proven = fetched.proven;
        let alone = settings.alone;
        let replaced = off_thread(move || replace_if(proven, alone)).await?;
        let restored = RestoreReport {
            snapshot_id: snapshot.id().clone(),
            number: snapshot.number(),
            body: snapshot.body().clone(),
            bytes_fetched: fetched.bytes_fetched,
            bytes_kept: fetched.bytes_kept,
            resumed: fetched.resumed,
            from_elsewhere: database.from_elsewhere(),
            checked: restoring.check,
            replaced: Some(replaced.clone()),
        };
        let destination = self.shown().to_owned();
        Ok(InPlaceReport { restored, target, safety, replaced, destination })
    }

    /// Says what a restore in place would take, and restores nothing.
    pub async fn plan_in_place(
        &self,
        name: &str,
        selector: &Selector,
        place: &Place,
        expect: Option<u64>,
    ) -> Result<PlannedRestore, Error> {
        let database = self.database(name)?;
        let snapshot = choose(&database, selector, expect).await?;
        let target = target(place, snapshot.body())?;
        self.plan_of(&database, snapshot, &target).await
    }

    /// A snapshot of what is there, as far as that is possible.
    async fn safety(&self, name: &str, target: &Path, settings: &InPlaceSettings) -> Safety {
        let path = target.to_owned();
        let found = off_thread(move || {
            let present = std::fs::symlink_metadata(&path).is_ok();
            (present, present && is_no_database(&path))
        });
        match found.await {
            (false, _) => return Safety::NothingThere,
            (_, true) => return Safety::NotADatabase,
            _ => {}
        }
        let backup = BackupSettings {
            name: Some(name.to_owned()),
            trigger: Trigger::Safety,
            expect: settings.expect,
            progress: settings.progress.clone(),
            ..BackupSettings::default()
        };
        match self.backup(target, &backup).await {
            Ok(report) => Safety::Taken(Box::new(report)),
            Err(error) => Safety::Failed(Box::new(error)),
        }
    }
}

/// Brings back a database that a restore set aside; what is there now is set
/// aside in turn. Needs no repository. Returns the path of the database.
pub async fn undo(aside: &Path) -> Result<(PathBuf, Replaced), Error> {
    let aside = aside.to_owned();
    off_thread(move || {
        let target = undo_target(&aside)?;
        let proven = stage_undo(&aside)?;
        Ok((target, replace(proven)?))
    })
    .await
}

/// The snapshot that is meant, which for `latest` is none that a restore took.
async fn choose(
    database: &Database,
    selector: &Selector,
    expect: Option<u64>,
) -> Result<Snapshot, Error> {
    let expect = expect.map(RecordNo);
    let snapshot = database.resolve(selector, expect).await?;
    if *selector != Selector::Latest(0) || snapshot.body().trigger != Trigger::Safety {
        return Ok(snapshot);
    }
    let mut listing = database.snapshots(expect).await?.snapshots;
    listing.retain(|snapshot| snapshot.body().trigger != Trigger::Safety);
    Ok(listing.pop().unwrap_or(snapshot))
}

/// Where a snapshot goes.
fn target(place: &Place, body: &SnapshotBody) -> Result<PathBuf, Error> {
    let origin = Path::new(&body.origin);
    let path = match place {
        Place::Any(path) => return canonical(path),
        Place::Its(path) => canonical(path)?,
        Place::Origin => {
            // A name that is not UTF-8 is not known exactly.
            if !origin.is_absolute() || body.origin.contains(char::REPLACEMENT_CHARACTER) {
                return Err(Error::NoOrigin { origin: body.origin.clone() });
            }
            canonical(origin)?
        }
    };
    if path.to_string_lossy() != body.origin {
        return Err(Error::OtherOrigin { path, origin: body.origin.clone() });
    }
    Ok(path)
}

/// The path of a file that need not exist, without links.
pub(crate) fn canonical(path: &Path) -> Result<PathBuf, Error> {
    let io = |source| Error::Path { path: path.to_owned(), source };
    match std::fs::canonicalize(path) {
        // A link to nowhere is there all the same.
        Err(e)
            if e.kind() == std::io::ErrorKind::NotFound
                && std::fs::symlink_metadata(path).is_err() =>
        {
            let absolute = std::path::absolute(path).map_err(io)?;
            match (absolute.parent(), absolute.file_name()) {
                (Some(folder), Some(name)) => {
                    Ok(std::fs::canonicalize(folder).map_err(io)?.join(name))
                }
                _ => Err(io(e)),
            }
        }
        found => found.map_err(io),
    }
}
