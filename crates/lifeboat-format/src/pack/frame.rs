//! Frames: the unit of compression and of reading.

use std::borrow::Cow;

use crate::digest::Digest;
use crate::object::{DecodeError, ObjectKind};
use crate::seal::{ObjectCipher, Part, Section};

use super::MAX_FRAME_LEN;

/// How the blocks of a frame are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// As they are.
    Raw,
    /// As one zstd frame.
    Zstd,
}

impl Encoding {
    pub(super) fn code(self) -> u8 {
        match self {
            Self::Raw => 0,
            Self::Zstd => 1,
        }
    }

    fn from_code(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::Raw),
            1 => Some(Self::Zstd),
            _ => None,
        }
    }
}

/// One frame, as the index of its pack describes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Where it begins in the pack, in bytes.
    pub offset: u32,
    /// How many bytes it has there.
    pub stored_len: u32,
    /// The position of its first block among the blocks of the pack.
    pub first: u32,
    /// How many blocks it holds.
    pub blocks: u32,
    /// How they are stored.
    pub encoding: Encoding,
    /// BLAKE3 of the stored bytes, cut to 16 bytes.
    pub digest: [u8; 16],
}

impl Frame {
    /// Proves the stored bytes of the frame, without opening them.
    pub fn prove(&self, stored: &[u8]) -> Result<(), DecodeError> {
        if stored.len() == self.stored_len as usize && digest(stored) == self.digest {
            return Ok(());
        }
        Err(DecodeError::damaged(ObjectKind::Pack, "frame digest"))
    }

    /// Proves the stored bytes of the frame, opens them with `cipher` where the
    /// pack is sealed, and writes its blocks into `out`, whose content is
    /// replaced. Never allocates more than the blocks and a tag take.
    pub(crate) fn decode(
        &self,
        kind: ObjectKind,
        stored: &[u8],
        part: Part<'_>,
        cipher: Option<&dyn ObjectCipher>,
        block_size: u32,
        out: &mut Vec<u8>,
    ) -> Result<(), DecodeError> {
        let damaged = |what| DecodeError::damaged(kind, what);
        self.prove(stored)?;
        let opened = match cipher {
            None => Cow::Borrowed(stored),
            Some(cipher) => {
                let mut text = stored.to_vec();
                cipher.open(part, &mut text).map_err(|_| DecodeError::Forged { kind })?;
                Cow::Owned(text)
            }
        };
        let len = self.blocks as usize * block_size as usize;
        match self.encoding {
            Encoding::Raw => {
                out.clear();
                out.extend_from_slice(&opened);
            }
            Encoding::Zstd => {
                // Not emptied before: frames follow of the same size, and filling each
                // with zeros first costs as much as anything else here.
                out.resize(len, 0);
                let written = zstd::bulk::decompress_to_buffer(&opened, out.as_mut_slice())
                    .map_err(|_| damaged("compressed frame"))?;
                out.truncate(written);
            }
        }
        if out.len() == len { Ok(()) } else { Err(damaged("frame length")) }
    }
}

/// The size of a frame's row in an index, in bytes.
pub(crate) const FRAME_ROW_LEN: usize = 24;

/// How the rows of frames in an index are read.
pub(crate) struct FrameRows {
    /// What they are in.
    pub(crate) kind: ObjectKind,
    /// The size of a block or page in bytes.
    pub(crate) unit: u32,
    /// The length of the object's header.
    pub(crate) header_len: u32,
    /// The length of a tag, or 0.
    pub(crate) tag_len: usize,
}

impl FrameRows {
    pub(crate) fn parse(&self, rows: &[u8]) -> Result<Vec<Frame>, DecodeError> {
        let damaged = |what| DecodeError::damaged(self.kind, what);
        let tag_len = self.tag_len as u64;
        let mut offset = self.header_len;
        let mut first = 0_u32;
        let mut frames = Vec::with_capacity(rows.len() / FRAME_ROW_LEN);
        for row in rows.as_chunks::<FRAME_ROW_LEN>().0 {
            let stored_len = u32::from_le_bytes([row[0], row[1], row[2], row[3]]);
            let blocks = u32::from(u16::from_le_bytes([row[4], row[5]]));
            let raw_len = u64::from(blocks) * u64::from(self.unit);
            let encoding = Encoding::from_code(row[6]).ok_or(damaged("frame encoding"))?;
            let sane = row[7] == 0
                && blocks > 0
                && raw_len <= u64::from(MAX_FRAME_LEN)
                && (tag_len..=raw_len + tag_len).contains(&u64::from(stored_len))
                && (encoding == Encoding::Zstd || u64::from(stored_len) == raw_len + tag_len);
            if !sane {
                return Err(damaged("frame row"));
            }
            let mut digest = [0; 16];
            digest.copy_from_slice(&row[8..]);
            frames.push(Frame { offset, stored_len, first, blocks, encoding, digest });
            offset = offset.checked_add(stored_len).ok_or(damaged("frame row"))?;
            first = first.checked_add(blocks).ok_or(damaged("frame row"))?;
        }
        Ok(frames)
    }
}

/// A frame, as a part of its object.
pub(crate) fn frame_part(number: u32, last: bool) -> Part<'static> {
    Part { section: Section::Frames, number, last, bound: &[] }
}

pub(super) fn digest(stored: &[u8]) -> [u8; 16] {
    let full = Digest::of(stored);
    let mut cut = [0; 16];
    cut.copy_from_slice(&full.as_bytes()[..16]);
    cut
}
