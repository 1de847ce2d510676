//! Versions of the format, and the refusal of newer ones.

/// The version that this crate writes.
pub const FORMAT_VERSION: u8 = 1;
/// The oldest reader that can read what this crate writes.
pub const MIN_READER_VERSION: u8 = 1;
