//! Reading, listing and deleting.

use std::ops::Range;
use std::sync::Mutex;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{Error, GetOptions, GetRange, ObjectStoreExt};

use super::attempt::{Carried, Doing};
use super::{Remote, path};
use crate::classify::is_no_bucket;
use crate::error::{Failure, RemoteError};

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

impl Remote {
    /// Reads a whole object of at most `limit` bytes.
    pub async fn get(&self, key: &str, limit: u64) -> Result<Option<Bytes>, RemoteError> {
        let carried = Carried::default();
        let doing = Doing { operation: "read", key };
        let got = self.attempt(doing, &carried, || self.get_once(key, limit, &carried)).await?;
        self.pace_down(got.as_ref().map_or(0, |bytes| bytes.len() as u64)).await;
        Ok(got)
    }

    pub(crate) async fn get_once(
        &self,
        key: &str,
        limit: u64,
        carried: &Carried,
    ) -> Result<Option<Bytes>, RemoteError> {
        let fail = |source| RemoteError::new("read", key, source);
        let got = match self.count().get(&path(key)).await {
            Ok(got) => got,
            Err(source) => return absent(source).map(|()| None).map_err(fail),
        };
        if got.meta.size > limit {
            return Err(RemoteError::of("read", key, Failure::TooLarge));
        }
        carried.bytes(got.meta.size);
        got.bytes().await.map(Some).map_err(fail)
    }

    /// Reads a range of an object; fewer bytes come where the object is
    /// shorter.
    pub async fn get_range(
        &self,
        key: &str,
        range: Range<u64>,
    ) -> Result<Option<Bytes>, RemoteError> {
        let carried = Carried::default();
        carried.bytes(range.end.saturating_sub(range.start));
        let doing = Doing { operation: "read", key };
        let once = || self.get_range_once(key, range.clone());
        let got = self.attempt(doing, &carried, once).await?;
        self.pace_down(got.as_ref().map_or(0, |bytes| bytes.len() as u64)).await;
        Ok(got)
    }

    async fn get_range_once(
        &self,
        key: &str,
        range: Range<u64>,
    ) -> Result<Option<Bytes>, RemoteError> {
        let options =
            GetOptions { range: Some(GetRange::Bounded(range.clone())), ..GetOptions::default() };
        let fail = |source| RemoteError::new("read", key, source);
        match self.count().get_opts(&path(key), options).await {
            Ok(got) => got.bytes().await.map(Some).map_err(fail),
            Err(source @ Error::NotFound { .. }) => absent(source).map(|()| None).map_err(fail),
            // A range beyond the end is an untyped error: an object that was cut
            // short must not look like a store that does not answer.
            Err(source) => match self.size_once(key).await? {
                None => Ok(None),
                Some(size) if size <= range.start => Ok(Some(Bytes::new())),
                Some(_) => Err(fail(source)),
            },
        }
    }

    /// The size of an object in bytes, if there is one.
    pub async fn size(&self, key: &str) -> Result<Option<u64>, RemoteError> {
        let doing = Doing { operation: "look for", key };
        self.attempt(doing, &Carried::default(), || self.size_once(key)).await
    }

    async fn size_once(&self, key: &str) -> Result<Option<u64>, RemoteError> {
        match self.count().head(&path(key)).await {
            Ok(meta) => Ok(Some(meta.size)),
            Err(source) => absent(source)
                .map(|()| None)
                .map_err(|source| RemoteError::new("look for", key, source)),
        }
    }

    /// Lists all objects whose keys begin with a folder.
    ///
    /// A listing may be stale; nothing is ever concluded to be absent from one.
    pub async fn list(&self, folder: &str) -> Result<Vec<Listed>, RemoteError> {
        let doing = Doing { operation: "list", key: folder };
        self.attempt(doing, &Carried::default(), || self.list_once(folder)).await
    }

    async fn list_once(&self, folder: &str) -> Result<Vec<Listed>, RemoteError> {
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
        let doing = Doing { operation: "list", key: folder };
        let (prefix, offset) = (path(folder), path(after));
        let once = || async {
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
        };
        self.attempt(doing, &Carried::default(), once).await
    }

    /// The names of the folders directly below a folder, sorted.
    pub async fn folders(&self, folder: &str) -> Result<Vec<String>, RemoteError> {
        let doing = Doing { operation: "list", key: folder };
        self.attempt(doing, &Carried::default(), || self.folders_once(folder)).await
    }

    async fn folders_once(&self, folder: &str) -> Result<Vec<String>, RemoteError> {
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

    /// Deletes objects, many with one request where the store can. One that is
    /// not there counts as deleted. Killed or cancelled half-way, some are gone
    /// and some are left.
    pub async fn delete(&self, keys: &[String]) -> Result<(), RemoteError> {
        if keys.is_empty() {
            return Ok(());
        }
        let left = Mutex::new(keys.iter().map(|key| path(key)).collect());
        let doing = Doing { operation: "delete", key: "objects" };
        self.attempt(doing, &Carried::default(), || self.delete_once(&left)).await
    }

    async fn delete_once(&self, left: &Mutex<Vec<Path>>) -> Result<(), RemoteError> {
        let mut wanted = lock(left).clone();
        let locations: Vec<_> = wanted.iter().cloned().map(Ok).collect();
        let locations = futures::stream::iter(locations).boxed();
        let mut results = self.count().delete_stream(locations);
        let mut failed = None;
        while let Some(result) = results.next().await {
            match result {
                Ok(gone) => wanted.retain(|path| *path != gone),
                Err(source) => match absent(source) {
                    Ok(()) => {}
                    Err(source) => failed = Some(RemoteError::new("delete", "objects", source)),
                },
            }
        }
        *lock(left) = wanted;
        failed.map_or(Ok(()), Err)
    }
}

fn lock(left: &Mutex<Vec<Path>>) -> std::sync::MutexGuard<'_, Vec<Path>> {
    left.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// Whether an error says that the object is not there. A bucket that is not there
/// is another matter: nothing may be concluded from it.
fn absent(source: Error) -> Result<(), Error> {
    match source {
        Error::NotFound { .. } if !is_no_bucket(&source) => Ok(()),
        source => Err(source),
    }
}
