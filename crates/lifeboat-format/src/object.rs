//! The preamble of every object, and control objects: small objects that are
//! read whole and prove their own content.
//!
//! | offset | size | preamble |
//! |---|---|---|
//! | 0 | 8 | `LIFEBOAT` |
//! | 8 | 1 | kind, an ASCII letter |
//! | 9 | 1 | format version |
//! | 10 | 1 | oldest reader that understands the object |
//! | 11 | 1 | seal: 0 plain, 1 AES-256-GCM |
//! | 12 | 2 | length of the whole header, little-endian: 16 when plain |
//! | 14 | 2 | zero |
//!
//! A plain control object is the preamble, the body, and the BLAKE3 (32 bytes)
//! of both. A sealed one has 80 more bytes of header (the id of its data key,
//! salt, commitment), and an authentication tag instead of the digest.

use std::fmt;

use crate::digest::Digest;
use crate::version::{FORMAT_VERSION, MIN_READER_VERSION};

/// The size of the preamble in bytes; of the whole header, when plain.
pub const PREAMBLE_LEN: usize = 16;
/// The largest control object that is read, in bytes.
pub const MAX_CONTROL_LEN: usize = 256 * 1024 * 1024;

const MAGIC: &[u8; 8] = b"LIFEBOAT";
const PLAIN: u8 = 0;
const SEALED: u8 = 1;
/// The length of the header of a sealed object: data key id, salt, commitment.
const SEALED_HEADER_LEN: usize = PREAMBLE_LEN + 16 + 32 + 32;

/// What an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ObjectKind {
    /// What the repository is.
    Format,
    /// A data key, wrapped for one slot.
    Key,
    /// A record.
    Record,
    /// A pack list.
    List,
    /// A pack.
    Pack,
    /// A segment of the commit log.
    LogSegment,
    /// A sealed single-file snapshot; plain ones have no preamble.
    Archive,
    /// A further object of a snapshot.
    Attachment,
    /// Where the content of a damaged pack lies now.
    Repair,
    /// What a verification or a drill found.
    Check,
    /// Watched, and unchanged.
    Heartbeat,
}

impl ObjectKind {
    /// The letter that stands for it in a preamble.
    pub fn letter(self) -> u8 {
        match self {
            Self::Format => b'F',
            Self::Key => b'K',
            Self::Record => b'R',
            Self::List => b'L',
            Self::Pack => b'P',
            Self::LogSegment => b'G',
            Self::Archive => b'A',
            Self::Attachment => b'T',
            Self::Repair => b'M',
            Self::Check => b'C',
            Self::Heartbeat => b'H',
        }
    }
}

impl fmt::Display for ObjectKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Format => "format object",
            Self::Key => "key slot",
            Self::Record => "record",
            Self::List => "pack list",
            Self::Pack => "pack",
            Self::LogSegment => "log segment",
            Self::Archive => "archive",
            Self::Attachment => "attachment",
            Self::Repair => "repair",
            Self::Check => "check result",
            Self::Heartbeat => "heartbeat",
        })
    }
}

/// Why bytes are not the object they should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// Fewer bytes than the object must have.
    #[error("{kind} cut short: {len} bytes")]
    Truncated {
        /// What was expected.
        kind: ObjectKind,
        /// How many bytes there are.
        len: u64,
    },
    /// The bytes are another object, or none of ours.
    #[error("not a {expected}")]
    NotThis {
        /// What was expected.
        expected: ObjectKind,
    },
    /// Written by a later version, for later readers.
    #[error(
        "{kind} of format {version}, which needs a reader of format {min_reader}; this one reads format {FORMAT_VERSION}"
    )]
    TooNew {
        /// What was expected.
        kind: ObjectKind,
        /// The version of the object.
        version: u8,
        /// The oldest reader that understands it.
        min_reader: u8,
    },
    /// The object is sealed, and no key opens it here.
    #[error("{kind} is encrypted")]
    Sealed {
        /// What was expected.
        kind: ObjectKind,
    },
    /// A digest, a length or a field is wrong.
    #[error("{kind} damaged: {what}")]
    Damaged {
        /// What was expected.
        kind: ObjectKind,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The bytes are proven, and still say something that this version does not
    /// understand: a later version wrote it, or somebody who means ill.
    #[error("{kind} not understood: {what}")]
    NotUnderstood {
        /// What was expected.
        kind: ObjectKind,
        /// What is not understood.
        what: &'static str,
    },
    /// The object is whole, but belongs elsewhere: it was moved or swapped.
    #[error("{kind} belongs to another {place}")]
    Misplaced {
        /// What was expected.
        kind: ObjectKind,
        /// `repository`, `database`, `number`, …
        place: &'static str,
    },
}

impl DecodeError {
    pub(crate) fn damaged(kind: ObjectKind, what: &'static str) -> Self {
        Self::Damaged { kind, what }
    }

    /// Whether the bytes are wrong, as against too new or sealed.
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Truncated { .. }
            | Self::NotThis { .. }
            | Self::Damaged { .. }
            | Self::Misplaced { .. } => true,
            Self::TooNew { .. } | Self::Sealed { .. } | Self::NotUnderstood { .. } => false,
        }
    }

    /// Whether the bytes are not the ones that were written. Whoever finds a
    /// record so may build on the one before; one that is whole but belongs
    /// elsewhere, or is not understood, stops everything.
    pub fn is_corruption(&self) -> bool {
        self.is_damage() && !matches!(self, Self::Misplaced { .. })
    }
}

