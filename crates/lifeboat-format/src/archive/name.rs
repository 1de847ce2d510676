//! What archives are called, and how the database stands in them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use time::format_description::FormatItem;
use time::macros::format_description;
use time::{OffsetDateTime, PrimitiveDateTime, UtcOffset};

use crate::hex;
use crate::id::{DatabaseName, ParseIdError};

const SECOND: &[FormatItem<'static>] =
    format_description!("[year][month][day]_[hour][minute][second]");

/// How the database file stands in an archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ArchiveEncoding {
    /// As it is.
    #[serde(rename = "plain")]
    Plain,
    /// As one zstd stream.
    #[serde(rename = "zstd")]
    Zstd,
    /// Sealed.
    #[serde(rename = "sealed")]
    Sealed,
    /// As one zstd stream, sealed.
    #[serde(rename = "zstd+sealed")]
    ZstdSealed,
}

impl ArchiveEncoding {
    /// Whether it is compressed.
    pub fn is_zstd(self) -> bool {
        matches!(self, Self::Zstd | Self::ZstdSealed)
    }

    /// Whether it is encrypted.
    pub fn is_sealed(self) -> bool {
        matches!(self, Self::Sealed | Self::ZstdSealed)
    }

    fn suffix(self) -> &'static str {
        match self {
            Self::Plain => ".db",
            Self::Zstd => ".db.zst",
            Self::Sealed => ".db.sealed",
            Self::ZstdSealed => ".db.zst.sealed",
        }
    }
}

/// The name of an archive:
/// `<database>_<YYYYMMDD>_<HHMMSS>_<8 hex>.db[.zst][.sealed]`, the time in UTC
/// and the name of the database as in object keys.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ArchiveName(String);

impl ArchiveName {
    /// The name of an archive that is begun at a time.
    pub fn new(
        database: &DatabaseName,
        at: OffsetDateTime,
        random: [u8; 4],
        encoding: ArchiveEncoding,
    ) -> Self {
        let second = at
            .to_offset(UtcOffset::UTC)
            .format(&SECOND)
            .expect("a date and a time have all the parts that the format names");
        let random = hex::encode(&random);
        Self(format!("{}_{second}_{random}{}", database.key(), encoding.suffix()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// How the database stands in it.
    pub fn encoding(&self) -> ArchiveEncoding {
        let all = [
            ArchiveEncoding::ZstdSealed,
            ArchiveEncoding::Sealed,
            ArchiveEncoding::Zstd,
            ArchiveEncoding::Plain,
        ];
        let is_it = |encoding: &ArchiveEncoding| self.0.ends_with(encoding.suffix());
        all.into_iter().find(is_it).expect("a name has one of these endings")
    }
}

impl FromStr for ArchiveName {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        let wrong = ParseIdError { what: "name of an archive" };
        let stem = [".db.zst.sealed", ".db.sealed", ".db.zst", ".db"]
            .iter()
            .find_map(|suffix| text.strip_suffix(suffix))
            .ok_or(wrong.clone())?;
        let mut parts = stem.rsplitn(4, '_');
        let (Some(random), Some(time), Some(date), Some(database)) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(wrong);
        };
        hex::decode::<4>(random).ok_or(wrong.clone())?;
        // Else a sign before the year would be a second spelling.
        if date.len() != 8 || PrimitiveDateTime::parse(&format!("{date}_{time}"), &SECOND).is_err()
        {
            return Err(wrong);
        }
        DatabaseName::from_key(database)?;
        Ok(Self(text.to_owned()))
    }
}

impl TryFrom<String> for ArchiveName {
    type Error = ParseIdError;

    fn try_from(text: String) -> Result<Self, ParseIdError> {
        text.parse()
    }
}

impl From<ArchiveName> for String {
    fn from(name: ArchiveName) -> Self {
        name.0
    }
}

impl fmt::Display for ArchiveName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
