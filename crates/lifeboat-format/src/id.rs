//! Ids, and the names that stand in object keys.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::{hex, second};

/// A text that is not the id it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a {what}")]
pub struct ParseIdError {
    pub(crate) what: &'static str,
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $len:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; $len]);

        impl $name {
            /// How many bytes it has.
            pub const LEN: usize = $len;

            /// Makes it of bytes drawn at random, or read from somewhere.
            pub fn from_bytes(bytes: [u8; $len]) -> Self {
                Self(bytes)
            }

            /// Its bytes.
            pub fn as_bytes(&self) -> &[u8; $len] {
                &self.0
            }
        }

        hex::text_form!($name, $len);
    };
}

id! {
    /// Identifies a repository on all its destinations.
    RepositoryId, 16
}
id! {
    /// Identifies a pack, wherever it lies.
    PackId, 16
}
id! {
    /// Drawn anew by each who puts a pack, so that no two puts share a key.
    Suffix, 4
}
id! {
    /// Identifies a pack list.
    ListId, 16
}
id! {
    /// Identifies an object that belongs to a snapshot beside its image.
    AttachedId, 16
}
id! {
    /// Identifies an epoch of the commit log, on all destinations.
    EpochId, 16
}
id! {
    /// Drawn anew for each record that somebody tries to create.
    Nonce, 16
}

/// Who writes: a stored installation id, never a host name. 1 to 64 characters
/// of `[A-Za-z0-9._-]`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct InstallationId(String);

impl InstallationId {
    /// Accepts a text that can be an installation id.
    pub fn new(text: impl Into<String>) -> Result<Self, ParseIdError> {
        let text = text.into();
        let good = (1..=64).contains(&text.len()) && text.bytes().all(is_plain);
        if good { Ok(Self(text)) } else { Err(ParseIdError { what: "installation id" }) }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for InstallationId {
    type Error = ParseIdError;

    fn try_from(text: String) -> Result<Self, ParseIdError> {
        Self::new(text)
    }
}

impl From<InstallationId> for String {
    fn from(id: InstallationId) -> Self {
        id.0
    }
}

impl fmt::Display for InstallationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name of a database in a repository, as people see it: any text but the
/// empty one, whose form in keys has at most 100 characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DatabaseName(String);

impl DatabaseName {
    /// Accepts a text that can name a database.
    pub fn new(text: impl Into<String>) -> Result<Self, ParseIdError> {
        let name = Self(text.into());
        if (1..=100).contains(&name.key().len()) {
            Ok(name)
        } else {
            Err(ParseIdError { what: "database name" })
        }
    }

    /// The name as people see it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name as it stands in object keys: what is not in `[A-Za-z0-9._-]`
    /// is percent-encoded, and so are `.` and `..` as wholes.
    pub fn key(&self) -> String {
        let dots = self.0 == "." || self.0 == "..";
        let mut key = String::with_capacity(self.0.len());
        for byte in self.0.bytes() {
            if is_plain(byte) && !dots {
                key.push(char::from(byte));
            } else {
                key.push_str(&format!("%{byte:02X}"));
            }
        }
        key
    }

    /// Reads a name back from its form in object keys. Only the form that
    /// [`key`](Self::key) gives is accepted.
    pub fn from_key(key: &str) -> Result<Self, ParseIdError> {
        let wrong = ParseIdError { what: "database name in an object key" };
        let mut bytes = Vec::with_capacity(key.len());
        let mut rest = key.bytes();
        while let Some(byte) = rest.next() {
            if byte == b'%' {
                let digits = [rest.next().ok_or(wrong.clone())?, rest.next().ok_or(wrong.clone())?];
                let text = std::str::from_utf8(&digits).map_err(|_| wrong.clone())?;
                bytes.push(u8::from_str_radix(text, 16).map_err(|_| wrong.clone())?);
            } else {
                bytes.push(byte);
            }
        }
        let name = Self::new(String::from_utf8(bytes).map_err(|_| wrong.clone())?)?;
        if name.key() == key { Ok(name) } else { Err(wrong) }
    }
}

impl TryFrom<String> for DatabaseName {
    type Error = ParseIdError;

    fn try_from(text: String) -> Result<Self, ParseIdError> {
        Self::new(text)
    }
}

impl From<DatabaseName> for String {
    fn from(name: DatabaseName) -> Self {
        name.0
    }
}

impl fmt::Display for DatabaseName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-')
}

/// Identifies a snapshot on all its destinations: the second of its read
/// transaction in UTC, and eight hexadecimal digits drawn at random, as in
/// `20261120T101530Z-3f9a2c1b`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SnapshotId(String);

impl SnapshotId {
    /// The id of a snapshot taken at a time, with four bytes drawn at random.
    pub fn new(taken_at: OffsetDateTime, random: [u8; 4]) -> Self {
        Self(format!("{}-{}", second::text(taken_at), hex::encode(&random)))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for SnapshotId {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        let wrong = ParseIdError { what: "snapshot id" };
        let (second, random) = text.split_once('-').ok_or(wrong.clone())?;
        second::parse(second).ok_or(wrong.clone())?;
        hex::decode::<4>(random).ok_or(wrong)?;
        Ok(Self(text.to_owned()))
    }
}

impl TryFrom<String> for SnapshotId {
    type Error = ParseIdError;

    fn try_from(text: String) -> Result<Self, ParseIdError> {
        text.parse()
    }
}

impl From<SnapshotId> for String {
    fn from(id: SnapshotId) -> Self {
        id.0
    }
}

impl fmt::Display for SnapshotId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    #[test]
    fn names_and_their_keys() {
        for (name, key) in [
            ("app", "app"),
            ("a.b-c_D9", "a.b-c_D9"),
            (".", "%2E"),
            ("..", "%2E%2E"),
            ("...", "..."),
            ("a b/c%", "a%20b%2Fc%25"),
            ("ü", "%C3%BC"),
        ] {
            let parsed = DatabaseName::new(name).expect("valid");
            assert_eq!(parsed.key(), key);
            assert_eq!(DatabaseName::from_key(key), Ok(parsed));
        }
        assert!(DatabaseName::new("").is_err());
        assert!(DatabaseName::new("x".repeat(101)).is_err());
        for bad in ["", "%", "%4", "%zz", "%2e", "%41", "a/b", "%FF", ".", ".."] {
            assert!(DatabaseName::from_key(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn snapshot_ids() {
        let id = SnapshotId::new(datetime!(2026-11-20 11:15:30.5 +1), [0x3f, 0x9a, 0x2c, 0x1b]);
        assert_eq!(id.as_str(), "20261120T101530Z-3f9a2c1b");
        assert_eq!(id.as_str().parse(), Ok(id));
        for bad in [
            "",
            "20261120T101530Z",
            "20261120T101530Z-3f9a2c1",
            "20261320T101530Z-3f9a2c1b",
            "+20261120T101530Z-3f9a2c1b",
            "latest",
        ] {
            assert!(bad.parse::<SnapshotId>().is_err(), "{bad}");
        }
    }
}
