//! Restoring a state between snapshots: the commit log from its end, and of the
//! snapshot before what no commit wrote.
//!
//! Segments are read from the newest to the oldest, as packs are, and for the same
//! reason: the first image of a page that is met is the one that counts, so that one
//! bit a page is all that has to be kept, and only frames with such images are fetched.

use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use lifeboat_format::digest::Digest;
use lifeboat_format::geometry::Geometry;
use lifeboat_format::log::{Segment, SegmentKind, SegmentNo};
use lifeboat_format::object::{DecodeError, ObjectKind};
use lifeboat_format::record::Content;
use lifeboat_format::source::PageSink;
use tokio::sync::mpsc;

use super::estimate::{Planned, estimate};
use super::overlay::{Bits, Overlay, unwrap};
use super::plan::{CHUNK_LEN, Wanted};
use super::{FETCHERS, INDEX_READERS, RestoreOptions, RestorePlan};
use crate::error::{ReadError, RestoreError};
use crate::moments::MomentPlan;
use crate::progress::{Event, Listener};
use crate::repository::Database;
use crate::segments::ReadSegment;

const KIND: ObjectKind = ObjectKind::LogSegment;

/// What a restore of a moment read.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct MomentReport {
    /// The shape of the image.
    pub geometry: Geometry,
    /// The digest of the image that was handed over: put together from frames that
    /// proved themselves.
    pub image_digest: Digest,
    /// How many bytes of frames were fetched.
    pub bytes_fetched: u64,
    /// How many packs of the snapshot were read.
    pub packs: u64,
    /// How many segments were read.
    pub segments: u64,
    /// How many commits were applied.
    pub commits: u64,
}

/// Consecutive frames of a segment, and which of their pages are wanted.
struct Frames {
    read: Arc<ReadSegment>,
    key: Arc<str>,
    frames: Range<usize>,
    /// Positions among the images of the segment.
    wanted: Vec<u32>,
}

struct FetchedFrames {
    frames: Frames,
    bytes: Bytes,
}

impl Frames {
    fn range(&self) -> Range<u64> {
        let frames = &self.read.segment.frames()[self.frames.clone()];
        let first = frames.first().expect("there are some");
        let last = frames.last().expect("there are some");
        u64::from(first.offset)..u64::from(last.offset) + u64::from(last.stored_len)
    }
}

/// What of the log a state is put together from, found from the newest segment on.
struct Walk<'a> {
    plan: &'a MomentPlan,
    taken: Bits,
    /// The segment after the one that comes next.
    later: Option<Segment>,
    /// How many pages the database has after the commit that began before that one.
    size: u32,
}

impl<'a> Walk<'a> {
    fn new(plan: &'a MomentPlan) -> Self {
        let taken = Bits::new(plan.geometry.page_count());
        Self { plan, taken, later: None, size: 0 }
    }

    /// The images that count, by their positions, ascending; pure but for what is
    /// remembered of the segments before.
    fn images(&mut self, segment: &Segment) -> Vec<u32> {
        let (geometry, mut images) = (self.plan.geometry, Vec::new());
        for row in segment.commits().iter().rev() {
            if row.number > self.plan.commit || row.number <= self.plan.from {
                continue;
            }
            self.size = row.page_count.unwrap_or(self.size);
            for at in row.pages.clone().rev() {
                let page = segment.pages()[at as usize];
                let counts = page.0 <= self.size && geometry.lock_page() != Some(page);
                if counts && page.0 <= geometry.page_count() && self.taken.insert(page.0 - 1) {
                    images.push(at);
                }
            }
        }
        images.sort_unstable();
        images
    }

    /// Proves that a segment is followed by the one before, and says what of it is to
    /// be fetched.
    fn step(&mut self, read: ReadSegment, key: &str) -> Result<Vec<Frames>, DecodeError> {
        let segment = &read.segment;
        if segment.head().page_size != self.plan.geometry.page_size() {
            return Err(DecodeError::Misplaced { kind: KIND, place: "page size" });
        }
        if matches!(segment.head().kind, SegmentKind::RolledUp(_)) {
            return Err(DecodeError::NotUnderstood { kind: KIND, what: "grid" });
        }
        if let Some(later) = &self.later {
            later.follows(segment)?;
        }
        let mut images = self.images(segment).into_iter().peekable();
        self.later = Some(segment.clone());
        let (read, key): (_, Arc<str>) = (Arc::new(read), key.into());
        let mut chunks: Vec<Frames> = Vec::new();
        for (number, frame) in read.segment.frames().iter().enumerate() {
            let mut wanted = Vec::new();
            while let Some(at) = images.next_if(|at| *at < frame.first + frame.blocks) {
                wanted.push(at);
            }
            if wanted.is_empty() {
                continue;
            }
            match chunks.last_mut() {
                Some(last)
                    if last.frames.end == number
                        && last.range().end - last.range().start + u64::from(frame.stored_len)
                            <= CHUNK_LEN =>
                {
                    last.frames.end += 1;
                    last.wanted.append(&mut wanted);
                }
                _ => chunks.push(Frames {
                    read: Arc::clone(&read),
                    key: Arc::clone(&key),
                    frames: number..number + 1,
                    wanted,
                }),
            }
        }
        Ok(chunks)
    }
}

