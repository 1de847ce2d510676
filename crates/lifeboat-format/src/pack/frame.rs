//! Frames: the unit of compression and of reading.

use std::borrow::Cow;

use crate::digest::Digest;
use crate::object::{DecodeError, ObjectKind};
use crate::seal::{ObjectCipher, Part};

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

    pub(super) fn from_code(code: u8) -> Option<Self> {
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
    pub(super) fn decode(
        &self,
        stored: &[u8],
        part: Part<'_>,
        cipher: Option<&dyn ObjectCipher>,
        block_size: u32,
        out: &mut Vec<u8>,
    ) -> Result<(), DecodeError> {
        let damaged = |what| DecodeError::damaged(ObjectKind::Pack, what);
        self.prove(stored)?;
        let opened = match cipher {
            None => Cow::Borrowed(stored),
            Some(cipher) => {
                let mut text = stored.to_vec();
                cipher
                    .open(part, &mut text)
                    .map_err(|_| DecodeError::Forged { kind: ObjectKind::Pack })?;
                Cow::Owned(text)
            }
        };
        let len = self.blocks as usize * block_size as usize;
        out.clear();
        match self.encoding {
            Encoding::Raw => out.extend_from_slice(&opened),
            Encoding::Zstd => {
                out.resize(len, 0);
                let written = zstd::bulk::decompress_to_buffer(&opened, out.as_mut_slice())
                    .map_err(|_| damaged("compressed frame"))?;
                out.truncate(written);
            }
        }
        if out.len() == len { Ok(()) } else { Err(damaged("frame length")) }
    }
}

pub(super) fn digest(stored: &[u8]) -> [u8; 16] {
    let full = Digest::of(stored);
    let mut cut = [0; 16];
    cut.copy_from_slice(&full.as_bytes()[..16]);
    cut
}
