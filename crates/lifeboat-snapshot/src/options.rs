//! How a live database is read.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

/// How a live database is read.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct OpenOptions {
    /// How long locks of others are waited for; 5 s.
    pub busy_timeout: Duration,
    /// How much is read at a time while writers of a database in a rollback
    /// journal mode wait; 20 ms.
    pub slice: Slice,
    /// Where what was read of a database in a rollback journal mode is kept
    /// until its last look, in files without a name: the changed blocks, and
    /// under one per cent of the database's size. By default the system's
    /// folder for temporary files.
    pub spool_dir: Option<PathBuf>,
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self { busy_timeout: Duration::from_secs(5), slice: Slice::default(), spool_dir: None }
    }
}

/// When a slice of reading ends; it reads at least one group of 256 KiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Slice {
    /// After the group during which this time was over.
    Time(Duration),
    /// After this many groups, whatever the clock says.
    Groups(NonZeroU32),
}

impl Default for Slice {
    fn default() -> Self {
        Self::Time(Duration::from_millis(20))
    }
}
