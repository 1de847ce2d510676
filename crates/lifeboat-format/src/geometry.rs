//! Pages, blocks and groups: how a database image is divided.
//!
//! SQLite divides a database into *pages*. Lifeboat hashes, sends and restores
//! *blocks*: one page, or, for page sizes below 4 KiB, the 4 KiB of
//! neighbouring pages that would otherwise each pay for a hash of their own.
//! Scans compare *groups* first: 256 KiB of blocks.

use std::fmt;

/// Where SQLite keeps its lock bytes; the page that covers them holds no data
/// (file format, section 1.3, "The Lock-Byte Page").
pub const LOCK_BYTE: u64 = 0x4000_0000;
/// The smallest block, in bytes.
pub const MIN_BLOCK_SIZE: u32 = 4096;
/// The size of a scan group, in bytes, whatever the block size.
pub const GROUP_SIZE: u32 = 256 * 1024;
/// The most pages a database may have (SQLite's own limit).
pub const MAX_PAGE_COUNT: u32 = 0xFFFF_FFFE;

/// A page size in bytes: a power of two from 512 to 65,536.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PageSize(u32);

impl PageSize {
    /// Accepts a page size in bytes, if SQLite does.
    pub fn new(bytes: u32) -> Option<Self> {
        ((512..=65_536).contains(&bytes) && bytes.is_power_of_two()).then_some(Self(bytes))
    }

    /// Reads the two bytes at offset 16 of a database header, where 65,536 is
    /// stored as 1.
    pub fn from_header(field: [u8; 2]) -> Option<Self> {
        match u16::from_be_bytes(field) {
            1 => Some(Self(65_536)),
            n => Self::new(u32::from(n)),
        }
    }

    /// The size in bytes.
    pub fn bytes(self) -> u32 {
        self.0
    }
}

/// A page number, counted from 1 as SQLite does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PageNo(pub u32);

impl fmt::Display for PageNo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A block number, counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlockNo(pub u32);

impl fmt::Display for BlockNo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A group number, counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct GroupNo(pub u32);

/// The shape of a database image: page size and number of pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    page_size: PageSize,
    page_count: u32,
}

impl Geometry {
    /// An image of `page_count` pages, which SQLite bounds by
    /// [`MAX_PAGE_COUNT`].
    pub fn new(page_size: PageSize, page_count: u32) -> Option<Self> {
        (page_count <= MAX_PAGE_COUNT).then_some(Self { page_size, page_count })
    }

    /// The size of one page.
    pub fn page_size(self) -> PageSize {
        self.page_size
    }

    /// How many pages the image has.
    pub fn page_count(self) -> u32 {
        self.page_count
    }

    /// The size of the image in bytes.
    pub fn file_size(self) -> u64 {
        u64::from(self.page_size.0) * u64::from(self.page_count)
    }

    /// The size of one block in bytes: a page, and at least 4 KiB.
    pub fn block_size(self) -> u32 {
        self.page_size.0.max(MIN_BLOCK_SIZE)
    }

    /// How many pages one block holds: 1, 2, 4 or 8.
    pub fn pages_per_block(self) -> u32 {
        self.block_size() / self.page_size.0
    }

    /// How many blocks the image has; the last may be partly beyond the end of
    /// the image, and is padded with zeros there.
    pub fn block_count(self) -> u32 {
        self.page_count.div_ceil(self.pages_per_block())
    }

    /// How many blocks a full group has.
    pub fn blocks_per_group(self) -> u32 {
        GROUP_SIZE / self.block_size()
    }

    /// How many groups the image has; the last may be short.
    pub fn group_count(self) -> u32 {
        self.block_count().div_ceil(self.blocks_per_group())
    }

    /// The blocks of one group: the first, and how many.
    pub fn blocks_of(self, group: GroupNo) -> (BlockNo, u32) {
        let first = group.0.saturating_mul(self.blocks_per_group());
        let count = self.block_count().saturating_sub(first).min(self.blocks_per_group());
        (BlockNo(first), count)
    }

    /// Which group a block belongs to.
    pub fn group_of(self, block: BlockNo) -> GroupNo {
        GroupNo(block.0 / self.blocks_per_group())
    }

