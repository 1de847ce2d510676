//! What can go wrong in a repository, one enum for each kind of operation.

use std::path::PathBuf;

use lifeboat_format::geometry::BlockNo;
use lifeboat_format::id::{EpochId, InstallationId, RepositoryId, SnapshotId};
use lifeboat_format::log::SegmentNo;
use lifeboat_format::numbers::RecordNo;
use lifeboat_format::object::{DecodeError, ObjectKind};
use lifeboat_remote::RemoteError;

/// The state or cache directory of this installation cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{doing} {}", path.display())]
#[non_exhaustive]
pub struct LocalError {
    /// What was tried, for people: `read`, `write`, …
    pub doing: &'static str,
    /// The file or directory.
    pub path: PathBuf,
    /// What the system says.
    #[source]
    pub source: std::io::Error,
}

impl LocalError {
    pub(crate) fn at(
        doing: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self { doing, path, source }
    }
}

/// Why a repository, or something in it, cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// There is no repository at this place.
    #[error("find a repository at {place}")]
    NoRepository {
        /// Where it was looked for.
        place: String,
    },
    /// There was a repository at this place when it was seen last.
    #[error("find the repository {repository} at {place}: it was there before")]
    Vanished {
        /// Where it was.
        place: String,
        /// Which one.
        repository: RepositoryId,
    },
    /// The store failed.
    #[error(transparent)]
    Remote(#[from] RemoteError),
    /// An object that must be there is not.
    #[error("find {kind} {key}")]
    Missing {
        /// What it is.
        kind: ObjectKind,
        /// Where it should be.
        key: String,
    },
    /// A record is not there although a later one is.
    #[error("trust the destination: {key} is missing, and {beyond} is there")]
    Gap {
        /// The record that is missing.
        key: String,
        /// One that was written after it.
        beyond: String,
    },
    /// An object is damaged, in the wrong place, too new, or encrypted.
    #[error("use {key}")]
    Unusable {
        /// Where it is.
        key: String,
        /// What is wrong with it.
        #[source]
        source: DecodeError,
    },
    /// The newest record has a lower number than one seen before: somebody
    /// deleted records, or the store was rolled back.
    #[error("trust the destination: its newest record is {}, but record {seen} was seen there before", newest.map_or(0, |n| n.0))]
    RolledBack {
        /// The highest number that this installation remembers.
        seen: RecordNo,
        /// The newest that is there now.
        newest: Option<RecordNo>,
    },
    /// The newest record is another than whoever asked expects.
    #[error("go on: record {expected} is expected to be the newest, and it is {}", newest.map_or(0, |n| n.0))]
    Unexpected {
        /// The one that was named.
        expected: RecordNo,
        /// The newest that is there; none where there are no records.
        newest: Option<RecordNo>,
    },
    /// A record is not the one that was seen under this number before.
    #[error("trust the destination: record {number} is not the one that was seen there before")]
    Replaced {
        /// Its number.
        number: RecordNo,
    },
    /// No key opens it, or one is given where none belongs.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// What this installation remembers cannot be read or written.
    #[error(transparent)]
    Local(#[from] LocalError),
}

/// What is wrong with the keys of a repository. Nothing was written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The repository is encrypted, and there is no key.
    #[error("open {place}: it is encrypted, and no key or passphrase was given")]
    Missing {
        /// The destination.
        place: String,
    },
    /// No slot opens with what was given.
    #[error("open {place} with the key or passphrase that was given")]
    Wrong {
        /// The destination.
        place: String,
        /// Why.
        #[source]
        source: lifeboat_crypto::CryptoError,
    },
    /// A key was given, and the repository is not encrypted.
    #[error("use a key at {place}: the repository there is not encrypted")]
    NotSealed {
        /// The destination.
        place: String,
    },
    /// The repository was encrypted when it was seen last.
    #[error("trust {place}: it was encrypted before, and now a plain repository lies there")]
    WasSealed {
        /// The destination.
        place: String,
    },
    /// The newest data key is an older one than was seen before.
    #[error("trust {place}: its data key is number {found}, but number {seen} was seen before")]
    RolledBack {
        /// The destination.
        place: String,
        /// The highest that was seen.
        seen: u32,
        /// The one that is there.
        found: u32,
    },
    /// The data key that was in use here is not among its keys any more.
    #[error("trust {place}: data key number {seen}, which was in use, is not among its keys now")]
    Replaced {
        /// The destination.
        place: String,
        /// The number of the one that was seen.
        seen: u32,
    },
    /// The key management of a plain repository was asked for.
    #[error("manage keys: the repository is not encrypted")]
    Plain,
    /// The secret opens the repository already.
    #[error("add the key: it opens everything in the repository already")]
    AlreadyThere,
    /// The key in use opens a part of the repository only.
    #[error("replace a key that does not open everything here")]
    PartOnly,
    /// Nobody is left who could open the repository.
    #[error("remove the last key that opens everything")]
    LastHolder,
    /// There is no such holder.
    #[error("find the key {id}")]
    NoSuchHolder {
        /// What was asked for.
        id: String,
    },
    /// What was asked for fits several holders.
    #[error("tell which key is meant by {id}: it fits {}", ids.join(" and "))]
    SeveralHolders {
        /// What was asked for.
        id: String,
        /// The ids that it fits.
        ids: Vec<String>,
    },
    /// A label is too long, or not a line of text.
    #[error("use the label: it is a line of at most {} characters", crate::keys::MAX_LABEL)]
    Label,
    /// A secret cannot be used.
    #[error("use the key or passphrase")]
    Unusable {
        /// Why.
        #[source]
        source: lifeboat_crypto::CryptoError,
    },
}

