//! Finding a segment among the many of an epoch.

use lifeboat_format::id::EpochId;
use lifeboat_format::log::{Segment, SegmentNo};

use crate::error::ReadError;
use crate::repository::Database;

impl Database {
    /// The first segment of which something is true that is true of all after it.
    pub(crate) async fn first_segment_where(
        &self,
        epoch: EpochId,
        (first, last): (SegmentNo, SegmentNo),
        is_true: impl Fn(&Segment) -> bool,
    ) -> Result<Option<Segment>, ReadError> {
        let (mut low, mut high) = (first.0, last.0 + 1);
        let mut found = None;
        while low < high {
            let middle = low + (high - low) / 2;
            let segment = self.read_segment(epoch, SegmentNo(middle)).await?.segment;
            if is_true(&segment) {
                (high, found) = (middle, Some(segment));
            } else {
                low = middle + 1;
            }
        }
        Ok(found)
    }
}
