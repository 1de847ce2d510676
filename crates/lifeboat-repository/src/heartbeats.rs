//! Heartbeats: that a database was watched, and did not change since its latest
//! snapshot. They are what tells "nothing to do" from "nobody there". Beside them
//! lies what failed, so that it is seen from everywhere.

use lifeboat_format::failure::{self, Failure, FailureName, MAX_FAILURE_LEN};
use lifeboat_format::heartbeat::{self, Heartbeat, HeartbeatName, MAX_HEARTBEAT_LEN};
use lifeboat_format::id::SnapshotId;
use lifeboat_format::key;
use lifeboat_format::numbers::RecordNo;
use lifeboat_remote::{Created, Failure as Failed};
use time::{Duration, OffsetDateTime};

use crate::error::{ReadError, WriteError};
use crate::local::random;
use crate::repository::Database;

/// Older ones say nothing that anybody asks.
const KEPT_FOR: Duration = Duration::days(2);

/// So many bytes of an error are told at most.
const MOST_WORDS: usize = 2000;

/// What was last said of a database by whoever watches it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pulse {
    /// It was looked at, and had not changed.
    pub watched: Option<Heartbeat>,
    /// It was to be backed up, and that failed.
    pub failed: Option<Failure>,
}

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

    /// Says that a backup failed, for so many times in a row, and why.
    ///
    /// Cancelled or killed, it is said or not.
    pub async fn say_failed(
        &self,
        at: OffsetDateTime,
        failures: u32,
        error: &str,
    ) -> Result<(), WriteError> {
        let failure = Failure {
            repository: self.repository.info().repository,
            database: self.name.clone(),
            by: self.local().installation().map_err(ReadError::from)?.clone(),
            at,
            failures,
            error: cut(error, MOST_WORDS).to_owned(),
        };
        loop {
            let name = FailureName::new(at, random());
            let object = failure::encode(&failure, &name, &self.home());
            let key = self.keys.at(&key::failure(&name));
            if self.remote().create(&key, object.into()).await? == Created::New {
                return Ok(());
            }
        }
    }

    /// The newest heartbeat. Those that cannot be read are passed over: a
    /// database seems less watched than it is, never more.
    pub async fn last_heartbeat(&self) -> Result<Option<Heartbeat>, ReadError> {
        let said = self.said().await?;
        self.newest_beat(&said).await
    }

    /// The newest heartbeat, and the newest failure, of those that can be read.
    pub async fn pulse(&self) -> Result<Pulse, ReadError> {
        let said = self.said().await?;
        let mut pulse = Pulse { watched: self.newest_beat(&said).await?, failed: None };
        let since = pulse.watched.as_ref().map(|beat| beat.at);
        for name in said.failures.iter().rev() {
            if since.is_some_and(|since| name.second() < since - Duration::SECOND) {
                // It worked since, and so did whatever is older.
                break;
            }
            let key = self.keys.at(&key::failure(name));
            let Some(object) = self.remote().get(&key, MAX_FAILURE_LEN).await? else {
                continue;
            };
            match failure::decode(&object, name, &self.home()) {
                Ok(failure) => {
                    pulse.failed = Some(failure);
                    break;
                }
                Err(error) => tracing::warn!(key, %error, "what is said of a failure is damaged"),
            }
        }
        Ok(pulse)
    }

    async fn newest_beat(&self, said: &Said) -> Result<Option<Heartbeat>, ReadError> {
        for name in said.beats.iter().rev() {
            let key = self.keys.at(&key::heartbeat(name));
            let Some(object) = self.remote().get(&key, MAX_HEARTBEAT_LEN).await? else {
                continue;
            };
            match heartbeat::decode(&object, name, &self.home()) {
                Ok(heartbeat) => return Ok(Some(heartbeat)),
                Err(error) => tracing::warn!(key, %error, "a heartbeat is damaged"),
            }
        }
        Ok(None)
    }

    /// Deletes heartbeats and failures of more than two days ago, but for the
    /// newest of each. Where deleting is not allowed they stay, for whoever
    /// prunes. Returns how many were deleted.
    pub async fn sweep_heartbeats(&self) -> Result<usize, WriteError> {
        let Said { mut beats, mut failures } = self.said().await?;
        beats.pop();
        failures.pop();
        let until = self.local().now() - KEPT_FOR;
        let beats = beats.iter().take_while(|name| name.second() < until).map(key::heartbeat);
        let failures = failures.iter().take_while(|name| name.second() < until).map(key::failure);
        let keys: Vec<String> = beats.chain(failures).map(|key| self.keys.at(&key)).collect();
        if keys.is_empty() {
            return Ok(0);
        }
        match self.remote().delete(&keys).await {
            Ok(()) => Ok(keys.len()),
            Err(error) if error.what == Failed::Denied => Ok(0),
            Err(error) => Err(WriteError::Read(error.into())),
        }
    }

    async fn said(&self) -> Result<Said, ReadError> {
        let listed = self.remote().list(&self.keys.heartbeats()).await?;
        let mut said = Said::default();
        for name in listed.iter().filter_map(|object| object.key.rsplit('/').next()) {
            said.beats.extend(name.parse::<HeartbeatName>());
            said.failures.extend(name.parse::<FailureName>());
        }
        said.beats.sort();
        said.failures.sort();
        Ok(said)
    }
}

/// The names that a listing shows, the oldest first.
#[derive(Default)]
struct Said {
    beats: Vec<HeartbeatName>,
    failures: Vec<FailureName>,
}

/// The beginning of a text, in at most so many bytes.
fn cut(text: &str, most: usize) -> &str {
    &text[..text.floor_char_boundary(most)]
}
