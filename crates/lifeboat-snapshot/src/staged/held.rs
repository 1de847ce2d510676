//! What a target holds already: a staged file that begins as a copy of it, so
//! that only the difference has to be fetched.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::time::Duration;

use lifeboat_format::digest::{BlockHash, Digest, HashKey, ImageDigester};
use lifeboat_format::geometry::{BlockNo, Geometry, GroupNo, LOCK_BYTE};
use lifeboat_format::source::PageSink;
use lifeboat_sqlite::{Connection, JournalMode, ReadTransaction};

use crate::error::Fault;
use crate::header::Header;
use crate::image::Image;
use crate::replace::is_no_database;
use crate::wal_capture;

use super::{StagedFile, left};

/// The length of a block's hash.
const HASH_LEN: usize = 16;
/// How many groups are copied while writers of a database in a rollback
/// journal mode wait: 4 MiB.
pub(crate) const SLICE: u32 = 16;

/// The blocks that a target holds, to be compared with those that it shall
/// have.
pub struct HeldBlocks {
    file: File,
    held: What,
}

/// What the file has of them.
enum What {
    /// They lie in it, in the shape that the target shall have.
    Blocks { geometry: Geometry, key: HashKey, data: Vec<u8> },
    /// Their hashes, for images with blocks of this size.
    Hashes { block_size: u32 },
}

impl HeldBlocks {
    /// Hashes what the database at a path holds, as far as it can be read; the
    /// hashes lie in a temporary file in `folder`. For plans: by the time they
    /// are carried out it may hold something else.
    pub fn look(present: &Path, key: &HashKey, folder: &Path) -> io::Result<Self> {
        let mut file = tempfile::tempfile_in(folder)?;
        let mut block_size = 0;
        let mut hashes = Vec::new();
        let looked = each_group(present, |geometry, first, data| {
            block_size = geometry.block_size();
            hashes.clear();
            for block in data.chunks_exact(block_size as usize) {
                hashes.extend_from_slice(&BlockHash::of(key, block).0);
            }
            file.seek(SeekFrom::Start(u64::from(first.0) * HASH_LEN as u64))?;
            file.write_all(&hashes)
        });
        if let Err(fault) = looked {
            tracing::info!(?fault, "what is at the target cannot be used again");
        }
        Ok(Self { file, held: What::Hashes { block_size } })
    }

    /// What an interrupted restore to `target` left, if the next one will go on
    /// with it. For plans.
    pub fn left_behind(target: &Path, geometry: Geometry, key: &HashKey) -> Option<Self> {
        let left = left::find(target, None)?;
        let held = What::Blocks { geometry, key: key.clone(), data: Vec::new() };
        Some(Self { file: left.file, held })
    }

    /// The size of the blocks that can be compared.
    pub fn block_size(&self) -> u32 {
        match &self.held {
            What::Blocks { geometry, .. } => geometry.block_size(),
            What::Hashes { block_size } => *block_size,
        }
    }

    /// Whether the target holds this block with this content.
    pub fn holds(&mut self, block: BlockNo, hash: BlockHash) -> bool {
        self.hash(block).is_ok_and(|found| found == hash)
    }

    fn hash(&mut self, block: BlockNo) -> io::Result<BlockHash> {
        match &mut self.held {
            What::Hashes { .. } => {
                let mut hash = BlockHash::ABSENT;
                self.file.seek(SeekFrom::Start(u64::from(block.0) * HASH_LEN as u64))?;
                self.file.read_exact(&mut hash.0)?;
                Ok(hash)
            }
            What::Blocks { geometry, key, data } => {
                data.clear();
                data.resize(geometry.block_size() as usize, 0);
                self.file.seek(SeekFrom::Start(geometry.offset_of(block)))?;
                // Beyond the end the file will hold zeros.
                read_up_to(&mut self.file, data)?;
                geometry.mask(block, data);
                Ok(BlockHash::of(key, data))
            }
        }
    }
}

impl StagedFile {
    /// Begins with what the database at a path holds, as far as it can be
    /// read, and returns what there is, in the shape that the file shall have.
    /// What an earlier attempt left stays.
    ///
    /// The copy need be no state that ever was: every block of it is compared
    /// before it is taken. Writers are held up as by a backup, or less.
    pub fn begin_with(
        &mut self,
        present: &Path,
        geometry: Geometry,
        key: &HashKey,
    ) -> io::Result<HeldBlocks> {
        let copied = each_group(present, |found, first, data| {
            if self.resumed {
                self.geometry = Some(found);
                return self.fill(found, first, data);
            }
            if self.geometry != Some(found) {
                self.begin(found).map_err(io::Error::other)?;
            }
            self.blocks(first, data).map_err(io::Error::other)
        });
        // What cannot be read is fetched.
        if let Err(fault) = copied {
            tracing::info!(?fault, "what is at the target cannot be used again");
        }
        self.begin_again(geometry, key)
    }

