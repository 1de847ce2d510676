//! Why a database could not be opened, or not be captured.

use std::io;
use std::path::{Path, PathBuf};

use lifeboat_format::source::{CaptureError, Stopped};
use lifeboat_sqlite::{BeginError, ConnectError, PagesError, SqliteError, WalIndexError};

/// Why a database could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// There is nothing at the path.
    #[error("find the database {}", path.display())]
    NotFound {
        /// The path.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The file, or a directory on the way to it, may not be read.
    #[error("read the database {}, which permissions forbid", path.display())]
    Unreadable {
        /// The path.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The path is a directory.
    #[error("read the directory {} as a database", path.display())]
    IsDirectory {
        /// The path.
        path: PathBuf,
    },
    /// The file has no bytes: a database that nothing was ever written to, or
    /// one that was lost.
    #[error("read the database {}, which is an empty file", path.display())]
    Empty {
        /// The path.
        path: PathBuf,
    },
    /// The system failed.
    #[error("look at the database {}", path.display())]
    Io {
        /// The path.
        path: PathBuf,
        /// What it said.
        #[source]
        source: io::Error,
    },
    /// SQLite could not open the file.
    #[error(transparent)]
    Connect(ConnectError),
    /// The first look at the database failed.
    #[error(transparent)]
    FirstRead(CaptureFailure),
}

impl OpenError {
    /// Whether the source is not a database that can be used at all: missing,
    /// empty, unreadable, or something else.
    pub fn is_source_unusable(&self) -> bool {
        match self {
            Self::NotFound { .. }
            | Self::Unreadable { .. }
            | Self::IsDirectory { .. }
            | Self::Empty { .. } => true,
            Self::Io { .. } | Self::Connect(_) => false,
            Self::FirstRead(failure) => failure.is_source_unusable(),
        }
    }

    /// Whether another connection held the database for longer than the busy
    /// timeout.
    pub fn is_busy(&self) -> bool {
        match self {
            Self::FirstRead(failure) => failure.is_busy(),
            Self::NotFound { .. }
            | Self::Unreadable { .. }
            | Self::IsDirectory { .. }
            | Self::Empty { .. }
            | Self::Io { .. }
            | Self::Connect(_) => false,
        }
    }

    /// What the system said of `path`, told apart.
    pub(crate) fn from_io(path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
                Self::NotFound { path, source }
            }
            io::ErrorKind::PermissionDenied => Self::Unreadable { path, source },
            _ => Self::Io { path, source },
        }
    }

    /// What SQLite said of the file at `path`, told apart.
    pub(crate) fn from_connect(path: &Path, error: ConnectError) -> Self {
        match error {
            ConnectError::Sqlite { source, .. } if source.is_not_a_database() => {
                Self::FirstRead(CaptureFailure::NotADatabase { path: path.to_owned(), source })
            }
            ConnectError::Sqlite { ref source, .. } if source.os_code != 0 => {
                match Self::from_io(path, io::Error::from_raw_os_error(source.os_code)) {
                    Self::Io { .. } => Self::Connect(error),
                    told_apart => told_apart,
                }
            }
            other => Self::Connect(other),
        }
    }
}

/// Why a database could not be captured, or its state not be told.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CaptureFailure {
    /// Another connection held the database exclusively for longer than the
    /// busy timeout: `locking_mode=EXCLUSIVE`, or a long write.
    #[error(
        "read the database {}: an application holds it exclusively (locking_mode=EXCLUSIVE, or \
         a long write)",
        path.display()
    )]
    Busy {
        /// The path.
        path: PathBuf,
        /// What SQLite said.
        #[source]
        source: SqliteError,
    },
    /// The file is not a database, or one that is encrypted as a whole.
    #[error("read {}, which is not a SQLite database, or is encrypted", path.display())]
    NotADatabase {
        /// The path.
        path: PathBuf,
        /// What SQLite said.
        #[source]
        source: SqliteError,
    },
    /// The database has no pages (any more).
    #[error("read the database {}, which has no pages", path.display())]
    Empty {
        /// The path.
        path: PathBuf,
    },
    /// The file at the path is another one than was opened. Open it again.
    #[error("read the database {}, which was replaced or removed meanwhile", path.display())]
    Replaced {
        /// The path.
        path: PathBuf,
    },
    /// A writer died during a commit, and its journal cannot be rolled back
    /// here, because the file or its directory is read-only.
    #[error(
        "read the database {}: its hot journal cannot be rolled back here; open it once with \
         write access",
        path.display()
    )]
    HotJournal {
        /// The path.
        path: PathBuf,
        /// What SQLite said.
        #[source]
        source: SqliteError,
    },
    /// The database is in WAL mode, and its `-wal` or `-shm` can neither be
    /// made nor opened as SQLite needs them.
    #[error(
        "read the database {}: it is in WAL mode, and permissions forbid the -wal and -shm files \
         beside it",
        path.display()
    )]
    SidecarsUnavailable {
        /// The path.
        path: PathBuf,
        /// What SQLite said.
        #[source]
        source: SqliteError,
    },
    /// The wal-index could not be read.
    #[error("read the wal-index of {}", path.display())]
    WalIndex {
        /// The path.
        path: PathBuf,
        /// Why.
        #[source]
        source: WalIndexError,
    },
    /// A frame of the WAL is not what the wal-index says it is.
    #[error("read the WAL of {}: frame {frame} does not belong to it", path.display())]
    WalDamaged {
        /// The path.
        path: PathBuf,
        /// The frame, counted from 1.
        frame: u32,
    },
    /// The header of the database makes no sense.
    #[error("read the header of {}", path.display())]
    BadHeader {
        /// The path.
        path: PathBuf,
    },
    /// Page size or journal mode kept changing while the database was read.
    #[error("read the database {}, which kept changing its form", path.display())]
    Unsteady {
        /// The path.
        path: PathBuf,
    },
    /// SQLite failed.
    #[error("read the database {}", path.display())]
    Sqlite {
        /// The path.
        path: PathBuf,
        /// What it said; its code tells more.
        #[source]
        source: SqliteError,
    },
    /// The system failed.
    #[error("look at the database {}", path.display())]
    Io {
        /// The path.
        path: PathBuf,
        /// What it said.
        #[source]
        source: io::Error,
    },
    /// The temporary files could not be written or read.
    #[error("keep what was read of {} in temporary files", path.display())]
    Spool {
        /// The path of the database.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Pages could not be assigned to tables.
    #[error("tell the tables of {} apart", path.display())]
    Pages {
        /// The path.
        path: PathBuf,
        /// Why.
        #[source]
        source: PagesError,
    },
}

