//! What a database is, without reading it.

use lifeboat_sqlite::JournalMode;

use crate::error::CaptureFailure;
use crate::header::Header;
use crate::live::LiveDatabase;

/// What is seen of a database at a first look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Look {
    /// Whether it is in WAL mode.
    pub is_wal: bool,
    /// The size of its pages in bytes.
    pub page_size: u32,
    /// The library that was the last to write its file, as
    /// `SQLITE_VERSION_NUMBER`; 0 where it is too old to say so.
    pub written_by: u32,
    /// The library of this program.
    pub library: u32,
}

impl LiveDatabase {
    /// Looks at its journal mode and its header.
    pub fn look(&mut self) -> Result<Look, CaptureFailure> {
        let path = self.path().to_owned();
        let seen = self.begin().and_then(|(read, _)| {
            let header = Header::read(&read.main_file()?)?;
            Ok(Look {
                is_wal: read.journal_mode()? == JournalMode::Wal,
                page_size: header.page_size()?.bytes(),
                written_by: header.written_by(),
                library: lifeboat_sqlite::library_version(),
            })
        });
        seen.map_err(|fault| fault.failure(&path))
    }
}
