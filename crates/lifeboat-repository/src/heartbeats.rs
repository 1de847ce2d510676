//! Heartbeats: that a database was watched, and did not change since its latest
//! snapshot. They are what tells "nothing to do" from "nobody there".

use lifeboat_format::heartbeat::{self, Heartbeat, HeartbeatName, MAX_HEARTBEAT_LEN};
use lifeboat_format::id::SnapshotId;
use lifeboat_format::key;
use lifeboat_format::numbers::RecordNo;
use lifeboat_remote::{Created, Failure};
use time::{Duration, OffsetDateTime};

use crate::error::{ReadError, WriteError};
use crate::local::random;
use crate::repository::Database;

/// Older ones say nothing that anybody asks.
const KEPT_FOR: Duration = Duration::days(2);

impl Database {
    /// Says that the database was looked at, at a time that is not after the look
    /// began, and was as this snapshot has it.
    ///
    /// Cancelled or killed, it is said or not.
    pub async fn beat(
        &self,
        at: OffsetDateTime,
        record: RecordNo,
        snapshot_id: &SnapshotId,
    ) -> Result<(), WriteError> {
        let by = self.local().installation().map_err(ReadError::from)?.clone();
        let beat = Heartbeat {
            repository: self.repository.info().repository,
            database: self.name.clone(),
            by,
            at,
            record,
            snapshot_id: snapshot_id.clone(),
        };
        loop {
            let name = HeartbeatName::new(at, random());
            let object = heartbeat::encode(&beat, &name, &self.home());
            let key = self.keys.at(&key::heartbeat(&name));
            if self.remote().create(&key, object.into()).await? == Created::New {
                return Ok(());
            }
        }
    }

    /// The newest heartbeat. Those that cannot be read are passed over: a
    /// database seems less watched than it is, never more.
    pub async fn last_heartbeat(&self) -> Result<Option<Heartbeat>, ReadError> {
        for name in self.heartbeat_names().await?.into_iter().rev() {
            let key = self.keys.at(&key::heartbeat(&name));
            let Some(object) = self.remote().get(&key, MAX_HEARTBEAT_LEN).await? else {
                continue;
            };
            match heartbeat::decode(&object, &name, &self.home()) {
                Ok(heartbeat) => return Ok(Some(heartbeat)),
                Err(error) => tracing::warn!(key, %error, "a heartbeat is damaged"),
            }
        }
        Ok(None)
    }

    /// Deletes heartbeats of more than two days ago, but for the newest. Where
    /// deleting is not allowed they stay, for whoever prunes. Returns how many
    /// were deleted.
    pub async fn sweep_heartbeats(&self) -> Result<usize, WriteError> {
        let mut names = self.heartbeat_names().await?;
        names.pop();
        let until = self.local().now() - KEPT_FOR;
        let keys: Vec<String> = names
            .iter()
            .take_while(|name| name.second() < until)
            .map(|name| self.keys.at(&key::heartbeat(name)))
            .collect();
        if keys.is_empty() {
            return Ok(0);
        }
        match self.remote().delete(&keys).await {
            Ok(()) => Ok(keys.len()),
            Err(error) if error.what == Failure::Denied => Ok(0),
            Err(error) => Err(WriteError::Read(error.into())),
        }
    }

    /// The names that a listing shows, the oldest first.
    async fn heartbeat_names(&self) -> Result<Vec<HeartbeatName>, ReadError> {
        let listed = self.remote().list(&self.keys.heartbeats()).await?;
        let name = |key: &str| key.rsplit('/').next()?.parse().ok();
        let mut names: Vec<HeartbeatName> =
            listed.iter().filter_map(|object| name(&object.key)).collect();
        names.sort();
        Ok(names)
    }
}
