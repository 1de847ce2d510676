//! Repairs: where the content of a damaged pack lies now. The body is one JSON
//! object.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::digest::Digest;
use crate::geometry::BlockNo;
use crate::id::{DatabaseName, InstallationId, PackId, RepositoryId};
use crate::list::PackEntry;
use crate::numbers::NumberSet;
use crate::object::{self, DecodeError, ObjectKind};
use crate::pack::MAX_BLOCKS;
use crate::seal::Home;

/// The largest repair object that is read, in bytes.
pub const MAX_REPAIR_LEN: u64 = 4 * 1024 * 1024;
/// How often one pack can be repaired.
pub const MAX_REPAIRS: u32 = 16;

/// Where the content of a damaged pack lies now. It takes the damaged pack's
/// place in every pack list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Repair {
    /// The repository.
    pub repository: RepositoryId,
    /// The database.
    pub database: DatabaseName,
    /// The damaged pack.
    pub pack: PackId,
    /// The pack that has its content.
    pub healed: PackEntry,
    /// Blocks of the damaged pack that could not be had any more, as runs of
    /// first block and count. Whoever needs one of them cannot be restored.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lost: Vec<(u32, u32)>,
    /// Where it was not known which blocks the damaged pack held: the snapshots
    /// whose image is proven to be whole with the new pack. It serves no others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub only_for: Option<NumberSet>,
    /// Who repaired it.
    pub by: InstallationId,
    /// When, UTC.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
}

impl Repair {
    /// The blocks that could not be had any more.
    pub fn lost_blocks(&self) -> impl Iterator<Item = BlockNo> + '_ {
        self.lost
            .iter()
            .flat_map(|&(first, count)| (first..first.saturating_add(count)).map(BlockNo))
    }
}

/// The id of the pack that heals another one for the `k`-th time, from 1: the
/// first 16 bytes of the digest of `lifeboat healed pack`, the id of the damaged
/// pack, and `k` in four bytes, little-endian.
///
/// It follows from the id of the damaged pack, so that a collector knows without
/// any listing which packs heal those that are needed.
pub fn healed_id(pack: PackId, k: u32) -> PackId {
    let parts = [&b"lifeboat healed pack"[..], pack.as_bytes(), &k.to_le_bytes()];
    let digest = Digest::of_parts(parts);
    let mut id = [0; 16];
    id.copy_from_slice(&digest.as_bytes()[..16]);
    PackId::from_bytes(id)
}

/// The key of the `k`-th repair of a pack, relative to the folder of the
/// database.
pub fn key(pack: PackId, k: u32) -> String {
    format!("repairs/{pack}/{k}")
}

/// Reads such a key.
pub fn parse_key(relative: &str) -> Option<(PackId, u32)> {
    let (pack, k) = relative.strip_prefix("repairs/")?.split_once('/')?;
    let (pack, k) = (pack.parse().ok()?, k.parse().ok()?);
    (key(pack, k) == relative && (1..=MAX_REPAIRS).contains(&k)).then_some((pack, k))
}

fn object_id(pack: PackId, k: u32) -> [u8; 20] {
    let mut id = [0; 20];
    id[..16].copy_from_slice(pack.as_bytes());
    id[16..].copy_from_slice(&k.to_le_bytes());
    id
}

/// Encodes the `k`-th repair of a pack.
pub fn encode(repair: &Repair, k: u32, home: &Home<'_>) -> Vec<u8> {
    let body = serde_json::to_vec(repair).expect("texts and numbers always serialise");
    let cipher = home.sealer(ObjectKind::Repair, &object_id(repair.pack, k));
    object::encode_sealed(ObjectKind::Repair, body, cipher.as_deref())
}

/// Decodes and proves the `k`-th repair of a pack.
pub fn decode(object: &[u8], pack: PackId, k: u32, home: &Home<'_>) -> Result<Repair, DecodeError> {
    let kind = ObjectKind::Repair;
    let body = object::decode_sealed(kind, object, home, &object_id(pack, k))?;
    let repair: Repair = serde_json::from_slice(&body)
        .map_err(|_| DecodeError::NotUnderstood { kind, what: "fields" })?;
    if repair.repository != home.repository {
        return Err(DecodeError::Misplaced { kind, place: "repository" });
    }
    if repair.database != *home.database {
        return Err(DecodeError::Misplaced { kind, place: "database" });
    }
    if repair.pack != pack || repair.healed.pack != healed_id(pack, k) {
        return Err(DecodeError::Misplaced { kind, place: "pack" });
    }
    // Else a short object would claim more blocks than there are.
    let mut least = 0;
    let mut count = 0;
    for (first, blocks) in repair.lost.iter().map(|run| (u64::from(run.0), u64::from(run.1))) {
        if blocks == 0 || first < least || first + blocks > u64::from(u32::MAX) {
            return Err(DecodeError::damaged(kind, "lost blocks"));
        }
        (least, count) = (first + blocks, count + blocks);
    }
    if count > u64::from(MAX_BLOCKS) {
        return Err(DecodeError::damaged(kind, "lost blocks"));
    }
    Ok(repair)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Suffix;
    use time::macros::datetime;

    #[test]
    fn keys_and_ids() {
        let pack = PackId::from_bytes([0xab; 16]);
        assert_eq!(parse_key(&key(pack, 3)), Some((pack, 3)));
        for bad in ["repairs/x/1", &format!("repairs/{pack}/0"), &format!("repairs/{pack}/01")] {
            assert_eq!(parse_key(bad), None, "{bad}");
        }
        assert_ne!(healed_id(pack, 1), healed_id(pack, 2));
    }

    #[test]
    fn a_repair_of_another_pack_is_told_apart() {
        let name = "app".to_owned().try_into().expect("valid");
        let repository = RepositoryId::from_bytes([1; 16]);
        let home = Home { repository, database: &name, keys: None };
        let pack = PackId::from_bytes([2; 16]);
        let healed = PackEntry {
            pack: healed_id(pack, 1),
            suffix: Suffix::from_bytes([1; 4]),
            size: 5,
            blocks: 1,
            index_digest: Digest::of(b""),
        };
        let repair = Repair {
            repository,
            database: name.clone(),
            pack,
            healed,
            lost: vec![(3, 2)],
            only_for: None,
            by: InstallationId::new("a").expect("valid"),
            at: datetime!(2026-11-20 12:00 UTC),
        };
        let object = encode(&repair, 1, &home);
        assert_eq!(decode(&object, pack, 1, &home), Ok(repair.clone()));
        assert!(decode(&object, pack, 2, &home).is_err());
        assert!(decode(&object, PackId::from_bytes([3; 16]), 1, &home).is_err());
        assert!(repair.lost_blocks().eq([BlockNo(3), BlockNo(4)]));
        for bad in [vec![(0, 0)], vec![(5, 2), (6, 1)], vec![(u32::MAX, 1)], vec![(0, 70_000)]] {
            let repair = Repair { lost: bad.clone(), ..repair.clone() };
            let object = encode(&repair, 1, &home);
            assert!(decode(&object, pack, 1, &home).is_err(), "{bad:?}");
        }
    }
}
