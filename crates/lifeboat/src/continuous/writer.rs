//! What the follower hands over, into segments that wait on the disk.

use std::sync::Arc;
use std::time::{Duration, Instant};

use lifeboat_agent::{Cutter, SpoolBound};
use lifeboat_format::digest::Digest;
use lifeboat_format::geometry::{PageNo, PageSize};
use lifeboat_format::id::EpochId;
use lifeboat_format::log::{
    CommitNo, SegmentHead, SegmentKind, SegmentNo, SegmentOptions, SegmentWriter,
};
use lifeboat_repository::Database;
use lifeboat_wal::{Commit, CommitSink, SinkError};
use time::OffsetDateTime;

use super::shared::Shared;
use super::spool::{Spool, Ticket};

/// Commits may come faster than a better compression could take them.
const LEVEL: i32 = 1;

/// The size at which a segment is full: it is in memory up to four times.
const TARGET: u32 = 4 << 20;

/// After so long without a commit it is said that there was none: what was seen to be
/// so can be restored, such as the state of ten minutes ago. Each time twice as long,
/// up to the second.
const IDLE: time::Duration = time::Duration::minutes(5);
const LONG_IDLE: time::Duration = time::Duration::HOUR;

/// Where a log goes on.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) epoch: EpochId,
    pub(crate) number: SegmentNo,
    pub(crate) previous: Option<Digest>,
    /// The commit that comes next.
    pub(crate) next: CommitNo,
    /// Whether that began in the segment before.
    pub(crate) continues: bool,
    /// From when on the next segment has everything.
    pub(crate) from: OffsetDateTime,
    /// The place in the WAL that all before ends at.
    pub(crate) mark: Vec<u8>,
}

/// No more may wait on the disk.
#[derive(Debug, thiserror::Error)]
#[error(
    "put commits aside: {waiting} bytes wait already, of {limit} that may, with {free} bytes free"
)]
pub(crate) struct SpoolFull {
    waiting: u64,
    limit: u64,
    free: u64,
}

/// Fills segments, and puts them aside.
pub(crate) struct Writer {
    database: Database,
    shared: Arc<Shared>,
    spool: Spool,
    bound: SpoolBound,
    options: SegmentOptions,
    cutter: Cutter,
    clock: Instant,
    place: Place,
    segment: Option<Open>,
    /// How often whoever waits had asked when the last look began.
    asked: u64,
    /// Bytes of the pages of the present commit.
    bytes: u64,
    /// Of the last segment.
    page_size: Option<PageSize>,
    idle: time::Duration,
}

/// A segment that is being filled.
struct Open {
    writer: SegmentWriter,
    oldest: Option<OffsetDateTime>,
    newest: OffsetDateTime,
}

impl Writer {
    pub(crate) fn new(
        database: Database,
        shared: Arc<Shared>,
        (spool, bound): (Spool, SpoolBound),
        interval: Duration,
        place: Place,
    ) -> Self {
        Self {
            database,
            shared,
            spool,
            bound,
            options: SegmentOptions::default().with_level(LEVEL).with_target_len(TARGET),
            cutter: Cutter::new(interval),
            clock: Instant::now(),
            place,
            segment: None,
            asked: 0,
            bytes: 0,
            page_size: None,
            idle: IDLE,
        }
    }

    /// The one that is being filled, begun if there is none.
    fn open(&mut self, page_size: PageSize) -> Result<&mut Open, SinkError> {
        if self.segment.is_none() {
            let head = SegmentHead {
                epoch: self.place.epoch,
                number: self.place.number,
                kind: SegmentKind::Commits,
                nonce: self.database.draw_nonce(),
                previous: self.place.previous,
                page_size,
                first_commit: self.place.next,
                continues: self.place.continues,
                observed_from: self.place.from,
            };
            let writer = self.database.segment(head, self.options)?;
            let newest = self.place.from;
            self.page_size = Some(page_size);
            self.segment = Some(Open { writer, oldest: None, newest });
        }
        Ok(self.segment.as_mut().expect("it was begun"))
    }

    /// Closes the segment, and puts it aside. `until` is when everything in it and
    /// before it was seen.
    fn close(&mut self, until: OffsetDateTime) -> Result<(), SinkError> {
        let Some(open) = self.segment.take() else { return Ok(()) };
        let until = until.max(open.newest);
        let written = open.writer.finish(until, &self.place.mark)?;
        let ticket = Ticket {
            epoch: written.epoch,
            number: written.number,
            previous: self.place.previous,
            digest: written.digest,
            next: self.place.next,
            commits: written.commits,
            is_open: written.is_open,
            oldest: open.oldest.unwrap_or(until),
            until,
            mark: self.place.mark.clone(),
            len: written.bytes.len() as u64,
        };
        let (waiting, _) = self.shared.waiting();
        let free = self.spool.free();
        if !self.bound.takes(ticket.len, waiting, free) {
            let (limit, free) = (self.bound.limit, free.unwrap_or(0));
            return Err(SpoolFull { waiting, limit, free }.into());
        }
        self.spool.put(&ticket, &written.bytes)?;
        self.place.number = written.number.next();
        self.place.previous = Some(written.digest);
        self.place.continues = written.is_open;
        self.place.from = until;
        self.cutter.closed(self.clock.elapsed());
        self.shared.closed(ticket);
        Ok(())
    }

    /// Closes what is left, when following ended well.
    pub(crate) fn finish(mut self) -> Result<(), SinkError> {
        self.close(self.place.from)
    }
}

impl CommitSink for Writer {
    fn page(&mut self, page: PageNo, data: &[u8]) -> Result<(), SinkError> {
        let page_size = u32::try_from(data.len()).ok().and_then(PageSize::new);
        let page_size = page_size.ok_or("a page has a size that SQLite does not know")?;
        if let Some(open) = &self.segment
            && open.writer.is_full()
        {
            let until = open.newest;
            self.close(until)?;
        }
        self.cutter.wrote(self.clock.elapsed());
        self.idle = IDLE;
        let open = self.open(page_size)?;
        open.writer.page(page, data)?;
        self.bytes += data.len() as u64;
        Ok(())
    }

    fn commit(&mut self, commit: &Commit) -> Result<(), SinkError> {
        let open = self.open(commit.page_size)?;
        let seen = commit.seen_at.max(open.newest);
        open.writer.commit(commit.page_count, seen)?;
        open.newest = seen;
        open.oldest.get_or_insert(seen);
        self.shared.took(self.place.next, seen, std::mem::take(&mut self.bytes));
        self.place.next = CommitNo(self.place.next.0 + 1);
        self.place.mark = commit.position.to_bytes().map(Vec::from).unwrap_or_default();
        Ok(())
    }

    fn looking(&mut self) {
        self.asked = self.shared.asked();
    }

    fn observed(&mut self, until: OffsetDateTime) -> Result<(), SinkError> {
        let until = until.max(self.place.from);
        let is_asked = self.shared.is_waited_for(self.asked);
        if self.segment.is_none()
            && let Some(page_size) = self.page_size
            && until - self.place.from >= self.idle
        {
            self.idle = self.idle.saturating_mul(2).min(LONG_IDLE);
            self.open(page_size)?;
            self.close(until)?;
        }
        let is_full = self.segment.as_ref().is_some_and(|open| open.writer.is_full());
        if is_asked || is_full || self.cutter.is_due(self.clock.elapsed()) {
            self.close(until)?;
        }
        self.shared.saw(self.asked, self.segment.is_none(), until);
        Ok(())
    }

    fn hears_within(&self) -> Option<Duration> {
        self.cutter.due_in(self.clock.elapsed())
    }
}
