//! Capturing a database in a rollback journal mode, in two passes.
//!
//! A reader makes writers wait, so the database is first read in short slices
//! with the lock let go between them, into temporary files. One last hold then
//! settles everything: groups that were read in a state that is no longer the
//! present one are hashed again, and read again where their hash moved.
//!
//! The hold is as long as hashing takes, some 250 ms for each GiB, plus
//! the time for the groups that moved; it is next to nothing if nobody wrote.

use std::path::Path;
use std::time::{Duration, Instant};

use lifeboat_format::digest::{GroupHash, HashKey};
use lifeboat_format::geometry::{Geometry, GroupNo};
use lifeboat_format::source::{CapturedImage, ChangeSink, Fingerprint, KnownBlocks, ScannedGroup};
use lifeboat_sqlite::{JournalMode, ReadTransaction};
use time::OffsetDateTime;

use crate::diff::Differ;
use crate::error::Fault;
use crate::fingerprint;
use crate::header::Header;
use crate::identity::Touch;
use crate::image::Image;
use crate::options::Slice;
use crate::spool::{Row, Spool};

/// What the two passes need of the database.
pub(crate) trait Host {
    /// Begins a read transaction, and says what the file looks like within it.
    fn begin(&mut self) -> Result<(ReadTransaction<'_>, Touch), Fault>;
}

/// The state of the database within one transaction.
#[derive(PartialEq, Eq)]
struct State {
    header: Header,
    touch: Touch,
}

/// Reading that has come this far.
struct Pass<'k> {
    differ: Differ<'k>,
    spool: Spool,
    geometry: Geometry,
    state: State,
    /// The next group to be read for the first time.
    next: u32,
    /// Groups from here on were read in the state `state`.
    settled_from: u32,
    bytes_read: u64,
    buffer: Vec<u8>,
}

/// Captures the state at the last hold. `None` if the database changed its
/// journal mode or page size meanwhile: the sink has seen nothing, and all
/// begins anew.
pub(crate) fn capture(
    host: &mut dyn Host,
    slice: Slice,
    spool_dir: Option<&Path>,
    key: &HashKey,
    known: &mut dyn KnownBlocks,
    sink: &mut dyn ChangeSink,
) -> Result<Option<(CapturedImage, Header)>, Fault> {
    let mut pass = {
        let (read, touch) = host.begin()?;
        let Some((state, geometry)) = look(&read, touch)? else {
            return Ok(None);
        };
        Pass {
            differ: Differ::new(key),
            spool: Spool::create(spool_dir, geometry).map_err(Fault::Spool)?,
            geometry,
            state,
            next: 0,
            settled_from: 0,
            bytes_read: 0,
            buffer: Vec::new(),
        }
    };
    while pass.next < pass.geometry.group_count() {
        // No lock is held here.
        sink.keep_going()?;
        let (read, touch) = host.begin()?;
        if !pass.enter(&read, touch)? {
            return Ok(None);
        }
        pass.read_slice(&read, slice, known, sink)?;
    }
    let settled = {
        sink.keep_going()?;
        let (read, touch) = host.begin()?;
        let taken_at = OffsetDateTime::now_utc();
        if !pass.enter(&read, touch)? {
            return Ok(None);
        }
        pass.settle(&read, known, sink)?;
        if read.has_moved()? {
            return Err(Fault::Replaced);
        }
        taken_at
    };
    pass.feed(sink)?;
    pass.read_again(host, slice, sink)?;
    Ok(Some(pass.finish(settled)))
}

/// What a transaction sees; `None` in WAL mode.
fn look(read: &ReadTransaction<'_>, touch: Touch) -> Result<Option<(State, Geometry)>, Fault> {
    if read.journal_mode()? == JournalMode::Wal {
        return Ok(None);
    }
    let file = read.main_file()?;
    let header = Header::read(&file)?;
    let geometry = header.geometry(file.size()?)?;
    Ok(Some((State { header, touch }, geometry)))
}

/// The state of a database, if it can be recognised, in a transaction.
pub(crate) fn fingerprint(read: &ReadTransaction<'_>, touch: &Touch) -> Result<Fingerprint, Fault> {
    let header = Header::read(&read.main_file()?)?;
    Ok(fingerprint::of_rollback(touch, &header))
}

