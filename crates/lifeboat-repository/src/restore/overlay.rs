//! A state between snapshots on its way to a sink: pages of the commit log over the
//! blocks of a snapshot.
//!
//! Pages come first, and what they say counts. Where several pages are one block, they
//! wait in a file until the block of the snapshot comes.

use std::fs::File;
use std::os::unix::fs::FileExt;

use lifeboat_format::digest::{BlockHash, Digest, HashKey};
use lifeboat_format::geometry::{BlockNo, Geometry, PageNo};
use lifeboat_format::source::PageSink;

use crate::error::{LocalError, ReadError, RestoreError};
use crate::images::{Composed, digest};
use crate::local::{RawTable, Scratch};
use crate::progress::{Event, Listener};
use crate::repository::Database;

/// A set of numbers from 0, of known size: one bit each.
#[derive(Clone, Debug)]
pub(super) struct Bits(Vec<u64>);

impl Bits {
    pub(super) fn new(count: u32) -> Self {
        Self(vec![0; count.div_ceil(64) as usize])
    }

    pub(super) fn contains(&self, n: u32) -> bool {
        self.0.get(n as usize / 64).is_some_and(|word| word & (1 << (n % 64)) != 0)
    }

    /// Adds a number; false if it was there, or is none of these.
    pub(super) fn insert(&mut self, n: u32) -> bool {
        let Some(word) = self.0.get_mut(n as usize / 64) else { return false };
        let before = *word;
        *word |= 1 << (n % 64);
        before != *word
    }
}

/// Why the overlay cannot go on.
#[derive(Debug, thiserror::Error)]
pub(super) enum OverlayError<E: std::error::Error + 'static> {
    #[error(transparent)]
    Sink(E),
    #[error(transparent)]
    Local(#[from] LocalError),
}

impl<E: std::error::Error + 'static> From<OverlayError<E>> for RestoreError<E> {
    fn from(error: OverlayError<E>) -> Self {
        match error {
            OverlayError::Sink(error) => Self::Sink(error),
            OverlayError::Local(error) => Self::Read(ReadError::Local(error)),
        }
    }
}

/// As what a restore of the base fails, said of what it is put into.
pub(super) fn unwrap<E: std::error::Error + 'static>(
    error: RestoreError<OverlayError<E>>,
) -> RestoreError<E> {
    match error {
        RestoreError::Sink(error) => error.into(),
        RestoreError::Read(error) => RestoreError::Read(error),
        RestoreError::Incomplete { snapshot, first, count } => {
            RestoreError::Incomplete { snapshot, first, count }
        }
        RestoreError::Cancelled => RestoreError::Cancelled,
    }
}

/// Takes pages of the log, and then blocks of the base.
pub(super) struct Overlay<S> {
    sink: S,
    geometry: Geometry,
    key: HashKey,
    listener: Listener,
    /// Pages that the log has, counted from 0.
    logged: Bits,
    /// Blocks that the sink has.
    given: Bits,
    /// The pages that wait, where several are one block.
    waiting: Option<File>,
    hashes: RawTable,
    scratch: Scratch,
    masked: Vec<u8>,
}

impl<S: PageSink> Overlay<S> {
    /// Begins an image of this shape.
    pub(super) fn begin(
        database: &Database,
        geometry: Geometry,
        mut sink: S,
        listener: &Listener,
    ) -> Result<Self, OverlayError<S::Error>> {
        let scratch = Scratch::new(&database.cache_folder()?)?;
        let io = |source| LocalError::at("write a temporary file in", scratch.path())(source);
        let waiting = match geometry.pages_per_block() {
            1 => None,
            _ => Some(tempfile::tempfile_in(scratch.path()).map_err(io)?),
        };
        let hashes = RawTable::new(scratch.path()).map_err(io)?;
        sink.begin(geometry).map_err(OverlayError::Sink)?;
        Ok(Self {
            sink,
            geometry,
            key: database.repository.hash_key().clone(),
            listener: listener.clone(),
            logged: Bits::new(geometry.page_count()),
            given: Bits::new(geometry.block_count()),
            waiting,
            hashes,
            scratch,
            masked: Vec::new(),
        })
    }

    fn io(&self) -> impl FnOnce(std::io::Error) -> LocalError + use<S> {
        LocalError::at("use a temporary file in", self.scratch.path().to_owned())
    }

