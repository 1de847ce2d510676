//! Taking over backups that another tool made: whole database files with a time
//! in their names.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use lifeboat_format::digest::HashKey;
use lifeboat_format::id::SnapshotId;
use lifeboat_format::source::{
    CaptureError, CapturedImage, ChangeSink, Fingerprint, KnownBlocks, PageSource,
};
use lifeboat_remote::{OpenError, Remote};
use lifeboat_repository::BackupOptions;
use lifeboat_snapshot::{CaptureFailure, LiveDatabase};
use time::format_description::FormatItem;
use time::macros::format_description;
use time::{OffsetDateTime, PrimitiveDateTime};

use crate::destination::Destination;
use crate::doctor::causes;
use crate::error::Error;
use crate::take::{BackupSettings, open_source};

const SECOND: &[FormatItem<'static>] =
    format_description!("[year][month][day]_[hour][minute][second]");
/// How much of an object one request reads.
const READ_LEN: u64 = 8 * 1024 * 1024;

/// A database file that another tool stored.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ForeignBackup {
    /// The name of the database.
    pub name: String,
    /// When it was taken, as its name says; UTC.
    pub taken_at: OffsetDateTime,
    /// Its key below the place where it was found.
    pub key: String,
    /// Its size in bytes.
    pub size: u64,
}

/// Backups of another tool, below a prefix of a place.
#[derive(Clone, Debug)]
pub struct ForeignBackups {
    remote: Remote,
    prefix: String,
    /// What was found, by name and time.
    pub found: Vec<ForeignBackup>,
}

/// What became of one of them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Imported {
    /// It is a snapshot now.
    Done(SnapshotId),
    /// Its content is that of the snapshot before.
    Unchanged(SnapshotId),
    /// It was imported before.
    AlreadyThere(SnapshotId),
    /// There is a newer snapshot: histories only grow at their end.
    TooOld,
}

impl ForeignBackups {
    /// Finds objects called `<prefix><name>_<YYYYMMDD>_<HHMMSS>.db`, where
    /// `prefix` is a path or URL up to and including the fixed part of the
    /// names. Nothing is read of them.
    pub async fn find(prefix: &str) -> Result<Self, Error> {
        let (place, start) = match prefix.rsplit_once('/') {
            Some(("", start)) => ("/", start),
            Some((place, start)) => (place, start),
            None => (".", prefix),
        };
        let remote = Remote::open(place).map_err(|source| match source {
            OpenError::NoDirectory { .. } => Error::NoRepository { place: place.to_owned() },
            source => Error::Destination { place: place.to_owned(), source },
        })?;
        let listed = remote.list("").await.map_err(lifeboat_repository::ReadError::from)?;
        let mut found: Vec<ForeignBackup> = listed
            .into_iter()
            .filter_map(|object| {
                let (name, taken_at) = parse(&object.key, start)?;
                Some(ForeignBackup { name, taken_at, key: object.key, size: object.size })
            })
            .collect();
        found.sort_by(|a, b| (&a.name, a.taken_at).cmp(&(&b.name, b.taken_at)));
        Ok(Self { remote, prefix: prefix.to_owned(), found })
    }
}

/// Name and time of an object, if it is called as it should be; pure.
fn parse(key: &str, start: &str) -> Option<(String, OffsetDateTime)> {
    let rest = key.strip_prefix(start)?.strip_suffix(".db")?;
    let (rest, time) = rest.rsplit_once('_')?;
    let (name, date) = rest.rsplit_once('_')?;
    if name.is_empty() || name.contains('/') || date.len() != 8 || time.len() != 6 {
        return None;
    }
    let taken_at = PrimitiveDateTime::parse(&format!("{date}_{time}"), &SECOND).ok()?;
    Some((name.to_owned(), taken_at.assume_utc()))
}

impl Destination {
    /// Makes a snapshot of each, oldest first, with the time of its name; the
    /// originals are left alone. Run again, it goes on where it was. `done` is
    /// told of each. A file that is no database, or a damaged one, is passed
    /// over; a storage that fails ends it.
    pub async fn import(
        &self,
        backups: &ForeignBackups,
        as_name: Option<&str>,
        mut done: impl FnMut(&ForeignBackup, Result<&Imported, &Error>),
    ) -> Result<(), Error> {
        let mut newest: BTreeMap<&str, OffsetDateTime> = BTreeMap::new();
        for backup in &backups.found {
            let name = as_name.unwrap_or(&backup.name);
            let origin = format!("{}{}", backups.prefix, backup.name);
            let listing = self.snapshots(name).await?;
            let same = listing.snapshots.iter().find(|snapshot| {
                snapshot.body().taken_at == backup.taken_at && snapshot.body().origin == origin
            });
            let last = listing.snapshots.last().map(|snapshot| snapshot.body().taken_at);
            let last = last.max(newest.get(name).copied());
            let outcome = if let Some(same) = same {
                Imported::AlreadyThere(same.id().clone())
            } else if last.is_some_and(|last| last >= backup.taken_at) {
                Imported::TooOld
            } else {
                match self.import_one(backups, backup, name, origin).await {
                    Ok(outcome) => outcome,
                    Err(error @ Error::Foreign { .. }) => {
                        done(backup, Err(&error));
                        continue;
                    }
                    Err(error) => return Err(error),
                }
            };
            newest.insert(name, backup.taken_at.max(last.unwrap_or(backup.taken_at)));
            done(backup, Ok(&outcome));
        }
        Ok(())
    }

