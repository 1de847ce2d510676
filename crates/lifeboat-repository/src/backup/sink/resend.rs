//! Sends blocks again that did not change, so that their packs can be dropped.
//!
//! What is sent again is decided once everything is known that changed
//! ([`crate::consolidation`]). The source then reads those blocks again; each
//! proves by its hash that it is still what the image has.

use lifeboat_format::digest::BlockHash;
use lifeboat_format::geometry::{BlockNo, GroupNo};
use lifeboat_format::pack::MAX_BLOCKS;

use super::{Fault, Image, Sink, target_len};
use crate::consolidation::{PackUse, Policy, plan};
use crate::error::LocalError;
use crate::local::Row;

/// How far sending again has come.
#[derive(Debug, Default)]
pub(super) struct Resend {
    planned: bool,
    /// For each pack of the base, how many of its blocks are still to be sent.
    wanted: Vec<u32>,
    /// The sum of those.
    left: u64,
    /// The group that the source was asked for, or will be next.
    group: GroupNo,
    row: Row,
    /// Held blocks that did not go into the first new pack.
    moved: Vec<(BlockNo, u32)>,
    /// How many blocks were sent again.
    pub(super) blocks: u64,
}

impl Resend {
    fn wants(&self, pack: Option<u32>) -> bool {
        pack.and_then(|pack| self.wanted.get(pack as usize)).is_some_and(|&left| left > 0)
    }
}

impl Sink {
    /// The next group that holds blocks to be sent again.
    pub(super) fn next_wanted(&mut self, image: &mut Image) -> Result<Option<GroupNo>, Fault> {
        if !image.resend.planned {
            self.plan(image)?;
        }
        while image.resend.left > 0 && image.resend.group < image.next {
            let group = image.resend.group;
            let mut row = std::mem::take(&mut image.resend.row);
            image.table.read_back(group, &mut row).map_err(|error| self.table_fault(error))?;
            let found = row.packs.iter().any(|pack| image.resend.wants(*pack));
            image.resend.row = row;
            if found {
                return Ok(Some(group));
            }
            image.resend.group.0 += 1;
        }
        image.resend.left = 0;
        self.end(image)?;
        Ok(None)
    }

    fn plan(&mut self, image: &mut Image) -> Result<(), Fault> {
        image.resend.planned = true;
        let base = self.packs[..self.base_packs].iter().zip(&image.live);
        let uses: Vec<PackUse> = base
            .map(|(entry, &live)| PackUse { blocks: entry.blocks, live: live as u32 })
            .collect();
        let policy = Policy::of_full_pack(self.full_pack(image));
        image.resend.wanted = plan(&uses, image.blocks_changed, &policy).resend;
        image.resend.left = image.resend.wanted.iter().map(|&blocks| u64::from(blocks)).sum();
        if image.resend.left > 0 {
            // What is sent again begins at the first block: a pack is ascending.
            if let Some(writer) = image.writer.take() {
                self.send(writer, image)?;
            }
        }
        Ok(())
    }

    /// How many blocks a pack holds when it is full, by those that are there.
    fn full_pack(&self, image: &Image) -> u32 {
        let packs = &self.packs[..self.base_packs];
        let blocks: u64 = packs.iter().map(|entry| u64::from(entry.blocks)).sum();
        let bytes: u64 = packs.iter().map(|entry| u64::from(entry.size)).sum();
        let full = u64::from(target_len(image.geometry)) * blocks / bytes.max(1);
        full.clamp(1, u64::from(MAX_BLOCKS)) as u32
    }

    /// Packs the wanted blocks of the group that was asked for.
    pub(super) fn send_again(&mut self, image: &mut Image, data: &[u8]) -> Result<(), Fault> {
        let group = image.resend.group;
        let (first, _) = image.geometry.blocks_of(group);
        let size = image.geometry.block_size() as usize;
        let key = self.database.repository().hash_key().clone();
        let mut row = std::mem::take(&mut image.resend.row);
        let blocks = (first.0..).map(BlockNo).zip(data.chunks_exact(size));
        for ((block, bytes), at) in blocks.zip(0..row.packs.len()) {
            let Some(from) = row.packs[at].filter(|pack| image.resend.wants(Some(*pack))) else {
                continue;
            };
            // Somebody wrote since: the block stays where it is.
            let hash = row.hashes[at];
            if hash.is_absent() || BlockHash::of(&key, bytes) != hash {
                continue;
            }
            self.pack_held_before(image, block)?;
            let pack = self.pack(image, block, hash, bytes)?;
            image.live[from as usize] -= 1;
            image.count(pack);
            image.resend.wanted[from as usize] -= 1;
            image.resend.left -= 1;
            image.resend.blocks += 1;
            row.packs[at] = Some(pack);
        }
        image.table.replace(group, &row).map_err(|error| self.table_fault(error))?;
        image.resend.row = row;
        image.resend.group.0 += 1;
        Ok(())
    }

    fn pack_held_before(&mut self, image: &mut Image, end: BlockNo) -> Result<(), Fault> {
        let first = self.base_packs as u32;
        let mut moved = std::mem::take(&mut image.resend.moved);
        self.pack_held(image, end, |block, pack| {
            if pack != first {
                moved.push((block, pack));
            }
        })?;
        image.resend.moved = moved;
        Ok(())
    }

    /// Packs what is still held, and says in the table where it went.
    fn end(&mut self, image: &mut Image) -> Result<(), Fault> {
        if image.resend.blocks == 0 {
            return Ok(());
        }
        self.pack_held_before(image, BlockNo(u32::MAX))?;
        let mut row = std::mem::take(&mut image.resend.row);
        for (block, pack) in std::mem::take(&mut image.resend.moved) {
            let group = image.geometry.group_of(block);
            let at = (block.0 - image.geometry.blocks_of(group).0.0) as usize;
            image.table.read_back(group, &mut row).map_err(|error| self.table_fault(error))?;
            row.packs[at] = Some(pack);
            image.table.replace(group, &row).map_err(|error| self.table_fault(error))?;
            image.live[self.base_packs] -= 1;
            image.count(pack);
        }
        Ok(())
    }

    fn table_fault(&self, error: std::io::Error) -> Fault {
        Fault::Local(LocalError::at("write a page table in", &self.dir)(error))
    }
}
