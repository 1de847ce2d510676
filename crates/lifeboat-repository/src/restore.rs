//! Restoring: packs to the blocks of an image.
//!
//! Packs are read from the newest to the oldest; the first that holds a block
//! has its content. Only frames that hold a block that is still wanted are
//! fetched. What is proven here is every frame; the image as a whole is proven
//! by who takes the blocks, who knows what really reached the disk.

mod estimate;
mod held;
mod plan;
mod salvage;

use std::sync::Arc;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use lifeboat_format::geometry::{BlockNo, Geometry};
use lifeboat_format::key;
use lifeboat_format::object::{DecodeError, ObjectKind};
use lifeboat_format::record::Content;
use lifeboat_format::source::PageSink;
use tokio::sync::mpsc;

use crate::error::{ReadError, RestoreError};
use crate::progress::{Event, Listener, Progress};
use crate::repairs::Healed;
use crate::repository::Database;
use crate::snapshots::Snapshot;
pub use estimate::RestorePlan;
pub use held::Held;
use plan::{CHUNK_LEN, Chunk, Wanted, chunks};
pub use salvage::Salvaged;

/// How many indexes are read ahead.
const INDEX_READERS: usize = 4;
/// How many chunks are fetched at once.
const FETCHERS: usize = 2;

/// How an image is restored.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct RestoreOptions {
    /// Who listens.
    pub progress: Option<Arc<dyn Progress>>,
    /// How much is fetched with one request, in bytes; by default 4 MiB. Less takes less
    /// memory and more requests.
    pub piece: Option<u64>,
}

impl RestoreOptions {
    /// These options with a listener.
    #[must_use]
    pub fn with_progress(mut self, progress: Arc<dyn Progress>) -> Self {
        self.progress = Some(progress);
        self
    }
}

/// What a restore read.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct RestoreReport {
    /// The shape of the image.
    pub geometry: Geometry,
    /// How many bytes of frames were fetched.
    pub bytes_fetched: u64,
    /// How many packs were read.
    pub packs: u64,
    /// How many blocks the target held already.
    pub blocks_kept: u64,
}

/// Bytes of a chunk, fetched.
struct Fetched {
    chunk: Chunk,
    bytes: Bytes,
}

