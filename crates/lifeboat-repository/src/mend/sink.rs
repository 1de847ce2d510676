//! Reading the live database for what a damaged pack held.

use std::path::PathBuf;

use lifeboat_format::digest::{BlockHash, HashKey};
use lifeboat_format::geometry::{BlockNo, Geometry};
use lifeboat_format::id::PackId;
use lifeboat_format::pack::{PackError, PackOptions, PackWriter};
use lifeboat_format::source::{CaptureError, ChangeSink, PageSource, ScannedGroup, Stopped};

use super::Healed;
use super::content::Wanted;
use crate::archive::NothingKnown;
use crate::error::{BackupError, LocalError, ReadError};
use crate::local::RawTable;
use crate::repository::Database;

/// Room for a pack that is larger than usual: it has the blocks of another one.
const TARGET_LEN: u32 = 16 * 1024 * 1024;

/// Takes the hashes of a live image.
pub(super) struct HashSink {
    table: RawTable,
    geometry: Option<Geometry>,
    fault: Option<std::io::Error>,
}

/// The hashes of a live image, and its shape.
type Live = Option<(RawTable, Geometry)>;

impl HashSink {
    /// Reads a whole image for its hashes.
    pub(super) async fn run<S: PageSource + 'static>(
        mut source: S,
        key: HashKey,
        dir: PathBuf,
    ) -> Result<(S, Live), BackupError<S::Error>> {
        let io =
            |source| ReadError::from(LocalError::at("write a table of hashes in", &dir)(source));
        let table = RawTable::new(&dir).map_err(io)?;
        let mut sink = Self { table, geometry: None, fault: None };
        let work = tokio::task::spawn_blocking(move || {
            let done = source.capture(&key, &mut NothingKnown, &mut sink);
            (source, sink, done)
        });
        let (source, sink, done) = joined(work.await);
        if let Some(fault) = sink.fault {
            return Err(io(fault).into());
        }
        match done {
            Ok(_) => Ok((source, sink.geometry.map(|geometry| (sink.table, geometry)))),
            Err(CaptureError::Source(error)) => Err(BackupError::Source(error)),
            Err(CaptureError::Stopped) => Err(BackupError::Cancelled),
        }
    }
}

impl ChangeSink for HashSink {
    fn begin(&mut self, geometry: Geometry) -> Result<(), Stopped> {
        self.geometry = Some(geometry);
        Ok(())
    }

    fn group(&mut self, group: &ScannedGroup<'_>) -> Result<(), Stopped> {
        self.table.set_run(group.first, group.hashes, 0).map_err(|error| {
            self.fault = Some(error);
            Stopped
        })
    }

    fn keep_going(&self) -> Result<(), Stopped> {
        Ok(())
    }
}

/// Fills a pack with what is wanted: from the live database where it still is
/// that, else from what was found.
struct HealSink {
    wanted: Wanted,
    next: usize,
    writer: PackWriter,
    usable: bool,
    fault: Option<PackError>,
    hashes: Vec<(BlockNo, BlockHash)>,
    lost: Vec<BlockNo>,
    from_packs: u64,
    from_database: u64,
}

impl HealSink {
    /// Decides on every wanted block before this one.
    fn pass(&mut self, end: Option<BlockNo>) -> Result<(), Stopped> {
        while let Some((block, hash)) = self.wanted.blocks.get(self.next).copied() {
            if end.is_some_and(|end| block >= end) {
                break;
            }
            self.next += 1;
            match self.wanted.found.remove(&block) {
                Some(data) => {
                    self.push(block, hash, &data)?;
                    self.from_packs += 1;
                }
                None => self.lost.push(block),
            }
        }
        Ok(())
    }

    fn push(&mut self, block: BlockNo, hash: BlockHash, data: &[u8]) -> Result<(), Stopped> {
        self.hashes.push((block, hash));
        self.writer.push(block, hash, data).map_err(|error| {
            self.fault = Some(error);
            Stopped
        })
    }
}

impl ChangeSink for HealSink {
    fn begin(&mut self, geometry: Geometry) -> Result<(), Stopped> {
        self.usable = geometry.block_size() == self.wanted.block_size;
        Ok(())
    }

    fn group(&mut self, group: &ScannedGroup<'_>) -> Result<(), Stopped> {
        if !self.usable {
            return Ok(());
        }
        let size = self.wanted.block_size as usize;
        for (block, data) in group.changed.iter().zip(group.data.chunks_exact(size)) {
            self.pass(Some(*block))?;
            let Some((wanted, hash)) = self.wanted.blocks.get(self.next).copied() else {
                return Ok(());
            };
            let live = group.hashes.get((block.0 - group.first.0) as usize);
            let other = self.wanted.found.contains_key(block);
            if wanted == *block && live == Some(&hash) && !other {
                self.push(*block, hash, data)?;
                self.from_database += 1;
                self.next += 1;
            }
        }
        Ok(())
    }

    fn keep_going(&self) -> Result<(), Stopped> {
        Ok(())
    }
}

impl Database {
    /// Makes the pack that has what is wanted, as far as it can be had.
    pub(super) async fn write_healed<S: PageSource + 'static>(
        &self,
        source: Option<S>,
        id: PackId,
        wanted: Wanted,
    ) -> Result<(Option<S>, Healed), BackupError<S::Error>> {
        let options = PackOptions::default().with_target_len(TARGET_LEN);
        let writer = PackWriter::new(id, wanted.block_size, options, &self.home())?;
        let knows_all = wanted.knows_all;
        let complete = wanted.found.len() == wanted.blocks.len();
        let mut sink = HealSink {
            wanted,
            next: 0,
            writer,
            usable: false,
            fault: None,
            hashes: Vec::new(),
            lost: Vec::new(),
            from_packs: 0,
            from_database: 0,
        };
        let key = self.repository.hash_key().clone();
        let work = tokio::task::spawn_blocking(move || {
            let mut source = source;
            // The live database is left alone where it is not needed.
            let read = match source.as_mut().filter(|_| !complete) {
                Some(source) => source.capture(&key, &mut NothingKnown, &mut sink).map(|_| ()),
                None => Ok(()),
            };
            let done = read.and_then(|()| sink.pass(None).map_err(CaptureError::from));
            (source, sink, done)
        });
        let (source, mut sink, done) = joined(work.await);
        if let Some(fault) = sink.fault.take() {
            return Err(fault.into());
        }
        match done {
            Ok(()) => {}
            Err(CaptureError::Source(error)) => return Err(BackupError::Source(error)),
            Err(CaptureError::Stopped) => return Err(BackupError::Cancelled),
        }
        let pack = if sink.hashes.is_empty() { None } else { Some(sink.writer.finish()?) };
        let healed = Healed {
            pack,
            hashes: sink.hashes,
            lost: sink.lost,
            from_packs: sink.from_packs,
            from_database: sink.from_database,
            knows_all,
        };
        Ok((source, healed))
    }
}

fn joined<T>(result: Result<T, tokio::task::JoinError>) -> T {
    match result {
        Ok(done) => done,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}
