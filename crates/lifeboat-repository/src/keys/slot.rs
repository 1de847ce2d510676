//! Slot objects: a wrapped data key, and which slots are the same person's.

use lifeboat_crypto::Slot;
use lifeboat_format::object::{DecodeError, decode_control, encode_control};
use lifeboat_remote::Remote;
use serde::{Deserialize, Serialize};

use super::KIND;
use crate::error::ReadError;

/// A slot is small; more is not one.
pub(crate) const SLOT_LIMIT: u64 = 64 * 1024;

/// The body of a slot object. The object itself is plain: what is secret in it
/// is wrapped.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct StoredSlot {
    /// What the slots of one secret for several data keys have in common: 8
    /// hexadecimal digits, drawn when the secret was added.
    pub(crate) holder: String,
    #[serde(flatten)]
    pub(crate) slot: Slot,
}

impl StoredSlot {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let body = serde_json::to_vec(self).expect("texts and numbers always serialise");
        encode_control(KIND, &body)
    }

    pub(crate) fn decode(object: &[u8]) -> Result<Self, DecodeError> {
        let body = decode_control(KIND, object)?;
        serde_json::from_slice(body)
            .map_err(|_| DecodeError::NotUnderstood { kind: KIND, what: "fields" })
    }

    /// Reads a slot, which may be absent.
    pub(crate) async fn read(remote: &Remote, key: &str) -> Result<Option<Self>, ReadError> {
        let Some(object) = remote.get(key, SLOT_LIMIT).await? else {
            return Ok(None);
        };
        Self::decode(&object).map(Some).map_err(ReadError::unusable(key))
    }
}
