//! The way of packs from the thread that reads the database to the uploads.
//!
//! At most two packs are in memory at once, and one where they are large; those
//! that wait longer wait on disk, so that a slow upload does not hold the read
//! transaction open. When the disk has no more room for them, reading waits.
//! Packs are in pieces, in buffers that are used again.
//!
//! While a pack waits on disk, all that follow do: one in memory holds a slot
//! that a pack on disk needs before it can go, and would wait behind it.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use lifeboat_format::list::PackEntry;
use lifeboat_format::pack::CHUNK_LEN;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};

use super::buffers::Buffers;
use crate::error::LocalError;

/// How many packs are in memory: those in flight.
pub(super) const IN_FLIGHT: usize = 2;
/// A pack above this size in bytes is alone in flight.
const LARGE: u64 = 12 * 1024 * 1024;

/// How many slots a pack takes.
fn slots_of(len: u64) -> u32 {
    if len > LARGE { IN_FLIGHT as u32 } else { 1 }
}

/// The bytes that wait on disk.
type Spooled = Arc<watch::Sender<u64>>;

/// A pack on its way.
pub(super) struct Queued {
    pub(super) entry: PackEntry,
    payload: Payload,
}

enum Payload {
    Memory(Vec<Bytes>, OwnedSemaphorePermit),
    Disk(tempfile::TempPath, Spooled),
}

/// The end at which packs are put in; used by a thread that may block.
pub(super) struct QueueIn {
    sender: mpsc::UnboundedSender<Queued>,
    slots: Arc<Semaphore>,
    spool: PathBuf,
    spooled: Spooled,
    limit: u64,
    buffers: Buffers,
    runtime: tokio::runtime::Handle,
}

/// The end at which they come out.
pub(super) struct QueueOut {
    pub(super) receiver: mpsc::UnboundedReceiver<Queued>,
    slots: Arc<Semaphore>,
    buffers: Buffers,
}

/// Why a pack could not be put in.
pub(super) enum Refused {
    /// Nobody takes packs out any more.
    Closed,
    /// The spool cannot be written.
    Spool(LocalError),
}

/// Makes a queue that spools in a directory, up to `limit` bytes.
pub(super) fn queue(spool: &Path, limit: Option<u64>) -> (QueueIn, QueueOut) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let slots = Arc::new(Semaphore::new(IN_FLIGHT));
    let buffers = Buffers::default();
    let queue_in = QueueIn {
        sender,
        slots: Arc::clone(&slots),
        spool: spool.to_owned(),
        spooled: Arc::default(),
        limit: limit.unwrap_or_else(|| free_space(spool) / 4),
        buffers: buffers.clone(),
        runtime: tokio::runtime::Handle::current(),
    };
    (queue_in, QueueOut { receiver, slots, buffers })
}

impl QueueIn {
    /// Whether somebody still takes packs out.
    pub(super) fn is_open(&self) -> bool {
        !self.sender.is_closed()
    }

    /// The buffers to write packs into.
    pub(super) fn buffers(&self) -> Buffers {
        self.buffers.clone()
    }

    /// Puts a pack in, whose bytes lie in pieces. Blocks while memory and spool
    /// are full.
    pub(super) fn put(&self, entry: PackEntry, parts: Vec<Vec<u8>>) -> Result<(), Refused> {
        let len = parts.iter().map(|part| part.len() as u64).sum::<u64>();
        let parts: Vec<Bytes> = parts.into_iter().map(|part| self.buffers.lend(part)).collect();
        let payload = match self.place(len)? {
            Some(slot) => Payload::Memory(parts, slot),
            None => self.spool(&parts, len).map_err(Refused::Spool)?,
        };
        self.sender.send(Queued { entry, payload }).map_err(|_| Refused::Closed)
    }

