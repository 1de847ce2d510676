//! A restored file on its way: staged beside its target, proven, published.
//! What state it is in is its type.

mod error;
mod folder;
mod held;
mod left;
mod proven;
mod salvaged;
mod settled;

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use lifeboat_format::digest::{BlockHash, Digest, HashKey, ImageDigester};
use lifeboat_format::geometry::{BlockNo, Geometry, GroupNo};
use lifeboat_format::source::PageSink;

pub use error::{ProveError, PublishError, StageError};
pub use held::{HeldBlocks, has_image};
pub(crate) use held::{SLICE, each_group, image};
pub use left::left_behind;
pub use proven::{CheckReport, ProvenFile};
pub use salvaged::{LostPages, SalvagedFile};
pub(crate) use settled::{Settled, folder_of, sync_folder};

/// A file that is being written, and that nobody takes for a database: it is
/// called `.<target>.lifeboat-<8 hex>.partial`, and removed when dropped, unless
/// it is to be [kept](Self::keep).
pub struct StagedFile {
    // Before the file, so that its name is gone before its lock is: nobody takes up
    // what is about to be removed.
    place: Place,
    file: File,
    geometry: Option<Geometry>,
    resumed: bool,
}

/// Where a staged file lies and goes; removes the file when dropped.
struct Place {
    target: PathBuf,
    staged: PathBuf,
    /// The permissions that a new file gets here.
    #[cfg(unix)]
    mode: u32,
    /// Whether the staged name is gone.
    published: bool,
    /// Whether the file is left to the next attempt.
    kept: bool,
}

impl Drop for Place {
    fn drop(&mut self) {
        if !self.published && !self.kept {
            // What cannot be removed is swept by the next restore.
            let _ = std::fs::remove_file(&self.staged);
        }
    }
}

impl StagedFile {
    /// Begins to restore to `target`, which must not exist, nor anything that
    /// SQLite would take for its WAL or journal. Removes what earlier attempts
    /// left behind, if nobody works on it any more.
    pub fn create(target: &Path) -> Result<Self, StageError> {
        folder::must_be_free(target).map_err(StageError::from_taken)?;
        Self::beside(target)
    }

    /// As [`create`](Self::create), but goes on with what an attempt that was
    /// interrupted left, if there is something that it alone can have written.
    pub fn resume(target: &Path) -> Result<Self, StageError> {
        folder::must_be_free(target).map_err(StageError::from_taken)?;
        Self::resume_beside(target)
    }

    /// Begins to restore over what is at `target`, or will be: only
    /// [`ProvenFile::replace`] can put the result in its place. Removes what
    /// earlier attempts left behind, if nobody works on it any more.
    pub fn beside(target: &Path) -> Result<Self, StageError> {
        folder::sweep(target);
        let (file, place) = folder::create(target)
            .map_err(|source| StageError::Create { target: target.to_owned(), source })?;
        Ok(Self { place, file, geometry: None, resumed: false })
    }

    /// As [`beside`](Self::beside), but goes on with what an attempt that was
    /// interrupted left.
    pub fn resume_beside(target: &Path) -> Result<Self, StageError> {
        let Some((file, place)) = left::take_up(target) else { return Self::beside(target) };
        // It is locked now, and therefore stays.
        folder::sweep(target);
        Ok(Self { place, file, geometry: None, resumed: true })
    }

    /// Whether an earlier attempt left it. What it holds counts for nothing before
    /// it was compared: see [`begin_again`](Self::begin_again).
    pub fn is_resumed(&self) -> bool {
        self.resumed
    }

    /// Whether it stays where it is when it is dropped before it is proven, for the
    /// next attempt to go on with. One that was left by an earlier attempt stays
    /// unless this says otherwise.
    pub fn keep(&mut self, keep: bool) {
        self.place.kept = keep;
    }

    /// Where the bytes are being written.
    pub fn path(&self) -> &Path {
        &self.place.staged
    }

