//! Page tables: the hash of every block of an image and the pack that holds
//! it, cached on disk so that the next backup sends only what changed.
//!
//! A table has one row for each scan group, with a checksum of its own: a row
//! that does not prove itself counts as not known, and its blocks are sent
//! again. It is a cache: it is used only for the record whose nonce it names.
//!
//! ```text
//! "LBTABLE1" | footer offset (8) | footer digest (32) | rows | footer (JSON)
//! row: group hash (16) | per block: hash (16), pack (4) | checksum (8)
//! ```

mod raw;

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

use lifeboat_format::digest::{BlockHash, Digest, GroupHash};
use lifeboat_format::geometry::{BlockNo, Geometry, GroupNo, PageSize};
use lifeboat_format::id::{Nonce, PackId};
use serde::{Deserialize, Serialize};

pub(crate) use raw::RawTable;

const MAGIC: &[u8; 8] = b"LBTABLE1";
const HEADER_LEN: u64 = 48;
const ENTRY_LEN: usize = 20;
/// Stands for a block that no pack holds.
const NO_PACK: u32 = u32::MAX;

/// What a table is of.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Footer {
    /// The nonce of the record whose image this is.
    pub(crate) nonce: Option<Nonce>,
    page_size: u32,
    page_count: u32,
    /// The digest of the image.
    pub(crate) image_digest: Option<Digest>,
    /// The packs that rows name by their position here.
    pub(crate) packs: Vec<PackId>,
    /// The state of the database when the image was taken, in hexadecimal.
    pub(crate) fingerprint: Option<String>,
}

impl Footer {
    pub(crate) fn new(geometry: Geometry, packs: Vec<PackId>) -> Self {
        Self {
            nonce: None,
            page_size: geometry.page_size().bytes(),
            page_count: geometry.page_count(),
            image_digest: None,
            packs,
            fingerprint: None,
        }
    }

    fn geometry(&self) -> Option<Geometry> {
        Geometry::new(PageSize::new(self.page_size)?, self.page_count)
    }
}

/// One row: what is known of one group.
#[derive(Clone, Debug, Default)]
pub(crate) struct Row {
    pub(crate) group: GroupHash,
    pub(crate) hashes: Vec<BlockHash>,
    /// For each block, the position of its pack in [`Footer::packs`].
    pub(crate) packs: Vec<Option<u32>>,
}

impl Row {
    fn encode(&self, blocks: usize, number: GroupNo, out: &mut Vec<u8>) {
        out.clear();
        out.extend_from_slice(&self.group.0);
        for at in 0..blocks {
            out.extend_from_slice(&self.hashes.get(at).copied().unwrap_or_default().0);
            let pack = self.packs.get(at).copied().flatten().unwrap_or(NO_PACK);
            out.extend_from_slice(&pack.to_le_bytes());
        }
        let check = checksum(out, number);
        out.extend_from_slice(&check);
    }

    fn decode(&mut self, bytes: &[u8], blocks: usize) {
        self.group.0.copy_from_slice(&bytes[..16]);
        self.hashes.clear();
        self.packs.clear();
        for entry in bytes[16..].as_chunks::<ENTRY_LEN>().0.iter().take(blocks) {
            let (hash, pack) = split_entry(entry);
            self.hashes.push(hash);
            self.packs.push(pack);
        }
    }

    fn renumber(&mut self, positions: &[Option<u32>]) {
        for (hash, pack) in self.hashes.iter_mut().zip(&mut self.packs) {
            let position = pack.and_then(|pack| *positions.get(pack as usize)?);
            if pack.is_some() && position.is_none() {
                *hash = BlockHash::ABSENT;
                // Else an equal group would be taken for known as a whole.
                self.group = GroupHash::UNKNOWN;
            }
            *pack = position;
        }
    }

    fn unknown(&mut self, blocks: usize) {
        self.group = GroupHash::UNKNOWN;
        self.hashes.clear();
        self.hashes.resize(blocks, BlockHash::ABSENT);
        self.packs.clear();
        self.packs.resize(blocks, None);
    }
}

fn split_entry(entry: &[u8; ENTRY_LEN]) -> (BlockHash, Option<u32>) {
    let mut hash = BlockHash::default();
    hash.0.copy_from_slice(&entry[..16]);
    let pack = u32::from_le_bytes([entry[16], entry[17], entry[18], entry[19]]);
    (hash, (pack != NO_PACK).then_some(pack))
}

fn checksum(row: &[u8], number: GroupNo) -> [u8; 8] {
    let full = Digest::of_parts([row, &number.0.to_le_bytes()[..]]);
    let mut cut = [0; 8];
    cut.copy_from_slice(&full.as_bytes()[..8]);
    cut
}

fn row_len(geometry: Geometry) -> usize {
    16 + geometry.blocks_per_group() as usize * ENTRY_LEN + 8
}

