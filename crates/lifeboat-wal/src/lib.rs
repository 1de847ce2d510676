//! Follows a live SQLite database commit by commit without writing to it.
//!
//! A [`Follower`] keeps the frames of a WAL in their place, with two read locks
//! that take turns ([`pins`]), until it has taken them, and hands over what
//! each commit wrote. Nothing is written but by checkpoints, which copy frames
//! into the database file as the application's own do.
//!
//! ```
//! use lifeboat_format::geometry::PageNo;
//! use lifeboat_wal::{Commit, CommitSink, Follower, SinkError, Start};
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("app.db");
//! # let app = rusqlite::Connection::open(&path)?;
//! # app.execute_batch("PRAGMA journal_mode=wal; CREATE TABLE t(x)")?;
//! #[derive(Default)]
//! struct Sizes(Vec<u32>);
//!
//! impl CommitSink for Sizes {
//!     fn page(&mut self, _page: PageNo, _data: &[u8]) -> Result<(), SinkError> {
//!         Ok(())
//!     }
//!     fn commit(&mut self, commit: &Commit) -> Result<(), SinkError> {
//!         self.0.push(commit.page_count);
//!         Ok(())
//!     }
//! }
//!
//! let mut follower = Follower::attach(&path, Start::Fresh, &Default::default())?;
//! app.execute_batch("INSERT INTO t VALUES(1)")?;
//! follower.stop_handle().stop(); // After what was committed until now.
//! let mut sizes = Sizes::default();
//! follower.run(&mut sizes)?;
//! assert_eq!(sizes.0.last(), Some(&2));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Limitations
//!
//! Only databases in WAL mode whose `-shm` is shared and may be written are
//! followed; everything else is a [`CannotFollow`], and is left to scans. While
//! a follower is attached the application can neither leave WAL mode nor take
//! the database exclusively. In a process that opens the database itself, one
//! SQLite library must serve both. Tested on Linux.
//!
//! # Code map
//!
//! - [`pins`]: which locks to hold and when to read and checkpoint, as a state
//!   machine without input or output
//! - `follower`: does what it says, on a live database
//! - `frames`: reads frames and proves them
//! - `position`: how far a WAL was followed, and what proves it
//! - `commit`: what is handed over, and to whom
//! - `wake`: waiting for writes; `clock`: time, from outside

mod clock;
mod commit;
mod error;
mod follower;
mod frames;
pub mod pins;
mod position;
mod wake;

pub use clock::{Clock, SystemClock};
pub use commit::{Commit, CommitSink, SinkError};
pub use error::{CannotFollow, FollowError};
pub use follower::{FollowOptions, Followed, Follower};
pub use pins::{Limits, Start};
pub use position::Position;
pub use wake::StopHandle;
