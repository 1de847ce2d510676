//! Why something could not be told.

use std::time::Duration;

/// Why something could not be told. No URL and no secret is in it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// A secret that it needs is not there.
    #[error("read {what}: {why}")]
    Secret {
        /// Which.
        what: String,
        /// Why not.
        why: String,
    },
    /// What it is to go by makes no sense.
    #[error("understand {what}: {why}")]
    Setting {
        /// Which.
        what: String,
        /// Why not.
        why: String,
    },
    /// Nobody was reached.
    #[error("reach it: {0}")]
    Unreachable(String),
    /// It answered otherwise than with success.
    #[error("be heard: the answer was {0}")]
    Refused(String),
    /// No answer came.
    #[error("be heard within {} s", .0.as_secs())]
    TimedOut(Duration),
    /// A command.
    #[error("run the command: {0}")]
    Command(String),
}