    /// Begins with what lies in the file, from an earlier attempt.
    pub fn begin_again(&mut self, geometry: Geometry, key: &HashKey) -> io::Result<HeldBlocks> {
        self.file.set_len(geometry.file_size())?;
        if geometry.lock_page().is_some() {
            // With pages of another size something may have lain there.
            let size = u64::from(geometry.page_size().bytes());
            let size = size.min(geometry.file_size() - LOCK_BYTE) as usize;
            self.patch(LOCK_BYTE, &vec![0; size])?;
        }
        // A handle of its own: a copy would share the position of the other.
        let file = File::open(self.path())?;
        let held = What::Blocks { geometry, key: key.clone(), data: Vec::new() };
        Ok(HeldBlocks { file, held })
    }

    /// Writes the blocks where there is nothing yet.
    fn fill(&mut self, found: Geometry, first: BlockNo, data: &[u8]) -> io::Result<()> {
        if self.file.metadata()?.len() < found.file_size() {
            self.file.set_len(found.file_size())?;
        }
        let mut there = vec![0; data.len()];
        self.file.seek(SeekFrom::Start(found.offset_of(first)))?;
        read_up_to(&mut self.file, &mut there)?;
        let size = found.block_size() as usize;
        let blocks = there.chunks_exact(size).zip(data.chunks_exact(size));
        for (number, (there, bytes)) in (first.0..).zip(blocks) {
            if there.iter().all(|byte| *byte == 0) {
                self.blocks(BlockNo(number), bytes).map_err(io::Error::other)?;
            }
        }
        Ok(())
    }
}

/// Fills a buffer as far as the file goes.
fn read_up_to(file: &mut File, data: &mut [u8]) -> io::Result<()> {
    let mut filled = 0;
    while filled < data.len() {
        match file.read(&mut data[filled..])? {
            0 => break,
            n => filled += n,
        }
    }
    Ok(())
}

/// Whether the database at a path has exactly this image, as far as it can be
/// read, and the file nothing besides.
pub fn has_image(path: &Path, geometry: Geometry, key: &HashKey, expected: &Digest) -> bool {
    // SQLite reads no further than its header says. With a WAL the file may still
    // be of another length.
    let mut wal = path.as_os_str().to_owned();
    wal.push("-wal");
    let has_wal = std::fs::symlink_metadata(wal).is_ok();
    let len = std::fs::metadata(path).map_or(0, |file| file.len());
    if !has_wal && len != geometry.file_size() {
        return false;
    }
    let mut digester = ImageDigester::default();
    let mut next = 0;
    let read = each_group(path, |found, first, data| {
        if found != geometry || first.0 != next {
            return Err(io::ErrorKind::InvalidData.into());
        }
        for bytes in data.chunks_exact(geometry.block_size() as usize) {
            let absent = geometry.absent_block() == Some(BlockNo(next));
            digester.push(if absent { BlockHash::ABSENT } else { BlockHash::of(key, bytes) });
            next += 1;
        }
        Ok(())
    });
    read.is_ok() && next == geometry.block_count() && digester.finish() == *expected
}

/// Reads the database at a path group by group, in order. Where writers are not
/// to be held up for long it need be no state that ever was.
pub(crate) fn each_group(
    path: &Path,
    mut each: impl FnMut(Geometry, BlockNo, &[u8]) -> io::Result<()>,
) -> Result<(), Fault> {
    if is_no_database(path) {
        return Err(Fault::BadHeader);
    }
    let mut connection = Connection::open(path, Duration::from_secs(1))
        .map_err(|e| Fault::Io(io::Error::other(e)))?;
    let mut next = 0;
    let mut shape = None;
    loop {
        let read = connection.begin_read().map_err(Fault::Begin)?;
        let mode = read.journal_mode()?;
        let mut image = image(&read, mode)?;
        let geometry = *shape.get_or_insert(image.geometry());
        if geometry != image.geometry() {
            return Err(Fault::Unsteady);
        }
        let end = match mode {
            JournalMode::Wal => geometry.group_count(),
            JournalMode::Rollback => geometry.group_count().min(next + SLICE),
        };
        let mut data = Vec::new();
        for group in (next..end).map(GroupNo) {
            let (first, _) = image.group(group, &mut data)?;
            each(geometry, first, &data).map_err(Fault::Io)?;
        }
        if end == geometry.group_count() {
            return Ok(());
        }
        next = end;
    }
}

/// The image that a transaction sees.
pub(crate) fn image<'t>(
    read: &'t ReadTransaction<'_>,
    mode: JournalMode,
) -> Result<Image<'t>, Fault> {
    match mode {
        JournalMode::Wal => {
            let position = read.wal_position().map_err(Fault::WalIndex)?;
            wal_capture::open(read, &position)
        }
        JournalMode::Rollback => {
            let file = read.main_file()?;
            let size = file.size()?;
            if size == 0 {
                return Err(Fault::Empty);
            }
            let geometry = Header::read(&file)?.geometry(size)?;
            Image::of_file(file, geometry)
        }
    }
}
