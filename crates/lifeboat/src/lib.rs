//! Backups of live SQLite databases that are proven to restore.
//!
//! ```no_run
//! # async fn example() -> Result<(), lifeboat::Error> {
//! let lifeboat = lifeboat::Lifeboat::builder("app.db").destination("./backups").open().await?;
//! let report = lifeboat.backup().await?;
//! println!("{} of {} pages changed", report.pages_changed, report.geometry.page_count());
//! # Ok(())
//! # }
//! ```
//!
//! This crate is the paved path over the Lifeboat crates, which can also be
//! used one by one and are re-exported here: [`agent`], [`config`], [`crypto`], [`mod@format`],
//! [`remote`], [`repository`], [`retention`], [`snapshot`].
//!
//! # Limitations
//!
//! - One SQLite in the process: the application and Lifeboat must share one
//!   `libsqlite3-sys`, because a second copy of SQLite in a process destroys
//!   the locks of the first. Cargo sees to it.
//! - While a backup reads, the application cannot leave WAL mode or take the
//!   database exclusively.
//! - Destinations are local directories and memory, and any
//!   `object_store::ObjectStore` handed in through [`remote::Remote`].
//!
//! # Code map
//!
//! - [`Lifeboat`] and its builder: one database, one destination.
//! - [`Destination`]: any number of databases on one destination.
//! - [`Destinations`]: a primary, fallbacks and mirrors; [`choice`] is which is taken.
//! - [`service`]: backs databases up by itself, and is asked about them.
//! - [`Error`], [`ErrorKind`]: what can go wrong, and what to do about it.
//! - [`Directories`]: where state and cache lie.
//! - [`objects`]: any object, on a primary store or a fallback, as settings say.
//! - [`setup`]: what settings mean: places, databases, keys, what is kept.
//! - [`hint`]: what to do about an error, and whether data is safe.
//! - [`links`]: the objects that databases mention, and the buckets that hold them.
//! - [`media`]: those objects kept with the snapshots, where a rule asks for it.
//! - [`Expected`], [`Look`]: what is known of a database, for the agent to judge.
//! - `http` (a feature of that name): the admin interface over a service.
//! - [`doctor`]: whether backups can work here.
//! - [`notify`]: whom the agent tells.
//! - [`continuous`]: every commit, as it comes.

mod builder;
pub mod choice;
mod compare;
pub mod continuous;
mod destination;
mod destinations;
mod directories;
pub mod doctor;
mod drill;
mod error;
mod health;
pub mod hint;
#[cfg(feature = "http")]
pub mod http;
mod import;
mod in_place;
mod keep;
pub mod links;
pub mod media;
mod mend;
pub mod notify;
pub mod objects;
mod restore;
mod restore_all;
mod salvage;
pub mod service;
pub mod setup;
mod single_file;
mod take;

pub use lifeboat_agent as agent;
pub use lifeboat_config as config;
pub use lifeboat_crypto as crypto;
pub use lifeboat_format as format;
pub use lifeboat_remote as remote;
pub use lifeboat_repository as repository;
pub use lifeboat_retention as retention;
pub use lifeboat_snapshot as snapshot;
pub use lifeboat_sqlite::{SchemaEntry, Value as SqlValue};

pub use builder::{Lifeboat, LifeboatBuilder};
pub use compare::{Comparison, TableChange};
pub use destination::{Destination, Missing};
pub use destinations::{
    Chosen, Copied, DestinationSettings, Destinations, Everywhere, Healed, Merged, Placed, ReadAs,
    SyncReport, Thinned, Whole,
};
pub use directories::Directories;
pub use drill::{DrillReport, DrillSettings};
pub use error::{Cause, Error, ErrorKind, causes_of};
pub use health::{Expected, Look};
pub use import::{ForeignBackup, ForeignBackups, Imported};
pub use in_place::{InPlaceReport, InPlaceSettings, Place, Safety, undo};
pub use keep::{Inventory, Keeping, KeepingError};
pub use restore::{PlannedRestore, RestoreReport, RestoreSettings};
pub use restore_all::{ListenerOf, OneOfAll, Outcome, RestoreAllSettings};
pub use salvage::SalvageReport;
pub use single_file::{ExportForm, FileError, FileForm, decrypt};
pub use take::{BackupReport, BackupSettings, Compression, Explanation, open_source};
