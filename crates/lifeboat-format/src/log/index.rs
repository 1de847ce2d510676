//! The index of a segment, and the trailer that finds it.
//!
//! | offset | size | index |
//! |---|---|---|
//! | 0 | 16 | epoch |
//! | 16 | 8 | number of the segment |
//! | 24 | 16 | nonce |
//! | 40 | 32 | digest of the segment before; zeros in segment 1 |
//! | 72 | 8 | number of the first commit |
//! | 80 | 8 | observed from, in microseconds since 1970 |
//! | 88 | 8 | observed until |
//! | 96 | 4 | page size in bytes |
//! | 100 | 4 | flags: 1 seal, 2 the first commit began before |
//! | 104 | 4 | grid in seconds; 0 for every commit |
//! | 108 | 4 | number of commits |
//! | 112 | 4 | number of pages |
//! | 116 | 4 | number of frames |
//! | 120 | 4 | length of the mark |
//! | 124 | 4 | zero |
//! | 128 | … | mark |
//! | … | 16 each | commits: pages in this segment (4), pages of the database (4), seen at (8) |
//! | … | 24 each | frames, as in packs |
//! | … | 4 each | page numbers |
//!
//! | offset | size | trailer |
//! |---|---|---|
//! | 0 | 4 | length of the header |
//! | 4 | 4 | length of the frames |
//! | 8 | 4 | length of the index |
//! | 12 | 4 | zero |
//! | 16 | 4 | kind, format version, oldest reader, seal, as in the preamble |
//! | 20 | 4 | zero |
//! | 24 | 32 | digest of the index, as stored |
//! | 56 | 8 | `TAOBEFIL` |

use std::ops::Range;
use std::sync::Arc;

use time::OffsetDateTime;

use super::{
    CommitNo, MAX_COMMITS, MAX_MARK_LEN, MAX_PAGES, MAX_SEGMENT_LEN, SegmentHead, SegmentKind,
    SegmentNo, TRAILER_LEN, from_micros, object_id,
};
use crate::digest::Digest;
use crate::geometry::{MAX_PAGE_COUNT, PageNo, PageSize};
use crate::id::{EpochId, Nonce};
use crate::object::{DecodeError, ObjectKind, check_versions, header_len, read_header, seal_byte};
use crate::pack::{FRAME_ROW_LEN, Frame, FrameRows, frame_part};
use crate::seal::{Home, ObjectCipher, Part, SEAL_LEN, SealHeader, Section, TAG_LEN};
use crate::version::{FORMAT_VERSION, MIN_READER_VERSION};

const KIND: ObjectKind = ObjectKind::LogSegment;
const MAGIC: &[u8; 8] = b"TAOBEFIL";
/// How much of the trailer the index is bound to: all before its own digest.
const BOUND_LEN: usize = 24;
pub(super) const INDEX_HEADER_LEN: usize = 128;
const COMMIT_ROW_LEN: usize = 16;
const PAGE_ROW_LEN: usize = 4;
pub(super) const FLAG_SEAL: u32 = 1;
pub(super) const FLAG_CONTINUES: u32 = 2;

fn damaged(what: &'static str) -> DecodeError {
    DecodeError::damaged(KIND, what)
}

/// The index, bound to what of the trailer is known before it is stored.
pub(super) fn index_part(bound: &[u8]) -> Part<'_> {
    Part { section: Section::Index, number: 0, last: true, bound }
}

/// The end of a segment: how long each of its parts is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentTrailer {
    frames_len: u32,
    index_len: u32,
    format: [u8; 4],
    pub(super) index_digest: Digest,
    seal: Option<SealHeader>,
}

impl SegmentTrailer {
    pub(super) fn new(frames_len: usize, index_len: usize, seal: Option<SealHeader>) -> Self {
        let seal_byte = seal_byte(seal.is_some());
        Self {
            frames_len: frames_len as u32,
            index_len: index_len as u32,
            format: [KIND.letter(), FORMAT_VERSION, MIN_READER_VERSION, seal_byte],
            index_digest: Digest::from_bytes([0; 32]),
            seal,
        }
    }

