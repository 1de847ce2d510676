//! One store, and the operations that repositories are built on.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{
    Error, GetOptions, GetRange, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload,
};

use crate::error::{Failure, RemoteError};

/// Whether a create made the object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Created {
    /// The object is there, with these bytes, put by this call or by one before
    /// it whose answer was lost.
    New,
    /// There was one already, with other bytes. It was not touched.
    Exists,
}

/// An object in a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its key.
    pub key: String,
    /// Its size in bytes.
    pub size: u64,
    /// When the store says it was put, in seconds since 1970, by its clock.
    pub modified: i64,
}

/// A store, opened.
///
/// Cheap to clone. All operations are safe to cancel: a cancelled read leaves
/// nothing, a cancelled create leaves the object whole or not at all.
#[derive(Clone, Debug)]
pub struct Remote {
    store: Arc<dyn ObjectStore>,
    shown: Arc<str>,
    identity: Arc<str>,
    requests: Arc<AtomicU64>,
}

impl Remote {
    /// Uses a store that the caller made. `shown` is how people know it, and by
    /// default also how it is recognised from one run to the next.
    pub fn from_store(store: Arc<dyn ObjectStore>, shown: &str) -> Self {
        let requests = Arc::default();
        Self { store, shown: shown.into(), identity: shown.into(), requests }
    }

    /// Recognised under another text than the one that is shown.
    #[must_use]
    pub fn with_identity(mut self, identity: String) -> Self {
        self.identity = identity.into();
        self
    }

    /// What to show people; never holds a secret.
    pub fn shown(&self) -> &str {
        &self.shown
    }

    /// What recognises this store from one run to the next.
    pub fn identity(&self) -> &str {
        &self.identity
    }

    /// How many requests this store and its clones were asked for; one that is
    /// retried below counts once, and a listing as one.
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    pub(crate) fn count(&self) -> &dyn ObjectStore {
        self.requests.fetch_add(1, Ordering::Relaxed);
        &*self.store
    }

    /// Reads a whole object of at most `limit` bytes.
    pub async fn get(&self, key: &str, limit: u64) -> Result<Option<Bytes>, RemoteError> {
        let fail = |source| RemoteError::new("read", key, source);
        let got = match self.count().get(&path(key)).await {
            Ok(got) => got,
            Err(Error::NotFound { .. }) => return Ok(None),
            Err(source) => return Err(fail(source)),
        };
        if got.meta.size > limit {
            let (operation, what) = ("read", Failure::TooLarge);
            return Err(RemoteError { operation, key: key.to_owned(), what, source: None });
        }
        got.bytes().await.map(Some).map_err(fail)
    }

    /// Reads a range of an object; fewer bytes come where the object is
    /// shorter.
    pub async fn get_range(
        &self,
        key: &str,
        range: Range<u64>,
    ) -> Result<Option<Bytes>, RemoteError> {
        let options =
            GetOptions { range: Some(GetRange::Bounded(range.clone())), ..GetOptions::default() };
        match self.count().get_opts(&path(key), options).await {
            Ok(got) => got.bytes().await.map(Some).map_err(|e| RemoteError::new("read", key, e)),
            Err(Error::NotFound { .. }) => Ok(None),
            // A range beyond the end is an untyped error: an object that was cut
            // short must not look like a store that does not answer.
            Err(source) => match self.size(key).await? {
                None => Ok(None),
                Some(size) if size <= range.start => Ok(Some(Bytes::new())),
                Some(_) => Err(RemoteError::new("read", key, source)),
            },
        }
    }

    /// The size of an object in bytes, if there is one.
    pub async fn size(&self, key: &str) -> Result<Option<u64>, RemoteError> {
        match self.count().head(&path(key)).await {
            Ok(meta) => Ok(Some(meta.size)),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(source) => Err(RemoteError::new("look for", key, source)),
        }
    }

    /// Creates an object, if there is none under this key.
    ///
    /// After a conflict or a lost answer the object is read back: if it has
    /// exactly these bytes, it is the caller's own. On an error it is not known
    /// whether the object was made; the same call may be made again.
    pub async fn create(&self, key: &str, bytes: Bytes) -> Result<Created, RemoteError> {
        self.create_of_parts(key, vec![bytes]).await
    }

