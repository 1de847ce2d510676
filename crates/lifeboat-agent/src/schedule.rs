//! When something is due: at an interval, or by a line of cron in a zone.

use std::time::Duration;

use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use time::OffsetDateTime;

/// Why something is not a schedule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ScheduleError {
    /// An interval that nobody means.
    #[error("understand an interval of {0:?}: it must be at least a second and at most ten years")]
    Interval(Duration),
    /// Not five fields of cron.
    #[error("understand {text:?} as minute, hour, day of month, month and day of week: {why}")]
    Cron {
        /// What was typed.
        text: String,
        /// What is wrong with it.
        why: String,
    },
    /// Five fields that no day fulfils, such as a 30th of February.
    #[error("find a day on which {0:?} is ever due")]
    Never(String),
}

/// When something is due.
#[derive(Clone, Debug)]
pub struct Schedule {
    rhythm: Rhythm,
    jitter: Duration,
    on_start: bool,
    longest_gap: Duration,
}

#[derive(Clone, Debug)]
enum Rhythm {
    Every(Duration),
    Cron(Box<Cron>, TimeZone),
}

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);
const TEN_YEARS: Duration = Duration::from_secs(10 * 366 * 24 * 3600);

impl Schedule {
    /// Due when this long has passed since the last time.
    pub fn every(interval: Duration) -> Result<Self, ScheduleError> {
        if !(SECOND..=TEN_YEARS).contains(&interval) {
            return Err(ScheduleError::Interval(interval));
        }
        Ok(Self::new(Rhythm::Every(interval), interval))
    }

    /// Due by five fields of cron (minute, hour, day of month, month, day of
    /// week) in the local time of a zone.
    ///
    /// A fixed time that a change of the clock skips is due right after it; one
    /// that it repeats is due once.
    pub fn cron(text: &str, zone: TimeZone) -> Result<Self, ScheduleError> {
        let parser =
            CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
        let cron = parser
            .parse(text)
            .map_err(|e| ScheduleError::Cron { text: text.to_owned(), why: e.to_string() })?;
        let never = || ScheduleError::Never(text.to_owned());
        let longest = longest_gap(&cron, &zone).ok_or_else(never)?;
        Ok(Self::new(Rhythm::Cron(Box::new(cron), zone), longest))
    }

    fn new(rhythm: Rhythm, longest_gap: Duration) -> Self {
        Self { rhythm, jitter: Duration::ZERO, on_start: true, longest_gap }
    }

    /// Delays each time by up to this long, drawn anew, so that many machines do
    /// not begin in the same second.
    #[must_use]
    pub fn with_jitter(mut self, jitter: Duration) -> Self {
        self.jitter = jitter.min(TEN_YEARS);
        self
    }

    /// Whether it is due at the start as well, as it is unless said otherwise.
    #[must_use]
    pub fn with_start(mut self, on_start: bool) -> Self {
        self.on_start = on_start;
        self
    }

    /// The longest that lies between two times it is due, without the jitter:
    /// what health calls the interval.
    pub fn longest_gap(&self) -> Duration {
        self.longest_gap
    }

    /// The longest delay of a time that is due.
    pub fn jitter(&self) -> Duration {
        self.jitter
    }

    /// Whether it is due at the start.
    pub fn is_due_on_start(&self) -> bool {
        self.on_start
    }

    /// When it is due next after a time, without the jitter.
    pub fn next_after(&self, time: OffsetDateTime) -> OffsetDateTime {
        match &self.rhythm {
            Rhythm::Every(interval) => time.saturating_add(signed(*interval)),
            // Looked for and found when it was made; far beyond all times the
            // interval is as good an answer as any.
            Rhythm::Cron(cron, zone) => next(cron, zone, time)
                .unwrap_or_else(|| time.saturating_add(signed(self.longest_gap))),
        }
    }
}

/// A duration that may be negative; one that is too long is the longest.
pub(crate) fn signed(duration: Duration) -> time::Duration {
    time::Duration::try_from(duration).unwrap_or(time::Duration::MAX)
}

fn next(cron: &Cron, zone: &TimeZone, after: OffsetDateTime) -> Option<OffsetDateTime> {
    moment(&cron.find_next_occurrence(&zoned(zone, after)?, false).ok()?)
}

fn zoned(zone: &TimeZone, time: OffsetDateTime) -> Option<Zoned> {
    let stamp = Timestamp::from_nanosecond(time.unix_timestamp_nanos()).ok()?;
    Some(stamp.to_zoned(zone.clone()))
}

fn moment(zoned: &Zoned) -> Option<OffsetDateTime> {
    OffsetDateTime::from_unix_timestamp_nanos(zoned.timestamp().as_nanosecond()).ok()
}

/// The longest gap between two times, or none if there are no two.
///
/// Looked for in eight days at every half hour, and in 400 at every half day:
/// whatever lines of cron repeat, they repeat within a week, or else have gaps
/// of days.
fn longest_gap(cron: &Cron, zone: &TimeZone) -> Option<Duration> {
    let start = time::macros::datetime!(2024-01-01 00:00 UTC);
    let mut longest = Duration::ZERO;
    let mut look = |span: Duration, step: Duration| -> Option<()> {
        let mut at = start;
        while at < start + span {
            let after = next(cron, zone, at)?;
            longest = longest.max((after - latest(cron, zone, at)?).unsigned_abs());
            // The gap that holds a moment ends with the next time: no other
            // need be looked at before that.
            at = after.max(at + step);
        }
        Some(())
    };
    look(8 * DAY, HOUR / 2)?;
    look(400 * DAY, DAY / 2)?;
    Some(longest)
}

/// The last time that is not after another.
fn latest(cron: &Cron, zone: &TimeZone, until: OffsetDateTime) -> Option<OffsetDateTime> {
    moment(&cron.find_previous_occurrence(&zoned(zone, until)?, true).ok()?)
}