    /// Decodes the last bytes of a segment of `len` bytes, and checks that the
    /// parts fill it.
    pub fn decode(end: &[u8], len: u64) -> Result<Self, DecodeError> {
        let truncated = || DecodeError::Truncated { kind: KIND, len: end.len() as u64 };
        let bytes = end.last_chunk::<TRAILER_LEN>().ok_or_else(truncated)?;
        if bytes[56..] != *MAGIC || bytes[16] != KIND.letter() {
            return Err(damaged("trailer"));
        }
        let sealed = check_versions(KIND, bytes[17], bytes[18], bytes[19], u32_at(bytes, 0))?;
        if bytes[12..16] != [0; 4] || bytes[20..24] != [0; 4] {
            return Err(damaged("trailer"));
        }
        let before = &end[..end.len() - TRAILER_LEN];
        let seal = match (sealed, before.last_chunk::<SEAL_LEN>()) {
            (false, _) => None,
            (true, Some(seal)) => Some(SealHeader(*seal)),
            (true, None) => return Err(truncated()),
        };
        let mut digest = [0; 32];
        digest.copy_from_slice(&bytes[24..56]);
        let trailer = Self {
            frames_len: u32_at(bytes, 4),
            index_len: u32_at(bytes, 8),
            format: [bytes[16], bytes[17], bytes[18], bytes[19]],
            index_digest: Digest::from_bytes(digest),
            seal,
        };
        let parts =
            u64::from(trailer.header_len()) + u64::from(trailer.frames_len) + trailer.tail_len();
        if parts != len || len > MAX_SEGMENT_LEN {
            return Err(damaged("length"));
        }
        Ok(trailer)
    }

    /// How many bytes at the end of the segment are index, seal and trailer.
    pub fn tail_len(&self) -> u64 {
        let seal_len = self.seal.map_or(0, |_| SEAL_LEN);
        u64::from(self.index_len) + (seal_len + TRAILER_LEN) as u64
    }

    fn header_len(&self) -> u32 {
        header_len(self.seal.is_some()) as u32
    }

    fn tag_len(&self) -> usize {
        self.seal.map_or(0, |_| TAG_LEN)
    }

    pub(super) fn bound(&self) -> [u8; BOUND_LEN] {
        let mut bound = [0; BOUND_LEN];
        bound.copy_from_slice(&self.encode()[..BOUND_LEN]);
        bound
    }

    pub(super) fn encode(&self) -> [u8; TRAILER_LEN] {
        let mut bytes = [0; TRAILER_LEN];
        bytes[0..4].copy_from_slice(&self.header_len().to_le_bytes());
        bytes[4..8].copy_from_slice(&self.frames_len.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.index_len.to_le_bytes());
        bytes[16..20].copy_from_slice(&self.format);
        bytes[24..56].copy_from_slice(self.index_digest.as_bytes());
        bytes[56..].copy_from_slice(MAGIC);
        bytes
    }
}

/// A commit, as far as it lies in one segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitRow {
    /// Its number.
    pub number: CommitNo,
    /// Which of the [pages](Segment::pages) are its.
    pub pages: Range<u32>,
    /// How many pages the database has after it; none if the commit goes on in
    /// the next segment.
    pub page_count: Option<u32>,
    /// When it was first seen.
    pub seen_at: OffsetDateTime,
}

/// What a segment says of itself, proven.
#[derive(Clone, Debug)]
pub struct Segment {
    head: SegmentHead,
    observed_until: OffsetDateTime,
    mark: Vec<u8>,
    commits: Vec<CommitRow>,
    pages: Vec<PageNo>,
    frames: Vec<Frame>,
    trailer: SegmentTrailer,
    digest: Digest,
    cipher: Option<Arc<dyn ObjectCipher>>,
}

impl Segment {
    /// Decodes the segment that lies where that of this epoch and number
    /// belongs, from its end: `end` must reach back at least
    /// [`SegmentTrailer::tail_len`] bytes, and the whole has `len` bytes.
    pub fn decode(
        end: &[u8],
        len: u64,
        (epoch, number): (EpochId, SegmentNo),
        home: &Home<'_>,
    ) -> Result<Self, DecodeError> {
        let trailer = SegmentTrailer::decode(end, len)?;
        let Some(start) = (end.len() as u64).checked_sub(trailer.tail_len()) else {
            return Err(DecodeError::Truncated { kind: KIND, len: end.len() as u64 });
        };
        let tail = &end[start as usize..];
        let stored = &tail[..trailer.index_len as usize];
        if Digest::of(stored) != trailer.index_digest {
            return Err(damaged("index digest"));
        }
        let id = object_id(epoch, number);
        let cipher = home.opener(KIND, &id, trailer.seal.as_ref())?;
        let mut index = stored.to_vec();
        if let Some(cipher) = &cipher {
            cipher
                .open(index_part(&trailer.bound()), &mut index)
                .map_err(|_| DecodeError::Forged { kind: KIND })?;
        }
        let segment = Self::parse(&index, trailer, Digest::of(tail), cipher)?;
        if segment.head.epoch != epoch || segment.head.number != number {
            return Err(DecodeError::Misplaced { kind: KIND, place: "epoch or number" });
        }
        Ok(segment)
    }

