//! Compresses and seals frames: the work of which a pack is mostly made.
//!
//! Frames know nothing of each other. So a writer hands them to whoever
//! implements [`FrameEncoders`], on this thread or on others, and takes them
//! back in their order.

use std::fmt;
use std::sync::Arc;

use crate::seal::ObjectCipher;

use super::frame::{self, Encoding, FRAME_ROW_LEN, frame_part};
use super::{MAX_FRAME_LEN, PackError};

/// The blocks of a frame, before they are compressed.
pub struct RawFrame {
    pub(crate) bytes: Vec<u8>,
    pub(crate) blocks: u16,
    pub(crate) number: u32,
    pub(crate) last: bool,
    pub(crate) level: i32,
    pub(crate) cipher: Option<Arc<dyn ObjectCipher>>,
}

impl RawFrame {
    /// Whether it is the last of its pack.
    pub fn is_last(&self) -> bool {
        self.last
    }
}

impl fmt::Debug for RawFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawFrame").field("number", &self.number).finish_non_exhaustive()
    }
}

/// A frame as it is stored, and its row in the index.
pub struct EncodedFrame {
    pub(crate) stored: Vec<u8>,
    pub(crate) row: [u8; FRAME_ROW_LEN],
}

impl fmt::Debug for EncodedFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EncodedFrame").field("bytes", &self.stored.len()).finish_non_exhaustive()
    }
}

/// Encodes frames one after the other; a thread needs one.
#[derive(Default)]
pub struct FrameEncoder {
    compressor: Option<(i32, zstd::bulk::Compressor<'static>)>,
    compressed: Vec<u8>,
}

impl FrameEncoder {
    /// Compresses a frame where that helps, and seals it where it has a key.
    pub fn encode(&mut self, frame: RawFrame) -> Result<EncodedFrame, PackError> {
        let RawFrame { mut bytes, blocks, number, last, level, cipher } = frame;
        self.compressed.resize(zstd::zstd_safe::compress_bound(MAX_FRAME_LEN as usize), 0);
        // A slice: given the vector, zstd would make it shorter, and the next frame
        // fill it with zeros again.
        let len = made_for(level, &mut self.compressor)?
            .compress_to_buffer(&bytes, &mut self.compressed[..])
            .map_err(PackError::Compress)?;
        // Decoding costs time as well: what saves less than 1/64 is stored raw.
        let encoding = if len + len / 64 < bytes.len() {
            bytes.clear();
            bytes.extend_from_slice(&self.compressed[..len]);
            Encoding::Zstd
        } else {
            Encoding::Raw
        };
        if let Some(cipher) = &cipher {
            cipher.seal(frame_part(number, last), &mut bytes);
        }
        let mut row = [0; FRAME_ROW_LEN];
        row[..4].copy_from_slice(&(bytes.len() as u32).to_le_bytes());
        row[4..6].copy_from_slice(&blocks.to_le_bytes());
        row[6] = encoding.code();
        row[8..].copy_from_slice(&frame::digest(&bytes));
        Ok(EncodedFrame { stored: bytes, row })
    }
}

/// The compressor for a level: the one that is there, or another in its place.
fn made_for<'a>(
    level: i32,
    compressor: &'a mut Option<(i32, zstd::bulk::Compressor<'static>)>,
) -> Result<&'a mut zstd::bulk::Compressor<'static>, PackError> {
    if compressor.as_ref().is_none_or(|(made_for, _)| *made_for != level) {
        let made = zstd::bulk::Compressor::new(level).map_err(PackError::Compress)?;
        *compressor = Some((level, made));
    }
    Ok(&mut compressor.as_mut().expect("made above").1)
}

impl fmt::Debug for FrameEncoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FrameEncoder(..)")
    }
}

/// Whoever encodes the frames of a pack: takes them in ascending order, works
/// on as many at once as it likes, and gives them back in the same order.
pub trait FrameEncoders: Send {
    /// How many frames are out before one is taken back, at least one. A
    /// constant: where packs end follows from it, and from nothing that depends
    /// on how fast anything is.
    fn window(&self) -> usize;

    /// Takes a frame. Called while fewer than a window are out.
    fn hand_in(&mut self, frame: RawFrame);

    /// Waits for the oldest frame that is out. Called while one is.
    fn take_back(&mut self) -> Result<EncodedFrame, PackError>;
}

/// Encodes each frame at once, on the thread that hands it in.
#[derive(Debug, Default)]
pub(super) struct Here {
    encoder: FrameEncoder,
    done: Option<Result<EncodedFrame, PackError>>,
}

impl FrameEncoders for Here {
    fn window(&self) -> usize {
        1
    }

    fn hand_in(&mut self, frame: RawFrame) {
        debug_assert!(self.done.is_none(), "one at a time");
        self.done = Some(self.encoder.encode(frame));
    }

    fn take_back(&mut self) -> Result<EncodedFrame, PackError> {
        self.done.take().expect("a frame is out")
    }
}
