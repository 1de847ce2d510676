//! Segments of the commit log: put once each, in order, until a seal ends them.
//!
//! Numbers are dense from where an epoch begins by now, so that its end is found by
//! galloping, as that of the record log is. Only a collection makes an epoch begin
//! later, and its record comes before anything is deleted.

mod end;
mod find;
mod read;

use bytes::Bytes;
use lifeboat_format::digest::Digest;
use lifeboat_format::id::EpochId;
use lifeboat_format::key;
use lifeboat_format::log::{
    CommitNo, MAX_SEGMENT_LEN, Segment, SegmentError, SegmentHead, SegmentKind, SegmentNo,
    SegmentOptions, SegmentWriter,
};
use lifeboat_format::record::LastSegment;
use lifeboat_remote::Created;
pub(crate) use read::ReadSegment;
use time::OffsetDateTime;

use crate::error::{ReadError, WriteError};
use crate::log::Head;
use crate::ownership::Ownership;
use crate::repository::Database;

/// How often a seal is tried: whoever appends meanwhile does so once a second.
const SEAL_TRIES: u32 = 64;

/// Where the commit log of a database ends on one destination.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogEnd {
    /// The last epoch.
    pub epoch: EpochId,
    /// Whether segments may be added to it.
    pub is_open: bool,
    /// The number of the next segment.
    pub next: SegmentNo,
    /// The digest of the last segment, which the next one names; none before the
    /// first.
    pub previous: Option<Digest>,
    /// The commit that the next segment begins with.
    pub next_commit: CommitNo,
    /// Whether that commit began in the last segment.
    pub continues: bool,
    /// The note of its writer in the last segment.
    pub mark: Vec<u8>,
    /// Until when everything is stored that was committed; none before the first
    /// segment.
    pub observed_until: Option<OffsetDateTime>,
    /// Whether this installation owns the database: nobody else may add to its log.
    pub is_ours: bool,
}

/// A segment that is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Appended {
    /// Its epoch.
    pub epoch: EpochId,
    /// Its number.
    pub number: SegmentNo,
    /// Its size in bytes.
    pub size: u64,
}

impl Database {
    /// Begins a segment, sealed where the repository is.
    pub fn segment(
        &self,
        head: SegmentHead,
        options: SegmentOptions,
    ) -> Result<SegmentWriter, SegmentError> {
        SegmentWriter::new(head, options, &self.home())
    }

    /// Where the commit log ends: the last epoch, and what its next segment follows.
    /// None where there never was one.
    pub async fn log_end(&self) -> Result<Option<LogEnd>, ReadError> {
        let head = self.head(None).await?;
        let state = head.state();
        let Some(id) = state.log.last().map(|epoch| epoch.id) else { return Ok(None) };
        let is_ours = state.owner.as_ref() == Some(self.local().installation()?);
        let Some((epoch, last)) = self.last_segment(&head, id).await? else { return Ok(None) };
        let Some(last) = last else {
            return Ok(Some(LogEnd {
                epoch: id,
                is_open: epoch.is_open(),
                next: SegmentNo::FIRST,
                previous: None,
                next_commit: epoch.first_commit,
                continues: false,
                mark: Vec::new(),
                observed_until: None,
                is_ours,
            }));
        };
        Ok(Some(LogEnd {
            epoch: id,
            is_open: epoch.is_open() && last.head().kind != SegmentKind::Seal,
            next: last.head().number.next(),
            previous: Some(last.digest()),
            next_commit: last.next_commit(),
            continues: last.is_open(),
            mark: last.mark().to_vec(),
            observed_until: Some(last.observed_until()),
            is_ours,
        }))
    }

    /// Stores a segment under its number, unless another has it. The one before it must
    /// be stored: what counts is a prefix without holes.
    ///
    /// Killed, cancelled or failed, it may be there: the same call may be made again,
    /// by a later process as well, and finds its own bytes.
    pub async fn append(
        &self,
        epoch: EpochId,
        number: SegmentNo,
        object: Bytes,
    ) -> Result<Appended, WriteError> {
        self.check_can_keep_log()?;
        let size = object.len() as u64;
        let key = self.segment_key(epoch, number);
        // What nobody could read must not take a number.
        let segment = Segment::decode(&object, size, (epoch, number), &self.home())
            .map_err(ReadError::unusable(key.as_str()))?;
        self.check_follows(&segment).await?;
        match self.remote().create(&key, object).await? {
            Created::New => {
                self.note_end(epoch, LastSegment { segment: number, digest: segment.digest() });
                Ok(Appended { epoch, number, size })
            }
            Created::Exists => Err(self.taken(epoch, number).await?),
        }
    }

