//! Commits, recorded and replayed; what each of them must show.

use std::fmt;
use std::path::PathBuf;

use lifeboat_format::geometry::PageNo;
use lifeboat_wal::{Commit, CommitSink, SinkError};
use rusqlite::OpenFlags;

use crate::support::Replica;

/// What was handed over, in order.
#[derive(Default)]
pub(crate) struct Recorded {
    entries: Vec<Entry>,
}

pub(crate) enum Entry {
    Page(PageNo, Vec<u8>),
    Commit(Commit),
}

impl Recorded {
    pub(crate) fn pages(&self) -> usize {
        self.entries.iter().filter(|entry| matches!(entry, Entry::Page(..))).count()
    }

    /// Hands everything over once more.
    pub(crate) fn replay(&self, sink: &mut dyn CommitSink) -> Result<(), SinkError> {
        self.entries.iter().try_for_each(|entry| match entry {
            Entry::Page(page, data) => sink.page(*page, data),
            Entry::Commit(commit) => sink.commit(commit),
        })
    }
}

impl CommitSink for Recorded {
    fn page(&mut self, page: PageNo, data: &[u8]) -> Result<(), SinkError> {
        self.entries.push(Entry::Page(page, data.to_vec()));
        Ok(())
    }

    fn commit(&mut self, commit: &Commit) -> Result<(), SinkError> {
        self.entries.push(Entry::Commit(*commit));
        Ok(())
    }
}

/// An image to which commits are applied, and which is looked at after each.
pub(crate) struct Proof {
    image: Vec<u8>,
    pending: Vec<(u32, Vec<u8>)>,
    /// The copy that it began with was made while others wrote: the first state
    /// that must be right is the one after it was finished.
    exact_from: u64,
    last_seq: Option<u64>,
    commits: u64,
    /// How many of them showed what they must.
    proven: u64,
    lives: u64,
    salts: [u8; 8],
    folder: tempfile::TempDir,
}

impl fmt::Display for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let last = self.last_seq.unwrap_or(0);
        let Self { commits, proven, lives, .. } = self;
        write!(f, "{commits} commits, {proven} proven, {lives} lives of the WAL, up to {last}")
    }
}

impl Proof {
    pub(crate) fn new(base: Vec<u8>, exact_from: u64) -> Self {
        Self {
            image: base,
            pending: Vec::new(),
            exact_from,
            last_seq: None,
            commits: 0,
            proven: 0,
            lives: 0,
            salts: [0; 8],
            folder: tempfile::tempdir().expect("a temporary folder"),
        }
    }

    pub(crate) fn apply(&mut self, recorded: &Recorded) -> Result<(), String> {
        recorded.entries.iter().try_for_each(|entry| match entry {
            Entry::Page(page, data) => {
                self.page(page.0, data.clone());
                Ok(())
            }
            Entry::Commit(commit) => {
                let page_size = commit.page_size.bytes() as usize;
                self.commit(page_size, commit.page_count, commit.position.salts)
            }
        })
    }

    pub(crate) fn page(&mut self, page: u32, data: Vec<u8>) {
        self.pending.push((page, data));
    }

    /// Pages that no commit followed.
    pub(crate) fn forget(&mut self) {
        self.pending.clear();
    }

    pub(crate) fn commit(
        &mut self,
        page_size: usize,
        page_count: u32,
        salts: [u8; 8],
    ) -> Result<(), String> {
        for (page, data) in self.pending.drain(..) {
            let at = (page as usize - 1) * page_size;
            if self.image.len() < at + page_size {
                self.image.resize(at + page_size, 0);
            }
            self.image[at..at + page_size].copy_from_slice(&data);
        }
        self.image.resize(page_count as usize * page_size, 0);
        self.commits += 1;
        if salts != self.salts {
            (self.salts, self.lives) = (salts, self.lives + 1);
        }
        let whole = self.commits.is_multiple_of(50);
        let seen = self.look(whole);
        match (seen, self.last_seq) {
            // Not exact yet.
            (Err(_), None) => {}
            (Ok(seq), None) if seq < self.exact_from => {}
            (Ok(seq), None) => self.last_seq = Some(seq),
            (Err(e), Some(last)) => return Err(format!("after {last}: {e}")),
            // A commit that only moved pages counts nothing.
            (Ok(seq), Some(last)) if seq == last || seq == last + 1 => self.last_seq = Some(seq),
            (Ok(seq), Some(last)) => return Err(format!("{seq} follows {last}")),
        }
        self.proven += u64::from(self.last_seq.is_some());
        Ok(())
    }

    /// How many states were looked at and right.
    pub(crate) fn proven(&self) -> u64 {
        self.proven
    }

    /// The number of the commit that the image shows, if it is whole.
    fn look(&self, integrity: bool) -> Result<u64, String> {
        let path: PathBuf = self.folder.path().join("image.db");
        std::fs::write(&path, &self.image).expect("writes");
        let uri = format!("file:{}?immutable=1", path.display());
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
        let look = || -> rusqlite::Result<Result<u64, String>> {
            let image = rusqlite::Connection::open_with_flags(uri, flags)?;
            let (seq, expected): (u64, i64) =
                image.query_row("SELECT seq, sum FROM c", [], |row| {
                    Ok((row.get::<_, i64>(0)?.cast_unsigned(), row.get(1)?))
                })?;
            let mut rows = image.prepare("SELECT b FROM t")?;
            let mut sum = 0;
            for blob in rows.query_map([], |row| row.get::<_, Vec<u8>>(0))? {
                sum += i64::from(crc32(&blob?));
            }
            if sum != expected {
                return Ok(Err(format!("{seq} has the sum {sum}, not {expected}")));
            }
            if integrity {
                let said: String =
                    image.query_row("PRAGMA integrity_check", [], |row| row.get(0))?;
                if said != "ok" {
                    return Ok(Err(format!("{seq}: {said}")));
                }
            }
            Ok(Ok(seq))
        };
        look().map_err(|e| e.to_string())?
    }

    /// The end: the live file, byte for byte.
    #[track_caller]
    pub(crate) fn finish(&self, file: &[u8], seq: u64) {
        let last = self.look(true).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!((last, self.last_seq.unwrap_or(seq)), (seq, seq), "the last commit");
        let first = self.image.iter().zip(file).position(|(ours, theirs)| ours != theirs);
        assert_eq!((self.image.len(), first), (file.len(), None), "byte for byte");
        // What a replica of other tests does with the same commits is the same.
        assert_eq!(Replica::of(file.to_vec()).image, self.image);
    }
}

/// The checksum of zlib.
fn crc32(bytes: &[u8]) -> u32 {
    static TABLE: std::sync::LazyLock<[u32; 256]> = std::sync::LazyLock::new(|| {
        std::array::from_fn(|i| {
            (0..8).fold(i as u32, |c, _| if c & 1 == 1 { 0xedb8_8320 ^ (c >> 1) } else { c >> 1 })
        })
    });
    !bytes.iter().fold(!0, |c, byte| TABLE[((c ^ u32::from(*byte)) & 0xff) as usize] ^ (c >> 8))
}

#[test]
fn the_checksum_is_the_one_of_zlib() {
    assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
}