    /// Takes back everything that was written.
    pub fn clear(&mut self) -> std::io::Result<()> {
        (self.geometry, self.resumed) = (None, false);
        self.file.set_len(0)
    }

    /// Overwrites some bytes.
    pub(crate) fn patch(&mut self, at: u64, bytes: &[u8]) -> std::io::Result<()> {
        self.file.seek(SeekFrom::Start(at))?;
        self.file.write_all(bytes)
    }

    /// Writes everything to disk.
    pub(crate) fn sync(&self) -> std::io::Result<()> {
        self.file.sync_all()
    }

    /// Makes a copy of a file ready for its name, without proof.
    pub(crate) fn settle_copy(self, of: &std::fs::Metadata) -> std::io::Result<Settled> {
        Settled::copy(self.file, self.place, of)
    }

    /// Writes everything to disk, reads all of it again, and compares it with
    /// the digest of the image that it should be.
    pub fn prove(mut self, key: &HashKey, expected: &Digest) -> Result<ProvenFile, ProveError> {
        // What is not the image now will not be it next time.
        self.place.kept = false;
        let geometry = self.geometry.ok_or(ProveError::NotBegun)?;
        let io = |source| ProveError::Io { source };
        self.file.sync_all().map_err(io)?;
        let size = self.file.metadata().map_err(io)?.len();
        if size != geometry.file_size() {
            return Err(ProveError::Size { expected: geometry.file_size(), found: size });
        }
        let found = digest(&mut self.file, geometry, key).map_err(io)?;
        if found != *expected {
            return Err(ProveError::Digest { expected: *expected, found });
        }
        Ok(ProvenFile::new(self.file, self.place))
    }
}

impl PageSink for StagedFile {
    type Error = StageError;

    fn begin(&mut self, geometry: Geometry) -> Result<(), StageError> {
        self.file.set_len(geometry.file_size()).map_err(|source| StageError::Write { source })?;
        self.geometry = Some(geometry);
        Ok(())
    }

    fn blocks(&mut self, first: BlockNo, data: &[u8]) -> Result<(), StageError> {
        let geometry = self.geometry.ok_or(StageError::NotBegun)?;
        let size = geometry.block_size() as usize;
        let count = data.len() / size;
        let end = u64::from(first.0) + count as u64;
        if !data.len().is_multiple_of(size) || end > u64::from(geometry.block_count()) {
            return Err(StageError::OutOfRange {
                first,
                bytes: data.len(),
                blocks: geometry.block_count(),
            });
        }
        let start = geometry.offset_of(first);
        // The padding of the last block is not part of the file.
        let length = (geometry.file_size() - start.min(geometry.file_size())).min(data.len() as u64)
            as usize;
        self.file
            .seek(SeekFrom::Start(start))
            .and_then(|_| self.file.write_all(&data[..length]))
            .map_err(|source| StageError::Write { source })
    }
}

/// The digest of the image that a file holds.
fn digest(file: &mut File, geometry: Geometry, key: &HashKey) -> std::io::Result<Digest> {
    file.seek(SeekFrom::Start(0))?;
    let mut digester = ImageDigester::default();
    let mut data = Vec::new();
    for group in (0..geometry.group_count()).map(GroupNo) {
        let (first, count) = geometry.blocks_of(group);
        let size = geometry.block_size() as usize;
        let left = geometry.file_size() - geometry.offset_of(first);
        data.resize(count as usize * size, 0);
        let wanted = left.min(data.len() as u64) as usize;
        file.read_exact(&mut data[..wanted])?;
        geometry.mask(first, &mut data);
        for (block, bytes) in (first.0..).map(BlockNo).zip(data.chunks_exact(size)) {
            digester.push(if geometry.absent_block() == Some(block) {
                BlockHash::ABSENT
            } else {
                BlockHash::of(key, bytes)
            });
        }
    }
    Ok(digester.finish())
}
