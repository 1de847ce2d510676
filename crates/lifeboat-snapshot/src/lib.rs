//! A live SQLite database to one consistent image and what changed in it;
//! pages to a proven file.
//!
//! [`LiveDatabase`] attaches to a database that applications are using and
//! hands every group of one consistent image to a sink, with the blocks that
//! differ from what is known. [`StagedFile`] takes the blocks of an image
//! beside the target, proves that they are the image, and publishes it.
//!
//! ```
//! use lifeboat_format::{digest::HashKey, source::PageSource};
//! use lifeboat_snapshot::{LiveDatabase, OpenOptions, default_name};
//! # fn example(
//! #     known: &mut dyn lifeboat_format::source::KnownBlocks,
//! #     sink: &mut dyn lifeboat_format::source::ChangeSink,
//! # ) -> Result<(), Box<dyn std::error::Error>> {
//! let path = std::path::Path::new("app.db");
//! let mut database = LiveDatabase::open(path, &OpenOptions::default())?;
//! let key = HashKey::from_bytes([7; 32]);
//! if let Ok(image) = database.capture(&key, known, sink) {
//!     println!("{}: {} pages", default_name(path), image.geometry.page_count());
//! }
//! for notice in database.notices() {
//!     eprintln!("note: {notice}");
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Limitations
//!
//! - While a [`LiveDatabase`] exists, applications can neither leave WAL mode
//!   nor take the database exclusively.
//! - In rollback journal modes writers wait for the last hold, some
//!   250 ms for each GiB if somebody wrote meanwhile, and next to nothing if
//!   not; what was read lies in temporary files until then.
//! - Memory: two groups of 256 KiB and, in WAL mode, eight bytes for each frame
//!   of the WAL.
//! - Continuous capture is the business of another crate.
//!
//! # Code map
//!
//! - `live`: attaching, and which way to read; `look`: a first look; `error`, `notice`, `options`
//! - `wal_capture`, `rollback_capture`: the two ways
//! - `image`: one consistent image, group by group; `header`: its first bytes
//! - `diff`: what changed in a group; `spool`: what was read so far, on disk
//! - `fingerprint`, `identity`: recognising a state without reading it
//! - `explain`: which tables and indexes changed
//! - `staged`: restoring a file; `replace`: over a database that exists
//!
//! The public interface uses types of `lifeboat-format`, of `lifeboat-sqlite`
//! (errors, findings, kinds of objects) and of `time`.

mod diff;
mod error;
mod explain;
mod fingerprint;
mod header;
mod identity;
mod image;
mod journal;
mod live;
mod look;
mod name;
mod notice;
mod options;
mod replace;
mod rollback_capture;
mod spool;
mod staged;
mod wal_capture;

pub use error::{CaptureFailure, OpenError};
pub use explain::ChangedObject;
pub use lifeboat_sqlite::{CheckError, Finding, ObjectKind, SqliteError};
pub use live::LiveDatabase;
pub use look::Look;
pub use name::default_name;
pub use notice::Notice;
pub use options::{OpenOptions, Slice};
pub use replace::{
    ReplaceError, ReplaceOptions, Replaced, UndoError, Way, is_no_database, is_set_aside,
    stage_undo, undo_target,
};
pub use staged::{
    CheckReport, HeldBlocks, LostPages, ProveError, ProvenFile, PublishError, SalvagedFile,
    StageError, StagedFile, has_image, left_behind,
};