impl From<KeyError> for WriteError {
    fn from(error: KeyError) -> Self {
        Self::Read(error.into())
    }
}

impl ReadError {
    pub(crate) fn unusable(key: impl Into<String>) -> impl FnOnce(DecodeError) -> Self {
        let key = key.into();
        move |source| Self::Unusable { key, source }
    }

    /// Whether a record is gone or has other bytes than were written, so that one
    /// may go on without it; one that lies in a wrong place is something else.
    pub(crate) fn is_lost_record(&self) -> bool {
        match self {
            Self::Missing { .. } => true,
            Self::Unusable { source, .. } => source.is_corruption(),
            _ => false,
        }
    }

    /// Whether it shows that stored data was damaged or removed.
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Missing { .. }
            | Self::Gap { .. }
            | Self::RolledBack { .. }
            | Self::Unexpected { .. }
            | Self::Replaced { .. } => true,
            Self::Unusable { source, .. } => source.is_damage(),
            Self::Key(
                KeyError::WasSealed { .. }
                | KeyError::RolledBack { .. }
                | KeyError::Replaced { .. },
            ) => true,
            Self::NoRepository { .. }
            | Self::Vanished { .. }
            | Self::Remote(_)
            | Self::Key(_)
            | Self::Local(_) => false,
        }
    }
}

