//! The header of the wal-index, the only authority on what is committed in a
//! WAL (SQLite's "WAL-mode File Format", section 2.1).

use crate::raw::Shm;

/// What the wal-index says at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WalPosition {
    /// Its header.
    pub header: WalIndexHeader,
    /// How many frames were copied back into the database file.
    pub backfilled: u32,
}

/// The header of a wal-index, of which both copies were equal and whose
/// checksum was right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WalIndexHeader {
    /// The page size in bytes; 0 in an index that never had a frame.
    pub page_size: u32,
    /// The last valid and committed frame; 0 for none.
    pub max_frame: u32,
    /// The size of the database in pages after that commit; 0 if the WAL never
    /// had one.
    pub page_count: u32,
    /// The salts, in the bytes in which they stand in the WAL and its frames.
    pub salts: [u8; 8],
    /// The cumulative checksum of frame `max_frame`.
    pub frame_checksum: (u32, u32),
    /// Whether the checksums of the WAL are over big-endian words.
    pub big_endian_checksums: bool,
    /// Changed by every transaction.
    pub change: u32,
    /// All 48 bytes as they stand in memory, which tell every state of a WAL
    /// from every other.
    pub bytes: [u8; Self::LEN],
}

impl WalIndexHeader {
    /// How many bytes a header has.
    pub const LEN: usize = 48;

    /// Reads a header in the byte order of this machine; `None` if its
    /// checksum is wrong, its version unknown or it was never initialised.
    pub fn parse(bytes: &[u8; Self::LEN]) -> Option<Self> {
        const VERSION: u32 = 3_007_000;
        let word = |i: usize| {
            let mut word = [0; 4];
            word.copy_from_slice(&bytes[i * 4..i * 4 + 4]);
            u32::from_ne_bytes(word)
        };
        let (mut s1, mut s2) = (0_u32, 0_u32);
        for pair in 0..5 {
            s1 = s1.wrapping_add(word(pair * 2)).wrapping_add(s2);
            s2 = s2.wrapping_add(word(pair * 2 + 1)).wrapping_add(s1);
        }
        let initialised = bytes[12] != 0;
        if word(0) != VERSION || !initialised || (s1, s2) != (word(10), word(11)) {
            return None;
        }
        let size = u32::from(u16::from_ne_bytes([bytes[14], bytes[15]]));
        let mut salts = [0; 8];
        salts.copy_from_slice(&bytes[32..40]);
        Some(Self {
            // 65,536 does not fit into two bytes and is stored as 1.
            page_size: (size & 0xfe00) + ((size & 1) << 16),
            max_frame: word(4),
            page_count: word(5),
            salts,
            frame_checksum: (word(6), word(7)),
            big_endian_checksums: bytes[13] != 0,
            change: word(2),
            bytes: *bytes,
        })
    }
}

// Where the marks of the read locks begin, in words: after two headers and the
// count of frames that were copied (WalCkptInfo.aReadMark).
pub(crate) const READ_MARKS_AT: usize = WalIndexHeader::LEN / 4 * 2 + 1;

/// Reads header and backfill, twice; `None` unless everything is equal.
pub(crate) fn read(shm: &Shm<'_>) -> Option<WalPosition> {
    let first = look(shm)?;
    shm.barrier();
    let second = look(shm)?;
    (first == second).then_some(first)
}

fn look(shm: &Shm<'_>) -> Option<WalPosition> {
    let copy = |at: usize| {
        let mut bytes = [0; WalIndexHeader::LEN];
        for (i, word) in bytes.chunks_exact_mut(4).enumerate() {
            word.copy_from_slice(&shm.word(at + i).to_ne_bytes());
        }
        bytes
    };
    const WORDS: usize = WalIndexHeader::LEN / 4;
    // Writers write the second copy first, so reading goes the other way.
    let first = copy(0);
    shm.barrier();
    let second = copy(WORDS);
    shm.barrier();
    let backfilled = shm.word(WORDS * 2);
    let header = (first == second).then_some(first)?;
    Some(WalPosition { header: WalIndexHeader::parse(&header)?, backfilled })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(page_size: u16) -> [u8; 48] {
        let mut bytes = [0; 48];
        bytes[0..4].copy_from_slice(&3_007_000_u32.to_ne_bytes());
        bytes[12] = 1;
        bytes[14..16].copy_from_slice(&page_size.to_ne_bytes());
        bytes[16..20].copy_from_slice(&7_u32.to_ne_bytes());
        bytes[20..24].copy_from_slice(&9_u32.to_ne_bytes());
        let (mut s1, mut s2) = (0_u32, 0_u32);
        for pair in bytes[..40].chunks_exact(8) {
            let word = |at: usize| {
                u32::from_ne_bytes([pair[at], pair[at + 1], pair[at + 2], pair[at + 3]])
            };
            s1 = s1.wrapping_add(word(0)).wrapping_add(s2);
            s2 = s2.wrapping_add(word(4)).wrapping_add(s1);
        }
        bytes[40..44].copy_from_slice(&s1.to_ne_bytes());
        bytes[44..48].copy_from_slice(&s2.to_ne_bytes());
        bytes
    }

    #[test]
    fn page_sizes_of_two_bytes() {
        for (stored, bytes) in [(512, 512), (4096, 4096), (0x8000, 0x8000), (1, 65_536)] {
            let parsed = WalIndexHeader::parse(&header(stored)).expect("valid");
            assert_eq!(parsed.page_size, bytes);
            assert_eq!((parsed.max_frame, parsed.page_count), (7, 9));
        }
    }

    #[test]
    fn every_flipped_byte_is_noticed() {
        let good = header(4096);
        for i in 0..48 {
            let mut bad = good;
            bad[i] ^= 1;
            assert_eq!(WalIndexHeader::parse(&bad), None, "byte {i}");
        }
    }
}
