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

impl Database {
    /// Reads the index of a pack, and which of its blocks the target holds, by
    /// their position; none are compared where nothing is held.
    pub(super) async fn read_for_restore(
        &self,
        entry: &PackEntry,
        held: Option<Shared>,
    ) -> Result<(PackIndex, Option<Bytes>, Vec<bool>), ReadError> {
        let Some(held) = held else {
            let (index, whole) = self.pack_index(entry).await?;
            return Ok((index, whole, Vec::new()));
        };
        let (index, pairs) = self.pack_hashes(entry).await?;
        let compared = tokio::task::spawn_blocking(move || {
            // A comparison that panicked left nothing half done.
            let mut held = held.lock().unwrap_or_else(PoisonError::into_inner);
            pairs.into_iter().map(|(block, hash)| held(block, hash)).collect()
        });
        match compared.await {
            Ok(kept) => Ok((index, None, kept)),
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }
}
