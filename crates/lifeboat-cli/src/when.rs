//! Times typed by a person.
//!
//! RFC 3339 means what it says; a time without a zone is local, and is echoed
//! back with the zone.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, ToSpan, Zoned};
use time::OffsetDateTime;

/// A time that was understood.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Moment {
    pub(crate) time: OffsetDateTime,
    /// In words that leave no doubt.
    pub(crate) echo: String,
}

/// Understands a time typed by a person, at `now`, which has the local zone.
pub(crate) fn parse(text: &str, now: &Zoned) -> Option<Moment> {
    let text = text.trim();
    if let Ok(stamp) = text.parse::<Timestamp>() {
        return moment(stamp.to_zoned(TimeZone::UTC));
    }
    let words = text.to_ascii_lowercase();
    if words == "now" {
        return moment(now.clone());
    }
    if let Some(ago) = words.strip_suffix(" ago") {
        return moment(now.checked_sub(span(ago.trim())?).ok()?);
    }
    for (word, back) in [("today", 0), ("yesterday", 1)] {
        if let Some(rest) = words.strip_prefix(word) {
            let date = now.date().checked_sub(back.days()).ok()?;
            let time = match rest.trim() {
                "" => jiff::civil::Time::midnight(),
                time => clock(time)?,
            };
            return moment(local(date.to_datetime(time), now)?);
        }
    }
    moment(local(civil(text)?, now)?)
}

fn civil(text: &str) -> Option<DateTime> {
    if text.len() == "2026-11-20".len() {
        return Some(text.parse::<jiff::civil::Date>().ok()?.at(0, 0, 0, 0));
    }
    text.parse().ok()
}

fn clock(text: &str) -> Option<jiff::civil::Time> {
    text.contains(':').then(|| text.parse().ok())?
}

/// A local time that a change of the clock skips or repeats is not a moment.
fn local(time: DateTime, now: &Zoned) -> Option<Zoned> {
    now.time_zone().to_ambiguous_zoned(time).unambiguous().ok()
}

fn span(text: &str) -> Option<Span> {
    let (n, unit) = text.split_once(' ')?;
    let n: i64 = match n {
        "a" | "an" => 1,
        n => n.parse().ok().filter(|n| (0..1_000_000).contains(n))?,
    };
    Some(match unit.trim().trim_end_matches('s') {
        "second" => n.seconds(),
        "minute" => n.minutes(),
        "hour" => n.hours(),
        "day" => n.days(),
        "week" => n.weeks(),
        "month" => n.months(),
        "year" if n < 10_000 => n.years(),
        _ => return None,
    })
}

fn moment(zoned: Zoned) -> Option<Moment> {
    let time = OffsetDateTime::from_unix_timestamp_nanos(zoned.timestamp().as_nanosecond()).ok()?;
    let echo = zoned.strftime("%Y-%m-%d %H:%M:%S %:z").to_string();
    Some(Moment { time, echo })
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    fn check(text: &str, expected: Option<OffsetDateTime>) {
        let zone = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").expect("a valid zone");
        let now = "2026-11-20T10:00:00Z".parse::<Timestamp>().expect("valid").to_zoned(zone);
        assert_eq!(parse(text, &now).map(|moment| moment.time), expected, "{text}");
    }

    #[test]
    fn what_people_type() {
        check("2026-11-20T10:15:00Z", Some(datetime!(2026-11-20 10:15 UTC)));
        check("2026-11-20T10:15:00+02:00", Some(datetime!(2026-11-20 08:15 UTC)));
        check("2026-11-20 10:15", Some(datetime!(2026-11-20 09:15 UTC)));
        check("2026-07-20 10:15:30", Some(datetime!(2026-07-20 08:15:30 UTC)));
        check("2026-11-20", Some(datetime!(2026-11-19 23:00 UTC)));
        check("yesterday 14:00", Some(datetime!(2026-11-19 13:00 UTC)));
        check("today 09:30", Some(datetime!(2026-11-20 08:30 UTC)));
        check("Yesterday", Some(datetime!(2026-11-18 23:00 UTC)));
        check("10 minutes ago", Some(datetime!(2026-11-20 09:50 UTC)));
        check("an hour ago", Some(datetime!(2026-11-20 09:00 UTC)));
        check("2 weeks ago", Some(datetime!(2026-11-06 10:00 UTC)));
        check("now", Some(datetime!(2026-11-20 10:00 UTC)));
    }

    #[test]
    fn what_is_no_time() {
        for text in ["", "soon", "14:00", "yesterday 25:00", "-3 days ago", "2026-13-01", "ago"] {
            check(text, None);
        }
        // Skipped in spring, twice in autumn.
        check("2026-03-29 02:30", None);
        check("2026-10-25 02:30", None);
    }
}
