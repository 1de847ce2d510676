//! Blocks that a target holds already: compared by their hashes, which a pack
//! keeps apart, and left out of what is fetched.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use lifeboat_format::digest::BlockHash;
use lifeboat_format::geometry::BlockNo;
use lifeboat_format::list::PackEntry;
use lifeboat_format::pack::PackIndex;

use crate::error::ReadError;
use crate::repository::Database;

/// Says whether the target holds a block with this hash. It may read the disk.
pub type Held = Box<dyn FnMut(BlockNo, BlockHash) -> bool + Send>;

pub(super) type Shared = Arc<Mutex<Held>>;

pub(super) fn share(held: Held) -> Shared {
    Arc::new(Mutex::new(held))
}

/// A pack whose index was read.
pub(super) struct ReadPack {
    /// Where it was read, and where its frames are fetched.
    pub(super) at: Database,
    /// What lies there.
    pub(super) entry: PackEntry,
    pub(super) index: PackIndex,
    /// All of it, if it had to be read anyway.
    pub(super) whole: Option<Bytes>,
    /// Which of its blocks the target holds, by their position.
    pub(super) kept: Vec<bool>,
}

impl Database {
    /// Reads the index of a pack, and which of its blocks the target holds; none
    /// are compared where nothing is held. One that is damaged or gone here is read
    /// at another destination.
    pub(super) async fn read_for_restore(
        &self,
        entry: &PackEntry,
        held: Option<Shared>,
    ) -> Result<ReadPack, ReadError> {
        let error = match self.read_here(entry, held.clone()).await {
            Err(error) if error.is_damage() => error,
            read => return read,
        };
        for other in self.others() {
            for there in other.packs_like(entry).await {
                match other.read_here(&there, held.clone()).await {
                    Ok(read) => {
                        self.was_read_at(other, entry, &error);
                        return Ok(read);
                    }
                    Err(error) => tracing::info!(%error, "nor can it be read there"),
                }
            }
        }
        Err(error)
    }

    async fn read_here(
        &self,
        entry: &PackEntry,
        held: Option<Shared>,
    ) -> Result<ReadPack, ReadError> {
        let (at, entry) = (self.clone(), *entry);
        let Some(held) = held else {
            let (index, whole) = self.pack_index(&entry).await?;
            return Ok(ReadPack { at, entry, index, whole, kept: Vec::new() });
        };
        let (index, pairs) = self.pack_hashes(&entry).await?;
        let compared = tokio::task::spawn_blocking(move || {
            // A comparison that panicked left nothing half done.
            let mut held = held.lock().unwrap_or_else(PoisonError::into_inner);
            pairs.into_iter().map(|(block, hash)| held(block, hash)).collect()
        });
        match compared.await {
            Ok(kept) => Ok(ReadPack { at, entry, index, whole: None, kept }),
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }
}