    async fn import_one(
        &self,
        backups: &ForeignBackups,
        backup: &ForeignBackup,
        name: &str,
        origin: String,
    ) -> Result<Imported, Error> {
        let folder = self.repository().local().scratch()?;
        let path = folder.path().join("imported.db");
        fetch(&backups.remote, backup, &path).await?;
        let cache = self.repository().local().cache_dir()?;
        let of_the_file = |error| {
            if is_of_the_file(&error) { foreign(&error, &path, &backup.key) } else { error }
        };
        let source = open_source(&path, cache, &BackupSettings::default()).await;
        let source = source.map_err(of_the_file)?;
        let source = Dated { source, taken_at: backup.taken_at };
        let mut options = BackupOptions::new(origin);
        options.description = Some(format!("imported from {}", backup.key));
        let report = self.database(name).map_err(of_the_file)?.backup(source, options).await;
        let report = report.map_err(|error| of_the_file(error.into()))?.report;
        Ok(if report.unchanged {
            Imported::Unchanged(report.snapshot_id)
        } else {
            Imported::Done(report.snapshot_id)
        })
    }
}

/// Whether an error is the file's, and says nothing about the next one.
fn is_of_the_file(error: &Error) -> bool {
    use lifeboat_repository::BackupError;
    matches!(error, Error::Source(_) | Error::Backup(BackupError::Source(_)) | Error::Name { .. })
}

/// The error, with the name of the original in the place of the copy's.
fn foreign(error: &Error, copy: &Path, key: &str) -> Error {
    let what = causes(error).replace(&copy.display().to_string(), key);
    Error::Foreign { what, kind: error.kind() }
}

async fn fetch(remote: &Remote, backup: &ForeignBackup, path: &Path) -> Result<(), Error> {
    let io = |source| Error::Path { path: path.to_owned(), source };
    let mut file = std::fs::File::create(path).map_err(io)?;
    let mut at = 0;
    while at < backup.size {
        let end = backup.size.min(at + READ_LEN);
        let part = remote.get_range(&backup.key, at..end).await;
        let part = part.map_err(lifeboat_repository::ReadError::from)?;
        match part {
            Some(part) if part.len() as u64 == end - at => file.write_all(&part).map_err(io)?,
            _ => return Err(io(std::io::ErrorKind::UnexpectedEof.into())),
        }
        at = end;
    }
    Ok(())
}

/// A source whose image was taken when its name says, not now.
struct Dated {
    source: LiveDatabase,
    taken_at: OffsetDateTime,
}

impl PageSource for Dated {
    type Error = CaptureFailure;

    fn fingerprint(&mut self) -> Result<Option<Fingerprint>, CaptureFailure> {
        // A temporary copy is never in the state of an earlier one.
        Ok(None)
    }

    fn capture(
        &mut self,
        key: &HashKey,
        known: &mut dyn KnownBlocks,
        sink: &mut dyn ChangeSink,
    ) -> Result<CapturedImage, CaptureError<CaptureFailure>> {
        let image = self.source.capture(key, known, sink)?;
        Ok(CapturedImage { taken_at: self.taken_at, fingerprint: None, ..image })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    #[test]
    fn names_of_other_tools() {
        let at = datetime!(2025-03-01 04:05:06 UTC);
        let check = |key, start, expected: Option<&str>| {
            let found = parse(key, start);
            assert_eq!(found, expected.map(|name| (name.to_owned(), at)), "{key}");
        };
        check("app_20250301_040506.db", "", Some("app"));
        check("old-app_20250301_040506.db", "old-", Some("app"));
        check("my_app_20250301_040506.db", "", Some("my_app"));
        check("sub/app_20250301_040506.db", "", None);
        check("app_20250301_040506.db.gz", "", None);
        check("_20250301_040506.db", "", None);
        check("app_20251301_040506.db", "", None);
        check("app.db", "", None);
    }
}
