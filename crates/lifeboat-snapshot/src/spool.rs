//! What was read of a database before its last look, on disk: the hashes of
//! every group, what was known of it, and the bytes of its changed blocks.
//!
//! The files have no name, so that nothing stays behind a crash.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use lifeboat_format::digest::{BlockHash, GroupHash};
use lifeboat_format::geometry::{BlockNo, Geometry, GroupNo};
use lifeboat_format::source::ScannedGroup;

/// One row a group, and the changed bytes wherever there was room.
pub(crate) struct Spool {
    rows: File,
    data: File,
    data_end: u64,
    blocks_per_group: usize,
    buffer: Vec<u8>,
}

/// What one row holds.
#[derive(Default)]
pub(crate) struct Row {
    pub(crate) group_hash: GroupHash,
    pub(crate) hashes: Vec<BlockHash>,
    pub(crate) known: Vec<BlockHash>,
    changed: u64,
    data_at: u64,
}

impl Row {
    /// The changed blocks, ascending.
    pub(crate) fn changed(&self, first: BlockNo) -> impl Iterator<Item = BlockNo> {
        let bits = self.changed;
        (0..64).filter(move |bit| bits >> bit & 1 == 1).map(move |bit| BlockNo(first.0 + bit))
    }
}

// Group hash, offset of the data, changed blocks as bits, two counts, padding.
const FIXED: usize = 16 + 8 + 8 + 8;

impl Spool {
    pub(crate) fn create(dir: Option<&Path>, geometry: Geometry) -> io::Result<Self> {
        let create = || match dir {
            Some(dir) => tempfile::tempfile_in(dir),
            None => tempfile::tempfile(),
        };
        Ok(Self {
            rows: create()?,
            data: create()?,
            data_end: 0,
            // At most 64, since a block has at least 4 KiB: a word of bits.
            blocks_per_group: geometry.blocks_per_group() as usize,
            buffer: Vec::new(),
        })
    }

    fn row_size(&self) -> usize {
        FIXED + self.blocks_per_group * BlockHash::LEN * 2
    }

    fn seek_to(&mut self, group: GroupNo) -> io::Result<()> {
        let at = u64::from(group.0) * self.row_size() as u64;
        self.rows.seek(SeekFrom::Start(at)).map(drop)
    }

    /// Writes the row of a group, which it may have had before.
    pub(crate) fn put(
        &mut self,
        group: GroupNo,
        scanned: &ScannedGroup<'_>,
        known: &[BlockHash],
    ) -> io::Result<()> {
        let known = &known[..known.len().min(self.blocks_per_group)];
        let mut bits = 0_u64;
        for block in scanned.changed {
            bits |= 1 << (block.0 - scanned.first.0);
        }
        let data_at = self.data_end;
        if !scanned.data.is_empty() {
            self.data.seek(SeekFrom::Start(data_at))?;
            self.data.write_all(scanned.data)?;
            self.data_end += scanned.data.len() as u64;
        }
        let row_size = self.row_size();
        self.buffer.clear();
        self.buffer.extend_from_slice(&scanned.group_hash.0);
        self.buffer.extend_from_slice(&data_at.to_le_bytes());
        self.buffer.extend_from_slice(&bits.to_le_bytes());
        self.buffer.push(scanned.hashes.len() as u8);
        self.buffer.push(known.len() as u8);
        self.buffer.resize(FIXED, 0);
        for hash in scanned.hashes.iter().chain(known) {
            self.buffer.extend_from_slice(&hash.0);
        }
        self.buffer.resize(row_size, 0);
        self.seek_to(group)?;
        self.rows.write_all(&self.buffer)
    }

    /// Reads the row of a group.
    pub(crate) fn row(&mut self, group: GroupNo, row: &mut Row) -> io::Result<()> {
        self.buffer.resize(self.row_size(), 0);
        self.seek_to(group)?;
        self.rows.read_exact(&mut self.buffer)?;
        let (fixed, hashes) = self.buffer.split_at(FIXED);
        let word = |at: usize| {
            let mut word = [0; 8];
            word.copy_from_slice(&fixed[at..at + 8]);
            u64::from_le_bytes(word)
        };
        row.group_hash.0.copy_from_slice(&fixed[..16]);
        row.data_at = word(16);
        row.changed = word(24);
        let mut hashes = hashes.chunks_exact(BlockHash::LEN).map(|bytes| {
            let mut hash = [0; BlockHash::LEN];
            hash.copy_from_slice(bytes);
            BlockHash(hash)
        });
        row.hashes.clear();
        row.hashes.extend(hashes.by_ref().take(usize::from(fixed[32])));
        row.known.clear();
        row.known.extend(hashes.take(usize::from(fixed[33])));
        Ok(())
    }

    /// Reads the bytes of a row's changed blocks.
    pub(crate) fn data(
        &mut self,
        row: &Row,
        block_size: u32,
        data: &mut Vec<u8>,
    ) -> io::Result<()> {
        data.resize(row.changed.count_ones() as usize * block_size as usize, 0);
        self.data.seek(SeekFrom::Start(row.data_at))?;
        self.data.read_exact(data)
    }
}
