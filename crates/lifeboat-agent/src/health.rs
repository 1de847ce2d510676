//! Healthy, warning or critical, and why: a pure function of what is known.

use std::fmt;

use time::{Duration, OffsetDateTime};

/// How a database is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// It can be restored, to a moment that is recent enough.
    Healthy,
    /// It can be restored, and somebody should look.
    Warning,
    /// What would be lost now is more than was agreed to, or it is not known
    /// that anything could be restored.
    Critical,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Healthy => "healthy",
            Self::Warning => "warning",
            Self::Critical => "critical",
        })
    }
}

/// What is known of a database and its backups. What is not known is `None`,
/// and says nothing, but for the last backup.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Backups are not made here, and why.
    pub disabled: Option<String>,
    /// Why nobody can tell what there is: the repository cannot be read.
    pub unreadable: Option<String>,
    /// When the newest state that can be restored was the state: of the last
    /// snapshot, or of the last look that found nothing changed since.
    pub last_good: Option<OffsetDateTime>,
    /// The longest time between two backups, by the schedule.
    pub interval: Option<Duration>,
    /// How often backups failed since one succeeded.
    pub failures: u32,
    /// What the last failure said.
    pub last_error: Option<String>,
    /// The destination that backups go to while the primary is out.
    pub fallback: Option<String>,
    /// Destinations that could not be asked, and why.
    pub silent: Vec<String>,
    /// The first snapshot that there is.
    pub first_snapshot: Option<OffsetDateTime>,
    /// When data was last verified.
    pub verified_at: Option<OffsetDateTime>,
    /// When a restore was last drilled.
    pub drilled_at: Option<OffsetDateTime>,
    /// What the last drill found, if it was one that failed.
    pub failed_drill: Option<String>,
    /// What the last verification or drill found damaged.
    pub damage: Option<String>,
    /// Bytes of the database now, and in the snapshot before the last.
    pub sizes: Option<(u64, u64)>,
    /// Bytes free where the database lies.
    pub free_space: Option<u64>,
    /// Bytes that the snapshots take, and those that they may.
    pub quota: Option<(u64, u64)>,
    /// How far the clock of the destination is ahead of ours.
    pub clock_ahead: Option<Duration>,
    /// Bytes of the WAL, and of the database.
    pub wal: Option<(u64, u64)>,
    /// How its commits are followed, where they should be.
    pub following: Option<Following>,
}

/// How the commits of a database are followed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Following {
    /// Whether they are.
    pub state: FollowState,
    /// How long ago the oldest commit was seen that is not stored yet; zero where
    /// all are.
    pub lag: Duration,
    /// How many commits are not stored yet.
    pub commits_behind: u64,
    /// How many bytes of page images that is.
    pub bytes_behind: u64,
    /// Bytes that wait on the disk, and those that may.
    pub spool: (u64, u64),
    /// How often the way of the states was lost since the agent began: the states
    /// before and after can be restored, those between cannot.
    pub gaps: u64,
    /// The last commit that is stored, by its number.
    pub stored: u64,
    /// Until when everything that was committed is stored.
    pub stored_until: Option<OffsetDateTime>,
}

/// Whether commits are followed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum FollowState {
    /// It is about to begin: the snapshot that it begins with is under way.
    #[default]
    Beginning,
    /// Every commit is taken as it comes.
    Following,
    /// It cannot be followed, for this reason, and is backed up at the interval; it is
    /// tried again.
    Scanning(String),
    /// It is not followed any more, for this reason, until somebody acts.
    Stopped(String),
}

impl fmt::Display for FollowState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Beginning => "beginning",
            Self::Following => "following",
            Self::Scanning(_) => "scanning",
            Self::Stopped(_) => "stopped",
        })
    }
}

