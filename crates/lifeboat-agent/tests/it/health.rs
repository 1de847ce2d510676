//! The table of docs/agent.md, and each reason.

use lifeboat_agent::{Facts, FollowState, Following, Level, Limits, Reason, judge};
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

/// The rows of the table in docs/agent.md.
fn documented() -> Vec<(String, Level)> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/agent.md");
    let text = std::fs::read_to_string(path).expect("docs/agent.md");
    let table = text.split("| what is known | level |").nth(1).expect("a table");
    let table = table.split("\n\n").next().expect("it ends");
    let row = |line: &str| {
        let (what, level) = line.strip_prefix("| ")?.strip_suffix(" |")?.rsplit_once(" | ")?;
        let level = match level {
            "healthy" => Level::Healthy,
            "warning" => Level::Warning,
            "critical" => Level::Critical,
            other => panic!("{other} is no level"),
        };
        Some((what.to_owned(), level))
    };
    table.lines().filter_map(row).collect()
}

/// Of each row: facts that are just not like this, facts that just are, and what is
/// said of them. For the row that is healthy there is nothing before.
type Row = (&'static str, fn(&mut Facts), fn(&mut Facts), &'static str);

const ROWS: [Row; 22] = [
    (
        "the last good state is at most *i* + the smaller of an hour and *i*/2 old",
        |facts| facts.last_good = Some(NOW),
        |facts| facts.last_good = Some(NOW - Duration::hours(25)),
        "",
    ),
    (
        "the last good state is older, up to 2 *i*",
        |facts| facts.last_good = Some(NOW - Duration::hours(25)),
        |facts| facts.last_good = Some(NOW - Duration::hours(48)),
        "the last backup is 2d old, more than 1d1h",
    ),
    (
        "the last good state is older than 2 *i*",
        |_| (),
        |facts| facts.last_good = Some(NOW - Duration::hours(48) - Duration::NANOSECOND),
        "the last backup is 2d old, more than 2d",
    ),
    ("there is no backup", |_| (), |facts| facts.last_good = None, "there is no backup"),
    (
        "the last good state bears a time more than 5 minutes ahead",
        |facts| facts.last_good = Some(NOW + Duration::minutes(5)),
        |facts| facts.last_good = Some(NOW + Duration::seconds(301)),
        "the last backup bears a time 5m1s ahead",
    ),
    (
        "the repository cannot be read",
        |_| (),
        |facts| (facts.unreadable, facts.last_good) = (Some("it rains".into()), None),
        "the repository cannot be read: it rains",
    ),
    (
        "the last backup failed, or several in a row",
        |_| (),
        |facts| (facts.failures, facts.last_error) = (1, Some("it rained".into())),
        "the last backup failed: it rained",
    ),
    (
        "backups go to a fallback, or the primary lacks what a fallback has",
        |_| (),
        |facts| facts.fallback = Some("/srv/spare".into()),
        "the primary is out; backups go to /srv/spare",
    ),
    (
        "a destination cannot be asked",
        |_| (),
        |facts| facts.silent = vec!["far: no answer".into()],
        "a destination could not be asked: far: no answer",
    ),
    (
        "the last verification is older than `max_verify_age`",
        |facts| facts.verified_at = Some(NOW - Duration::days(8)),
        |facts| facts.verified_at = Some(NOW - Duration::days(9)),
        "the data was last verified 9d ago",
    ),
    (
        "the last drill is older than `max_drill_age`",
        |facts| facts.drilled_at = Some(NOW - Duration::days(31)),
        |facts| facts.drilled_at = Some(NOW - Duration::hours(770)),
        "a restore was last drilled 32d2h ago",
    ),
    (
        "the last drill failed",
        |_| (),
        |facts| facts.failed_drill = Some("SELECT 0".into()),
        "the last drill failed: SELECT 0",
    ),
    (
        "a check, a drill or a look found damage",
        |_| (),
        |facts| facts.damage = Some("a pack".into()),
        "damage was found: a pack",
    ),
    (
        "the database shrank to less than half since the snapshot before",
        |facts| facts.sizes = Some((50, 100)),
        |facts| facts.sizes = Some((49, 100)),
        "the database shrank from 100 to 49 bytes",
    ),
    (
        "less than `min_free_space` is free beside the database",
        |facts| facts.free_space = Some(1000),
        |facts| facts.free_space = Some(999),
        "only 999 bytes are free beside the database",
    ),
    (
        "the snapshots take a tenth more than `max_bytes`",
        |facts| facts.quota = Some((110, 100)),
        |facts| facts.quota = Some((111, 100)),
        "the snapshots take 111 bytes, and may take 100",
    ),
    (
        "the clocks here and at a destination differ by more than 5 minutes",
        |facts| facts.clock_ahead = Some(Duration::minutes(5)),
        |facts| facts.clock_ahead = Some(-Duration::seconds(301)),
        "the clock here and at the destination differ by 5m1s",
    ),
    (
        "the WAL is larger than the database, and than 64 MiB",
        |facts| facts.wal = Some((64 << 20, 4096)),
        |facts| facts.wal = Some(((64 << 20) + 1, 4096)),
        "the WAL has grown to 67108865 bytes",
    ),
    (
        "commits should be followed and cannot be, so that snapshots alone are taken",
        |facts| facts.following = Some(Following::default()),
        |facts| facts.following = Some(in_state(FollowState::Scanning("not WAL".into()))),
        "commits are not followed, and backed up at the interval: not WAL",
    ),
    (
        "commits wait for more than a minute to be stored",
        |facts| facts.following = Some(behind(60)),
        |facts| facts.following = Some(behind(61)),
        "7 commits wait to be stored, the oldest for 1m1s",
    ),
    (
        "commits are not followed any more, because another installation has the database",
        |facts| facts.following = Some(in_state(FollowState::Following)),
        |facts| facts.following = Some(in_state(FollowState::Stopped("taken".into()))),
        "commits are not followed any more: taken",
    ),
    (
        "backups are disabled",
        |_| (),
        |facts| (facts.disabled, facts.last_good) = (Some("the disk goes".into()), None),
        "backups are disabled: the disk goes",
    ),
];

