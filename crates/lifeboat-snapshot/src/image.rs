//! One consistent image, readable while a read transaction is open: the
//! database file, and over it the frames of the WAL that it does not hold yet.

use lifeboat_format::geometry::{BlockNo, Geometry, GroupNo};
use lifeboat_sqlite::{FileHandle, WalPosition};

use crate::error::Fault;

const WAL_HEADER: u64 = 32;
const FRAME_HEADER: u64 = 24;

/// An image, read group by group.
pub(crate) struct Image<'t> {
    geometry: Geometry,
    file: FileHandle<'t>,
    file_size: u64,
    wal: Option<Overlay<'t>>,
    bytes_read: u64,
}

impl<'t> Image<'t> {
    /// The image that the database file alone holds.
    pub(crate) fn of_file(file: FileHandle<'t>, geometry: Geometry) -> Result<Self, Fault> {
        Ok(Self { geometry, file_size: file.size()?, file, wal: None, bytes_read: 0 })
    }

    /// Lays the frames up to the position's over the file.
    pub(crate) fn with_wal(
        mut self,
        wal: FileHandle<'t>,
        position: &WalPosition,
    ) -> Result<Self, Fault> {
        let overlay = Overlay::new(wal, position)?;
        self.bytes_read += u64::from(position.header.max_frame) * FRAME_HEADER;
        self.wal = Some(overlay);
        Ok(self)
    }

    pub(crate) fn geometry(&self) -> Geometry {
        self.geometry
    }

    pub(crate) fn bytes_read(&self) -> u64 {
        self.bytes_read
    }

    /// Reads one group, masked, and says which blocks it is.
    pub(crate) fn group(
        &mut self,
        group: GroupNo,
        data: &mut Vec<u8>,
    ) -> Result<(BlockNo, u32), Fault> {
        let (first, count) = self.geometry.blocks_of(group);
        let start = self.geometry.offset_of(first);
        let length = count as usize * self.geometry.block_size() as usize;
        data.resize(length, 0);
        let wanted = (self.geometry.file_size() - start).min(length as u64) as usize;
        // What lies beyond the end of the file is filled with zeros.
        self.file.read_at(&mut data[..wanted], start)?;
        self.bytes_read += self.file_size.saturating_sub(start).min(wanted as u64);
        if let Some(wal) = &self.wal {
            self.bytes_read += wal.apply(start, &mut data[..wanted])?;
        }
        self.geometry.mask(first, data);
        Ok((first, count))
    }
}

/// The newest frame of every page that the WAL holds: eight bytes a page.
struct Overlay<'t> {
    wal: FileHandle<'t>,
    page_size: u64,
    /// Page and frame, ascending by page.
    newest: Vec<(u32, u32)>,
}

impl<'t> Overlay<'t> {
    fn new(wal: FileHandle<'t>, position: &WalPosition) -> Result<Self, Fault> {
        let page_size = u64::from(position.header.page_size);
        let mut newest = Vec::new();
        for frame in 1..=position.header.max_frame {
            let mut header = [0; FRAME_HEADER as usize];
            wal.read_at(&mut header, frame_offset(frame, page_size))?;
            let page = u32::from_be_bytes([header[0], header[1], header[2], header[3]]);
            // The wal-index says that this frame is valid, and the open
            // transaction keeps it. Anything else is an error, not a reason
            // to guess.
            if page == 0 || header[8..16] != position.header.salts {
                return Err(Fault::WalDamaged(frame));
            }
            newest.push((page, frame));
        }
        newest.sort_unstable_by(|a, b| a.0.cmp(&b.0).then(b.1.cmp(&a.1)));
        newest.dedup_by_key(|&mut (page, _)| page);
        Ok(Self { wal, page_size, newest })
    }

    /// Overwrites the pages of `data`, which begins at byte `start` of the
    /// image, and says how many bytes that took.
    fn apply(&self, start: u64, data: &mut [u8]) -> Result<u64, Fault> {
        let first = start / self.page_size + 1;
        let from = self.newest.partition_point(|&(page, _)| u64::from(page) < first);
        let mut bytes = 0;
        for &(page, frame) in &self.newest[from..] {
            let at = (u64::from(page) - first) * self.page_size;
            let Some(place) = usize::try_from(at)
                .ok()
                .and_then(|at| data.get_mut(at..at + self.page_size as usize))
            else {
                break;
            };
            let offset = frame_offset(frame, self.page_size) + FRAME_HEADER;
            if self.wal.read_at(place, offset)? == lifeboat_sqlite::Completeness::Short {
                return Err(Fault::WalDamaged(frame));
            }
            bytes += self.page_size;
        }
        Ok(bytes)
    }
}

fn frame_offset(frame: u32, page_size: u64) -> u64 {
    WAL_HEADER + u64::from(frame - 1) * (page_size + FRAME_HEADER)
}
