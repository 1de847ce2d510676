//! The key of one object, and its parts.
//!
//! HKDF-SHA256 of the data key, with a random salt for each object, gives an
//! AES-256-GCM key that no other object has; so nonces can be counted. The
//! derivation binds suite, version, repository, database, role and object id.

use std::fmt;

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

use crate::derive::derive;
use crate::error::CryptoError;

/// The length of an authentication tag in bytes.
pub const TAG_LEN: usize = 16;
/// The length of an [`ObjectHeader`] in bytes.
pub const HEADER_LEN: usize = 80;

const INFO: &[u8] = b"lifeboat object v1 hkdf-sha256 aes-256-gcm";

/// What an object is and where it belongs.
#[derive(Clone, Copy, Debug)]
pub struct ObjectContext<'a> {
    /// The repository.
    pub repository: [u8; 16],
    /// The name of the database; empty for what belongs to none.
    pub database: &'a str,
    /// What the object is: the letter of its kind.
    pub role: u8,
    /// Its id, the same on every destination; empty where its content says
    /// which one it is.
    pub object: &'a [u8],
}

/// What a sealed object says of itself in the open: 80 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ObjectHeader {
    /// The id of the data key.
    pub key_id: [u8; 16],
    /// The salt of this object.
    pub salt: [u8; 32],
    /// Commits to the object's key.
    pub commitment: [u8; 32],
}

impl ObjectHeader {
    /// Its bytes: key id, salt, commitment.
    pub fn to_bytes(&self) -> [u8; HEADER_LEN] {
        let mut bytes = [0; HEADER_LEN];
        bytes[..16].copy_from_slice(&self.key_id);
        bytes[16..48].copy_from_slice(&self.salt);
        bytes[48..].copy_from_slice(&self.commitment);
        bytes
    }

    /// Reads the bytes.
    pub fn from_bytes(bytes: &[u8; HEADER_LEN]) -> Self {
        let mut header = Self { key_id: [0; 16], salt: [0; 32], commitment: [0; 32] };
        header.key_id.copy_from_slice(&bytes[..16]);
        header.salt.copy_from_slice(&bytes[16..48]);
        header.commitment.copy_from_slice(&bytes[48..]);
        header
    }
}

/// One part of an object. No two parts of an object have the same section and
/// number.
#[derive(Clone, Copy, Debug)]
pub struct Part<'a> {
    /// Which section of the object.
    pub section: u8,
    /// Its number in the section, from 0.
    pub number: u32,
    /// Whether it is the last of the section.
    pub last: bool,
    /// Further bytes that are authenticated with it.
    pub bound: &'a [u8],
}

impl<'a> Part<'a> {
    /// The only part of an object that is sealed as a whole.
    pub fn body(bound: &'a [u8]) -> Self {
        Self { section: 1, number: 0, last: true, bound }
    }
}

/// The key of one object.
pub struct ObjectKey {
    header: ObjectHeader,
    key: LessSafeKey,
}

impl ObjectKey {
    pub(crate) fn derive(
        data_key: &[u8; 32],
        key_id: [u8; 16],
        context: &ObjectContext<'_>,
        salt: [u8; 32],
    ) -> Self {
        // Lengths before texts: no two contexts give the same bytes.
        let database_len = (context.database.len() as u32).to_le_bytes();
        let object_len = (context.object.len() as u32).to_le_bytes();
        let info: [&[u8]; 7] = [
            INFO,
            &context.repository,
            &[context.role],
            &database_len,
            context.database.as_bytes(),
            &object_len,
            context.object,
        ];
        let derived = derive(data_key, &salt, &info);
        let header = ObjectHeader { key_id, salt, commitment: derived.commitment };
        Self { header, key: aead_key(&derived.key) }
    }

    /// What the object says of itself in the open.
    pub fn header(&self) -> &ObjectHeader {
        &self.header
    }

    /// Seals a part in place, and appends the tag.
    pub fn seal(&self, part: Part<'_>, data: &mut Vec<u8>) {
        self.key
            .seal_in_place_append_tag(nonce(&part), Aad::from(bound(&part)), data)
            .expect("parts are far shorter than the 64 GiB that AES-GCM allows");
    }

    /// Opens a part in place, and returns it without its tag.
    pub fn open<'d>(&self, part: Part<'_>, data: &'d mut [u8]) -> Result<&'d [u8], CryptoError> {
        self.key
            .open_in_place(nonce(&part), Aad::from(bound(&part)), data)
            .map(|text| &*text)
            .map_err(|_| CryptoError::Forged)
    }
}

impl fmt::Debug for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ObjectKey(..)")
    }
}

/// A key for AES-256-GCM.
pub(crate) fn aead_key(key: &[u8; 32]) -> LessSafeKey {
    let key = UnboundKey::new(&AES_256_GCM, key).expect("AES-256 has keys of 32 bytes");
    LessSafeKey::new(key)
}

/// The section byte, seven zeros, and the number, big-endian.
fn nonce(part: &Part<'_>) -> Nonce {
    let mut nonce = [0; 12];
    nonce[0] = part.section;
    nonce[8..].copy_from_slice(&part.number.to_be_bytes());
    Nonce::assume_unique_for_key(nonce)
}

/// Section, last-part flag, number (little-endian), and what the caller binds.
fn bound(part: &Part<'_>) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(6 + part.bound.len());
    bytes.extend_from_slice(&[part.section, u8::from(part.last)]);
    bytes.extend_from_slice(&part.number.to_le_bytes());
    bytes.extend_from_slice(part.bound);
    bytes
}
