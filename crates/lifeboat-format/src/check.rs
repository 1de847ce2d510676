//! Results of checks: what was read and proven, by whom, when, and what was
//! found. The body is one JSON object.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::digest::Digest;
use crate::hex;
use crate::id::{DatabaseName, InstallationId, ParseIdError, RepositoryId, SnapshotId};
use crate::numbers::{NumberSet, RecordNo};
use crate::object::{self, DecodeError, ObjectKind};
use crate::seal::Home;
use crate::second;

/// The largest check result that is read, in bytes.
pub const MAX_CHECK_LEN: u64 = 16 * 1024 * 1024;

/// The name of a result: `<n>-<second>-<8 hex>`, where `<n>` is the newest
/// record there was, in 20 digits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CheckName(String);

/// What a check did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CheckResult {
    /// The repository.
    pub repository: RepositoryId,
    /// The database.
    pub database: DatabaseName,
    /// What kind of check it was.
    pub kind: CheckKind,
    /// Who made it.
    pub by: InstallationId,
    /// When it began, UTC.
    #[serde(with = "time::serde::rfc3339")]
    pub started_at: OffsetDateTime,
    /// When it ended, UTC.
    #[serde(with = "time::serde::rfc3339")]
    pub finished_at: OffsetDateTime,
    /// The newest record there was.
    pub record: RecordNo,
    /// The snapshots that were looked at.
    #[serde(default, skip_serializing_if = "NumberSet::is_empty")]
    pub snapshots: NumberSet,
    /// Of all data objects of those snapshots, the ones whose positions lie in
    /// these ranges were read whole, and everything in them proven or found.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub read: Vec<Positions>,
    /// How many objects were read whole.
    #[serde(default)]
    pub objects_read: u64,
    /// How many bytes were read.
    #[serde(default)]
    pub bytes_read: u64,
    /// What is wrong.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
    /// What a drill showed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drill: Option<Drill>,
}

/// Kinds of checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum CheckKind {
    /// Objects were looked at, and perhaps read.
    Check,
    /// A snapshot was restored and put to the test.
    Drill,
    /// Something was mended, or could not be.
    Repair,
}

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The key of the object, relative to the folder of the database, or to the
    /// root of the repository where it lies outside.
    pub object: String,
    /// What is wrong with it, in words.
    pub what: String,
    /// The living snapshots that need it.
    #[serde(default, skip_serializing_if = "NumberSet::is_empty")]
    pub snapshots: NumberSet,
}

/// What a drill showed: the receipt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Drill {
    /// The record of the snapshot that was restored.
    pub snapshot: RecordNo,
    /// Its id.
    pub snapshot_id: SnapshotId,
    /// When it was taken, UTC.
    #[serde(with = "time::serde::rfc3339")]
    pub taken_at: OffsetDateTime,
    /// The digest that the restored image was proven against.
    pub image_digest: Digest,
    /// The size of the restored file in bytes.
    pub size: u64,
    /// How long it took to restore and to prove, in milliseconds.
    pub restore_ms: u64,
    /// How long the whole drill took, in milliseconds.
    pub duration_ms: u64,
    /// What `integrity_check` found; nothing if all is well.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub integrity: Vec<String>,
    /// What `foreign_key_check` found.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub foreign_keys: Vec<String>,
    /// Statements that must each return 1, and what they returned.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub assertions: Vec<Assertion>,
}

/// A statement that must return 1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assertion {
    /// The statement.
    pub sql: String,
    /// Whether it returned one row with the one value 1.
    pub holds: bool,
    /// What it returned instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub returned: Option<String>,
}

impl Drill {
    /// Whether nothing was found, and every assertion holds.
    pub fn passed(&self) -> bool {
        self.integrity.is_empty()
            && self.foreign_keys.is_empty()
            && self.assertions.iter().all(|assertion| assertion.holds)
    }
}

/// A range of positions, both ends included, written as `first-last` in 16
/// hexadecimal digits each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Positions {
    /// The first.
    pub first: u64,
    /// The last.
    pub last: u64,
}

impl Positions {
    /// All there are.
    pub const ALL: Self = Self { first: 0, last: u64::MAX };

    /// Whether a position lies in the range.
    pub fn contains(self, position: u64) -> bool {
        (self.first..=self.last).contains(&position)
    }
}

