//! Further objects of snapshots: the files that a database mentions, as lists that
//! name them and the parts that their bytes lie in.
//!
//! All three, the index that a record names, the lists that the index names and the
//! parts, are objects of kind `T`: header, body, and the digest of both. The bodies
//! of index and lists are JSON, compressed by zstd; the body of a part is bytes of
//! one file, as they are.

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::id::{AttachedId, Suffix};
use crate::object::{self, DecodeError, ObjectKind};
use crate::seal::Home;

/// The most bytes of a file in one part.
pub const PART_LEN: usize = 4 * 1024 * 1024;
/// The largest object of kind `T` that is read, in bytes.
pub const MAX_ATTACHED_LEN: u64 = 64 * 1024 * 1024;
/// What a list or an index has at most when it is unpacked, in bytes.
const MAX_BODY_LEN: usize = 128 * 1024 * 1024;
/// A list ends after so many files at the latest.
const MAX_ROWS: usize = 2048;
/// The zstd level of lists: most of what is in them is random.
const LEVEL: i32 = 3;

/// One object of kind `T`, as whoever names it knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "Row", from = "Row")]
pub struct AttachedPart {
    /// What it is sealed for, the same on all destinations.
    pub id: AttachedId,
    /// Completes its key on this destination.
    pub suffix: Suffix,
    /// The size of the whole object in bytes.
    pub size: u64,
    /// BLAKE3 of the whole object.
    pub digest: Digest,
}

/// The JSON form: an array, because there are many.
type Row = (AttachedId, Suffix, u64, Digest);

impl From<AttachedPart> for Row {
    fn from(part: AttachedPart) -> Self {
        (part.id, part.suffix, part.size, part.digest)
    }
}

impl From<Row> for AttachedPart {
    fn from((id, suffix, size, digest): Row) -> Self {
        Self { id, suffix, size, digest }
    }
}

impl AttachedPart {
    /// Its key, relative to the folder of the database.
    pub fn key(&self) -> String {
        key(self.id, self.suffix)
    }
}

/// The key of an object of kind `T`, relative to the folder of the database.
pub fn key(id: AttachedId, suffix: Suffix) -> String {
    format!("attachments/{id}-{suffix}")
}

/// Reads such a key back.
pub fn parse_key(relative: &str) -> Option<(AttachedId, Suffix)> {
    let (id, suffix) = relative.strip_prefix("attachments/")?.split_once('-')?;
    Some((id.parse().ok()?, suffix.parse().ok()?))
}

/// What the record of a snapshot says of its files, on its destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachments {
    /// The index.
    pub index: AttachedPart,
    /// How many files there are.
    pub files: u64,
    /// Their sizes together.
    pub bytes: u64,
    /// How many more are mentioned, were there, and could not be copied yet.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub pending: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// The index: all lists, in the order of what they name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttachedIndex {
    /// The lists.
    pub lists: Vec<AttachedList>,
}

/// A list, as the index names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttachedList {
    /// The object.
    pub object: AttachedPart,
    /// BLAKE3 of the JSON in it: who comes to the same list uses this one.
    pub content: Digest,
    /// How many files it names.
    pub files: u64,
    /// Their sizes together.
    pub bytes: u64,
}

/// A file that rows of the database mention.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttachedFile {
    /// The store that it was in, as people are shown it.
    pub store: String,
    /// Its key there.
    pub key: String,
    /// Its size in bytes.
    pub size: u64,
    /// BLAKE3 of its bytes.
    pub digest: Digest,
    /// When it was put there, in seconds since 1970, where the store said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modified: Option<i64>,
    /// What the store called its bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    /// What kind of content it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// Where its bytes lie, in order; none for a file of no bytes.
    pub parts: Vec<AttachedPart>,
}

impl AttachedFile {
    /// What the order of files goes by: store, then key, byte by byte.
    pub fn place(&self) -> (&str, &str) {
        (&self.store, &self.key)
    }

    /// Whether a list ends after this file, of so many in it. That depends on the
    /// file, so that one more or less changes one list and leaves the others.
    pub fn ends_list(&self, files: usize) -> bool {
        let digest = Digest::of_parts([self.store.as_bytes(), b"\0", self.key.as_bytes()]);
        let bytes = digest.as_bytes();
        let drawn = u16::from_le_bytes([bytes[0], bytes[1]]);
        files >= MAX_ROWS || drawn.is_multiple_of(512)
    }
}

