//! Segments that are whole and wait on the disk for their destination, in order.
//!
//! ```text
//! magic 8 | length of the head 4 | head | segment | BLAKE3 of all before
//! ```
//!
//! A file is written, synced and then renamed, so that one that has its name is
//! whole; the digest tells one that was damaged since. What lies there may be
//! deleted at any time: that costs the states between two snapshots.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use lifeboat_format::digest::Digest;
use lifeboat_format::id::EpochId;
use lifeboat_format::log::{CommitNo, SegmentNo, WrittenSegment};
use time::OffsetDateTime;

const MAGIC: &[u8; 8] = b"lbspool1";
const HEAD: usize = 160;
const DIGEST: usize = 32;
const MARK: usize = 32;

/// What is known of a segment beside its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ticket {
    pub(crate) epoch: EpochId,
    pub(crate) number: SegmentNo,
    /// The digest of the segment before; none for the first.
    pub(crate) previous: Option<Digest>,
    pub(crate) digest: Digest,
    /// The commit that comes next: the first that does not end in it.
    pub(crate) next: CommitNo,
    /// How many commits end in it.
    pub(crate) commits: u32,
    /// Whether the next one goes on in the segment after.
    pub(crate) is_open: bool,
    /// When the oldest commit in it was seen.
    pub(crate) oldest: OffsetDateTime,
    /// Until when, with those before, it has everything.
    pub(crate) until: OffsetDateTime,
    /// The place in the WAL that it ends at; empty where that proves nothing.
    pub(crate) mark: Vec<u8>,
    /// The size of the segment in bytes.
    pub(crate) len: u64,
}

fn micros(time: OffsetDateTime) -> i64 {
    time.unix_timestamp_nanos().div_euclid(1_000) as i64
}

impl Ticket {
    fn encode(&self) -> [u8; HEAD] {
        let mut bytes = [0; HEAD];
        let mut at = 0;
        let mut put = |part: &[u8]| {
            bytes[at..at + part.len()].copy_from_slice(part);
            at += part.len();
        };
        put(self.epoch.as_bytes());
        put(&self.number.0.to_le_bytes());
        put(&self.previous.map_or([0; 32], |digest| *digest.as_bytes()));
        put(self.digest.as_bytes());
        put(&self.next.0.to_le_bytes());
        put(&self.commits.to_le_bytes());
        put(&[u8::from(self.is_open), u8::from(self.previous.is_some())]);
        put(&[self.mark.len() as u8, 0]);
        put(&micros(self.oldest).to_le_bytes());
        put(&micros(self.until).to_le_bytes());
        put(&self.len.to_le_bytes());
        put(&self.mark);
        bytes
    }

    fn decode(bytes: &[u8; HEAD]) -> Option<Self> {
        let mut rest = &bytes[..];
        fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
            let (part, after) = rest.split_first_chunk::<N>()?;
            *rest = after;
            Some(*part)
        }
        let time = |micros: i64| {
            OffsetDateTime::from_unix_timestamp_nanos(i128::from(micros) * 1_000).ok()
        };
        let epoch = EpochId::from_bytes(take(&mut rest)?);
        let number = SegmentNo(u64::from_le_bytes(take(&mut rest)?));
        let previous = Digest::from_bytes(take(&mut rest)?);
        let digest = Digest::from_bytes(take(&mut rest)?);
        let next = CommitNo(u64::from_le_bytes(take(&mut rest)?));
        let commits = u32::from_le_bytes(take(&mut rest)?);
        let [is_open, has_previous, mark_len, _] = take(&mut rest)?;
        let oldest = time(i64::from_le_bytes(take(&mut rest)?))?;
        let until = time(i64::from_le_bytes(take(&mut rest)?))?;
        let len = u64::from_le_bytes(take(&mut rest)?);
        Some(Self {
            epoch,
            number,
            previous: (has_previous == 1).then_some(previous),
            digest,
            next,
            commits,
            is_open: is_open == 1,
            oldest,
            until,
            mark: rest.get(..usize::from(mark_len))?.to_vec(),
            len,
        })
    }
}

