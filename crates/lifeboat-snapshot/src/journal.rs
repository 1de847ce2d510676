//! Whether the journal beside a database is hot: left by a writer that died
//! during a commit.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use lifeboat_sqlite::Connection;

use crate::error::Fault;

/// SQLite's own rule (`hasHotJournal` of pager.c): the journal exists, nobody
/// holds RESERVED, and after that was seen it is still there and its first
/// byte is not zero. The next read transaction rolls it back.
pub(crate) fn is_hot(connection: &Connection) -> Result<bool, Fault> {
    let journal = connection.sidecar("-journal");
    Ok(has_content(&journal) && !connection.is_reserved()? && has_content(&journal))
}

/// Whether a journal has a header that was not erased. Journals carry no
/// locks, so that opening one is harmless.
pub(crate) fn has_content(journal: &Path) -> bool {
    let mut first = [0];
    File::open(journal)
        .and_then(|mut file| file.read(&mut first))
        .is_ok_and(|n| n == 1 && first[0] != 0)
}
