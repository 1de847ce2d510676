//! The body of a snapshot's record: what is the same on every destination.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::LogPlace;
use crate::archive::{ArchiveEncoding, ArchiveName};
use crate::digest::Digest;
use crate::geometry::{Geometry, PageSize};
use crate::id::SnapshotId;

/// The body of a snapshot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SnapshotBody {
    /// What identifies the snapshot on all destinations.
    pub snapshot_id: SnapshotId,
    /// One more than the highest its writer had seen anywhere. Two snapshots of
    /// one generation are a fork.
    pub generation: u64,
    /// When the read that fixed its content began, UTC.
    #[serde(with = "time::serde::rfc3339")]
    pub taken_at: OffsetDateTime,
    /// Page size in bytes.
    pub page_size: u32,
    /// How many pages the image has.
    pub page_count: u32,
    /// The digest of the image's block hashes.
    pub image_digest: Digest,
    /// Where the image lies.
    pub content: Content,
    /// Further objects that belong to the snapshot.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<Attachment>,
    /// The canonical path of the database on the machine that backed it up;
    /// bytes that are not UTF-8 are replaced.
    pub origin: String,
    /// What made the snapshot be taken.
    pub trigger: Trigger,
    /// What a person wrote of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Names and values given by a person or a program.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
    /// What SQLite's header says of the database.
    pub sqlite: SqliteFacts,
    /// What taking the snapshot cost.
    pub statistics: Statistics,
    /// Where the image stands in the commit log, where that was followed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<LogPlace>,
}

impl SnapshotBody {
    /// The shape of the image, if the numbers are ones that SQLite allows.
    pub fn geometry(&self) -> Option<Geometry> {
        Geometry::new(PageSize::new(self.page_size)?, self.page_count)
    }
}

/// Where the image of a snapshot lies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Content {
    /// In the packs of the record's pack list; a block's content is the one in
    /// the newest pack that holds it.
    Pages {
        /// The digest of the ids of those packs, oldest first.
        packs_digest: Digest,
    },
    /// In one archive, which is one file.
    File {
        /// Its name in the folder `archives/`.
        archive: ArchiveName,
        /// Its size in bytes.
        size: u64,
        /// How the database file stands in it.
        encoding: ArchiveEncoding,
        /// BLAKE3 of its bytes.
        digest: Digest,
    },
}

/// An object that belongs to a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    /// Its name in the folder `attachments/`.
    pub id: String,
    /// What it is, as a media type.
    pub media_type: String,
    /// Its size in bytes.
    pub size: u64,
    /// BLAKE3 of its bytes.
    pub digest: Digest,
}

/// What made a snapshot be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Trigger {
    /// A person or a program asked for it.
    #[default]
    Manual,
    /// The schedule.
    Scheduled,
    /// An operation that was about to change the database.
    BeforeOperation,
    /// A restore that was about to overwrite the database.
    Safety,
    /// The start of a program.
    Startup,
    /// Something that this version has no name for.
    #[serde(other)]
    Other,
}

/// What SQLite's database header says (file format, section 1.3), and which
/// library read it.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SqliteFacts {
    /// `wal` or `rollback`.
    pub journal: String,
    /// Offset 60, `PRAGMA user_version`.
    pub user_version: u32,
    /// Offset 68, `PRAGMA application_id`.
    pub application_id: u32,
    /// Offset 40, changed by every change of the schema.
    pub schema_cookie: u32,
    /// Offset 24.
    pub change_counter: u32,
    /// Offset 36: pages on the freelist.
    pub free_pages: u32,
    /// Offset 56: 1 UTF-8, 2 UTF-16le, 3 UTF-16be.
    pub text_encoding: u32,
    /// Whether the database vacuums itself (offset 52 not zero).
    pub auto_vacuum: bool,
    /// Offset 20, bytes kept free at the end of every page.
    pub reserved_bytes: u8,
    /// Offset 96: the version of the library that last wrote, as
    /// `SQLITE_VERSION_NUMBER`.
    pub written_by: u32,
    /// The version of the library that read the database for this snapshot.
    pub read_by: u32,
}

/// What taking a snapshot cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Statistics {
    /// How many pages changed since the snapshot before.
    pub pages_changed: u64,
    /// How many bytes of the database and its WAL were read.
    pub bytes_read: u64,
    /// The sizes of all objects put for it, its record apart.
    pub bytes_sent: u64,
}
