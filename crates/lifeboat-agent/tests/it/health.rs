//! The table of docs/agent.md, and each reason.

use lifeboat_agent::{Facts, Level, Limits, Reason, judge};
use time::macros::datetime;
use time::{Duration, OffsetDateTime};

const NOW: OffsetDateTime = datetime!(2026-11-21 10:00 UTC);

fn daily(age: Duration) -> Facts {
    Facts {
        last_good: Some(NOW - age),
        first_snapshot: Some(NOW - Duration::days(30)),
        interval: Some(Duration::DAY),
        ..Facts::default()
    }
}

fn level(facts: &Facts, limits: &Limits) -> Level {
    judge(facts, limits, NOW).level
}

#[test]
fn the_age_of_the_last_backup() {
    let limits = Limits::default();
    let of = |interval: i64, age: i64| {
        let facts =
            Facts { interval: Some(Duration::minutes(interval)), ..daily(Duration::minutes(age)) };
        level(&facts, &limits)
    };
    // Interval, and up to how many minutes healthy, and a warning.
    for (interval, healthy, warning) in [
        (24 * 60, 25 * 60, 48 * 60),
        (60, 90, 120),
        (10, 15, 20),
        (7 * 24 * 60, 169 * 60, 336 * 60),
    ] {
        assert_eq!(of(interval, 0), Level::Healthy);
        assert_eq!(of(interval, healthy), Level::Healthy, "{interval}");
        assert_eq!(of(interval, healthy + 1), Level::Warning, "{interval}");
        assert_eq!(of(interval, warning), Level::Warning, "{interval}");
        assert_eq!(of(interval, warning + 1), Level::Critical, "{interval}");
    }
    let stated = Limits {
        warn_age: Some(Duration::hours(3)),
        max_age: Some(Duration::hours(30)),
        ..Limits::default()
    };
    assert_eq!(level(&daily(Duration::hours(4)), &stated), Level::Warning);
    assert_eq!(level(&daily(Duration::hours(31)), &stated), Level::Critical);
    let none = judge(&Facts { interval: Some(Duration::DAY), ..Facts::default() }, &limits, NOW);
    assert_eq!(none.reasons, [(Level::Critical, Reason::Never)]);
    // Who has no schedule is told of no age that nobody named.
    let unscheduled = Facts { interval: None, ..daily(Duration::days(300)) };
    assert_eq!(level(&unscheduled, &limits), Level::Healthy);
    let future = judge(&daily(-Duration::HOUR), &limits, NOW);
    assert_eq!(future.reasons, [(Level::Warning, Reason::Future(Duration::HOUR))]);
}

#[test]
fn each_reason() {
    let limits = Limits {
        max_verify_age: Some(Duration::days(8)),
        max_drill_age: Some(Duration::days(31)),
        min_free_space: Some(1000),
        ..Limits::default()
    };
    let proven = Facts {
        verified_at: Some(NOW - Duration::days(7)),
        drilled_at: Some(NOW - Duration::days(20)),
        ..daily(Duration::HOUR)
    };
    assert_eq!(judge(&proven, &limits, NOW).reasons, []);
    let check = |change: &dyn Fn(&mut Facts), level: Level, words: &str| {
        let mut facts = proven.clone();
        change(&mut facts);
        let health = judge(&facts, &limits, NOW);
        assert_eq!(health.level, level, "{words}");
        let said: Vec<_> = health.reasons.iter().map(|(_, reason)| reason.to_string()).collect();
        assert_eq!(said, [words]);
    };
    let warning = Level::Warning;
    check(
        &|facts| (facts.failures, facts.last_error) = (3, Some("it rained".into())),
        warning,
        "the last 3 backups failed: it rained",
    );
    check(
        &|facts| facts.fallback = Some("/srv/spare".into()),
        warning,
        "the primary is out; backups go to /srv/spare",
    );
    check(
        &|facts| facts.verified_at = Some(NOW - Duration::days(9)),
        warning,
        "the data was last verified 9d ago",
    );
    check(&|facts| facts.verified_at = None, warning, "the data was never verified");
    check(
        &|facts| facts.drilled_at = Some(NOW - Duration::hours(770)),
        warning,
        "a restore was last drilled 32d2h ago",
    );
    check(
        &|facts| facts.sizes = Some((49, 100)),
        warning,
        "the database shrank from 100 to 49 bytes",
    );
    check(
        &|facts| facts.free_space = Some(999),
        warning,
        "only 999 bytes are free beside the database",
    );
    check(&|facts| facts.quota = Some((91, 100)), warning, "91 of 100 bytes are used");
    check(
        &|facts| facts.clock_ahead = Some(-Duration::seconds(301)),
        warning,
        "the clock here and at the destination differ by 5m1s",
    );
    check(
        &|facts| facts.wal = Some((65 << 20, 4096)),
        warning,
        "the WAL has grown to 68157440 bytes",
    );
    check(
        &|facts| facts.damage = Some("a pack".into()),
        Level::Critical,
        "damage was found: a pack",
    );
    // At the limits there is nothing to say.
    let mut facts = proven.clone();
    facts.sizes = Some((50, 100));
    facts.free_space = Some(1000);
    facts.quota = Some((90, 100));
    facts.clock_ahead = Some(Duration::minutes(5));
    facts.wal = Some((64 << 20, 4096));
    assert_eq!(level(&facts, &limits), Level::Healthy);
    // Nothing to prove for long yet.
    let young = Facts { first_snapshot: Some(NOW - Duration::DAY), ..daily(Duration::HOUR) };
    assert_eq!(level(&young, &limits), Level::Healthy);
}

#[test]
fn the_worst_comes_first() {
    let mut facts = daily(Duration::days(3));
    facts.failures = 1;
    let health = judge(&facts, &Limits::default(), NOW);
    assert_eq!(health.level, Level::Critical);
    assert!(matches!(health.reasons[0].1, Reason::Old { .. }));
    assert_eq!(health.reasons.len(), 2);
    facts.disabled = Some("the disk does not last".into());
    let health = judge(&facts, &Limits::default(), NOW);
    assert_eq!(health.level, Level::Warning);
    assert_eq!(health.reasons.len(), 1, "nothing is expected of what is disabled");
}