/// Why a record cannot be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// Reading what is there failed.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Another installation owns the database here.
    #[error("write where installation {owner} owns the database, as of record {number}")]
    HeldByOther {
        /// Who owns it.
        owner: InstallationId,
        /// The newest record, to be named by who takes over.
        number: RecordNo,
    },
    /// Somebody writes under this installation's id who is not this
    /// installation: the machine, or its state, was cloned.
    #[error(
        "write beside a twin: record {number} bears this installation's id, but was not written by it"
    )]
    Twin {
        /// The record.
        number: RecordNo,
    },
    /// The snapshots here are of a database at another path.
    #[error("back up {here} as a database whose snapshots were taken of {there}")]
    OtherOrigin {
        /// The canonical path of the database that was to be backed up.
        here: String,
        /// That of the snapshots.
        there: String,
        /// The newest record, to be named by who says that it is the same
        /// database, moved.
        number: RecordNo,
    },
    /// The destination holds another repository.
    #[error(
        "use {place} as a destination of repository {wanted}: it holds {}",
        found.map_or_else(|| "another".to_owned(), |found| format!("repository {found}"))
    )]
    OtherRepository {
        /// The destination.
        place: String,
        /// The repository that it should hold.
        wanted: RepositoryId,
        /// The one that it holds, where that can be read.
        found: Option<RepositoryId>,
    },
    /// The store was probed, and backups cannot lie there. Nothing was made.
    #[error("use {place} for backups: {why}")]
    Unfit {
        /// The destination.
        place: String,
        /// What it does.
        why: &'static str,
    },
    /// Other writers were faster, every time.
    #[error("commit: other writers were faster {tries} times")]
    Contention {
        /// How often it was tried.
        tries: u32,
    },
    /// The image lies in more packs than a snapshot may have.
    #[error("write a list of {packs} packs: a snapshot has {most} at most", most = lifeboat_format::list::MAX_PACKS)]
    TooManyPacks {
        /// How many packs.
        packs: usize,
    },
    /// No segment can be added to an epoch any more: another took over, or it was
    /// ended here. What was acknowledged is stored.
    #[error(
        "add to the commit log: epoch {epoch} was ended{}",
        segment.map_or_else(String::new, |segment| format!(" by segment {segment}"))
    )]
    EpochEnded {
        /// The epoch.
        epoch: EpochId,
        /// Its last segment, where it is known.
        segment: Option<SegmentNo>,
    },
    /// Another has put a segment under this number.
    #[error("add to the commit log: another wrote segment {segment} of epoch {epoch}")]
    SegmentTaken {
        /// The epoch.
        epoch: EpochId,
        /// The number.
        segment: SegmentNo,
    },
    /// The store does not keep two writers of a commit log apart.
    #[error("keep a commit log at {place}: its storage does not honour conditional creates")]
    NoConditions {
        /// The destination.
        place: String,
    },
    /// There is no such snapshot, or it is not in the state that the change
    /// needs.
    #[error("change snapshot {number}, which {why}")]
    NotPossible {
        /// The snapshot's number.
        number: RecordNo,
        /// What stands against it.
        why: &'static str,
    },
}

impl From<RemoteError> for WriteError {
    fn from(error: RemoteError) -> Self {
        Self::Read(error.into())
    }
}

impl From<LocalError> for WriteError {
    fn from(error: LocalError) -> Self {
        Self::Read(error.into())
    }
}

/// Why a backup failed. Nothing that existed before is affected; what was
/// uploaded is used again by the next run, or collected.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackupError<E: std::error::Error + 'static> {
    /// The database cannot be read.
    #[error(transparent)]
    Source(E),
    /// The snapshot cannot be stored.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// A pack cannot be made.
    #[error("make a pack")]
    Pack(#[from] lifeboat_format::pack::PackError),
    /// The run was cancelled.
    #[error("go on: the backup was cancelled")]
    Cancelled,
}

impl<E: std::error::Error + 'static> From<ReadError> for BackupError<E> {
    fn from(error: ReadError) -> Self {
        Self::Write(error.into())
    }
}

impl<E: std::error::Error + 'static> From<LocalError> for BackupError<E> {
    fn from(error: LocalError) -> Self {
        Self::Write(error.into())
    }
}

/// Why an image cannot be restored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RestoreError<E: std::error::Error + 'static> {
    /// The repository cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The target cannot be written.
    #[error(transparent)]
    Sink(E),
    /// No pack of the snapshot holds these blocks.
    #[error("find {count} blocks of snapshot {snapshot} in its packs, the first of them {first}")]
    Incomplete {
        /// The snapshot.
        snapshot: SnapshotId,
        /// The first block that is missing.
        first: BlockNo,
        /// How many are missing.
        count: u64,
    },
    /// The run was cancelled.
    #[error("go on: the restore was cancelled")]
    Cancelled,
}

/// Why no snapshot is meant by what was asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ResolveError {
    /// The repository cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The database has no snapshots here.
    #[error("find snapshots of {database}")]
    NoSnapshots {
        /// The database.
        database: String,
        /// The names of databases that have some.
        known: Vec<String>,
    },
    /// None is meant.
    #[error("find a snapshot {asked}")]
    NotFound {
        /// What was asked for.
        asked: String,
        /// The nearest that there are.
        nearest: Vec<SnapshotId>,
    },
    /// Several are meant.
    #[error("tell which snapshot {asked} means: there are {}", matches.len())]
    Ambiguous {
        /// What was asked for.
        asked: String,
        /// The snapshots that it could mean.
        matches: Vec<SnapshotId>,
    },
}
