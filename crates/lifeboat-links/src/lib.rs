//! Compares the object keys that a database mentions with the objects in a
//! bucket, and mends both sides.
//!
//! ```
//! use std::sync::Arc;
//!
//! use lifeboat_links::{Column, DatabaseMentions, Group, Options, Origin, Rule};
//! use lifeboat_remote::Remote;
//!
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("app.db");
//! # rusqlite::Connection::open(&path)?
//! #     .execute_batch("CREATE TABLE photos(file_key); INSERT INTO photos VALUES('1.jpg')")?;
//! # let runtime = tokio::runtime::Builder::new_current_thread().build()?;
//! # runtime.block_on(async {
//! let mut rule = Rule::default();
//! rule.origin = Origin::Columns(vec![Column::parse("photos.file_key").expect("a column")]);
//! let photos = DatabaseMentions::open(&path, rule, 0)?;
//! let options = Options::new(folder.path(), 1_790_000_000);
//! let group = Group::new(Remote::memory(), vec![Arc::new(photos)], options);
//! let checked = group.check().await?;
//! assert_eq!((checked.all().mentions, checked.all().broken), (1, 1));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Both sides are sorted in temporary files and merged, so that memory stays the
//! same however many keys there are. Nothing is known here of backups: whoever
//! mends rows takes a snapshot before.
//!
//! # Limitations
//!
//! - Digests are compared with what the store calls an object's bytes (the ETag):
//!   the MD5 on S3 for objects that went up in one piece. No object is read.
//! - A store whose keys have empty parts (`a//b`) cannot be listed.
//! - While rows are read, a database in a rollback journal mode has no writers.
//!
//! # Code map
//!
//! - [`Rule`], [`Form`], [`JsonPath`]: where keys stand, and what they mean.
//! - [`Mentions`]: whoever knows rows: [`DatabaseMentions`], [`ListMentions`].
//! - [`Group`]: one store with all rules about it; [`Group::check`] compares.
//! - [`Checked`], [`Findings`]: what was found.
//! - [`fix`], [`Dialect`]: rows mended, or the statements that would.
//! - [`Group::clean`], [`Group::bring_back`]: objects moved away, and back.
//! - [`Group::recover`]: missing objects put back. [`Group::sample`]: a look at some.
//! - [`Group::mentioned`]: what rows name, for whoever keeps it.
//! - [`Probe`]: a test that says later whether a store forgets.

mod check;
mod clean;
mod database;
mod encode;
mod error;
mod finding;
mod fix;
mod form;
mod group;
mod json_path;
mod list;
mod mention;
mod mentioned;
mod probe;
mod recover;
mod rule;
mod sample;
mod sort;
mod sql;

pub use check::{Checked, Counts, Several};
pub use clean::{BackReport, CleanReport, Removal};
pub use database::DatabaseMentions;
pub use error::LinksError;
pub use finding::{Finding, Findings, Kind, Seen};
pub use fix::{FixReport, fix};
pub use form::Form;
pub use group::{Group, Options};
pub use json_path::JsonPath;
pub use list::ListMentions;
pub use mention::{Each, Mention, Mentions, Passed};
pub use mentioned::Mentioned;
pub use probe::Probe;
pub use recover::RecoverReport;
pub use rule::{Column, OnBroken, Origin, Rule};
pub use sample::Sampled;
pub use sql::Dialect;