fn in_state(state: FollowState) -> Following {
    Following { state, ..Following::default() }
}

fn behind(seconds: i64) -> Following {
    let lag = Duration::seconds(seconds);
    Following { lag, commits_behind: 7, ..in_state(FollowState::Following) }
}

/// Each row of the document is held at its limit and just beyond it, and there is no
/// other row.
#[test]
fn the_table() {
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
    let documented = documented();
    let named: Vec<&str> = documented.iter().map(|(what, _)| what.as_str()).collect();
    assert_eq!(named, ROWS.map(|(what, ..)| what));
    for ((what, level), (_, before, at, words)) in documented.iter().zip(ROWS) {
        let judged = |change: fn(&mut Facts)| {
            let mut facts = proven.clone();
            change(&mut facts);
            judge(&facts, &limits, NOW)
        };
        assert_eq!(judged(before).reasons, [], "{what}, not yet");
        let health = judged(at);
        assert_eq!(health.level, *level, "{what}");
        let said: Vec<_> = health.reasons.iter().map(|(_, reason)| reason.to_string()).collect();
        assert_eq!(said.join(""), words, "{what}");
    }
    // Where nothing was proven yet, there must have been something to prove.
    let first = |days| {
        let since = Some(NOW - Duration::days(days));
        let facts = Facts { first_snapshot: since, ..daily(Duration::HOUR) };
        judge(&facts, &limits, NOW).reasons
    };
    assert_eq!(first(8), []);
    assert_eq!(first(9), [(Level::Warning, Reason::Unverified(None))]);
    assert_eq!(first(32)[1], (Level::Warning, Reason::Undrilled(None)));
    let several = Facts { failures: 3, ..proven };
    assert_eq!(judge(&several, &limits, NOW).reasons[0].1.to_string(), "the last 3 backups failed");
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