    /// [`create`](Self::create) for an object whose bytes lie in several pieces.
    pub async fn create_of_parts(
        &self,
        key: &str,
        parts: Vec<Bytes>,
    ) -> Result<Created, RemoteError> {
        let options = PutOptions::from(PutMode::Create);
        let len = parts.iter().map(|part| part.len() as u64).sum();
        let payload = PutPayload::from_iter(parts.iter().cloned());
        let source = match self.count().put_opts(&path(key), payload, options).await {
            Ok(_) => return Ok(Created::New),
            Err(source) => source,
        };
        let conflict = matches!(source, Error::AlreadyExists { .. } | Error::Precondition { .. });
        let fail = |source| RemoteError::new("create", key, source);
        match self.get(key, len).await {
            Ok(Some(there)) if is_concat(&there, &parts) => {
                tracing::debug!(key, "an answer was lost; the object is there");
                Ok(Created::New)
            }
            Ok(Some(_)) => Ok(Created::Exists),
            Err(error) if error.what == Failure::TooLarge => Ok(Created::Exists),
            Ok(None) => Err(fail(source)),
            Err(error) if conflict => Err(error),
            Err(_) => Err(fail(source)),
        }
    }

    /// Lists all objects whose keys begin with a folder.
    ///
    /// A listing may be stale; nothing is ever concluded to be absent from one.
    pub async fn list(&self, folder: &str) -> Result<Vec<Listed>, RemoteError> {
        let prefix = path(folder);
        let listing = self.count().list(Some(&prefix)).map_ok(|meta| Listed {
            key: meta.location.to_string(),
            size: meta.size,
            modified: meta.last_modified.timestamp(),
        });
        listing.try_collect().await.map_err(|e| RemoteError::new("list", folder, e))
    }

    /// The key of some object in a folder that sorts after `after` and is
    /// wanted, if a listing shows one.
    pub async fn any_after(
        &self,
        folder: &str,
        after: &str,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<Option<String>, RemoteError> {
        let (prefix, offset) = (path(folder), path(after));
        let mut listing = self.count().list_with_offset(Some(&prefix), &offset);
        loop {
            match listing.try_next().await {
                Ok(Some(meta)) if wanted(meta.location.as_ref()) => {
                    return Ok(Some(meta.location.to_string()));
                }
                Ok(Some(_)) => {}
                Ok(None) => return Ok(None),
                Err(error) => return Err(RemoteError::new("list", folder, error)),
            }
        }
    }

    /// The names of the folders directly below a folder, sorted.
    pub async fn folders(&self, folder: &str) -> Result<Vec<String>, RemoteError> {
        let listing = self
            .count()
            .list_with_delimiter(Some(&path(folder)))
            .await
            .map_err(|e| RemoteError::new("list", folder, e))?;
        let mut names: Vec<String> = listing
            .common_prefixes
            .iter()
            .filter_map(|prefix| prefix.parts().next_back().map(|part| part.as_ref().to_owned()))
            .collect();
        names.sort();
        Ok(names)
    }

    /// Deletes objects. One that is not there counts as deleted. Killed or
    /// cancelled half-way, some are gone and some are left.
    pub async fn delete(&self, keys: &[String]) -> Result<(), RemoteError> {
        let locations: Vec<_> = keys.iter().map(|key| Ok(path(key))).collect();
        let locations = futures::stream::iter(locations).boxed();
        let mut results = self.count().delete_stream(locations);
        let mut failed = None;
        while let Some(result) = results.next().await {
            match result {
                Ok(_) | Err(Error::NotFound { .. }) => {}
                Err(source) => failed = Some(RemoteError::new("delete", "objects", source)),
            }
        }
        failed.map_or(Ok(()), Err)
    }
}

/// Whether the pieces are `whole`, one after the other.
fn is_concat(whole: &[u8], parts: &[Bytes]) -> bool {
    let mut rest = Some(whole);
    for part in parts {
        rest = rest.and_then(|rest| rest.strip_prefix(&part[..]));
    }
    rest.is_some_and(<[u8]>::is_empty)
}

/// Keys are made by us of characters that every store takes; what is
/// percent-encoded in them stays as it is.
pub(crate) fn path(key: &str) -> Path {
    Path::parse(key).unwrap_or_else(|_| Path::from(key))
}