    /// Proves the beginning of the segment, which a restore has no need to
    /// read.
    pub fn check_header(&self, header: &[u8]) -> Result<(), DecodeError> {
        let seal = read_header(KIND, header)?;
        let same = header[8..12] == self.trailer.format && seal == self.trailer.seal;
        if same { Ok(()) } else { Err(damaged("preamble")) }
    }

    fn parse(
        index: &[u8],
        trailer: SegmentTrailer,
        digest: Digest,
        cipher: Option<Arc<dyn ObjectCipher>>,
    ) -> Result<Self, DecodeError> {
        let Some((header, rest)) = index.split_first_chunk::<INDEX_HEADER_LEN>() else {
            return Err(damaged("index length"));
        };
        let [page_size, flags, grid, commit_count, page_count, frame_count, mark_len, zero] =
            [96, 100, 104, 108, 112, 116, 120, 124].map(|at| u32_at(header, at));
        if flags & !(FLAG_SEAL | FLAG_CONTINUES) != 0 {
            return Err(DecodeError::NotUnderstood { kind: KIND, what: "flag" });
        }
        let sane = commit_count <= MAX_COMMITS
            && page_count <= MAX_PAGES
            && frame_count <= page_count
            && mark_len as usize <= MAX_MARK_LEN
            && zero == 0;
        let lens = [
            mark_len as usize,
            commit_count as usize * COMMIT_ROW_LEN,
            frame_count as usize * FRAME_ROW_LEN,
            page_count as usize * PAGE_ROW_LEN,
        ];
        if !sane || rest.len() != lens.iter().sum::<usize>() {
            return Err(damaged("index length"));
        }
        let head = parse_head(header, page_size, flags, grid)?;
        if head.kind == SegmentKind::Seal && (commit_count, page_count) != (0, 0) {
            return Err(damaged("seal"));
        }
        let observed_until = time_at(header, 88)?;
        let (mark, rest) = rest.split_at(lens[0]);
        let (commit_rows, rest) = rest.split_at(lens[1]);
        let (frame_rows, page_rows) = rest.split_at(lens[2]);
        let rows = FrameRows {
            kind: KIND,
            unit: page_size,
            header_len: trailer.header_len(),
            tag_len: trailer.tag_len(),
        };
        let segment = Self {
            observed_until,
            mark: mark.to_vec(),
            commits: parse_commits(commit_rows, &head, page_count)?,
            pages: parse_pages(page_rows)?,
            frames: rows.parse(frame_rows)?,
            head,
            trailer,
            digest,
            cipher,
        };
        let stored: u64 = segment.frames.iter().map(|frame| u64::from(frame.stored_len)).sum();
        let framed: u64 = segment.frames.iter().map(|frame| u64::from(frame.blocks)).sum();
        if stored != u64::from(trailer.frames_len) || framed != u64::from(page_count) {
            return Err(damaged("index sums"));
        }
        if observed_until < segment.head.observed_from {
            return Err(damaged("times"));
        }
        Ok(segment)
    }

    /// What was known before its pages.
    pub fn head(&self) -> &SegmentHead {
        &self.head
    }

    /// Until when, by the writer's clock, everything that was committed is in
    /// it or before it.
    pub fn observed_until(&self) -> OffsetDateTime {
        self.observed_until
    }

    /// The writer's note to itself.
    pub fn mark(&self) -> &[u8] {
        &self.mark
    }

    /// The commits, in order.
    pub fn commits(&self) -> &[CommitRow] {
        &self.commits
    }

    /// The page of each image, in order; of those of one commit with the same
    /// number the last counts, and those beyond the commit's size do not.
    pub fn pages(&self) -> &[PageNo] {
        &self.pages
    }

    /// The frames, in the order of their images; `blocks` are pages here.
    pub fn frames(&self) -> &[Frame] {
        &self.frames
    }

    /// What the next segment, or a seal, calls this one by.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Proves that this segment follows one: nothing is missing in between.
    pub fn follows(&self, before: &Segment) -> Result<(), DecodeError> {
        let next = before.head.number.0.checked_add(1) == Some(self.head.number.0);
        let chained = self.head.previous == Some(before.digest);
        if self.head.epoch != before.head.epoch || !next || !chained {
            return Err(DecodeError::Misplaced { kind: KIND, place: "segment before" });
        }
        let open = before.is_open();
        let commit = self.head.first_commit == before.next_commit();
        let ended = before.head.kind == SegmentKind::Seal;
        let size = self.head.page_size == before.head.page_size || !open;
        if ended || self.head.continues != open || !commit || !size {
            return Err(damaged("order of commits"));
        }
        if self.head.observed_from < before.head.observed_from {
            return Err(damaged("times"));
        }
        Ok(())
    }

