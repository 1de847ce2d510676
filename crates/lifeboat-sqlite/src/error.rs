//! What SQLite's refusals are, told apart.

use std::path::PathBuf;

/// What SQLite itself said.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message} (SQLite code {code})")]
pub struct SqliteError {
    /// The extended result code.
    pub code: i32,
    /// The message of the connection, or the text for the code.
    pub message: String,
    /// What the operating system said (`errno`), or 0. Known for failures to
    /// open a file.
    pub os_code: i32,
}

impl SqliteError {
    /// The primary result code: the low eight bits of the extended one.
    pub fn primary(&self) -> i32 {
        self.code & 0xff
    }

    /// Whether a lock of somebody else was in the way.
    pub fn is_busy(&self) -> bool {
        matches!(self.primary(), code::BUSY | code::LOCKED)
    }

    /// Whether the file is not a database, or one that is encrypted.
    pub fn is_not_a_database(&self) -> bool {
        self.primary() == code::NOTADB
    }

    /// Whether a file could not be opened.
    pub fn is_cannot_open(&self) -> bool {
        self.primary() == code::CANTOPEN
    }

    /// Whether something would have to be written that may not be: a hot
    /// journal, or the `-shm` of a database in WAL mode.
    pub fn is_read_only(&self) -> bool {
        self.primary() == code::READONLY
    }

    /// Whether the content of the file is to blame: it is no database, or one
    /// whose structure is damaged.
    pub fn is_damage(&self) -> bool {
        matches!(self.primary(), code::NOTADB | code::CORRUPT)
    }

    /// Whether the disk is full.
    pub fn is_full(&self) -> bool {
        self.primary() == code::FULL
    }

    /// Whether the operating system cannot read what the file should hold; not
    /// whether a lock, or the `-shm`, cannot be had.
    pub fn is_unreadable(&self) -> bool {
        // SQLITE_IOERR_READ, _SHORT_READ, _DATA, _CORRUPTFS.
        self.primary() == code::IOERR && matches!(self.code >> 8, 1 | 2 | 32 | 33)
    }
}

/// The primary result codes that matter here (see sqlite.org/rescode.html).
pub(crate) mod code {
    pub(crate) const ERROR: i32 = 1;
    pub(crate) const BUSY: i32 = 5;
    pub(crate) const LOCKED: i32 = 6;
    pub(crate) const READONLY: i32 = 8;
    pub(crate) const IOERR: i32 = 10;
    pub(crate) const CORRUPT: i32 = 11;
    pub(crate) const FULL: i32 = 13;
    pub(crate) const CANTOPEN: i32 = 14;
    pub(crate) const MISUSE: i32 = 21;
    pub(crate) const NOTADB: i32 = 26;
}

/// Why a database could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The path contains a zero byte, or, elsewhere than on Unix, is not
    /// Unicode.
    #[error("pass the path {} to SQLite", path.display())]
    UnusablePath {
        /// The path.
        path: PathBuf,
    },
    /// SQLite was compiled without threads, and this program has some.
    #[error("use an SQLite library that was compiled without threads")]
    SingleThreaded,
    /// SQLite refused.
    #[error("open {}", path.display())]
    Sqlite {
        /// The path.
        path: PathBuf,
        /// What it said.
        #[source]
        source: SqliteError,
    },
}

/// Why a read transaction could not begin.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BeginError {
    /// Somebody held a lock for longer than the busy timeout: a long write, or
    /// `locking_mode=EXCLUSIVE`.
    #[error("begin to read while another connection holds the database exclusively")]
    Busy(#[source] SqliteError),
    /// The file is not a database, or one that is encrypted.
    #[error("read what is not a SQLite database")]
    NotADatabase(#[source] SqliteError),
    /// Anything else.
    #[error("begin to read")]
    Sqlite(#[source] SqliteError),
}

impl From<SqliteError> for BeginError {
    fn from(source: SqliteError) -> Self {
        if source.is_busy() {
            Self::Busy(source)
        } else if source.is_not_a_database() {
            Self::NotADatabase(source)
        } else {
            Self::Sqlite(source)
        }
    }
}