    /// Refuses a segment that does not follow the one before it, or before which one is
    /// missing; nothing can be said where it is there itself, and that one was collected.
    async fn check_follows(&self, segment: &Segment) -> Result<(), WriteError> {
        let SegmentHead { epoch, number, previous, .. } = *segment.head();
        let Some(previous) = previous else { return Ok(self.repository.check_is_there().await?) };
        let before = SegmentNo(number.0 - 1);
        // What was put is not enough: a disk that was unmounted, or a bucket that was
        // emptied, would take what follows and leave a hole.
        if self.noted_end(epoch) == Some(LastSegment { segment: before, digest: previous })
            && self.has_segment(epoch, before).await?
        {
            return Ok(());
        }
        match self.read_segment(epoch, before).await {
            Ok(there) if there.segment.digest() == previous => Ok(()),
            Ok(_) => Err(self.taken(epoch, before).await?),
            Err(ReadError::Missing { .. }) if self.has_segment(epoch, number).await? => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// What stands in the way of a segment.
    pub(crate) async fn taken(
        &self,
        epoch: EpochId,
        number: SegmentNo,
    ) -> Result<WriteError, ReadError> {
        let there = self.read_segment(epoch, number).await?.segment;
        Ok(match there.head().kind {
            SegmentKind::Seal => WriteError::EpochEnded { epoch, segment: Some(number) },
            SegmentKind::Commits | SegmentKind::RolledUp(_) => {
                WriteError::SegmentTaken { epoch, segment: number }
            }
        })
    }

    /// Ends an epoch that this installation writes: nothing can be added to it any
    /// more. A record names the end later, with the next snapshot.
    ///
    /// Killed, it is ended or not; the same call may be made again.
    pub async fn seal_epoch(&self, epoch: EpochId) -> Result<LastSegment, WriteError> {
        let mut head = self.head(None).await?;
        self.own(&mut head, &Ownership::Refuse).await?;
        self.seal(&head, epoch).await
    }

    /// Puts a seal after the last segment of an epoch, unless there is one.
    pub(crate) async fn seal(&self, head: &Head, id: EpochId) -> Result<LastSegment, WriteError> {
        for _ in 0..SEAL_TRIES {
            let Some((epoch, last)) = self.last_segment(head, id).await? else {
                return Err(WriteError::EpochEnded { epoch: id, segment: None });
            };
            if let Some(last) = epoch.last() {
                return Ok(last);
            }
            let seal = match &last {
                Some(last) if last.head().kind == SegmentKind::Seal => {
                    let (segment, digest) = (last.head().number, last.digest());
                    return Ok(LastSegment { segment, digest });
                }
                Some(last) => SegmentHead {
                    epoch: id,
                    number: last.head().number.next(),
                    kind: SegmentKind::Seal,
                    nonce: self.draw_nonce(),
                    previous: Some(last.digest()),
                    page_size: last.head().page_size,
                    first_commit: last.next_commit(),
                    continues: last.is_open(),
                    // Who seals has seen nothing of the database.
                    observed_from: last.observed_until(),
                },
                None => self.seal_of_nothing(head, &epoch).await?,
            };
            let writer = self.segment(seal, SegmentOptions::default());
            let written = writer
                .and_then(|writer| writer.finish(seal.observed_from, &[]))
                .expect("a seal follows from what it ends");
            let key = self.segment_key(id, seal.number);
            if self.remote().create(&key, written.bytes.into()).await? == Created::New {
                let last = LastSegment { segment: seal.number, digest: written.digest };
                self.note_end(id, last);
                return Ok(last);
            }
        }
        Err(WriteError::Contention { tries: SEAL_TRIES })
    }

    pub(crate) fn segment_key(&self, epoch: EpochId, number: SegmentNo) -> String {
        self.keys.at(&key::segment(epoch, number))
    }
}

/// The most bytes that are read of a segment.
pub(crate) const SEGMENT_LIMIT: u64 = MAX_SEGMENT_LEN;