    /// Whether its last commit goes on in the next segment.
    pub fn is_open(&self) -> bool {
        self.commits.last().is_some_and(|commit| commit.page_count.is_none())
    }

    /// The commit that the next segment begins with.
    pub fn next_commit(&self) -> CommitNo {
        match self.commits.last() {
            None => self.head.first_commit,
            Some(last) => CommitNo(last.number.0 + u64::from(last.page_count.is_some())),
        }
    }

    /// Proves the stored bytes of a frame, by its position among
    /// [`frames`](Self::frames), and writes its pages into `out`, whose content
    /// is replaced.
    pub fn decode_frame(
        &self,
        number: usize,
        stored: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), DecodeError> {
        let part = frame_part(number as u32, number + 1 == self.frames.len());
        let page_size = self.head.page_size.bytes();
        self.frames[number].decode(KIND, stored, part, self.cipher.as_deref(), page_size, out)
    }
}

fn parse_head(
    header: &[u8; INDEX_HEADER_LEN],
    page_size: u32,
    flags: u32,
    grid: u32,
) -> Result<SegmentHead, DecodeError> {
    let mut previous = [0; 32];
    previous.copy_from_slice(&header[40..72]);
    let [mut epoch, mut nonce] = [[0; 16]; 2];
    epoch.copy_from_slice(&header[..16]);
    nonce.copy_from_slice(&header[24..40]);
    let number = SegmentNo(u64_at(header, 16));
    let first_commit = CommitNo(u64_at(header, 72));
    let seal = flags & FLAG_SEAL != 0;
    let is_first = number.0 == 1;
    let sane = number.0 > 0
        && (1..u64::MAX - u64::from(MAX_COMMITS)).contains(&first_commit.0)
        && is_first == (previous == [0; 32])
        && !(seal && grid > 0);
    if !sane {
        return Err(damaged("index header"));
    }
    Ok(SegmentHead {
        epoch: EpochId::from_bytes(epoch),
        number,
        kind: match (seal, grid) {
            (true, _) => SegmentKind::Seal,
            (false, 0) => SegmentKind::Commits,
            (false, seconds) => SegmentKind::RolledUp(seconds),
        },
        nonce: Nonce::from_bytes(nonce),
        previous: (!is_first).then(|| Digest::from_bytes(previous)),
        page_size: PageSize::new(page_size).ok_or(damaged("page size"))?,
        first_commit,
        continues: flags & FLAG_CONTINUES != 0,
        observed_from: time_at(header, 80)?,
    })
}

fn parse_commits(
    rows: &[u8],
    head: &SegmentHead,
    page_count: u32,
) -> Result<Vec<CommitRow>, DecodeError> {
    let rows = rows.as_chunks::<COMMIT_ROW_LEN>().0;
    let mut commits: Vec<CommitRow> = Vec::with_capacity(rows.len());
    let mut first = 0_u32;
    let mut newest = head.observed_from;
    for (i, row) in rows.iter().enumerate() {
        let (pages, count) = (u32_at(row, 0), u32_at(row, 4));
        let seen_at = time_at(row, 8)?;
        let end = first.checked_add(pages).filter(|end| *end <= page_count);
        let end = end.ok_or(damaged("commit row"))?;
        let goes_on = i == 0 && head.continues;
        let sane = (pages > 0 || goes_on)
            && (count > 0 || i + 1 == rows.len())
            && count <= MAX_PAGE_COUNT
            && seen_at >= newest;
        if !sane {
            return Err(damaged("commit row"));
        }
        commits.push(CommitRow {
            number: CommitNo(head.first_commit.0 + i as u64),
            pages: first..end,
            page_count: (count > 0).then_some(count),
            seen_at,
        });
        (first, newest) = (end, seen_at);
    }
    if first != page_count || (head.continues && rows.is_empty() && head.kind != SegmentKind::Seal)
    {
        return Err(damaged("commit rows"));
    }
    Ok(commits)
}

fn parse_pages(rows: &[u8]) -> Result<Vec<PageNo>, DecodeError> {
    let numbers = rows.as_chunks::<PAGE_ROW_LEN>().0.iter().map(|row| u32::from_le_bytes(*row));
    numbers
        .map(|page| match page {
            1..=MAX_PAGE_COUNT => Ok(PageNo(page)),
            _ => Err(damaged("page number")),
        })
        .collect()
}

fn time_at(bytes: &[u8], at: usize) -> Result<OffsetDateTime, DecodeError> {
    from_micros(u64_at(bytes, at) as i64).ok_or(damaged("times"))
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}
