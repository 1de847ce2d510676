//! What a restore would take, without doing it.

use std::time::{Duration, Instant};

use futures::{StreamExt, TryStreamExt};
use lifeboat_format::archive::ArchiveName;
use lifeboat_format::geometry::Geometry;
use lifeboat_format::key;
use lifeboat_format::object::ObjectKind;
use lifeboat_format::record::Content;

use super::held::{Held, Shared, share};
use super::plan::{CHUNK_LEN, Wanted, chunks};
use super::{FETCHERS, INDEX_READERS};
use crate::archive::READ_LEN;
use crate::error::{ReadError, RestoreError};
use crate::repairs::Healed;
use crate::repository::Database;
use crate::snapshots::Snapshot;

/// How fast frames are decoded, written and proven, in bytes a second; less
/// than was measured.
const WORK_RATE: u64 = 250_000_000;
/// How much of an archive is read to time the store.
const SAMPLE_LEN: u64 = 64 * 1024;

/// What a restore would take.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct RestorePlan {
    /// The shape of the image.
    pub geometry: Geometry,
    /// How many bytes of frames, or of an archive, would be fetched.
    pub bytes: u64,
    /// How many requests that would take, those for the indexes included.
    pub requests: u64,
    /// How many packs it needs.
    pub packs: u64,
    /// How many blocks the target holds already.
    pub blocks_kept: u64,
    /// How long it would take, judged by how long reading the indexes took.
    pub estimate: Duration,
}

impl Database {
    /// Reads the indexes that a restore of the snapshot needs, and says what
    /// the rest would take, where nothing is fetched of what is held.
    pub async fn plan_restore(
        &self,
        snapshot: &Snapshot,
        held: Option<Held>,
    ) -> Result<RestorePlan, RestoreError<std::convert::Infallible>> {
        let before = self.remote().requests();
        let started = Instant::now();
        let planned = match &snapshot.body().content {
            Content::File { archive, size, .. } => {
                self.plan_archive(snapshot, archive, *size).await?
            }
            Content::Pages { .. } => self.plan_packs(snapshot, held).await?,
        };
        let Planned { geometry, bytes, fetches, packs, blocks_kept } = planned;
        let asked = self.remote().requests() - before;
        Ok(RestorePlan {
            geometry,
            bytes,
            requests: asked + fetches,
            packs,
            blocks_kept,
            estimate: estimate(started.elapsed(), asked, fetches, geometry.file_size()),
        })
    }

    async fn plan_packs(
        &self,
        snapshot: &Snapshot,
        held: Option<Held>,
    ) -> Result<Planned, RestoreError<std::convert::Infallible>> {
        let (geometry, list) = self.packs_of(snapshot).await?;
        let held = held.map(share);
        let planned = match self.plan_from(&list, geometry, held.clone()).await {
            // As a restore does.
            Err(error) if error.is_damage() => {
                let healed = self.with_repairs(&list, snapshot).await;
                if healed.packs == list.packs {
                    return Err(error.into());
                }
                self.plan_from(&healed, geometry, held).await
            }
            planned => planned,
        };
        let (planned, wanted) = planned?;
        if let Some((first, count)) = wanted.missing() {
            let snapshot = snapshot.id().clone();
            return Err(RestoreError::Incomplete { snapshot, first, count });
        }
        Ok(planned)
    }

    /// What would be fetched of packs, and what they do not give.
    async fn plan_from(
        &self,
        list: &Healed,
        geometry: Geometry,
        held: Option<Shared>,
    ) -> Result<(Planned, Wanted), ReadError> {
        let mut planned = Planned { geometry, bytes: 0, fetches: 0, packs: 0, blocks_kept: 0 };
        let mut wanted = Wanted::all_of(geometry);
        {
            let remaining = wanted.remaining();
            let mut indexes = std::pin::pin!(
                futures::stream::iter(list.packs.iter().rev().copied())
                    .map(|entry| {
                        let held = held.clone();
                        async move { self.read_for_restore(&entry, held).await }
                    })
                    .buffered(INDEX_READERS)
                    .take_while(|_| futures::future::ready(remaining.get() > 0))
            );
            while let Some(read) = indexes.try_next().await? {
                planned.packs += 1;
                wanted.give_up(list.lost.get(&read.entry.pack));
                let read_whole = read.whole.is_some();
                let (chunks, spared) = chunks(read, &mut wanted, CHUNK_LEN);
                planned.blocks_kept += spared;
                for chunk in chunks {
                    let range = chunk.range();
                    planned.bytes += range.end - range.start;
                    planned.fetches += u64::from(!read_whole);
                }
            }
        }
        Ok((planned, wanted))
    }

    /// An archive is one stream; its beginning is read to time the store.
    async fn plan_archive(
        &self,
        snapshot: &Snapshot,
        archive: &ArchiveName,
        size: u64,
    ) -> Result<Planned, ReadError> {
        let geometry = snapshot.body().geometry().expect("a record is refused without one");
        let key = self.keys.at(&key::archive(archive));
        let found = self.remote().get_range(&key, 0..size.min(SAMPLE_LEN)).await?;
        if found.is_none() {
            return Err(ReadError::Missing { kind: ObjectKind::Archive, key });
        }
        let fetches = size.div_ceil(READ_LEN);
        Ok(Planned { geometry, bytes: size, fetches, packs: 0, blocks_kept: 0 })
    }
}

/// What is known before the clock is read.
struct Planned {
    geometry: Geometry,
    bytes: u64,
    fetches: u64,
    packs: u64,
    blocks_kept: u64,
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
