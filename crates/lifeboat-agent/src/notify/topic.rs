//! What trouble is about.

use crate::planner::Job;

/// What trouble is about; of one database there is at most one of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Topic {
    /// Work fails.
    Job(Job),
    /// Backups go elsewhere than they should.
    Fallback,
    /// How old the last backup is, and the like.
    Health,
    /// No backups are made.
    Disabled,
}

impl Topic {
    const ALL: [Self; 9] = [
        Self::Job(Job::Backup),
        Self::Job(Job::Return),
        Self::Job(Job::Prune),
        Self::Job(Job::Check),
        Self::Job(Job::Drill),
        Self::Job(Job::Follow),
        Self::Fallback,
        Self::Health,
        Self::Disabled,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Job(Job::Backup) => "backup",
            Self::Job(Job::Return) => "return",
            Self::Job(Job::Prune) => "prune",
            Self::Job(Job::Check) => "check",
            Self::Job(Job::Drill) => "drill",
            Self::Job(Job::Follow) => "follow",
            Self::Fallback => "fallback",
            Self::Health => "health",
            Self::Disabled => "disabled",
        }
    }

    pub(super) fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|topic| topic.name() == name)
    }
}
