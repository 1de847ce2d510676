//! The envelope of a record: the state of a database on one destination.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::Epoch;
use crate::attached::Attachments;
use crate::digest::Digest;
use crate::id::{DatabaseName, InstallationId, Nonce, RepositoryId};
use crate::list::PackListRef;
use crate::numbers::{NumberSet, RecordNo};

/// What a record does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum RecordKind {
    /// Makes a snapshot exist.
    Snapshot,
    /// Keeps what a long upload has sent so far from being collected.
    Partial,
    /// Moves snapshots to the trash.
    Forget,
    /// Brings snapshots back from the trash.
    Undelete,
    /// Protects snapshots from being forgotten.
    Pin,
    /// Ends that protection.
    Unpin,
    /// Drops snapshots from the trash, and condemns objects.
    Collect,
    /// Changes the owner.
    TakeOver,
    /// Gives up records that are damaged or gone: what they were needed for lies
    /// under other numbers, or nothing needs them.
    Mend,
}

/// The part of a record that belongs to its destination.
///
/// It carries the whole state after it, so that the newest record is all that
/// needs to be found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Envelope {
    /// The number under which the record lies.
    pub number: RecordNo,
    /// What the record does.
    pub kind: RecordKind,
    /// The repository it belongs to.
    pub repository: RepositoryId,
    /// The database it belongs to.
    pub database: DatabaseName,
    /// Drawn anew for every attempt to create a record.
    pub nonce: Nonce,
    /// The installation that wrote the record.
    pub writer: InstallationId,
    /// When it was written, by its writer's clock, UTC.
    #[serde(with = "time::serde::rfc3339")]
    pub written_at: OffsetDateTime,
    /// BLAKE3 of the object of the record before; absent in the first, and
    /// where that one was damaged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<Digest>,
    /// The state after the record.
    pub state: State,
    /// The numbers that the record is about: what it forgets, undeletes, pins,
    /// unpins, drops or gives up, or the record that a take-over supersedes.
    #[serde(default, skip_serializing_if = "NumberSet::is_empty")]
    pub subject: NumberSet,
    /// The objects that a collection condemns, by their keys relative to the
    /// folder of the database.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub condemned: Vec<String>,
    /// The packs of a snapshot or a partial upload.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub packs: Option<PackListRef>,
    /// The files that a snapshot has beside the database, where it has any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attachments: Option<Attachments>,
    /// BLAKE3 of the body, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body_digest: Option<Digest>,
}

/// The state of a database on one destination.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct State {
    /// Who may write snapshots; nobody does in an empty log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<InstallationId>,
    /// The numbers of the snapshots that exist.
    #[serde(default)]
    pub alive: NumberSet,
    /// Those in the trash: not advertised, but whole, and not yet dropped.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trash: Vec<Trashed>,
    /// Those that must not be forgotten.
    #[serde(default, skip_serializing_if = "NumberSet::is_empty")]
    pub pins: NumberSet,
    /// The living snapshot of the highest generation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latest: Option<Latest>,
    /// The highest generation that this log has seen.
    #[serde(default)]
    pub generation: u64,
    /// The partial upload that no snapshot has superseded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partial: Option<RecordNo>,
    /// The epochs of the commit log, oldest first; only the last may be open.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub log: Vec<Epoch>,
}

/// A snapshot in the trash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trashed {
    /// Its number.
    pub number: RecordNo,
    /// Since when, UTC.
    #[serde(with = "time::serde::rfc3339")]
    pub since: OffsetDateTime,
}

/// The living snapshot of the highest generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Latest {
    /// Its number.
    pub number: RecordNo,
    /// Its generation.
    pub generation: u64,
}

impl State {
    /// Whether a snapshot is in the trash.
    pub fn is_trashed(&self, number: RecordNo) -> bool {
        self.trash.iter().any(|trashed| trashed.number == number)
    }

    /// The numbers of all records whose packs must stay: living snapshots,
    /// those in the trash, and the partial upload.
    pub fn holders(&self) -> NumberSet {
        let mut holders = self.alive.clone();
        for trashed in &self.trash {
            holders.insert(trashed.number);
        }
        if let Some(partial) = self.partial {
            holders.insert(partial);
        }
        holders
    }
}
