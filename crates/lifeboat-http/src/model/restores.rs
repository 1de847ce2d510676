//! Restores: what they would do, and what they did.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Moment;

/// Where a snapshot goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RestoreTo {
    /// A new file of this name, in the directory that the settings name.
    NewFile,
    /// Over the database in use.
    InPlace,
}

/// A restore that is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Restore {
    /// Where it goes.
    pub to: RestoreTo,
    /// The name of the new file: letters, digits, `.`, `_`, `-`. Made up if there is none.
    #[schema(max_length = 120, pattern = "^[A-Za-z0-9_][A-Za-z0-9._-]*$")]
    pub file_name: Option<String>,
    /// For a restore in place, the name of the database, typed.
    #[schema(max_length = 300)]
    pub confirm: Option<String>,
    /// The newest record that is meant, where it is not the highest seen.
    pub expect: Option<u64>,
}

/// What a restore would do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RestorePlan {
    /// The name in the repository.
    pub database: String,
    /// What would be restored.
    pub snapshot_id: String,
    /// The number of its record.
    pub sequence: u64,
    /// When it was taken.
    pub taken_at: Moment,
    /// How long ago that was.
    pub age_seconds: i64,
    /// Where it would come from.
    pub destination: String,
    /// Where it would go.
    pub target: String,
    /// Whether over the database in use.
    pub in_place: bool,
    /// Its size.
    pub size: u64,
    /// The size of the database in use, if it goes over that.
    pub size_now: Option<u64>,
    /// How many bytes would be read of packs.
    pub bytes_to_fetch: u64,
    /// How many bytes of the database the target holds already.
    pub bytes_kept: u64,
    /// How many requests that would take.
    pub requests: u64,
    /// About how long.
    pub estimated_seconds: Option<f64>,
    /// Whether it would go on with what an interrupted restore left.
    pub resumes: bool,
}

/// What a restore did.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct RestoreResult {
    /// The name in the repository.
    pub database: String,
    /// What was restored.
    pub snapshot_id: String,
    /// The number of its record.
    pub sequence: u64,
    /// Where it came from.
    pub destination: String,
    /// The file that was made, or the database that was replaced.
    pub target: String,
    /// Its size.
    pub size: u64,
    /// How many bytes of packs were read.
    pub bytes_fetched: u64,
    /// How many bytes the target held already.
    pub bytes_kept: u64,
    /// Whether SQLite's own checks were run.
    pub checked: bool,
    /// How the database was replaced; `null` for a new file.
    pub way: Option<String>,
    /// Where the old database lies.
    pub set_aside: Option<String>,
    /// The command that takes it back.
    pub undo: Option<String>,
    /// The snapshot of what was there before.
    pub safety_snapshot_id: Option<String>,
    /// How long it took.
    pub duration_seconds: f64,
}

/// A snapshot that is ready to be downloaded.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct DownloadResult {
    /// What it is.
    pub snapshot_id: String,
    /// Where it can be had, from the root of the interface; for an hour.
    pub url: String,
    /// The name for the file.
    pub file_name: String,
    /// Its size.
    pub size: u64,
}
