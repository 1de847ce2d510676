//! What can be saved of a damaged snapshot: every block that proves itself, and
//! which ones do not.

use lifeboat_format::geometry::{BlockNo, Geometry};
use lifeboat_format::list::PackEntry;
use lifeboat_format::pack::PackIndex;
use lifeboat_format::record::Content;
use lifeboat_format::source::PageSink;
use lifeboat_format::{key, object::DecodeError, object::ObjectKind};

use super::RestoreOptions;
use super::plan::{CHUNK_LEN, Chunk, Wanted, chunks};
use crate::error::{ReadError, RestoreError};
use crate::progress::{Event, Listener};
use crate::repository::Database;
use crate::snapshots::Snapshot;

/// What was saved of a snapshot.
#[derive(Debug)]
#[non_exhaustive]
pub struct Salvaged {
    /// The shape of the image.
    pub geometry: Geometry,
    /// How many bytes of frames were fetched.
    pub bytes_fetched: u64,
    /// Runs of blocks that no pack gave, ascending: the sink was not handed
    /// them.
    pub lost: Vec<(BlockNo, u32)>,
    /// Runs of blocks, ascending, that may be older than the snapshot: a pack
    /// that may have held newer ones cannot be read at all.
    pub doubtful: Vec<(BlockNo, u32)>,
    /// What is damaged or missing.
    pub damage: Vec<ReadError>,
}

impl Salvaged {
    /// Whether nothing is missing, so that the image can be proven.
    pub fn is_whole(&self) -> bool {
        self.lost.is_empty() && self.doubtful.is_empty()
    }
}

impl Database {
    /// Hands those blocks of a snapshot's image to a sink that prove
    /// themselves, each once, and says which ones do not. Damage is no error
    /// here; a store that cannot be reached is.
    ///
    /// An archive is one stream that is proven as a whole: of a damaged one
    /// nothing can be saved.
    pub async fn salvage<S: PageSink + 'static>(
        &self,
        snapshot: &Snapshot,
        sink: S,
        options: &RestoreOptions,
    ) -> Result<(S, Salvaged), RestoreError<S::Error>> {
        if let Content::File { .. } = snapshot.body().content {
            let (sink, report) = self.restore(snapshot, sink, options).await?;
            let (lost, doubtful, damage) = (Vec::new(), Vec::new(), Vec::new());
            let (geometry, bytes_fetched) = (report.geometry, report.bytes_fetched);
            return Ok((sink, Salvaged { geometry, bytes_fetched, lost, doubtful, damage }));
        }
        let geometry = snapshot.body().geometry().expect("a record is refused without one");
        let list = self.pack_list(snapshot.record()).await?.packs;
        // What was mended counts; a damaged pack is asked only for what the one
        // that heals it cannot give.
        let healed = self.repairs_if_any().await.apply(list.clone(), snapshot.number());
        let listener = Listener(options.progress.clone());
        listener.tell(Event::Restoring { bytes: geometry.file_size() });
        let mut saving = Saving {
            geometry,
            listener,
            wanted: Wanted::all_of(geometry),
            bytes_fetched: 0,
            lost: Vec::new(),
            doubtful: Vec::new(),
            damage: Vec::new(),
            unread: false,
        };
        let mut sink = Some(sink);
        if let Some(sink) = &mut sink {
            sink.begin(geometry).map_err(RestoreError::Sink)?;
        }
        for (named, entry) in list.iter().zip(&healed.packs).rev() {
            if saving.wanted.remaining().get() == 0 {
                break;
            }
            saving.wanted.give_up(healed.lost.get(&entry.pack));
            let read = self.save_pack(*entry, &mut saving, &mut sink).await?;
            let read =
                read || named != entry && self.save_pack(*named, &mut saving, &mut sink).await?;
            // Nobody knows what it held: older packs may be outdated.
            saving.unread |= !read;
        }
        // What no pack claims to hold.
        saving.lost.extend(saving.wanted.left());
        saving.lost.extend(saving.wanted.given_up());
        let sink = sink.expect("handed back after each chunk");
        let (lost, doubtful) = (runs(saving.lost), runs(saving.doubtful));
        let Saving { bytes_fetched, damage, .. } = saving;
        Ok((sink, Salvaged { geometry, bytes_fetched, lost, doubtful, damage }))
    }

    /// Saves what a pack has; false if its index cannot be read.
    async fn save_pack<S: PageSink + 'static>(
        &self,
        entry: PackEntry,
        saving: &mut Saving,
        sink: &mut Option<S>,
    ) -> Result<bool, RestoreError<S::Error>> {
        let path = self.keys.at(&key::pack(&entry));
        let read = match self.read_for_restore(&entry, None).await {
            Ok(read) if read.index.block_size() == saving.geometry.block_size() => read,
            Ok(_) => {
                let kind = ObjectKind::Pack;
                let error = DecodeError::Misplaced { kind, place: "pack list" };
                saving.note(ReadError::unusable(path)(error))?;
                return Ok(false);
            }
            Err(error) => {
                saving.note(error)?;
                return Ok(false);
            }
        };
        let (chunks, _) = chunks(read, &mut saving.wanted, CHUNK_LEN);
        for chunk in chunks {
            for chunk in single_frames(chunk) {
                self.save_frame(chunk, saving, sink).await?;
            }
        }
        Ok(true)
    }

    /// Fetches one frame and hands its wanted blocks on; a damaged one loses
    /// them, though older packs may have older ones.
    async fn save_frame<S: PageSink + 'static>(
        &self,
        chunk: Chunk,
        saving: &mut Saving,
        sink: &mut Option<S>,
    ) -> Result<(), RestoreError<S::Error>> {
        let blocks = chunk.wanted.clone();
        let path = chunk.key.clone();
        let index = chunk.index.clone();
        let frame = chunk.frames.start;
        let first = index.frames()[frame].first;
        let decoded = match self.fetch_chunk(chunk).await {
            Ok(fetched) => {
                saving.bytes_fetched += fetched.bytes.len() as u64;
                let mut data = Vec::new();
                index
                    .decode_frame(frame, &fetched.bytes, &mut data)
                    .map(|()| data)
                    .map_err(ReadError::unusable(&*path))
            }
            Err(error) => Err(error),
        };
        let data = match decoded {
            Ok(data) => data,
            Err(error) => {
                saving.note(error)?;
                saving.lost.extend(blocks.iter().map(|(_, block)| *block));
                return Ok(());
            }
        };
        let size = saving.geometry.block_size() as usize;
        let bytes = (blocks.len() * size) as u64;
        if saving.unread {
            saving.doubtful.extend(blocks.iter().map(|(_, block)| *block));
        }
        let mut writer = sink.take().expect("handed back after each frame");
        let written = tokio::task::spawn_blocking(move || -> Result<S, S::Error> {
            for (position, block) in blocks {
                let at = (position - first) as usize * size;
                writer.blocks(block, &data[at..at + size])?;
            }
            Ok(writer)
        });
        match written.await {
            Ok(written) => *sink = Some(written.map_err(RestoreError::Sink)?),
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
        saving.listener.tell(Event::Restored { bytes });
        Ok(())
    }
}

