//! Copying the commit log: segments as they are, under the same epoch and numbers,
//! before the record that opens the epoch here.

use bytes::Bytes;
use futures::StreamExt;
use lifeboat_format::id::EpochId;
use lifeboat_format::log::{Segment, SegmentKind, SegmentNo};
use lifeboat_format::record::{Epoch, LastSegment};
use lifeboat_remote::Created;

use crate::collect::floor_of;
use crate::error::{ReadError, WriteError};
use crate::log::Head;
use crate::moments::last_begun;
use crate::ownership::Ownership;
use crate::repository::Database;
use crate::snapshots::Snapshot;

/// How many segments are read ahead.
const READERS: usize = 4;

impl Database {
    /// Copies what the open epoch here lacks of that of `source`. Returns how many
    /// segments that were; none where this store keeps no log.
    ///
    /// Killed or cancelled, it has copied a prefix, which is whole.
    pub async fn copy_log_from(
        &self,
        source: &Database,
        ownership: &Ownership,
    ) -> Result<u64, WriteError> {
        self.check_same_repository(source)?;
        let mut head = self.head(None).await?;
        let Some(open) = head.state().open_epoch().map(|epoch| epoch.id) else { return Ok(0) };
        if !self.can_keep_log() {
            return Ok(0);
        }
        let theirs = source.head(None).await?;
        let Some((next, last)) = self.lacking(source, &theirs, &head, open).await? else {
            return Ok(0);
        };
        self.own(&mut head, ownership).await?;
        if head.state().open_epoch().map(|epoch| epoch.id) != Some(open) {
            return Ok(0);
        }
        self.copy_segments(source, open, next, last).await
    }

    /// The first and the last segment that an epoch lacks here.
    async fn lacking(
        &self,
        source: &Database,
        theirs: &Head,
        head: &Head,
        id: EpochId,
    ) -> Result<Option<(SegmentNo, SegmentNo)>, ReadError> {
        let Some((there, Some(end))) = source.last_segment(theirs, id).await? else {
            return Ok(None);
        };
        let next = match self.last_segment(head, id).await? {
            None => return Ok(None),
            Some((_, Some(last))) if last.head().kind == SegmentKind::Seal => return Ok(None),
            Some((_, Some(last))) => last.head().number.next(),
            Some((here, None)) => here.first_segment(),
        };
        // What was collected there cannot be had any more: the epoch ends here before.
        let lacks = next <= end.head().number && next >= there.first_segment();
        Ok(lacks.then(|| (next, end.head().number)))
    }

    async fn copy_segments(
        &self,
        source: &Database,
        id: EpochId,
        first: SegmentNo,
        last: SegmentNo,
    ) -> Result<u64, WriteError> {
        let mut objects = std::pin::pin!(
            futures::stream::iter((first.0..=last.0).map(SegmentNo))
                .map(|number| async move { (number, source.whole_segment(id, number).await) })
                .buffered(READERS)
        );
        let mut before: Option<Segment> = None;
        while let Some((number, object)) = objects.next().await {
            let object: Bytes = object?;
            let from = source.segment_key(id, number);
            let unusable = |error| ReadError::unusable(from.as_str())(error);
            let len = object.len() as u64;
            let segment =
                Segment::decode(&object, len, (id, number), &self.home()).map_err(unusable)?;
            if let Some(before) = &before {
                segment.follows(before).map_err(unusable)?;
            }
            let key = self.segment_key(id, number);
            if self.remote().create(&key, object).await? == Created::Exists {
                return Err(self.taken(id, number).await?);
            }
            let digest = segment.digest();
            self.note_end(id, LastSegment { segment: number, digest });
            before = Some(segment);
        }
        Ok(last.0 + 1 - first.0)
    }

    /// The epoch that the record of a copy has to open, with everything of it stored
    /// here that the snapshot needs; the one that is open here is ended first. None
    /// where it is known here, where it came before what is known here, and where there
    /// is no log to copy.
    pub(super) async fn opening(
        &self,
        source: &Database,
        snapshot: &Snapshot,
        head: &mut Head,
    ) -> Result<Option<Epoch>, WriteError> {
        let Some(place) = snapshot.body().log.filter(|_| self.can_keep_log()) else {
            return Ok(None);
        };
        let here = head.state();
        if here.epoch(place.epoch).is_some() {
            return Ok(None);
        }
        let theirs = source.head(None).await?;
        let their_log = theirs.state().log;
        let position = |id: EpochId| their_log.iter().position(|epoch| epoch.id == id);
        let Some(wanted) = position(place.epoch) else { return Ok(None) };
        let newest = here.log.last().and_then(|epoch| position(epoch.id));
        if newest.is_some_and(|newest| newest > wanted) {
            return Ok(None);
        }
        if let Some(open) = here.open_epoch().map(|epoch| epoch.id) {
            if let Some((next, last)) = self.lacking(source, &theirs, head, open).await? {
                self.copy_segments(source, open, next, last).await?;
            }
            let last = self.seal(head, open).await?;
            head.ended = Some((open, last));
        }
        let Some((there, last)) = source.last_segment(&theirs, place.epoch).await? else {
            return Ok(None);
        };
        let mut opening = Epoch { base: head.next(), floor: None, end: None, ..there };
        let Some(last) = last else { return Ok(Some(opening)) };
        let ends = (there.first_segment(), last.head().number);
        let later = |segment: &Segment| last_begun(segment) > place.from;
        let first = source.first_segment_where(place.epoch, ends, later).await?;
        let first = first.as_ref().unwrap_or(&last);
        if first.head().number > SegmentNo::FIRST {
            opening.floor = Some(floor_of(first));
        }
        self.copy_segments(source, place.epoch, first.head().number, ends.1).await?;
        Ok(Some(opening))
    }
}
