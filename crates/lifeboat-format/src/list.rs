//! Pack lists: which packs an image lies in.
//!
//! The body of a list object is the number of rows (4 bytes, little-endian)
//! and one row of 60 bytes for each pack, oldest first:
//!
//! | offset | size | row |
//! |---|---|---|
//! | 0 | 16 | pack id |
//! | 16 | 4 | suffix |
//! | 20 | 4 | size of the pack in bytes, little-endian |
//! | 24 | 4 | number of blocks in it, little-endian |
//! | 28 | 32 | digest of its index and trailer |

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::id::{ListId, PackId, Suffix};
use crate::object::{self, DecodeError, ObjectKind};
use crate::seal::Home;

const ROW_LEN: usize = 60;

/// One pack, as a list names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "Row", from = "Row")]
pub struct PackEntry {
    /// Which pack.
    pub pack: PackId,
    /// Completes its key on this destination.
    pub suffix: Suffix,
    /// Its size in bytes.
    pub size: u32,
    /// How many blocks it holds.
    pub blocks: u32,
    /// The digest of its index and trailer, through which all of its bytes are
    /// proven.
    pub index_digest: Digest,
}

/// The JSON form of an entry: an array, because lists of them are long.
type Row = (PackId, Suffix, u32, u32, Digest);

impl From<PackEntry> for Row {
    fn from(entry: PackEntry) -> Self {
        (entry.pack, entry.suffix, entry.size, entry.blocks, entry.index_digest)
    }
}

impl From<Row> for PackEntry {
    fn from((pack, suffix, size, blocks, index_digest): Row) -> Self {
        Self { pack, suffix, size, blocks, index_digest }
    }
}

/// The pack list of a record: an immutable list object, and what differs.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PackListRef {
    /// The list object to begin with; none is an empty list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub list: Option<ListRef>,
    /// Packs of that list that are not in this one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dropped: Vec<PackId>,
    /// Packs that follow, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub added: Vec<PackEntry>,
}

/// A list object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListRef {
    /// Which list.
    pub id: ListId,
    /// BLAKE3 of the whole object.
    pub digest: Digest,
}

impl PackListRef {
    /// The whole list, given the rows of its list object.
    pub fn resolve(&self, base: Vec<PackEntry>) -> Vec<PackEntry> {
        let dropped: std::collections::HashSet<_> = self.dropped.iter().collect();
        let mut packs = base;
        packs.retain(|entry| !dropped.contains(&entry.pack));
        packs.extend_from_slice(&self.added);
        packs
    }

    /// How many rows stand in the record itself.
    pub fn delta_len(&self) -> usize {
        self.dropped.len() + self.added.len()
    }
}

/// The digest of the ids of packs, oldest first: what a snapshot's body says of
/// its content.
pub fn packs_digest(packs: &[PackEntry]) -> Digest {
    Digest::of_parts(packs.iter().map(|entry| &entry.pack.as_bytes()[..]))
}

/// Encodes the list object of this id.
pub fn encode(packs: &[PackEntry], id: ListId, home: &Home<'_>) -> Vec<u8> {
    let mut body = Vec::with_capacity(4 + packs.len() * ROW_LEN);
    body.extend_from_slice(&(packs.len() as u32).to_le_bytes());
    for entry in packs {
        body.extend_from_slice(entry.pack.as_bytes());
        body.extend_from_slice(entry.suffix.as_bytes());
        body.extend_from_slice(&entry.size.to_le_bytes());
        body.extend_from_slice(&entry.blocks.to_le_bytes());
        body.extend_from_slice(entry.index_digest.as_bytes());
    }
    let cipher = home.sealer(ObjectKind::List, id.as_bytes());
    object::encode_sealed(ObjectKind::List, body, cipher.as_deref())
}

/// Decodes and proves a list object against the reference that led to it.
pub fn decode(
    object: &[u8],
    reference: &ListRef,
    home: &Home<'_>,
) -> Result<Vec<PackEntry>, DecodeError> {
    let damaged = |what| DecodeError::damaged(ObjectKind::List, what);
    let body = object::decode_sealed(ObjectKind::List, object, home, reference.id.as_bytes())?;
    if Digest::of(object) != reference.digest {
        return Err(DecodeError::Misplaced { kind: ObjectKind::List, place: "record" });
    }
    let (count, rows) = body.split_first_chunk::<4>().ok_or(damaged("count"))?;
    if u32::from_le_bytes(*count) as usize * ROW_LEN != rows.len() {
        return Err(damaged("count"));
    }
    Ok(rows.as_chunks::<ROW_LEN>().0.iter().map(row).collect())
}

fn row(bytes: &[u8; ROW_LEN]) -> PackEntry {
    fn part<const N: usize>(bytes: &[u8; ROW_LEN], at: usize) -> [u8; N] {
        let mut part = [0; N];
        part.copy_from_slice(&bytes[at..at + N]);
        part
    }
    PackEntry {
        pack: PackId::from_bytes(part(bytes, 0)),
        suffix: Suffix::from_bytes(part(bytes, 16)),
        size: u32::from_le_bytes(part(bytes, 20)),
        blocks: u32::from_le_bytes(part(bytes, 24)),
        index_digest: Digest::from_bytes(part(bytes, 28)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(n: u8) -> PackEntry {
        PackEntry {
            pack: PackId::from_bytes([n; 16]),
            suffix: Suffix::from_bytes([n; 4]),
            size: 1000 + u32::from(n),
            blocks: u32::from(n),
            index_digest: Digest::of(&[n]),
        }
    }

    #[test]
    fn round_trip_and_swap() {
        let packs = [entry(1), entry(2)];
        let (id, name) = (ListId::from_bytes([9; 16]), "app".to_owned().try_into().expect("valid"));
        let repository = crate::id::RepositoryId::from_bytes([1; 16]);
        let home = Home { repository, database: &name, keys: None };
        let object = encode(&packs, id, &home);
        let reference = ListRef { id, digest: Digest::of(&object) };
        assert_eq!(decode(&object, &reference, &home).as_deref(), Ok(&packs[..]));
        let other = encode(&packs[..1], id, &home);
        let swapped = decode(&other, &reference, &home).expect_err("another list");
        assert_eq!(swapped, DecodeError::Misplaced { kind: ObjectKind::List, place: "record" });
    }

    #[test]
    fn a_list_and_what_differs() {
        let list = PackListRef { list: None, dropped: vec![entry(1).pack], added: vec![entry(4)] };
        let packs = list.resolve(vec![entry(1), entry(2), entry(3)]);
        assert_eq!(packs, [entry(2), entry(3), entry(4)]);
        let json = serde_json::to_string(&list).expect("serialises");
        assert_eq!(serde_json::from_str::<PackListRef>(&json).expect("parses"), list);
    }
}
