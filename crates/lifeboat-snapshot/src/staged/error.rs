//! Why a file could not be staged, proven or published.

use std::io;
use std::path::PathBuf;

use lifeboat_format::digest::Digest;
use lifeboat_format::geometry::BlockNo;

/// What is in the way of a target.
#[derive(Debug)]
pub(super) enum Taken {
    Target(PathBuf),
    Sidecar(PathBuf),
    Io(PathBuf, io::Error),
}

/// Why a file could not be staged.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StageError {
    /// There is something at the target already.
    #[error("restore to {}, which exists", path.display())]
    TargetExists {
        /// The target.
        path: PathBuf,
    },
    /// A `-wal`, `-shm` or `-journal` of an earlier database lies where the
    /// target's would be; SQLite would replay it into the restored file.
    #[error("restore beside {}, which SQLite would take for a part of the database", path.display())]
    SidecarExists {
        /// The file.
        path: PathBuf,
    },
    /// The folder of the target cannot be looked at.
    #[error("look at {}", path.display())]
    Look {
        /// The path.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// No file can be created beside the target.
    #[error("create a file beside {}", target.display())]
    Create {
        /// The target.
        target: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The file could not be written.
    #[error("write the restored database")]
    Write {
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Blocks came before the shape of the image.
    #[error("write blocks of an image whose size is not known")]
    NotBegun,
    /// Blocks do not lie within the image, or are not whole.
    #[error("write {bytes} bytes at block {first} into an image of {blocks} blocks")]
    OutOfRange {
        /// The first block.
        first: BlockNo,
        /// How many bytes came.
        bytes: usize,
        /// How many blocks the image has.
        blocks: u32,
    },
}

impl StageError {
    pub(super) fn from_taken(taken: Taken) -> Self {
        match taken {
            Taken::Target(path) => Self::TargetExists { path },
            Taken::Sidecar(path) => Self::SidecarExists { path },
            Taken::Io(path, source) => Self::Look { path, source },
        }
    }
}

/// Why a staged file is not the image that it should be.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProveError {
    /// Nothing was written to it.
    #[error("prove a file that nothing was written to")]
    NotBegun,
    /// It could not be written to disk or read again.
    #[error("read the restored database again")]
    Io {
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// It has another size.
    #[error("prove the restored database: it has {found} bytes instead of {expected}")]
    Size {
        /// The size of the image.
        expected: u64,
        /// The size of the file.
        found: u64,
    },
    /// Its content is another.
    #[error(
        "prove the restored database: its content has the digest {found} instead of {expected}"
    )]
    Digest {
        /// The digest of the image.
        expected: Digest,
        /// The digest of the file.
        found: Digest,
    },
}

/// Why a proven file could not be put in its place.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// Something appeared at the target meanwhile.
    #[error("publish to {}, which exists now", path.display())]
    TargetExists {
        /// The target.
        path: PathBuf,
    },
    /// A `-wal`, `-shm` or `-journal` appeared beside the target meanwhile.
    #[error("publish beside {}, which SQLite would take for a part of the database", path.display())]
    SidecarExists {
        /// The file.
        path: PathBuf,
    },
    /// Another restore to the same target removed the staged file.
    #[error("publish {}, which was removed meanwhile", path.display())]
    StagedFileGone {
        /// The staged file.
        path: PathBuf,
    },
    /// The system failed before the target existed.
    #[error("publish to {}", path.display())]
    Io {
        /// The target.
        path: PathBuf,
        /// What it said.
        #[source]
        source: io::Error,
    },
    /// The target exists, whole and proven, but it is not certain that it
    /// survives a loss of power.
    #[error("make the name {} durable", path.display())]
    NotDurable {
        /// The target.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

impl PublishError {
    pub(super) fn from_taken(taken: Taken) -> Self {
        match taken {
            Taken::Target(path) => Self::TargetExists { path },
            Taken::Sidecar(path) => Self::SidecarExists { path },
            Taken::Io(path, source) => Self::Io { path, source },
        }
    }
}
