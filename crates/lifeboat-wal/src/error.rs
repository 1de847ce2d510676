//! Why a database is not followed, or no longer.

use lifeboat_sqlite::{BeginError, ConnectError, PinError, SqliteError, WalIndexError};

use crate::commit::SinkError;

/// Why a database cannot be followed. It can be backed up nevertheless: by
/// scans, at an interval.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CannotFollow {
    /// The SQLite library of this program has the WAL-reset bug, with which a
    /// checkpoint may lose pages.
    #[error(
        "follow with SQLite {}.{}.{}, which may damage databases: 3.51.3 or newer is needed",
        version / 1_000_000, version / 1_000 % 1_000, version % 1_000
    )]
    OldLibrary {
        /// Its version, as `SQLITE_VERSION_NUMBER`.
        version: u32,
    },
    /// The database is not in WAL mode.
    #[error("follow a database that is not in WAL mode")]
    NotWal,
    /// The file or its `-shm` may only be read.
    #[error("follow a database that may only be read")]
    ReadOnly,
    /// Somebody has it exclusively.
    #[error("follow a database that another connection holds exclusively")]
    Exclusive(#[source] BeginError),
    /// Its wal-index is not shared, or cannot be.
    #[error("follow a database whose wal-index cannot be shared")]
    NoSharedMemory(#[source] SqliteError),
}

/// Why following did not begin, or ended. The application's data is untouched
/// in every case; what may be missing are commits in what was handed over.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FollowError {
    /// It cannot be followed here; scans still work.
    #[error(transparent)]
    CannotFollow(#[from] CannotFollow),
    /// The database could not be opened.
    #[error(transparent)]
    Connect(ConnectError),
    /// The database could not be read.
    #[error(transparent)]
    Begin(BeginError),
    /// Copying into the database file went on for longer than was waited for.
    #[error("lock a wal-index that is busy for too long")]
    Busy,
    /// Not all commits since the place where following ended are there, or it
    /// cannot be proven: a scan shows the state, the way to it is lost.
    #[error("go on where following ended: {why}")]
    NotContinuous {
        /// What does not fit.
        why: &'static str,
    },
    /// A lock vanished: something in this process closed a descriptor of the
    /// `-shm`, or the WAL was restarted by somebody who does not lock.
    #[error("keep the WAL: a lock on the wal-index is gone")]
    LocksLost,
    /// Another file has the name of the database or of its WAL.
    #[error("follow a database that was replaced")]
    Replaced,
    /// A wal-index does not come to rest, and nobody could mend it.
    #[error("read the wal-index")]
    WalIndex(#[source] WalIndexError),
    /// SQLite failed.
    #[error("follow the WAL")]
    Sqlite(#[from] SqliteError),
    /// Whoever takes the commits failed.
    #[error("hand commits over")]
    Sink(#[source] SinkError),
}

impl FollowError {
    /// Whether commits may be missing between what was handed over and what a
    /// new follower will see first, so that a scan has to close the gap.
    pub fn leaves_a_gap(&self) -> bool {
        match self {
            Self::NotContinuous { .. }
            | Self::LocksLost
            | Self::Replaced
            | Self::CannotFollow(_) => true,
            Self::Connect(_)
            | Self::Begin(_)
            | Self::Busy
            | Self::WalIndex(_)
            | Self::Sqlite(_)
            | Self::Sink(_) => false,
        }
    }
}

impl From<PinError> for FollowError {
    fn from(error: PinError) -> Self {
        match error {
            PinError::Connect(e) => Self::Connect(e),
            PinError::Begin(e @ BeginError::Busy(_)) => CannotFollow::Exclusive(e).into(),
            PinError::Begin(e) => Self::Begin(e),
            PinError::NotWal => CannotFollow::NotWal.into(),
            PinError::ReadOnly => CannotFollow::ReadOnly.into(),
            PinError::NoSharedMemory(e) => CannotFollow::NoSharedMemory(e).into(),
        }
    }
}
