//! The objects `format/<k>`: what a repository is.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::digest::HashKey;
use crate::hex;
use crate::id::RepositoryId;
use crate::object::{self, DecodeError, ObjectKind};

/// What a repository is. The newest `format/<k>` counts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RepositoryInfo {
    /// Its id, the same on all its destinations.
    pub repository: RepositoryId,
    /// When it was made, UTC.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// How its objects are protected.
    pub scheme: Scheme,
    /// What the store was found to do, where it was probed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store: Option<StoreFinding>,
}

/// How the objects of a repository are protected.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Scheme {
    /// Not encrypted. The key of the block hashes stands here.
    Plain {
        /// 32 bytes in hexadecimal, drawn when the repository was made.
        block_hash_key: String,
    },
    /// Encrypted; the keys lie wrapped in `keys/`.
    Sealed {
        /// The id of the data key that new objects are sealed with: 16 bytes in
        /// hexadecimal.
        data_key: String,
    },
}

/// What a store was found to do with a conditional create.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StoreFinding {
    /// When it was probed, UTC.
    #[serde(with = "time::serde::rfc3339")]
    pub probed_at: OffsetDateTime,
    /// Of several creates of one key at once, exactly one succeeded.
    pub creates_once: bool,
}

impl RepositoryInfo {
    /// A new plain repository, with an id and a hash key drawn at random.
    pub fn plain(repository: RepositoryId, key: &HashKey, created_at: OffsetDateTime) -> Self {
        let block_hash_key = hex::encode(key.as_bytes());
        Self { repository, created_at, scheme: Scheme::Plain { block_hash_key }, store: None }
    }

    /// A sealed repository, whose new objects are sealed with a data key.
    pub fn sealed(
        repository: RepositoryId,
        data_key: [u8; 16],
        created_at: OffsetDateTime,
    ) -> Self {
        let data_key = hex::encode(&data_key);
        Self { repository, created_at, scheme: Scheme::Sealed { data_key }, store: None }
    }

    /// The id of the data key that new objects are sealed with, if the
    /// repository is sealed.
    pub fn data_key(&self) -> Option<[u8; 16]> {
        match &self.scheme {
            Scheme::Plain { .. } => None,
            Scheme::Sealed { data_key } => hex::decode(data_key),
        }
    }

    /// The key of the block hashes, where it stands in the open.
    pub fn block_hash_key(&self) -> Option<HashKey> {
        match &self.scheme {
            Scheme::Plain { block_hash_key } => {
                hex::decode::<32>(block_hash_key).map(HashKey::from_bytes)
            }
            Scheme::Sealed { .. } => None,
        }
    }

    /// Encodes the object.
    pub fn encode(&self) -> Vec<u8> {
        let body = serde_json::to_vec(self).expect("strings and numbers always serialise");
        object::encode_control(ObjectKind::Format, &body)
    }

    /// Decodes and proves the object.
    pub fn decode(object: &[u8]) -> Result<Self, DecodeError> {
        let body = object::decode_control(ObjectKind::Format, object)?;
        let info: Self = serde_json::from_slice(body)
            .map_err(|_| DecodeError::NotUnderstood { kind: ObjectKind::Format, what: "fields" })?;
        if info.block_hash_key().is_none() && info.data_key().is_none() {
            return Err(DecodeError::damaged(ObjectKind::Format, "key"));
        }
        Ok(info)
    }
}
