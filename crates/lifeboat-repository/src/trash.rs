//! What lies in the trash, with what its records say.

use futures::{StreamExt, TryStreamExt};
use lifeboat_format::record::Trashed;

use crate::error::ReadError;
use crate::repository::Database;
use crate::snapshots::Snapshot;

/// How many records are read at once.
const READERS: usize = 16;

/// A snapshot in the trash.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TrashedSnapshot {
    /// Its number, and since when it lies there.
    pub trashed: Trashed,
    /// What it is; none where its record is damaged.
    pub snapshot: Option<Snapshot>,
}

impl Database {
    /// The snapshots in the trash, in the order in which they came there.
    pub async fn trashed(&self) -> Result<Vec<TrashedSnapshot>, ReadError> {
        let head = self.head(None).await?;
        futures::stream::iter(head.state().trash)
            .map(|trashed| async move {
                let snapshot = match self.record(trashed.number).await {
                    Ok(record) => Snapshot::of(record, false),
                    Err(error) if error.is_damage() => None,
                    Err(error) => return Err(error),
                };
                Ok(TrashedSnapshot { trashed, snapshot })
            })
            .buffered(READERS)
            .try_collect()
            .await
    }
}