/// Reads a table.
#[derive(Debug)]
pub(crate) struct TableReader {
    file: File,
    geometry: Geometry,
    footer: Footer,
    /// For each pack that rows name, its position in the list of the caller.
    positions: Option<Vec<Option<u32>>>,
    bytes: Vec<u8>,
}

impl TableReader {
    /// Opens a table; `None` if there is none that can be used.
    pub(crate) fn open(path: &Path) -> Option<Self> {
        let file = File::open(path).ok()?;
        let mut header = [0; HEADER_LEN as usize];
        file.read_exact_at(&mut header, 0).ok()?;
        let len = file.metadata().ok()?.len();
        let mut at = [0; 8];
        at.copy_from_slice(&header[8..16]);
        let at = u64::from_le_bytes(at);
        if header[..8] != *MAGIC || at < HEADER_LEN || at > len {
            return None;
        }
        let mut footer = vec![0; usize::try_from(len - at).ok()?];
        file.read_exact_at(&mut footer, at).ok()?;
        if Digest::of(&footer).as_bytes()[..] != header[16..] {
            return None;
        }
        let footer: Footer = serde_json::from_slice(&footer).ok()?;
        let geometry = footer.geometry()?;
        let bytes = vec![0; row_len(geometry)];
        Some(Self { file, geometry, footer, positions: None, bytes })
    }

    /// Another reader of the same table.
    pub(crate) fn try_clone(&self) -> io::Result<Self> {
        Ok(Self {
            file: self.file.try_clone()?,
            geometry: self.geometry,
            footer: self.footer.clone(),
            positions: self.positions.clone(),
            bytes: vec![0; self.bytes.len()],
        })
    }

    pub(crate) fn geometry(&self) -> Geometry {
        self.geometry
    }

    pub(crate) fn footer(&self) -> &Footer {
        &self.footer
    }

    /// Lets rows name packs by their position in another list than the one they
    /// were written with. Blocks of packs that are not in it are not known.
    pub(crate) fn renumber(&mut self, packs: impl Iterator<Item = PackId>) {
        let positions: HashMap<PackId, u32> = packs.zip(0..).collect();
        let of = |pack: &PackId| positions.get(pack).copied();
        self.positions = Some(self.footer.packs.iter().map(of).collect());
    }

    /// The blocks that lie in a pack, ascending. Not after
    /// [`renumber`](Self::renumber).
    pub(crate) fn blocks_of(&mut self, pack: PackId) -> Vec<(BlockNo, BlockHash)> {
        let position = self.footer.packs.iter().position(|id| *id == pack);
        let position = position.map(|at| at as u32);
        let mut row = Row::default();
        let mut blocks = Vec::new();
        for group in (0..self.geometry.group_count()).map(GroupNo) {
            self.row(group, &mut row);
            let (first, _) = self.geometry.blocks_of(group);
            for (offset, (hash, at)) in (0..).zip(row.hashes.iter().zip(&row.packs)) {
                if at.is_some() && *at == position && !hash.is_absent() {
                    blocks.push((BlockNo(first.0 + offset), *hash));
                }
            }
        }
        blocks
    }

    /// Reads one row. A row that does not prove itself reads as unknown;
    /// beyond the end of the image a row is empty.
    pub(crate) fn row(&mut self, group: GroupNo, row: &mut Row) {
        let blocks = self.geometry.blocks_of(group).1 as usize;
        if blocks == 0 {
            row.unknown(0);
            return;
        }
        let len = self.bytes.len();
        let at = HEADER_LEN + u64::from(group.0) * len as u64;
        let read = self.file.read_exact_at(&mut self.bytes, at);
        let (content, check) = self.bytes.split_at(len - 8);
        if read.is_ok() && checksum(content, group) == *check {
            row.decode(content, blocks);
            if let Some(positions) = &self.positions {
                row.renumber(positions);
            }
        } else {
            row.unknown(blocks);
        }
    }
}

/// Writes a table, row by row, under a temporary name.
#[derive(Debug)]
pub(crate) struct TableWriter {
    file: BufWriter<File>,
    path: tempfile::TempPath,
    geometry: Geometry,
    next: u32,
    bytes: Vec<u8>,
}

impl TableWriter {
    pub(crate) fn create(dir: &Path, geometry: Geometry) -> io::Result<Self> {
        let (file, path) = tempfile::Builder::new().suffix(".new").tempfile_in(dir)?.into_parts();
        let mut file = BufWriter::with_capacity(64 * 1024, file);
        file.write_all(&[0; HEADER_LEN as usize])?;
        Ok(Self { file, path, geometry, next: 0, bytes: Vec::new() })
    }

    /// Adds the next row.
    pub(crate) fn push(&mut self, row: &Row) -> io::Result<()> {
        let blocks = self.geometry.blocks_per_group() as usize;
        row.encode(blocks, GroupNo(self.next), &mut self.bytes);
        self.next += 1;
        self.file.write_all(&self.bytes)
    }

