//! Backing a database up: the live database and the repository put together.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lifeboat_format::record::Trigger;
use lifeboat_repository::{BackupOptions, BackupReport as Stored, Following, Ownership, Progress};
use lifeboat_snapshot::{ChangedObject, LiveDatabase, Notice, OpenOptions, default_name};

use crate::destination::Destination;
use crate::error::Error;
use crate::media::{Media, MediaReport};

/// How a database is backed up.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct BackupSettings {
    /// Its name in the repository; by default the stem of its file name.
    pub name: Option<String>,
    /// What made the snapshot be taken.
    pub trigger: Trigger,
    /// What a person wrote of it.
    pub description: Option<String>,
    /// Names and values.
    pub tags: BTreeMap<String, String>,
    /// Send every page, whatever is known.
    pub full: bool,
    /// Store the snapshot as one file.
    pub archive: bool,
    /// Record a snapshot also where nothing changed since the last, because of
    /// what is said of it. No page is sent twice.
    pub always: bool,
    /// Say which tables the changed pages belong to.
    pub explain: bool,
    /// The newest record, to be taken over from another installation.
    pub take_over: Option<u64>,
    /// Take it over from whichever installation owns it: for single containers
    /// that keep no state.
    pub adopt: bool,
    /// Leave it to another installation that owns it, also in a plain directory,
    /// where a new machine takes over by itself.
    pub never_adopt: bool,
    /// The newest record that is meant, where it is not the highest seen.
    pub expect: Option<u64>,
    /// How much work is put into making it small.
    pub compression: Compression,
    /// How the database is read.
    pub source: OpenOptions,
    /// The files that are kept with it; by default what the settings of the
    /// destinations ask for.
    pub media: Option<Arc<Media>>,
    /// Who listens.
    pub progress: Option<Arc<dyn Progress>>,
    /// Who follows the database meanwhile.
    pub(crate) following: Option<FollowedBy>,
}

/// Who follows a database commit by commit.
#[derive(Clone)]
pub(crate) struct FollowedBy {
    /// It says where an image stands in the log.
    pub(crate) following: Arc<dyn Following>,
    /// The position of the destination that has the log. Snapshots that go elsewhere
    /// know nothing of it.
    pub(crate) at: usize,
}

/// How much work is put into making backups small. A snapshot may differ in that
/// from the one before: what is there already stays as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Compression {
    /// To be done soon: zstd level 1.
    Fast,
    /// Little time for most of what can be saved: zstd level 3.
    #[default]
    Balanced,
    /// To store and send as little as can be: zstd level 12.
    Small,
}

impl Compression {
    fn level(self) -> i32 {
        match self {
            Self::Fast => 1,
            Self::Balanced => 3,
            Self::Small => 12,
        }
    }
}

impl std::fmt::Debug for BackupSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BackupSettings").field("name", &self.name).finish_non_exhaustive()
    }
}

/// What a backup did.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct BackupReport {
    /// The name of the database in the repository.
    pub name: String,
    /// What was stored; its fields are reached directly as well.
    pub stored: Stored,
    /// What a person should know of the database.
    pub notices: Vec<Notice>,
    /// Which tables changed, if that was asked for.
    pub explanation: Option<Explanation>,
    /// What became of the files beside the database, where some are kept.
    pub media: Option<MediaReport>,
}

impl Deref for BackupReport {
    type Target = Stored;

    fn deref(&self) -> &Stored {
        &self.stored
    }
}

/// Which tables and indexes the changed pages belong to.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Explanation {
    /// Those with the most changed pages first.
    Objects(Vec<ChangedObject>),
    /// It cannot be told, and why.
    Unavailable(String),
}

impl Destination {
    /// Backs up the database at a path, unless it has not changed.
    ///
    /// Cancelled, it leaves at most packs that no record names; the next run
    /// uses them.
    pub async fn backup(
        &self,
        path: &Path,
        settings: &BackupSettings,
    ) -> Result<BackupReport, Error> {
        let source = self.open_source(path, settings).await?;
        self.backup_source(source, path, settings).await
    }

    /// Opens a database to be backed up here, and touches nothing here. What
    /// is wrong with a source is known before a destination is asked.
    pub async fn open_source(
        &self,
        path: &Path,
        settings: &BackupSettings,
    ) -> Result<LiveDatabase, Error> {
        open_source(path, self.repository().local().cache_dir()?, settings).await
    }

