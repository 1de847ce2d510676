//! Heartbeats: a database was looked at, and had not changed since its latest
//! snapshot. The body is one JSON object.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use time::{OffsetDateTime, UtcOffset};

use crate::hex;
use crate::id::{DatabaseName, InstallationId, ParseIdError, RepositoryId, SnapshotId};
use crate::numbers::RecordNo;
use crate::object::{self, DecodeError, ObjectKind};
use crate::seal::Home;
use crate::second;

/// The largest heartbeat that is read, in bytes.
pub const MAX_HEARTBEAT_LEN: u64 = 64 * 1024;

/// The name of a heartbeat: `<second>-<8 hex>`. Names are ordered by time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HeartbeatName(String);

/// A database was looked at, and had not changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heartbeat {
    /// The repository.
    pub repository: RepositoryId,
    /// The database.
    pub database: DatabaseName,
    /// Who looked.
    pub by: InstallationId,
    /// When, UTC: the state of this moment can be restored.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// The record of the snapshot that is still the state.
    pub record: RecordNo,
    /// Its id.
    pub snapshot_id: SnapshotId,
}

impl HeartbeatName {
    /// The name of a heartbeat.
    pub fn new(at: OffsetDateTime, random: [u8; 4]) -> Self {
        Self(format!("{}-{}", second::text(at), hex::encode(&random)))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The second that it names, UTC.
    pub fn second(&self) -> OffsetDateTime {
        let text = self.0.get(..16).unwrap_or_default();
        second::parse(text).expect("a name begins with a second, or it is none")
    }
}

impl FromStr for HeartbeatName {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        let good = text.split_once('-').is_some_and(|(second, random)| {
            second::parse(second).is_some() && hex::decode::<4>(random).is_some()
        });
        if good {
            Ok(Self(text.to_owned()))
        } else {
            Err(ParseIdError { what: "name of a heartbeat" })
        }
    }
}

impl fmt::Display for HeartbeatName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Encodes the heartbeat of this name.
pub fn encode(heartbeat: &Heartbeat, name: &HeartbeatName, home: &Home<'_>) -> Vec<u8> {
    let body = serde_json::to_vec(heartbeat).expect("texts and numbers always serialise");
    let cipher = home.sealer(ObjectKind::Heartbeat, name.as_str().as_bytes());
    object::encode_sealed(ObjectKind::Heartbeat, body, cipher.as_deref())
}

/// Decodes and proves the heartbeat of this name.
pub fn decode(
    object: &[u8],
    name: &HeartbeatName,
    home: &Home<'_>,
) -> Result<Heartbeat, DecodeError> {
    let kind = ObjectKind::Heartbeat;
    let body = object::decode_sealed(kind, object, home, name.as_str().as_bytes())?;
    let heartbeat: Heartbeat = serde_json::from_slice(&body)
        .map_err(|_| DecodeError::NotUnderstood { kind, what: "fields" })?;
    if heartbeat.repository != home.repository {
        return Err(DecodeError::Misplaced { kind, place: "repository" });
    }
    if heartbeat.database != *home.database {
        return Err(DecodeError::Misplaced { kind, place: "database" });
    }
    // In a plain repository nothing else holds it to its name.
    let second = heartbeat.at.to_offset(UtcOffset::UTC).replace_nanosecond(0);
    if second != Ok(name.second()) {
        return Err(DecodeError::Misplaced { kind, place: "name" });
    }
    Ok(heartbeat)
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    #[test]
    fn names() {
        let at = datetime!(2026-11-20 10:15:30.25 UTC);
        let name = HeartbeatName::new(at, [1, 2, 3, 4]);
        assert_eq!(name.as_str(), "20261120T101530Z-01020304");
        assert_eq!(name.as_str().parse(), Ok(name.clone()));
        assert_eq!(name.second(), datetime!(2026-11-20 10:15:30 UTC));
        for bad in ["", "20261120T101530Z", "20261320T101530Z-01020304", "20261120T101530Z-0102030"]
        {
            assert!(bad.parse::<HeartbeatName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn in_its_place_alone() {
        let database = DatabaseName::new("app").expect("a name");
        let repository = RepositoryId::from_bytes([7; 16]);
        let home = Home { repository, database: &database, keys: None };
        let heartbeat = Heartbeat {
            repository: home.repository,
            database: database.clone(),
            by: InstallationId::new("here").expect("an id"),
            at: datetime!(2026-11-20 10:15:30.25 UTC),
            record: RecordNo(3),
            snapshot_id: SnapshotId::new(datetime!(2026-11-20 10:00 UTC), [1, 2, 3, 4]),
        };
        let name = HeartbeatName::new(heartbeat.at, [1, 2, 3, 4]);
        let object = encode(&heartbeat, &name, &home);
        assert_eq!(decode(&object, &name, &home), Ok(heartbeat.clone()));
        let later = HeartbeatName::new(datetime!(2026-11-21 10:15:30 UTC), [1, 2, 3, 4]);
        assert!(matches!(
            decode(&object, &later, &home),
            Err(DecodeError::Misplaced { place: "name", .. })
        ));
        let other = DatabaseName::new("other").expect("a name");
        let elsewhere = Home { repository, database: &other, keys: None };
        assert!(decode(&object, &name, &elsewhere).is_err());
        for at in 0..object.len() {
            let mut flipped = object.clone();
            flipped[at] ^= 1;
            assert!(decode(&flipped, &name, &home).is_err(), "byte {at}");
            assert!(decode(&object[..at], &name, &home).is_err(), "cut at {at}");
        }
    }
}
