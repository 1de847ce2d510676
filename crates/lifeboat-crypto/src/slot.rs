//! Slots: a data key, wrapped for one secret.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ring::aead::{Aad, Nonce};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use time::OffsetDateTime;

use crate::TAG_LEN;
use crate::data_key::{DataKey, PAYLOAD_LEN};
use crate::derive::{derive, expand, random, stretch};
use crate::error::CryptoError;
use crate::object::aead_key;
use crate::secret::{RawKey, Secret};

const WRAP_INFO: &[u8] = b"lifeboat slot v1 hkdf-sha256 aes-256-gcm";
const SLOT_ID_INFO: &[u8] = b"lifeboat slot id v1";

/// How the secret of a slot becomes a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum SlotKind {
    /// A raw key, which is one already.
    Raw,
    /// A passphrase, through Argon2id.
    Passphrase {
        /// With these parameters.
        argon2id: Kdf,
    },
    /// An older data key: who opens that one opens this one.
    DataKey {
        /// Its id.
        #[serde(with = "bytes")]
        id: [u8; 16],
    },
}

/// The parameters of Argon2id. By default those that OWASP names first:
/// 19 MiB, two passes, one lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kdf {
    /// Memory in KiB.
    pub memory_kib: u32,
    /// Passes over it.
    pub passes: u32,
    /// Lanes.
    pub lanes: u32,
    /// Random, for this slot.
    #[serde(with = "bytes")]
    pub salt: [u8; 16],
}

impl Kdf {
    fn generate() -> Self {
        Self { memory_kib: 19_456, passes: 2, lanes: 1, salt: random() }
    }

    /// Whoever can write to a repository can write slots: one must be neither
    /// so cheap that it gives the passphrase away, nor so dear that trying it
    /// takes the machine down.
    pub(crate) fn is_allowed(&self) -> bool {
        (8 * 1024..=256 * 1024).contains(&self.memory_kib)
            && (1..=16).contains(&self.passes)
            && (1..=4).contains(&self.lanes)
            && u64::from(self.memory_kib) * u64::from(self.passes) >= 2 * 19_456
    }
}

/// A data key, wrapped for one secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slot {
    /// How the secret becomes a key.
    #[serde(flatten)]
    pub kind: SlotKind,
    /// What a person calls it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub label: String,
    /// When it was made, where that was said, UTC.
    #[serde(default, with = "time::serde::rfc3339::option")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_at: Option<OffsetDateTime>,
    /// Random, for this slot.
    #[serde(with = "bytes")]
    salt: [u8; 32],
    /// Commits to the key that the secret becomes.
    #[serde(with = "bytes")]
    commitment: [u8; 32],
    /// The data key, sealed.
    #[serde(with = "bytes")]
    wrapped: [u8; PAYLOAD_LEN + TAG_LEN],
}

impl Slot {
    /// Wraps a data key for a secret.
    pub fn wrap(key: &DataKey, secret: &Secret, label: &str) -> Result<Self, CryptoError> {
        match secret {
            Secret::Raw(raw) => Ok(Self::make(key, SlotKind::Raw, raw.bytes(), label)),
            Secret::Passphrase(passphrase) => {
                let argon2id = Kdf::generate();
                let stretched = stretch(passphrase.bytes(), &argon2id)?;
                Ok(Self::make(key, SlotKind::Passphrase { argon2id }, &stretched, label))
            }
        }
    }

    /// Wraps a data key for those who can open an older one.
    pub fn wrap_for_holders_of(older: &DataKey, key: &DataKey) -> Self {
        Self::make(key, SlotKind::DataKey { id: *older.id() }, older.secret(), "")
    }

