//! What changed in a group: its hash first, and only where that differs the
//! hashes of its blocks.

use lifeboat_format::digest::{BlockHash, GroupHash, HashKey};
use lifeboat_format::geometry::{BlockNo, Geometry, GroupNo};
use lifeboat_format::source::{KnownBlocks, ScannedGroup, Stopped};

/// Compares groups with what is known of them. Keeps one group's worth of
/// hashes and bytes.
pub(crate) struct Differ<'k> {
    key: &'k HashKey,
    known: Vec<BlockHash>,
    known_group: GroupHash,
    group_hash: GroupHash,
    hashes: Vec<BlockHash>,
    changed: Vec<BlockNo>,
    packed: Vec<u8>,
}

impl<'k> Differ<'k> {
    pub(crate) fn new(key: &'k HashKey) -> Self {
        Self {
            key,
            known: Vec::new(),
            known_group: GroupHash::UNKNOWN,
            group_hash: GroupHash::UNKNOWN,
            hashes: Vec::new(),
            changed: Vec::new(),
            packed: Vec::new(),
        }
    }

    /// Asks what is known of a group. With another block size, nothing is.
    pub(crate) fn load(
        &mut self,
        known: &mut dyn KnownBlocks,
        geometry: Geometry,
        group: GroupNo,
    ) -> Result<(), Stopped> {
        self.known.clear();
        self.known_group = GroupHash::UNKNOWN;
        if known.geometry().map(Geometry::block_size) == Some(geometry.block_size()) {
            self.known_group = known.group(group, &mut self.known)?;
        }
        Ok(())
    }

    /// Takes what is known from elsewhere, without a group hash.
    pub(crate) fn set_known(&mut self, known: &[BlockHash]) {
        self.known.clear();
        self.known.extend_from_slice(known);
        self.known_group = GroupHash::UNKNOWN;
    }

    /// The key of all hashes.
    pub(crate) fn key(&self) -> &HashKey {
        self.key
    }

    /// What was loaded.
    pub(crate) fn known(&self) -> &[BlockHash] {
        &self.known
    }

    /// Compares the masked bytes of the group that was loaded.
    pub(crate) fn compare<'a>(
        &'a mut self,
        geometry: Geometry,
        first: BlockNo,
        data: &'a [u8],
    ) -> ScannedGroup<'a> {
        let size = geometry.block_size() as usize;
        let absent = geometry.absent_block();
        self.group_hash = GroupHash::of(self.key, data);
        self.hashes.clear();
        self.changed.clear();

        let blocks = || (first.0..).map(BlockNo).zip(data.chunks_exact(size));
        let all_known = self.known.len() == data.len() / size
            && blocks()
                .zip(&self.known)
                .all(|((block, _), hash)| hash.is_absent() == (absent == Some(block)));
        if all_known
            && self.known_group != GroupHash::UNKNOWN
            && self.known_group == self.group_hash
        {
            self.hashes.extend_from_slice(&self.known);
            return self.group(first, &[]);
        }
        for (i, (block, bytes)) in blocks().enumerate() {
            if absent == Some(block) {
                self.hashes.push(BlockHash::ABSENT);
                continue;
            }
            let hash = BlockHash::of(self.key, bytes);
            self.hashes.push(hash);
            if self.known.get(i) != Some(&hash) {
                self.changed.push(block);
            }
        }
        if self.changed.len() * size == data.len() {
            return self.group(first, data);
        }
        self.packed.clear();
        for block in &self.changed {
            let at = (block.0 - first.0) as usize * size;
            self.packed.extend_from_slice(&data[at..at + size]);
        }
        self.group(first, &self.packed)
    }

    fn group<'a>(&'a self, first: BlockNo, data: &'a [u8]) -> ScannedGroup<'a> {
        ScannedGroup {
            first,
            group_hash: self.group_hash,
            hashes: &self.hashes,
            changed: &self.changed,
            data,
        }
    }
}
