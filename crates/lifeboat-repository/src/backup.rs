//! Taking a snapshot: plan, capture, upload, commit.
//!
//! The record is written last. Cancelled or killed at any earlier point, the
//! repository has some packs that no record names: the next run uses them
//! again, or a collection removes them.

mod base;
mod buffers;
mod commit;
mod encoders;
mod known;
mod parent;
mod queue;
mod sink;
mod upload;

pub(crate) use base::{older, plan_of};
pub(crate) use commit::describe;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use lifeboat_format::attached::Attachments;
use lifeboat_format::geometry::{BlockNo, Geometry};
use lifeboat_format::id::SnapshotId;
use lifeboat_format::numbers::RecordNo;
use lifeboat_format::record::{Record, SnapshotBody, SqliteFacts, Trigger};
use lifeboat_format::source::PageSource;

use crate::attached::Attach;
use crate::error::{BackupError, WriteError};
use crate::following::{Follower, Following};
use crate::log::Head;
use crate::ownership::Ownership;
use crate::progress::{Listener, Progress};
use crate::repository::Database;

/// How often a backup begins anew when others commit meanwhile.
pub(crate) const MAX_TRIES: u32 = 8;

/// How a snapshot is taken.
#[derive(Clone)]
#[non_exhaustive]
pub struct BackupOptions {
    /// The canonical path of the database, as text.
    pub origin: String,
    /// What made the snapshot be taken.
    pub trigger: Trigger,
    /// What a person wrote of it.
    pub description: Option<String>,
    /// Names and values.
    pub tags: BTreeMap<String, String>,
    /// Send every page, whatever is known.
    pub full: bool,
    /// Commit a record also where nothing changed. No page is sent for it.
    pub always: bool,
    /// What to do where another installation owns the database.
    pub ownership: Ownership,
    /// The newest record that is meant, where it is not the highest seen.
    pub expect: Option<RecordNo>,
    /// The zstd level.
    pub level: i32,
    /// How much disk packs may take that wait for their upload, in bytes; by
    /// default a quarter of what is free.
    pub spool_limit: Option<u64>,
    /// How long objects that no record names are safe from collection. Uploads
    /// that take longer than a quarter of it write partial records.
    pub grace: Duration,
    /// Note which blocks changed, for the caller.
    pub note_changes: bool,
    /// Who listens.
    pub progress: Option<Arc<dyn Progress>>,
    /// Who follows the database commit by commit: what the snapshot is a base for.
    pub following: Option<Arc<dyn Following>>,
    /// Who knows which files belong to the snapshot, where some do.
    pub attach: Option<Arc<dyn Attach>>,
}

impl BackupOptions {
    /// The usual way, for the database at a canonical path.
    pub fn new(origin: impl Into<String>) -> Self {
        Self {
            origin: origin.into(),
            trigger: Trigger::Manual,
            description: None,
            tags: BTreeMap::new(),
            full: false,
            always: false,
            ownership: Ownership::default(),
            expect: None,
            level: 3,
            spool_limit: None,
            grace: Duration::from_secs(24 * 3600),
            note_changes: false,
            progress: None,
            following: None,
            attach: None,
        }
    }
}

impl BackupOptions {
    pub(crate) fn follower(&self) -> Option<Follower> {
        self.following.clone().map(Follower)
    }
}

impl std::fmt::Debug for BackupOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BackupOptions").field("origin", &self.origin).finish_non_exhaustive()
    }
}

/// What a backup did.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct BackupReport {
    /// The snapshot that holds the image: a new one, or, if nothing changed,
    /// the one that was there.
    pub snapshot_id: SnapshotId,
    /// The number of its record.
    pub number: RecordNo,
    /// Nothing changed, and nothing was written.
    pub unchanged: bool,
    /// The shape of the image.
    pub geometry: Geometry,
    /// What SQLite's header says of the database.
    pub sqlite: SqliteFacts,
    /// The snapshot that this one was compared with.
    pub parent: Option<SnapshotId>,
    /// How many pages changed since then.
    pub pages_changed: u64,
    /// How many pages were sent again though they did not change, so that packs
    /// could be dropped.
    pub pages_resent: u64,
    /// How many packs hold the image.
    pub packs_listed: u64,
    /// How many packs of the parent this snapshot does without.
    pub packs_dropped: u64,
    /// So much changed since the parent that none of its packs is used any more.
    pub new_base: bool,
    /// The runs of blocks that changed, if they were to be noted.
    pub changed: Vec<(BlockNo, u32)>,
    /// The database was vacuumed since then: most pages moved.
    pub vacuumed: bool,
    /// How many bytes of the database and its WAL were read.
    pub bytes_read: u64,
    /// The sizes of all objects put, in bytes.
    pub bytes_sent: u64,
    /// How many objects were put.
    pub objects_written: u64,
    /// Packs of an interrupted run that were used again.
    pub packs_resumed: u64,
    /// The database had another owner here before.
    pub adopted_from: Option<String>,
    /// Records that are damaged and were passed over.
    pub damaged_records: Vec<RecordNo>,
    /// Packs and lists that are damaged or missing, by their keys relative to the
    /// database. This snapshot does without them; older ones may need them.
    pub damaged_objects: Vec<String>,
    /// The name of the archive, if the snapshot is one.
    pub archive: Option<String>,
    /// The files that the snapshot has beside the database, if it has any.
    pub attachments: Option<Attachments>,
}