/// Where a data object stands among all: the first 8 bytes of the digest of its
/// key (relative to the folder of the database), the first byte counting most.
/// So a part of the positions is a part of the objects drawn at random.
pub fn position(relative: &str) -> u64 {
    let digest = Digest::of(relative.as_bytes());
    let mut first = [0; 8];
    first.copy_from_slice(&digest.as_bytes()[..8]);
    u64::from_be_bytes(first)
}

impl TryFrom<String> for Positions {
    type Error = ParseIdError;

    fn try_from(text: String) -> Result<Self, ParseIdError> {
        let wrong = ParseIdError { what: "range of positions" };
        let (first, last) = text.split_once('-').ok_or(wrong.clone())?;
        let number = |text| hex::decode::<8>(text).map(u64::from_be_bytes);
        let (first, last) = number(first).zip(number(last)).ok_or(wrong.clone())?;
        if first > last { Err(wrong) } else { Ok(Self { first, last }) }
    }
}

impl From<Positions> for String {
    fn from(range: Positions) -> Self {
        format!("{:016x}-{:016x}", range.first, range.last)
    }
}

impl CheckName {
    /// The name of a result.
    pub fn new(newest: RecordNo, at: OffsetDateTime, random: [u8; 4]) -> Self {
        let second = second::text(at);
        Self(format!("{:020}-{second}-{}", newest.0, hex::encode(&random)))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for CheckName {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        let wrong = ParseIdError { what: "name of a check result" };
        let mut parts = text.splitn(3, '-');
        let (Some(n), Some(second), Some(random)) = (parts.next(), parts.next(), parts.next())
        else {
            return Err(wrong);
        };
        let digits = n.len() == 20 && n.bytes().all(|b| b.is_ascii_digit());
        let good = digits && second::parse(second).is_some() && hex::decode::<4>(random).is_some();
        if good { Ok(Self(text.to_owned())) } else { Err(wrong) }
    }
}

impl TryFrom<String> for CheckName {
    type Error = ParseIdError;

    fn try_from(text: String) -> Result<Self, ParseIdError> {
        text.parse()
    }
}

impl From<CheckName> for String {
    fn from(name: CheckName) -> Self {
        name.0
    }
}

impl fmt::Display for CheckName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Encodes the result of this name.
pub fn encode(result: &CheckResult, name: &CheckName, home: &Home<'_>) -> Vec<u8> {
    let body = serde_json::to_vec(result).expect("texts and numbers always serialise");
    let cipher = home.sealer(ObjectKind::Check, name.as_str().as_bytes());
    object::encode_sealed(ObjectKind::Check, body, cipher.as_deref())
}

/// Decodes and proves the result of this name.
pub fn decode(
    object: &[u8],
    name: &CheckName,
    home: &Home<'_>,
) -> Result<CheckResult, DecodeError> {
    let kind = ObjectKind::Check;
    let body = object::decode_sealed(kind, object, home, name.as_str().as_bytes())?;
    let result: CheckResult = serde_json::from_slice(&body)
        .map_err(|_| DecodeError::NotUnderstood { kind, what: "fields" })?;
    if result.repository != home.repository {
        return Err(DecodeError::Misplaced { kind, place: "repository" });
    }
    if result.database != *home.database {
        return Err(DecodeError::Misplaced { kind, place: "database" });
    }
    if *name.as_str().as_bytes().first_chunk::<20>().unwrap_or(&[0; 20])
        != *format!("{:020}", result.record.0).as_bytes()
    {
        return Err(DecodeError::Misplaced { kind, place: "name" });
    }
    Ok(result)
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    #[test]
    fn names_and_positions() {
        let at = datetime!(2026-11-20 10:15:30 UTC);
        let name = CheckName::new(RecordNo(7), at, [1, 2, 3, 4]);
        assert_eq!(name.as_str(), "00000000000000000007-20261120T101530Z-01020304");
        assert_eq!(name.as_str().parse(), Ok(name));
        for bad in ["", "7-20261120T101530Z-01020304", "00000000000000000007-20261120T101530Z"] {
            assert!(bad.parse::<CheckName>().is_err(), "{bad}");
        }
        let text = String::from(Positions::ALL);
        assert_eq!(text, "0000000000000000-ffffffffffffffff");
        assert_eq!(Positions::try_from(text), Ok(Positions::ALL));
        assert!(Positions::try_from("2-1".to_owned()).is_err());
    }
}
