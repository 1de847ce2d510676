//! What was found, in a temporary file: there may be millions.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, Write};
use std::path::Path;

use lifeboat_remote::Listed;

use crate::encode::{Taken, put_bytes, put_number};
use crate::error::LinksError;
use crate::mention::Mention;

/// Kinds of findings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Kind {
    /// A row names an object that is not there: the store said so when asked for
    /// this one.
    Broken,
    /// The store did not say whether the object is there.
    Unknown,
    /// No row names this object, and it is older than the grace.
    Orphaned,
    /// The object has another size than its row says.
    WrongSize,
    /// The object has another digest than its row says.
    WrongDigest,
    /// Several rows name the same object. That may be meant.
    Duplicate,
    /// What stands in a row is no key.
    Unusable,
}

impl Kind {
    const ALL: [Self; 7] = [
        Self::Broken,
        Self::Unknown,
        Self::Orphaned,
        Self::WrongSize,
        Self::WrongDigest,
        Self::Duplicate,
        Self::Unusable,
    ];

    /// As it is written in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Broken => "broken",
            Self::Unknown => "unknown",
            Self::Orphaned => "orphaned",
            Self::WrongSize => "wrong_size",
            Self::WrongDigest => "wrong_digest",
            Self::Duplicate => "duplicate",
            Self::Unusable => "unusable",
        }
    }
}

/// What the store says of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Seen {
    /// Its size in bytes.
    pub size: u64,
    /// When it was put, in seconds since 1970, by the store's clock.
    pub modified: i64,
    /// What the store calls its bytes.
    pub etag: Option<String>,
}

impl From<Listed> for Seen {
    fn from(listed: Listed) -> Self {
        Self { size: listed.size, modified: listed.modified, etag: listed.etag }
    }
}

impl Seen {
    /// Whether it is the object that it was, as far as the store says. Listings have
    /// parts of seconds that others round, and some have no ETag.
    pub(crate) fn is_same(&self, now: &Self) -> bool {
        let same_etag = match (&self.etag, &now.etag) {
            (Some(before), Some(now)) => before == now,
            _ => true,
        };
        self.size == now.size && self.modified.abs_diff(now.modified) <= 1 && same_etag
    }

    pub(crate) fn payload(&self, out: &mut Vec<u8>) {
        out.clear();
        put_number(out, self.size);
        put_number(out, u64::from_le_bytes(self.modified.to_le_bytes()));
        put_bytes(out, self.etag.as_deref().unwrap_or_default().as_bytes());
    }

    pub(crate) fn of(payload: &[u8]) -> Option<Self> {
        let mut taken = Taken(payload);
        let size = taken.number()?;
        let modified = i64::from_le_bytes(taken.number()?.to_le_bytes());
        let etag = Some(taken.text()?).filter(|etag| !etag.is_empty());
        Some(Self { size, modified, etag })
    }
}

/// Something that was found.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Finding {
    /// What it is.
    pub kind: Kind,
    /// The key of the object, or what stands in the row.
    pub key: String,
    /// The row, where there is one.
    pub mention: Option<Mention>,
    /// The object, where it was seen.
    pub seen: Option<Seen>,
    /// Which of the rules, where it is about one.
    pub rule: Option<usize>,
    /// What else there is to say.
    pub detail: String,
}

/// Findings, in the order in which they were found.
#[derive(Debug)]
pub struct Findings {
    file: BufWriter<File>,
    count: u64,
}

impl Findings {
    pub(crate) fn new(folder: &Path) -> Result<Self, LinksError> {
        let file = tempfile::tempfile_in(folder)
            .map_err(|source| LinksError::Scratch { path: folder.to_owned(), source })?;
        Ok(Self { file: BufWriter::with_capacity(64 * 1024, file), count: 0 })
    }

    /// How many there are.
    pub fn len(&self) -> u64 {
        self.count
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub(crate) fn push(&mut self, finding: &Finding) -> io::Result<()> {
        let (mut all, mut part) = (Vec::new(), Vec::new());
        all.push(finding.kind as u8);
        put_bytes(&mut all, finding.key.as_bytes());
        put_bytes(&mut all, finding.detail.as_bytes());
        put_number(&mut all, finding.rule.map_or(0, |rule| rule as u64 + 1));
        if let Some(mention) = &finding.mention {
            mention.payload(&mut part);
        }
        put_bytes(&mut all, &part);
        part.clear();
        if let Some(seen) = &finding.seen {
            seen.payload(&mut part);
        }
        put_bytes(&mut all, &part);
        self.file.write_all(&(all.len() as u64).to_le_bytes())?;
        self.file.write_all(&all)?;
        self.count += 1;
        Ok(())
    }

    /// Reads them from the beginning, for as long as `each` says to go on.
    pub fn read<E: From<LinksError>>(
        &mut self,
        mut each: impl FnMut(Finding) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut reader = self.reader()?;
        while let Some(finding) = reader.next()? {
            each(finding)?;
        }
        Ok(())
    }

    /// Reads them from the beginning. One reader at a time.
    pub(crate) fn reader(&mut self) -> Result<FindingsReader, LinksError> {
        let mut open = || {
            self.file.flush()?;
            let mut file = self.file.get_ref().try_clone()?;
            file.rewind()?;
            Ok(file)
        };
        let file = open().map_err(failed)?;
        Ok(FindingsReader { file: BufReader::with_capacity(64 * 1024, file), left: self.count })
    }
}

pub(crate) struct FindingsReader {
    file: BufReader<File>,
    left: u64,
}

impl FindingsReader {
    pub(crate) fn next(&mut self) -> Result<Option<Finding>, LinksError> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        let mut length = [0; 8];
        self.file.read_exact(&mut length).map_err(failed)?;
        let length = usize::try_from(u64::from_le_bytes(length)).unwrap_or(0);
        let mut all = vec![0; length];
        self.file.read_exact(&mut all).map_err(failed)?;
        let finding = finding(&all).ok_or_else(|| failed(io::ErrorKind::InvalidData.into()))?;
        Ok(Some(finding))
    }
}

fn finding(bytes: &[u8]) -> Option<Finding> {
    let mut taken = Taken(bytes);
    let kind = *Kind::ALL.get(usize::from(taken.byte()?))?;
    let (key, detail) = (taken.text()?, taken.text()?);
    let rule = usize::try_from(taken.number()?).ok()?.checked_sub(1);
    let (mention, seen) = (taken.bytes()?, taken.bytes()?);
    let mention = match mention {
        [] => None,
        payload => Some(Mention::of(key.as_bytes(), payload)?),
    };
    let seen = match seen {
        [] => None,
        payload => Some(Seen::of(payload)?),
    };
    Some(Finding { kind, key, mention, seen, rule, detail })
}

fn failed(source: io::Error) -> LinksError {
    LinksError::Scratch { path: "the cache directory".into(), source }
}
