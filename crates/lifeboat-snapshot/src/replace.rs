//! A proven file over a database that exists: whole before, whole after, and
//! the old one set aside.
//!
//! Two ways lead there. Through SQLite the database is overwritten in one
//! transaction, while others have it open: SQLite's own journal makes it atomic.
//! Where nobody has it open, and that is known and not guessed, the file is
//! exchanged by one renaming. A renaming under an open connection would leave
//! it with a file that has no name any more, and in WAL mode with the WAL of
//! the other.

mod aside;
mod copy;
mod error;
mod openers;
mod overwrite;
mod swap;
mod undo;

use std::path::{Path, PathBuf};
use std::time::Duration;

use lifeboat_format::id::SnapshotId;
use lifeboat_sqlite::{ConnectError, SqliteError, WritableDatabase};

use time::OffsetDateTime;

use crate::identity::Touch;
use crate::staged::ProvenFile;

pub use aside::is_set_aside;
pub use error::ReplaceError;
pub use undo::{UndoError, stage_undo, undo_target};

/// How a database is replaced.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ReplaceOptions {
    /// What tells this replacement from others: the old database is set aside
    /// as `<name>.before-restore-<label>`.
    pub label: String,
    /// How long locks of others are waited for; 5 s.
    pub busy_timeout: Duration,
    /// Replace it only where it is known that nobody has it open. Otherwise it is
    /// overwritten under those who do.
    pub alone: bool,
}

impl ReplaceOptions {
    /// The usual ones, with the time and eight digits at random as a label.
    pub fn fresh() -> std::io::Result<Self> {
        let mut random = [0; 4];
        getrandom::fill(&mut random).map_err(|e| std::io::Error::other(e.to_string()))?;
        Ok(Self::new(SnapshotId::new(OffsetDateTime::now_utc(), random).to_string()))
    }

    /// The usual ones.
    pub fn new(label: impl Into<String>) -> Self {
        Self { label: label.into(), busy_timeout: Duration::from_secs(5), alone: false }
    }
}

/// How a database was replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Way {
    /// There was none: the file got its name.
    Placed,
    /// Nobody had it open: the file was exchanged.
    Swapped,
    /// Overwritten in one transaction, through SQLite.
    Overwritten,
    /// SQLite could not use what was there: it was moved away, sidecars and all.
    Removed,
}

/// What became of a replaced database.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Replaced {
    /// How it was done.
    pub way: Way,
    /// Where the old database lies now, if there was one.
    pub aside: Option<PathBuf>,
    /// The WAL still holds all of the new database, because readers held the
    /// checkpoint up; the application's next one pays for it.
    pub wal_is_full: bool,
    /// Somebody opened the old file in the last moment, and may still use it.
    pub straggler: bool,
}

/// What is at a target.
enum Present {
    Nothing,
    /// A database that SQLite can work with.
    Usable(WritableDatabase),
    /// Something that it cannot.
    Unusable,
}

impl ProvenFile {
    /// Puts the file in the place of the database at the target, which is set
    /// aside first. The target must be no link.
    ///
    /// Killed at any point, there is one whole database: the old or the new.
    /// On an error the old one is there, unless the error says otherwise.
    pub fn replace(self, options: &ReplaceOptions) -> Result<Replaced, ReplaceError> {
        let target = self.target().to_owned();
        aside::sweep(&target);
        let aside = aside::path(&target, &options.label);
        let before = openers::seen(&target);
        let database = match look(&target, options)? {
            Present::Nothing => return swap::place(self, &target, &aside),
            Present::Unusable if before.somebody() => {
                return Err(ReplaceError::InUse { path: target });
            }
            Present::Unusable => return swap::remove(self, &target, &aside),
            Present::Usable(database) => database,
        };
        let patience = options.busy_timeout;
        if options.alone && !before.nobody() {
            return Err(ReplaceError::InUse { path: target });
        }
        if !before.nobody() {
            return overwrite::overwrite(self, database, &target, &aside, patience);
        }
        drop(database);
        let proven = match swap::swap(self, &target, &aside)? {
            swap::Outcome::Done(done) => return Ok(done),
            swap::Outcome::NotAlone(_) if options.alone => {
                return Err(ReplaceError::InUse { path: target });
            }
            swap::Outcome::NotAlone(proven) => proven,
        };
        match look(&target, options)? {
            Present::Usable(database) => {
                overwrite::overwrite(proven, database, &target, &aside, patience)
            }
            // Whoever came meanwhile took it away, or spoilt it.
            Present::Nothing | Present::Unusable => Err(ReplaceError::InUse { path: target }),
        }
    }
}

/// Opens what is at the target, and tells it apart.
fn look(target: &Path, options: &ReplaceOptions) -> Result<Present, ReplaceError> {
    let io = |source| ReplaceError::Io { path: target.to_owned(), source };
    match Touch::of(target) {
        Ok(_) => {}
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Present::Nothing),
        Err(e) => return Err(io(e)),
    }
    let unusable = |e: &SqliteError| e.is_damage() || e.is_unreadable();
    let database = match WritableDatabase::open(target, options.busy_timeout) {
        Ok(database) => database,
        Err(ConnectError::Sqlite { source, .. }) if unusable(&source) => {
            return Ok(Present::Unusable);
        }
        Err(source) => return Err(ReplaceError::Open { source }),
    };
    if database.is_read_only() {
        return Err(ReplaceError::ReadOnly { path: target.to_owned() });
    }
    // Before anything that SQLite does of its own: it takes away a WAL and a
    // journal that it finds beside what is no database.
    if is_something_else(&database).map_err(|e| ReplaceError::sqlite(target, e))? {
        return Ok(Present::Unusable);
    }
    match database.journal_mode() {
        Ok(_) => Ok(Present::Usable(database)),
        Err(e) if unusable(&e) => Ok(Present::Unusable),
        Err(source) => Err(ReplaceError::sqlite(target, source)),
    }
}

/// Whether there is something at a path that does not begin as a database
/// does. SQLite would take away the WAL and the journal beside it; this does
/// not touch them.
pub fn is_no_database(path: &Path) -> bool {
    WritableDatabase::open(path, Duration::ZERO)
        .is_ok_and(|database| is_something_else(&database).unwrap_or(false))
}

/// Whether the file does not begin as a database does (file format, section
/// 1.3); an empty one is a database without tables.
fn is_something_else(database: &WritableDatabase) -> Result<bool, SqliteError> {
    let file = database.main_file()?;
    let mut magic = [0; 16];
    Ok(file.size()? > 0 && {
        file.read_at(&mut magic, 0)?;
        &magic != b"SQLite format 3\0"
    })
}
