//! Putting an image together from block hashes alone: what its packs say it is,
//! without any of its pages.

use std::path::{Path, PathBuf};

use lifeboat_format::digest::{BlockHash, Digest, ImageDigester};
use lifeboat_format::geometry::{BlockNo, Geometry, GroupNo};
use lifeboat_format::list::PackEntry;

use crate::error::{LocalError, ReadError};
use crate::local::{RawTable, Row, Scratch};
use crate::repairs::Healed;
use crate::repository::Database;

/// The block hashes of packs, kept in files: each is fetched once.
#[derive(Debug)]
pub(crate) struct HashFiles {
    scratch: Scratch,
}

/// What the packs of a snapshot give.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Composed {
    /// Every block, and this image.
    Image(Digest),
    /// Some blocks are in no pack.
    Missing { first: BlockNo, count: u64 },
}

const ROW_LEN: usize = 4 + BlockHash::LEN;

impl HashFiles {
    pub(crate) fn new(database: &Database) -> Result<Self, LocalError> {
        Ok(Self { scratch: Scratch::new(&database.cache_folder()?)? })
    }

    pub(crate) fn dir(&self) -> &Path {
        self.scratch.path()
    }

    fn path(&self, entry: &PackEntry) -> PathBuf {
        self.scratch.path().join(format!("{}-{}.hashes", entry.pack, entry.suffix))
    }

    /// Keeps the hashes of a pack.
    pub(crate) fn keep(
        &self,
        entry: &PackEntry,
        hashes: &[(BlockNo, BlockHash)],
    ) -> Result<(), LocalError> {
        let mut bytes = Vec::with_capacity(hashes.len() * ROW_LEN);
        for (block, hash) in hashes {
            bytes.extend_from_slice(&block.0.to_le_bytes());
            bytes.extend_from_slice(&hash.0);
        }
        let path = self.path(entry);
        std::fs::write(&path, bytes).map_err(LocalError::at("write", path))
    }

    fn kept(&self, entry: &PackEntry) -> Option<Vec<(BlockNo, BlockHash)>> {
        let bytes = std::fs::read(self.path(entry)).ok()?;
        let row = |row: &[u8; ROW_LEN]| {
            let [a, b, c, d] = [row[0], row[1], row[2], row[3]];
            let mut hash = BlockHash::default();
            hash.0.copy_from_slice(&row[4..]);
            (BlockNo(u32::from_le_bytes([a, b, c, d])), hash)
        };
        Some(bytes.as_chunks::<ROW_LEN>().0.iter().map(row).collect())
    }
}

impl Database {
    /// The block hashes of a pack: from a file, or else fetched.
    pub(crate) async fn hashes_of(
        &self,
        entry: &PackEntry,
        files: &HashFiles,
    ) -> Result<Vec<(BlockNo, BlockHash)>, ReadError> {
        if let Some(kept) = files.kept(entry) {
            return Ok(kept);
        }
        let (_, hashes) = self.pack_hashes(entry).await?;
        files.keep(entry, &hashes)?;
        Ok(hashes)
    }

    /// The table of all block hashes of an image, from its packs. For each block
    /// it also says the position of its pack.
    pub(crate) async fn hash_table(
        &self,
        healed: &Healed,
        files: &HashFiles,
    ) -> Result<RawTable, ReadError> {
        let io = |source| LocalError::at("write a table of hashes in", files.dir())(source);
        let mut table = RawTable::new(files.dir()).map_err(io)?;
        for (position, entry) in (0..).zip(&healed.packs) {
            for run in self.hashes_of(entry, files).await?.chunk_by(|a, b| a.0.0 + 1 == b.0.0) {
                let hashes: Vec<BlockHash> = run.iter().map(|(_, hash)| *hash).collect();
                table.set_run(run[0].0, &hashes, position).map_err(io)?;
            }
            for block in healed.lost.get(&entry.pack).into_iter().flatten() {
                table.set_run(*block, &[BlockHash::ABSENT], position).map_err(io)?;
            }
        }
        Ok(table)
    }

    /// What the packs of a snapshot give.
    pub(crate) async fn compose(
        &self,
        geometry: Geometry,
        healed: &Healed,
        files: &HashFiles,
    ) -> Result<Composed, ReadError> {
        let table = self.hash_table(healed, files).await?;
        let digested = digest(&table, geometry);
        Ok(digested.map_err(LocalError::at("read a table of hashes in", files.dir()))?)
    }
}

/// The digest of the image that a table describes.
pub(crate) fn digest(table: &RawTable, geometry: Geometry) -> std::io::Result<Composed> {
    let mut digester = ImageDigester::default();
    let (mut first, mut count) = (None, 0);
    let mut row = Row::default();
    for group in (0..geometry.group_count()).map(GroupNo) {
        table.row(geometry, group, &mut row)?;
        let (start, _) = geometry.blocks_of(group);
        for (offset, hash) in (0..).zip(&row.hashes) {
            let block = BlockNo(start.0 + offset);
            if geometry.absent_block() == Some(block) {
                digester.push(BlockHash::ABSENT);
                continue;
            }
            if hash.is_absent() {
                first.get_or_insert(block);
                count += 1;
            }
            digester.push(*hash);
        }
    }
    Ok(match first {
        Some(first) => Composed::Missing { first, count },
        None => Composed::Image(digester.finish()),
    })
}