/// The preamble of a plain object.
pub fn preamble(kind: ObjectKind) -> [u8; PREAMBLE_LEN] {
    let mut bytes = [0; PREAMBLE_LEN];
    bytes[..8].copy_from_slice(MAGIC);
    bytes[8] = kind.letter();
    bytes[9] = FORMAT_VERSION;
    bytes[10] = MIN_READER_VERSION;
    bytes[11] = PLAIN;
    bytes[12..14].copy_from_slice(&(PREAMBLE_LEN as u16).to_le_bytes());
    bytes
}

/// Checks that `bytes` begin with the preamble of a plain object of this kind
/// that this crate can read.
///
/// A version that is too new is named only when the rest of the preamble is
/// right, so that damage is not mistaken for news.
pub fn check_preamble(kind: ObjectKind, bytes: &[u8]) -> Result<(), DecodeError> {
    let Some(found) = bytes.first_chunk::<PREAMBLE_LEN>() else {
        return Err(DecodeError::Truncated { kind, len: bytes.len() as u64 });
    };
    if found[..8] != *MAGIC || found[8] != kind.letter() {
        return Err(DecodeError::NotThis { expected: kind });
    }
    let header_len = u16::from_le_bytes([found[12], found[13]]);
    check_versions(kind, found[9], found[10], found[11], header_len)?;
    if found[12..14] != (PREAMBLE_LEN as u16).to_le_bytes() || found[14..] != [0, 0] {
        return Err(DecodeError::damaged(kind, "preamble"));
    }
    Ok(())
}

pub(crate) fn check_versions(
    kind: ObjectKind,
    version: u8,
    min_reader: u8,
    seal: u8,
    header_len: u16,
) -> Result<(), DecodeError> {
    if version == 0 || min_reader == 0 || min_reader > version {
        return Err(DecodeError::damaged(kind, "versions"));
    }
    if min_reader > FORMAT_VERSION {
        return Err(DecodeError::TooNew { kind, version, min_reader });
    }
    match seal {
        PLAIN => Ok(()),
        // One flipped bit must not make a plain object look encrypted.
        SEALED if header_len as usize == SEALED_HEADER_LEN => Err(DecodeError::Sealed { kind }),
        _ => Err(DecodeError::damaged(kind, "seal")),
    }
}

/// Encodes a plain control object.
pub fn encode_control(kind: ObjectKind, body: &[u8]) -> Vec<u8> {
    let mut object = Vec::with_capacity(PREAMBLE_LEN + body.len() + Digest::LEN);
    object.extend_from_slice(&preamble(kind));
    object.extend_from_slice(body);
    let digest = Digest::of(&object);
    object.extend_from_slice(digest.as_bytes());
    object
}

/// Proves a control object and returns its body.
///
/// The preamble is looked at first, so that an object of a newer version is
/// named as such even if it no longer ends in a digest.
pub fn decode_control(kind: ObjectKind, object: &[u8]) -> Result<&[u8], DecodeError> {
    check_preamble(kind, object)?;
    let Some((content, digest)) = object.split_last_chunk::<{ Digest::LEN }>() else {
        return Err(DecodeError::Truncated { kind, len: object.len() as u64 });
    };
    if content.len() < PREAMBLE_LEN {
        return Err(DecodeError::Truncated { kind, len: object.len() as u64 });
    }
    if Digest::of(content).as_bytes() != digest {
        return Err(DecodeError::damaged(kind, "digest"));
    }
    Ok(&content[PREAMBLE_LEN..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flipped_bit_and_every_cut_is_found() {
        let object = encode_control(ObjectKind::Record, b"{}");
        assert_eq!(decode_control(ObjectKind::Record, &object), Ok(&b"{}"[..]));
        assert!(decode_control(ObjectKind::List, &object).is_err());
        for len in 0..object.len() {
            assert!(decode_control(ObjectKind::Record, &object[..len]).is_err(), "{len}");
        }
        for bit in 0..object.len() * 8 {
            let mut bad = object.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(decode_control(ObjectKind::Record, &bad).is_err(), "{bit}");
        }
    }

    #[test]
    fn newer_and_sealed_objects_are_named() {
        let mut object = encode_control(ObjectKind::Record, b"{}");
        object[9] = FORMAT_VERSION + 3;
        object[10] = FORMAT_VERSION + 2;
        let error = decode_control(ObjectKind::Record, &object).expect_err("too new");
        assert_eq!(
            error,
            DecodeError::TooNew {
                kind: ObjectKind::Record,
                version: FORMAT_VERSION + 3,
                min_reader: FORMAT_VERSION + 2,
            }
        );
        assert!(!error.is_damage());
        object[9..14].copy_from_slice(&[1, 1, 1, 96, 0]);
        let error = decode_control(ObjectKind::Record, &object).expect_err("sealed");
        assert_eq!(error, DecodeError::Sealed { kind: ObjectKind::Record });
    }
}
