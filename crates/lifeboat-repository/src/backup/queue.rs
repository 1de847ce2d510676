//! The way of packs from the thread that reads the database to the uploads.
//!
//! At most two packs are in memory at once; those that wait longer wait on
//! disk, so that a slow upload does not hold the read transaction open. When
//! the disk has no more room for them, reading waits.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use lifeboat_format::list::PackEntry;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use crate::error::LocalError;

/// How many packs are in memory: those in flight.
pub(super) const IN_FLIGHT: usize = 2;

/// A pack on its way.
pub(super) struct Queued {
    pub(super) entry: PackEntry,
    payload: Payload,
}

enum Payload {
    Memory(Bytes, OwnedSemaphorePermit),
    Disk(tempfile::TempPath, Arc<AtomicU64>),
}

/// The end at which packs are put in; used by a thread that may block.
pub(super) struct QueueIn {
    sender: mpsc::UnboundedSender<Queued>,
    slots: Arc<Semaphore>,
    spool: PathBuf,
    spooled: Arc<AtomicU64>,
    limit: u64,
    runtime: tokio::runtime::Handle,
}

/// The end at which they come out.
pub(super) struct QueueOut {
    pub(super) receiver: mpsc::UnboundedReceiver<Queued>,
    slots: Arc<Semaphore>,
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
    let queue_in = QueueIn {
        sender,
        slots: Arc::clone(&slots),
        spool: spool.to_owned(),
        spooled: Arc::default(),
        limit: limit.unwrap_or_else(|| free_space(spool) / 4),
        runtime: tokio::runtime::Handle::current(),
    };
    (queue_in, QueueOut { receiver, slots })
}

impl QueueIn {
    /// Whether somebody still takes packs out.
    pub(super) fn is_open(&self) -> bool {
        !self.sender.is_closed()
    }

    /// Puts a pack in. Blocks while memory and spool are full.
    pub(super) fn put(&self, entry: PackEntry, bytes: Vec<u8>) -> Result<(), Refused> {
        let len = bytes.len() as u64;
        let payload = if let Ok(slot) = Arc::clone(&self.slots).try_acquire_owned() {
            Payload::Memory(bytes.into(), slot)
        } else if self.spooled.load(Ordering::Relaxed) + len <= self.limit {
            self.spool(&bytes).map_err(Refused::Spool)?
        } else {
            Payload::Memory(bytes.into(), self.wait()?)
        };
        self.sender.send(Queued { entry, payload }).map_err(|_| Refused::Closed)
    }

    fn wait(&self) -> Result<OwnedSemaphorePermit, Refused> {
        let slots = Arc::clone(&self.slots);
        self.runtime.block_on(async {
            tokio::select! {
                slot = slots.acquire_owned() => slot.map_err(|_| Refused::Closed),
                () = self.sender.closed() => Err(Refused::Closed),
            }
        })
    }

    fn spool(&self, bytes: &[u8]) -> Result<Payload, LocalError> {
        use std::io::Write;
        let failed = |source| LocalError::at("write a pack to", &self.spool)(source);
        let mut file =
            tempfile::Builder::new().suffix(".spool").tempfile_in(&self.spool).map_err(failed)?;
        file.write_all(bytes).map_err(failed)?;
        self.spooled.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        Ok(Payload::Disk(file.into_temp_path(), Arc::clone(&self.spooled)))
    }
}

impl QueueOut {
    /// What is needed to take packs out of their payload.
    pub(super) fn slots(&self) -> Arc<Semaphore> {
        Arc::clone(&self.slots)
    }
}

impl Queued {
    /// The bytes of the pack; the slot is free again when the permit drops.
    pub(super) async fn load(
        self,
        slots: Arc<Semaphore>,
    ) -> Result<(PackEntry, Bytes, OwnedSemaphorePermit), LocalError> {
        match self.payload {
            Payload::Memory(bytes, slot) => Ok((self.entry, bytes, slot)),
            Payload::Disk(path, spooled) => {
                let slot = slots.acquire_owned().await.expect("the semaphore is never closed");
                // A local file of some MiB, written moments ago: it is in the
                // page cache, and reading it here blocks nobody for long.
                let bytes = std::fs::read(&path)
                    .map_err(LocalError::at("read a spooled pack from", &*path))?;
                spooled.fetch_sub(bytes.len() as u64, Ordering::Relaxed);
                Ok((self.entry, bytes.into(), slot))
            }
        }
    }
}

/// How many bytes are free where a path lies; nothing where that cannot be told.
fn free_space(path: &Path) -> u64 {
    rustix::fs::statvfs(path).map_or(0, |disk| disk.f_bavail.saturating_mul(disk.f_frsize))
}
