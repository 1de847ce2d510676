//! The index of a pack, and the trailer that finds it.
//!
//! | offset | size | index |
//! |---|---|---|
//! | 0 | 16 | pack id |
//! | 16 | 4 | block size in bytes |
//! | 20 | 4 | number of blocks |
//! | 24 | 4 | number of frames |
//! | 28 | 4 | number of runs |
//! | 32 | 32 | BLAKE3 of the section of block hashes, as stored |
//! | 64 | 24 each | frames: stored length (4), blocks (2), encoding (1), zero (1), digest (16) |
//! | … | 8 each | runs of block numbers, ascending: first (4), count (4) |
//!
//! | offset | size | trailer |
//! |---|---|---|
//! | 0 | 4 | length of the header |
//! | 4 | 4 | length of the frames |
//! | 8 | 4 | length of the block hashes |
//! | 12 | 4 | length of the index |
//! | 16 | 4 | kind, format version, oldest reader, seal, as in the preamble |
//! | 20 | 4 | zero |
//! | 24 | 8 | `TAOBEFIL` |
//!
//! In a sealed pack, frames, block hashes and index are each encrypted and 16
//! bytes longer, and the 80 bytes of the seal stand between index and trailer
//! once more, so that the end of a pack is enough to open it.

use std::sync::Arc;

use crate::digest::{BlockHash, Digest};
use crate::geometry::{BlockNo, MIN_BLOCK_SIZE};
use crate::id::{PackId, Suffix};
use crate::list::PackEntry;
use crate::object::{DecodeError, ObjectKind, check_versions, header_len, read_header, seal_byte};
use crate::seal::{Home, ObjectCipher, Part, SEAL_LEN, SealHeader, Section, TAG_LEN};
use crate::version::{FORMAT_VERSION, MIN_READER_VERSION};

use super::frame::{FRAME_ROW_LEN, Frame, FrameRows, frame_part};
use super::{MAX_BLOCKS, MAX_PACK_LEN, TRAILER_LEN};

const MAGIC: &[u8; 8] = b"TAOBEFIL";
pub(super) const INDEX_HEADER_LEN: usize = 64;
pub(super) const RUN_ROW_LEN: usize = 8;

fn damaged(what: &'static str) -> DecodeError {
    DecodeError::damaged(ObjectKind::Pack, what)
}

/// The end of a pack: how long each of its parts is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trailer {
    /// The length of the frames in bytes; they begin after the header.
    pub frames_len: u32,
    /// The length of the block hashes in bytes.
    pub hashes_len: u32,
    /// The length of the index in bytes.
    pub index_len: u32,
    /// Kind, format version, oldest reader and seal, as in the preamble.
    format: [u8; 4],
    /// What a sealed pack says of its key.
    seal: Option<SealHeader>,
}

impl Trailer {
    /// Decodes the last bytes of a pack of `pack_len` bytes, and checks that
    /// the parts fill it.
    pub fn decode(end: &[u8], pack_len: u64) -> Result<Self, DecodeError> {
        let kind = ObjectKind::Pack;
        let Some(bytes) = end.last_chunk::<TRAILER_LEN>() else {
            return Err(DecodeError::Truncated { kind, len: end.len() as u64 });
        };
        if bytes[24..] != *MAGIC || bytes[16] != kind.letter() {
            return Err(damaged("trailer"));
        }
        let sealed = check_versions(kind, bytes[17], bytes[18], bytes[19], u32_at(bytes, 0))?;
        if bytes[20..24] != [0; 4] {
            return Err(damaged("trailer"));
        }
        let before = &end[..end.len() - TRAILER_LEN];
        let seal = match (sealed, before.last_chunk::<SEAL_LEN>()) {
            (false, _) => None,
            (true, Some(seal)) => Some(SealHeader(*seal)),
            (true, None) => return Err(DecodeError::Truncated { kind, len: end.len() as u64 }),
        };
        let trailer = Self {
            frames_len: u32_at(bytes, 4),
            hashes_len: u32_at(bytes, 8),
            index_len: u32_at(bytes, 12),
            format: [bytes[16], bytes[17], bytes[18], bytes[19]],
            seal,
        };
        if trailer.pack_len() != pack_len || pack_len > MAX_PACK_LEN {
            return Err(damaged("length"));
        }
        Ok(trailer)
    }

