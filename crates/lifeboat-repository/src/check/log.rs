//! The commit log: every segment between where an epoch begins by now and where it
//! ends is there, and follows the one before; where all is read, every frame as well.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use futures::StreamExt;
use lifeboat_format::key;
use lifeboat_format::log::{Segment, SegmentNo};
use lifeboat_format::numbers::NumberSet;
use lifeboat_format::object::DecodeError;
use lifeboat_format::record::Epoch;

use super::{Depth, Share, Survey, words};
use crate::error::ReadError;
use crate::log::Head;
use crate::progress::{Event, Listener};
use crate::repository::Database;
use crate::segments::ReadSegment;

/// How many segments are read at once.
const READERS: usize = 4;

/// What was looked at of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LogRead {
    pub(crate) segments: u64,
    pub(crate) bytes: u64,
}

impl Database {
    /// Checks the log as deep as the rest; in parts, only that it is there. What is
    /// found hurts no snapshot.
    pub(crate) async fn check_log(
        &self,
        survey: &mut Survey,
        depth: Depth,
        listener: &Listener,
    ) -> Result<LogRead, ReadError> {
        let mut read = LogRead::default();
        let epochs = survey.state.log.clone();
        if epochs.is_empty() {
            return Ok(read);
        }
        let head =
            Head { record: survey.newest_record(), newest: survey.newest, ..Head::default() };
        for epoch in epochs {
            let found = self.last_segment(&head, epoch.id).await;
            let (epoch, last) = match found {
                Ok(Some((epoch, Some(last)))) => (epoch, last.head().number),
                // Nothing was put yet, or all of it was collected meanwhile.
                Ok(None | Some((_, None))) => continue,
                Err(error) => match segment_of(&error) {
                    Some(key) => {
                        let object = self.relative_to_root(key);
                        survey.findings.add(object, words(&error), &NumberSet::default());
                        continue;
                    }
                    None => return Err(error),
                },
            };
            match depth {
                Depth::References => {}
                Depth::Data(Share::All) => {
                    self.read_epoch(survey, &epoch, last, &mut read, listener).await?;
                }
                Depth::Presence | Depth::Data(_) => {
                    self.find_segments(survey, &epoch, last, &mut read).await?;
                }
            }
        }
        Ok(read)
    }

    /// Looks whether every segment is there; what a listing does not show is asked for.
    async fn find_segments(
        &self,
        survey: &mut Survey,
        epoch: &Epoch,
        last: SegmentNo,
        read: &mut LogRead,
    ) -> Result<(), ReadError> {
        let first = epoch.first_segment();
        let mut shown = Shown::new(first, last);
        let root = format!("{}/", self.keys.root());
        let folder = self.keys.at(&key::epoch(epoch.id));
        self.remote()
            .list_each(&folder, |object| {
                let named = object.key.strip_prefix(&root).and_then(key::parse_segment);
                if let Some((_, number)) = named {
                    shown.see(number);
                }
                ControlFlow::Continue(())
            })
            .await?;
        read.segments += last.0 + 1 - first.0;
        for number in shown.missing() {
            let key = key::segment(epoch.id, number);
            if self.remote().size(&self.keys.at(&key)).await?.is_none() {
                survey.findings.add(key, "log segment is missing", &NumberSet::default());
            }
        }
        Ok(())
    }

    async fn read_epoch(
        &self,
        survey: &mut Survey,
        epoch: &Epoch,
        last: SegmentNo,
        read: &mut LogRead,
        listener: &Listener,
    ) -> Result<(), ReadError> {
        let mut before: Option<Segment> = None;
        let mut segments = std::pin::pin!(
            futures::stream::iter((epoch.first_segment().0..=last.0).map(SegmentNo))
                .map(|number| async move { (number, self.prove_segment(epoch, number).await) })
                .buffered(READERS)
        );
        while let Some((number, proven)) = segments.next().await {
            let key = key::segment(epoch.id, number);
            read.segments += 1;
            let trouble = match proven {
                Ok((segment, bytes)) => {
                    read.bytes += bytes;
                    listener.tell(Event::Checked { bytes });
                    let follows = before.as_ref().map(|before| segment.follows(before));
                    before = Some(segment);
                    follows.and_then(Result::err).map(|error| error.to_string())
                }
                Err(error) if error.is_damage() => {
                    before = None;
                    Some(words(&error))
                }
                Err(error) => return Err(error),
            };
            if let Some(what) = trouble {
                survey.findings.add(key, what, &NumberSet::default());
            }
        }
        Ok(())
    }

    /// Reads a segment whole, and proves every frame in it.
    pub(crate) async fn prove_segment(
        &self,
        epoch: &Epoch,
        number: SegmentNo,
    ) -> Result<(Segment, u64), ReadError> {
        let ReadSegment { segment, whole } = self.read_segment(epoch.id, number).await?;
        let key = self.segment_key(epoch.id, number);
        let whole = match whole {
            Some(whole) => whole,
            None => self.whole_segment(epoch.id, number).await?,
        };
        let bytes = whole.len() as u64;
        let work = tokio::task::spawn_blocking(move || -> Result<Segment, DecodeError> {
            segment.check_header(&whole)?;
            let mut pages = Vec::new();
            for (at, frame) in segment.frames().iter().enumerate() {
                let start = frame.offset as usize;
                let stored = &whole[start..start + frame.stored_len as usize];
                segment.decode_frame(at, stored, &mut pages)?;
            }
            Ok(segment)
        });
        let proven = match work.await {
            Ok(proven) => proven,
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        };
        Ok((proven.map_err(ReadError::unusable(key))?, bytes))
    }
}

/// The key of the segment that an error is of.
fn segment_of(error: &ReadError) -> Option<&str> {
    match error {
        ReadError::Missing { key, .. } | ReadError::Unusable { key, .. } if error.is_damage() => {
            Some(key)
        }
        _ => None,
    }
}

/// Which numbers of a run were seen: one number where they come in order.
struct Shown {
    next: u64,
    last: u64,
    /// What came before its turn.
    ahead: BTreeSet<u64>,
}

impl Shown {
    fn new(first: SegmentNo, last: SegmentNo) -> Self {
        Self { next: first.0, last: last.0, ahead: BTreeSet::new() }
    }

    fn see(&mut self, number: SegmentNo) {
        if number.0 == self.next {
            self.next += 1;
            while self.ahead.remove(&self.next) {
                self.next += 1;
            }
        } else if number.0 > self.next {
            self.ahead.insert(number.0);
        }
    }

    fn missing(self) -> impl Iterator<Item = SegmentNo> {
        (self.next..=self.last).filter(move |n| !self.ahead.contains(n)).map(SegmentNo)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_were_not_seen() {
        let missing = |seen: &[u64]| {
            let mut shown = Shown::new(SegmentNo(3), SegmentNo(7));
            seen.iter().for_each(|n| shown.see(SegmentNo(*n)));
            shown.missing().map(|number| number.0).collect::<Vec<_>>()
        };
        assert!(missing(&[3, 4, 5, 6, 7]).is_empty());
        assert_eq!(missing(&[7, 5, 1, 3, 9]), [4, 6]);
        assert_eq!(missing(&[]), [3, 4, 5, 6, 7]);
    }
}
