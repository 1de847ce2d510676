//! Which frames of a pack a restore needs; pure.

use std::collections::{BTreeSet, HashSet};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use lifeboat_format::geometry::{BlockNo, Geometry};
use lifeboat_format::key;
use lifeboat_format::list::PackEntry;
use lifeboat_format::object::DecodeError;
use lifeboat_format::pack::PackIndex;

use super::held::ReadPack;
use crate::repository::Database;

/// The most bytes that one request fetches.
pub(super) const CHUNK_LEN: u64 = 4 * 1024 * 1024;

/// The blocks of an image that no pack has given yet: one bit each.
#[derive(Debug)]
pub(super) struct Wanted {
    bits: Vec<u64>,
    remaining: Remaining,
    lost: BTreeSet<BlockNo>,
}

/// How many blocks are still wanted, to be read while others change it.
#[derive(Clone, Debug)]
pub(super) struct Remaining(Arc<AtomicU64>);

impl Remaining {
    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Wanted {
    /// All blocks of an image but the one that is absent.
    pub(super) fn all_of(geometry: Geometry) -> Self {
        let blocks = geometry.block_count();
        let mut bits = vec![u64::MAX; blocks.div_ceil(64) as usize];
        if let Some(last) = bits.last_mut().filter(|_| !blocks.is_multiple_of(64)) {
            *last = (1 << (blocks % 64)) - 1;
        }
        let remaining = Remaining(Arc::new(AtomicU64::new(u64::from(blocks))));
        let mut wanted = Self { bits, remaining, lost: BTreeSet::new() };
        if let Some(absent) = geometry.absent_block() {
            wanted.take(absent);
        }
        wanted
    }

    pub(super) fn remaining(&self) -> Remaining {
        self.remaining.clone()
    }

    /// Takes a block out; false if it is not wanted.
    fn take(&mut self, block: BlockNo) -> bool {
        let Some(word) = self.bits.get_mut(block.0 as usize / 64) else {
            return false;
        };
        let bit = 1 << (block.0 % 64);
        let was = *word & bit != 0;
        *word &= !bit;
        if was {
            self.remaining.0.fetch_sub(1, Ordering::Relaxed);
        }
        was
    }

    /// Blocks that nobody can give any more: an older pack must not, because it
    /// has what they were before. They stay missing.
    pub(super) fn give_up(&mut self, blocks: Option<&HashSet<BlockNo>>) {
        for block in blocks.into_iter().flatten() {
            if self.take(*block) {
                self.lost.insert(*block);
            }
        }
    }

    /// The blocks that were given up.
    pub(super) fn given_up(&self) -> impl Iterator<Item = BlockNo> {
        self.lost.iter().copied()
    }

    /// The blocks that are still wanted.
    pub(super) fn left(&self) -> impl Iterator<Item = BlockNo> {
        (0..).zip(&self.bits).flat_map(|(at, word)| {
            (0..64).filter(move |bit| word & (1 << bit) != 0).map(move |bit| BlockNo(at * 64 + bit))
        })
    }

    /// The first block that is still wanted, and how many there are.
    pub(super) fn missing(&self) -> Option<(BlockNo, u64)> {
        let at = self.bits.iter().position(|word| *word != 0);
        let wanted = at.map(|at| BlockNo(at as u32 * 64 + self.bits[at].trailing_zeros()));
        let first = wanted.into_iter().chain(self.lost.first().copied()).min()?;
        Some((first, self.remaining.get() + self.lost.len() as u64))
    }
}

/// Consecutive frames of one pack, to be fetched with one request.
#[derive(Debug)]
pub(super) struct Chunk {
    /// Where the pack lies.
    pub(super) at: Database,
    pub(super) entry: PackEntry,
    pub(super) key: Arc<str>,
    pub(super) index: Arc<PackIndex>,
    /// The whole pack, if it was read already.
    pub(super) whole: Option<Bytes>,
    /// Which frames.
    pub(super) frames: Range<usize>,
    /// The wanted blocks in them: position in the pack, and block number.
    pub(super) wanted: Vec<(u32, BlockNo)>,
}

impl Chunk {
    /// Where the frames lie in the pack.
    pub(super) fn range(&self) -> Range<u64> {
        let frames = &self.index.frames()[self.frames.clone()];
        let first = frames.first().expect("a chunk has frames");
        let last = frames.last().expect("a chunk has frames");
        u64::from(first.offset)..u64::from(last.offset) + u64::from(last.stored_len)
    }

    /// Proves the frames, without decoding them. `bytes` are those of
    /// [`range`](Self::range).
    pub(super) fn prove(&self, bytes: &[u8]) -> Result<(), DecodeError> {
        let start = self.range().start;
        self.frames.clone().try_for_each(|number| {
            let frame = &self.index.frames()[number];
            let at = (u64::from(frame.offset) - start) as usize;
            frame.prove(&bytes[at..at + frame.stored_len as usize])
        })
    }
}

/// Takes out of `wanted` what a pack holds, and says which frames give it, and
/// how many blocks need none: those that are kept. A chunk has at most so many bytes.
pub(super) fn chunks(read: ReadPack, wanted: &mut Wanted, most: u64) -> (Vec<Chunk>, u64) {
    let ReadPack { at: place, entry, index, whole, kept } = read;
    let key: Arc<str> = place.keys.at(&key::pack(&entry)).into();
    let index = Arc::new(index);
    let mut taken: Vec<(u32, BlockNo)> =
        (0..).zip(index.blocks()).filter(|(_, block)| wanted.take(*block)).collect();
    let before = taken.len();
    taken.retain(|(position, _)| !kept.get(*position as usize).copied().unwrap_or(false));
    let spared = (before - taken.len()) as u64;
    let mut taken = taken.into_iter().peekable();
    let mut chunks: Vec<Chunk> = Vec::new();
    for (at, frame) in index.frames().iter().enumerate() {
        let mut blocks = Vec::new();
        while let Some(block) = taken.next_if(|(p, _)| *p < frame.first + frame.blocks) {
            blocks.push(block);
        }
        if blocks.is_empty() {
            continue;
        }
        let stored = u64::from(frame.stored_len);
        match chunks.last_mut() {
            Some(last) if last.frames.end == at && span(last) + stored <= most => {
                last.frames.end += 1;
                last.wanted.append(&mut blocks);
            }
            _ => chunks.push(Chunk {
                at: place.clone(),
                entry,
                key: Arc::clone(&key),
                index: Arc::clone(&index),
                whole: whole.clone(),
                frames: at..at + 1,
                wanted: blocks,
            }),
        }
    }
    (chunks, spared)
}

fn span(chunk: &Chunk) -> u64 {
    let range = chunk.range();
    range.end - range.start
}

#[cfg(test)]
mod tests {
    use super::*;
    use lifeboat_format::geometry::PageSize;

    #[test]
    fn every_block_is_wanted_once() {
        let geometry = Geometry::new(PageSize::new(4096).expect("valid"), 262_200).expect("valid");
        let mut wanted = Wanted::all_of(geometry);
        let remaining = wanted.remaining();
        assert_eq!(remaining.get(), 262_199, "the lock page is absent");
        assert!(wanted.take(BlockNo(0)) && !wanted.take(BlockNo(0)));
        assert!(!wanted.take(BlockNo(262_144)) && !wanted.take(BlockNo(262_200)));
        assert_eq!(wanted.missing(), Some((BlockNo(1), 262_198)));
    }
}
