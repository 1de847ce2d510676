//! A database without SQLite: pages in memory that are a source and a sink.

use std::convert::Infallible;

use lifeboat_format::digest::{BlockHash, Digest, GroupHash, HashKey, ImageDigester};
use lifeboat_format::geometry::{BlockNo, Geometry, GroupNo, PageSize};
use lifeboat_format::record::SqliteFacts;
use lifeboat_format::source::{
    CaptureError, CapturedImage, ChangeSink, Fingerprint, KnownBlocks, PageSink, PageSource,
    ScannedGroup,
};
use time::{Duration, OffsetDateTime};

/// The time at which images are taken, unless a test says another.
pub(crate) const NOON: OffsetDateTime = time::macros::datetime!(2026-11-20 12:00 UTC);

/// An image in memory.
#[derive(Clone, PartialEq)]
pub(crate) struct Image {
    pub(crate) page_size: u32,
    pub(crate) bytes: Vec<u8>,
    pub(crate) taken_at: OffsetDateTime,
    /// Whether it can be recognised without being read.
    pub(crate) recognisable: bool,
    /// How often it was captured.
    pub(crate) captures: u32,
    /// What is read once more is gone (true) or something else (false).
    pub(crate) moves_on: Option<bool>,
}

impl std::fmt::Debug for Image {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Image({} bytes)", self.bytes.len())
    }
}

impl Image {
    /// `pages` pages of 4 KiB, each with content of its own.
    pub(crate) fn new(pages: u32) -> Self {
        let mut image = Self {
            page_size: 4096,
            bytes: Vec::new(),
            taken_at: NOON,
            recognisable: false,
            captures: 0,
            moves_on: None,
        };
        image.resize(pages);
        for page in 0..pages {
            image.write(page, u64::from(page));
        }
        image
    }

    pub(crate) fn resize(&mut self, pages: u32) {
        self.bytes.resize(pages as usize * self.page_size as usize, 0);
    }

    /// Fills a page with incompressible bytes that depend on `seed`.
    pub(crate) fn write(&mut self, page: u32, seed: u64) {
        let size = self.page_size as usize;
        let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        for byte in &mut self.bytes[page as usize * size..][..size] {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            *byte = state as u8;
        }
    }

    pub(crate) fn later(mut self, minutes: i64) -> Self {
        self.taken_at += Duration::minutes(minutes);
        self
    }

    pub(crate) fn geometry(&self) -> Geometry {
        let pages = self.bytes.len() as u32 / self.page_size;
        Geometry::new(PageSize::new(self.page_size).expect("valid"), pages).expect("valid")
    }

    fn blocks(&self, first: BlockNo, count: u32) -> Vec<u8> {
        let geometry = self.geometry();
        let size = geometry.block_size() as usize;
        let start = first.0 as usize * size;
        let end = (start + count as usize * size).min(self.bytes.len());
        let mut data = self.bytes[start..end].to_vec();
        data.resize(count as usize * size, 0);
        geometry.mask(first, &mut data);
        data
    }

    /// The digest that a restored image must have.
    pub(crate) fn digest(&self, key: &HashKey) -> Digest {
        let geometry = self.geometry();
        let mut digester = ImageDigester::default();
        for block in 0..geometry.block_count() {
            digester.push(BlockHash::of(key, &self.blocks(BlockNo(block), 1)));
        }
        digester.finish()
    }
}

impl PageSource for Image {
    type Error = Infallible;

    fn fingerprint(&mut self) -> Result<Option<Fingerprint>, Infallible> {
        let digest = Digest::of(&self.bytes);
        Ok(self.recognisable.then(|| Fingerprint(digest.as_bytes().to_vec())))
    }

    fn capture(
        &mut self,
        key: &HashKey,
        known: &mut dyn KnownBlocks,
        sink: &mut dyn ChangeSink,
    ) -> Result<CapturedImage, CaptureError<Infallible>> {
        self.captures += 1;
        let geometry = self.geometry();
        let comparable = known.geometry().is_some_and(|k| k.block_size() == geometry.block_size());
        sink.begin(geometry)?;
        let mut before = Vec::new();
        for group in (0..geometry.group_count()).map(GroupNo) {
            let (first, count) = geometry.blocks_of(group);
            let all = self.blocks(first, count);
            let mut hashes = Vec::new();
            let mut changed = Vec::new();
            let mut data = Vec::new();
            if comparable {
                known.group(group, &mut before)?;
            }
            for (at, block) in all.chunks_exact(geometry.block_size() as usize).enumerate() {
                let hash = BlockHash::of(key, block);
                hashes.push(hash);
                if before.get(at) != Some(&hash) {
                    changed.push(BlockNo(first.0 + at as u32));
                    data.extend_from_slice(block);
                }
            }
            let group_hash = GroupHash::of(key, &all);
            let scanned =
                ScannedGroup { first, group_hash, hashes: &hashes, changed: &changed, data: &data };
            sink.group(&scanned)?;
        }
        while let Some(group) = sink.wanted_again()? {
            let (first, count) = geometry.blocks_of(group);
            let mut data = self.blocks(first, count);
            match self.moves_on {
                None => {}
                Some(true) => break,
                Some(false) => data.iter_mut().for_each(|byte| *byte = !*byte),
            }
            sink.group_again(&data)?;
        }
        Ok(CapturedImage {
            geometry,
            taken_at: self.taken_at,
            sqlite: SqliteFacts::default(),
            bytes_read: self.bytes.len() as u64,
            fingerprint: self.fingerprint().unwrap_or_default(),
        })
    }
}

/// Takes an image in memory.
#[derive(Default)]
pub(crate) struct Restored {
    pub(crate) bytes: Vec<u8>,
    size: u64,
    block_size: usize,
}

impl Restored {
    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.bytes.truncate(self.size as usize);
        self.bytes
    }
}

impl PageSink for Restored {
    type Error = Infallible;

    fn begin(&mut self, geometry: Geometry) -> Result<(), Infallible> {
        self.size = geometry.file_size();
        self.block_size = geometry.block_size() as usize;
        self.bytes = vec![0; geometry.block_count() as usize * self.block_size];
        Ok(())
    }

    fn blocks(&mut self, first: BlockNo, data: &[u8]) -> Result<(), Infallible> {
        let at = first.0 as usize * self.block_size;
        self.bytes[at..at + data.len()].copy_from_slice(data);
        Ok(())
    }
}
