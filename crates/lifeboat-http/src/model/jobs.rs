//! Work that takes longer than a request.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    BackupResult, CheckResult, DownloadResult, DrillResult, Moment, RepairResult, RestoreResult,
    TablesResult,
};
use crate::problem::ErrorBody;

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum JobKind {
    /// A backup.
    Backup,
    /// A restore.
    Restore,
    /// A snapshot is made ready to be downloaded.
    Download,
    /// The rows of a snapshot are counted.
    Tables,
    /// A check.
    Check,
    /// A restore drill.
    Drill,
    /// A repair, or the plan of one.
    Repair,
}

impl JobKind {
    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::Backup => "backup",
            Self::Restore => "restore",
            Self::Download => "download",
            Self::Tables => "tables",
            Self::Check => "check",
            Self::Drill => "drill",
            Self::Repair => "repair",
        }
    }
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum JobState {
    /// It runs.
    Running,
    /// It ended well.
    Done,
    /// It failed.
    Failed,
    /// It was cancelled.
    Cancelled,
}

/// How far it is, in bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProgressInfo {
    /// What it is about, in words.
    pub phase: String,
    /// How many bytes are done.
    pub done: u64,
    /// Of how many; `null` if that is not known.
    pub total: Option<u64>,
}

/// Work that runs or ran. It goes on when whoever asked for it goes away.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Job {
    /// What it is asked for by.
    pub id: String,
    /// What is done.
    pub kind: JobKind,
    /// With which database.
    pub database: String,
    /// With which snapshot.
    pub snapshot_id: Option<String>,
    /// Who asked for it.
    pub by: String,
    /// How far it is.
    pub state: JobState,
    /// Whether it can be cancelled without harm.
    pub cancellable: bool,
    /// When it began.
    pub started_at: Moment,
    /// When it ended.
    pub finished_at: Option<Moment>,
    /// How far it is, while it runs.
    pub progress: Option<ProgressInfo>,
    /// Why it failed.
    pub error: Option<ErrorBody>,
    /// What a backup did.
    pub backup: Option<BackupResult>,
    /// What a restore did.
    pub restore: Option<RestoreResult>,
    /// Where to download.
    pub download: Option<DownloadResult>,
    /// The rows that were counted.
    pub tables: Option<TablesResult>,
    /// What a check found.
    pub check: Option<CheckResult>,
    /// What a drill found.
    pub drill: Option<DrillResult>,
    /// What a repair did.
    pub repair: Option<RepairResult>,
}

/// Jobs, the newest first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct JobList {
    /// Those that run, and the last that ended.
    pub jobs: Vec<Job>,
}

/// Something that happened, for whoever watches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Happening {
    /// When.
    pub at: Moment,
    /// The database; `null` where it is about all.
    pub database: Option<String>,
    /// What, as one word: `began`, `backed-up`, `done`, `failed`, `health`, `disabled`, `job`.
    pub what: String,
    /// The same for people.
    pub message: String,
}

/// An event of a stream, as its lines name its parts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StreamedEvent {
    /// What kind of event: `job` or `happening`.
    pub event: String,
    /// The job, or what happened, as JSON.
    pub data: String,
}
