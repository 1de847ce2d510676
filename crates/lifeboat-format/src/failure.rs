//! Failures: a database was to be backed up, and that failed. The body is one
//! JSON object.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use time::{OffsetDateTime, UtcOffset};

use crate::hex;
use crate::id::{DatabaseName, InstallationId, ParseIdError, RepositoryId};
use crate::object::{self, DecodeError, ObjectKind};
use crate::seal::Home;
use crate::second;

/// The largest failure that is read, in bytes.
pub const MAX_FAILURE_LEN: u64 = 64 * 1024;

/// What follows the second and the random bytes in a name.
const SUFFIX: &str = "-failed";

/// The name of a failure: `<second>-<8 hex>-failed`. Among those of heartbeats,
/// whose folder it shares, it is ordered by time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FailureName(String);

/// A backup was tried, and failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The repository.
    pub repository: RepositoryId,
    /// The database.
    pub database: DatabaseName,
    /// Who tried.
    pub by: InstallationId,
    /// When it failed, UTC.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// How often in a row, this time included.
    pub failures: u32,
    /// What failed, and why.
    pub error: String,
}

impl FailureName {
    /// The name of a failure.
    pub fn new(at: OffsetDateTime, random: [u8; 4]) -> Self {
        Self(format!("{}-{}{SUFFIX}", second::text(at), hex::encode(&random)))
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

impl FromStr for FailureName {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        let parts = text.strip_suffix(SUFFIX).and_then(|rest| rest.split_once('-'));
        let good = parts.is_some_and(|(second, random)| {
            second::parse(second).is_some() && hex::decode::<4>(random).is_some()
        });
        if good {
            Ok(Self(text.to_owned()))
        } else {
            Err(ParseIdError { what: "name of a failure" })
        }
    }
}

impl fmt::Display for FailureName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Encodes the failure of this name.
pub fn encode(failure: &Failure, name: &FailureName, home: &Home<'_>) -> Vec<u8> {
    let body = serde_json::to_vec(failure).expect("texts and numbers always serialise");
    let cipher = home.sealer(ObjectKind::Heartbeat, name.as_str().as_bytes());
    object::encode_sealed(ObjectKind::Heartbeat, body, cipher.as_deref())
}

/// Decodes and proves the failure of this name.
pub fn decode(object: &[u8], name: &FailureName, home: &Home<'_>) -> Result<Failure, DecodeError> {
    let kind = ObjectKind::Heartbeat;
    let body = object::decode_sealed(kind, object, home, name.as_str().as_bytes())?;
    let failure: Failure = serde_json::from_slice(&body)
        .map_err(|_| DecodeError::NotUnderstood { kind, what: "fields" })?;
    if failure.repository != home.repository {
        return Err(DecodeError::Misplaced { kind, place: "repository" });
    }
    if failure.database != *home.database {
        return Err(DecodeError::Misplaced { kind, place: "database" });
    }
    // In a plain repository nothing else holds it to its name.
    let second = failure.at.to_offset(UtcOffset::UTC).replace_nanosecond(0);
    if second != Ok(name.second()) {
        return Err(DecodeError::Misplaced { kind, place: "name" });
    }
    Ok(failure)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::heartbeat::HeartbeatName;
    use time::macros::datetime;

    #[test]
    fn names() {
        let at = datetime!(2026-11-20 10:15:30.25 UTC);
        let name = FailureName::new(at, [1, 2, 3, 4]);
        assert_eq!(name.as_str(), "20261120T101530Z-01020304-failed");
        assert_eq!(name.as_str().parse(), Ok(name.clone()));
        assert_eq!(name.second(), datetime!(2026-11-20 10:15:30 UTC));
        // Who knows only heartbeats must not take it for one.
        assert!(name.as_str().parse::<HeartbeatName>().is_err());
        for bad in ["", "-failed", "20261120T101530Z-01020304", "20261120T101530Z-0102030-failed"] {
            assert!(bad.parse::<FailureName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn in_its_place_alone() {
        let database = DatabaseName::new("app").expect("a name");
        let repository = RepositoryId::from_bytes([7; 16]);
        let home = Home { repository, database: &database, keys: None };
        let failure = Failure {
            repository: home.repository,
            database: database.clone(),
            by: InstallationId::new("here").expect("an id"),
            at: datetime!(2026-11-20 10:15:30.25 UTC),
            failures: 3,
            error: "it rained".into(),
        };
        let name = FailureName::new(failure.at, [1, 2, 3, 4]);
        let object = encode(&failure, &name, &home);
        assert_eq!(decode(&object, &name, &home), Ok(failure));
        let later = FailureName::new(datetime!(2026-11-21 10:15:30 UTC), [1, 2, 3, 4]);
        assert!(decode(&object, &later, &home).is_err());
        let other = DatabaseName::new("other").expect("a name");
        assert!(
            decode(&object, &name, &Home { repository, database: &other, keys: None }).is_err()
        );
        for at in 0..object.len() {
            let mut flipped = object.clone();
            flipped[at] ^= 1;
            assert!(decode(&flipped, &name, &home).is_err(), "byte {at}");
            assert!(decode(&object[..at], &name, &home).is_err(), "cut at {at}");
        }
    }
}
