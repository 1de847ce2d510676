//! Reading and deleting.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use futures::StreamExt;
use object_store::path::Path;
use object_store::{Error, ObjectStoreExt};

use super::arriving::Arriving;
use super::attempt::{Carried, Doing};
use super::{Remote, path};
use crate::classify::is_no_bucket;
use crate::error::RemoteError;

impl Remote {
    /// Reads a whole object of at most `limit` bytes. Where the line breaks, what
    /// arrived is kept.
    pub async fn get(&self, key: &str, limit: u64) -> Result<Option<Bytes>, RemoteError> {
        self.read(key, Arriving::whole(limit), &Carried::default()).await
    }

    /// Reads a range of an object; fewer bytes come where the object is
    /// shorter. Where the line breaks, what arrived is kept, and the rest asked
    /// for in pieces that grow smaller, down to 64 KiB.
    pub async fn get_range(
        &self,
        key: &str,
        range: Range<u64>,
    ) -> Result<Option<Bytes>, RemoteError> {
        if range.is_empty() {
            return Ok(self.size(key).await?.map(|_| Bytes::new()));
        }
        let carried = Carried::default();
        carried.bytes(range.end - range.start);
        self.read(key, Arriving::range(&range), &carried).await
    }

    async fn read(
        &self,
        key: &str,
        arriving: Arriving,
        carried: &Carried,
    ) -> Result<Option<Bytes>, RemoteError> {
        let doing = Doing { operation: "read", key };
        let once = || self.go_on(key, &arriving, carried);
        let there = self.attempt(doing, carried, once).await?;
        let got = there.then(|| arriving.into_bytes());
        self.pace_down(got.as_ref().map_or(0, |bytes| bytes.len() as u64)).await;
        Ok(got)
    }

    /// A whole object, asked for once.
    pub(crate) async fn get_once(
        &self,
        key: &str,
        limit: u64,
    ) -> Result<Option<Bytes>, RemoteError> {
        let arriving = Arriving::whole(limit);
        let there = self.go_on(key, &arriving, &Carried::default()).await?;
        Ok(there.then(|| arriving.into_bytes()))
    }

    /// The size of an object in bytes, if there is one.
    pub async fn size(&self, key: &str) -> Result<Option<u64>, RemoteError> {
        let doing = Doing { operation: "look for", key };
        self.attempt(doing, &Carried::default(), || self.size_once(key)).await
    }

    pub(super) async fn size_once(&self, key: &str) -> Result<Option<u64>, RemoteError> {
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
        // What broke after the last of them was gone took nothing back.
        failed.filter(|_| !lock(left).is_empty()).map_or(Ok(()), Err)
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
