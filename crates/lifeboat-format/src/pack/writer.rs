//! Writes one pack, block by block.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::digest::{BlockHash, Digest};
use crate::geometry::{BlockNo, MIN_BLOCK_SIZE};
use crate::id::{PackId, Suffix};
use crate::list::PackEntry;
use crate::object::{self, ObjectKind};
use crate::seal::{Home, ObjectCipher};

use super::chunks::Chunks;
use super::encoder::{FrameEncoders, Here, RawFrame};
use super::frame::FRAME_ROW_LEN;
use super::index::{HASHES_PART, INDEX_HEADER_LEN, Trailer, index_part};
use super::{CHUNK_LEN, MAX_BLOCKS, MAX_FRAME_LEN};

/// The greatest size at which a pack is full, in bytes.
const MAX_TARGET_LEN: u32 = 16 * 1024 * 1024;

/// The bytes of a frame and its tag.
const FRAME_CAPACITY: usize = MAX_FRAME_LEN as usize + crate::seal::TAG_LEN;

/// How packs are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PackOptions {
    /// The size in bytes at which a pack is full. 8 MiB; a pack exceeds it by
    /// its index and one frame, and where frames are encoded beside, by what they
    /// were less compressible than those before.
    pub target_len: u32,
    /// The zstd level, 1 to 19. 3.
    pub level: i32,
}

impl Default for PackOptions {
    fn default() -> Self {
        Self { target_len: 8 * 1024 * 1024, level: 3 }
    }
}

impl PackOptions {
    /// These options with another size at which a pack is full, at most 16 MiB.
    #[must_use]
    pub fn with_target_len(mut self, bytes: u32) -> Self {
        self.target_len = bytes.min(MAX_TARGET_LEN);
        self
    }

    /// These options with another zstd level.
    #[must_use]
    pub fn with_level(mut self, level: i32) -> Self {
        self.level = level;
        self
    }
}

/// Why a block cannot be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PackError {
    /// The blocks did not come in ascending order.
    #[error("block {found} follows block {previous} in a pack")]
    OutOfOrder {
        /// The block before.
        previous: BlockNo,
        /// The block that came.
        found: BlockNo,
    },
    /// A block does not have the size that the pack was made for.
    #[error("a block of {found} bytes where {expected} were expected")]
    BlockSize {
        /// The size in bytes that the pack was made for.
        expected: u32,
        /// The size in bytes that came.
        found: usize,
    },
    /// The pack is full, or empty where it must not be.
    #[error("a pack holds 1 to {MAX_BLOCKS} blocks")]
    Capacity,
    /// The compressor failed.
    #[error("zstd failed")]
    Compress(#[source] std::io::Error),
}

/// A pack that was written whole.
#[derive(Clone, Debug)]
pub struct WrittenPack {
    /// Its id.
    pub pack: PackId,
    /// The whole object, in pieces: all of [`CHUNK_LEN`] bytes but the last two,
    /// of which the last is index and trailer.
    pub parts: Vec<Vec<u8>>,
    /// How many blocks it holds.
    pub blocks: u32,
    /// The digest of its index and trailer.
    pub index_digest: Digest,
}

impl WrittenPack {
    /// What a pack list says of it, once it lies under a key with this suffix.
    pub fn entry(&self, suffix: Suffix) -> PackEntry {
        PackEntry {
            pack: self.pack,
            suffix,
            size: self.parts.iter().map(Vec::len).sum::<usize>() as u32,
            blocks: self.blocks,
            index_digest: self.index_digest,
        }
    }

    /// Index and trailer.
    pub fn tail(&self) -> &[u8] {
        self.parts.last().map_or(&[], Vec::as_slice)
    }

    /// The whole object in one piece.
    pub fn concat(&self) -> Vec<u8> {
        self.parts.concat()
    }
}

