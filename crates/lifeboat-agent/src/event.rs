//! What happens, as it is told to whoever listens: an application, a web page,
//! metrics, and people.

use std::time::Duration;

use time::OffsetDateTime;

use crate::health::{Level, Reason};
use crate::planner::{Cause, Job};

/// Something that happened.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Event {
    /// When.
    pub at: OffsetDateTime,
    /// The name of the database; none where it is about all of them.
    pub database: Option<String>,
    /// What.
    pub what: What,
}

impl Event {
    /// Something that happened to a database.
    pub fn of(database: impl Into<String>, at: OffsetDateTime, what: What) -> Self {
        Self { at, database: Some(database.into()), what }
    }

    /// Something that is about all databases.
    pub fn general(at: OffsetDateTime, what: What) -> Self {
        Self { at, database: None, what }
    }
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum What {
    /// Work began.
    Began {
        /// Which.
        job: Job,
        /// Why then.
        cause: Cause,
    },
    /// A backup ended well.
    BackedUp(Backed),
    /// Work other than a backup ended well.
    Done {
        /// Which.
        job: Job,
        /// How long it took.
        took: Duration,
        /// What it did, in a sentence; empty if there was nothing to do.
        summary: String,
    },
    /// Work ended badly.
    Failed {
        /// Which.
        job: Job,
        /// How long it took.
        took: Duration,
        /// What failed and why, with its causes; free of secrets.
        error: String,
        /// What to do about it.
        hint: Option<String>,
        /// Whether what was stored before is untouched.
        data_is_safe: bool,
        /// How often in a row, this one included.
        failures: u32,
    },
    /// It is another health than before.
    Health {
        /// What it was, if that is known.
        before: Option<Level>,
        /// What it is.
        now: Level,
        /// Why.
        reasons: Vec<Reason>,
    },
    /// Backups are not made here.
    Disabled {
        /// Why.
        reason: String,
        /// What to do about it.
        hint: String,
    },
}

/// A backup that ended well.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Backed {
    /// The id of the snapshot; of the latest one where nothing had changed.
    pub snapshot: String,
    /// The number of its record at the destination.
    pub record: u64,
    /// The digest of that record, in hex: with the number it shows later that
    /// nothing newer was hidden.
    pub digest: String,
    /// Whether nothing had changed.
    pub unchanged: bool,
    /// What the settings call the destination.
    pub destination: String,
    /// Why it is not the primary, if it is not.
    pub fallback_reason: Option<String>,
    /// Pages of the database.
    pub pages_total: u64,
    /// Pages that were sent.
    pub pages_changed: u64,
    /// Bytes of the database.
    pub size: u64,
    /// Bytes that were read.
    pub bytes_read: u64,
    /// Bytes that were sent.
    pub bytes_sent: u64,
    /// Requests to the store.
    pub requests: u64,
    /// How long it took.
    pub took: Duration,
}