    /// Backs up a database that was opened before.
    pub async fn backup_source(
        &self,
        source: LiveDatabase,
        path: &Path,
        settings: &BackupSettings,
    ) -> Result<BackupReport, Error> {
        let name = settings.name.clone().unwrap_or_else(|| default_name(path));
        let database = self.database(&name)?;
        let mut options = self.options(source.path(), settings);
        let media = settings.media.as_deref();
        if let Some(media) = &settings.media {
            options.attach = Some(Arc::clone(media) as Arc<dyn lifeboat_repository::Attach>);
            // What could not be copied then is, though no page has changed.
            let there = database.attachments_now(options.expect).await?;
            options.always |= there.is_none_or(|there| there.pending > 0);
            if settings.archive {
                media.all_at_once();
            }
        }
        let done = if settings.archive {
            database.archive(source, options.clone()).await?
        } else {
            database.backup(source, options.clone()).await?
        };
        let (mut source, mut stored) = (done.source, done.report);
        while !stored.unchanged && !settings.archive && media.is_some_and(Media::goes_on) {
            let mut options = options.clone();
            (options.always, options.full) = (true, false);
            (options.expect, options.ownership) = (None, Ownership::Refuse);
            let more = database.backup(source, options).await?;
            source = more.source;
            stored.bytes_sent += more.report.bytes_sent;
            stored.objects_written += more.report.objects_written;
            stored.attachments = more.report.attachments;
            (stored.snapshot_id, stored.number) = (more.report.snapshot_id, more.report.number);
        }
        let media = media.filter(|_| !stored.unchanged).map(Media::report);
        let explain = settings.explain && !stored.unchanged && !settings.archive;
        let (source, explanation) =
            if explain { explain_changes(source, &stored).await } else { (source, None) };
        let notices = source.notices().to_vec();
        drop_off_thread(source).await;
        Ok(BackupReport { name, stored, notices, explanation, media })
    }

    fn options(&self, path: &Path, settings: &BackupSettings) -> BackupOptions {
        let mut options = BackupOptions::new(path.to_string_lossy());
        options.trigger = settings.trigger;
        options.description.clone_from(&settings.description);
        options.tags.clone_from(&settings.tags);
        options.full = settings.full;
        options.always = settings.always;
        options.note_changes = settings.explain;
        options.level = settings.compression.level();
        options.progress.clone_from(&settings.progress);
        options.following = settings.following.as_ref().map(|one| Arc::clone(&one.following));
        options.expect = settings.expect.map(lifeboat_format::numbers::RecordNo);
        options.ownership = match settings.take_over {
            Some(number) => Ownership::TakeOver(lifeboat_format::numbers::RecordNo(number)),
            // A plain local directory has one user: who comes with a new
            // installation there is that user with a new machine.
            None if (self.is_local() || settings.adopt) && !settings.never_adopt => {
                Ownership::Adopt
            }
            None => Ownership::Refuse,
        };
        options
    }
}

/// SQLite blocks: this is the one place where a live database is reached from
/// async code, apart from the capture itself.
async fn off_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

/// Opens a database to be backed up. What is read of one in a rollback journal
/// mode waits in the cache directory, which is on a disk of the user's choice.
pub async fn open_source(
    path: &Path,
    cache_dir: &Path,
    settings: &BackupSettings,
) -> Result<LiveDatabase, Error> {
    let mut options = settings.source.clone();
    options.spool_dir.get_or_insert_with(|| cache_dir.to_owned());
    let path: PathBuf = path.to_owned();
    Ok(off_thread(move || LiveDatabase::open(&path, &options)).await?)
}

async fn drop_off_thread(source: LiveDatabase) {
    off_thread(move || drop(source)).await;
}

async fn explain_changes(
    mut source: LiveDatabase,
    stored: &Stored,
) -> (LiveDatabase, Option<Explanation>) {
    let (changed, geometry) = (stored.changed.clone(), stored.geometry);
    off_thread(move || {
        let explanation = match source.explain(&changed, geometry) {
            Ok(objects) => Explanation::Objects(objects),
            Err(error) => Explanation::Unavailable(error.to_string()),
        };
        (source, Some(explanation))
    })
    .await
}
