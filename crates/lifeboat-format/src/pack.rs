//! Packs: the objects that hold pages.
//!
//! ```text
//! header | frames | block hashes | index | trailer
//! ```
//!
//! The header is the preamble of every object. A *frame* holds up to 256 KiB of
//! consecutive blocks of the pack, compressed as one. The *index* says which
//! blocks the pack holds and proves frames and hashes. The *trailer* has a
//! fixed size, so that one read of the end of a pack finds the index.
//! `docs/format.md` has the byte tables.

mod chunks;
mod encoder;
mod frame;
mod index;
mod rebuild;
mod writer;

pub use encoder::{EncodedFrame, FrameEncoder, FrameEncoders, RawFrame};
pub use frame::{Encoding, Frame};
pub(crate) use frame::{FRAME_ROW_LEN, FrameRows, frame_part};
pub use index::{PackIndex, Trailer};
pub use rebuild::rebuild;
pub use writer::{PackError, PackOptions, PackWriter, WrittenPack};

/// The most blocks one pack holds.
pub const MAX_BLOCKS: u32 = 65_536;
/// The most bytes of blocks one frame holds, before compression.
pub const MAX_FRAME_LEN: u32 = 256 * 1024;
/// How many bytes the pieces have in which a pack is written, in bytes: as many
/// as a frame may have, which is what is read and written at once elsewhere.
pub const CHUNK_LEN: usize = MAX_FRAME_LEN as usize;
/// The most bytes a pack may have that is read.
pub const MAX_PACK_LEN: u64 = 64 * 1024 * 1024;
/// The size of the trailer in bytes.
pub const TRAILER_LEN: usize = 32;

#[cfg(test)]
mod tests;
