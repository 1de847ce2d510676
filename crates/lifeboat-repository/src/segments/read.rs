//! Reading segments: their indexes, and what of their frames is wanted.

use std::ops::Range;

use bytes::Bytes;
use lifeboat_format::id::EpochId;
use lifeboat_format::log::{Segment, SegmentNo, SegmentTrailer};
use lifeboat_format::object::{DecodeError, ObjectKind};

use super::SEGMENT_LIMIT;
use crate::error::ReadError;
use crate::repository::Database;

/// Segments up to this size are read whole.
const WHOLE_LEN: u64 = 256 * 1024;
/// How much of the end of a larger one is read to find its index.
const TAIL_LEN: u64 = 64 * 1024;

/// A segment whose index was read.
#[derive(Clone, Debug)]
#[expect(dead_code, reason = "what restores read comes next")]
pub(crate) struct ReadSegment {
    pub(crate) segment: Segment,
    /// The size of the object in bytes.
    pub(crate) size: u64,
    /// All of it, if it had to be read anyway.
    pub(crate) whole: Option<Bytes>,
}

impl Database {
    /// Reads the index of a segment that must be there.
    pub(crate) async fn read_segment(
        &self,
        epoch: EpochId,
        number: SegmentNo,
    ) -> Result<ReadSegment, ReadError> {
        let key = self.segment_key(epoch, number);
        let missing = || ReadError::Missing { kind: ObjectKind::LogSegment, key: key.clone() };
        let size = self.remote().size(&key).await?.ok_or_else(missing)?;
        if size > SEGMENT_LIMIT {
            let error = DecodeError::Damaged { kind: ObjectKind::LogSegment, what: "length" };
            return Err(ReadError::unusable(key)(error));
        }
        let start = if size <= WHOLE_LEN { 0 } else { size - TAIL_LEN };
        let mut tail = self.segment_range(epoch, number, start..size).await?;
        let unusable = |error| ReadError::unusable(key.as_str())(error);
        let trailer = SegmentTrailer::decode(&tail, size).map_err(unusable)?;
        if trailer.tail_len() > tail.len() as u64 {
            tail = self.segment_range(epoch, number, size - trailer.tail_len()..size).await?;
        }
        let segment =
            Segment::decode(&tail, size, (epoch, number), &self.home()).map_err(unusable)?;
        let whole = (tail.len() as u64 == size).then_some(tail);
        if let Some(whole) = &whole {
            segment.check_header(whole).map_err(unusable)?;
        }
        Ok(ReadSegment { segment, size, whole })
    }

    /// Reads a range of a segment, all of it.
    pub(crate) async fn segment_range(
        &self,
        epoch: EpochId,
        number: SegmentNo,
        range: Range<u64>,
    ) -> Result<Bytes, ReadError> {
        let key = self.segment_key(epoch, number);
        let bytes = self.remote().get_range(&key, range.clone()).await?;
        let Some(bytes) = bytes else {
            return Err(ReadError::Missing { kind: ObjectKind::LogSegment, key });
        };
        if (bytes.len() as u64) < range.end - range.start {
            let len = range.start + bytes.len() as u64;
            let error = DecodeError::Truncated { kind: ObjectKind::LogSegment, len };
            return Err(ReadError::unusable(key)(error));
        }
        Ok(bytes)
    }
}
