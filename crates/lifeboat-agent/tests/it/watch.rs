//! Backups that do not come, and what a dead man's switch hears.

use std::time::Duration as Span;

use lifeboat_agent::notify::{Ping, PingKind, Pulse};
use lifeboat_agent::{Backed, Cause, Event, Job, Level, Limits, Reason, Watch, What};
use time::macros::datetime;
use time::{Duration, OffsetDateTime};

const START: OffsetDateTime = datetime!(2026-11-21 10:00 UTC);

fn failed(error: &str) -> What {
    What::Failed {
        job: Job::Backup,
        took: Span::ZERO,
        error: error.into(),
        hint: None,
        data_is_safe: true,
        failures: 1,
    }
}

fn backed_up() -> What {
    let mut backed = Backed::default();
    backed.snapshot = "20261121T100000Z-00112233".into();
    backed.record = 7;
    backed.digest = "abcdef".into();
    What::BackedUp(backed)
}

fn levels(events: &[Event]) -> Vec<Level> {
    let level = |event: &Event| match &event.what {
        What::Health { now, .. } => *now,
        other => panic!("{other:?}"),
    };
    events.iter().map(level).collect()
}

/// No store is asked, and nothing fails: time alone does it. For a daily backup the
/// table of the documentation says 25 and 48 hours.
#[test]
fn a_missed_interval() {
    let mut watch = Watch::new(Limits::default());
    watch.insert("app", Duration::DAY, START);
    // Nothing is known yet: neither that it is well, nor that it is not.
    assert_eq!((watch.poll(START), watch.worst()), (vec![], None));
    let mut check = |hours: i64, minutes: i64, expected: &[Level]| {
        let now = START + Duration::hours(hours) + Duration::minutes(minutes);
        assert_eq!(levels(&watch.poll(now)), expected, "{hours}:{minutes}");
    };
    check(25, 0, &[]);
    check(25, 1, &[Level::Warning]);
    check(48, 0, &[]);
    check(48, 1, &[Level::Critical]);
    check(200, 0, &[]);
    let now = START + Duration::hours(201);
    watch.hear(&Event::of("app", now, backed_up()));
    assert_eq!(levels(&watch.poll(now)), [Level::Healthy]);
    assert_eq!(watch.worst(), Some(Level::Healthy));
}

/// The agent was off for days: what it begins with gets a chance, and no more than one.
#[test]
fn after_a_restart() {
    let mut before = Watch::new(Limits::default());
    before.insert("app", Duration::DAY, START);
    before.hear(&Event::of("app", START, backed_up()));
    let memory = before.memory();
    let begun = START + Duration::days(3);
    let again = || {
        let mut watch = Watch::new(Limits::default());
        watch.recall(&memory);
        watch.insert("app", Duration::DAY, begun);
        assert_eq!(watch.poll(begun + Duration::minutes(14)), []);
        watch
    };
    let later = begun + Duration::minutes(15);
    assert_eq!(levels(&again().poll(later)), [Level::Critical]);
    let mut watch = again();
    watch.hear(&Event::of("app", begun, backed_up()));
    assert_eq!(levels(&watch.poll(begun)), [Level::Healthy]);
    let mut watch = again();
    watch.hear(&Event::of("app", begun, failed("down")));
    assert_eq!(levels(&watch.poll(begun)), [Level::Critical]);
}

#[test]
fn another_reason_is_news() {
    let mut watch = Watch::new(Limits::default());
    watch.insert("app", Duration::HOUR, START);
    watch.poll(START);
    watch.hear(&Event::of("app", START, failed("down")));
    assert_eq!(levels(&watch.poll(START)), [Level::Warning]);
    // The same reason with other figures is none.
    watch.hear(&Event::of("app", START, failed("down again")));
    assert_eq!(watch.poll(START + Duration::MINUTE), []);
    let events = watch.poll(START + Duration::minutes(91));
    let [Event { what: What::Health { before, now, reasons }, .. }] = &events[..] else {
        panic!("{events:?}")
    };
    assert_eq!((*before, *now), (Some(Level::Warning), Level::Warning));
    assert!(reasons.iter().any(|reason| matches!(reason, Reason::Old { .. })), "{reasons:?}");
}

/// Pings as they would be sent, with what happened before each.
fn pings(on: &[PingKind], happenings: &[(i64, &str, What)]) -> Vec<(PingKind, String)> {
    let mut pulse = Pulse::new(on.iter().copied().collect());
    let mut all: Vec<Ping> = Vec::new();
    for (seconds, database, what) in happenings {
        let now = START + Duration::seconds(*seconds);
        all.extend(pulse.poll(now));
        pulse.hear(&Event::of(*database, now, what.clone()));
        all.extend(pulse.poll(now));
    }
    all.extend(pulse.poll(START + Duration::DAY));
    all.into_iter().map(|ping| (ping.kind, ping.text)).collect()
}

fn began() -> What {
    What::Began { job: Job::Backup, cause: Cause::Due }
}

#[test]
fn a_success_is_pinged_with_the_newest_record() {
    let found = pings(
        &[PingKind::Start, PingKind::Success],
        &[(0, "app", began()), (1, "app", backed_up())],
    );
    let expected = [
        (PingKind::Start, "app: the backup begins"),
        (PingKind::Success, "app: record 7 abcdef snapshot 20261121T100000Z-00112233"),
    ];
    assert_eq!(found, expected.map(|(kind, text)| (kind, text.to_owned())));
    assert_eq!(pings(&[PingKind::Failure], &[(0, "app", backed_up())]), []);
}

/// One URL stands for all: no success is pinged while another database is in trouble.
#[test]
fn a_success_speaks_for_all() {
    let kinds = |happenings: &[(i64, &str, What)]| -> Vec<PingKind> {
        let found = pings(&[PingKind::Success, PingKind::Failure], happenings);
        found.into_iter().map(|(kind, _)| kind).collect()
    };
    use PingKind::{Failure, Success};
    assert_eq!(kinds(&[(0, "a", failed("x")), (20, "b", backed_up())]), [Failure]);
    let back = [(0, "a", failed("x")), (20, "b", backed_up()), (40, "a", backed_up())];
    assert_eq!(kinds(&back), [Failure, Success]);
    let critical = What::Health { before: None, now: Level::Critical, reasons: vec![] };
    assert_eq!(kinds(&[(0, "a", critical), (20, "b", backed_up())]), [Failure]);
}

/// A thousand databases an hour are no thousand pings.
#[test]
fn pings_are_apart() {
    let happenings: Vec<(i64, &str, What)> = (0..60).map(|at| (at, "app", backed_up())).collect();
    assert_eq!(pings(&[PingKind::Success], &happenings).len(), 5);
}
