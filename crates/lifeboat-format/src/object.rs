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
//! A sealed object has 80 more bytes of header: the id of its data key, a salt,
//! and a commitment to its own key.
//!
//! A control object is the header, the body, and the BLAKE3 (32 bytes) of both.
//! In a sealed one the body is encrypted and 16 bytes longer. The digest covers
//! what is stored, so that damage is told from a wrong key or place without any
//! key.

use std::fmt;

use crate::digest::Digest;
use crate::seal::{Home, ObjectCipher, Part, SEAL_LEN, SealHeader, Section};
use crate::version::{FORMAT_VERSION, MIN_READER_VERSION};

/// The size of the preamble in bytes; of the whole header, when plain.
pub const PREAMBLE_LEN: usize = 16;

const MAGIC: &[u8; 8] = b"LIFEBOAT";
const PLAIN: u8 = 0;
const SEALED: u8 = 1;
/// The length of the header of a sealed object, in bytes.
pub const SEALED_HEADER_LEN: usize = PREAMBLE_LEN + SEAL_LEN;

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
    /// The object is sealed, and there is no key.
    #[error("{kind} is encrypted, and no key was given")]
    Sealed {
        /// What was expected.
        kind: ObjectKind,
    },
    /// The object is plain where all are sealed: somebody else put it there.
    #[error("{kind} is not encrypted, in a repository where everything is")]
    NotSealed {
        /// What was expected.
        kind: ObjectKind,
    },
    /// The object was sealed with a data key that no slot here gives.
    #[error("{kind} was encrypted with data key {key}, which is not among those that open")]
    UnknownKey {
        /// What was expected.
        kind: ObjectKind,
        /// The id of the data key.
        key: String,
    },
    /// The bytes are whole, and were not written by anybody who has the key.
    #[error("{kind} forged: it fails its authentication")]
    Forged {
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
    /// What was expected.
    pub fn kind(&self) -> ObjectKind {
        match self {
            Self::NotThis { expected } => *expected,
            Self::Truncated { kind, .. }
            | Self::TooNew { kind, .. }
            | Self::Sealed { kind }
            | Self::NotSealed { kind }
            | Self::UnknownKey { kind, .. }
            | Self::Forged { kind }
            | Self::Damaged { kind, .. }
            | Self::NotUnderstood { kind, .. }
            | Self::Misplaced { kind, .. } => *kind,
        }
    }

    pub(crate) fn damaged(kind: ObjectKind, what: &'static str) -> Self {
        Self::Damaged { kind, what }
    }

    /// Whether the bytes are wrong, as against too new or sealed.
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Truncated { .. }
            | Self::NotThis { .. }
            | Self::Damaged { .. }
            | Self::NotSealed { .. }
            | Self::Forged { .. }
            | Self::Misplaced { .. } => true,
            Self::TooNew { .. }
            | Self::Sealed { .. }
            | Self::UnknownKey { .. }
            | Self::NotUnderstood { .. } => false,
        }
    }

    /// Whether the bytes are not the ones that were written. Whoever finds a
    /// record so may build on the one before; one that is whole but belongs
    /// elsewhere, is forged or is not understood stops everything.
    pub fn is_corruption(&self) -> bool {
        let meant =
            matches!(self, Self::Misplaced { .. } | Self::NotSealed { .. } | Self::Forged { .. });
        self.is_damage() && !meant
    }
}

/// The preamble of a plain object.
pub fn preamble(kind: ObjectKind) -> [u8; PREAMBLE_LEN] {
    preamble_of(kind, PLAIN, PREAMBLE_LEN)
}

/// The preamble of a plain or of a sealed object.
pub(crate) fn beginning(kind: ObjectKind, sealed: bool) -> [u8; PREAMBLE_LEN] {
    preamble_of(kind, seal_byte(sealed), header_len(sealed))
}

fn preamble_of(kind: ObjectKind, seal: u8, header_len: usize) -> [u8; PREAMBLE_LEN] {
    let mut bytes = [0; PREAMBLE_LEN];
    bytes[..8].copy_from_slice(MAGIC);
    bytes[8] = kind.letter();
    bytes[9] = FORMAT_VERSION;
    bytes[10] = MIN_READER_VERSION;
    bytes[11] = seal;
    bytes[12..14].copy_from_slice(&(header_len as u16).to_le_bytes());
    bytes
}

/// The whole header of an object: plain, or sealed by `cipher`.
pub fn header(kind: ObjectKind, cipher: Option<&dyn ObjectCipher>) -> Vec<u8> {
    match cipher {
        None => preamble(kind).to_vec(),
        Some(cipher) => {
            let mut header = preamble_of(kind, SEALED, SEALED_HEADER_LEN).to_vec();
            header.extend_from_slice(&cipher.header().0);
            header
        }
    }
}

/// How long the header of a plain or of a sealed object is, in bytes.
pub(crate) fn header_len(sealed: bool) -> usize {
    if sealed { SEALED_HEADER_LEN } else { PREAMBLE_LEN }
}

/// The seal byte of a preamble.
pub(crate) fn seal_byte(sealed: bool) -> u8 {
    if sealed { SEALED } else { PLAIN }
}