    /// The pages of one block, as first and last page number.
    pub fn pages_of(self, block: BlockNo) -> (PageNo, PageNo) {
        let per = self.pages_per_block();
        let first = u64::from(block.0) * u64::from(per) + 1;
        let last = (first + u64::from(per) - 1).min(u64::from(self.page_count));
        (PageNo(first as u32), PageNo(last as u32))
    }

    /// The block that holds a page.
    pub fn block_of(self, page: PageNo) -> BlockNo {
        BlockNo(page.0.saturating_sub(1) / self.pages_per_block())
    }

    /// Where a block begins in the image, in bytes.
    pub fn offset_of(self, block: BlockNo) -> u64 {
        u64::from(block.0) * u64::from(self.block_size())
    }

    /// The lock page, if the image is large enough to have one.
    pub fn lock_page(self) -> Option<PageNo> {
        let page = LOCK_BYTE / u64::from(self.page_size.0) + 1;
        (page <= u64::from(self.page_count)).then_some(PageNo(page as u32))
    }

    /// The block that is nothing but the lock page, and therefore absent: never
    /// read, never hashed, never sent. With pages below 4 KiB there is none;
    /// there the lock page counts as zeros within its block.
    pub fn absent_block(self) -> Option<BlockNo> {
        let page = self.lock_page()?;
        (self.pages_per_block() == 1).then(|| self.block_of(page))
    }

    /// Overwrites with zeros what counts as zeros in the bytes of consecutive
    /// blocks beginning at `first`: the lock page, and what lies beyond the
    /// end of the image.
    pub fn mask(self, first: BlockNo, data: &mut [u8]) {
        let start = self.offset_of(first);
        let mut clear = |from: u64, to: u64| {
            let from = from.saturating_sub(start).min(data.len() as u64) as usize;
            let to = to.saturating_sub(start).min(data.len() as u64) as usize;
            if from < to {
                data[from..to].fill(0);
            }
        };
        if self.lock_page().is_some() {
            clear(LOCK_BYTE, LOCK_BYTE + u64::from(self.page_size.0));
        }
        clear(self.file_size(), u64::MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn geometry(page_size: u32, pages: u32) -> Geometry {
        Geometry::new(PageSize::new(page_size).expect("valid"), pages).expect("valid")
    }

    #[test]
    fn page_sizes() {
        assert_eq!(PageSize::from_header([0, 1]).map(PageSize::bytes), Some(65_536));
        assert_eq!(PageSize::from_header([0x10, 0]).map(PageSize::bytes), Some(4096));
        for bad in [0, 1, 256, 513, 1000, 131_072] {
            assert_eq!(PageSize::new(bad), None, "{bad}");
        }
    }

    #[test]
    fn small_pages_share_a_block() {
        let g = geometry(512, 17);
        assert_eq!((g.block_size(), g.pages_per_block(), g.block_count()), (4096, 8, 3));
        assert_eq!(g.pages_of(BlockNo(2)), (PageNo(17), PageNo(17)));
        assert_eq!(g.block_of(PageNo(16)), BlockNo(1));
        let mut data = vec![7; 4096];
        g.mask(BlockNo(2), &mut data);
        assert!(data[..512].iter().all(|&b| b == 7) && data[512..].iter().all(|&b| b == 0));
    }

    #[test]
    fn groups_cover_every_block_once() {
        for (size, pages) in
            [(512, 1), (1024, 1000), (4096, 64), (4096, 65), (65_536, 9), (8192, 0)]
        {
            let g = geometry(size, pages);
            let total: u32 = (0..g.group_count()).map(|n| g.blocks_of(GroupNo(n)).1).sum();
            assert_eq!(total, g.block_count());
            assert_eq!(g.blocks_of(GroupNo(g.group_count())).1, 0);
        }
    }

    #[test]
    fn the_lock_page_holds_no_data() {
        let g = geometry(4096, 262_145);
        assert_eq!(g.lock_page(), Some(PageNo(262_145)));
        assert_eq!(g.absent_block(), Some(BlockNo(262_144)));
        assert_eq!(geometry(4096, 262_144).lock_page(), None);

        let g = geometry(1024, 2_000_000);
        assert_eq!(g.absent_block(), None);
        let block = g.block_of(g.lock_page().expect("large enough"));
        let mut data = vec![1; 4096];
        g.mask(block, &mut data);
        assert!(data[..1024].iter().all(|&b| b == 0) && data[1024..].iter().all(|&b| b == 1));
    }
}
