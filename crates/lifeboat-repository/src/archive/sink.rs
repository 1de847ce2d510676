//! Takes an image, group by group, and writes it as a database file.

use std::io::{self, Write};

use lifeboat_format::archive::ArchiveEncoder;
use lifeboat_format::digest::{BlockHash, Digest, GroupHash, ImageDigester};
use lifeboat_format::geometry::{BlockNo, Geometry, GroupNo};
use lifeboat_format::source::{ChangeSink, KnownBlocks, ScannedGroup, Stopped};

use crate::progress::{Event, Listener};

/// Nothing is known, so that every block is handed over.
pub(crate) struct NothingKnown;

impl KnownBlocks for NothingKnown {
    fn geometry(&self) -> Option<Geometry> {
        None
    }

    fn group(&mut self, _: GroupNo, hashes: &mut Vec<BlockHash>) -> Result<GroupHash, Stopped> {
        hashes.clear();
        Ok(GroupHash::UNKNOWN)
    }
}

/// What was written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Written {
    pub(super) geometry: Geometry,
    pub(super) digest: Digest,
}

/// Writes an image in order.
pub(super) struct FileSink<W: Write> {
    out: ArchiveEncoder<W>,
    geometry: Option<Geometry>,
    digester: ImageDigester,
    listener: Listener,
    fault: Option<io::Error>,
}

impl<W: Write> FileSink<W> {
    pub(super) fn new(out: ArchiveEncoder<W>, listener: Listener) -> Self {
        Self { out, geometry: None, digester: ImageDigester::default(), listener, fault: None }
    }

    /// Why the source was stopped.
    pub(super) fn into_fault(self) -> Option<io::Error> {
        self.fault
    }

    /// Ends the image, when the source has delivered all of it.
    pub(super) fn finish(self) -> (ArchiveEncoder<W>, Written) {
        let geometry = self.geometry.expect("a source begins before it ends");
        (self.out, Written { geometry, digest: self.digester.finish() })
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Stopped> {
        self.out.write_all(bytes).map_err(|error| {
            self.fault = Some(error);
            Stopped
        })
    }
}

impl<W: Write + Send> ChangeSink for FileSink<W> {
    fn begin(&mut self, geometry: Geometry) -> Result<(), Stopped> {
        self.geometry = Some(geometry);
        self.listener.tell(Event::Reading { bytes: geometry.file_size() });
        Ok(())
    }

    fn group(&mut self, group: &ScannedGroup<'_>) -> Result<(), Stopped> {
        let geometry = self.geometry.expect("a source begins before its first group");
        let size = geometry.block_size() as usize;
        let mut changed = group.changed.iter().zip(group.data.chunks_exact(size)).peekable();
        for (offset, &hash) in group.hashes.iter().enumerate() {
            let block = BlockNo(group.first.0 + offset as u32);
            self.digester.push(hash);
            let left = geometry.file_size() - geometry.offset_of(block);
            let wanted = left.min(size as u64) as usize;
            match changed.next_if(|(number, _)| **number == block) {
                Some((_, data)) => self.write(&data[..wanted])?,
                // Nothing is known, so only the lock page is not handed over.
                None => self.write(&vec![0; wanted])?,
            }
        }
        self.listener.tell(Event::Scanned { bytes: (group.hashes.len() * size) as u64 });
        Ok(())
    }

    fn keep_going(&self) -> Result<(), Stopped> {
        Ok(())
    }
}
