//! The 100-byte header of a database (SQLite's file format, section 1.3).

use lifeboat_format::geometry::{Geometry, PageSize};
use lifeboat_format::record::SqliteFacts;
use lifeboat_sqlite::{FileHandle, JournalMode};

use crate::error::Fault;

/// The header's bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header([u8; Self::LEN]);

impl Header {
    pub(crate) const LEN: usize = 100;

    /// Takes the header from the first bytes of an image.
    pub(crate) fn of(image: &[u8]) -> Option<Self> {
        let mut bytes = [0; Self::LEN];
        bytes.copy_from_slice(image.get(..Self::LEN)?);
        Some(Self(bytes))
    }

    /// Reads it from the database file.
    pub(crate) fn read(file: &FileHandle<'_>) -> Result<Self, Fault> {
        let mut bytes = [0; Self::LEN];
        file.read_at(&mut bytes, 0)?;
        Ok(Self(bytes))
    }

    pub(crate) fn bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }

    pub(crate) fn written_by(&self) -> u32 {
        self.word(96)
    }

    fn word(&self, at: usize) -> u32 {
        let mut word = [0; 4];
        word.copy_from_slice(&self.0[at..at + 4]);
        u32::from_be_bytes(word)
    }

    pub(crate) fn page_size(&self) -> Result<PageSize, Fault> {
        PageSize::from_header([self.0[16], self.0[17]]).ok_or(Fault::BadHeader)
    }

    /// The shape of the image that the file holds, by SQLite's own rule: the
    /// stored page count is valid only if the writer that stored it was also
    /// the last to change the file (older ones did not know the field).
    pub(crate) fn geometry(&self, file_size: u64) -> Result<Geometry, Fault> {
        let page_size = self.page_size()?;
        let stored = self.word(28);
        let count = if stored != 0 && self.word(24) == self.word(92) {
            u64::from(stored)
        } else {
            file_size.div_ceil(u64::from(page_size.bytes()))
        };
        let count = u32::try_from(count).map_err(|_| Fault::BadHeader)?;
        if count == 0 {
            return Err(Fault::Empty);
        }
        Geometry::new(page_size, count).ok_or(Fault::BadHeader)
    }

    /// What a snapshot's record says of the database.
    pub(crate) fn facts(&self, journal: JournalMode) -> SqliteFacts {
        SqliteFacts {
            journal: match journal {
                JournalMode::Wal => "wal",
                JournalMode::Rollback => "rollback",
            }
            .into(),
            user_version: self.word(60),
            application_id: self.word(68),
            schema_cookie: self.word(40),
            change_counter: self.word(24),
            free_pages: self.word(36),
            text_encoding: self.word(56),
            auto_vacuum: self.word(52) != 0,
            reserved_bytes: self.0[20],
            written_by: self.word(96),
            read_by: lifeboat_sqlite::library_version(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(words: &[(usize, u32)]) -> Header {
        let mut bytes = [0; Header::LEN];
        bytes[16..18].copy_from_slice(&4096_u16.to_be_bytes());
        for &(at, word) in words {
            bytes[at..at + 4].copy_from_slice(&word.to_be_bytes());
        }
        Header(bytes)
    }

    #[track_caller]
    fn check(words: &[(usize, u32)], file_size: u64, expected: Option<u32>) {
        let geometry = header(words).geometry(file_size).ok();
        assert_eq!(geometry.map(Geometry::page_count), expected);
    }

    #[test]
    fn the_stored_page_count_counts_only_when_it_is_valid() {
        check(&[(24, 5), (28, 7), (92, 5)], 40_960, Some(7));
        check(&[(24, 6), (28, 7), (92, 5)], 40_960, Some(10));
        check(&[(24, 5), (28, 0), (92, 5)], 40_961, Some(11));
        check(&[(24, 6), (28, 7), (92, 5)], 0, None);
    }
}