/// Why a segment cannot wait on the disk.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SpoolError {
    /// The directory fails.
    #[error("{doing} {}", path.display())]
    Io {
        doing: &'static str,
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    /// Not what was written.
    #[error("use {}: it is damaged", path.display())]
    Damaged { path: PathBuf },
}

/// A directory of segments.
#[derive(Clone, Debug)]
pub(crate) struct Spool {
    dir: PathBuf,
}

impl Spool {
    pub(crate) fn new(dir: PathBuf) -> Self {
        Self { dir }
    }

    fn io(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> SpoolError + use<> {
        let path = path.to_owned();
        move |source| SpoolError::Io { doing, path, source }
    }

    fn path(&self, number: SegmentNo) -> PathBuf {
        self.dir.join(format!("{:020}", number.0))
    }

    /// Puts a segment aside. Killed before it returns, the segment is there whole or
    /// not at all.
    pub(crate) fn put(&self, ticket: &Ticket, bytes: &[u8]) -> Result<(), SpoolError> {
        std::fs::create_dir_all(&self.dir).map_err(Self::io("make the directory", &self.dir))?;
        let draft = self.dir.join("draft");
        let path = self.path(ticket.number);
        let mut whole = Vec::with_capacity(12 + HEAD + bytes.len() + DIGEST);
        whole.extend_from_slice(MAGIC);
        whole.extend_from_slice(&(HEAD as u32).to_le_bytes());
        whole.extend_from_slice(&ticket.encode());
        whole.extend_from_slice(bytes);
        let digest = Digest::of(&whole);
        whole.extend_from_slice(digest.as_bytes());
        let write = || {
            let mut file = File::create(&draft)?;
            file.write_all(&whole)?;
            file.sync_data()?;
            std::fs::rename(&draft, &path)?;
            File::open(&self.dir)?.sync_all()
        };
        write().map_err(|source| {
            // A full disk must not stay one for our sake.
            let _ = std::fs::remove_file(&draft);
            Self::io("write", &path)(source)
        })
    }

    /// Reads a segment.
    pub(crate) fn get(&self, number: SegmentNo) -> Result<(Ticket, WrittenSegment), SpoolError> {
        let path = self.path(number);
        let whole = std::fs::read(&path).map_err(Self::io("read", &path))?;
        decode(&whole)
            .filter(|(ticket, _)| ticket.number == number)
            .ok_or(SpoolError::Damaged { path })
    }

    /// Deletes a segment that is stored; that it fails costs room.
    pub(crate) fn remove(&self, number: SegmentNo) {
        let path = self.path(number);
        if let Err(error) = std::fs::remove_file(&path) {
            tracing::debug!("{} stays: {error}", path.display());
        }
    }

    /// What waits and follows on a segment of an epoch, in order; everything else is
    /// deleted: it leads nowhere.
    pub(crate) fn after(
        &self,
        epoch: EpochId,
        first: SegmentNo,
        previous: Option<Digest>,
    ) -> Vec<Ticket> {
        let (mut number, mut previous, mut found) = (first, previous, Vec::new());
        while let Ok((ticket, _)) = self.get(number) {
            if ticket.epoch != epoch || ticket.previous != previous {
                break;
            }
            previous = Some(ticket.digest);
            number = SegmentNo(number.0 + 1);
            found.push(ticket);
        }
        let kept =
            |name: &str| name.parse::<u64>().is_ok_and(|name| (first.0..number.0).contains(&name));
        for entry in std::fs::read_dir(&self.dir).into_iter().flatten().flatten() {
            if !entry.file_name().to_str().is_some_and(kept) {
                let _ = std::fs::remove_file(entry.path());
            }
        }
        found
    }

    /// Deletes everything.
    pub(crate) fn clear(&self) {
        let _ = std::fs::remove_dir_all(&self.dir);
    }

    /// How many bytes are free where it lies.
    pub(crate) fn free(&self) -> Option<u64> {
        let there = self.dir.ancestors().find(|path| path.exists())?;
        let disk = rustix::fs::statvfs(there).ok()?;
        Some(disk.f_bavail.saturating_mul(disk.f_frsize))
    }
}

fn decode(whole: &[u8]) -> Option<(Ticket, WrittenSegment)> {
    let (before, digest) = whole.split_last_chunk::<DIGEST>()?;
    let rest = before.strip_prefix(MAGIC)?;
    let (len, rest) = rest.split_first_chunk::<4>()?;
    let (head, bytes) = rest.split_first_chunk::<HEAD>()?;
    let whole = u32::from_le_bytes(*len) == HEAD as u32 && Digest::of(before).as_bytes() == digest;
    let ticket = whole.then(|| Ticket::decode(head)).flatten()?;
    let segment = WrittenSegment {
        epoch: ticket.epoch,
        number: ticket.number,
        bytes: bytes.to_vec(),
        digest: ticket.digest,
        commits: ticket.commits,
        is_open: ticket.is_open,
    };
    Some((ticket, segment))
}

const _: () = assert!(
    16 + 8 + 32 + 32 + 8 + 4 + 4 + 8 + 8 + 8 + MARK == HEAD,
    "a head has room for all that is in it"
);

#[cfg(test)]
mod tests {
    use super::*;