impl Database {
    /// Hands all blocks of a snapshot's image to a sink, each once, in no
    /// particular order.
    ///
    /// On an error, or cancelled, the sink has part of an image.
    pub async fn restore<S: PageSink + 'static>(
        &self,
        snapshot: &Snapshot,
        sink: S,
        options: &RestoreOptions,
    ) -> Result<(S, RestoreReport), RestoreError<S::Error>> {
        self.restore_over(snapshot, sink, None, options).await
    }

    /// As [`restore`](Self::restore), but for the blocks that the sink holds
    /// already: those are neither fetched nor handed to it. Where a pack is
    /// damaged and was healed, all begins anew with the pack that has its content.
    pub async fn restore_over<S: PageSink + 'static>(
        &self,
        snapshot: &Snapshot,
        mut sink: S,
        held: Option<Held>,
        options: &RestoreOptions,
    ) -> Result<(S, RestoreReport), RestoreError<S::Error>> {
        let listener = Listener(options.progress.clone());
        let body = snapshot.body();
        if let Content::File { .. } = body.content {
            // An archive is one stream, of which nothing can be left out.
            return self.restore_archive(body, sink, &listener).await;
        }
        let (geometry, mut list) = self.packs_of(snapshot).await?;
        let held = held.map(held::share);
        let mut looked_for_repairs = false;
        loop {
            let (back, restored) =
                self.restore_from(&list, geometry, held.clone(), sink, options).await;
            sink = back;
            let (wanted, mut report) = match restored {
                Ok(restored) => restored,
                // Only who meets damage asks for repairs: they take a listing.
                Err(RestoreError::Read(error)) if error.is_damage() && !looked_for_repairs => {
                    looked_for_repairs = true;
                    let healed = self.with_repairs(&list, snapshot).await;
                    if healed.packs == list.packs {
                        return Err(error.into());
                    }
                    list = healed;
                    continue;
                }
                Err(error) => return Err(error),
            };
            report.geometry = geometry;
            if let Some((first, count)) = wanted.missing() {
                let snapshot = body.snapshot_id.clone();
                return Err(RestoreError::Incomplete { snapshot, first, count });
            }
            return Ok((sink, report));
        }
    }

    /// Hands all blocks that packs give to a sink, which comes back.
    async fn restore_from<S: PageSink + 'static>(
        &self,
        list: &Healed,
        geometry: Geometry,
        held: Option<held::Shared>,
        mut sink: S,
        options: &RestoreOptions,
    ) -> (S, Result<(Wanted, RestoreReport), RestoreError<S::Error>>) {
        let progress = Listener(options.progress.clone());
        progress.tell(Event::Restoring { bytes: geometry.file_size() });
        let (sender, receiver) = mpsc::channel(1);
        let piece = options.piece.unwrap_or(CHUNK_LEN);
        let writer = tokio::task::spawn_blocking(move || {
            let result = write(&mut sink, geometry, receiver, &progress);
            (sink, result)
        });
        let fetched = self.fetch(list, geometry, held, piece, sender).await;
        let (sink, written) = match writer.await {
            Ok(done) => done,
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        };
        (sink, written.and_then(|()| Ok(fetched?)))
    }

    /// The packs of a snapshot with what was healed in the place of what is
    /// damaged.
    async fn with_repairs(&self, list: &Healed, snapshot: &Snapshot) -> Healed {
        self.repairs_if_any().await.apply(list.packs.clone(), snapshot.number())
    }

    /// The shape of a snapshot's image, and the packs that it lies in: none, for
    /// an archive.
    async fn packs_of<E: std::error::Error + 'static>(
        &self,
        snapshot: &Snapshot,
    ) -> Result<(Geometry, Healed), RestoreError<E>> {
        let body = snapshot.body();
        let geometry = body.geometry().expect("a record is refused without one");
        let list = self.pack_list(snapshot.record()).await?;
        let list = Healed { packs: list.packs, ..Healed::default() };
        // Before anything is allocated in proportion to what a record claims.
        let held: u64 = list.packs.iter().map(|entry| u64::from(entry.blocks)).sum();
        let needed =
            u64::from(geometry.block_count()) - u64::from(geometry.absent_block().is_some());
        if held < needed {
            let (snapshot, first) = (body.snapshot_id.clone(), BlockNo(0));
            return Err(RestoreError::Incomplete { snapshot, first, count: needed - held });
        }
        Ok((geometry, list))
    }

    /// Fetches what is wanted of the packs, newest first. Ends early, and well,
    /// when nobody takes it: the one who stopped knows why.
    async fn fetch(
        &self,
        list: &Healed,
        geometry: Geometry,
        held: Option<held::Shared>,
        piece: u64,
        sender: mpsc::Sender<Fetched>,
    ) -> Result<(Wanted, RestoreReport), ReadError> {
        let mut wanted = Wanted::all_of(geometry);
        let mut report = RestoreReport { geometry, bytes_fetched: 0, packs: 0, blocks_kept: 0 };
        {
            let remaining = wanted.remaining();
            let plans = futures::stream::iter(list.packs.iter().rev().copied())
                .map(|entry| {
                    let held = held.clone();
                    async move { (entry, self.read_for_restore(&entry, held).await) }
                })
                .buffered(INDEX_READERS)
                .take_while(|_| futures::future::ready(remaining.get() > 0))
                .map(|(entry, read)| {
                    let read = read?;
                    if read.index.block_size() != geometry.block_size() {
                        let kind = ObjectKind::Pack;
                        let error = DecodeError::Misplaced { kind, place: "pack list" };
                        let key = self.keys.at(&key::pack(&entry));
                        return Err(ReadError::unusable(key)(error));
                    }
                    report.packs += 1;
                    wanted.give_up(list.lost.get(&entry.pack));
                    let (chunks, kept) = chunks(read, &mut wanted, piece);
                    report.blocks_kept += kept;
                    Ok(futures::stream::iter(chunks.into_iter().map(Ok)))
                })
                .try_flatten();
            let mut fetches = std::pin::pin!(
                plans.map_ok(|chunk| self.fetch_chunk(chunk)).try_buffered(FETCHERS)
            );
            while let Some(fetched) = fetches.try_next().await? {
                report.bytes_fetched += fetched.bytes.len() as u64;
                if sender.send(fetched).await.is_err() {
                    break;
                }
            }
        }
        Ok((wanted, report))
    }

    /// Fetches the frames of a chunk. Where they are damaged or gone and others may
    /// have them, they are proven here already, and fetched there.
    async fn fetch_chunk(&self, chunk: Chunk) -> Result<Fetched, ReadError> {
        let range = chunk.range();
        let fetched = match &chunk.whole {
            Some(whole) => Ok(whole.slice(range.start as usize..range.end as usize)),
            None => chunk.at.pack_range(&chunk.entry, range.clone()).await,
        };
        if self.others().is_empty() {
            return Ok(Fetched { bytes: fetched?, chunk });
        }
        let prove = |bytes: Bytes, key: &str| {
            chunk.prove(&bytes).map_err(ReadError::unusable(key)).map(|()| bytes)
        };
        let error = match fetched.and_then(|bytes| prove(bytes, &chunk.key)) {
            Ok(bytes) => return Ok(Fetched { bytes, chunk }),
            Err(error) if error.is_damage() => error,
            Err(error) => return Err(error),
        };
        for other in self.others().iter().chain([self]) {
            for there in other.packs_like(&chunk.entry).await {
                let key = other.keys.at(&key::pack(&there));
                let read = other.pack_range(&there, range.clone()).await;
                match read.and_then(|bytes| prove(bytes, &key)) {
                    Ok(bytes) => {
                        self.was_read_at(other, &chunk.entry, &error);
                        return Ok(Fetched { bytes, chunk });
                    }
                    Err(error) => tracing::info!(%error, "nor can it be read there"),
                }
            }
        }
        Err(error)
    }
}