impl Pass<'_> {
    /// Takes note of the state in a new transaction; false if all that was
    /// read is of no use in it.
    fn enter(&mut self, read: &ReadTransaction<'_>, touch: Touch) -> Result<bool, Fault> {
        let Some((state, geometry)) = look(read, touch)? else {
            return Ok(false);
        };
        if geometry.page_size() != self.geometry.page_size() {
            return Ok(false);
        }
        if state != self.state {
            // Somebody committed: nothing read before can be relied on.
            self.settled_from = self.next;
        }
        self.geometry = geometry;
        self.state = state;
        Ok(true)
    }

    /// Reads groups until the slice is over.
    fn read_slice(
        &mut self,
        read: &ReadTransaction<'_>,
        slice: Slice,
        known: &mut dyn KnownBlocks,
        sink: &dyn ChangeSink,
    ) -> Result<(), Fault> {
        let mut image = Image::of_file(read.main_file()?, self.geometry)?;
        let mut clock = SliceClock::start(slice);
        while self.next < self.geometry.group_count() {
            self.read_first(&mut image, known)?;
            sink.keep_going()?;
            if clock.is_over() {
                break;
            }
        }
        self.bytes_read += image.bytes_read();
        Ok(())
    }

    /// Reads the next group for the first time.
    fn read_first(
        &mut self,
        image: &mut Image<'_>,
        known: &mut dyn KnownBlocks,
    ) -> Result<(), Fault> {
        let group = GroupNo(self.next);
        let (first, _) = image.group(group, &mut self.buffer)?;
        self.differ.load(known, self.geometry, group)?;
        self.keep(group, first)?;
        self.next += 1;
        Ok(())
    }

    fn keep(
        &mut self,
        group: GroupNo,
        first: lifeboat_format::geometry::BlockNo,
    ) -> Result<(), Fault> {
        // What was loaded is stored with the group, so that it is asked for
        // only once, and in order.
        let known = self.differ.known().to_vec();
        let scanned = self.differ.compare(self.geometry, first, &self.buffer);
        self.spool.put(group, &scanned, &known).map_err(Fault::Spool)
    }

    /// The last hold: makes everything read true of the present state.
    fn settle(
        &mut self,
        read: &ReadTransaction<'_>,
        known: &mut dyn KnownBlocks,
        sink: &dyn ChangeSink,
    ) -> Result<(), Fault> {
        let mut image = Image::of_file(read.main_file()?, self.geometry)?;
        let count = self.geometry.group_count();
        let mut row = Row::default();
        for group in (0..self.settled_from.min(count)).map(GroupNo) {
            sink.keep_going()?;
            let (first, blocks) = image.group(group, &mut self.buffer)?;
            self.spool.row(group, &mut row).map_err(Fault::Spool)?;
            let same = row.hashes.len() == blocks as usize
                && row.group_hash == GroupHash::of(self.differ.key(), &self.buffer);
            if !same {
                self.differ.set_known(&row.known);
                self.keep(group, first)?;
            }
        }
        // The database grew after the last slice.
        while self.next < count {
            sink.keep_going()?;
            self.read_first(&mut image, known)?;
        }
        self.bytes_read += image.bytes_read();
        Ok(())
    }

    /// Hands the sink what was read, with no lock held.
    fn feed(&mut self, sink: &mut dyn ChangeSink) -> Result<(), Fault> {
        let geometry = self.geometry;
        sink.begin(geometry)?;
        let mut row = Row::default();
        for group in (0..geometry.group_count()).map(GroupNo) {
            self.spool.row(group, &mut row).map_err(Fault::Spool)?;
            self.spool.data(&row, geometry.block_size(), &mut self.buffer).map_err(Fault::Spool)?;
            let (first, _) = geometry.blocks_of(group);
            let changed: Vec<_> = row.changed(first).collect();
            sink.group(&ScannedGroup {
                first,
                group_hash: row.group_hash,
                hashes: &row.hashes,
                changed: &changed,
                data: &self.buffer,
            })?;
        }
        Ok(())
    }

    /// Reads once more what the sink wants to send although it did not change,
    /// in slices again. Where somebody wrote since the last hold, the sink sees
    /// it by the hashes, and leaves those blocks where they are.
    fn read_again(
        &mut self,
        host: &mut dyn Host,
        slice: Slice,
        sink: &mut dyn ChangeSink,
    ) -> Result<(), Fault> {
        let mut wanted = sink.wanted_again()?;
        while wanted.is_some() {
            // No lock is held here.
            sink.keep_going()?;
            let (read, touch) = host.begin()?;
            match look(&read, touch)? {
                Some((_, geometry)) if geometry == self.geometry => {}
                _ => return Ok(()),
            }
            let mut image = Image::of_file(read.main_file()?, self.geometry)?;
            let mut clock = SliceClock::start(slice);
            while let Some(group) = wanted {
                image.group(group, &mut self.buffer)?;
                sink.group_again(&self.buffer)?;
                wanted = sink.wanted_again()?;
                if clock.is_over() {
                    break;
                }
            }
            self.bytes_read += image.bytes_read();
        }
        Ok(())
    }

    fn finish(self, taken_at: OffsetDateTime) -> (CapturedImage, Header) {
        let State { header, touch } = self.state;
        let captured = CapturedImage {
            geometry: self.geometry,
            taken_at,
            sqlite: header.facts(JournalMode::Rollback),
            bytes_read: self.bytes_read,
            fingerprint: Some(fingerprint::of_rollback(&touch, &header)),
        };
        (captured, header)
    }
}

/// Tells when a slice is over.
enum SliceClock {
    Until(Instant, Duration),
    Groups(u32),
}

impl SliceClock {
    fn start(slice: Slice) -> Self {
        match slice {
            Slice::Time(length) => Self::Until(Instant::now(), length),
            Slice::Groups(count) => Self::Groups(count.get()),
        }
    }

    /// Asked after each group.
    fn is_over(&mut self) -> bool {
        match self {
            Self::Until(start, length) => start.elapsed() >= *length,
            Self::Groups(left) => {
                *left -= 1;
                *left == 0
            }
        }
    }
}
