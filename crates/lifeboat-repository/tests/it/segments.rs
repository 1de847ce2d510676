//! The commit log: epochs that records open, segments in order, seals.

mod epochs;

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use lifeboat_format::geometry::{PageNo, PageSize};
use lifeboat_format::id::EpochId;
use lifeboat_format::log::{
    CommitNo, SegmentHead, SegmentKind, SegmentNo, SegmentOptions, WrittenSegment,
};
use lifeboat_repository::{Appended, BackupOptions, BackupReport, Database, Following, WriteError};
use time::{Duration, OffsetDateTime};

use crate::image::{Image, NOON};
use crate::world::options;

/// Somebody who follows an image: writes its commits into segments.
pub(crate) struct Writer {
    pub(crate) database: Database,
    pub(crate) epoch: EpochId,
    pub(crate) first_commit: CommitNo,
    number: SegmentNo,
    previous: Option<lifeboat_format::digest::Digest>,
    commit: Arc<Mutex<CommitNo>>,
    continues: bool,
    /// When the last commit was seen.
    pub(crate) now: OffsetDateTime,
}

/// What it says to a snapshot.
pub(crate) struct Follows {
    epoch: EpochId,
    first: CommitNo,
    last: Arc<Mutex<CommitNo>>,
}

impl Following for Follows {
    fn epoch(&self) -> EpochId {
        self.epoch
    }

    fn first_commit(&self) -> CommitNo {
        self.first
    }

    fn before(&self) -> CommitNo {
        *self.last.lock().expect("never poisoned")
    }

    fn after(&self) -> CommitNo {
        *self.last.lock().expect("never poisoned")
    }
}

impl Writer {
    /// Begins an epoch; a snapshot has to open it.
    pub(crate) fn begin(database: &Database, first_commit: u64) -> Self {
        let first_commit = CommitNo(first_commit);
        Self {
            epoch: database.draw_epoch(),
            database: database.clone(),
            first_commit,
            number: SegmentNo(1),
            previous: None,
            commit: Arc::new(Mutex::new(CommitNo(first_commit.0 - 1))),
            continues: false,
            now: NOON,
        }
    }

    /// Goes on where the log ends.
    pub(crate) async fn resume(database: &Database) -> Self {
        let end = database.log_end().await.expect("is found").expect("there is a log");
        assert!(end.is_open, "{end:?}");
        Self {
            number: end.next,
            previous: end.previous,
            commit: Arc::new(Mutex::new(CommitNo(end.next_commit.0 - 1))),
            epoch: end.epoch,
            now: end.observed_until.unwrap_or(NOON),
            continues: end.continues,
            ..Self::begin(database, end.next_commit.0)
        }
    }

    pub(crate) fn last(&self) -> CommitNo {
        *self.commit.lock().expect("never poisoned")
    }

    pub(crate) fn following(&self, mut options: BackupOptions) -> BackupOptions {
        let (epoch, first, last) = (self.epoch, self.first_commit, Arc::clone(&self.commit));
        options.following = Some(Arc::new(Follows { epoch, first, last }));
        options
    }

    /// A snapshot that says where it stands.
    pub(crate) async fn snapshot(&self, image: &Image) -> BackupReport {
        let done = self.database.backup(image.clone(), self.following(options())).await;
        done.map(|backup| backup.report).expect("backs up")
    }

    /// Writes commits into the next segment: of each the image after it, and which
    /// pages it wrote. A second passes with each.
    pub(crate) fn write(&mut self, commits: &[(&Image, &[u32])]) -> WrittenSegment {
        self.write_part(commits, None)
    }

    /// As [`write`](Self::write), and with pages of a commit that goes on in the next.
    pub(crate) fn write_part(
        &mut self,
        commits: &[(&Image, &[u32])],
        open: Option<(&Image, &[u32])>,
    ) -> WrittenSegment {
        let size = commits.iter().chain(open.iter()).next().map_or(4096, |(i, _)| i.page_size);
        let head = SegmentHead {
            epoch: self.epoch,
            number: self.number,
            kind: SegmentKind::Commits,
            nonce: self.database.draw_nonce(),
            previous: self.previous,
            page_size: PageSize::new(size).expect("a page size"),
            first_commit: CommitNo(self.last().0 + 1),
            continues: self.continues,
            observed_from: self.now,
        };
        let options = SegmentOptions::default().with_level(1);
        let mut writer = self.database.segment(head, options).expect("begins");
        let pages = |image: &Image, pages: &[u32], writer: &mut _| {
            for &page in pages {
                put(image, page, writer);
            }
        };
        for (image, numbers) in commits {
            pages(image, numbers, &mut writer);
            self.now += Duration::seconds(1);
            writer.commit(image.geometry().page_count(), self.now).expect("fits");
            self.commit.lock().expect("never poisoned").0 += 1;
        }
        if let Some((image, numbers)) = open {
            pages(image, numbers, &mut writer);
        }
        let mark = format!("after {}", self.last());
        let written = writer.finish(self.now, mark.as_bytes()).expect("ends");
        (self.number, self.previous) = (self.number.next(), Some(written.digest));
        self.continues = written.is_open;
        written
    }

    pub(crate) async fn append(&self, segment: &WrittenSegment) -> Result<Appended, WriteError> {
        let object = Bytes::copy_from_slice(&segment.bytes);
        self.database.append(segment.epoch, segment.number, object).await
    }

    /// Writes and stores a segment.
    pub(crate) async fn add(&mut self, commits: &[(&Image, &[u32])]) {
        let written = self.write(commits);
        self.append(&written).await.expect("is stored");
    }
}

fn put(image: &Image, page: u32, writer: &mut lifeboat_format::log::SegmentWriter) {
    let size = image.page_size as usize;
    let at = (page as usize - 1) * size;
    writer.page(PageNo(page), &image.bytes[at..at + size]).expect("fits");
}

/// The same image with a page changed, by its number from 1.
pub(crate) fn next(image: &Image, page: u32, seed: u64) -> Image {
    let mut image = image.clone();
    image.write(page - 1, 1_000_000 + seed);
    image
}
