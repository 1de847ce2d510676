//! Whether listings show what there is, and whether deletes do what they say.

use std::time::UNIX_EPOCH;

use bytes::Bytes;
use futures::future::join_all;

use super::{Creates, Deletes, FOLDER, Listings, Scratch};
use crate::error::RemoteError;

impl Scratch<'_> {
    pub(super) async fn listings(
        &self,
        creates: Creates,
    ) -> Result<(Listings, Option<i64>, Deletes), RemoteError> {
        let watchers = (0..self.options.watchers).map(|watcher| self.watch(creates, watcher));
        let mut stale = false;
        let mut clock = None;
        for seen in join_all(watchers).await {
            for modified in seen? {
                stale |= modified.is_none();
                clock = clock.max(modified);
            }
        }
        let now = self.options.now.duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
        let now = i64::try_from(now).unwrap_or(i64::MAX);
        let ahead = clock.map(|modified| modified.saturating_sub(now));
        let deletes = (0..self.options.watchers).map(|watcher| self.unwatch(watcher));
        let mut result = Deletes::Done;
        for (deleted, still_listed) in join_all(deletes).await {
            match deleted {
                Ok(true) => stale |= still_listed?,
                Ok(false) => result = Deletes::Kept,
                Err(error) if error.is_transient() => return Err(error),
                Err(error) => {
                    tracing::info!(%error, "deletes are refused");
                    result = Deletes::Refused;
                }
            }
        }
        let listings = if stale { Listings::Stale } else { Listings::Consistent };
        Ok((listings, ahead, result))
    }

    fn watched(&self, watcher: usize) -> String {
        self.key(format_args!("listed-{watcher}"))
    }

    /// Puts objects, and looks for each in a listing that begins afterwards: the
    /// time at which the store says that it was put, if it is there.
    async fn watch(
        &self,
        creates: Creates,
        watcher: usize,
    ) -> Result<Vec<Option<i64>>, RemoteError> {
        let mut seen = Vec::new();
        for look in 0..self.options.looks {
            let key = format!("{}-{look}", self.watched(watcher));
            self.put(creates, &key, Bytes::from(key.clone())).await?;
            let listed = self.remote.list(FOLDER).await?;
            let found = listed.iter().find(|one| one.key == key);
            seen.push(found.map(|one| one.modified));
        }
        Ok(seen)
    }

    /// Deletes what was put. Whether it is gone then, and whether a listing still
    /// shows it.
    async fn unwatch(
        &self,
        watcher: usize,
    ) -> (Result<bool, RemoteError>, Result<bool, RemoteError>) {
        let watched = self.watched(watcher);
        let keys: Vec<String> =
            (0..self.options.looks).map(|look| format!("{watched}-{look}")).collect();
        let deleted = async {
            self.remote.delete(&keys).await?;
            Ok(match keys.first() {
                Some(key) => self.remote.size(key).await?.is_none(),
                None => true,
            })
        };
        let deleted: Result<bool, RemoteError> = deleted.await;
        let listed = match &deleted {
            Ok(true) => self.remote.list(FOLDER).await,
            _ => Ok(Vec::new()),
        };
        (deleted, listed.map(|listed| listed.iter().any(|one| keys.contains(&one.key))))
    }
}
