//! Reads frames of a WAL and proves them (SQLite's "WAL-mode File Format",
//! sections 4.1 and 4.2).
//!
//! SQLite before `sqlite3WalSavepointUndo` reset `iReCksum` (3.46.0 does not,
//! 3.54.1 does) commits frames without salts and checksum: where a transaction
//! spilled a page twice into the WAL and went back to a savepoint before the
//! second time. Its readers never look at either, so such a frame is as good as
//! any while the WAL is pinned, and is recognised by the sixteen zeros that
//! stand there; it proves nothing for a place that was stored.

use lifeboat_sqlite::{Completeness, FileHandle, SqliteError};

use crate::pins::Range;
use crate::position::Position;

const WAL_HEADER: usize = 32;
const FRAME_HEADER: usize = 24;
// How much is read at once, at least one frame.
const READ_LEN: usize = 1024 * 1024;
const MAGIC: u32 = 0x377f_0682;

/// A frame that was proven.
pub(crate) struct Frame<'a> {
    /// The page, from 1.
    pub(crate) page: u32,
    /// The size of the database in pages if the frame ends a commit, else 0.
    pub(crate) page_count: u32,
    /// Where it stands.
    pub(crate) position: Position,
    /// The page's bytes.
    pub(crate) data: &'a [u8],
}

/// Why frames were not read to the end.
pub(crate) enum ReadError<E> {
    /// They are not the ones that they should be; the reason in words.
    NotContinuous(&'static str),
    /// SQLite could not read them.
    Sqlite(SqliteError),
    /// Whoever gets them failed.
    Taker(E),
}

impl<E> From<SqliteError> for ReadError<E> {
    fn from(error: SqliteError) -> Self {
        Self::Sqlite(error)
    }
}

/// SQLite's checksum over a WAL, which goes on from frame to frame.
#[derive(Clone, Copy)]
struct Checksum {
    sums: (u32, u32),
    big_endian: bool,
}

impl Checksum {
    fn add(&mut self, bytes: &[u8]) {
        let word = |at: &[u8]| {
            let word = [at[0], at[1], at[2], at[3]];
            if self.big_endian { u32::from_be_bytes(word) } else { u32::from_le_bytes(word) }
        };
        let (mut s1, mut s2) = self.sums;
        for pair in bytes.chunks_exact(8) {
            s1 = s1.wrapping_add(word(&pair[..4])).wrapping_add(s2);
            s2 = s2.wrapping_add(word(&pair[4..])).wrapping_add(s1);
        }
        self.sums = (s1, s2);
    }
}

fn be(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

/// Reads the frames of a range in order. Every frame was proven before `take`
/// gets it; that the last is the one that the wal-index names, after.
pub(crate) fn read<E>(
    wal: &FileHandle<'_>,
    range: &Range,
    buffer: &mut Vec<u8>,
    mut take: impl FnMut(&Frame<'_>) -> Result<(), E>,
) -> Result<(), ReadError<E>> {
    let frame_len = FRAME_HEADER + range.page_size as usize;
    let salts = range.after.salts;
    let sums = match range.after.checksum {
        Some(sums) if range.after.frame > 0 => Some(sums),
        _ => first_checksum(wal, range, frame_len)?,
    };
    // Whether it is known what the next frame goes on from.
    let mut known = sums.is_some();
    let mut checksum = Checksum { sums: sums.unwrap_or_default(), big_endian: range.big_endian };
    let mut number = range.after.frame;
    let mut ends_commit = false;
    while number < range.to {
        let count = (READ_LEN / frame_len).clamp(1, (range.to - number) as usize);
        buffer.resize(count * frame_len, 0);
        if wal.read_at(buffer, offset(number + 1, frame_len))? == Completeness::Short {
            return Err(ReadError::NotContinuous("the WAL is shorter than its index says"));
        }
        for frame in buffer.chunks_exact(frame_len) {
            number += 1;
            let stored = (be(frame, 16), be(frame, 20));
            if is_bare(frame) {
                if range.must_prove {
                    return Err(ReadError::NotContinuous("a frame has no checksum"));
                }
                known = false;
            } else if frame[8..16] != salts {
                return Err(ReadError::NotContinuous("a frame is of another life of the WAL"));
            } else if known {
                checksum.add(&frame[..8]);
                checksum.add(&frame[FRAME_HEADER..]);
                if checksum.sums != stored {
                    return Err(ReadError::NotContinuous("a frame does not follow the one before"));
                }
            } else {
                // After one without: what it went on from is not in the WAL.
                (checksum.sums, known) = (stored, true);
            }
            let (page, page_count) = (be(frame, 0), be(frame, 4));
            if page == 0 {
                return Err(ReadError::NotContinuous("a frame has no page"));
            }
            ends_commit = page_count > 0;
            let checksum = known.then_some(checksum.sums);
            let position = Position { salts, frame: number, checksum };
            let data = &frame[FRAME_HEADER..];
            take(&Frame { page, page_count, position, data }).map_err(ReadError::Taker)?;
        }
    }
    if !ends_commit || (known && checksum.sums != range.checksum) {
        return Err(ReadError::NotContinuous("the last frame is not the one of the index"));
    }
    Ok(())
}

/// Whether a frame has neither salts nor checksum.
fn is_bare(frame: &[u8]) -> bool {
    frame[8..FRAME_HEADER] == [0; 16]
}

/// The checksum that the first frame of a range goes on from: that of the
/// header of the WAL, or of the frame before, if that has one.
fn first_checksum<E>(
    wal: &FileHandle<'_>,
    range: &Range,
    frame_len: usize,
) -> Result<Option<(u32, u32)>, ReadError<E>> {
    let salts = range.after.salts;
    if range.after.frame > 0 {
        let mut header = [0; FRAME_HEADER];
        wal.read_at(&mut header, offset(range.after.frame, frame_len))?;
        if is_bare(&header) {
            return Ok(None);
        }
        if header[8..16] != salts {
            return Err(ReadError::NotContinuous("the frame before is of another life of the WAL"));
        }
        return Ok(Some((be(&header, 16), be(&header, 20))));
    }
    let mut header = [0; WAL_HEADER];
    wal.read_at(&mut header, 0)?;
    let mut checksum = Checksum { sums: (0, 0), big_endian: range.big_endian };
    checksum.add(&header[..24]);
    let known = be(&header, 0) == MAGIC + u32::from(range.big_endian)
        && be(&header, 8) == range.page_size
        && header[16..24] == salts
        && checksum.sums == (be(&header, 24), be(&header, 28));
    if known {
        Ok(Some(checksum.sums))
    } else {
        Err(ReadError::NotContinuous("the header of the WAL is not the one of the index"))
    }
}

fn offset(number: u32, frame_len: usize) -> u64 {
    WAL_HEADER as u64 + u64::from(number - 1) * frame_len as u64
}
