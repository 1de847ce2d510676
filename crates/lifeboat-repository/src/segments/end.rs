//! Where an epoch ends.

use std::path::PathBuf;

use lifeboat_format::geometry::PageSize;
use lifeboat_format::id::EpochId;
use lifeboat_format::log::{Segment, SegmentHead, SegmentKind, SegmentNo};
use lifeboat_format::object::{DecodeError, ObjectKind};
use lifeboat_format::record::{Epoch, LastSegment};

use crate::error::ReadError;
use crate::log::Head;
use crate::repository::Database;

/// The file in the cache that says which segment was seen last.
const FILE: &str = "log-end";

impl Database {
    /// An epoch as the newest record has it, and its last segment, proven; none of
    /// that where nothing was put yet, or no record knows the epoch any more.
    ///
    /// What a record names must be there. So must what was seen here before: a tail
    /// that is gone is an error, and no end.
    pub(crate) async fn last_segment(
        &self,
        head: &Head,
        id: EpochId,
    ) -> Result<Option<(Epoch, Option<Segment>)>, ReadError> {
        // Whoever commits after `head` has to read what comes after it by itself.
        let mut head = head.clone();
        loop {
            let state = head.state();
            let Some(epoch) = state.epoch(id).copied() else { return Ok(None) };
            let found = self.find_last(&epoch).await;
            // Segments are collected after the record that says so: as long as there
            // is no such record, what was not there was never there.
            self.advance(&mut head).await?;
            if head.state().epoch(id) != Some(&epoch) {
                continue;
            }
            let Some(number) = found? else { return Ok(Some((epoch, None))) };
            let segment = self.read_segment(id, number).await?.segment;
            if epoch.last().is_some_and(|last| last.digest != segment.digest()) {
                let error =
                    DecodeError::Misplaced { kind: ObjectKind::LogSegment, place: "record" };
                return Err(ReadError::unusable(self.segment_key(id, number))(error));
            }
            self.note_end(id, LastSegment { segment: number, digest: segment.digest() });
            return Ok(Some((epoch, Some(segment))));
        }
    }

    /// The number of the last segment of an epoch.
    async fn find_last(&self, epoch: &Epoch) -> Result<Option<SegmentNo>, ReadError> {
        if let Some(last) = epoch.last() {
            return Ok(Some(last.segment));
        }
        let first = epoch.first_segment();
        let seen = self.noted_end(epoch.id).map(|seen| seen.segment).filter(|seen| *seen >= first);
        let from = seen.unwrap_or(first);
        if !self.has_segment(epoch.id, from).await? {
            if seen.is_none() && epoch.floor.is_none() {
                return Ok(None);
            }
            let (kind, key) = (ObjectKind::LogSegment, self.segment_key(epoch.id, from));
            return Err(ReadError::Missing { kind, key });
        }
        let (mut taken, mut step) = (from.0, 1);
        while self.has_segment(epoch.id, SegmentNo(taken + step)).await? {
            taken += step;
            step *= 2;
        }
        let mut free = taken + step;
        while free - taken > 1 {
            let middle = taken + (free - taken) / 2;
            let there = self.has_segment(epoch.id, SegmentNo(middle)).await?;
            if there { taken = middle } else { free = middle }
        }
        Ok(Some(SegmentNo(taken)))
    }

    pub(super) async fn has_segment(
        &self,
        epoch: EpochId,
        number: SegmentNo,
    ) -> Result<bool, ReadError> {
        Ok(self.remote().size(&self.segment_key(epoch, number)).await?.is_some())
    }

    /// What ends an epoch that has no segments.
    pub(super) async fn seal_of_nothing(
        &self,
        head: &Head,
        epoch: &Epoch,
    ) -> Result<SegmentHead, ReadError> {
        let base = match self.record_below(head, epoch.base).await {
            Ok(record) => record.body.clone(),
            Err(error) if error.is_lost_record() => None,
            Err(error) => return Err(error),
        };
        let size = base.as_ref().and_then(|body| PageSize::new(body.page_size));
        Ok(SegmentHead {
            epoch: epoch.id,
            number: SegmentNo::FIRST,
            kind: SegmentKind::Seal,
            nonce: self.draw_nonce(),
            previous: None,
            // No page follows: any size that there is will do.
            page_size: size.or(PageSize::new(4096)).expect("4096 is a page size"),
            first_commit: epoch.first_commit,
            continues: false,
            observed_from: base.map_or_else(|| self.local().now(), |body| body.taken_at),
        })
    }

    fn end_file(&self) -> Option<PathBuf> {
        Some(self.cache_folder().ok()?.join(FILE))
    }

    /// Remembers that a segment was there. Fails at no cost but a longer search.
    pub(super) fn note_end(&self, epoch: EpochId, last: LastSegment) {
        let Some(path) = self.end_file() else { return };
        let write = || -> std::io::Result<()> {
            let folder = path.parent().unwrap_or(&path);
            let mut file = tempfile::NamedTempFile::new_in(folder)?;
            std::io::Write::write_all(
                &mut file,
                format!("{epoch} {} {}", last.segment, last.digest).as_bytes(),
            )?;
            file.persist(&path)?;
            Ok(())
        };
        if let Err(error) = write() {
            tracing::debug!(%error, "where the log ends could not be noted");
        }
    }

    pub(super) fn noted_end(&self, epoch: EpochId) -> Option<LastSegment> {
        let text = std::fs::read_to_string(self.end_file()?).ok()?;
        let mut words = text.split(' ');
        let (id, number, digest) = (words.next()?, words.next()?, words.next()?);
        let number = number.parse().ok().filter(|number| (1..u64::MAX / 4).contains(number))?;
        let last = LastSegment { segment: SegmentNo(number), digest: digest.parse().ok()? };
        (id.parse() == Ok(epoch)).then_some(last)
    }
}
