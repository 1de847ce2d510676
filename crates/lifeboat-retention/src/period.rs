//! Lengths of time as people say them: `2y5m7d3h`.

use std::fmt;
use std::str::FromStr;

use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use serde::{Deserialize, Serialize};

/// A length of time in years, months, weeks, days and hours, as in `2y5m7d3h`.
///
/// Months and years are those of the calendar: a year before the 29th of
/// February is the 28th. A day is one of the zone, be it 23 or 25 hours long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Period {
    /// Years, months, weeks, days, hours.
    parts: [u32; 5],
}

const UNITS: [char; 5] = ['y', 'm', 'w', 'd', 'h'];
/// More of a unit than anybody means, and less than a calendar holds.
const MOST: [u32; 5] = [1000, 12_000, 52_000, 365_000, 8_760_000];
/// How many hours a unit has, roughly.
const HOURS: [u64; 5] = [8766, 730, 168, 24, 1];

/// A text that is no period.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("understand {text:?} as a length of time, such as 7d, 8w or 2y5m7d3h")]
pub struct ParsePeriodError {
    /// The text.
    pub text: String,
}

impl Period {
    /// So many days.
    pub const fn days(days: u32) -> Self {
        Self { parts: [0, 0, 0, days, 0] }
    }

    /// So many weeks.
    pub const fn weeks(weeks: u32) -> Self {
        Self { parts: [0, 0, weeks, 0, 0] }
    }

    /// So many months.
    pub const fn months(months: u32) -> Self {
        Self { parts: [0, months, 0, 0, 0] }
    }

    /// So many years.
    pub const fn years(years: u32) -> Self {
        Self { parts: [years, 0, 0, 0, 0] }
    }

    /// How long it is, roughly: a month counts as 730 hours.
    pub fn rough_hours(self) -> u64 {
        self.parts.iter().zip(HOURS).map(|(n, hours)| u64::from(*n) * hours).sum()
    }

    /// The moment that lies so long before another one.
    pub(crate) fn before(self, moment: Timestamp, zone: &TimeZone) -> Timestamp {
        let [years, months, weeks, days, hours] = self.parts.map(i64::from);
        let span = Span::new().years(years).months(months).weeks(weeks).days(days).hours(hours);
        let then = moment.to_zoned(zone.clone()).checked_sub(span);
        // Before the calendar begins everything is later.
        then.map_or(Timestamp::MIN, |then| then.timestamp())
    }
}

impl FromStr for Period {
    type Err = ParsePeriodError;

    fn from_str(text: &str) -> Result<Self, ParsePeriodError> {
        let wrong = || ParsePeriodError { text: text.to_owned() };
        let mut parts = [0; 5];
        let mut rest = text;
        let mut next_unit = 0;
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
            let number: u32 = rest[..digits].parse().map_err(|_| wrong())?;
            let unit = rest[digits..].chars().next().ok_or_else(wrong)?;
            // Each unit once, the largest first: else 5m2y5m would be read.
            let at = UNITS.iter().position(|one| *one == unit).ok_or_else(wrong)?;
            if at < next_unit || number > MOST[at] {
                return Err(wrong());
            }
            parts[at] = number;
            next_unit = at + 1;
            rest = &rest[digits + 1..];
        }
        if parts == [0; 5] { Err(wrong()) } else { Ok(Self { parts }) }
    }
}

impl TryFrom<String> for Period {
    type Error = ParsePeriodError;

    fn try_from(text: String) -> Result<Self, ParsePeriodError> {
        text.parse()
    }
}

impl From<Period> for String {
    fn from(period: Period) -> Self {
        period.to_string()
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, unit) in self.parts.iter().zip(UNITS).filter(|(number, _)| **number > 0) {
            write!(f, "{number}{unit}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_type() {
        for good in ["7d", "2y5m7d3h", "8w", "1h", "16d", "1000y"] {
            assert_eq!(good.parse::<Period>().expect(good).to_string(), good);
        }
        for bad in ["", "7", "d", "0d", "7x", "7d7d", "7d2y", "-1d", "7 d", "1.5d", "7D", "1001y"] {
            assert!(bad.parse::<Period>().is_err(), "{bad}");
        }
        assert_eq!("12m".parse(), Ok(Period::months(12)));
        assert!("99999999999d".parse::<Period>().is_err());
    }

    #[test]
    fn calendars_have_leap_days_and_short_days() {
        let berlin = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").expect("a valid zone");
        let check = |from: &str, period: &str, expected: &str| {
            let from: Timestamp = from.parse().expect("valid");
            let expected: Timestamp = expected.parse().expect("valid");
            let period: Period = period.parse().expect("valid");
            assert_eq!(period.before(from, &berlin), expected, "{period} before {from}");
        };
        check("2028-02-29T12:00:00Z", "1y", "2027-02-28T12:00:00Z");
        check("2028-03-31T12:00:00+02:00", "1m", "2028-02-29T12:00:00+01:00");
        check("2027-03-31T12:00:00+02:00", "1m", "2027-02-28T12:00:00+01:00");
        // The 29th of March 2026 has 23 hours there, the 25th of October 25.
        check("2026-03-29T12:00:00+02:00", "1d", "2026-03-28T12:00:00+01:00");
        check("2026-03-29T12:00:00+02:00", "24h", "2026-03-28T11:00:00+01:00");
        check("2026-10-25T12:00:00+01:00", "1d", "2026-10-24T12:00:00+02:00");
    }
}
