//! What all share: the WAL, the wal-index and its locks.

use lifeboat_sqlite::{WalIndexHeader, WalPosition};

use super::{CKPT, NOT_USED, READ, WRITE};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Frame {
    pub(super) life: u32,
    pub(super) serial: u32,
    /// The serial of the frame before, which its checksum goes on from.
    pub(super) before: u32,
    pub(super) commit: Option<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Header {
    pub(super) life: u32,
    pub(super) frames: u32,
    pub(super) change: u32,
}

/// What all share: the files and the wal-index.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Shared {
    pub(super) wal: Vec<Frame>,
    /// The life that the header of the WAL names; 0 for none.
    pub(super) wal_life: u32,
    pub(super) header: Header,
    pub(super) torn: bool,
    pub(super) lives: u32,
    pub(super) serials: u32,
    pub(super) backfilled: u32,
    pub(super) marks: [u32; 5],
    pub(super) shared: [u8; 8],
    pub(super) exclusive: [Option<u8>; 8],
    /// Every commit that was ever published, in order.
    pub(super) committed: Vec<u32>,
}

impl Shared {
    pub(super) fn new() -> Self {
        Self {
            wal: Vec::new(),
            wal_life: 0,
            header: Header { life: 1, frames: 0, change: 0 },
            torn: false,
            lives: 1,
            serials: 0,
            backfilled: 0,
            marks: [0, 0, NOT_USED, NOT_USED, NOT_USED],
            shared: [0; 8],
            exclusive: [None; 8],
            committed: Vec::new(),
        }
    }

    pub(super) fn lock_shared(&mut self, slot: usize, who: u8) -> bool {
        let free = self.exclusive[slot].is_none();
        if free {
            self.shared[slot] |= 1 << who;
        }
        free
    }

    pub(super) fn can_exclude(&self, slots: std::ops::Range<usize>) -> bool {
        slots.into_iter().all(|slot| self.exclusive[slot].is_none() && self.shared[slot] == 0)
    }

    pub(super) fn lock_exclusive(&mut self, slot: usize, who: u8) -> bool {
        let free = self.can_exclude(slot..slot + 1);
        if free {
            self.exclusive[slot] = Some(who);
        }
        free
    }

    pub(super) fn unlock(&mut self, slot: usize, who: u8) {
        self.shared[slot] &= !(1 << who);
        if self.exclusive[slot] == Some(who) {
            self.exclusive[slot] = None;
        }
    }

    pub(super) fn unlock_all(&mut self, who: u8) {
        for slot in 0..8 {
            self.unlock(slot, who);
        }
    }

    /// walTryBeginRead: the read lock that was taken.
    pub(super) fn begin_read(&mut self, who: u8, use_wal: bool) -> Option<usize> {
        let frames = self.header.frames;
        if !use_wal && self.backfilled == frames && self.lock_shared(READ, who) {
            return Some(0);
        }
        let usable = |mark: u32| mark != NOT_USED && mark <= frames;
        let mut best = (1..5).filter(|&i| usable(self.marks[i])).max_by_key(|&i| self.marks[i]);
        if best.is_none_or(|i| self.marks[i] < frames)
            && let Some(i) = (1..5).find(|&i| self.can_exclude(READ + i..READ + i + 1))
        {
            self.marks[i] = frames;
            best = Some(i);
        }
        best.filter(|&i| self.lock_shared(READ + i, who))
    }

    /// walRestartHdr.
    pub(crate) fn restart(&mut self) {
        self.lives += 1;
        self.header = Header { life: self.lives, frames: 0, change: self.header.change + 1 };
        self.backfilled = 0;
        self.marks = [0, 0, NOT_USED, NOT_USED, NOT_USED];
    }

    /// walIndexRecover: what the WAL itself says, phantoms included.
    pub(super) fn recover(&mut self) -> bool {
        if !self.can_exclude(WRITE..CKPT + 1) {
            return false;
        }
        let (mut frames, mut before) = (0, 0);
        for (i, frame) in self.wal.iter().enumerate() {
            if frame.life != self.wal_life || frame.before != before {
                break;
            }
            before = frame.serial;
            if frame.commit.is_some() {
                frames = i as u32 + 1;
            }
        }
        // An empty WAL gives random salts.
        self.lives += 1;
        let life = if frames > 0 { self.wal_life } else { self.lives };
        self.header = Header { life, frames, change: self.header.change + 1 };
        self.torn = false;
        self.backfilled = 0;
        for i in 1..5 {
            if self.can_exclude(READ + i..READ + i + 1) {
                self.marks[i] = if i == 1 && frames > 0 { frames } else { NOT_USED };
            }
        }
        for frame in &self.wal[..frames as usize] {
            if let Some(id) = frame.commit
                && !self.committed.contains(&id)
            {
                self.committed.push(id);
            }
        }
        true
    }

    /// The marks that a checkpoint honours, and what it may copy.
    pub(super) fn safe_frames(&mut self) -> u32 {
        let mut safe = self.header.frames;
        for i in 1..5 {
            if safe > self.marks[i] {
                if self.can_exclude(READ + i..READ + i + 1) {
                    self.marks[i] = if i == 1 { safe } else { NOT_USED };
                } else {
                    safe = self.marks[i];
                }
            }
        }
        safe
    }

    pub(super) fn seen(&self) -> WalPosition {
        let Header { life, frames, change } = self.header;
        let serial = match frames {
            0 => 0,
            frames => self.wal[frames as usize - 1].serial,
        };
        WalPosition {
            header: WalIndexHeader {
                page_size: 4096,
                max_frame: frames,
                page_count: 1,
                salts: u64::from(life).to_le_bytes(),
                frame_checksum: (serial, 7),
                big_endian_checksums: false,
                change,
                bytes: [0; WalIndexHeader::LEN],
            },
            backfilled: self.backfilled,
        }
    }
}
