//! Takes the groups of a new image: packs what changed, and writes the page
//! table of the image. What is sent again besides is in [`resend`].

mod held;
mod resend;

use lifeboat_format::digest::{BlockHash, Digest, ImageDigester};
use lifeboat_format::geometry::{BlockNo, Geometry, GroupNo};
use lifeboat_format::id::{PackId, Suffix};
use lifeboat_format::list::PackEntry;
use lifeboat_format::pack::{PackError, PackOptions, PackWriter};
use lifeboat_format::record::LogPlace;
use lifeboat_format::source::{ChangeSink, ScannedGroup, Stopped};

use held::Held;
use resend::Resend;

use super::encoders::Encoders;
use super::queue::{QueueIn, Refused};
use crate::error::LocalError;
use crate::following::Follower;
use crate::local::{FinishedTable, Footer, Row, TableReader, TableWriter, random};
use crate::progress::{Event, Listener};
use crate::repository::Database;

const MIB: u64 = 1024 * 1024;

/// Why the sink stopped the source.
pub(super) enum Fault {
    /// Nobody takes packs any more: the upload failed, or the run was cancelled.
    Closed,
    Local(LocalError),
    Pack(PackError),
}

/// What a capture brought.
pub(super) struct Taken {
    pub(super) geometry: Geometry,
    /// The packs that hold the image: those of the base that are still needed,
    /// and new ones, oldest first.
    pub(super) packs: Vec<PackEntry>,
    /// How many of the new packs there are.
    pub(super) new_packs: usize,
    pub(super) new_bytes: u64,
    pub(super) image_digest: Digest,
    pub(super) blocks_changed: u64,
    /// Blocks that did not change and were sent all the same.
    pub(super) blocks_resent: u64,
    pub(super) changed: Vec<(BlockNo, u32)>,
    pub(super) table: FinishedTable,
    pub(super) footer: Footer,
    /// Where the image stands in the commit log, where that is followed.
    pub(super) place: Option<LogPlace>,
}

/// Takes the groups of one image.
pub(super) struct Sink {
    database: Database,
    base: Option<TableReader>,
    /// The packs of the base, then the new ones.
    packs: Vec<PackEntry>,
    base_packs: usize,
    queue: QueueIn,
    encoders: Encoders,
    level: i32,
    dir: std::path::PathBuf,
    note_changes: bool,
    listener: Listener,
    fault: Option<Fault>,
    image: Option<Image>,
    follower: Option<Follower>,
    placing: Option<Box<dyn FnOnce() -> LogPlace + Send>>,
    place: Option<LogPlace>,
}

/// What grows with each group.
struct Image {
    geometry: Geometry,
    table: TableWriter,
    digester: ImageDigester,
    writer: Option<PackWriter>,
    /// Changed blocks that wait to share a pack with what is sent again.
    held: Held,
    resend: Resend,
    /// How many blocks of the image each pack holds.
    live: Vec<u64>,
    next: GroupNo,
    known: Row,
    row: Row,
    blocks_changed: u64,
    new_bytes: u64,
    changed: Vec<(BlockNo, u32)>,
}

impl Image {
    /// Counts a block of the image that a pack holds.
    fn count(&mut self, pack: u32) {
        let pack = pack as usize;
        if self.live.len() <= pack {
            self.live.resize(pack + 1, 0);
        }
        self.live[pack] += 1;
    }
}

impl Sink {
    pub(super) fn new(
        database: Database,
        base: Option<TableReader>,
        packs: Vec<PackEntry>,
        queue: QueueIn,
        dir: std::path::PathBuf,
        options: &super::BackupOptions,
        listener: Listener,
    ) -> Self {
        Self {
            database,
            base,
            base_packs: packs.len(),
            packs,
            queue,
            encoders: Encoders::default(),
            level: options.level,
            dir,
            note_changes: options.note_changes,
            listener,
            fault: None,
            image: None,
            follower: options.follower(),
            placing: None,
            place: None,
        }
    }

    /// To be called before the read begins that fixes the image.
    pub(super) fn before_the_read(&mut self) {
        self.placing = self.follower.as_ref().map(|follower| Box::new(follower.begin()) as _);
    }

    /// Why the source was stopped.
    pub(super) fn fault(self) -> Option<Fault> {
        self.fault
    }

    fn stop(&mut self, fault: Fault) -> Stopped {
        self.fault = Some(fault);
        Stopped
    }

    fn local(&mut self, error: std::io::Error) -> Stopped {
        let fault = LocalError::at("write a page table in", &self.dir)(error);
        self.stop(Fault::Local(fault))
    }

    /// Ends the image, when the source has delivered all of it.
    pub(super) fn finish(mut self) -> Result<Taken, Fault> {
        let mut image = self.image.take().expect("a source begins before it ends");
        self.let_go(&mut image)?;
        if let Some(writer) = image.writer.take() {
            self.send(writer, &mut image)?;
        }
        let ids: Vec<PackId> = self.packs.iter().map(|entry| entry.pack).collect();
        let mut footer = Footer::new(image.geometry, ids);
        footer.image_digest = Some(image.digester.finish());
        let table = image
            .table
            .finish(&footer)
            .map_err(|e| Fault::Local(LocalError::at("write a page table in", &self.dir)(e)))?;
        let new_packs = self.packs.len() - self.base_packs;
        let mut live = image.live.iter();
        self.packs.retain(|_| live.next().is_some_and(|&blocks| blocks > 0));
        Ok(Taken {
            geometry: image.geometry,
            packs: self.packs,
            new_packs,
            new_bytes: image.new_bytes,
            image_digest: image.digester.finish(),
            blocks_changed: image.blocks_changed,
            blocks_resent: image.resend.blocks,
            changed: image.changed,
            table,
            footer,
            place: self.place,
        })
    }