    pub(super) fn new(
        frames_len: usize,
        hashes_len: usize,
        index_len: usize,
        seal: Option<SealHeader>,
    ) -> Self {
        let seal_byte = seal_byte(seal.is_some());
        let format = [ObjectKind::Pack.letter(), FORMAT_VERSION, MIN_READER_VERSION, seal_byte];
        let [frames_len, hashes_len, index_len] =
            [frames_len, hashes_len, index_len].map(|len| len as u32);
        Self { frames_len, hashes_len, index_len, format, seal }
    }

    /// The last bytes of the pack, which the index is bound to.
    pub(super) fn encode(&self) -> [u8; TRAILER_LEN] {
        let mut bytes = [0; TRAILER_LEN];
        bytes[0..4].copy_from_slice(&self.header_len().to_le_bytes());
        bytes[4..8].copy_from_slice(&self.frames_len.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.hashes_len.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.index_len.to_le_bytes());
        bytes[16..20].copy_from_slice(&self.format);
        bytes[24..].copy_from_slice(MAGIC);
        bytes
    }

    pub(super) fn header_len(&self) -> u32 {
        header_len(self.seal.is_some()) as u32
    }

    pub(super) fn format(&self) -> [u8; 4] {
        self.format
    }

    pub(super) fn seal(&self) -> Option<SealHeader> {
        self.seal
    }

    fn pack_len(&self) -> u64 {
        u64::from(self.header_len())
            + u64::from(self.frames_len)
            + u64::from(self.hashes_len)
            + self.tail_len()
    }

    /// How many bytes at the end of the pack are index, seal and trailer.
    pub fn tail_len(&self) -> u64 {
        let seal_len = self.seal.map_or(0, |_| SEAL_LEN);
        u64::from(self.index_len) + (seal_len + TRAILER_LEN) as u64
    }

    /// Where the block hashes lie in the pack.
    pub fn hashes_range(&self) -> std::ops::Range<u64> {
        let start = u64::from(self.header_len()) + u64::from(self.frames_len);
        start..start + u64::from(self.hashes_len)
    }

    fn tag_len(&self) -> usize {
        self.seal.map_or(0, |_| TAG_LEN)
    }
}

/// The index, bound to the trailer.
pub(super) fn index_part(trailer: &[u8]) -> Part<'_> {
    Part { section: Section::Index, number: 0, last: true, bound: trailer }
}

/// The block hashes.
pub(super) const HASHES_PART: Part<'static> =
    Part { section: Section::Hashes, number: 0, last: true, bound: &[] };

/// The index of a pack.
#[derive(Clone, Debug)]
pub struct PackIndex {
    pack: PackId,
    block_size: u32,
    block_count: u32,
    hashes_digest: Digest,
    frames: Vec<Frame>,
    runs: Vec<(u32, u32)>,
    trailer: Trailer,
    /// Opens the other parts of a sealed pack.
    cipher: Option<Arc<dyn ObjectCipher>>,
}

impl PackIndex {
    /// Decodes the index from the end of a pack. `end` must
    /// reach back at least [`Trailer::tail_len`] bytes; what lies before the
    /// index is ignored. `entry` is what the pack list says of the pack.
    pub fn decode(end: &[u8], entry: &PackEntry, home: &Home<'_>) -> Result<Self, DecodeError> {
        let trailer = Trailer::decode(end, u64::from(entry.size))?;
        let Some(start) = (end.len() as u64).checked_sub(trailer.tail_len()) else {
            let kind = ObjectKind::Pack;
            return Err(DecodeError::Truncated { kind, len: end.len() as u64 });
        };
        let tail = &end[start as usize..];
        if Digest::of(tail) != entry.index_digest {
            return Err(damaged("index digest"));
        }
        let kind = ObjectKind::Pack;
        let cipher = home.opener(kind, entry.pack.as_bytes(), trailer.seal.as_ref())?;
        let index = Self::decode_parts(tail, trailer, cipher)?;
        if index.pack != entry.pack || index.block_count != entry.blocks {
            return Err(DecodeError::Misplaced { kind: ObjectKind::Pack, place: "pack list" });
        }
        Ok(index)
    }