    /// Reads a row that was written before.
    pub(crate) fn read_back(&mut self, group: GroupNo, row: &mut Row) -> io::Result<()> {
        self.file.flush()?;
        self.bytes.resize(row_len(self.geometry), 0);
        let at = self.row_at(group);
        self.file.get_ref().read_exact_at(&mut self.bytes, at)?;
        let (content, check) = self.bytes.split_at(self.bytes.len() - 8);
        if group.0 >= self.next || checksum(content, group) != *check {
            return Err(io::ErrorKind::InvalidData.into());
        }
        row.decode(content, self.geometry.blocks_of(group).1 as usize);
        Ok(())
    }

    /// Writes a row that was written before.
    pub(crate) fn replace(&mut self, group: GroupNo, row: &Row) -> io::Result<()> {
        self.file.flush()?;
        row.encode(self.geometry.blocks_per_group() as usize, group, &mut self.bytes);
        self.file.get_ref().write_all_at(&self.bytes, self.row_at(group))
    }

    fn row_at(&self, group: GroupNo) -> u64 {
        HEADER_LEN + u64::from(group.0) * row_len(self.geometry) as u64
    }

    /// Ends the table, still under its temporary name.
    pub(crate) fn finish(mut self, footer: &Footer) -> io::Result<FinishedTable> {
        let at = self.row_at(GroupNo(self.next));
        self.file.flush()?;
        let file = self.file.into_inner().map_err(io::IntoInnerError::into_error)?;
        let table = FinishedTable { file, path: self.path, rows_end: at };
        table.seal(footer)?;
        Ok(table)
    }
}

/// A table that is complete, under a temporary name that goes when it is
/// dropped.
#[derive(Debug)]
pub(crate) struct FinishedTable {
    file: File,
    path: tempfile::TempPath,
    rows_end: u64,
}

impl FinishedTable {
    fn seal(&self, footer: &Footer) -> io::Result<()> {
        let bytes = serde_json::to_vec(footer).expect("numbers and texts always serialise");
        self.file.set_len(self.rows_end)?;
        self.file.write_all_at(&bytes, self.rows_end)?;
        let mut header = [0; HEADER_LEN as usize];
        header[..8].copy_from_slice(MAGIC);
        header[8..16].copy_from_slice(&self.rows_end.to_le_bytes());
        header[16..].copy_from_slice(Digest::of(&bytes).as_bytes());
        self.file.write_all_at(&header, 0)
    }

    /// Gives it its name, with what became known after it was finished.
    pub(crate) fn publish(self, footer: &Footer, path: &Path) -> io::Result<()> {
        self.seal(footer)?;
        self.path.persist(path).map_err(|error| error.error)
    }

    /// Opens it while it still has its temporary name.
    pub(crate) fn reader(&self) -> Option<TableReader> {
        TableReader::open(&self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lifeboat_format::geometry::BlockNo;

    fn geometry() -> Geometry {
        Geometry::new(PageSize::new(4096).expect("valid"), 100).expect("valid")
    }

    fn hash(n: u32) -> BlockHash {
        let mut hash = BlockHash([7; 16]);
        hash.0[..4].copy_from_slice(&n.to_le_bytes());
        hash
    }

    #[test]
    fn what_does_not_prove_itself_is_not_known() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let mut raw = RawTable::new(dir.path()).expect("makes it");
        for n in 0..99 {
            raw.set_run(BlockNo(n), &[hash(n)], n % 3).expect("writes");
        }
        raw.set_run(BlockNo(100), &[hash(1)], 1).expect("writes");
        assert_eq!(raw.blocks(), 101);
        let footer = Footer::new(geometry(), vec![PackId::from_bytes([1; 16])]);
        let path = dir.path().join("x.table");
        raw.finish(geometry(), &footer)
            .and_then(|table| table.publish(&footer, &path))
            .expect("writes");

        let mut row = Row::default();
        let mut reader = TableReader::open(&path).expect("is whole");
        reader.row(GroupNo(1), &mut row);
        assert_eq!(row.hashes.len(), 36);
        assert_eq!((row.hashes[0], row.packs[0]), (hash(64), Some(1)));
        assert_eq!((row.hashes[35], row.packs[35]), (BlockHash::ABSENT, None));
        reader.row(GroupNo(2), &mut row);
        assert!(row.hashes.is_empty());

        let whole = std::fs::read(&path).expect("reads");
        for at in 0..whole.len() {
            let mut bad = whole.clone();
            bad[at] ^= 1;
            std::fs::write(&path, &bad).expect("writes");
            let Some(mut reader) = TableReader::open(&path) else {
                continue;
            };
            let mut known = 0;
            for group in [GroupNo(0), GroupNo(1)] {
                reader.row(group, &mut row);
                known += row.hashes.iter().filter(|hash| !hash.is_absent()).count();
            }
            // One of the two rows is gone, as a whole.
            assert!(known == 64 || known == 35, "{at}: {known}");
        }
    }
}
