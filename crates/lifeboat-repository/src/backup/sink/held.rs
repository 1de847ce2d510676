//! Changed blocks held back until all are known, so that a small change and
//! what is sent again with it share one pack.

use lifeboat_format::digest::BlockHash;
use lifeboat_format::geometry::BlockNo;

use super::{Fault, Image, Sink};

/// How many bytes are held back at most. A greater change fills packs of its
/// own.
const MOST: usize = 2 * 1024 * 1024;

/// Changed blocks, ascending.
#[derive(Debug, Default)]
pub(super) struct Held {
    blocks: Vec<(BlockNo, BlockHash)>,
    data: Vec<u8>,
    /// How many of the blocks were packed.
    packed: usize,
    /// The change is too great: nothing is held any more.
    let_go: bool,
}

impl Held {
    /// Takes a block in, if there is room.
    fn take_in(&mut self, block: BlockNo, hash: BlockHash, data: &[u8]) -> bool {
        if self.let_go || self.data.len() + data.len() > MOST {
            return false;
        }
        self.blocks.push((block, hash));
        self.data.extend_from_slice(data);
        true
    }
}

impl Sink {
    /// Packs a changed block, now or later, and returns the position of its
    /// pack: what is held fits into the first new one.
    pub(super) fn pack_or_hold(
        &mut self,
        image: &mut Image,
        block: BlockNo,
        hash: BlockHash,
        data: &[u8],
    ) -> Result<u32, Fault> {
        if image.held.take_in(block, hash, data) {
            return Ok(self.base_packs as u32);
        }
        self.let_go(image)?;
        self.pack(image, block, hash, data)
    }

    /// Packs all blocks that are held, and holds none from now on.
    pub(super) fn let_go(&mut self, image: &mut Image) -> Result<(), Fault> {
        image.held.let_go = true;
        self.pack_held(image, BlockNo(u32::MAX), |_, _| ())?;
        image.held = Held { let_go: true, ..Held::default() };
        Ok(())
    }

    /// Packs the held blocks before `end`, and tells the position of the pack of
    /// each.
    pub(super) fn pack_held(
        &mut self,
        image: &mut Image,
        end: BlockNo,
        mut tell: impl FnMut(BlockNo, u32),
    ) -> Result<(), Fault> {
        let mut held = std::mem::take(&mut image.held);
        let size = image.geometry.block_size() as usize;
        while let Some(&(block, hash)) = held.blocks.get(held.packed).filter(|(b, _)| *b < end) {
            let data = &held.data[held.packed * size..][..size];
            let pack = self.pack(image, block, hash, data)?;
            held.packed += 1;
            tell(block, pack);
        }
        image.held = held;
        Ok(())
    }
}