    /// Takes a page of the state.
    pub(super) fn page(&mut self, page: PageNo, data: &[u8]) -> Result<(), OverlayError<S::Error>> {
        if !self.logged.insert(page.0 - 1) {
            return Ok(());
        }
        let Some(waiting) = &self.waiting else {
            return self.give(self.geometry.block_of(page), data);
        };
        let at = u64::from(page.0 - 1) * u64::from(self.geometry.page_size().bytes());
        waiting.write_all_at(data, at).map_err(self.io())?;
        Ok(())
    }

    /// Whether something of a block has to come from the base.
    pub(super) fn wants(&self, block: BlockNo) -> bool {
        let (first, last) = self.geometry.pages_of(block);
        (first.0..=last.0).any(|page| !self.logged.contains(page - 1))
    }

    /// A block of the base with the pages that the log has, or of those alone.
    fn patched(&self, block: BlockNo, base: Option<&[u8]>) -> Result<Vec<u8>, LocalError> {
        let mut data = vec![0; self.geometry.block_size() as usize];
        if let Some(base) = base {
            data.copy_from_slice(base);
        }
        let Some(waiting) = &self.waiting else { return Ok(data) };
        let size = self.geometry.page_size().bytes() as usize;
        let (first, last) = self.geometry.pages_of(block);
        for (place, page) in data.chunks_exact_mut(size).zip(first.0..=last.0) {
            if self.logged.contains(page - 1) {
                let at = u64::from(page - 1) * size as u64;
                waiting.read_exact_at(place, at).map_err(self.io())?;
            }
        }
        Ok(data)
    }

    fn give(&mut self, first: BlockNo, data: &[u8]) -> Result<(), OverlayError<S::Error>> {
        let mut masked = std::mem::take(&mut self.masked);
        masked.clear();
        masked.extend_from_slice(data);
        self.geometry.mask(first, &mut masked);
        let blocks = masked.chunks_exact(self.geometry.block_size() as usize);
        let hashes: Vec<BlockHash> = blocks.map(|block| BlockHash::of(&self.key, block)).collect();
        self.hashes.set_run(first, &hashes, 0).map_err(self.io())?;
        for offset in 0..hashes.len() as u32 {
            self.given.insert(first.0 + offset);
        }
        self.sink.blocks(first, &masked).map_err(OverlayError::Sink)?;
        self.listener.tell(Event::Restored { bytes: masked.len() as u64 });
        self.masked = masked;
        Ok(())
    }

    /// Ends the image: what nobody gave are zeros. Returns the sink, and the digest of
    /// what it was given.
    pub(super) fn finish(mut self) -> Result<(S, Digest), OverlayError<S::Error>> {
        for block in (0..self.geometry.block_count()).map(BlockNo) {
            if !self.given.contains(block.0) && self.geometry.absent_block() != Some(block) {
                let data = self.patched(block, None)?;
                self.give(block, &data)?;
            }
        }
        match digest(&self.hashes, self.geometry).map_err(self.io())? {
            Composed::Image(digest) => Ok((self.sink, digest)),
            Composed::Missing { .. } => {
                let source = std::io::Error::other("a hash that was written is gone");
                Err(self.io()(source).into())
            }
        }
    }
}

/// Takes the blocks of the base, whose shape may be another.
impl<S: PageSink> PageSink for Overlay<S> {
    type Error = OverlayError<S::Error>;

    fn begin(&mut self, _: Geometry) -> Result<(), Self::Error> {
        // Blocks that come once more are the same.
        Ok(())
    }

    fn blocks(&mut self, first: BlockNo, data: &[u8]) -> Result<(), Self::Error> {
        let size = self.geometry.block_size() as usize;
        let absent = self.geometry.absent_block();
        let mut run: Option<(BlockNo, usize)> = None;
        for (at, base) in data.chunks_exact(size).enumerate() {
            let block = BlockNo(first.0 + at as u32);
            let is_one = block.0 < self.geometry.block_count() && absent != Some(block);
            let wanted = is_one && self.wants(block);
            if wanted && self.waiting.is_none() {
                let (start, _) = *run.get_or_insert((block, at));
                run = Some((start, at + 1));
                continue;
            }
            if let Some((start, end)) = run.take() {
                let from = (start.0 - first.0) as usize * size;
                self.give(start, &data[from..end * size])?;
            }
            if wanted {
                let patched = self.patched(block, Some(base))?;
                self.give(block, &patched)?;
            }
        }
        if let Some((start, end)) = run {
            let from = (start.0 - first.0) as usize * size;
            self.give(start, &data[from..end * size])?;
        }
        Ok(())
    }
}
