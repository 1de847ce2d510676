//! Every commit, soon after it was made: the log of a live database, from its WAL to
//! its destination.
//!
//! ```text
//! WAL ─► follower ─► segment ─► spool ─► destination
//!        (a thread)  (a second)  (disk)   (in order, each once)
//! ```
//!
//! A [`Service`](crate::service::Service) does this for the databases whose
//! [`Watched::follow`](crate::service::Watched) says so. A position is durable only
//! when its segment is; the spool rides out a store that is away, and when it is full
//! it ends in a gap and a snapshot, never in a full disk. What cannot be followed is
//! backed up at the interval, as it would be without.
//!
//! # Code map
//!
//! - `shared`: what thread, task and whoever asks know of one database
//! - `writer`: what the follower hands over, into segments
//! - `spool`: segments that wait on the disk
//! - `asked`: other processes that wait until a commit is stored
//! - `limits`: how many files may be open

pub(crate) mod asked;
mod limits;
pub(crate) mod shared;
pub(crate) mod spool;
pub(crate) mod writer;

use std::path::Path;
use std::time::Duration;

use crate::error::Error;
use asked::{Claim, Question};

pub use lifeboat_agent::SpoolBound;
pub use limits::{TooFewFiles, enough_files};
pub use shared::Durable;

/// How the commits of a database are followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Continuous {
    /// The time between two segments where commits come all the time: what may be
    /// lost with the machine, and one request each.
    pub interval: Duration,
    /// How much may wait on the disk.
    pub spool: SpoolBound,
    /// How long every commit is kept; then only snapshots remain.
    pub keep: Duration,
}

impl Default for Continuous {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(1),
            spool: SpoolBound::DEFAULT,
            keep: Duration::from_secs(7 * 24 * 3600),
        }
    }
}

/// Waits until everything that was committed to a database before this call is stored,
/// where another process of this installation follows it; none where none does.
///
/// `state` is the directory of the state. Cancelled, nothing is left behind.
pub async fn wait_stored(state: &Path, name: &str) -> Option<Result<Durable, Error>> {
    if !Claim::is_taken(state, name) {
        return None;
    }
    let question = match Question::ask(state, name) {
        Ok(question) => question,
        Err(source) => {
            return Some(Err(Error::Path { path: asked::directory(state), source }));
        }
    };
    loop {
        if let Some(answer) = question.answer() {
            let refused = |why| Error::NotFollowed { name: name.to_owned(), why };
            return Some(answer.map_err(refused));
        }
        if !Claim::is_taken(state, name) {
            return None;
        }
        tokio::time::sleep(asked::LOOK / 5).await;
    }
}
