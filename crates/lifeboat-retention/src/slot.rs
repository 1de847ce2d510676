//! Hours, days, weeks, months and years of a zone.

use std::fmt;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use time::OffsetDateTime;

/// What one snapshot of each is kept of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unit {
    /// Hours of the clock.
    Hour,
    /// Days.
    Day,
    /// Weeks, which begin on Monday (ISO 8601).
    Week,
    /// Months.
    Month,
    /// Years.
    Year,
}

impl Unit {
    /// All of them, the shortest first.
    pub const ALL: [Self; 5] = [Self::Hour, Self::Day, Self::Week, Self::Month, Self::Year];
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Year => "year",
        })
    }
}

/// One hour, day, week, month or year. Ordered by time within one unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Slot {
    year: i16,
    /// Month or week, 0 in a year.
    part: i8,
    day: i8,
    hour: i8,
    /// Seconds **west** of Greenwich: the hour that a change of the clock in
    /// autumn repeats is two hours, and summer time comes first.
    west: i32,
}

impl Slot {
    pub(crate) fn of(unit: Unit, moment: Timestamp, zone: &TimeZone) -> Self {
        let local = moment.to_zoned(zone.clone());
        let slot = |year, part, day| Self { year, part, day, hour: 0, west: 0 };
        match unit {
            Unit::Hour => Self {
                hour: local.hour(),
                west: -local.offset().seconds(),
                ..slot(local.year(), local.month(), local.day())
            },
            Unit::Day => slot(local.year(), local.month(), local.day()),
            Unit::Week => {
                let week = local.date().iso_week_date();
                slot(week.year(), week.week(), 0)
            }
            Unit::Month => slot(local.year(), local.month(), 0),
            Unit::Year => slot(local.year(), 0, 0),
        }
    }

    /// In words: `2026-11-20`, `2026-W47`.
    pub(crate) fn label(self, unit: Unit) -> String {
        let Self { year, part, day, hour, .. } = self;
        match unit {
            Unit::Hour => format!("{year:04}-{part:02}-{day:02} {hour:02}h"),
            Unit::Day => format!("{year:04}-{part:02}-{day:02}"),
            Unit::Week => format!("{year:04}-W{part:02}"),
            Unit::Month => format!("{year:04}-{part:02}"),
            Unit::Year => format!("{year:04}"),
        }
    }
}

/// The same moment for the calendar. What lies beyond its ends is moved there.
pub(crate) fn moment(time: OffsetDateTime) -> Timestamp {
    let nanoseconds = time.unix_timestamp_nanos();
    let end = if nanoseconds < 0 { Timestamp::MIN } else { Timestamp::MAX };
    Timestamp::from_nanosecond(nanoseconds).unwrap_or(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(unit: Unit, text: &str, expected: &str) {
        let zone = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").expect("a valid zone");
        let moment: Timestamp = text.parse().expect("valid");
        assert_eq!(Slot::of(unit, moment, &zone).label(unit), expected, "{text}");
    }

    #[test]
    fn in_the_zone() {
        check(Unit::Day, "2026-11-20T23:30:00Z", "2026-11-21");
        check(Unit::Month, "2026-11-30T23:30:00Z", "2026-12");
        check(Unit::Year, "2026-12-31T23:30:00Z", "2027");
        check(Unit::Week, "2026-12-31T12:00:00Z", "2026-W53");
        check(Unit::Week, "2027-01-03T12:00:00Z", "2026-W53");
        check(Unit::Week, "2027-01-04T12:00:00Z", "2027-W01");
        check(Unit::Day, "2028-02-29T12:00:00Z", "2028-02-29");
        check(Unit::Hour, "2026-07-20T10:59:59Z", "2026-07-20 12h");
    }

    #[test]
    fn the_repeated_hour_is_two() {
        let zone = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").expect("a valid zone");
        let slot = |text: &str| Slot::of(Unit::Hour, text.parse().expect("valid"), &zone);
        let summer = slot("2026-10-25T00:30:00Z");
        let winter = slot("2026-10-25T01:30:00Z");
        assert_eq!(summer.label(Unit::Hour), winter.label(Unit::Hour));
        assert!(summer < winter);
        assert!(winter < slot("2026-10-25T02:30:00Z"));
    }
}