/// Writes one pack.
pub struct PackWriter {
    pack: PackId,
    block_size: u32,
    options: PackOptions,
    encoders: Box<dyn FrameEncoders>,
    bytes: Chunks,
    /// The blocks of the frame that is not yet handed in.
    pending: Vec<u8>,
    /// How many bytes the frames have that were handed in and not taken back.
    out: VecDeque<usize>,
    /// How many bytes the blocks have of the frames that were taken back.
    settled: usize,
    /// A buffer that is free.
    spare: Vec<u8>,
    frames: Vec<u8>,
    runs: Vec<(u32, u32)>,
    hashes: Vec<u8>,
    blocks: u32,
    cipher: Option<Arc<dyn ObjectCipher>>,
}

impl PackWriter {
    /// Begins a pack of blocks of `block_size` bytes, sealed where `home` has
    /// keys.
    pub fn new(
        pack: PackId,
        block_size: u32,
        options: PackOptions,
        home: &Home<'_>,
    ) -> Result<Self, PackError> {
        let known = block_size.is_power_of_two() && (MIN_BLOCK_SIZE..=65_536).contains(&block_size);
        if !known {
            return Err(PackError::BlockSize {
                expected: MIN_BLOCK_SIZE,
                found: block_size as usize,
            });
        }
        let mut bytes = Chunks::new(Box::new(|| Vec::with_capacity(CHUNK_LEN)));
        let cipher = home.sealer(ObjectKind::Pack, pack.as_bytes());
        bytes.extend_from_slice(&object::header(ObjectKind::Pack, cipher.as_deref()));
        Ok(Self {
            pack,
            block_size,
            options,
            encoders: Box::new(Here::default()),
            bytes,
            pending: Vec::with_capacity(FRAME_CAPACITY),
            out: VecDeque::new(),
            settled: 0,
            spare: Vec::new(),
            frames: Vec::new(),
            runs: Vec::new(),
            hashes: Vec::new(),
            blocks: 0,
            cipher,
        })
    }

    /// Has a writer that nothing was pushed into take its buffers from
    /// `supply`, which gives empty vectors, best of the capacity [`CHUNK_LEN`].
    /// By default they are allocated.
    #[must_use]
    pub fn with_buffers(mut self, supply: impl FnMut() -> Vec<u8> + Send + 'static) -> Self {
        debug_assert_eq!(self.blocks, 0, "what was written is thrown away");
        self.bytes = Chunks::new(Box::new(supply));
        self.bytes.extend_from_slice(&object::header(ObjectKind::Pack, self.cipher.as_deref()));
        self
    }

    /// Has a writer that nothing was pushed into hand its frames to others,
    /// instead of encoding them itself.
    #[must_use]
    pub fn with_encoders(mut self, encoders: Box<dyn FrameEncoders>) -> Self {
        debug_assert_eq!(self.blocks, 0, "frames are handed in and taken back at one place");
        self.encoders = encoders;
        self
    }

    /// The id of the pack.
    pub fn pack(&self) -> PackId {
        self.pack
    }

    /// How many blocks were pushed.
    pub fn block_count(&self) -> u32 {
        self.blocks
    }

    /// Whether the pack should be finished before the next block.
    pub fn is_full(&self) -> bool {
        self.blocks == MAX_BLOCKS
            || self.bytes.len() + self.expected() + self.pending.len() + self.hashes.len()
                >= self.options.target_len as usize
    }

    /// How many bytes the frames will have that are out, if they are like those
    /// that were taken back.
    fn expected(&self) -> usize {
        let out: usize = self.out.iter().sum();
        match self.settled {
            0 => out,
            settled => (out as u64 * self.bytes.len() as u64 / settled as u64) as usize,
        }
    }

    /// Adds one block, whose number is greater than those before.
    pub fn push(&mut self, block: BlockNo, hash: BlockHash, data: &[u8]) -> Result<(), PackError> {
        if data.len() != self.block_size as usize {
            return Err(PackError::BlockSize { expected: self.block_size, found: data.len() });
        }
        if self.blocks == MAX_BLOCKS || block.0 == u32::MAX {
            return Err(PackError::Capacity);
        }
        // Not before the next block comes is it known that a frame is not the
        // last one, which says so of itself.
        if self.pending.len() + data.len() > MAX_FRAME_LEN as usize {
            self.end_frame(false)?;
        }
        self.number(block)?;
        self.hashes.extend_from_slice(&hash.0);
        self.pending.extend_from_slice(data);
        self.blocks += 1;
        Ok(())
    }

