//! Writes one segment, page by page.

use std::sync::Arc;

use time::OffsetDateTime;

use super::index::{FLAG_CONTINUES, FLAG_SEAL, INDEX_HEADER_LEN, SegmentTrailer, index_part};
use super::{
    MAX_COMMITS, MAX_MARK_LEN, MAX_PAGES, SegmentHead, SegmentKind, SegmentNo, object_id, to_micros,
};
use crate::digest::Digest;
use crate::geometry::PageNo;
use crate::id::EpochId;
use crate::object::{self, ObjectKind};
use crate::pack::{FrameEncoder, MAX_FRAME_LEN, PackError, RawFrame};
use crate::seal::{Home, ObjectCipher, TAG_LEN};

/// The greatest size at which a segment is full, in bytes.
const MAX_TARGET_LEN: u32 = 16 * 1024 * 1024;

/// How segments are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SegmentOptions {
    /// The size in bytes at which a segment is full. 8 MiB.
    pub target_len: u32,
    /// The zstd level, 1 to 19. 3.
    pub level: i32,
}

impl Default for SegmentOptions {
    fn default() -> Self {
        Self { target_len: 8 * 1024 * 1024, level: 3 }
    }
}

impl SegmentOptions {
    /// These options with another size at which a segment is full, at most
    /// 16 MiB.
    #[must_use]
    pub fn with_target_len(mut self, bytes: u32) -> Self {
        self.target_len = bytes.min(MAX_TARGET_LEN);
        self
    }

    /// These options with another zstd level.
    #[must_use]
    pub fn with_level(mut self, level: i32) -> Self {
        self.level = level;
        self
    }
}