/// What a walk through the log came to.
#[derive(Clone, Copy, Default)]
struct Walked {
    bytes: u64,
    fetches: u64,
    segments: u64,
}

impl Database {
    /// Hands all blocks of the state after a commit to a sink, each once, in no
    /// particular order.
    ///
    /// On an error, or cancelled, the sink has part of an image.
    pub async fn restore_moment<S: PageSink + 'static>(
        &self,
        plan: &MomentPlan,
        sink: S,
        options: &RestoreOptions,
    ) -> Result<(S, MomentReport), RestoreError<S::Error>> {
        let listener = Listener(options.progress.clone());
        listener.tell(Event::Restoring { bytes: plan.geometry.file_size() });
        let overlay = {
            let (database, geometry, listener) = (self.clone(), plan.geometry, listener.clone());
            blocking(move || Overlay::begin(&database, geometry, sink, &listener)).await?
        };
        let (overlay, walked) = self.apply(plan, overlay).await?;
        let (overlay, fetched, packs) = self.put_under(plan, overlay, &listener).await?;
        let (sink, image_digest) = blocking(move || overlay.finish()).await?;
        let report = MomentReport {
            geometry: plan.geometry,
            image_digest,
            bytes_fetched: walked.bytes + fetched,
            packs,
            segments: walked.segments,
            commits: plan.commits(),
        };
        Ok((sink, report))
    }

    /// Says what [`restore_moment`](Self::restore_moment) would take. Reads the indexes.
    pub async fn plan_restore_moment(
        &self,
        plan: &MomentPlan,
    ) -> Result<RestorePlan, RestoreError<std::convert::Infallible>> {
        let before = self.remote().requests();
        let started = Instant::now();
        let mut walk = Walk::new(plan);
        let walked = self.walk(&mut walk, None).await?;
        let planned = match &plan.base.body().content {
            Content::File { archive, size, .. } => {
                self.plan_archive(&plan.base, archive, *size).await?
            }
            Content::Pages { .. } => {
                let (base, list) = self.packs_of(&plan.base).await?;
                let per = plan.geometry.pages_per_block();
                let wanted = Wanted::those_of(base, |block| {
                    let first = block.0 * per;
                    let end = (first + per).min(plan.geometry.page_count());
                    (first..end).any(|page| !walk.taken.contains(page))
                });
                self.plan_from(&list, base, wanted, None).await?.0
            }
        };
        let Planned { bytes, fetches, packs, .. } = planned;
        let asked = self.remote().requests() - before;
        let (bytes, fetches) = (bytes + walked.bytes, fetches + walked.fetches);
        Ok(RestorePlan {
            geometry: plan.geometry,
            bytes,
            requests: asked + fetches,
            packs,
            blocks_kept: 0,
            estimate: estimate(started.elapsed(), asked, fetches, plan.geometry.file_size()),
        })
    }

    /// Puts the pages of the log into an overlay.
    async fn apply<S: PageSink + 'static>(
        &self,
        plan: &MomentPlan,
        overlay: Overlay<S>,
    ) -> Result<(Overlay<S>, Walked), RestoreError<S::Error>> {
        let (sender, receiver) = mpsc::channel(1);
        let writer = blocking(move || write(overlay, receiver));
        let mut walk = Walk::new(plan);
        let walked = self.walk(&mut walk, Some(sender));
        let (written, walked) = futures::join!(writer, walked);
        Ok((written?, walked?))
    }

    /// Reads the indexes of the log, and fetches what is wanted of the frames for
    /// whoever takes them. Ends early, and well, when nobody does.
    async fn walk(
        &self,
        walk: &mut Walk<'_>,
        sender: Option<mpsc::Sender<FetchedFrames>>,
    ) -> Result<Walked, ReadError> {
        let mut walked = Walked::default();
        let Some((first, last)) = walk.plan.segments else { return Ok(walked) };
        let epoch = walk.plan.epoch;
        let chunks = futures::stream::iter((first.0..=last.0).rev().map(SegmentNo))
            .map(|number| async move { self.read_segment(epoch, number).await })
            .buffered(INDEX_READERS)
            .map(|read| {
                let read = read?;
                walked.segments += 1;
                let key = self.segment_key(epoch, read.segment.head().number);
                let chunks = walk.step(read, &key).map_err(ReadError::unusable(key))?;
                Ok::<_, ReadError>(futures::stream::iter(chunks.into_iter().map(Ok)))
            })
            .try_flatten();
        let (mut bytes, mut fetches) = (0, 0);
        match sender {
            None => {
                let mut chunks = std::pin::pin!(chunks);
                while let Some(chunk) = chunks.try_next().await? {
                    let range = chunk.range();
                    bytes += range.end - range.start;
                    fetches += u64::from(chunk.read.whole.is_none());
                }
            }
            Some(sender) => {
                let fetched = chunks.map_ok(|chunk| self.fetch_frames(chunk));
                let mut fetched = std::pin::pin!(fetched.try_buffered(FETCHERS));
                while let Some(fetched) = fetched.try_next().await? {
                    bytes += fetched.bytes.len() as u64;
                    if sender.send(fetched).await.is_err() {
                        break;
                    }
                }
            }
        }
        (walked.bytes, walked.fetches) = (bytes, fetches);
        Ok(walked)
    }

    async fn fetch_frames(&self, frames: Frames) -> Result<FetchedFrames, ReadError> {
        let range = frames.range();
        let bytes = match &frames.read.whole {
            Some(whole) => whole.slice(range.start as usize..range.end as usize),
            None => {
                let head = frames.read.segment.head();
                self.segment_range(head.epoch, head.number, range).await?
            }
        };
        Ok(FetchedFrames { frames, bytes })
    }

    /// Puts what of the snapshot is still wanted under the pages of the log. Also
    /// returns how many bytes that took, and how many packs.
    async fn put_under<S: PageSink + 'static>(
        &self,
        plan: &MomentPlan,
        mut overlay: Overlay<S>,
        listener: &Listener,
    ) -> Result<(Overlay<S>, u64, u64), RestoreError<S::Error>> {
        let (base, body) = (&plan.base, plan.base.body());
        // What reaches the sink is told by the overlay.
        let (silent, silently) = (Listener::default(), RestoreOptions::default());
        if let Content::File { .. } = body.content {
            let done = self.restore_archive(body, overlay, &silent).await.map_err(unwrap)?;
            return Ok((done.0, done.1.bytes_fetched, 0));
        }
        let (geometry, mut list) = self.packs_of(base).await?;
        let of_moment = plan.geometry.block_count();
        let mut looked_for_repairs = false;
        loop {
            let wanted =
                Wanted::those_of(geometry, |block| block.0 < of_moment && overlay.wants(block));
            let (back, restored) =
                self.restore_from(&list, geometry, wanted, None, overlay, &silently).await;
            overlay = back;
            let (wanted, report) = match restored.map_err(unwrap) {
                Ok(restored) => restored,
                Err(RestoreError::Read(error)) if error.is_damage() && !looked_for_repairs => {
                    looked_for_repairs = true;
                    let healed = self.with_repairs(&list, base).await;
                    if healed.packs == list.packs {
                        return Err(error.into());
                    }
                    list = healed;
                    listener.tell(Event::Restoring { bytes: plan.geometry.file_size() });
                    continue;
                }
                Err(error) => return Err(error),
            };
            if let Some((first, count)) = wanted.missing() {
                let snapshot = body.snapshot_id.clone();
                return Err(RestoreError::Incomplete { snapshot, first, count });
            }
            return Ok((overlay, report.bytes_fetched, report.packs));
        }
    }
}

/// Decodes what was fetched and puts it into the overlay; runs on its own thread.
fn write<S: PageSink>(
    mut overlay: Overlay<S>,
    mut fetched: mpsc::Receiver<FetchedFrames>,
) -> Result<Overlay<S>, RestoreError<S::Error>> {
    let mut pages = Vec::new();
    while let Some(FetchedFrames { frames, bytes }) = fetched.blocking_recv() {
        let segment = &frames.read.segment;
        let size = segment.head().page_size.bytes() as usize;
        let start = frames.range().start;
        let mut wanted = frames.wanted.iter().copied().peekable();
        for number in frames.frames.clone() {
            let frame = segment.frames()[number];
            let at = (u64::from(frame.offset) - start) as usize;
            let stored = &bytes[at..at + frame.stored_len as usize];
            segment
                .decode_frame(number, stored, &mut pages)
                .map_err(ReadError::unusable(&*frames.key))?;
            while let Some(image) = wanted.next_if(|image| *image < frame.first + frame.blocks) {
                let from = (image - frame.first) as usize * size;
                let page = segment.pages()[image as usize];
                overlay.page(page, &pages[from..from + size])?;
            }
        }
    }
    Ok(overlay)
}

/// Runs what blocks on a thread of its own.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}
