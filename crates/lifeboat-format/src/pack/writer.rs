//! Writes one pack, block by block.

use std::sync::Arc;

use crate::digest::{BlockHash, Digest};
use crate::geometry::{BlockNo, MIN_BLOCK_SIZE};
use crate::id::{PackId, Suffix};
use crate::list::PackEntry;
use crate::object::{self, ObjectKind};
use crate::seal::{Home, ObjectCipher};

use super::frame::{self, Encoding};
use super::index::{FRAME_ROW_LEN, HASHES_PART, INDEX_HEADER_LEN, Trailer, frame_part, index_part};
use super::{MAX_BLOCKS, MAX_FRAME_LEN};

/// The greatest size at which a pack is full, in bytes.
const MAX_TARGET_LEN: u32 = 16 * 1024 * 1024;

/// How packs are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PackOptions {
    /// The size in bytes at which a pack is full. 8 MiB; a pack never exceeds
    /// it by more than one frame and its index.
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
    /// The whole object.
    pub bytes: Vec<u8>,
    /// How many blocks it holds.
    pub blocks: u32,
    /// The digest of its index and trailer.
    pub index_digest: Digest,
    tail_len: usize,
}

impl WrittenPack {
    /// What a pack list says of it, once it lies under a key with this suffix.
    pub fn entry(&self, suffix: Suffix) -> PackEntry {
        PackEntry {
            pack: self.pack,
            suffix,
            size: self.bytes.len() as u32,
            blocks: self.blocks,
            index_digest: self.index_digest,
        }
    }

    /// Index and trailer.
    pub fn tail(&self) -> &[u8] {
        &self.bytes[self.bytes.len() - self.tail_len..]
    }
}

/// Writes one pack.
pub struct PackWriter {
    pack: PackId,
    block_size: u32,
    options: PackOptions,
    compressor: zstd::bulk::Compressor<'static>,
    bytes: Vec<u8>,
    /// The blocks of the frame that is not yet compressed.
    pending: Vec<u8>,
    compressed: Vec<u8>,
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
        // All at once: growing by doubling would take up to three times as much
        // at its peak. What is not written to costs no memory.
        let room = options.target_len as usize + 2 * MAX_FRAME_LEN as usize;
        let mut bytes = Vec::with_capacity(room);
        let cipher = home.sealer(ObjectKind::Pack, pack.as_bytes());
        bytes.extend_from_slice(&object::header(ObjectKind::Pack, cipher.as_deref()));
        Ok(Self {
            pack,
            block_size,
            options,
            compressor: zstd::bulk::Compressor::new(options.level).map_err(PackError::Compress)?,
            bytes,
            pending: Vec::with_capacity(MAX_FRAME_LEN as usize),
            compressed: vec![0; zstd::zstd_safe::compress_bound(MAX_FRAME_LEN as usize)],
            frames: Vec::new(),
            runs: Vec::new(),
            hashes: Vec::new(),
            blocks: 0,
            cipher,
        })
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
            || self.bytes.len() + self.pending.len() + self.hashes.len()
                >= self.options.target_len as usize
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
        let len = self
            .compressor
            .compress_to_buffer(&self.pending, &mut self.compressed)
            .map_err(PackError::Compress)?;
        let blocks = (self.pending.len() / self.block_size as usize) as u16;
        // Decoding costs time as well: what saves less than 1/64 is stored raw.
        let encoding = if len + len / 64 < self.pending.len() {
            self.pending.clear();
            self.pending.extend_from_slice(&self.compressed[..len]);
            Encoding::Zstd
        } else {
            Encoding::Raw
        };
        if let Some(cipher) = &self.cipher {
            let number = (self.frames.len() / FRAME_ROW_LEN) as u32;
            cipher.seal(frame_part(number, last), &mut self.pending);
        }
        let stored = &self.pending[..];
        self.frames.extend_from_slice(&(stored.len() as u32).to_le_bytes());
        self.frames.extend_from_slice(&blocks.to_le_bytes());
        self.frames.extend_from_slice(&[encoding.code(), 0]);
        self.frames.extend_from_slice(&frame::digest(stored));
        self.bytes.extend_from_slice(stored);
        self.pending.clear();
        Ok(())
    }

    /// Ends the pack.
    pub fn finish(mut self) -> Result<WrittenPack, PackError> {
        if self.blocks == 0 {
            return Err(PackError::Capacity);
        }
        self.end_frame(true)?;
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
        self.bytes.extend_from_slice(&index);
        if let Some(seal) = &seal {
            self.bytes.extend_from_slice(&seal.0);
        }
        self.bytes.extend_from_slice(&trailer.encode());
        let tail_len = trailer.tail_len() as usize;
        let index_digest = Digest::of(&self.bytes[self.bytes.len() - tail_len..]);
        Ok(WrittenPack {
            pack: self.pack,
            bytes: self.bytes,
            blocks: self.blocks,
            index_digest,
            tail_len,
        })
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
