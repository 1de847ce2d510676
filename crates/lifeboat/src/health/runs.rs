//! What this installation remembers of runs that failed, in its state directory:
//! one small file for each database whose last backup failed, and none for the
//! others.

use std::io::{Error, ErrorKind, Write};
use std::path::{Path, PathBuf};

use lifeboat_format::id::DatabaseName;
use time::{Duration, OffsetDateTime};

/// Where it is remembered for one database.
#[derive(Debug)]
pub(crate) struct Runs {
    path: PathBuf,
}

/// Backups that failed, since one succeeded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failing {
    /// When the last did.
    pub(crate) at: OffsetDateTime,
    /// How many.
    pub(crate) failures: u32,
    /// When the repository was told, if it was.
    pub(crate) told: Option<OffsetDateTime>,
    /// What the last said.
    pub(crate) error: String,
}

/// The repository is told no more often than that.
const TELL: Duration = Duration::HOUR;

impl Failing {
    /// Whether the repository should be told at this time.
    pub(crate) fn is_to_be_told(&self, now: OffsetDateTime) -> bool {
        self.told.is_none_or(|told| now - told >= TELL || now < told)
    }
}

impl Runs {
    pub(crate) fn of(state_dir: &Path, name: &DatabaseName) -> Self {
        Self { path: state_dir.join("runs").join(name.key()) }
    }

    /// What failed since a backup succeeded; nothing where that is not known.
    pub(crate) fn failing(&self) -> Option<Failing> {
        let text = std::fs::read_to_string(&self.path).ok()?;
        let mut lines = text.splitn(4, '\n');
        let mut number = || lines.next()?.parse::<i128>().ok();
        let (at, failures, told) = (number()?, number()?, number()?);
        let time = |nanos| OffsetDateTime::from_unix_timestamp_nanos(nanos).ok();
        Some(Failing {
            at: time(at)?,
            failures: u32::try_from(failures).ok()?,
            told: time(told).filter(|_| told != 0),
            error: lines.next().unwrap_or_default().to_owned(),
        })
    }

    /// Remembers that one failed. Whoever is killed here remembers one less. Where
    /// nothing was ever done that left a trace, this leaves none: no backup is what
    /// `health` says there.
    pub(crate) fn failed(&self, at: OffsetDateTime, error: &str) -> std::io::Result<()> {
        if self.path.ancestors().nth(2).is_some_and(|state| !state.is_dir()) {
            return Ok(());
        }
        let before = self.failing();
        let told = before.as_ref().and_then(|before| before.told);
        let failures = before.map_or(0, |before| before.failures).saturating_add(1);
        self.keep(&Failing { at, failures, told, error: error.to_owned() })
    }

    pub(crate) fn keep(&self, failing: &Failing) -> std::io::Result<()> {
        let folder = self.path.parent().expect("it lies in a folder");
        std::fs::create_dir_all(folder)?;
        let told = failing.told.map_or(0, OffsetDateTime::unix_timestamp_nanos);
        let (at, failures) = (failing.at.unix_timestamp_nanos(), failing.failures);
        // No name of a database encodes to one with a blank.
        let draft = folder.join(format!("draft {}", lifeboat_repository::random_hex()));
        let mut file = std::fs::File::create(&draft)?;
        write!(file, "{at}\n{failures}\n{told}\n{}", failing.error)?;
        std::fs::rename(&draft, &self.path)
    }

    /// Remembers that one succeeded. Returns what had failed before.
    pub(crate) fn succeeded(&self) -> std::io::Result<Option<Failing>> {
        let before = self.failing();
        match std::fs::remove_file(&self.path) {
            Err(error) if !matches!(error.kind(), ErrorKind::NotFound) => Err(Error::other(error)),
            _ => Ok(before),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    #[test]
    fn what_failed_until_it_worked() {
        let state = tempfile::tempdir().expect("a temporary directory");
        let name = DatabaseName::new("a/b").expect("a name");
        let runs = Runs::of(state.path(), &name);
        assert_eq!(runs.failing(), None);
        let noon = datetime!(2026-11-21 12:00 UTC);
        runs.failed(noon, "it rained").expect("writes");
        runs.failed(noon + Duration::MINUTE, "and\nrained").expect("writes");
        let mut failing = runs.failing().expect("two");
        assert_eq!((failing.failures, failing.error.as_str()), (2, "and\nrained"));
        assert!(failing.is_to_be_told(noon));
        failing.told = Some(noon);
        runs.keep(&failing).expect("writes");
        runs.failed(noon + 2 * Duration::MINUTE, "still").expect("writes");
        let failing = runs.failing().expect("three");
        assert_eq!((failing.failures, failing.told), (3, Some(noon)));
        assert!(!failing.is_to_be_told(noon + Duration::MINUTE));
        assert!(failing.is_to_be_told(noon + Duration::HOUR));
        assert_eq!(runs.succeeded().expect("removes"), Some(failing));
        assert_eq!((runs.failing(), runs.succeeded().expect("again")), (None, None));
        // Half a file is none.
        std::fs::write(&runs.path, "12").expect("writes");
        assert_eq!(runs.failing(), None);
    }
}
