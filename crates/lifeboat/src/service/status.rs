//! What a service knows of a database from its own work.

use std::collections::BTreeMap;

use lifeboat_agent::{Backed, Job};
use time::OffsetDateTime;

/// What a service knows of a database from its own work. A restart forgets it;
/// the repository does not.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Status {
    /// The last backup that ended well.
    pub last: Option<Box<Backed>>,
    /// When it began: the state of that time can be restored.
    pub last_good: Option<OffsetDateTime>,
    /// How often each kind of work failed since it last succeeded.
    pub failures: BTreeMap<Job, u32>,
    /// What the last backup that failed said, until one succeeds.
    pub last_error: Option<String>,
    /// What runs now.
    pub running: Vec<Job>,
    /// When it was last said that it is watched and unchanged.
    pub(super) beat: Option<OffsetDateTime>,
}

impl Status {
    /// How often backups failed since one succeeded.
    pub fn backup_failures(&self) -> u32 {
        self.failures.get(&Job::Backup).copied().unwrap_or(0)
    }

    /// The destination in use, where it is not the primary.
    pub fn fallback(&self) -> Option<&str> {
        let last = self.last.as_ref()?;
        last.fallback_reason.as_ref().map(|_| last.destination.as_str())
    }
}
