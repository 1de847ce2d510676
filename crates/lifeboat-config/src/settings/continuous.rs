//! Settings of databases whose commits are followed.

use std::time::Duration;

use serde::Deserialize;

use super::millis;

/// Whether every commit is backed up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Mode {
    /// Snapshots, by the schedule.
    #[default]
    Scheduled,
    /// Every commit within a second or so, and snapshots by the schedule.
    Continuous,
}

/// How commits are followed, of databases whose mode is continuous.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Continuous {
    /// The time between two segments of the log where commits come all the time.
    #[serde(default, deserialize_with = "millis")]
    pub interval: Option<Duration>,
    /// How much of each database may wait on the disk for the destination, in bytes.
    pub spool: Option<u64>,
    /// How long every commit is kept.
    #[serde(default, deserialize_with = "millis")]
    pub keep: Option<Duration>,
}