/// Decodes what was fetched and hands it to the sink; runs on its own thread.
fn write<S: PageSink>(
    sink: &mut S,
    geometry: Geometry,
    mut fetched: mpsc::Receiver<Fetched>,
    listener: &Listener,
) -> Result<(), RestoreError<S::Error>> {
    sink.begin(geometry).map_err(RestoreError::Sink)?;
    let size = geometry.block_size() as usize;
    let mut blocks = Vec::new();
    while let Some(Fetched { chunk, bytes }) = fetched.blocking_recv() {
        let start = chunk.range().start;
        let mut wanted = chunk.wanted.iter().copied().peekable();
        for number in chunk.frames.clone() {
            let frame = &chunk.index.frames()[number];
            let at = (u64::from(frame.offset) - start) as usize;
            let stored = &bytes[at..at + frame.stored_len as usize];
            chunk
                .index
                .decode_frame(number, stored, &mut blocks)
                .map_err(ReadError::unusable(&*chunk.key))?;
            let end = frame.first + frame.blocks;
            while let Some((position, first)) = wanted.next_if(|(position, _)| *position < end) {
                let mut count = 1;
                while wanted
                    .next_if(|&(p, b)| p < end && p == position + count && b.0 == first.0 + count)
                    .is_some()
                {
                    count += 1;
                }
                let from = (position - frame.first) as usize * size;
                let data = &blocks[from..from + count as usize * size];
                sink.blocks(first, data).map_err(RestoreError::Sink)?;
                listener.tell(Event::Restored { bytes: data.len() as u64 });
            }
        }
    }
    Ok(())
}
