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
mod error;
mod openers;
mod overwrite;
mod swap;
mod undo;

use std::path::{Path, PathBuf};
use std::time::Duration;

use lifeboat_sqlite::{Completeness, ConnectError, JournalMode, SqliteError, WritableDatabase};

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
    /// The caller knows that nobody has the database open. It is refused where
    /// somebody is seen all the same.
    pub stopped: bool,
}

impl ReplaceOptions {
    /// The usual ones.
    pub fn new(label: impl Into<String>) -> Self {
        Self { label: label.into(), busy_timeout: Duration::from_secs(5), stopped: false }
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
    Usable(WritableDatabase, JournalMode),
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
        let seen = openers::seen(&target);
        match look(&target, options)? {
            Present::Nothing => swap::place(self, &target, &aside),
            Present::Unusable => {
                if seen.is_some_and(|seen| seen.anybody()) {
                    return Err(ReplaceError::InUse { path: target });
                }
                swap::remove(self, &target, &aside)
            }
            Present::Usable(database, mode) => {
                let fits =
                    mode == JournalMode::Rollback || same_page_size(&database, &self, &target)?;
                let alone = match seen {
                    Some(seen) => !seen.anybody(),
                    None => options.stopped,
                };
                if options.stopped && !alone {
                    return Err(ReplaceError::InUse { path: target });
                }
                let database = if alone || !fits {
                    match swap::swap(self, database, mode, &target, &aside)? {
                        swap::Outcome::Done(done) => return Ok(done),
                        swap::Outcome::NotAlone(back, database) => {
                            if options.stopped || !fits {
                                return Err(not_alone(target, fits));
                            }
                            return overwrite::overwrite(back, database, &target, &aside);
                        }
                    }
                } else {
                    database
                };
                overwrite::overwrite(self, database, &target, &aside)
            }
        }
    }
}

fn not_alone(path: PathBuf, fits: bool) -> ReplaceError {
    if fits { ReplaceError::InUse { path } } else { ReplaceError::PageSize { path } }
}

/// Opens what is at the target, and tells it apart.
fn look(target: &Path, options: &ReplaceOptions) -> Result<Present, ReplaceError> {
    let io = |source| ReplaceError::Io { path: target.to_owned(), source };
    match Touch::of(target) {
        Ok(_) => {}
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Present::Nothing),
        Err(e) => return Err(io(e)),
    }
    let database = match WritableDatabase::open(target, options.busy_timeout) {
        Ok(database) => database,
        Err(ConnectError::Sqlite { source, .. }) if is_unusable(&source) => {
            return Ok(Present::Unusable);
        }
        Err(source) => return Err(ReplaceError::Open { source }),
    };
    if database.is_read_only() {
        return Err(ReplaceError::ReadOnly { path: target.to_owned() });
    }
    match database.journal_mode() {
        Ok(mode) => Ok(Present::Usable(database, mode)),
        Err(e) if is_unusable(&e) => Ok(Present::Unusable),
        Err(source) => Err(ReplaceError::sqlite(target, source)),
    }
}

/// Whether the file is to blame, and no lock or permission.
fn is_unusable(error: &SqliteError) -> bool {
    error.is_damage() || error.is_io()
}

/// Whether the page sizes are the same, as far as the headers tell.
fn same_page_size(
    present: &WritableDatabase,
    proven: &ProvenFile,
    target: &Path,
) -> Result<bool, ReplaceError> {
    let sqlite = |source| ReplaceError::sqlite(target, source);
    let mut header = [0; 100];
    let file = present.main_file().map_err(sqlite)?;
    if file.read_at(&mut header, 0).map_err(sqlite)? == Completeness::Short {
        return Ok(true);
    }
    // The staged file is nobody else's, and carries no locks.
    let mut staged = [0; 100];
    std::fs::File::open(proven.path())
        .and_then(|mut file| std::io::Read::read_exact(&mut file, &mut staged))
        .map_err(|source| ReplaceError::Io { path: proven.path().to_owned(), source })?;
    Ok(header[16..18] == staged[16..18])
}
