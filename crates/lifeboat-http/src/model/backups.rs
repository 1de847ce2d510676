//! Databases, snapshots, and backups that are made.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Moment;

/// Why backups are not made here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Disabled {
    /// Why.
    pub reason: String,
    /// What protects the data instead, and what to do about it.
    pub hint: String,
}

/// How a database is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// It can be restored, to a moment that is recent enough.
    Healthy,
    /// It can be restored, and somebody should look.
    Warning,
    /// What would be lost now is more than was agreed to.
    Critical,
}

/// How a database is, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HealthInfo {
    /// The name in the repository.
    pub database: String,
    /// How it is.
    pub status: Level,
    /// Why, in words, the worst first; empty if all is well.
    pub reasons: Vec<String>,
    /// When the newest state that can be restored was the state.
    pub last_backup: Option<Moment>,
    /// When the next backup is due.
    pub next_scheduled: Option<Moment>,
}

/// A database that is backed up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DatabaseInfo {
    /// The name in the repository.
    pub database: String,
    /// How it is, and why.
    pub health: HealthInfo,
    /// What is done with it now: `backup`, `check` and so on; else `null`.
    pub running: Option<String>,
    /// How many snapshots there are.
    pub snapshots: u64,
    /// The size of the database in its latest snapshot.
    pub size: Option<u64>,
    /// What was sent for all its snapshots.
    pub stored_bytes: u64,
    /// The latest snapshot.
    pub latest: Option<String>,
    /// When its data was last read and proven.
    pub verified_at: Option<Moment>,
    /// When a restore was last drilled, with success.
    pub drilled_at: Option<Moment>,
    /// Where its latest snapshot lies.
    pub destinations: Vec<String>,
    /// The schedule, in words; `null` if there is none.
    pub schedule: Option<String>,
    /// Size and change over time, the oldest first; at most 90.
    pub history: Vec<Point>,
}

/// A snapshot in a chart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Point {
    /// When it was taken.
    pub taken_at: Moment,
    /// The size of the database.
    pub size: u64,
    /// What was sent for it.
    pub bytes_added: u64,
}

/// A snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SnapshotInfo {
    /// The name in the repository.
    pub database: String,
    /// What identifies it everywhere.
    pub snapshot_id: String,
    /// The number of its record at the destination.
    pub sequence: u64,
    /// One more than the highest its writer had seen.
    pub generation: u64,
    /// When the read that fixed its content began.
    pub taken_at: Moment,
    /// Of the database file.
    pub size: u64,
    /// What was sent for it, its record apart.
    pub bytes_added: u64,
    /// Pages that changed since the snapshot before.
    pub pages_changed: u64,
    /// `manual`, `scheduled`, `before-operation`, `safety`, `startup`, `other`.
    pub trigger: String,
    /// Names and values.
    pub tags: BTreeMap<String, String>,
    /// A text.
    pub description: Option<String>,
    /// Why the policy of the settings keeps it.
    pub kept_because: Vec<String>,
    /// Protected from being forgotten.
    pub pinned: bool,
    /// When its data was last read and proven, every byte of it.
    pub verified_at: Option<Moment>,
    /// When it was last restored as a drill, with success.
    pub drilled_at: Option<Moment>,
    /// What was last found wrong with it and not proven since.
    pub damage: Option<String>,
    /// All places where it lies.
    pub destinations: Vec<String>,
    /// Another snapshot has the same generation: they were made apart.
    pub fork: bool,
}

/// One snapshot with all that is known of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SnapshotDetail {
    /// It.
    #[serde(flatten)]
    pub snapshot: SnapshotInfo,
    /// The path of the database when it was backed up; for the role restore alone.
    pub origin: Option<String>,
    /// Bytes of a page.
    pub page_size: u64,
    /// How many pages.
    pub page_count: u64,
    /// The digest of its pages.
    pub image_digest: String,
    /// Bytes read of the database for it.
    pub bytes_read: u64,
    /// Further facts of SQLite, by name.
    pub facts: BTreeMap<String, String>,
    /// The snapshot before it.
    pub previous: Option<String>,
    /// The snapshot after it.
    pub next: Option<String>,
}

