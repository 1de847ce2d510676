//! Intervals and lines of cron, changes of the clock included.

use std::time::Duration;

use lifeboat_agent::{Schedule, ScheduleError, TimeZone};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use time::macros::datetime;

fn zone(name: &str) -> TimeZone {
    TimeZone::get(name).expect("a zone of the world")
}

fn cron(text: &str, zone_name: &str) -> Schedule {
    Schedule::cron(text, zone(zone_name)).expect("five fields")
}

fn times(schedule: &Schedule, from: OffsetDateTime, count: usize) -> Vec<String> {
    let mut at = from;
    let mut next = || {
        at = schedule.next_after(at);
        at.format(&Rfc3339).expect("a time")
    };
    (0..count).map(|_| next()).collect()
}

#[test]
fn in_the_time_of_a_zone() {
    let found = times(&cron("30 3 * * *", "Europe/Berlin"), datetime!(2026-03-27 12:00 UTC), 3);
    // Summer time begins on the 29th: 3:30 is an hour earlier in UTC.
    assert_eq!(found, ["2026-03-28T02:30:00Z", "2026-03-29T01:30:00Z", "2026-03-30T01:30:00Z"]);
    let found =
        times(&cron("15 22 * * 1-5", "America/New_York"), datetime!(2026-11-20 12:00 UTC), 2);
    assert_eq!(found, ["2026-11-21T03:15:00Z", "2026-11-24T03:15:00Z"]);
}

/// 2:30 is skipped on 29 March 2026 in Berlin, and comes twice on 25 October.
#[test]
fn a_time_that_is_skipped_or_repeated() {
    let nightly = cron("30 2 * * *", "Europe/Berlin");
    let found = times(&nightly, datetime!(2026-03-28 12:00 UTC), 2);
    assert_eq!(found[1], "2026-03-30T00:30:00Z");
    assert_eq!(&found[0][..11], "2026-03-29T", "that day has one too: {found:?}");
    let found = times(&nightly, datetime!(2026-10-24 12:00 UTC), 2);
    assert_eq!(&found[0][..11], "2026-10-25T");
    assert_eq!(found[1], "2026-10-26T01:30:00Z", "once a day");
    // An hourly one goes on every hour of real time.
    let hourly = cron("0 * * * *", "Europe/Berlin");
    let (mut at, mut count) = (datetime!(2026-10-24 22:00 UTC), 0);
    while at < datetime!(2026-10-25 23:00 UTC) {
        let next = hourly.next_after(at);
        assert_eq!(next - at, time::Duration::HOUR);
        (at, count) = (next, count + 1);
    }
    assert_eq!(count, 25);
}

#[test]
fn the_longest_gap() {
    let gap = |text: &str| cron(text, "UTC").longest_gap().as_secs() / 60;
    assert_eq!(gap("* * * * *"), 1);
    assert_eq!(gap("*/7 * * * *"), 7);
    assert_eq!(gap("0 3 * * *"), 24 * 60);
    assert_eq!(gap("0 3 * * 1-5"), 72 * 60);
    assert_eq!(gap("* 9-17 * * *"), 15 * 60 + 1);
    assert_eq!(gap("*/10 0-12,15-23 * * *"), 2 * 60 + 10);
    assert_eq!(gap("0 0 1 * *"), 31 * 24 * 60);
    assert_eq!(gap("0 12 * 1-6 *"), 185 * 24 * 60);
    // By the clock of a zone, a day has 25 hours once a year.
    assert_eq!(cron("0 3 * * *", "Europe/Berlin").longest_gap().as_secs(), 25 * 3600);
}

#[test]
fn refused() {
    let refused = |text: &str| Schedule::cron(text, TimeZone::UTC).expect_err(text);
    for text in
        ["", "0 3 * *", "60 * * * *", "0 3 * * * *", "@ever", "0 3 * * Someday", "-1 * * * *"]
    {
        let error = refused(text);
        assert!(matches!(error, ScheduleError::Cron { .. }), "{text}: {error:?}");
        assert!(error.to_string().contains("day of week"), "{error}");
    }
    assert_eq!(refused("0 0 30 2 *"), ScheduleError::Never("0 0 30 2 *".into()));
    let zero = Schedule::every(Duration::ZERO).expect_err("nobody means that");
    assert_eq!(zero, ScheduleError::Interval(Duration::ZERO));
    assert!(Schedule::every(Duration::MAX).is_err());
}
