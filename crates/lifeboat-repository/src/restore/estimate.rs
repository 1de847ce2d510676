//! What a restore would take, without doing it.

use std::time::{Duration, Instant};

use futures::{StreamExt, TryStreamExt};
use lifeboat_format::geometry::Geometry;
use lifeboat_format::key;

use super::plan::{Wanted, chunks};
use super::{FETCHERS, INDEX_READERS};
use crate::error::RestoreError;
use crate::repository::Database;
use crate::snapshots::Snapshot;

/// How fast frames are decoded, written and proven, in bytes a second; less
/// than was measured.
const WORK_RATE: u64 = 250_000_000;

/// What a restore to a new file would take.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct RestorePlan {
    /// The shape of the image.
    pub geometry: Geometry,
    /// How many bytes of frames would be fetched.
    pub bytes: u64,
    /// How many requests that would take, those for the indexes included.
    pub requests: u64,
    /// How many packs it needs.
    pub packs: u64,
    /// How long it would take, judged by how long the indexes took.
    pub estimate: Duration,
}

impl Database {
    /// Reads the indexes that a restore of the snapshot needs, and says what
    /// the rest would take.
    pub async fn plan_restore(
        &self,
        snapshot: &Snapshot,
    ) -> Result<RestorePlan, RestoreError<std::convert::Infallible>> {
        let before = self.remote().requests();
        let started = Instant::now();
        let (geometry, list) = self.packs_of(snapshot).await?;
        let mut wanted = Wanted::all_of(geometry);
        let (mut packs, mut bytes, mut fetches) = (0, 0, 0);
        {
            let remaining = wanted.remaining();
            let mut indexes = std::pin::pin!(
                futures::stream::iter(list.packs.iter().rev().copied())
                    .map(|entry| async move {
                        self.pack_index(&entry).await.map(|(index, whole)| (entry, index, whole))
                    })
                    .buffered(INDEX_READERS)
                    .take_while(|_| futures::future::ready(remaining.get() > 0))
            );
            while let Some((entry, index, whole)) = indexes.try_next().await? {
                packs += 1;
                let key = self.keys.at(&key::pack(&entry));
                let read_whole = whole.is_some();
                let (chunks, _) = chunks(entry, key, index.into(), whole, &[], &mut wanted);
                for chunk in chunks {
                    let range = chunk.range();
                    bytes += range.end - range.start;
                    fetches += u64::from(!read_whole);
                }
            }
        }
        let asked = self.remote().requests() - before;
        let took = started.elapsed();
        if let Some((first, count)) = wanted.missing() {
            let snapshot = snapshot.id().clone();
            return Err(RestoreError::Incomplete { snapshot, first, count });
        }
        Ok(RestorePlan {
            geometry,
            bytes,
            requests: asked + fetches,
            packs,
            estimate: estimate(took, asked, fetches, geometry.file_size()),
        })
    }
}

/// How long a restore takes: the indexes again, the frames at the pace of the
/// indexes' requests, and the work on every byte; pure.
fn estimate(took: Duration, asked: u64, fetches: u64, bytes: u64) -> Duration {
    let each = took / u32::try_from(asked.max(1)).unwrap_or(u32::MAX);
    let fetching = each * u32::try_from(fetches / FETCHERS as u64).unwrap_or(u32::MAX);
    let working = Duration::from_millis(bytes.saturating_mul(1000) / WORK_RATE);
    took + fetching.max(working)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slower_of_store_and_work_decides() {
        let ms = Duration::from_millis;
        assert_eq!(estimate(ms(100), 10, 0, 0), ms(100));
        assert_eq!(estimate(ms(100), 10, 200, 1000), ms(1100));
        assert_eq!(estimate(ms(100), 10, 2, 250_000_000), ms(1100));
        assert_eq!(estimate(ms(0), 0, 0, 0), ms(0));
    }
}