/// Checks that `bytes` begin with the header of an object of this kind that
/// this crate can read, and returns what it says of its key, if it is sealed.
///
/// A version that is too new is named only when the rest of the preamble is
/// right, so that damage is not mistaken for news.
pub fn read_header(kind: ObjectKind, bytes: &[u8]) -> Result<Option<SealHeader>, DecodeError> {
    let Some((found, rest)) = bytes.split_first_chunk::<PREAMBLE_LEN>() else {
        return Err(DecodeError::Truncated { kind, len: bytes.len() as u64 });
    };
    if found[..8] != *MAGIC || found[8] != kind.letter() {
        return Err(DecodeError::NotThis { expected: kind });
    }
    let header_len = u32::from(u16::from_le_bytes([found[12], found[13]]));
    let sealed = check_versions(kind, found[9], found[10], found[11], header_len)?;
    if found[14..] != [0, 0] {
        return Err(DecodeError::damaged(kind, "preamble"));
    }
    if !sealed {
        return Ok(None);
    }
    let seal = rest.first_chunk::<SEAL_LEN>();
    let seal = seal.ok_or(DecodeError::Truncated { kind, len: bytes.len() as u64 })?;
    Ok(Some(SealHeader(*seal)))
}

/// Checks versions, seal and length of the header, and returns whether the
/// object is sealed.
pub(crate) fn check_versions(
    kind: ObjectKind,
    version: u8,
    min_reader: u8,
    seal: u8,
    header_len: u32,
) -> Result<bool, DecodeError> {
    if version == 0 || min_reader == 0 || min_reader > version {
        return Err(DecodeError::damaged(kind, "versions"));
    }
    if min_reader > FORMAT_VERSION {
        return Err(DecodeError::TooNew { kind, version, min_reader });
    }
    match (seal, header_len as usize) {
        (PLAIN, PREAMBLE_LEN) => Ok(false),
        // One flipped bit must not make a plain object look encrypted.
        (SEALED, SEALED_HEADER_LEN) => Ok(true),
        _ => Err(DecodeError::damaged(kind, "seal")),
    }
}

/// Encodes a plain control object.
pub fn encode_control(kind: ObjectKind, body: &[u8]) -> Vec<u8> {
    encode_sealed(kind, body.to_vec(), None)
}

/// Encodes a control object, sealed where there is a cipher.
pub fn encode_sealed(
    kind: ObjectKind,
    mut body: Vec<u8>,
    cipher: Option<&dyn ObjectCipher>,
) -> Vec<u8> {
    let mut object = header(kind, cipher);
    if let Some(cipher) = cipher {
        cipher.seal(whole(&object[..PREAMBLE_LEN]), &mut body);
    }
    object.reserve_exact(body.len() + Digest::LEN);
    object.extend_from_slice(&body);
    let digest = Digest::of(&object);
    object.extend_from_slice(digest.as_bytes());
    object
}

/// The body of a control object, bound to its preamble.
fn whole(preamble: &[u8]) -> Part<'_> {
    Part { section: Section::Body, number: 0, last: true, bound: preamble }
}

/// Proves a plain control object and returns its body.
///
/// The preamble is looked at first, so that an object of a newer version is
/// named as such even if it no longer ends in a digest.
pub fn decode_control(kind: ObjectKind, object: &[u8]) -> Result<&[u8], DecodeError> {
    match split_control(kind, object)? {
        (None, body) => Ok(body),
        (Some(_), _) => Err(DecodeError::Sealed { kind }),
    }
}

/// Proves a control object of a database, opens it where it is sealed, and
/// returns its body. `id` is the object's own.
pub fn decode_sealed(
    kind: ObjectKind,
    object: &[u8],
    home: &Home<'_>,
    id: &[u8],
) -> Result<Vec<u8>, DecodeError> {
    let (seal, body) = split_control(kind, object)?;
    let mut body = body.to_vec();
    if let Some(cipher) = home.opener(kind, id, seal.as_ref())? {
        cipher
            .open(whole(&object[..PREAMBLE_LEN]), &mut body)
            .map_err(|_| DecodeError::Forged { kind })?;
    }
    Ok(body)
}

/// The seal and the body of a control object, whose digest is proven.
fn split_control(
    kind: ObjectKind,
    object: &[u8],
) -> Result<(Option<SealHeader>, &[u8]), DecodeError> {
    let seal = read_header(kind, object)?;
    let truncated = DecodeError::Truncated { kind, len: object.len() as u64 };
    let (content, digest) =
        object.split_last_chunk::<{ Digest::LEN }>().ok_or(truncated.clone())?;
    let body = content.get(header_len(seal.is_some())..).ok_or(truncated)?;
    if Digest::of(content).as_bytes() != digest {
        return Err(DecodeError::damaged(kind, "digest"));
    }
    Ok((seal, body))
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
        println!("damaged: each bit and cut of an object, to its decoder: {}", object.len() * 9);
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
        let mut object = encode_control(ObjectKind::Record, &[0; SEAL_LEN]);
        object[9..14].copy_from_slice(&[1, 1, 1, 96, 0]);
        let digest = Digest::of(&object[..object.len() - Digest::LEN]);
        let at = object.len() - Digest::LEN;
        object[at..].copy_from_slice(digest.as_bytes());
        let error = decode_control(ObjectKind::Record, &object).expect_err("sealed");
        assert_eq!(error, DecodeError::Sealed { kind: ObjectKind::Record });
    }
}
