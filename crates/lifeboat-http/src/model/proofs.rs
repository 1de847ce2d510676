//! Rows of a snapshot; checks, drills and repairs.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A table of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TableInfo {
    /// Its name.
    pub name: String,
    /// How many rows it has; `null` if they cannot be counted, or it is not there.
    pub rows: Option<u64>,
    /// How many it had in the snapshot before; `null` also where there is none.
    pub rows_before: Option<u64>,
}

/// The tables of a snapshot.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct TablesResult {
    /// The snapshot.
    pub snapshot_id: String,
    /// The one that it is compared with.
    pub compared_with: Option<String>,
    /// Its tables, by name; also those that only the other one has.
    pub tables: Vec<TableInfo>,
}

/// How much a check reads.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Check {
    /// Every byte, rather than only whether everything is there.
    pub read_data: bool,
}

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FindingInfo {
    /// The key of the object, below the folder of the database.
    pub object: String,
    /// What is wrong with it.
    pub message: String,
    /// The snapshots that it hits.
    pub snapshot_ids: Vec<String>,
}

/// What a check found.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct CheckResult {
    /// The name in the repository.
    pub database: String,
    /// How many living snapshots there are.
    pub snapshots: u64,
    /// How many of them this run read and proved every byte of.
    pub verified: u64,
    /// How many something was found of.
    pub broken: u64,
    /// How many objects are needed.
    pub objects: u64,
    /// Their size.
    pub bytes: u64,
    /// How much was read.
    pub bytes_read: u64,
    /// What was found.
    pub findings: Vec<FindingInfo>,
}

/// A statement and whether it held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AssertionInfo {
    /// The statement.
    pub sql: String,
    /// Whether it returned 1.
    pub holds: bool,
    /// What it returned instead.
    pub returned: Option<String>,
}

/// What a drill found.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct DrillResult {
    /// The name in the repository.
    pub database: String,
    /// Where it lies.
    pub destination: String,
    /// The snapshot that was restored.
    pub snapshot_id: String,
    /// Its size.
    pub size: u64,
    /// Nothing was found, and every assertion holds.
    pub passed: bool,
    /// What `integrity_check` found.
    pub integrity: Vec<String>,
    /// What `foreign_key_check` found.
    pub foreign_keys: Vec<String>,
    /// What the settings ask for.
    pub assertions: Vec<AssertionInfo>,
    /// How long it took to restore and prove.
    pub restore_seconds: f64,
    /// How long the whole drill took.
    pub duration_seconds: f64,
}

/// A repair that is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Repair {
    /// Do it, rather than only say what would be done.
    pub apply: bool,
    /// With `apply`, the name of the database, typed.
    #[schema(max_length = 300)]
    pub confirm: Option<String>,
}

/// What a repair did, or would do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct RepairResult {
    /// The name in the repository.
    pub database: String,
    /// Whether anything was done.
    pub applied: bool,
    /// What is wrong.
    pub findings: Vec<FindingInfo>,
    /// How many living snapshots were broken.
    pub broken: u64,
    /// How many of them are whole with what was, or would be, mended.
    pub mended: u64,
    /// How many findings are left then.
    pub left: u64,
    /// How many objects that no snapshot needs were, or would be, deleted.
    pub deleted: u64,
    /// Their size.
    pub bytes_freed: u64,
}
