//! Reading packs and pack lists.

use std::collections::HashSet;

use bytes::Bytes;
use lifeboat_format::digest::BlockHash;
use lifeboat_format::geometry::BlockNo;
use lifeboat_format::id::PackId;
use lifeboat_format::key;
use lifeboat_format::list::{self, ListRef, PackEntry, PackListRef, packs_digest};
use lifeboat_format::object::{DecodeError, ObjectKind};
use lifeboat_format::pack::{MAX_PACK_LEN, PackIndex, Trailer};
use lifeboat_format::record::{Content, Record};

use crate::error::ReadError;
use crate::repository::Database;

/// How much of the end of a pack is read to find its index. Most indexes are
/// smaller.
const TAIL_LEN: u64 = 64 * 1024;

/// A pack list that was read, with what it was put together from.
#[derive(Clone, Debug, Default)]
pub(crate) struct PackList {
    /// How the record refers to it.
    pub(crate) reference: PackListRef,
    /// The rows of the list object.
    pub(crate) base: Vec<PackEntry>,
    /// The whole list, oldest first.
    pub(crate) packs: Vec<PackEntry>,
}

impl Database {
    /// Reads the pack list of a snapshot or a partial upload, and proves it
    /// against the snapshot's body.
    pub(crate) async fn pack_list(&self, record: &Record) -> Result<PackList, ReadError> {
        let reference = record.envelope.packs.clone().unwrap_or_default();
        let base = match &reference.list {
            None => Vec::new(),
            Some(list) => self.list_object(list).await?,
        };
        let packs = self.resolved(record, &reference, base.clone())?;
        Ok(PackList { reference, base, packs })
    }

    /// The whole list of a record, given the rows of its list object; proven
    /// against the body of a snapshot.
    pub(crate) fn resolved(
        &self,
        record: &Record,
        reference: &PackListRef,
        base: Vec<PackEntry>,
    ) -> Result<Vec<PackEntry>, ReadError> {
        let packs = reference.resolve(base);
        let distinct: HashSet<PackId> = packs.iter().map(|entry| entry.pack).collect();
        if distinct.len() != packs.len() {
            let error =
                DecodeError::NotUnderstood { kind: ObjectKind::List, what: "a pack stands twice" };
            return Err(ReadError::unusable(self.keys.record(record.number()))(error));
        }
        if let Some(Content::Pages { packs_digest: expected }) =
            record.body.as_ref().map(|body| &body.content)
            && packs_digest(&packs) != *expected
        {
            let error = DecodeError::Misplaced { kind: ObjectKind::List, place: "record" };
            return Err(ReadError::unusable(self.keys.record(record.number()))(error));
        }
        Ok(packs)
    }

    /// Reads a list object.
    pub(crate) async fn list_object(
        &self,
        list_ref: &ListRef,
    ) -> Result<Vec<PackEntry>, ReadError> {
        let key = self.keys.at(&key::list(list_ref.id));
        let object = self.remote().get(&key, list::MAX_LIST_LEN).await?;
        let object = object
            .ok_or_else(|| ReadError::Missing { kind: ObjectKind::List, key: key.clone() })?;
        list::decode(&object, list_ref, &self.home()).map_err(ReadError::unusable(key))
    }

    /// Reads the index of a pack. Also returns the bytes of the whole pack
    /// where they had to be read anyway.
    pub(crate) async fn pack_index(
        &self,
        entry: &PackEntry,
    ) -> Result<(PackIndex, Option<Bytes>), ReadError> {
        let size = u64::from(entry.size);
        let key = self.keys.at(&key::pack(entry));
        if size > MAX_PACK_LEN {
            let error = DecodeError::Damaged { kind: ObjectKind::Pack, what: "length" };
            return Err(ReadError::unusable(key)(error));
        }
        let mut tail = self.pack_range(entry, size.saturating_sub(TAIL_LEN)..size).await?;
        let trailer = Trailer::decode(&tail, size).map_err(ReadError::unusable(key.as_str()))?;
        if trailer.tail_len() > tail.len() as u64 {
            tail = self.pack_range(entry, size - trailer.tail_len()..size).await?;
        }
        let index = PackIndex::decode(&tail, entry, &self.home())
            .map_err(ReadError::unusable(key.as_str()))?;
        let whole = (tail.len() as u64 == size).then_some(tail);
        if let Some(whole) = &whole {
            index.check_header(whole).map_err(ReadError::unusable(key))?;
        }
        Ok((index, whole))
    }

    /// Reads which blocks a pack holds, and their hashes.
    pub(crate) async fn pack_hashes(
        &self,
        entry: &PackEntry,
    ) -> Result<(PackIndex, Vec<(BlockNo, BlockHash)>), ReadError> {
        let (index, whole) = self.pack_index(entry).await?;
        let range = index.trailer().hashes_range();
        let section = match whole {
            Some(whole) => whole.slice(range.start as usize..range.end as usize),
            None => self.pack_range(entry, range).await?,
        };
        let key = self.keys.at(&key::pack(entry));
        let hashes = index.decode_hashes(&section).map_err(ReadError::unusable(key))?;
        let pairs = index.blocks().zip(hashes).collect();
        Ok((index, pairs))
    }

    /// Reads a range of a pack, all of it.
    pub(crate) async fn pack_range(
        &self,
        entry: &PackEntry,
        range: std::ops::Range<u64>,
    ) -> Result<Bytes, ReadError> {
        let key = self.keys.at(&key::pack(entry));
        let wanted = range.end - range.start;
        let bytes = self.remote().get_range(&key, range.clone()).await?;
        let Some(bytes) = bytes else {
            return Err(ReadError::Missing { kind: ObjectKind::Pack, key });
        };
        if (bytes.len() as u64) < wanted {
            let len = range.start + bytes.len() as u64;
            let error = DecodeError::Truncated { kind: ObjectKind::Pack, len };
            return Err(ReadError::unusable(key)(error));
        }
        Ok(bytes)
    }
}