/// When to worry. What is `None` is not looked at, but for the age of the last
/// backup, which follows from the interval.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// A last backup older than this is a warning.
    pub warn_age: Option<Duration>,
    /// A last backup older than this is critical.
    pub max_age: Option<Duration>,
    /// A last verification older than this is a warning.
    pub max_verify_age: Option<Duration>,
    /// A last drill older than this is a warning.
    pub max_drill_age: Option<Duration>,
    /// Less free space than this is a warning, in bytes.
    pub min_free_space: Option<u64>,
    /// So many failures in a row are a warning.
    pub max_failures: u32,
    /// A clock that differs by more is a warning.
    pub max_clock_difference: Duration,
    /// Commits that are not stored after this time are a warning.
    pub max_lag: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            warn_age: None,
            max_age: None,
            max_verify_age: None,
            max_drill_age: None,
            min_free_space: None,
            max_failures: 1,
            max_clock_difference: Duration::minutes(5),
            max_lag: Duration::MINUTE,
        }
    }
}

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// Backups are not made here.
    Disabled(String),
    /// The repository cannot be read.
    Unreadable(String),
    /// There is no backup at all.
    Never,
    /// The last is too old.
    Old {
        /// How old it is.
        age: Duration,
        /// How old it may be.
        limit: Duration,
    },
    /// The last bears a time in the future, by this much.
    Future(Duration),
    /// Backups fail.
    Failing {
        /// How often, since one succeeded.
        failures: u32,
        /// What the last said.
        last: Option<String>,
    },
    /// The primary is out, and backups go to another destination.
    Fallback(String),
    /// Another destination could not be asked.
    Silent(String),
    /// It was never verified, or too long ago.
    Unverified(Option<Duration>),
    /// A restore was never drilled, or too long ago.
    Undrilled(Option<Duration>),
    /// What was restored in the last drill did not stand it.
    DrillFailed(String),
    /// Something is damaged.
    Damaged(String),
    /// The database lost more than half of its size since the snapshot before.
    Shrunk {
        /// Bytes before.
        from: u64,
        /// Bytes now.
        to: u64,
    },
    /// The disk of the database is nearly full.
    Space(u64),
    /// The snapshots take more than they may, and forgetting does not help.
    Quota {
        /// Bytes that they take.
        used: u64,
        /// Bytes that they may.
        limit: u64,
    },
    /// The clocks differ, by this much.
    Clock(Duration),
    /// The WAL is larger than the database, and more than 64 MiB: something
    /// keeps it from being written back.
    Wal(u64),
    /// Its commits are not followed although they should be, and why.
    NotFollowed(String),
    /// Its commits are not followed any more, until somebody acts.
    FollowingStopped(String),
    /// Commits wait for longer than they should to be stored.
    Lagging {
        /// For how long the oldest of them waits.
        lag: Duration,
        /// How many.
        commits: u64,
    },
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let none = "never";
        match self {
            Self::Disabled(why) => write!(f, "backups are disabled: {why}"),
            Self::Unreadable(why) => write!(f, "the repository cannot be read: {why}"),
            Self::Never => f.write_str("there is no backup"),
            Self::Old { age, limit } => {
                write!(f, "the last backup is {} old, more than {}", Span(*age), Span(*limit))
            }
            Self::Future(by) => write!(f, "the last backup bears a time {} ahead", Span(*by)),
            Self::Failing { failures, last } => {
                match failures {
                    1 => f.write_str("the last backup failed")?,
                    n => write!(f, "the last {n} backups failed")?,
                }
                last.as_ref().map_or(Ok(()), |why| write!(f, ": {why}"))
            }
            Self::Fallback(place) => write!(f, "the primary is out; backups go to {place}"),
            Self::Silent(why) => write!(f, "a destination could not be asked: {why}"),
            Self::Unverified(None) => write!(f, "the data was {none} verified"),
            Self::Unverified(Some(age)) => {
                write!(f, "the data was last verified {} ago", Span(*age))
            }
            Self::Undrilled(None) => write!(f, "a restore was {none} drilled"),
            Self::Undrilled(Some(age)) => {
                write!(f, "a restore was last drilled {} ago", Span(*age))
            }
            Self::DrillFailed(what) => write!(f, "the last drill failed: {what}"),
            Self::Damaged(what) => write!(f, "damage was found: {what}"),
            Self::Shrunk { from, to } => {
                write!(f, "the database shrank from {from} to {to} bytes")
            }
            Self::Space(bytes) => write!(f, "only {bytes} bytes are free beside the database"),
            Self::Quota { used, limit } => {
                write!(f, "the snapshots take {used} bytes, and may take {limit}")
            }
            Self::Clock(by) => {
                write!(f, "the clock here and at the destination differ by {}", Span(*by))
            }
            Self::Wal(bytes) => write!(f, "the WAL has grown to {bytes} bytes"),
            Self::NotFollowed(why) => {
                write!(f, "commits are not followed, and backed up at the interval: {why}")
            }
            Self::FollowingStopped(why) => {
                write!(f, "commits are not followed any more: {why}")
            }
            Self::Lagging { lag, commits } => {
                write!(f, "{commits} commits wait to be stored, the oldest for {}", Span(*lag))
            }
        }
    }
}

/// A length of time in its two largest units.
struct Span(Duration);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.whole_seconds().unsigned_abs();
        let (days, hours) = (seconds / 86_400, seconds / 3600 % 24);
        let (minutes, rest) = (seconds / 60 % 60, seconds % 60);
        let two = |f: &mut fmt::Formatter<'_>, a, x, b, y| match b {
            0 => write!(f, "{a}{x}"),
            _ => write!(f, "{a}{x}{b}{y}"),
        };
        match (days, hours, minutes) {
            (0, 0, 0) => write!(f, "{rest}s"),
            (0, 0, _) => two(f, minutes, "m", rest, "s"),
            (0, _, _) => two(f, hours, "h", minutes, "m"),
            _ => two(f, days, "d", hours, "h"),
        }
    }
}

/// How a database is, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Health {
    /// The worst of the reasons.
    pub level: Level,
    /// The worst first; none if all is well.
    pub reasons: Vec<(Level, Reason)>,
}

