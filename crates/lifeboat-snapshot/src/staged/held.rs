//! What a target holds already: a staged file that begins as a copy of it, so
//! that only the difference has to be fetched.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::time::Duration;

use lifeboat_format::digest::{BlockHash, HashKey};
use lifeboat_format::geometry::{BlockNo, Geometry, GroupNo, LOCK_BYTE};
use lifeboat_format::source::PageSink;
use lifeboat_sqlite::{Connection, JournalMode, ReadTransaction};

use crate::error::Fault;
use crate::header::Header;
use crate::image::Image;
use crate::replace::is_no_database;
use crate::wal_capture;

use super::StagedFile;

/// How many groups are copied while writers of a database in a rollback
/// journal mode wait: 4 MiB.
pub(crate) const SLICE: u32 = 16;

/// The blocks that a staged file began with, to be compared with those that it
/// shall have.
pub struct HeldBlocks {
    file: File,
    geometry: Geometry,
    key: HashKey,
    data: Vec<u8>,
}

impl HeldBlocks {
    /// Whether the file holds this block with this content.
    pub fn holds(&mut self, block: BlockNo, hash: BlockHash) -> bool {
        self.hash(block).is_ok_and(|found| found == hash)
    }

    fn hash(&mut self, block: BlockNo) -> io::Result<BlockHash> {
        self.data.clear();
        self.data.resize(self.geometry.block_size() as usize, 0);
        self.file.seek(SeekFrom::Start(self.geometry.offset_of(block)))?;
        // Beyond the end the file will hold zeros.
        let mut filled = 0;
        while filled < self.data.len() {
            match self.file.read(&mut self.data[filled..])? {
                0 => break,
                n => filled += n,
            }
        }
        self.geometry.mask(block, &mut self.data);
        Ok(BlockHash::of(&self.key, &self.data))
    }
}

impl StagedFile {
    /// Begins with what the database at a path holds, as far as it can be
    /// read, and returns what there is, in the shape that the file shall have.
    ///
    /// The copy need be no state that ever was: every block of it is compared
    /// before it is taken. Writers are held up as by a backup, or less.
    pub fn begin_with(
        &mut self,
        present: &Path,
        geometry: Geometry,
        key: &HashKey,
    ) -> io::Result<HeldBlocks> {
        // What cannot be read is fetched.
        if let Err(fault) = self.copy(present) {
            tracing::info!(?fault, "what is at the target cannot be used again");
        }
        self.file.set_len(geometry.file_size())?;
        if geometry.lock_page().is_some() {
            // With pages of another size something may have lain there.
            let size = geometry.page_size().bytes() as usize;
            let size = size.min((geometry.file_size() - LOCK_BYTE) as usize);
            self.file.seek(SeekFrom::Start(LOCK_BYTE))?;
            self.file.write_all(&vec![0; size])?;
        }
        // A handle of its own: a copy would share the position of the other.
        let file = File::open(self.path())?;
        Ok(HeldBlocks { file, geometry, key: key.clone(), data: Vec::new() })
    }

    fn copy(&mut self, present: &Path) -> Result<(), Fault> {
        if is_no_database(present) {
            return Err(Fault::BadHeader);
        }
        let mut connection = Connection::open(present, Duration::from_secs(1))
            .map_err(|e| Fault::Io(io::Error::other(e)))?;
        let mut next = 0;
        loop {
            let read = connection.begin_read().map_err(Fault::Begin)?;
            let mode = read.journal_mode()?;
            let mut image = image(&read, mode)?;
            let geometry = image.geometry();
            if next == 0 {
                self.begin(geometry).map_err(|e| Fault::Io(io::Error::other(e)))?;
            } else if self.geometry != Some(geometry) {
                return Ok(());
            }
            let end = match mode {
                JournalMode::Wal => geometry.group_count(),
                JournalMode::Rollback => geometry.group_count().min(next + SLICE),
            };
            let mut data = Vec::new();
            for group in (next..end).map(GroupNo) {
                let (first, _) = image.group(group, &mut data)?;
                self.blocks(first, &data).map_err(|e| Fault::Io(io::Error::other(e)))?;
            }
            if end == geometry.group_count() {
                return Ok(());
            }
            next = end;
        }
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
