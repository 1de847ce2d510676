//! Whoever sees everything that a service does, with all there is to know.

use std::time::Duration;

use lifeboat_agent::Job;
use lifeboat_repository::{CheckReport, HealReport};

use super::plan::Watched;
use crate::destinations::{Placed, SyncReport};
use crate::drill::DrillReport;
use crate::error::Error;

/// Sees what happens as it happens: for a log. It is called between two steps
/// of the work, and must not block.
pub trait Witness: Send + Sync {
    /// Something happened to a database.
    fn saw(&self, database: &Watched, happening: &Happening<'_>);
}

/// What happened.
#[derive(Debug)]
#[non_exhaustive]
pub enum Happening<'a> {
    /// A backup ended well.
    BackedUp {
        /// What was done, and where.
        placed: &'a Placed,
        /// How long it took.
        took: Duration,
    },
    /// The destination keeps only so many snapshots, and older ones were
    /// forgotten.
    Limited {
        /// How many stay.
        count: u32,
        /// How many went to the trash.
        forgotten: usize,
    },
    /// The policy did not keep so many snapshots, and they went to the trash.
    Forgotten(usize),
    /// So many objects that nothing needs were deleted.
    Collected(usize),
    /// A share of the data was read again.
    Checked(&'a CheckReport),
    /// A snapshot was restored to scratch and put to the test.
    Drilled {
        /// Where it lies.
        place: &'a str,
        /// What it showed.
        report: &'a DrillReport,
    },
    /// Destinations were brought to the same snapshots.
    Synced(&'a SyncReport),
    /// What was damaged at a destination was put back from another.
    Healed {
        /// The destination.
        place: &'a str,
        /// What was put back, and what not.
        report: &'a HealReport,
    },
    /// Commits are followed, or no longer.
    Following(Progress<'a>),
    /// Something failed.
    Failed {
        /// What was being done.
        job: Job,
        /// Why.
        error: &'a Error,
    },
    /// Something to know that makes nothing fail.
    Warning(&'a str),
}

/// What becomes of following the commits of a database.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Progress<'a> {
    /// Every commit is taken from now on.
    Began {
        /// It goes on where it ended, and nothing is missing in between.
        resumed: bool,
        /// The number of the next commit.
        next: u64,
    },
    /// Commits are missing: the states before and after can be restored, those
    /// between cannot.
    Gap {
        /// Why.
        why: &'a str,
    },
    /// It cannot be followed, and is backed up at the interval.
    Scanning {
        /// Why.
        why: &'a str,
    },
}

/// Nobody looks.
pub(super) struct Nobody;

impl Witness for Nobody {
    fn saw(&self, _: &Watched, _: &Happening<'_>) {}
}
