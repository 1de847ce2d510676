//! Archives: snapshots that are one file each.
//!
//! A plain archive is the database file as it is, or one zstd stream of it. A
//! sealed one is
//!
//! | size | what |
//! |---|---|
//! | 96 | header, kind `A` |
//! | 4 | length of the head, little-endian |
//! | … | the head: JSON, with the slots that open it |
//! | 32 | BLAKE3 of everything before |
//! | … | chunks |
//!
//! Each chunk is 65,536 bytes of the content and a tag; the last one may be
//! shorter, and says of itself that it is the last. All are bound to the digest.
//! So a sealed archive opens with a key and nothing else.

mod decode;
mod encode;
mod name;

pub use decode::{ArchiveDecoder, ArchiveError, SealedBeginning, read_head};
pub use encode::{ArchiveEncoder, FinishedArchive};
pub use name::{ArchiveEncoding, ArchiveName};

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::id::{DatabaseName, RepositoryId};
use crate::seal::{ObjectCipher, Part, Section};

/// How many bytes of content one chunk seals.
pub(crate) const CHUNK_LEN: usize = 65_536;
/// The longest head that is read, in bytes.
pub const MAX_HEAD_LEN: usize = 4 * 1024 * 1024;

/// What a sealed archive says of itself in the open.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ArchiveHead {
    /// The repository whose data key seals it.
    pub repository: RepositoryId,
    /// The database.
    pub database: DatabaseName,
    /// The name under which it was made: what it is sealed for.
    pub name: ArchiveName,
    /// Copies of the slots that give its data key.
    pub slots: Vec<ArchiveSlot>,
}

/// A copy of a slot object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ArchiveSlot {
    /// The data key that it wraps: 16 bytes in hexadecimal.
    pub data_key: String,
    /// The body of the slot object.
    pub slot: serde_json::Value,
}

/// What seals the chunks of an archive, and what they are bound to.
#[derive(Clone, Debug)]
pub(crate) struct Chunks {
    pub(crate) cipher: Arc<dyn ObjectCipher>,
    pub(crate) head: Digest,
    pub(crate) number: u32,
}

impl Chunks {
    pub(crate) fn part(&self, last: bool) -> Part<'_> {
        let bound = &self.head.as_bytes()[..];
        Part { section: Section::Chunks, number: self.number, last, bound }
    }
}

#[cfg(test)]
mod tests;