/// How a database is at a time.
///
/// The age of the last good backup decides first: with an interval of *i* and a
/// slack of the smaller of an hour and *i*/2 it is healthy up to *i* + slack, a
/// warning up to 2 *i*, and critical beyond and when there is none. For a daily
/// backup that is 25 and 48 hours. Limits that are stated take their place.
pub fn judge(facts: &Facts, limits: &Limits, now: OffsetDateTime) -> Health {
    let mut reasons = Vec::new();
    if let Some(why) = &facts.disabled {
        // A database that is not backed up is never called healthy.
        reasons.push((Level::Warning, Reason::Disabled(why.clone())));
        return Health { level: Level::Warning, reasons };
    }
    age(facts, limits, now, &mut reasons);
    let mut warn = |reason| reasons.push((Level::Warning, reason));
    if facts.failures >= limits.max_failures.max(1) {
        warn(Reason::Failing { failures: facts.failures, last: facts.last_error.clone() });
    }
    if let Some(place) = &facts.fallback {
        warn(Reason::Fallback(place.clone()));
    }
    for why in &facts.silent {
        warn(Reason::Silent(why.clone()));
    }
    if let Some(age) = overdue(limits.max_verify_age, facts.verified_at, facts, now) {
        warn(Reason::Unverified(age));
    }
    if let Some(age) = overdue(limits.max_drill_age, facts.drilled_at, facts, now) {
        warn(Reason::Undrilled(age));
    }
    // The divisions round down, so that one byte is no anomaly.
    if let Some((to, from)) = facts.sizes.filter(|(to, from)| *to < from / 2) {
        warn(Reason::Shrunk { from, to });
    }
    if let Some(free) = facts.free_space.filter(|free| limits.min_free_space > Some(*free)) {
        warn(Reason::Space(free));
    }
    // Up to the next forgetting it may be a little more.
    let beyond = |(used, limit): &(u64, u64)| *used > limit.saturating_add(limit / 10);
    if let Some((used, limit)) = facts.quota.filter(beyond) {
        warn(Reason::Quota { used, limit });
    }
    let differs = |ahead: &Duration| ahead.abs() > limits.max_clock_difference;
    if let Some(ahead) = facts.clock_ahead.filter(differs) {
        warn(Reason::Clock(ahead.abs()));
    }
    if let Some((wal, _)) = facts.wal.filter(|(wal, main)| *wal > (*main).max(64 << 20)) {
        warn(Reason::Wal(wal));
    }
    match facts.following.as_ref().map(|following| (&following.state, following)) {
        Some((FollowState::Scanning(why), _)) => warn(Reason::NotFollowed(why.clone())),
        Some((FollowState::Stopped(why), _)) => {
            reasons.push((Level::Critical, Reason::FollowingStopped(why.clone())));
        }
        Some((_, one)) if one.lag > limits.max_lag => {
            warn(Reason::Lagging { lag: one.lag, commits: one.commits_behind });
        }
        _ => {}
    }
    if let Some(what) = &facts.failed_drill {
        reasons.push((Level::Critical, Reason::DrillFailed(what.clone())));
    }
    if let Some(what) = &facts.damage {
        reasons.push((Level::Critical, Reason::Damaged(what.clone())));
    }
    reasons.sort_by_key(|(level, _)| std::cmp::Reverse(*level));
    let level = reasons.first().map_or(Level::Healthy, |(level, _)| *level);
    Health { level, reasons }
}

fn age(facts: &Facts, limits: &Limits, now: OffsetDateTime, reasons: &mut Vec<(Level, Reason)>) {
    if let Some(why) = &facts.unreadable {
        // Who cannot tell cannot call it healthy.
        reasons.push((Level::Critical, Reason::Unreadable(why.clone())));
    }
    let Some(last) = facts.last_good else {
        if facts.unreadable.is_none() {
            reasons.push((Level::Critical, Reason::Never));
        }
        return;
    };
    let age = now - last;
    if age.is_negative() {
        if age.abs() > limits.max_clock_difference {
            reasons.push((Level::Warning, Reason::Future(age.abs())));
        }
        return;
    }
    let usual = facts.interval.map(|i| (i + (i / 2_i32).min(Duration::HOUR), i.saturating_mul(2)));
    let critical = limits.max_age.or(usual.map(|(_, critical)| critical));
    let warning = limits.warn_age.or(usual.map(|(warning, _)| warning));
    if let Some(limit) = critical.filter(|limit| age > *limit) {
        reasons.push((Level::Critical, Reason::Old { age, limit }));
    } else if let Some(limit) = warning.filter(|limit| age > *limit) {
        reasons.push((Level::Warning, Reason::Old { age, limit }));
    }
}

/// Whether a proof is too old. One that was never made is so only when there
/// has been something to prove for as long.
fn overdue(
    limit: Option<Duration>,
    proven: Option<OffsetDateTime>,
    facts: &Facts,
    now: OffsetDateTime,
) -> Option<Option<Duration>> {
    let limit = limit?;
    let since = proven.or(facts.first_snapshot)?;
    let age = now - since;
    (age > limit).then_some(proven.map(|_| age))
}
