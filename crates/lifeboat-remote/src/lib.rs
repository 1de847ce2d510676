//! Object storage with promises: opened by URL, created once, read back when
//! in doubt.
//!
//! ```
//! use lifeboat_remote::{Created, Remote};
//!
//! # let runtime = tokio::runtime::Builder::new_current_thread().build()?;
//! # runtime.block_on(async {
//! let remote = Remote::memory();
//! assert_eq!(remote.create("a/1", "mine".into()).await?, Created::New);
//! assert_eq!(remote.create("a/1", "yours".into()).await?, Created::Exists);
//! assert_eq!(remote.create("a/1", "mine".into()).await?, Created::New);
//! # Ok::<(), lifeboat_remote::RemoteError>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Limitations
//!
//! Cloud Storage of Google and the metadata services were never reached by a
//! test: no usable emulator exists. `object_store::ObjectStore` is part of the
//! public API on purpose: any other store can be handed in through
//! [`Remote::from_store`].
//!
//! # Features
//!
//! None is on by default: directories and memory need no network. `aws` opens
//! `s3://` and `r2://`, `gcp` opens `gs://`, `azure` opens `az://`.
//!
//! # Code map
//!
//! - [`Remote`]: the operations.
//! - [`RemoteOptions`]: how a store is reached.
//! - [`Protection`]: what a bucket does against deletion.
//! - [`conformance`]: the list that any store can be held to.
//! - [`Remote::last_version`]: what a bucket keeps of what was deleted.
//! - [`Remote::create_bucket`]: a bucket where there is none.
//! - [`is_local_path`]: what a text names; opening is [`Remote::open`].
//! - [`Remote::probe`], [`Probed`]: what a store really does. [`Fencing`]: what
//!   follows from it for two writers; [`rounds`]: what they do without conditions.
//! - [`RetryPolicy`]: how long an operation goes on trying.
//! - [`RemoteError`], [`OpenError`], [`OptionError`]: what can go wrong.
//! - [`objects`]: any object, on a primary store or a fallback.
//! - [`Breaker`]: whether to ask again who failed a moment ago.

mod breaker;
mod bucket;
mod classify;
mod clock;
pub mod conformance;
mod error;
mod fencing;
mod folders;
mod limit;
pub mod objects;
mod open;
mod options;
mod pace;
mod place;
mod probe;
mod protection;
mod random;
mod remote;
mod retry;
pub mod rounds;
mod signing;
mod upload;
mod versions;
#[cfg(feature = "http-stores")]
mod wire;

pub use breaker::Breaker;
pub use bucket::{BucketError, MadeBucket};
pub use error::{Failure, OpenError, RemoteError};
pub use fencing::Fencing;
pub use folders::{make_directory, sync_directory};
pub use options::{OptionError, Provider, RemoteOptions, Secret};
pub use place::{directory_identity, is_local_path, without_secrets};
pub use probe::{Absence, Creates, Deletes, Listings, ProbeOptions, Probed};
pub use protection::{ObjectLock, Protection, Versioning};
pub use remote::{Created, Listed, Remote, is_plain_key};
pub use retry::RetryPolicy;
pub use versions::Version;
