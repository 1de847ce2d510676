//! Reading and deleting.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use futures::StreamExt;
use object_store::path::Path;
use object_store::{Error, GetOptions, GetRange, ObjectStoreExt};

use super::attempt::{Carried, Doing};
use super::{Remote, path};
use crate::classify::is_no_bucket;
use crate::error::{Failure, RemoteError};

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

    /// Deletes objects, many with one request where the store can. One that is
    /// not there counts as deleted. Killed or cancelled half-way, some are gone
    /// and some are left.
    pub async fn delete(&self, keys: &[String]) -> Result<(), RemoteError> {
        if keys.is_empty() {
            return Ok(());
        }
        let wanted: BTreeSet<Path> = keys.iter().map(|key| path(key)).collect();
        let (total, left) = (wanted.len(), Mutex::new(wanted));
        let (doing, carried) = (Doing { operation: "delete", key: "objects" }, Carried::default());
        self.attempt(doing, &carried, || self.delete_once(&left, total, &carried)).await
    }

    async fn delete_once(
        &self,
        left: &Mutex<BTreeSet<Path>>,
        total: usize,
        carried: &Carried,
    ) -> Result<(), RemoteError> {
        let locations: Vec<_> = lock(left).iter().cloned().map(Ok).collect();
        let before = locations.len();
        let locations = futures::stream::iter(locations).boxed();
        let mut results = self.count().delete_stream(locations);
        let (mut failed, mut done) = (None, 0);
        while let Some(result) = results.next().await {
            match result.map(|gone| lock(left).remove(&gone)).or_else(|e| absent(e).map(|()| true))
            {
                Ok(_) => {
                    done += 1;
                    carried.reached(total - before + done);
                }
                Err(source) => failed = Some(RemoteError::new("delete", "objects", source)),
            }
        }
        failed.map_or(Ok(()), Err)
    }
}

fn lock(left: &Mutex<BTreeSet<Path>>) -> MutexGuard<'_, BTreeSet<Path>> {
    left.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether an error says that the object is not there. A bucket that is not there
/// is another matter: nothing may be concluded from it.
pub(super) fn absent(source: Error) -> Result<(), Error> {
    match source {
        Error::NotFound { .. } if !is_no_bucket(&source) => Ok(()),
        source => Err(source),
    }
}