impl CaptureFailure {
    /// Whether the source is not a database that can be used at all.
    pub fn is_source_unusable(&self) -> bool {
        match self {
            Self::NotADatabase { .. }
            | Self::Empty { .. }
            | Self::SidecarsUnavailable { .. }
            | Self::HotJournal { .. }
            | Self::BadHeader { .. } => true,
            Self::Busy { .. }
            | Self::Replaced { .. }
            | Self::WalIndex { .. }
            | Self::WalDamaged { .. }
            | Self::Unsteady { .. }
            | Self::Sqlite { .. }
            | Self::Io { .. }
            | Self::Spool { .. }
            | Self::Pages { .. } => false,
        }
    }

    /// Whether another connection held the database for longer than the busy
    /// timeout, so that trying later helps.
    pub fn is_busy(&self) -> bool {
        matches!(self, Self::Busy { .. })
    }
}

/// What went wrong, before it is known of which database.
#[derive(Debug)]
pub(crate) enum Fault {
    Stopped,
    Begin(BeginError),
    HotJournal(SqliteError),
    Sqlite(SqliteError),
    WalIndex(WalIndexError),
    WalDamaged(u32),
    Pages(PagesError),
    Io(io::Error),
    Spool(io::Error),
    BadHeader,
    Empty,
    Replaced,
    Unsteady,
}

impl From<Stopped> for Fault {
    fn from(_: Stopped) -> Self {
        Self::Stopped
    }
}

impl From<SqliteError> for Fault {
    fn from(error: SqliteError) -> Self {
        Self::Sqlite(error)
    }
}

impl Fault {
    /// The failure of the database at `path`.
    pub(crate) fn at(self, path: &Path) -> CaptureError<CaptureFailure> {
        let path = path.to_owned();
        CaptureError::Source(match self {
            Self::Stopped => return CaptureError::Stopped,
            Self::HotJournal(source) => CaptureFailure::HotJournal { path, source },
            Self::Begin(BeginError::NotADatabase(source)) => {
                CaptureFailure::NotADatabase { path, source }
            }
            Self::Begin(BeginError::Sqlite(source))
                if source.is_cannot_open() || source.is_read_only() =>
            {
                CaptureFailure::SidecarsUnavailable { path, source }
            }
            Self::Begin(BeginError::Busy(source)) => CaptureFailure::Busy { path, source },
            Self::Begin(BeginError::Sqlite(source)) | Self::Sqlite(source) => {
                if source.is_busy() {
                    CaptureFailure::Busy { path, source }
                } else {
                    CaptureFailure::Sqlite { path, source }
                }
            }
            // `BeginError` may grow.
            Self::Begin(_) => CaptureFailure::Unsteady { path },
            Self::WalIndex(source) => CaptureFailure::WalIndex { path, source },
            Self::WalDamaged(frame) => CaptureFailure::WalDamaged { path, frame },
            Self::Pages(source) => CaptureFailure::Pages { path, source },
            Self::Io(source) => CaptureFailure::Io { path, source },
            Self::Spool(source) => CaptureFailure::Spool { path, source },
            Self::BadHeader => CaptureFailure::BadHeader { path },
            Self::Empty => CaptureFailure::Empty { path },
            Self::Replaced => CaptureFailure::Replaced { path },
            Self::Unsteady => CaptureFailure::Unsteady { path },
        })
    }

    /// As [`Fault::at`], where nothing can have stopped it.
    pub(crate) fn failure(self, path: &Path) -> CaptureFailure {
        match self.at(path) {
            CaptureError::Source(failure) => failure,
            CaptureError::Stopped => CaptureFailure::Unsteady { path: path.to_owned() },
        }
    }
}