    fn ticket(number: u64, previous: Option<Digest>) -> Ticket {
        Ticket {
            epoch: EpochId::from_bytes([7; 16]),
            number: SegmentNo(number),
            previous,
            digest: Digest::of(&number.to_le_bytes()),
            next: CommitNo(number * 10),
            commits: 9,
            is_open: number == 2,
            oldest: time::macros::datetime!(2026-11-21 10:00 UTC),
            until: time::macros::datetime!(2026-11-21 10:00:01.5 UTC),
            mark: vec![1; 20],
            len: 5,
        }
    }

    fn filled() -> (tempfile::TempDir, Spool, Vec<Ticket>) {
        let folder = tempfile::tempdir().expect("a folder");
        let spool = Spool::new(folder.path().join("spool"));
        let mut all = Vec::new();
        let mut previous = None;
        for number in 1..=4 {
            let ticket = ticket(number, previous);
            spool.put(&ticket, b"bytes").expect("writes");
            previous = Some(ticket.digest);
            all.push(ticket);
        }
        (folder, spool, all)
    }

    #[test]
    fn what_is_put_comes_back() {
        let (_folder, spool, all) = filled();
        for ticket in &all {
            let (back, segment) = spool.get(ticket.number).expect("reads");
            assert_eq!((&back, &segment.bytes[..]), (ticket, &b"bytes"[..]));
            assert_eq!((segment.digest, segment.is_open), (ticket.digest, ticket.is_open));
        }
    }

    #[test]
    fn only_what_follows_on_the_last_stored_is_kept() {
        let (_folder, spool, all) = filled();
        let epoch = all[0].epoch;
        let found = spool.after(epoch, SegmentNo(3), Some(all[1].digest));
        assert_eq!(found, all[2..]);
        assert!(spool.get(SegmentNo(1)).is_err(), "it is stored already");
        // Somebody else's segment has the number before.
        assert_eq!(spool.after(epoch, SegmentNo(3), Some(all[0].digest)), []);
        assert!(spool.get(SegmentNo(3)).is_err());
    }

    #[test]
    fn a_damaged_segment_ends_what_can_be_used() {
        let (_folder, spool, all) = filled();
        let path = spool.path(SegmentNo(3));
        let mut bytes = std::fs::read(&path).expect("reads");
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(&path, bytes).expect("writes");
        assert_eq!(spool.after(all[0].epoch, SegmentNo(1), None), all[..2]);
        assert!(matches!(spool.get(SegmentNo(3)), Err(SpoolError::Io { .. })));
        let other = EpochId::from_bytes([8; 16]);
        assert_eq!(spool.after(other, SegmentNo(1), None), []);
    }
}
