//! What can go wrong on the paved path, and which kind of trouble it is.

use std::fmt;
use std::path::PathBuf;

use lifeboat_format::id::{ParseIdError, RepositoryId};
use lifeboat_remote::objects::ObjectError;
use lifeboat_remote::{BucketError, OpenError as OpenRemoteError};
use lifeboat_repository::{
    BackupError, KeyError, LocalError, ReadError, ResolveError, RestoreError, WriteError,
};
use lifeboat_snapshot::{
    CaptureFailure, CheckError, CheckReport, OpenError, ProveError, PublishError, ReplaceError,
    StageError, UndoError,
};

use crate::single_file::FileError;

/// Why something failed. Reads well after "failed to".
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The destination is not one that can be opened.
    #[error("open the destination {place}")]
    Destination {
        /// What was given.
        place: String,
        /// Why.
        #[source]
        source: OpenRemoteError,
    },
    /// The bucket cannot be made.
    #[error(transparent)]
    Bucket(#[from] BucketError),
    /// The store fails.
    #[error(transparent)]
    Store(#[from] lifeboat_remote::RemoteError),
    /// There is no repository at the destination, and none is made there
    /// without being asked for.
    #[error("find a repository at {place}")]
    NoRepository {
        /// The destination.
        place: String,
    },
    /// A destination did not answer in time.
    #[error("reach the destination {place}: no answer")]
    Silent {
        /// The destination.
        place: String,
    },
    /// A destination holds another repository than one that comes before it.
    #[error("use {place} beside {other}: it holds repository {found}, and {other} holds {wanted}")]
    OtherRepository {
        /// The destination that is refused.
        place: String,
        /// What it holds.
        found: RepositoryId,
        /// The one that comes before it.
        other: String,
        /// What that one holds.
        wanted: RepositoryId,
    },
    /// No destination works.
    #[error("find a destination that works: {}", list(causes))]
    Nowhere {
        /// What each of them said.
        causes: Vec<Cause>,
    },
    /// A directory of this installation cannot be used.
    #[error(transparent)]
    Local(#[from] LocalError),
    /// A database cannot have this name.
    #[error("use {name:?} as the name of a database")]
    Name {
        /// The name.
        name: String,
        /// Why.
        #[source]
        source: ParseIdError,
    },
    /// The destination's repository cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The destination's repository cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The database cannot be opened.
    #[error(transparent)]
    Source(#[from] OpenError),
    /// The backup failed.
    #[error(transparent)]
    Backup(#[from] BackupError<CaptureFailure>),
    /// No snapshot is meant by what was asked for.
    #[error(transparent)]
    Resolve(#[from] ResolveError),
    /// The file to be restored cannot be begun.
    #[error(transparent)]
    Stage(#[from] StageError),
    /// The restore failed.
    #[error(transparent)]
    Restore(#[from] RestoreError<StageError>),
    /// What was restored is not what was backed up.
    #[error(transparent)]
    Prove(#[from] ProveError),
    /// SQLite could not check what was restored.
    #[error("check the restored database")]
    Check(#[from] CheckError),
    /// SQLite finds faults in what was restored, byte for byte as it was backed
    /// up. It was not put in its place.
    #[error("accept the restored database: SQLite finds {} faults in it", report.integrity.len() + report.foreign_keys.len())]
    Unsound {
        /// What it finds.
        report: CheckReport,
    },
    /// The restored file could not be put in its place.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// Rules of retention make no sense. Nothing was forgotten.
    #[error(transparent)]
    Policy(#[from] lifeboat_retention::PolicyError),
    /// A retention policy does not fit the snapshots that there are. Nothing was
    /// forgotten.
    #[error(transparent)]
    Plan(#[from] lifeboat_retention::PlanError),
    /// The restored file could not be put over the database that is there.
    #[error(transparent)]
    Replace(#[from] ReplaceError),
    /// A database that was set aside cannot be brought back.
    #[error(transparent)]
    Undo(#[from] UndoError),
    /// The snapshot was taken of a database at another path.
    #[error("restore over {}, because the snapshot was taken of {origin}", path.display())]
    OtherOrigin {
        /// The path that was named.
        path: PathBuf,
        /// The path that the snapshot was taken of.
        origin: String,
    },
    /// What the snapshot was taken of is no path of this machine.
    #[error("restore in place: {origin:?} is no path of this machine")]
    NoOrigin {
        /// What the snapshot was taken of.
        origin: String,
    },
    /// What was to run before the backup failed, so that there is none.
    #[cfg(feature = "commands")]
    #[error(transparent)]
    Hook(#[from] lifeboat_agent::HookError),
    /// A single file cannot be made or opened.
    #[error(transparent)]
    File(#[from] FileError),
    /// A file of another tool is no database that can be used.
    #[error("{what}")]
    Foreign {
        /// What is wrong with it, under its own name and not that of a copy.
        what: String,
        /// What kind of trouble it is.
        kind: ErrorKind,
    },
    /// An object cannot be stored, read or deleted.
    #[error(transparent)]
    Object(#[from] ObjectError),
    /// Backups are not made here, nor are there any.
    #[error("use backups here, which are disabled: {reason}")]
    Disabled {
        /// Why.
        reason: String,
        /// What to do about it.
        hint: String,
    },
    /// A service knows no database of this name.
    #[error("find the database {name:?} among those that are watched")]
    Unwatched {
        /// The name.
        name: String,
        /// Some that it knows.
        known: Vec<String>,
    },
    /// The commits of a database are not followed, or not to where they should go.
    #[error("follow {name:?}: {why}")]
    NotFollowed {
        /// The database.
        name: String,
        /// Why.
        why: String,
    },
    /// Settings cannot be gone by.
    #[error("go by the settings: {0}")]
    Setup(#[from] crate::setup::SetupError),
    /// Another run of the database goes on, and cannot end while this thread is
    /// waited on.
    #[error("wait for another run of {name:?}, which needs this thread to end")]
    Occupied {
        /// The database.
        name: String,
    },
    /// No thread or runtime can be begun.
    #[error("begin a thread")]
    Runtime {
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// There is too little room for a drill.
    #[error("restore {needed} bytes to {}, where {free} are free: a tenth of the disk, or 1 GiB, must stay so", path.display())]
    NoRoom {
        /// Where.
        path: PathBuf,
        /// What it takes.
        needed: u64,
        /// What there is.
        free: u64,
    },
    /// Links cannot be compared or mended.
    #[error(transparent)]
    Links(#[from] lifeboat_links::LinksError),
    /// Nothing says where objects lie.
    #[error("find out where objects lie: neither the settings nor the environment say so")]
    NoObjects,
    /// A file or directory of this machine cannot be used.
    #[error("use {}", path.display())]
    Path {
        /// The path that was given.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
}

/// What one of several destinations said.
#[derive(Debug)]
#[non_exhaustive]
pub struct Cause {
    /// The destination.
    pub place: String,
    /// What went wrong there.
    pub error: Box<Error>,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: failed to {}", self.place, causes_of(&self.error))
    }
}

fn list(causes: &[Cause]) -> String {
    causes.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// An error and what it came of, one after the other.
pub fn causes_of(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let next = error.to_string();
        // Some repeat what they came of.
        if !text.ends_with(&next) {
            text.push_str(": ");
            text.push_str(&next);
        }
        source = error.source();
    }
    text
}

/// Kinds of trouble, by what a person can do about them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// None of the others.
    Failed,
    /// What was asked for makes no sense.
    Usage,
    /// Stored data is damaged or missing.
    Damage,
    /// A restore is refused, or there is nothing of that name or time.
    Refused,
    /// There is no repository.
    NoRepository,
    /// Another installation owns the database at the destination.
    HeldByOther,
    /// A key is missing or wrong.
    Key,
    /// The storage cannot be reached or written.
    Storage,
    /// The source is not a usable SQLite database.
    Source,
    /// Backups are disabled.
    Disabled,
}

impl Error {
    /// Which kind of trouble it is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Destination { source, .. } => match source {
                OpenRemoteError::NoDirectory { .. } => ErrorKind::NoRepository,
                source if source.is_usage() => ErrorKind::Usage,
                _ => ErrorKind::Storage,
            },
            Self::Bucket(BucketError::Store { .. }) | Self::Store(_) => ErrorKind::Storage,
            Self::Bucket(BucketError::Open(source)) if !source.is_usage() => ErrorKind::Storage,
            Self::Bucket(_) => ErrorKind::Usage,
            Self::NoRepository { .. } => ErrorKind::NoRepository,
            Self::Silent { .. } => ErrorKind::Storage,
            Self::OtherRepository { .. } => ErrorKind::Usage,
            Self::Nowhere { causes } => {
                let mut kinds = causes.iter().map(|cause| cause.error.kind());
                let first = kinds.next().unwrap_or(ErrorKind::Storage);
                if kinds.all(|kind| kind == first) { first } else { ErrorKind::Storage }
            }
            Self::Name { .. } | Self::Policy(_) | Self::Plan(_) => ErrorKind::Usage,
            Self::NoObjects | Self::Unwatched { .. } => ErrorKind::Usage,
            Self::Disabled { .. } => ErrorKind::Disabled,
            #[cfg(feature = "commands")]
            Self::Hook(_) => ErrorKind::Failed,
            Self::Setup(error) => error.kind,
            Self::NotFollowed { .. } => ErrorKind::Storage,
            Self::Occupied { .. } | Self::Runtime { .. } | Self::NoRoom { .. } => ErrorKind::Failed,
            Self::Links(error) => match error {
                error if error.is_usage() => ErrorKind::Usage,
                error if error.is_storage() => ErrorKind::Storage,
                error if error.is_refusal() => ErrorKind::Damage,
                error if error.is_source() => ErrorKind::Source,
                _ => ErrorKind::Failed,
            },
            Self::Object(error) => object_kind(error),
            Self::Local(_) | Self::Check(_) | Self::Path { .. } => ErrorKind::Failed,
            Self::Foreign { kind, .. } => *kind,
            Self::Read(error) => read_kind(error),
            Self::Write(error) => write_kind(error),
            Self::Source(error) if error.is_source_unusable() => ErrorKind::Source,
            Self::Source(_) => ErrorKind::Failed,
            Self::Backup(error) => match error {
                BackupError::Source(error) if error.is_source_unusable() => ErrorKind::Source,
                BackupError::Write(error) => write_kind(error),
                _ => ErrorKind::Failed,
            },
            Self::Resolve(error) => match error {
                ResolveError::Read(error) => read_kind(error),
                ResolveError::Ambiguous { .. } => ErrorKind::Usage,
                _ => ErrorKind::Refused,
            },
            Self::Stage(error) => stage_kind(error),
            Self::Restore(error) => match error {
                RestoreError::Read(error) => read_kind(error),
                RestoreError::Sink(error) => stage_kind(error),
                RestoreError::Incomplete { .. } => ErrorKind::Damage,
                _ => ErrorKind::Failed,
            },
            Self::Prove(ProveError::Size { .. } | ProveError::Digest { .. })
            | Self::Unsound { .. } => ErrorKind::Damage,
            Self::Prove(_) => ErrorKind::Failed,
            Self::File(error) => match error {
                FileError::Exists { .. } => ErrorKind::Refused,
                FileError::Damaged { .. } => ErrorKind::Damage,
                FileError::NoKey { .. }
                | FileError::WrongKey { .. }
                | FileError::NothingToSealWith => ErrorKind::Key,
                FileError::NotEncrypted { .. } => ErrorKind::Usage,
                FileError::Io { .. } => ErrorKind::Failed,
            },
            Self::Replace(ReplaceError::InUse { .. } | ReplaceError::PageSize { .. })
            | Self::OtherOrigin { .. }
            | Self::NoOrigin { .. } => ErrorKind::Refused,
            Self::Replace(_) => ErrorKind::Failed,
            Self::Undo(error) => match error {
                UndoError::NotSetAside { .. } => ErrorKind::Usage,
                UndoError::NotFound { .. } => ErrorKind::Refused,
                _ => ErrorKind::Failed,
            },
            Self::Publish(error) => match error {
                PublishError::TargetExists { .. } | PublishError::SidecarExists { .. } => {
                    ErrorKind::Refused
                }
                _ => ErrorKind::Failed,
            },
        }
    }

    /// Whether another connection held the database too long, so that trying
    /// again later helps.
    pub fn is_busy(&self) -> bool {
        match self {
            Self::Source(error) => error.is_busy(),
            Self::Backup(BackupError::Source(error)) => error.is_busy(),
            Self::Replace(error) => error.is_busy(),
            _ => false,
        }
    }

    /// Whether a repository was there and is gone.
    pub(crate) fn is_vanished(&self) -> bool {
        matches!(self.read_error(), Some(ReadError::Vanished { .. }))
    }

    /// The error of a plan, which writes nothing.
    pub(crate) fn of_plan(error: RestoreError<std::convert::Infallible>) -> Self {
        match error {
            RestoreError::Read(error) => Self::Read(error),
            RestoreError::Incomplete { snapshot, first, count } => {
                Self::Restore(RestoreError::Incomplete { snapshot, first, count })
            }
            RestoreError::Sink(never) => match never {},
            // `RestoreError` may grow.
            _ => Self::Restore(RestoreError::Cancelled),
        }
    }

    /// The other installation that owns the database, and the newest record.
    pub fn held_by(&self) -> Option<(&str, u64)> {
        match self.write_error()? {
            WriteError::HeldByOther { owner, number } => Some((owner.as_str(), number.0)),
            _ => None,
        }
    }

    /// The error of a commit, wherever it stands.
    pub fn write_error(&self) -> Option<&WriteError> {
        match self {
            Self::Write(error) | Self::Backup(BackupError::Write(error)) => Some(error),
            _ => None,
        }
    }

    /// The error of reading the repository, wherever it stands.
    pub fn read_error(&self) -> Option<&ReadError> {
        match self {
            Self::Read(error)
            | Self::Write(WriteError::Read(error))
            | Self::Backup(BackupError::Write(WriteError::Read(error)))
            | Self::Resolve(ResolveError::Read(error))
            | Self::Restore(RestoreError::Read(error)) => Some(error),
            _ => None,
        }
    }
}

fn object_kind(error: &ObjectError) -> ErrorKind {
    match error {
        error if error.is_usage() => ErrorKind::Usage,
        ObjectError::Store(_)
        | ObjectError::Provider { .. }
        | ObjectError::Everywhere { .. }
        | ObjectError::Undeleted { .. } => ErrorKind::Storage,
        ObjectError::Exists { .. } | ObjectError::Missing { .. } => ErrorKind::Refused,
        ObjectError::Differs { .. } => ErrorKind::Damage,
        _ => ErrorKind::Failed,
    }
}

fn read_kind(error: &ReadError) -> ErrorKind {
    use lifeboat_format::object::DecodeError;
    match error {
        ReadError::NoRepository { .. } | ReadError::Vanished { .. } => ErrorKind::NoRepository,
        ReadError::Remote(_) => ErrorKind::Storage,
        ReadError::Unusable {
            source: DecodeError::Sealed { .. } | DecodeError::UnknownKey { .. },
            ..
        } => ErrorKind::Key,
        error if error.is_damage() => ErrorKind::Damage,
        ReadError::Key(
            KeyError::NoSuchHolder { .. }
            | KeyError::SeveralHolders { .. }
            | KeyError::LastHolder
            | KeyError::AlreadyThere
            | KeyError::Label,
        ) => ErrorKind::Usage,
        ReadError::Key(_) => ErrorKind::Key,
        _ => ErrorKind::Failed,
    }
}

fn write_kind(error: &WriteError) -> ErrorKind {
    match error {
        WriteError::Read(error) => read_kind(error),
        WriteError::HeldByOther { .. }
        | WriteError::Twin { .. }
        | WriteError::EpochEnded { .. }
        | WriteError::SegmentTaken { .. } => ErrorKind::HeldByOther,
        WriteError::Unfit { .. } | WriteError::NoConditions { .. } => ErrorKind::Storage,
        WriteError::OtherOrigin { .. }
        | WriteError::OtherRepository { .. }
        | WriteError::NotPossible { .. } => ErrorKind::Usage,
        _ => ErrorKind::Failed,
    }
}

fn stage_kind(error: &StageError) -> ErrorKind {
    match error {
        StageError::TargetExists { .. } | StageError::SidecarExists { .. } => ErrorKind::Refused,
        _ => ErrorKind::Failed,
    }
}