impl BackupReport {
    /// Of a snapshot that was taken without being compared with another.
    pub(crate) fn of_new(body: &SnapshotBody, number: RecordNo, geometry: Geometry) -> Self {
        Self {
            snapshot_id: body.snapshot_id.clone(),
            number,
            unchanged: false,
            geometry,
            sqlite: body.sqlite.clone(),
            parent: None,
            pages_changed: body.statistics.pages_changed,
            pages_resent: 0,
            packs_listed: 0,
            packs_dropped: 0,
            new_base: false,
            changed: Vec::new(),
            vacuumed: false,
            bytes_read: body.statistics.bytes_read,
            bytes_sent: body.statistics.bytes_sent,
            objects_written: 0,
            packs_resumed: 0,
            adopted_from: None,
            damaged_records: Vec::new(),
            damaged_objects: Vec::new(),
            archive: None,
            attachments: None,
        }
    }
}

/// The source comes back to the caller, with what was done.
#[derive(Debug)]
pub struct Backup<S> {
    /// The source, which may know more of the image now.
    pub source: S,
    /// What was done.
    pub report: BackupReport,
}

impl Database {
    /// Takes a snapshot of a database, unless nothing changed since the last.
    ///
    /// Cancelled, it leaves at most packs that no record names; the next run
    /// uses them.
    pub async fn backup<S: PageSource + 'static>(
        &self,
        mut source: S,
        mut options: BackupOptions,
    ) -> Result<Backup<S>, BackupError<S::Error>> {
        // Whose it is from now on, and which file it is of, is for a record to say.
        options.always |= matches!(options.ownership, Ownership::TakeOver(_));
        let listener = Listener(options.progress.clone());
        let mut head = self.head(options.expect).await?;
        let damaged_records = head.burnt.clone();
        let follower = options.follower();
        if follower.is_some() {
            self.check_can_keep_log()?;
        }
        if let Err(error) = self.check_origin(&head, &options).await {
            // Who has it matters more than which file it is of.
            if options.ownership == Ownership::Refuse {
                self.own(&mut head, &Ownership::Refuse).await?;
            }
            return Err(error.into());
        }
        let adopted_from = self.own(&mut head, &options.ownership).await?;
        for attempt in 0..MAX_TRIES {
            if attempt > 0 {
                self.advance(&mut head).await?;
                // Whoever took over meanwhile has won, whatever the options say.
                self.own(&mut head, &Ownership::Refuse).await?;
            }
            let base = self.base(&head, options.full, &listener).await?;
            let fingerprint;
            (source, fingerprint) = upload::fingerprint(source).await?;
            let known = base.unchanged(fingerprint.as_ref()).filter(|_| {
                !options.always && !follower.as_ref().is_some_and(|f| f.opens_after(&head))
            });
            let mut report = if let Some(report) = known {
                report
            } else {
                let (back, result) = self.send(source, base, &mut head, &options, &listener).await;
                source = back;
                match result? {
                    Some(report) => report,
                    None => continue,
                }
            };
            if !report.unchanged {
                self.sweep_leftovers().await;
            }
            report.damaged_records.splice(..0, damaged_records);
            report.adopted_from = adopted_from.map(|owner| owner.to_string());
            return Ok(Backup { source, report });
        }
        Err(WriteError::Contention { tries: MAX_TRIES }.into())
    }
}

impl Database {
    /// Two databases under one name would take turns in one history: snapshots
    /// of another path are refused, unless the newest record is named.
    pub(crate) async fn check_origin(
        &self,
        head: &Head,
        options: &BackupOptions,
    ) -> Result<(), WriteError> {
        let (Some(latest), Some(number)) = (head.state().latest, head.newest) else {
            return Ok(());
        };
        if options.ownership == Ownership::TakeOver(number) {
            return Ok(());
        }
        let record = match self.record_below(head, latest.number).await {
            Ok(record) => record,
            // Nobody knows what it was taken of; the owner is the same.
            Err(error) if error.is_lost_record() => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        match record.body.as_ref().map(|body| &body.origin) {
            Some(there) if *there != options.origin => {
                let (here, there) = (options.origin.clone(), there.clone());
                Err(WriteError::OtherOrigin { here, there, number })
            }
            _ => Ok(()),
        }
    }
}

/// Whether the records that others wrote meanwhile leave this image the newest.
pub(crate) fn is_overtaken(news: &[Arc<Record>], taken_at: time::OffsetDateTime) -> bool {
    news.iter().filter_map(|record| record.body.as_ref()).any(|body| body.taken_at >= taken_at)
}