    fn make(key: &DataKey, kind: SlotKind, secret: &[u8; 32], label: &str) -> Self {
        let salt = random();
        let derived = derive(secret, &salt, &wrap_info(key.repository(), key.id()));
        let mut payload = key.to_payload();
        let nonce = Nonce::assume_unique_for_key([0; 12]);
        aead_key(&derived.key)
            .seal_in_place_append_tag(nonce, Aad::empty(), &mut *payload)
            .expect("a data key is short");
        let mut wrapped = [0; PAYLOAD_LEN + TAG_LEN];
        wrapped.copy_from_slice(&payload);
        let label = label.to_owned();
        Self { kind, label, created_at: None, salt, commitment: derived.commitment, wrapped }
    }

    /// The same slot, which says when it was made.
    #[must_use]
    pub fn made_at(mut self, time: OffsetDateTime) -> Self {
        self.created_at = Some(time);
        self
    }

    /// Opens the slot of a data key of a repository with a raw key or a
    /// passphrase.
    pub fn open(
        &self,
        secret: &Secret,
        repository: [u8; 16],
        key_id: [u8; 16],
    ) -> Result<DataKey, CryptoError> {
        match (&self.kind, secret) {
            (SlotKind::Raw, Secret::Raw(raw)) => self.unwrap_with(raw.bytes(), repository, key_id),
            (SlotKind::Passphrase { argon2id }, Secret::Passphrase(passphrase)) => {
                let stretched = stretch(passphrase.bytes(), argon2id)?;
                self.unwrap_with(&stretched, repository, key_id)
            }
            _ => Err(CryptoError::WrongSecret),
        }
    }

    /// Opens the slot of a data key for one who has an older one.
    pub fn open_with_older(
        &self,
        older: &DataKey,
        key_id: [u8; 16],
    ) -> Result<DataKey, CryptoError> {
        match self.kind {
            SlotKind::DataKey { id } if id == *older.id() => {
                self.unwrap_with(older.secret(), *older.repository(), key_id)
            }
            _ => Err(CryptoError::WrongSecret),
        }
    }

    fn unwrap_with(
        &self,
        secret: &[u8; 32],
        repository: [u8; 16],
        key_id: [u8; 16],
    ) -> Result<DataKey, CryptoError> {
        let derived = derive(secret, &self.salt, &wrap_info(&repository, &key_id));
        // Nobody who can time this comparison chooses what is compared.
        if derived.commitment != self.commitment {
            return Err(CryptoError::WrongSecret);
        }
        let mut payload = zeroize::Zeroizing::new(self.wrapped);
        let nonce = Nonce::assume_unique_for_key([0; 12]);
        let opened = aead_key(&derived.key)
            .open_in_place(nonce, Aad::empty(), &mut payload[..])
            .map_err(|_| CryptoError::Damaged)?;
        let key = DataKey::from_payload(opened)?;
        if *key.repository() != repository || *key.id() != key_id {
            return Err(CryptoError::OtherRepository);
        }
        Ok(key)
    }
}

/// The id of the slot that a raw key has for a data key: derived, so that it is
/// found without a listing. It says nothing of the key.
pub fn slot_id_of(raw: &RawKey, repository: [u8; 16], key_id: [u8; 16]) -> [u8; 16] {
    *expand(raw.bytes(), &key_id, &[SLOT_ID_INFO, &repository])
}

fn wrap_info<'a>(repository: &'a [u8; 16], key_id: &'a [u8; 16]) -> [&'a [u8]; 3] {
    [WRAP_INFO, repository, key_id]
}

/// Bytes of a fixed length, in Base64.
mod bytes {
    use super::*;

    pub(super) fn serialize<S: Serializer, const N: usize>(
        bytes: &[u8; N],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&BASE64_STANDARD.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>, const N: usize>(
        deserializer: D,
    ) -> Result<[u8; N], D::Error> {
        let text = String::deserialize(deserializer)?;
        let decoded = BASE64_STANDARD.decode(text).ok();
        decoded
            .and_then(|decoded| decoded.try_into().ok())
            .ok_or_else(|| serde::de::Error::custom("not the bytes that should stand here"))
    }
}
