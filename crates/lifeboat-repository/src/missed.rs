//! What another destination has that this one never had.

use std::collections::HashMap;

use lifeboat_format::id::SnapshotId;
use lifeboat_format::numbers::RecordNo;
use lifeboat_format::record::State;

use crate::error::ReadError;
use crate::log::Found;
use crate::repository::Database;
use crate::snapshots::Snapshot;

impl Database {
    /// The living snapshots of `source` that were never here, the oldest first.
    ///
    /// What was here and was forgotten is not among them: records are never
    /// deleted, so that a snapshot is known for ever. Reads records back to where
    /// the oldest of those snapshots could stand.
    pub async fn missed(&self, source: &Database) -> Result<Vec<Snapshot>, ReadError> {
        let listing = source.snapshots(None).await?;
        for (number, error) in &listing.broken {
            tracing::warn!(record = number.0, %error, "a snapshot cannot be read, nor copied");
        }
        let mut missed: HashMap<SnapshotId, u64> =
            listing.snapshots.iter().map(|one| (one.id().clone(), one.body().generation)).collect();
        let mut number = self.head(None).await?.newest;
        while let Some(at) = number {
            let Some(oldest) = missed.values().min().copied() else { break };
            // A damaged record may have been one of them: copied again, it costs room
            // and nothing else.
            if let Found::Good(record) = self.find_record(at).await? {
                if let Some(body) = &record.body {
                    missed.remove(&body.snapshot_id);
                }
                if record.envelope.state.generation < oldest {
                    break;
                }
            }
            number = (at.0 > 1).then(|| RecordNo(at.0 - 1));
        }
        let all = listing.snapshots.into_iter();
        Ok(all.filter(|one| missed.contains_key(one.id())).collect())
    }

    /// The generation of the next snapshot: one more than the highest that this
    /// installation has seen anywhere.
    pub(crate) fn next_generation(&self, state: &State) -> Result<u64, ReadError> {
        Ok(state.generation.max(self.memory().generation()?) + 1)
    }
}