    /// Waits for a place for a pack: one in memory, or `None` for one on disk.
    fn place(&self, len: u64) -> Result<Option<OwnedSemaphorePermit>, Refused> {
        let count = slots_of(len);
        let nothing_waits = *self.spooled.borrow() == 0;
        if let Ok(slot) = Arc::clone(&self.slots).try_acquire_many_owned(count)
            && nothing_waits
        {
            return Ok(Some(slot));
        }
        let mut spooled = self.spooled.subscribe();
        let fits = |spooled: u64| spooled + len <= self.limit;
        self.or_closed(async move {
            let now = spooled.wait_for(|&now| now == 0 || fits(now)).await.map_err(drop)?;
            if fits(*now) {
                return Ok(None);
            }
            drop(now);
            // Nothing waits on disk, and nobody else puts anything there.
            Arc::clone(&self.slots).acquire_many_owned(count).await.map(Some).map_err(drop)
        })
    }

    /// Blocks until something has happened, or nobody takes packs any more.
    fn or_closed<T>(&self, happens: impl Future<Output = Result<T, ()>>) -> Result<T, Refused> {
        self.runtime.block_on(async {
            tokio::select! {
                done = happens => done.map_err(|()| Refused::Closed),
                () = self.sender.closed() => Err(Refused::Closed),
            }
        })
    }

    fn spool(&self, parts: &[Bytes], len: u64) -> Result<Payload, LocalError> {
        use std::io::Write;
        let failed = |source| LocalError::at("write a pack to", &self.spool)(source);
        let mut file =
            tempfile::Builder::new().suffix(".spool").tempfile_in(&self.spool).map_err(failed)?;
        parts.iter().try_for_each(|part| file.write_all(part)).map_err(failed)?;
        self.spooled.send_modify(|spooled| *spooled += len);
        Ok(Payload::Disk(file.into_temp_path(), Arc::clone(&self.spooled)))
    }
}

/// What is needed to take packs out of their payload.
#[derive(Clone)]
pub(super) struct Room {
    slots: Arc<Semaphore>,
    buffers: Buffers,
}

impl QueueOut {
    /// What is needed to take packs out of their payload.
    pub(super) fn room(&self) -> Room {
        Room { slots: Arc::clone(&self.slots), buffers: self.buffers.clone() }
    }
}

impl Queued {
    /// The bytes of the pack; the slot is free again when the permit drops.
    pub(super) async fn load(
        self,
        room: Room,
    ) -> Result<(PackEntry, Vec<Bytes>, OwnedSemaphorePermit), LocalError> {
        match self.payload {
            Payload::Memory(parts, slot) => Ok((self.entry, parts, slot)),
            Payload::Disk(path, spooled) => {
                let size = u64::from(self.entry.size);
                let slot = room.slots.acquire_many_owned(slots_of(size)).await;
                let slot = slot.expect("the semaphore is never closed");
                // A local file of some MiB, written moments ago: it is in the
                // page cache, and reading it here blocks nobody for long.
                let parts = read(&path, &room.buffers)
                    .map_err(LocalError::at("read a spooled pack from", &*path))?;
                spooled.send_modify(|spooled| *spooled -= size);
                Ok((self.entry, parts, slot))
            }
        }
    }
}

/// Reads a file in pieces.
fn read(path: &Path, buffers: &Buffers) -> std::io::Result<Vec<Bytes>> {
    let mut file = std::fs::File::open(path)?;
    let mut parts = Vec::new();
    loop {
        let mut part = buffers.take();
        let len = (&mut file).take(CHUNK_LEN as u64).read_to_end(&mut part)?;
        parts.push(buffers.lend(part));
        if len < CHUNK_LEN {
            return Ok(parts);
        }
    }
}

/// How many bytes are free where a path lies; nothing where that cannot be told.
fn free_space(path: &Path) -> u64 {
    rustix::fs::statvfs(path).map_or(0, |disk| disk.f_bavail.saturating_mul(disk.f_frsize))
}

#[cfg(test)]
mod tests {
    use lifeboat_format::digest::Digest;
    use lifeboat_format::id::{PackId, Suffix};

