//! How far a WAL was followed.

use lifeboat_sqlite::WalIndexHeader;

/// A place in a WAL: all frames up to it were taken.
///
/// Salts name one life of a WAL, the cumulative checksum all frames of it up
/// to the place. Stored together with what was taken, it lets a later follower
/// prove that nothing happened in between.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Position {
    /// The salts of the WAL, in the bytes in which they stand in it.
    pub salts: [u8; 8],
    /// The last frame that was taken; 0 if none was.
    pub frame: u32,
    /// The cumulative checksum of that frame. Not known before the first frame
    /// of a WAL, nor where following began in the middle of one.
    pub checksum: Option<(u32, u32)>,
}

impl Position {
    /// How many bytes a stored position has.
    pub const LEN: usize = 20;

    /// The place that a wal-index names: its last commit.
    pub fn at_end(header: &WalIndexHeader) -> Self {
        let checksum = (header.max_frame > 0).then_some(header.frame_checksum);
        Self { salts: header.salts, frame: header.max_frame, checksum }
    }

    /// The bytes to store; `None` for a place that nothing could be proven
    /// from later.
    pub fn to_bytes(self) -> Option<[u8; Self::LEN]> {
        let checksum = self.checksum.filter(|_| self.frame > 0)?;
        let mut bytes = [0; Self::LEN];
        bytes[..8].copy_from_slice(&self.salts);
        for (at, word) in [(8, self.frame), (12, checksum.0), (16, checksum.1)] {
            bytes[at..at + 4].copy_from_slice(&word.to_le_bytes());
        }
        Some(bytes)
    }

    /// A place that was stored.
    pub fn from_bytes(bytes: &[u8; Self::LEN]) -> Option<Self> {
        let word = |at: usize| {
            u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
        };
        let mut salts = [0; 8];
        salts.copy_from_slice(&bytes[..8]);
        let frame = word(8);
        (frame > 0).then(|| Self { salts, frame, checksum: Some((word(12), word(16))) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_and_read() {
        let position =
            Position { salts: [1, 2, 3, 4, 5, 6, 7, 8], frame: 9, checksum: Some((1, 2)) };
        let bytes = position.to_bytes().expect("provable");
        assert_eq!(bytes, [1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0]);
        assert_eq!(Position::from_bytes(&bytes), Some(position));
        assert_eq!(Position { frame: 0, ..position }.to_bytes(), None);
        assert_eq!(Position { checksum: None, ..position }.to_bytes(), None);
        assert_eq!(Position::from_bytes(&[0; Position::LEN]), None);
    }
}