/// Why something cannot be written into a segment.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SegmentError {
    /// A page does not have the size of the database's pages.
    #[error("a page of {found} bytes where {expected} were expected")]
    PageSize {
        /// The page size of the database.
        expected: u32,
        /// The size in bytes that came.
        found: usize,
    },
    /// There is no such page, no such number of pages, or no such segment.
    #[error("{0} cannot be")]
    Impossible(&'static str),
    /// The segment is full.
    #[error("a segment holds at most {MAX_PAGES} pages and {MAX_COMMITS} commits")]
    Full,
    /// The times go backwards.
    #[error("a commit is older than what came before it")]
    Time,
    /// The compressor failed.
    #[error(transparent)]
    Compress(#[from] PackError),
}

/// A segment that was written whole.
#[derive(Clone, Debug)]
pub struct WrittenSegment {
    /// Its epoch.
    pub epoch: EpochId,
    /// Its number.
    pub number: SegmentNo,
    /// The whole object.
    pub bytes: Vec<u8>,
    /// What names it in the next one: the digest of everything from its index
    /// to its end, which proves the rest.
    pub digest: Digest,
    /// How many commits end in it.
    pub commits: u32,
    /// Whether its last commit goes on in the next segment.
    pub is_open: bool,
}

/// Writes one segment.
pub struct SegmentWriter {
    head: SegmentHead,
    options: SegmentOptions,
    encoder: FrameEncoder,
    cipher: Option<Arc<dyn ObjectCipher>>,
    bytes: Vec<u8>,
    header_len: usize,
    /// The pages of the frame that is not yet compressed.
    pending: Vec<u8>,
    frames: Vec<u8>,
    frame_count: u32,
    pages: Vec<u32>,
    commits: Vec<u8>,
    commit_count: u32,
    /// How many pages the present commit has in this segment.
    open_pages: u32,
    newest: i64,
}

impl SegmentWriter {
    /// Begins a segment, sealed where `home` has keys.
    pub fn new(
        head: SegmentHead,
        options: SegmentOptions,
        home: &Home<'_>,
    ) -> Result<Self, SegmentError> {
        if head.number.0 == 0 || (head.number.0 == 1) != head.previous.is_none() {
            return Err(SegmentError::Impossible(
                "a first segment that follows another, or one that follows none",
            ));
        }
        if head.first_commit.0 == 0 || head.kind == SegmentKind::RolledUp(0) {
            return Err(SegmentError::Impossible("a commit or a grid of number 0"));
        }
        let id = object_id(head.epoch, head.number);
        let cipher = home.sealer(ObjectKind::LogSegment, &id);
        let bytes = object::header(ObjectKind::LogSegment, cipher.as_deref());
        Ok(Self {
            head,
            options,
            encoder: FrameEncoder::default(),
            cipher,
            header_len: bytes.len(),
            bytes,
            pending: Vec::new(),
            frames: Vec::new(),
            frame_count: 0,
            pages: Vec::new(),
            commits: Vec::new(),
            commit_count: 0,
            open_pages: 0,
            newest: to_micros(head.observed_from),
        })
    }

    /// Whether it should be finished now, be it in the middle of a commit.
    pub fn is_full(&self) -> bool {
        self.pages.len() >= MAX_PAGES as usize
            // One row is left for a commit that goes on.
            || self.commit_count + 1 >= MAX_COMMITS
            || self.bytes.len() + self.pending.len() + self.pages.len() * 4 + self.commits.len()
                >= self.options.target_len as usize
    }

    /// Whether nothing was written into it.
    pub fn is_empty(&self) -> bool {
        self.pages.is_empty() && self.commit_count == 0
    }

    /// Adds a page of the present commit. If it comes twice, the last counts.
    pub fn page(&mut self, page: PageNo, data: &[u8]) -> Result<(), SegmentError> {
        let expected = self.head.page_size.bytes();
        if data.len() != expected as usize {
            return Err(SegmentError::PageSize { expected, found: data.len() });
        }
        if page.0 == 0 || page.0 > crate::geometry::MAX_PAGE_COUNT {
            return Err(SegmentError::Impossible("a page of that number"));
        }
        if self.pages.len() >= MAX_PAGES as usize {
            return Err(SegmentError::Full);
        }
        if self.head.kind == SegmentKind::Seal {
            return Err(SegmentError::Impossible("a page in a seal"));
        }
        // Not before the next page comes is it known that a frame is not the
        // last one, which says so of itself.
        if self.pending.len() + data.len() > MAX_FRAME_LEN as usize {
            self.end_frame(false)?;
        }
        self.pending.extend_from_slice(data);
        self.pages.push(page.0);
        self.open_pages += 1;
        Ok(())
    }

    /// Ends the present commit: how many pages the database has after it, and
    /// when it was first seen.
    pub fn commit(&mut self, page_count: u32, seen_at: OffsetDateTime) -> Result<(), SegmentError> {
        let seen_at = to_micros(seen_at);
        let goes_on = self.commit_count == 0 && self.head.continues;
        if page_count == 0 || (self.open_pages == 0 && !goes_on) {
            return Err(SegmentError::Impossible("a commit without pages"));
        }
        if seen_at < self.newest {
            return Err(SegmentError::Time);
        }
        if self.commit_count >= MAX_COMMITS {
            return Err(SegmentError::Full);
        }
        self.newest = seen_at;
        self.row(page_count, seen_at);
        Ok(())
    }

    fn row(&mut self, page_count: u32, seen_at: i64) {
        self.commits.extend_from_slice(&self.open_pages.to_le_bytes());
        self.commits.extend_from_slice(&page_count.to_le_bytes());
        self.commits.extend_from_slice(&seen_at.to_le_bytes());
        self.commit_count += 1;
        self.open_pages = 0;
    }

    fn end_frame(&mut self, last: bool) -> Result<(), SegmentError> {
        let bytes = std::mem::take(&mut self.pending);
        let frame = RawFrame {
            blocks: (bytes.len() / self.head.page_size.bytes() as usize) as u16,
            number: self.frame_count,
            last,
            level: self.options.level,
            cipher: self.cipher.clone(),
            bytes,
        };
        let frame = self.encoder.encode(frame)?;
        self.frames.extend_from_slice(&frame.row);
        self.frame_count += 1;
        self.bytes.extend_from_slice(&frame.stored);
        self.pending = frame.stored;
        self.pending.clear();
        Ok(())
    }

    /// Ends the segment. Everything that was committed until `observed_until`
    /// is in it or before it. `mark` is a note of the writer to itself, of at
    /// most [`MAX_MARK_LEN`] bytes.
    pub fn finish(
        mut self,
        observed_until: OffsetDateTime,
        mark: &[u8],
    ) -> Result<WrittenSegment, SegmentError> {
        if mark.len() > MAX_MARK_LEN {
            return Err(SegmentError::Impossible("a mark of that length"));
        }
        let observed_until = to_micros(observed_until);
        if observed_until < to_micros(self.head.observed_from) {
            return Err(SegmentError::Time);
        }
        let commits = self.commit_count;
        // A seal has no rows, also after a commit that nobody will end any more.
        let goes_on = self.head.continues && self.head.kind != SegmentKind::Seal;
        let is_open = self.open_pages > 0 || (goes_on && commits == 0);
        if is_open {
            if commits >= MAX_COMMITS {
                return Err(SegmentError::Full);
            }
            let newest = self.newest;
            self.row(0, newest);
        }
        if !self.pending.is_empty() {
            self.end_frame(true)?;
        }
        let mut index = self.index(observed_until, mark);
        let seal = self.cipher.as_ref().map(|cipher| cipher.header());
        let tag_len = self.cipher.as_ref().map_or(0, |_| TAG_LEN);
        let frames_len = self.bytes.len() - self.header_len;
        let mut trailer = SegmentTrailer::new(frames_len, index.len() + tag_len, seal);
        if let Some(cipher) = &self.cipher {
            cipher.seal(index_part(&trailer.bound()), &mut index);
        }
        trailer.index_digest = Digest::of(&index);
        let mut tail = index;
        if let Some(seal) = &seal {
            tail.extend_from_slice(&seal.0);
        }
        tail.extend_from_slice(&trailer.encode());
        let digest = Digest::of(&tail);
        let mut bytes = self.bytes;
        bytes.append(&mut tail);
        let SegmentHead { epoch, number, .. } = self.head;
        Ok(WrittenSegment { epoch, number, bytes, digest, commits, is_open })
    }

    fn index(&self, observed_until: i64, mark: &[u8]) -> Vec<u8> {
        let head = &self.head;
        let seal = if head.kind == SegmentKind::Seal { FLAG_SEAL } else { 0 };
        let flags = seal | if head.continues { FLAG_CONTINUES } else { 0 };
        let grid = match head.kind {
            SegmentKind::RolledUp(seconds) => seconds,
            SegmentKind::Commits | SegmentKind::Seal => 0,
        };
        let previous = head.previous.map_or([0; 32], |digest| *digest.as_bytes());
        let mut index = Vec::with_capacity(
            INDEX_HEADER_LEN
                + mark.len()
                + self.commits.len()
                + self.pages.len() * 4
                + self.frames.len()
                + TAG_LEN,
        );
        index.extend_from_slice(head.epoch.as_bytes());
        index.extend_from_slice(&head.number.0.to_le_bytes());
        index.extend_from_slice(head.nonce.as_bytes());
        index.extend_from_slice(&previous);
        index.extend_from_slice(&head.first_commit.0.to_le_bytes());
        index.extend_from_slice(&to_micros(head.observed_from).to_le_bytes());
        index.extend_from_slice(&observed_until.to_le_bytes());
        let pages = self.pages.len() as u32;
        let words = [
            head.page_size.bytes(),
            flags,
            grid,
            self.commit_count,
            pages,
            self.frame_count,
            mark.len() as u32,
            0,
        ];
        for word in words {
            index.extend_from_slice(&word.to_le_bytes());
        }
        index.extend_from_slice(mark);
        index.extend_from_slice(&self.commits);
        index.extend_from_slice(&self.frames);
        for page in &self.pages {
            index.extend_from_slice(&page.to_le_bytes());
        }
        index
    }
}