/// What was found so far.
struct Saving {
    geometry: Geometry,
    listener: Listener,
    wanted: Wanted,
    bytes_fetched: u64,
    lost: Vec<BlockNo>,
    doubtful: Vec<BlockNo>,
    damage: Vec<ReadError>,
    /// A pack that may have held newer blocks could not be read.
    unread: bool,
}

impl Saving {
    fn note(&mut self, error: ReadError) -> Result<(), ReadError> {
        if !error.is_damage() {
            return Err(error);
        }
        self.damage.push(error);
        Ok(())
    }
}

/// One chunk for each frame, so that damage takes no more than its own.
fn single_frames(chunk: Chunk) -> impl Iterator<Item = Chunk> {
    let mut wanted = chunk.wanted.into_iter().peekable();
    chunk.frames.map(move |frame| {
        let index: &PackIndex = &chunk.index;
        let end = index.frames()[frame].first + index.frames()[frame].blocks;
        let mut own = Vec::new();
        while let Some(block) = wanted.next_if(|(position, _)| *position < end) {
            own.push(block);
        }
        Chunk {
            at: chunk.at.clone(),
            entry: chunk.entry,
            key: chunk.key.clone(),
            index: chunk.index.clone(),
            whole: chunk.whole.clone(),
            frames: frame..frame + 1,
            wanted: own,
        }
    })
}

/// Runs of blocks, ascending; pure.
fn runs(mut blocks: Vec<BlockNo>) -> Vec<(BlockNo, u32)> {
    blocks.sort_unstable();
    let mut runs: Vec<(BlockNo, u32)> = Vec::new();
    for block in blocks {
        match runs.last_mut() {
            Some((first, count)) if first.0 + *count == block.0 => *count += 1,
            _ => runs.push((block, 1)),
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_in_any_order() {
        let blocks = [7, 3, 4, 0, 8].map(BlockNo).to_vec();
        assert_eq!(runs(blocks), [(BlockNo(0), 1), (BlockNo(3), 2), (BlockNo(7), 2)]);
        assert_eq!(runs(Vec::new()), []);
    }
}
