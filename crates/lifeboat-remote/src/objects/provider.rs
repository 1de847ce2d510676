//! Whoever keeps objects.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::future::BoxFuture;
use futures::{StreamExt as _, TryStreamExt as _};

use super::content::{Chunks, Content};
use super::error::ObjectError;

/// What is known of an object.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ObjectInfo {
    /// Its size in bytes.
    pub size: u64,
    /// What the store calls these bytes.
    pub etag: Option<String>,
    /// What kind of content it is.
    pub content_type: Option<String>,
    /// What is kept beside it.
    pub metadata: BTreeMap<String, String>,
    /// When it was stored, in seconds since 1970, where the provider says so.
    pub modified: Option<i64>,
}

impl ObjectInfo {
    /// Of so many bytes, of which nothing else is known.
    pub fn of(size: u64) -> Self {
        Self { size, ..Self::default() }
    }
}

/// An object that is being read.
#[non_exhaustive]
pub struct Object {
    /// What is known of it.
    pub info: ObjectInfo,
    /// The provider it comes from.
    pub provider: String,
    key: String,
    chunks: Chunks,
}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Object").field("key", &self.key).field("info", &self.info).finish()
    }
}

impl Object {
    /// An object with its bytes.
    pub fn new(provider: &str, key: &str, info: ObjectInfo, chunks: Chunks) -> Self {
        Self { info, provider: provider.to_owned(), key: key.to_owned(), chunks }
    }

    /// Its key.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Its bytes, piece by piece.
    pub fn into_chunks(self) -> Chunks {
        self.chunks
    }

    /// All of its bytes, if they are no more than `limit`.
    pub async fn bytes(mut self, limit: u64) -> Result<Bytes, ObjectError> {
        let mut all = BytesMut::new();
        while let Some(chunk) = self.chunks.try_next().await? {
            if (all.len() + chunk.len()) as u64 > limit {
                return Err(ObjectError::TooLarge { key: self.key, limit });
            }
            all.extend_from_slice(&chunk);
        }
        Ok(all.freeze())
    }
}

/// Keeps objects: a store behind a [`RemoteProvider`](super::RemoteProvider), or
/// anything else that can do these few things.
///
/// A provider tries again by itself where that helps; whoever calls it goes on
/// to the next when it fails.
pub trait ObjectProvider: Send + Sync + fmt::Debug {
    /// What placements call it: short, and the same for ever.
    fn name(&self) -> &str;

    /// Stores an object, whole or not at all. Unless `overwrite` says so, one that
    /// is there with other bytes is [`ObjectError::Exists`]; the same bytes are a
    /// success.
    fn put<'a>(
        &'a self,
        key: &'a str,
        content: &'a Content,
        overwrite: bool,
    ) -> BoxFuture<'a, Result<ObjectInfo, ObjectError>>;

    /// Reads an object, if it is there.
    fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Object>, ObjectError>>;

    /// Reads the bytes of an object from one offset to before another, if it is
    /// there. Nothing is read beyond its end; what is said of it is said of the whole.
    ///
    /// Unless a provider knows better, what comes before is read and passed over.
    fn get_part<'a>(
        &'a self,
        key: &'a str,
        part: Range<u64>,
    ) -> BoxFuture<'a, Result<Option<Object>, ObjectError>> {
        Box::pin(async move {
            let Some(object) = self.get(key).await? else { return Ok(None) };
            let Object { info, provider, key, chunks } = object;
            let mut at = 0;
            let inside = move |chunk: Bytes| {
                let (begin, end) = (at, at + chunk.len() as u64);
                at = end;
                let from = part.start.clamp(begin, end) - begin;
                let to = part.end.clamp(begin, end) - begin;
                // A chunk is in memory: its length is a usize.
                chunk.slice(from as usize..(to as usize).max(from as usize))
            };
            let chunks = chunks.map_ok(inside).try_filter(|chunk| {
                let empty = chunk.is_empty();
                async move { !empty }
            });
            Ok(Some(Object { info, provider, key, chunks: chunks.boxed() }))
        })
    }

    /// What is known of an object, if it is there.
    fn stat<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<ObjectInfo>, ObjectError>>;

    /// Deletes an object. One that is not there is a success.
    fn delete<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<(), ObjectError>>;

    /// A URL under which anybody can read the object: a public address, or a signed
    /// one that is `valid` for a while. Nothing is changed in the store for it.
    fn url<'a>(
        &'a self,
        key: &'a str,
        valid: Duration,
    ) -> BoxFuture<'a, Result<String, ObjectError>> {
        let _ = valid;
        Box::pin(async move {
            Err(ObjectError::NoUrl { provider: self.name().to_owned(), key: key.to_owned() })
        })
    }
}

/// Whether all stores take this key alike.
pub(super) fn check_key(key: &str) -> Result<(), ObjectError> {
    let good = |part: &str| {
        !part.is_empty()
            && part != "."
            && part != ".."
            && !part.contains(|c: char| c.is_control() || c == '\\' || c == '#')
    };
    if key.len() <= 1000 && key.split('/').all(good) && !key.starts_with(".lifeboat") {
        Ok(())
    } else {
        Err(ObjectError::Key { key: key.to_owned() })
    }
}