    /// Works out what a list says of a pack, from the end of the pack itself: for
    /// whoever has lost the list. `end` and `len` are as in [`Trailer::decode`];
    /// what the entry says is proven only by whoever knows its digest.
    pub fn entry_of(
        end: &[u8],
        len: u32,
        (pack, suffix): (PackId, Suffix),
        home: &Home<'_>,
    ) -> Result<PackEntry, DecodeError> {
        let trailer = Trailer::decode(end, u64::from(len))?;
        let start = (end.len() as u64).checked_sub(trailer.tail_len());
        let start = start.ok_or(damaged("index length"))?;
        let index_digest = Digest::of(&end[start as usize..]);
        let mut entry = PackEntry { pack, suffix, size: len, blocks: 0, index_digest };
        let cipher = home.opener(ObjectKind::Pack, pack.as_bytes(), trailer.seal.as_ref())?;
        let index = Self::decode_parts(&end[start as usize..], trailer, cipher)?;
        if index.pack != pack {
            return Err(DecodeError::Misplaced { kind: ObjectKind::Pack, place: "key" });
        }
        entry.blocks = index.block_count;
        Ok(entry)
    }

    /// Opens and parses the tail of a pack.
    fn decode_parts(
        tail: &[u8],
        trailer: Trailer,
        cipher: Option<Arc<dyn ObjectCipher>>,
    ) -> Result<Self, DecodeError> {
        let mut rows = tail[..trailer.index_len as usize].to_vec();
        if let Some(cipher) = &cipher {
            cipher
                .open(index_part(&trailer.encode()), &mut rows)
                .map_err(|_| DecodeError::Forged { kind: ObjectKind::Pack })?;
        }
        Self::parse(&rows, trailer, cipher)
    }

    /// Proves the beginning of the pack, which a restore has no need to read.
    pub fn check_header(&self, header: &[u8]) -> Result<(), DecodeError> {
        let seal = read_header(ObjectKind::Pack, header)?;
        let same = header[8..12] == self.trailer.format && seal == self.trailer.seal;
        if same { Ok(()) } else { Err(damaged("preamble")) }
    }

    fn parse(
        index: &[u8],
        trailer: Trailer,
        cipher: Option<Arc<dyn ObjectCipher>>,
    ) -> Result<Self, DecodeError> {
        let Some((header, rows)) = index.split_first_chunk::<INDEX_HEADER_LEN>() else {
            return Err(damaged("index length"));
        };
        let mut id = [0; 16];
        id.copy_from_slice(&header[..16]);
        let mut hashes_digest = [0; 32];
        hashes_digest.copy_from_slice(&header[32..]);
        let [block_size, block_count, frame_count, run_count] =
            [16, 20, 24, 28].map(|at| u32_at(header, at));
        let sane = block_size.is_power_of_two()
            && (MIN_BLOCK_SIZE..=65_536).contains(&block_size)
            && (1..=MAX_BLOCKS).contains(&block_count)
            && frame_count <= block_count
            && run_count <= block_count
            && trailer.hashes_len as usize
                == block_count as usize * BlockHash::LEN + trailer.tag_len();
        if !sane {
            return Err(damaged("index header"));
        }
        let frames_len = frame_count as usize * FRAME_ROW_LEN;
        if rows.len() != frames_len + run_count as usize * RUN_ROW_LEN {
            return Err(damaged("index length"));
        }
        let (frame_rows, run_rows) = rows.split_at(frames_len);
        let rows_of_frames = FrameRows {
            kind: ObjectKind::Pack,
            unit: block_size,
            header_len: trailer.header_len(),
            tag_len: trailer.tag_len(),
        };
        let index = Self {
            pack: PackId::from_bytes(id),
            block_size,
            block_count,
            hashes_digest: Digest::from_bytes(hashes_digest),
            frames: rows_of_frames.parse(frame_rows)?,
            runs: parse_runs(run_rows)?,
            trailer,
            cipher,
        };
        let stored: u64 = index.frames.iter().map(|frame| u64::from(frame.stored_len)).sum();
        let framed: u32 = index.frames.iter().map(|frame| frame.blocks).sum();
        let numbered: u64 = index.runs.iter().map(|run| u64::from(run.1)).sum();
        if stored != u64::from(trailer.frames_len)
            || framed != block_count
            || numbered != u64::from(block_count)
        {
            return Err(damaged("index sums"));
        }
        Ok(index)
    }

