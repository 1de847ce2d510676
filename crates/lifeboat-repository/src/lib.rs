//! Snapshots in a remote: commit, list, read, collect, verify, repair, copy.
//!
//! ```
//! use lifeboat_remote::Remote;
//! use lifeboat_repository::{Local, LocalOptions, Repository};
//!
//! # let runtime = tokio::runtime::Builder::new_current_thread().build()?;
//! # let dir = tempfile::tempdir()?;
//! # runtime.block_on(async {
//! let local = Local::open(LocalOptions::new(dir.path().join("state"), dir.path().join("cache")));
//! let repository = Repository::create(Remote::memory(), local).await?;
//! let database = repository.database("app".to_owned().try_into()?);
//! assert!(database.snapshots(None).await?.snapshots.is_empty());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Limitations
//!
//! Where a store neither honours a conditional create nor lists what there is, one
//! writer only ([`Repository::fencing`]). Systems with Unix file handles.
//!
//! # Code map
//!
//! - [`Repository`], [`Database`]: what is opened, and what can be done with it.
//! - `store`: what the store does, found out and written down.
//! - `keys`: the data keys of a sealed repository, and who opens them.
//! - `log`: the record log; every change of state is a commit there.
//! - `archive`: snapshots that are one file each. `attached`: files that a snapshot
//!   has beside the database.
//! - `backup`: a page source to a snapshot. `restore`: a snapshot to a page sink.
//! - `segments`: the commit log. [`Following`]: snapshots of who is followed.
//! - [`consolidation`]: which packs a snapshot gives up; pure.
//! - `check`: whether what is stored is whole. `mend`, `repairs`: healing.
//! - [`Proofs`]: what was proven of each snapshot, and when. `doubts`: what was
//!   found wrong, for backups.
//! - `heartbeats`: that a database was watched, and did not change; or failed.
//! - `stats`, `trash`: what snapshots cost, and what was forgotten.
//! - `change`, `collect`: forgetting, collecting.
//! - `copy`, `missed`, `heal`, `elsewhere`: other destinations, and what each has of
//!   the others.
//! - `local`: what an installation remembers, and its caches. `leftovers`: tidying a
//!   directory.

mod archive;
mod attached;
mod backup;
mod change;
mod check;
mod collect;
pub mod consolidation;
mod copy;
mod doubts;
mod elsewhere;
mod error;
mod following;
mod heal;
mod heartbeats;
mod images;
mod keys;
mod leftovers;
mod local;
mod log;
mod mend;
mod missed;
mod ownership;
mod packs;
mod progress;
mod proofs;
mod repairs;
mod repository;
mod restore;
mod segments;
mod snapshots;
mod stats;
mod store;
mod trash;

pub use archive::{ArchiveSeal, open_archive};
pub use attached::{Attach, AttachedFiles, Attacher, FileFacts, Uploader};
pub use backup::{Backup, BackupOptions, BackupReport};
pub use check::{Called, CheckOptions, CheckReport, Depth, Share};
pub use collect::{CollectOptions, CollectReport};
pub use elsewhere::FromElsewhere;
pub use error::{
    BackupError, KeyError, LocalError, ReadError, ResolveError, RestoreError, WriteError,
};
pub use following::Following;
pub use heal::{HealExtent, HealReport};
pub use heartbeats::Pulse;
pub use keys::{Added, KeySlot, MAX_LABEL, Opens, SlotHolder};
pub use lifeboat_crypto::{CryptoError, Passphrase, RawKey, Secret};
pub use local::{Clock, Local, LocalOptions, Scratch, random_hex};
pub use mend::{MendedObject, MendedPack, RepairReport};
pub use ownership::Ownership;
pub use progress::{Event, Progress};
pub use proofs::{FailedDrill, Proof, Proofs};
pub use repository::{Database, Repository};
pub use restore::{Held, RestoreOptions, RestorePlan, RestoreReport, Salvaged};
pub use segments::{Appended, LogEnd};
pub use snapshots::{Listing, Selector, Snapshot};
pub use stats::{SnapshotStats, Stats};
pub use trash::TrashedSnapshot;
