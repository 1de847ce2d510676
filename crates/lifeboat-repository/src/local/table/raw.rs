//! Tables put together from the indexes of packs, where no cache knows better.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use lifeboat_format::digest::BlockHash;
use lifeboat_format::geometry::{BlockNo, Geometry, GroupNo};

use super::{ENTRY_LEN, FinishedTable, Footer, Row, TableReader, TableWriter, split_entry};

/// A table that is put together from the indexes of packs, in any order.
#[derive(Debug)]
pub(crate) struct RawTable {
    file: File,
    dir: PathBuf,
    blocks: u32,
}

impl RawTable {
    /// A table in which nothing is known.
    pub(crate) fn new(dir: &Path) -> io::Result<Self> {
        Ok(Self { file: tempfile::tempfile_in(dir)?, dir: dir.to_owned(), blocks: 0 })
    }

    /// One more than the highest block that is known.
    pub(crate) fn blocks(&self) -> u32 {
        self.blocks
    }

    /// Takes over what another table knows.
    pub(crate) fn copy(&mut self, from: &mut TableReader) -> io::Result<()> {
        let mut row = Row::default();
        for group in (0..from.geometry().group_count()).map(GroupNo) {
            from.row(group, &mut row);
            let (first, _) = from.geometry().blocks_of(group);
            let entries = row.hashes.iter().zip(&row.packs);
            for (offset, (hash, pack)) in (0..).zip(entries) {
                if let Some(pack) = pack {
                    self.set_run(BlockNo(first.0 + offset), &[*hash], *pack)?;
                }
            }
        }
        Ok(())
    }

    /// Says that consecutive blocks lie in a pack.
    pub(crate) fn set_run(
        &mut self,
        first: BlockNo,
        hashes: &[BlockHash],
        pack: u32,
    ) -> io::Result<()> {
        let mut bytes = Vec::with_capacity(hashes.len() * ENTRY_LEN);
        for hash in hashes {
            bytes.extend_from_slice(&hash.0);
            bytes.extend_from_slice(&pack.to_le_bytes());
        }
        self.file.write_all_at(&bytes, u64::from(first.0) * ENTRY_LEN as u64)?;
        self.blocks = self.blocks.max(first.0 + hashes.len() as u32);
        Ok(())
    }

    /// Reads one row of an image of this shape. What nobody said is absent.
    pub(crate) fn row(&self, geometry: Geometry, group: GroupNo, row: &mut Row) -> io::Result<()> {
        let (first, blocks) = geometry.blocks_of(group);
        let mut bytes = vec![0; blocks as usize * ENTRY_LEN];
        let at = u64::from(first.0) * ENTRY_LEN as u64;
        // Beyond the end of the file is what nobody said.
        let len = self.file.metadata()?.len().saturating_sub(at).min(bytes.len() as u64);
        self.file.read_exact_at(&mut bytes[..len as usize], at)?;
        row.unknown(0);
        for entry in bytes.as_chunks::<ENTRY_LEN>().0 {
            let (hash, pack) = split_entry(entry);
            row.hashes.push(hash);
            row.packs.push(pack.filter(|_| !hash.is_absent()));
        }
        Ok(())
    }

    /// Turns it into a table whose rows prove themselves. What lies beyond the
    /// end of the image is left out.
    pub(crate) fn finish(self, geometry: Geometry, footer: &Footer) -> io::Result<FinishedTable> {
        // Holes read as zeros: an absent hash, which makes the pack meaningless.
        self.file.set_len(u64::from(geometry.block_count()) * ENTRY_LEN as u64)?;
        let mut writer = TableWriter::create(&self.dir, geometry)?;
        let mut row = Row::default();
        for group in (0..geometry.group_count()).map(GroupNo) {
            self.row(geometry, group, &mut row)?;
            writer.push(&row)?;
        }
        writer.finish(footer)
    }
}
