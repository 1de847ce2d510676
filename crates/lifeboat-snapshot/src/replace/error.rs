//! Why a database could not be replaced.

use std::io;
use std::path::{Path, PathBuf};

use lifeboat_sqlite::{ConnectError, SqliteError};

use crate::error::CaptureFailure;

/// Why a database could not be replaced. Unless it is
/// [`NotDurable`](Self::NotDurable) or [`Uncertain`](Self::Uncertain), the old
/// one is there as it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReplaceError {
    /// Somebody has it open, and what must be done cannot be done under them.
    #[error("exchange {}, which somebody has open", path.display())]
    InUse {
        /// The database.
        path: PathBuf,
    },
    /// It is in WAL mode, somebody has it open, and the pages of the new one
    /// have another size.
    #[error(
        "overwrite {}, which somebody has open, with a database of another page size",
        path.display()
    )]
    PageSize {
        /// The database.
        path: PathBuf,
    },
    /// Others held a lock for longer than the busy timeout.
    #[error("overwrite {}, which somebody else is writing or holds locked", path.display())]
    Busy {
        /// The database.
        path: PathBuf,
        /// What SQLite said.
        #[source]
        source: SqliteError,
    },
    /// The file may not be written.
    #[error("overwrite {}, which may not be written", path.display())]
    ReadOnly {
        /// The database.
        path: PathBuf,
    },
    /// It could not be opened.
    #[error(transparent)]
    Open {
        /// Why.
        source: ConnectError,
    },
    /// The old database could not be read to be set aside.
    #[error("set the old database aside: {0}")]
    Present(CaptureFailure),
    /// The old database could not be set aside.
    #[error("set {} aside", path.display())]
    Aside {
        /// The database.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The system failed.
    #[error("put the new database in the place of {}", path.display())]
    Io {
        /// The database.
        path: PathBuf,
        /// What it said.
        #[source]
        source: io::Error,
    },
    /// SQLite failed, and rolled back.
    #[error("put the new database in the place of {}", path.display())]
    Sqlite {
        /// The database.
        path: PathBuf,
        /// What it said.
        #[source]
        source: SqliteError,
    },
    /// SQLite failed, and the database is not, or not for certain, the old one:
    /// it may be the new one, or somebody wrote to it since. The old one lies
    /// whole where it was set aside.
    #[error(
        "put the new database in the place of {}; the old one lies whole as {}",
        path.display(),
        aside.display()
    )]
    Uncertain {
        /// The database.
        path: PathBuf,
        /// The old one.
        aside: PathBuf,
        /// What SQLite said.
        #[source]
        source: SqliteError,
    },
    /// The new database is in its place, whole and proven, but it is not
    /// certain that this survives a loss of power.
    #[error("make the new {} durable", path.display())]
    NotDurable {
        /// The database.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

impl ReplaceError {
    pub(super) fn sqlite(path: &Path, source: SqliteError) -> Self {
        let path = path.to_owned();
        if source.is_busy() { Self::Busy { path, source } } else { Self::Sqlite { path, source } }
    }

    /// Whether others were in the way, so that trying later helps.
    pub fn is_busy(&self) -> bool {
        match self {
            Self::Busy { .. } | Self::InUse { .. } => true,
            Self::Present(failure) => failure.is_busy(),
            _ => false,
        }
    }
}