    fn send(&mut self, writer: PackWriter, image: &mut Image) -> Result<(), Fault> {
        let pack = writer.finish().map_err(Fault::Pack)?;
        let entry = pack.entry(Suffix::from_bytes(random()));
        image.new_bytes += u64::from(entry.size);
        self.packs.push(entry);
        self.listener.tell(Event::Packed { bytes: u64::from(entry.size) });
        self.queue.put(entry, pack.parts).map_err(|refused| match refused {
            Refused::Closed => Fault::Closed,
            Refused::Spool(error) => Fault::Local(error),
        })
    }

    /// Packs one changed block, and returns the position of its pack.
    fn pack(
        &mut self,
        image: &mut Image,
        block: BlockNo,
        hash: BlockHash,
        data: &[u8],
    ) -> Result<u32, Fault> {
        if let Some(full) = image.writer.take_if(|writer| writer.is_full()) {
            self.send(full, image)?;
        }
        if image.writer.is_none() {
            let options = PackOptions::default()
                .with_level(self.level)
                .with_target_len(target_len(image.geometry));
            let id = PackId::from_bytes(random());
            let home = self.database.home();
            let writer = PackWriter::new(id, image.geometry.block_size(), options, &home);
            let buffers = self.queue.buffers();
            let writer = writer.map_err(Fault::Pack)?.with_buffers(move || buffers.take());
            image.writer = Some(writer.with_encoders(self.encoders.lane()));
        }
        let writer = image.writer.as_mut().expect("made above");
        writer.push(block, hash, data).map_err(Fault::Pack)?;
        Ok(self.packs.len() as u32)
    }

    fn take(&mut self, image: &mut Image, group: &ScannedGroup<'_>) -> Result<(), Fault> {
        match &mut self.base {
            Some(base) => base.row(image.next, &mut image.known),
            None => image.known = Row::default(),
        }
        image.row.group = group.group_hash;
        image.row.hashes.clear();
        image.row.hashes.extend_from_slice(group.hashes);
        image.row.packs.clear();
        let size = image.geometry.block_size() as usize;
        let mut changed = group.changed.iter().zip(group.data.chunks_exact(size)).peekable();
        for (offset, &hash) in group.hashes.iter().enumerate() {
            let block = BlockNo(group.first.0 + offset as u32);
            image.digester.push(hash);
            let pack = match changed.next_if(|(changed, _)| **changed == block) {
                Some((_, data)) => {
                    self.note(image, block);
                    Some(self.pack_or_hold(image, block, hash, data)?)
                }
                None => image.known.packs.get(offset).copied().flatten(),
            };
            if let Some(pack) = pack {
                image.count(pack);
            }
            image.row.packs.push(pack);
        }
        image.next = GroupNo(image.next.0 + 1);
        self.listener.tell(Event::Scanned { bytes: (group.hashes.len() * size) as u64 });
        Ok(())
    }

    fn note(&self, image: &mut Image, block: BlockNo) {
        image.blocks_changed += 1;
        if !self.note_changes {
            return;
        }
        match image.changed.last_mut() {
            Some((first, count)) if first.0 + *count == block.0 => *count += 1,
            _ => image.changed.push((block, 1)),
        }
    }
}

impl ChangeSink for Sink {
    fn begin(&mut self, geometry: Geometry) -> Result<(), Stopped> {
        // The shape is known because the read began.
        self.place = self.placing.take().map(|place| place());
        // Blocks of another size cannot be compared: a new base.
        if self.base.as_ref().is_none_or(|b| b.geometry().block_size() != geometry.block_size()) {
            self.base = None;
            self.packs.clear();
            self.base_packs = 0;
        }
        self.listener.tell(Event::Reading { bytes: geometry.file_size() });
        let table = TableWriter::create(&self.dir, geometry).map_err(|e| self.local(e))?;
        self.image = Some(Image {
            geometry,
            table,
            digester: ImageDigester::default(),
            writer: None,
            held: Held::default(),
            resend: Resend::default(),
            live: vec![0; self.packs.len()],
            next: GroupNo(0),
            known: Row::default(),
            row: Row::default(),
            blocks_changed: 0,
            new_bytes: 0,
            changed: Vec::new(),
        });
        Ok(())
    }

    fn group(&mut self, group: &ScannedGroup<'_>) -> Result<(), Stopped> {
        self.keep_going()?;
        let mut image = self.image.take().expect("a source begins before its first group");
        let taken = self.take(&mut image, group).map_err(|fault| self.stop(fault));
        let written = taken.and_then(|()| image.table.push(&image.row).map_err(|e| self.local(e)));
        self.image = Some(image);
        written
    }

    fn keep_going(&self) -> Result<(), Stopped> {
        if self.queue.is_open() { Ok(()) } else { Err(Stopped) }
    }

    fn wanted_again(&mut self) -> Result<Option<GroupNo>, Stopped> {
        let mut image = self.image.take().expect("a source begins before it ends");
        let wanted = self.next_wanted(&mut image).map_err(|fault| self.stop(fault));
        self.image = Some(image);
        wanted
    }

    fn group_again(&mut self, data: &[u8]) -> Result<(), Stopped> {
        self.keep_going()?;
        let mut image = self.image.take().expect("a source begins before it ends");
        let sent = self.send_again(&mut image, data).map_err(|fault| self.stop(fault));
        self.image = Some(image);
        sent
    }
}

/// The size in bytes at which packs of a database are full: 8 MiB, growing to
/// 16 MiB from 128 GiB on, so that lists of packs stay short.
fn target_len(geometry: Geometry) -> u32 {
    (geometry.file_size() / 8192).clamp(8 * MIB, 16 * MIB) as u32
}