/// Snapshots, a page of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SnapshotPage {
    /// The newest first.
    pub snapshots: Vec<SnapshotInfo>,
    /// How many there are that fit, on all pages.
    pub total: u64,
    /// What to pass as `before` for the next page; `null` on the last.
    pub next: Option<String>,
}

/// A snapshot in the trash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TrashInfo {
    /// The name in the repository.
    pub database: String,
    /// What identifies it everywhere.
    pub snapshot_id: String,
    /// The number of its record.
    pub sequence: u64,
    /// When it was taken.
    pub taken_at: Moment,
    /// When it was forgotten.
    pub forgotten_at: Moment,
    /// Until when it can be brought back, at least.
    pub until: Option<Moment>,
    /// The size of the database.
    pub size: u64,
}

/// Databases.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DatabaseList {
    /// Backups are not made here, and why; else `null`.
    pub disabled: Option<Disabled>,
    /// All of them.
    pub databases: Vec<DatabaseInfo>,
}

/// The trash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TrashList {
    /// The newest first.
    pub snapshots: Vec<TrashInfo>,
}

/// How all databases are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HealthList {
    /// The worst of all.
    pub status: Level,
    /// Each.
    pub databases: Vec<HealthInfo>,
}

/// What a backup is to bear.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BackUp {
    /// A text.
    #[schema(max_length = 1000)]
    pub description: Option<String>,
    /// Names and values.
    pub tags: BTreeMap<String, String>,
}

/// A backup that was made.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct BackupResult {
    /// The name in the repository.
    pub database: String,
    /// The snapshot that holds the state: a new one, or the latest if nothing changed.
    pub snapshot_id: String,
    /// The number of its record at the destination.
    pub sequence: u64,
    /// Where it lies.
    pub destination: String,
    /// Nothing changed, and nothing was written.
    pub unchanged: bool,
    /// Why another destination than the first was taken.
    pub fallback_reason: Option<String>,
    /// Pages of the database.
    pub pages_total: u64,
    /// Pages that changed since the snapshot before.
    pub pages_changed: u64,
    /// Bytes read of the database.
    pub bytes_read: u64,
    /// The sizes of all objects written.
    pub bytes_sent: u64,
    /// How long it took.
    pub duration_seconds: f64,
}

/// Which snapshots are meant, and proof that it is meant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Confirmed {
    /// The name of the database, typed.
    #[schema(max_length = 300)]
    pub confirm: String,
}

/// What was changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Changed {
    /// The name in the repository.
    pub database: String,
    /// `forget`, `undelete`, `pin`, `unpin`.
    pub command: String,
    /// The snapshot.
    pub snapshot_id: String,
}

/// A change of one snapshot that is done at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// To the trash.
    Forget,
    /// Back from the trash.
    Undelete,
    /// Protected from being forgotten.
    Pin,
    /// No longer protected.
    Unpin,
}

impl Change {
    /// The command that does it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Forget => "forget",
            Self::Undelete => "undelete",
            Self::Pin => "pin",
            Self::Unpin => "unpin",
        }
    }
}

/// What the simple form of a backup answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SimpleBackup {
    /// Whether it was made.
    pub success: bool,
    /// The key of its record.
    pub key: String,
    /// When it was taken.
    pub timestamp: Moment,
}

/// A backup in the simple form.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SimpleObject {
    /// The key of its record.
    pub key: String,
    /// The size of the database.
    pub size: u64,
    /// When it was taken.
    pub last_modified: Moment,
}

/// Backups in the simple form.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SimpleList {
    /// The newest first.
    pub backups: Vec<SimpleObject>,
}

/// Health in the simple form.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SimpleHealth {
    /// How it is.
    pub status: Level,
    /// When the newest state that can be restored was the state.
    pub last_backup: Option<Moment>,
    /// When the next backup is due.
    pub next_scheduled: Option<Moment>,
}