    fn number(&mut self, block: BlockNo) -> Result<(), PackError> {
        match self.runs.last_mut() {
            Some((first, count)) if u64::from(block.0) < u64::from(*first) + u64::from(*count) => {
                let previous = BlockNo(*first + (*count - 1));
                return Err(PackError::OutOfOrder { previous, found: block });
            }
            Some((first, count)) if block.0 == *first + *count => *count += 1,
            _ => self.runs.push((block.0, 1)),
        }
        Ok(())
    }

    fn end_frame(&mut self, last: bool) -> Result<(), PackError> {
        let bytes = std::mem::take(&mut self.pending);
        let frame = RawFrame {
            blocks: (bytes.len() / self.block_size as usize) as u16,
            number: (self.frames.len() / FRAME_ROW_LEN + self.out.len()) as u32,
            last,
            level: self.options.level,
            cipher: self.cipher.clone(),
            bytes,
        };
        self.out.push_back(frame.bytes.len());
        self.encoders.hand_in(frame);
        if self.out.len() >= self.encoders.window() {
            self.take_back()?;
        }
        self.pending = std::mem::take(&mut self.spare);
        self.pending.reserve_exact(FRAME_CAPACITY);
        Ok(())
    }

    fn take_back(&mut self) -> Result<(), PackError> {
        let frame = self.encoders.take_back()?;
        self.settled += self.out.pop_front().expect("as many come back as were handed in");
        self.frames.extend_from_slice(&frame.row);
        self.bytes.extend_from_slice(&frame.stored);
        self.spare = frame.stored;
        self.spare.clear();
        Ok(())
    }

    /// Ends the pack.
    pub fn finish(mut self) -> Result<WrittenPack, PackError> {
        if self.blocks == 0 {
            return Err(PackError::Capacity);
        }
        self.end_frame(true)?;
        while !self.out.is_empty() {
            self.take_back()?;
        }
        let seal = self.cipher.as_ref().map(|cipher| cipher.header());
        let mut hashes = std::mem::take(&mut self.hashes);
        if let Some(cipher) = &self.cipher {
            cipher.seal(HASHES_PART, &mut hashes);
        }
        let mut index = self.index(&Digest::of(&hashes));
        let header_len = object::header_len(seal.is_some());
        let tag_len = self.cipher.as_ref().map_or(0, |_| crate::seal::TAG_LEN);
        let trailer =
            Trailer::new(self.bytes.len() - header_len, hashes.len(), index.len() + tag_len, seal);
        if let Some(cipher) = &self.cipher {
            cipher.seal(index_part(&trailer.encode()), &mut index);
        }
        self.bytes.extend_from_slice(&hashes);
        let mut tail = index;
        if let Some(seal) = &seal {
            tail.extend_from_slice(&seal.0);
        }
        tail.extend_from_slice(&trailer.encode());
        debug_assert_eq!(tail.len() as u64, trailer.tail_len());
        let index_digest = Digest::of(&tail);
        let mut parts = self.bytes.finish();
        parts.push(tail);
        Ok(WrittenPack { pack: self.pack, parts, blocks: self.blocks, index_digest })
    }

    fn index(&self, hashes_digest: &Digest) -> Vec<u8> {
        let frame_count = (self.frames.len() / FRAME_ROW_LEN) as u32;
        let mut index = Vec::with_capacity(INDEX_HEADER_LEN + self.frames.len());
        index.extend_from_slice(self.pack.as_bytes());
        for field in [self.block_size, self.blocks, frame_count, self.runs.len() as u32] {
            index.extend_from_slice(&field.to_le_bytes());
        }
        index.extend_from_slice(hashes_digest.as_bytes());
        index.extend_from_slice(&self.frames);
        for (first, count) in &self.runs {
            index.extend_from_slice(&first.to_le_bytes());
            index.extend_from_slice(&count.to_le_bytes());
        }
        index
    }
}