/// Encodes a part, or what [`pack`] gave.
pub fn encode(body: Vec<u8>, id: AttachedId, home: &Home<'_>) -> Vec<u8> {
    let cipher = home.sealer(ObjectKind::Attachment, id.as_bytes());
    object::encode_sealed(ObjectKind::Attachment, body, cipher.as_deref())
}

/// Decodes an object and proves it against whatever named it.
pub fn decode(object: &[u8], part: &AttachedPart, home: &Home<'_>) -> Result<Vec<u8>, DecodeError> {
    let kind = ObjectKind::Attachment;
    let body = object::decode_sealed(kind, object, home, part.id.as_bytes())?;
    if object.len() as u64 != part.size || Digest::of(object) != part.digest {
        return Err(DecodeError::Misplaced { kind, place: "list" });
    }
    Ok(body)
}

/// The JSON of an index or of the files of a list, with its digest, as the body of
/// an object.
///
/// # Errors
///
/// zstd has no memory.
pub fn pack<T: Serialize>(value: &T) -> std::io::Result<(Vec<u8>, Digest)> {
    let json = serde_json::to_vec(value)?;
    Ok((zstd::bulk::compress(&json, LEVEL)?, Digest::of(&json)))
}

/// Reads such a body.
pub fn unpack<T: for<'de> Deserialize<'de>>(body: &[u8]) -> Result<T, DecodeError> {
    let damaged = |what| DecodeError::damaged(ObjectKind::Attachment, what);
    let claimed = zstd::zstd_safe::get_frame_content_size(body).ok().flatten();
    let size = claimed.and_then(|size| usize::try_from(size).ok());
    let size = size.filter(|size| *size <= MAX_BODY_LEN).ok_or(damaged("size"))?;
    let json = zstd::bulk::decompress(body, size).map_err(|_| damaged("zstd"))?;
    serde_json::from_slice(&json).map_err(|_| damaged("JSON"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::RepositoryId;

    fn file(n: u32) -> AttachedFile {
        let part = AttachedPart {
            id: AttachedId::from_bytes([n as u8; 16]),
            suffix: Suffix::from_bytes([2; 4]),
            size: 300,
            digest: Digest::of(&n.to_le_bytes()),
        };
        AttachedFile {
            store: "s3://media".into(),
            key: format!("photos/{n}.jpg"),
            size: 200,
            digest: Digest::of(b"bytes"),
            modified: Some(1_790_000_000),
            etag: None,
            content_type: Some("image/jpeg".into()),
            parts: vec![part],
        }
    }

    #[test]
    fn lists_round_trip_and_no_flipped_bit_passes() {
        let name = "app".to_owned().try_into().expect("valid");
        let home =
            Home { repository: RepositoryId::from_bytes([1; 16]), database: &name, keys: None };
        let files = vec![file(1), file(2)];
        let (body, content) = pack(&files).expect("packs");
        assert_eq!(content, Digest::of(&serde_json::to_vec(&files).expect("writes")));
        let id = AttachedId::from_bytes([9; 16]);
        let object = encode(body, id, &home);
        let size = object.len() as u64;
        let suffix = Suffix::from_bytes([7; 4]);
        let part = AttachedPart { id, suffix, size, digest: Digest::of(&object) };
        let back = decode(&object, &part, &home).expect("decodes");
        assert_eq!(unpack::<Vec<AttachedFile>>(&back), Ok(files));
        for bit in 0..object.len() * 8 {
            let mut bad = object.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(decode(&bad, &part, &home).is_err(), "{bit}");
        }
        // Another whole object in its place.
        let other = encode(b"other".to_vec(), id, &home);
        assert!(decode(&other, &part, &home).is_err());
        assert_eq!(parse_key(&part.key()), Some((id, suffix)));
        assert_eq!(parse_key("attachments/00000000000000000000000000000001"), None);
    }

    #[test]
    fn what_is_no_list_is_an_error() {
        for body in [&b""[..], b"no zstd", b"\x28\xb5\x2f\xfd\xa0\xff\xff\xff\xff"] {
            assert!(unpack::<AttachedIndex>(body).is_err());
        }
        let (body, _) = pack(&"no list").expect("packs");
        assert!(unpack::<Vec<AttachedFile>>(&body).is_err());
    }

    #[test]
    fn lists_are_some_hundred_files_long() {
        let (mut lists, mut rows) = (0, 0);
        for n in 0..100_000 {
            rows += 1;
            if file(n).ends_list(rows) {
                (lists, rows) = (lists + 1, 0);
            }
        }
        assert!((100..400).contains(&lists), "{lists}");
    }
}
