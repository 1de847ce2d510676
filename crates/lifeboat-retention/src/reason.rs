//! Why a snapshot is kept or forgotten.

use std::fmt;

use crate::period::Period;
use crate::policy::Tag;
use crate::slot::Unit;

/// One of the reasons for a decision.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// Kept: the latest, which is never forgotten.
    Latest,
    /// Kept: the latest that was verified, which is never forgotten.
    LatestVerified,
    /// Kept: pinned.
    Pinned,
    /// Kept: the commit log begins with it, as long as that is kept.
    BeginsLog,
    /// Kept, and worth a look: taken in the future, so that no rule about time
    /// can be applied.
    Future,
    /// Kept: one of the last, counted from 1.
    Last(u32),
    /// Kept: the newest of its hour, day, week, month or year.
    Newest {
        /// Of what.
        unit: Unit,
        /// Of which one.
        of: String,
    },
    /// Kept: not older than this.
    Within(Period),
    /// Kept: the last before that time began, and so what the database was when
    /// it did.
    StartOf(Period),
    /// Kept: not older than this, and the newest of its hour, day, ….
    NewestWithin {
        /// Of what.
        unit: Unit,
        /// Of which one.
        of: String,
        /// Within which time.
        period: Period,
    },
    /// Kept: bears this tag.
    Tagged(Tag),
    /// Kept: there must be so many.
    Minimum(u32),
    /// Kept: fits into so many bytes.
    Fits(u64),
    /// Forgotten: no rule keeps it.
    NoRule,
    /// Forgotten: a rule would keep it, but all together have more bytes than
    /// this.
    OverBudget(u64),
}

impl Reason {
    /// Whether a limit of size must not overrule it.
    pub(crate) fn is_firm(&self) -> bool {
        match self {
            Self::Latest
            | Self::LatestVerified
            | Self::Pinned
            | Self::BeginsLog
            | Self::Future
            | Self::Within(_)
            | Self::StartOf(_)
            | Self::Tagged(_)
            | Self::Minimum(_) => true,
            Self::Last(_)
            | Self::Newest { .. }
            | Self::NewestWithin { .. }
            | Self::Fits(_)
            | Self::NoRule
            | Self::OverBudget(_) => false,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Latest => f.write_str("latest"),
            Self::LatestVerified => f.write_str("latest verified"),
            Self::Pinned => f.write_str("pinned"),
            Self::BeginsLog => f.write_str("begins the commit log"),
            Self::Future => f.write_str("taken in the future"),
            Self::Last(n) => write!(f, "last {n}"),
            Self::Newest { unit, of } => write!(f, "newest of {unit} {of}"),
            Self::Within(period) => write!(f, "within {period}"),
            Self::StartOf(period) => write!(f, "last before the {period} began"),
            Self::NewestWithin { unit, of, period } => {
                write!(f, "newest of {unit} {of}, within {period}")
            }
            Self::Tagged(tag) => write!(f, "tag {tag}"),
            Self::Minimum(n) => write!(f, "at least {n}"),
            Self::Fits(bytes) => write!(f, "fits into {bytes} bytes"),
            Self::NoRule => f.write_str("no rule keeps it"),
            Self::OverBudget(bytes) => write!(f, "all kept would have more than {bytes} bytes"),
        }
    }
}
