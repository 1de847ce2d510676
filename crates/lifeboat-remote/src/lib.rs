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
//! Local directories and memory, so far. `object_store::ObjectStore` is part of
//! the public API on purpose: any other store can be handed in through
//! [`Remote::from_store`].
//!
//! # Code map
//!
//! - [`Remote`]: the operations.
//! - [`is_local_path`]: what a text names; opening is [`Remote::open`].
//! - [`RemoteError`], [`OpenError`]: what can go wrong.

mod error;
mod open;
mod remote;
mod upload;

pub use error::{Failure, OpenError, RemoteError};
pub use open::is_local_path;
pub use remote::{Created, Listed, Remote};
