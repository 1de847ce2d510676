//! Destinations, settings, who did what, and who asks.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Disabled, Moment};
use crate::security::Role;

/// A place where snapshots go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DestinationInfo {
    /// What people call it.
    pub name: String,
    /// `primary`, `fallback` or `mirror`.
    pub role: String,
    /// Where it is, without secrets; for a directory of the host its last name.
    pub place: String,
    /// Whether it could be opened just now.
    pub works: bool,
    /// Why not.
    pub trouble: Option<String>,
    /// Whether everything in it is encrypted.
    pub encrypted: Option<bool>,
    /// The databases that are there.
    pub databases: Vec<String>,
}

/// The destinations.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DestinationList {
    /// In their order.
    pub destinations: Vec<DestinationInfo>,
}

/// A setting that is in use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SettingInfo {
    /// Its name, such as `destination[0].url`.
    pub setting: String,
    /// Its value as TOML; secrets are masked.
    pub value: String,
    /// File and line, variable, option, or `default`.
    pub origin: String,
}

/// The settings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SettingList {
    /// All that are set.
    pub settings: Vec<SettingInfo>,
}

/// Something that somebody did or tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditEntry {
    /// When.
    pub at: Moment,
    /// Who: the name of a token, or what a proxy or the application says.
    pub by: String,
    /// From where.
    pub from: Option<String>,
    /// What, such as `restore`.
    pub action: String,
    /// Of which database.
    pub database: Option<String>,
    /// Of which snapshot.
    pub snapshot_id: Option<String>,
    /// What became of it: `begun`, `done`, `failed`, `refused`, `cancelled`.
    pub outcome: String,
    /// More, in words.
    pub detail: Option<String>,
}

/// Who did what, the newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditList {
    /// The last ones.
    pub entries: Vec<AuditEntry>,
}

/// Who asks, and what is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SessionInfo {
    /// Who; `null` if nobody has said so.
    pub by: Option<String>,
    /// What that one may do; `null` if nothing.
    pub role: Option<Role>,
    /// Whether there are tokens to sign in with.
    pub sign_in: bool,
    /// Whether this is a session that can be ended.
    pub sign_out: bool,
    /// Backups are not made here, and why; told to who may read.
    pub disabled: Option<Disabled>,
    /// The version of Lifeboat; told to who may read.
    pub version: Option<String>,
}

/// A token, to sign in with.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SignIn {
    /// It.
    #[schema(max_length = 1000, format = Password)]
    pub token: String,
}
