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

/// What a store was found to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreFinding {
    /// When it was probed, UTC.
    #[serde(with = "time::serde::rfc3339")]
    pub probed_at: OffsetDateTime,
    /// What became of "create it if it is not there".
    pub creates: StoreCreates,
    /// What listings showed.
    pub listings: StoreListings,
    /// Whether who probed it may delete, and what was deleted was gone.
    pub deletes: bool,
}

/// What became of "create it if it is not there", from the best to the worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StoreCreates {
    /// Of several at once exactly one succeeded.
    Once,
    /// Of several at once more than one was told that it had.
    Racy,
    /// What was there was overwritten.
    Ignored,
    /// The store does not take such requests.
    Refused,
}

/// What listings showed, from the best to the worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StoreListings {
    /// What there was.
    Consistent,
    /// Something else, or not everything.
    Stale,
}

impl StoreFinding {
    /// Both in one: of what keeps writers apart the worse counts, because who saw
    /// it fail is right, and of the rest what was found later.
    #[must_use]
    pub fn and(&self, later: &Self) -> Self {
        Self {
            probed_at: later.probed_at,
            creates: self.creates.max(later.creates),
            listings: self.listings.max(later.listings),
            deletes: later.deletes,
        }
    }

    /// What several format objects, oldest first, say together.
    pub fn of_all(infos: &[RepositoryInfo]) -> Option<Self> {
        let found = infos.iter().filter_map(|info| info.store.clone());
        found.reduce(|before, later| before.and(&later))
    }

    /// Whether it says of what keeps writers apart what another one says.
    pub fn agrees_with(&self, other: &Self) -> bool {
        (self.creates, self.listings) == (other.creates, other.listings)
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(creates: StoreCreates, listings: StoreListings) -> StoreFinding {
        let probed_at = OffsetDateTime::UNIX_EPOCH;
        StoreFinding { probed_at, creates, listings, deletes: true }
    }

    #[test]
    fn the_worse_counts_for_ever() {
        let key = HashKey::from_bytes([7; 32]);
        let info = |store| RepositoryInfo {
            store,
            ..RepositoryInfo::plain(
                RepositoryId::from_bytes([1; 16]),
                &key,
                OffsetDateTime::UNIX_EPOCH,
            )
        };
        let (once, racy) = (StoreCreates::Once, StoreCreates::Racy);
        let (good, stale) = (StoreListings::Consistent, StoreListings::Stale);
        let mut infos = vec![info(None)];
        assert_eq!(StoreFinding::of_all(&infos), None);
        infos.push(info(Some(finding(racy, good))));
        infos.push(info(None));
        infos.push(info(Some(finding(once, stale))));
        assert_eq!(StoreFinding::of_all(&infos), Some(finding(racy, stale)));
        let object = infos[3].encode();
        assert_eq!(RepositoryInfo::decode(&object).expect("is one"), infos[3]);
        let text = String::from_utf8_lossy(&object);
        let expected = r#""store":{"probed_at":"1970-01-01T00:00:00Z","creates":"once","listings":"stale","deletes":true}"#;
        assert!(text.contains(expected), "{text}");
    }
}
