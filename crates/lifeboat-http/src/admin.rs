//! Whoever makes the backups, as the interface sees them.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use tokio::sync::broadcast;

use crate::model::{
    BackUp, BackupResult, Change, CheckResult, DatabaseInfo, DestinationInfo, Disabled,
    DrillResult, Happening, HealthInfo, RepairResult, Restore, RestorePlan, RestoreResult,
    SettingInfo, SnapshotDetail, SnapshotInfo, TablesResult, TrashInfo,
};
use crate::problem::Problem;

/// Whoever makes the backups. Names of databases and snapshots were checked for
/// their form, nothing else; whoever asks was checked for the role.
///
/// A future that is dropped must leave nothing that a later run does not clear
/// away.
#[async_trait]
pub trait Admin: Send + Sync + 'static {
    /// Why backups are not made here, if they are not.
    fn disabled(&self) -> Option<Disabled>;

    /// The databases.
    async fn databases(&self) -> Result<Vec<DatabaseInfo>, Problem>;

    /// One of them.
    async fn database(&self, database: &str) -> Result<DatabaseInfo, Problem>;

    /// How all databases are, the worst first.
    async fn health(&self) -> Result<Vec<HealthInfo>, Problem>;

    /// The snapshots of a database, the newest first.
    async fn snapshots(&self, database: &str) -> Result<Vec<SnapshotInfo>, Problem>;

    /// The trash of a database, the newest first.
    async fn trash(&self, database: &str) -> Result<Vec<TrashInfo>, Problem>;

    /// One snapshot: `latest`, an id, or a prefix of one that is unique.
    async fn snapshot(&self, database: &str, snapshot: &str) -> Result<SnapshotDetail, Problem>;

    /// Counts the rows of a snapshot and of the one before it.
    async fn tables(
        &self,
        database: &str,
        snapshot: &str,
        watch: &Watch,
    ) -> Result<TablesResult, Problem>;

    /// Makes a backup, or waits for the one that runs.
    async fn back_up(
        &self,
        database: &str,
        wanted: &BackUp,
        watch: &Watch,
    ) -> Result<BackupResult, Problem>;

    /// Whether a backup can be dropped half-way, without one by the schedule
    /// being dropped as well.
    fn can_cancel_backups(&self) -> bool {
        false
    }

    /// Says what a restore would do.
    async fn plan_restore(
        &self,
        database: &str,
        snapshot: &str,
        wanted: &Restore,
    ) -> Result<RestorePlan, Problem>;

    /// Restores.
    async fn restore(
        &self,
        database: &str,
        snapshot: &str,
        wanted: &Restore,
        watch: &Watch,
    ) -> Result<RestoreResult, Problem>;

    /// Restores a snapshot to a file that is only for a download.
    async fn fetch(
        &self,
        database: &str,
        snapshot: &str,
        watch: &Watch,
    ) -> Result<Fetched, Problem>;

    /// Forgets, brings back, pins or unpins a snapshot.
    async fn change(
        &self,
        database: &str,
        snapshot: &str,
        change: Change,
    ) -> Result<String, Problem>;

    /// Checks what is stored of a database.
    async fn check(
        &self,
        database: &str,
        read_data: bool,
        watch: &Watch,
    ) -> Result<CheckResult, Problem>;

    /// Restores the latest snapshot to scratch and tests it.
    async fn drill(&self, database: &str, watch: &Watch) -> Result<DrillResult, Problem>;

    /// Mends what can be mended, or only says so.
    async fn repair(
        &self,
        database: &str,
        apply: bool,
        watch: &Watch,
    ) -> Result<RepairResult, Problem>;

    /// The destinations, and whether they work.
    async fn destinations(&self) -> Result<Vec<DestinationInfo>, Problem>;

    /// The settings, secrets masked.
    async fn configuration(&self) -> Result<Vec<SettingInfo>, Problem>;

    /// What happens, from now on.
    fn happenings(&self) -> broadcast::Receiver<Happening>;

    /// The text of `/metrics`, if there is one.
    async fn metrics(&self) -> Option<String> {
        None
    }

    /// Where objects come from that are handed on under `/objects`, if any are.
    fn objects(&self) -> Option<Arc<dyn Objects>> {
        None
    }
}

/// A snapshot as a file of its own. Whoever drops it removes the file.
pub struct Fetched {
    /// The file, open. It is read from its beginning.
    pub file: std::fs::File,
    /// What it is.
    pub snapshot_id: String,
    /// Its size.
    pub size: u64,
    /// What says that two downloads are the same bytes.
    pub etag: String,
    /// Kept until nobody reads any more; removes the file.
    pub keep: Box<dyn Send + Sync>,
}

impl fmt::Debug for Fetched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fetched").field("snapshot_id", &self.snapshot_id).finish_non_exhaustive()
    }
}

/// Objects of a store, to be handed on.
#[async_trait]
pub trait Objects: Send + Sync + 'static {
    /// What an object is, or `None` if there is none.
    async fn stat(&self, key: &str) -> Result<Option<ObjectFacts>, Problem>;

    /// The bytes of an object that `stat` spoke of, from one offset to before
    /// another. An object that is no longer the same is an error.
    async fn read(
        &self,
        key: &str,
        facts: &ObjectFacts,
        range: std::ops::Range<u64>,
    ) -> Result<BoxStream<'static, std::io::Result<Bytes>>, Problem>;
}

/// What is known of an object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ObjectFacts {
    /// Its size.
    pub size: u64,
    /// What the store calls these bytes, without quotes.
    pub etag: Option<String>,
    /// What kind of content it is.
    pub content_type: Option<String>,
    /// When it was stored.
    pub modified: Option<SystemTime>,
    /// Which side has it.
    pub provider: Option<String>,
}

/// What running work tells.
#[derive(Clone)]
pub struct Watch(Arc<dyn Fn(Step) + Send + Sync>);

/// A step of running work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Something else begins, in words, of so many bytes.
    Phase(&'static str, Option<u64>),
    /// So many more bytes are done.
    Done(u64),
}

impl Watch {
    /// Tells it to somebody, who must be quick.
    pub fn new(listener: impl Fn(Step) + Send + Sync + 'static) -> Self {
        Self(Arc::new(listener))
    }

    /// Tells nobody.
    pub fn nobody() -> Self {
        Self::new(|_| {})
    }

    /// Tells a step.
    pub fn tell(&self, step: Step) {
        (self.0)(step);
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Watch")
    }
}