    /// The id of the pack.
    pub fn pack(&self) -> PackId {
        self.pack
    }

    /// The size of one block in bytes.
    pub fn block_size(&self) -> u32 {
        self.block_size
    }

    /// How many blocks the pack holds.
    pub fn block_count(&self) -> u32 {
        self.block_count
    }

    /// The numbers of the blocks in the pack, ascending.
    pub fn blocks(&self) -> impl Iterator<Item = BlockNo> + '_ {
        self.runs.iter().flat_map(|&(first, count)| (first..=first + (count - 1)).map(BlockNo))
    }

    /// The frames, in the order of their blocks.
    pub fn frames(&self) -> &[Frame] {
        &self.frames
    }

    /// What opens and seals its parts, in a sealed pack.
    pub(super) fn cipher(&self) -> Option<&dyn ObjectCipher> {
        self.cipher.as_deref()
    }

    /// The trailer that led here.
    pub fn trailer(&self) -> &Trailer {
        &self.trailer
    }

    /// Proves and decodes the section of block hashes: one for each block, in
    /// the order of [`blocks`](Self::blocks).
    pub fn decode_hashes(&self, section: &[u8]) -> Result<Vec<BlockHash>, DecodeError> {
        if section.len() != self.trailer.hashes_len as usize
            || Digest::of(section) != self.hashes_digest
        {
            return Err(damaged("block hashes"));
        }
        let mut hashes = section.to_vec();
        if let Some(cipher) = &self.cipher {
            let kind = ObjectKind::Pack;
            cipher.open(HASHES_PART, &mut hashes).map_err(|_| DecodeError::Forged { kind })?;
        }
        let hashes = hashes.as_chunks::<{ BlockHash::LEN }>().0;
        Ok(hashes.iter().map(|hash| BlockHash(*hash)).collect())
    }

    /// Proves the stored bytes of a frame, by its position among
    /// [`frames`](Self::frames), and writes its blocks into `out`, whose content
    /// is replaced. Never allocates more than the blocks and the stored bytes
    /// take.
    pub fn decode_frame(
        &self,
        number: usize,
        stored: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), DecodeError> {
        let part = frame_part(number as u32, number + 1 == self.frames.len());
        let (kind, cipher) = (ObjectKind::Pack, self.cipher.as_deref());
        self.frames[number].decode(kind, stored, part, cipher, self.block_size, out)
    }
}

fn parse_runs(rows: &[u8]) -> Result<Vec<(u32, u32)>, DecodeError> {
    let mut runs: Vec<(u32, u32)> = Vec::with_capacity(rows.len() / RUN_ROW_LEN);
    let mut least = 0u64;
    for row in rows.as_chunks::<RUN_ROW_LEN>().0 {
        let (first, count) = (u32_at(row, 0), u32_at(row, 4));
        let end = u64::from(first) + u64::from(count);
        if count == 0 || u64::from(first) < least || end > u64::from(u32::MAX) {
            return Err(damaged("run row"));
        }
        runs.push((first, count));
        // Runs that touch would be one run: each set of blocks has one form.
        least = end + 1;
    }
    Ok(runs)
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}
