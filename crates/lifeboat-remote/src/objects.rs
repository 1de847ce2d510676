//! Any object, kept on a primary store or, when that fails, on a fallback.
//!
//! What was stored says where it lies in a [`Placement`], which the caller keeps
//! in a database of its own. Reads and deletions go where the placement says,
//! and to the other side when the object is not there.
//!
//! ```
//! use std::sync::Arc;
//!
//! use lifeboat_remote::Remote;
//! use lifeboat_remote::objects::{Content, FallbackStore, RemoteProvider};
//!
//! # let runtime = tokio::runtime::Builder::new_current_thread().build()?;
//! # runtime.block_on(async {
//! let primary = Arc::new(RemoteProvider::new("s3", Remote::memory()));
//! let fallback = Arc::new(RemoteProvider::new("local", Remote::memory()));
//! let store = FallbackStore::new(vec![primary, fallback])?;
//! let photo = Content::bytes("a photo").with_type("image/jpeg");
//! let placement = store.put("photos/1.jpg", &photo).await?;
//! assert_eq!(placement.provider.as_deref(), Some("s3"));
//! assert_eq!(store.get(&placement).await?.bytes(100).await?, "a photo");
//! # Ok::<(), lifeboat_remote::objects::ObjectError>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A key is one object on all sides: draw it anew for each upload (a UUID will
//! do). Keys are not encrypted and neither are objects; what a backup holds goes
//! through a repository instead.

mod content;
mod error;
mod fallback;
mod migrate;
mod placement;
mod provider;
mod remote_provider;
mod save;

pub use content::{Chunks, Content};
pub use error::{Cause, ObjectError};
pub use fallback::{Deleted, FallbackStore};
pub use placement::Placement;
pub use provider::{Object, ObjectInfo, ObjectProvider};
pub use remote_provider::RemoteProvider;
