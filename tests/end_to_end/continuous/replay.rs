//! What lies in the log, read and applied by hand: another way than that of `restore`.

use std::fs;
use std::path::Path;

use lifeboat::format::id::{DatabaseName, EpochId, RepositoryId};
use lifeboat::format::log::{Segment, SegmentKind, SegmentNo};
use lifeboat::format::seal::Home;

use super::kit::Ledger;
use crate::command::Folder;

/// A commit: its number, the pages, and the size after it.
pub(super) struct Commit {
    number: u64,
    pages: Vec<(u32, Vec<u8>)>,
    page_count: u32,
}

/// Everything of one epoch.
pub(super) struct Epoch {
    segments: u64,
    is_sealed: bool,
    page_size: usize,
    commits: Vec<Commit>,
}

/// The log of a database, the oldest epoch first.
pub(super) struct Log {
    pub(super) epochs: Vec<Epoch>,
}

/// So many moments of each epoch are looked at.
const LOOKS: usize = 12;

impl Log {
    /// Reads everything that is stored, and proves that nothing is missing in between.
    pub(super) fn of(folder: &Folder) -> Self {
        let root = folder.repository().join("databases/app/log");
        let mut epochs: Vec<Epoch> = fs::read_dir(root)
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| Epoch::read(&entry.path()))
            .collect();
        // Numbers of commits go on across epochs.
        epochs.sort_by_key(|epoch| epoch.commits.first().map_or(u64::MAX, |one| one.number));
        Self { epochs }
    }

    /// How many commits the last epoch has.
    pub(super) fn last_epoch(&self) -> usize {
        if self.epochs.len() < 2 { 0 } else { self.epochs[self.epochs.len() - 1].commits.len() }
    }

    pub(super) fn segments_of_first(&self) -> (u64, bool) {
        let first = &self.epochs[0];
        (first.segments, first.is_sealed)
    }

    /// Applies each epoch to the snapshot that it began with. Every moment that is
    /// looked at shows the commit after the one before. Returns the last one.
    pub(super) fn prove(&self, folder: &Folder) -> u64 {
        let listed = folder.run(&["--json", "snapshots", "app"]).ok().json();
        let bases: Vec<String> = listed
            .iter()
            .filter(|one| one["trigger"] == "startup")
            .map(|one| one["snapshot_id"].as_str().expect("an id").to_owned())
            .collect();
        assert_eq!(bases.len(), self.epochs.len(), "{listed:?}");
        let mut last = 0;
        for (epoch, base) in self.epochs.iter().zip(&bases) {
            let image = fs::read(folder.restore("app", base)).expect("reads");
            last = epoch.prove(image, &folder.path("moment.db")).unwrap_or(last);
        }
        last
    }

    /// The last epoch is whole, as far as that shows without a snapshot.
    pub(super) fn prove_last_epoch(&self) {
        let epoch = self.epochs.last().expect("there is one");
        let numbers: Vec<u64> = epoch.commits.iter().map(|commit| commit.number).collect();
        assert!(numbers.windows(2).all(|two| two[0] + 1 == two[1]), "{numbers:?}");
        assert!(!numbers.is_empty() && !epoch.is_sealed);
    }
}

impl Epoch {
    fn read(folder: &Path) -> Self {
        let name = folder.file_name().and_then(|name| name.to_str()).expect("a name");
        let id: [u8; 16] = std::array::from_fn(|at| {
            u8::from_str_radix(&name[at * 2..at * 2 + 2], 16).expect("hexadecimal")
        });
        let (epoch, database) =
            (EpochId::from_bytes(id), DatabaseName::new("app").expect("is one"));
        let repository = RepositoryId::from_bytes([0; 16]);
        let home = Home { repository, database: &database, keys: None };
        let mut all = Self { segments: 0, is_sealed: false, page_size: 0, commits: Vec::new() };
        let mut before: Option<Segment> = None;
        let mut open: Vec<(u32, Vec<u8>)> = Vec::new();
        loop {
            let number = SegmentNo(all.segments + 1);
            let Ok(bytes) = fs::read(folder.join(format!("{:020}", number.0))) else { break };
            let segment = Segment::decode(&bytes, bytes.len() as u64, (epoch, number), &home);
            let segment = segment.expect("is whole");
            if let Some(before) = &before {
                segment.follows(before).expect("follows");
                assert_eq!(segment.head().observed_from, before.observed_until());
            }
            all.segments = number.0;
            all.is_sealed = segment.head().kind == SegmentKind::Seal;
            all.page_size = segment.head().page_size.bytes() as usize;
            let mut pages: Vec<u8> = Vec::new();
            for (at, frame) in segment.frames().iter().enumerate() {
                let begin = frame.offset as usize;
                let stored = &bytes[begin..begin + frame.stored_len as usize];
                let mut out = Vec::new();
                segment.decode_frame(at, stored, &mut out).expect("is whole");
                pages.append(&mut out);
            }
            for row in segment.commits() {
                for at in row.pages.clone() {
                    let begin = at as usize * all.page_size;
                    let data = pages[begin..begin + all.page_size].to_vec();
                    open.push((segment.pages()[at as usize].0, data));
                }
                if let Some(page_count) = row.page_count {
                    let pages = std::mem::take(&mut open);
                    all.commits.push(Commit { number: row.number.0, pages, page_count });
                }
            }
            before = Some(segment);
        }
        all
    }

    fn prove(&self, mut image: Vec<u8>, scratch: &Path) -> Option<u64> {
        let (mut last, count) = (None, self.commits.len());
        // What the image has already is applied once more; after the last of that it is
        // exact.
        let exact_from = (count / 2).min(200);
        let every = ((count - exact_from) / LOOKS).max(1);
        for (at, commit) in self.commits.iter().enumerate() {
            assert_eq!(commit.number, self.commits[0].number + at as u64);
            for (page, data) in &commit.pages {
                let begin = (*page as usize - 1) * self.page_size;
                if image.len() < begin + self.page_size {
                    image.resize(begin + self.page_size, 0);
                }
                image[begin..begin + self.page_size].copy_from_slice(data);
            }
            image.resize(commit.page_count as usize * self.page_size, 0);
            if at + 1 < count && (at < exact_from || (at - exact_from) % every > 1) {
                continue;
            }
            for suffix in ["", "-wal", "-shm"] {
                let _ = fs::remove_file(format!("{}{suffix}", scratch.display()));
            }
            fs::write(scratch, &image).expect("writes");
            let shown = Ledger::shown(scratch).unwrap_or_else(|| panic!("commit {at} is torn"));
            if let Some((before, number)) = last {
                assert_eq!(shown - number, at as u64 - before, "each commit is one");
            }
            last = Some((at as u64, shown));
        }
        last.map(|(_, shown)| shown)
    }
}