    use super::*;

    fn pack(n: u8) -> (PackEntry, Vec<Vec<u8>>) {
        let entry = PackEntry {
            pack: PackId::from_bytes([n; 16]),
            suffix: Suffix::from_bytes([n; 4]),
            size: 100,
            blocks: 1,
            index_digest: Digest::of(&[n]),
        };
        (entry, vec![vec![n; 60], vec![n; 40]])
    }

    fn spooled(dir: &Path) -> usize {
        std::fs::read_dir(dir).expect("lists").count()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn two_in_memory_some_on_disk_and_then_reading_waits() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let (queue_in, mut out) = queue(dir.path(), Some(250));
        let fill = tokio::task::spawn_blocking(move || {
            for n in 0..4 {
                let (entry, parts) = pack(n);
                assert!(queue_in.put(entry, parts).is_ok());
            }
            queue_in
        });
        let queue_in = fill.await.expect("does not wait");
        assert_eq!(spooled(dir.path()), 2, "what is over waits on disk");

        // The fifth finds memory and disk full, and waits until one is taken out.
        let fifth = tokio::task::spawn_blocking(move || {
            let (entry, parts) = pack(4);
            assert!(queue_in.put(entry, parts).is_ok());
            queue_in
        });
        for n in 0..5u8 {
            let queued = out.receiver.recv().await.expect("is there");
            let (entry, parts, slot) = queued.load(out.room()).await.expect("loads");
            assert_eq!((entry, parts.concat()), (pack(n).0, vec![n; 100]), "in order, and whole");
            drop(slot);
        }
        let queue_in = fifth.await.expect("ends");
        assert_eq!(spooled(dir.path()), 0);
        drop(out);
        assert!(!queue_in.is_open());
        let (entry, parts) = pack(5);
        assert!(matches!(queue_in.put(entry, parts), Err(Refused::Closed)));
    }

    /// Packs on disk wait for slots; those that follow must not take them.
    #[tokio::test(flavor = "multi_thread")]
    async fn nobody_overtakes_what_waits_on_disk() {
        use futures::FutureExt;
        let dir = tempfile::tempdir().expect("a temporary directory");
        let (queue_in, mut out) = queue(dir.path(), Some(10_000));
        let put = |queue_in: QueueIn, numbers: std::ops::Range<u8>| async {
            let work = move || {
                for (entry, parts) in numbers.map(pack) {
                    assert!(queue_in.put(entry, parts).is_ok());
                }
                queue_in
            };
            tokio::task::spawn_blocking(work).await.expect("does not wait")
        };
        let queue_in = put(queue_in, 0..4).await;
        for _ in 0..2 {
            let sent = out.receiver.recv().await.expect("is there");
            drop(sent.load(out.room()).await.expect("loads"));
        }
        // Both slots are free, and two packs on disk have not asked for them yet.
        put(queue_in, 4..6).await;
        for n in 2..6 {
            let queued = out.receiver.recv().await.expect("is there");
            let loaded = queued.load(out.room()).now_or_never().expect("a slot is free");
            let (entry, parts, _slot) = loaded.expect("loads");
            assert_eq!((entry, parts.concat()), (pack(n).0, vec![n; 100]));
        }
    }

    #[test]
    fn large_packs_go_alone() {
        assert_eq!((slots_of(0), slots_of(LARGE), slots_of(LARGE + 1)), (1, 1, IN_FLIGHT as u32));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn who_waits_notices_that_nobody_comes() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let (queue_in, out) = queue(dir.path(), Some(0));
        let waiting = tokio::task::spawn_blocking(move || {
            (0..3).map(pack).map(|(entry, parts)| queue_in.put(entry, parts).is_ok()).collect()
        });
        drop(out);
        let done: Vec<bool> = waiting.await.expect("ends");
        assert_eq!(done.last(), Some(&false));
    }
}
