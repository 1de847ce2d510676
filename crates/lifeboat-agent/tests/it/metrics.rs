//! Figures, and the dashboard that shows them.

use std::collections::BTreeSet;
use std::time::Duration as Span;

use lifeboat_agent::{Backed, Cause, Event, FollowState, Following, Job, Level, Metrics, What};
use time::OffsetDateTime;
use time::macros::datetime;

const NOW: OffsetDateTime = datetime!(2026-11-21 10:00 UTC);

fn backed_up() -> Backed {
    let mut backed = Backed::default();
    backed.snapshot = "20261121T093000Z-00112233".into();
    backed.record = 7;
    backed.digest = "0123456789abcdef".into();
    backed.destination = "bucket".into();
    backed.size = 4096;
    backed.pages_total = 1;
    backed.pages_changed = 3;
    backed.bytes_sent = 10;
    backed.took = Span::from_millis(1500);
    backed
}

/// Everything that there is.
fn filled() -> Metrics {
    let metrics = Metrics::new();
    metrics.channel("webhook");
    metrics.insert("quiet");
    let hear = |name: &str, what| metrics.hear(&Event::of(name, NOW, what));
    hear("a\"b", What::Began { job: Job::Backup, cause: Cause::Due });
    hear("a\"b", What::BackedUp(backed_up()));
    hear("a\"b", What::BackedUp(backed_up()));
    let failed = What::Failed {
        job: Job::Backup,
        took: Span::from_secs(2),
        error: "x".into(),
        hint: None,
        data_is_safe: true,
        failures: 2,
    };
    hear("other", failed);
    hear("other", What::Health { before: None, now: Level::Critical, reasons: vec![] });
    metrics.next_run("other", Some(NOW));
    let mut following = Following { commits_behind: 3, gaps: 1, ..Following::default() };
    following.state = FollowState::Following;
    following.lag = time::Duration::milliseconds(1500);
    following.stored_until = Some(NOW);
    metrics.following("other", Some(following));
    metrics.sent("webhook", true);
    metrics.sent("webhook", false);
    metrics
}

#[test]
fn figures() {
    let text = filled().render();
    for line in [
        "lifeboat_last_success_timestamp_seconds{database=\"a\\\"b\"} 1795255200",
        "lifeboat_last_snapshot_timestamp_seconds{database=\"a\\\"b\"} 1795253400",
        "lifeboat_last_record_number{database=\"a\\\"b\"} 7",
        // 0x0123456789ab
        "lifeboat_last_record_digest{database=\"a\\\"b\"} 1250999896491",
        "lifeboat_database_size_bytes{database=\"a\\\"b\"} 4096",
        "lifeboat_last_duration_seconds{database=\"a\\\"b\"} 1.5",
        "lifeboat_sent_bytes_total{database=\"a\\\"b\"} 20",
        "lifeboat_changed_pages_total{database=\"a\\\"b\"} 6",
        "lifeboat_destination{database=\"a\\\"b\",destination=\"bucket\"} 1",
        "lifeboat_fallback{database=\"a\\\"b\"} 0",
        "lifeboat_failures_in_a_row{database=\"other\"} 2",
        "lifeboat_health{database=\"other\"} 2",
        "lifeboat_next_run_timestamp_seconds{database=\"other\"} 1795255200",
        "lifeboat_following{database=\"other\"} 1",
        "lifeboat_following_lag_seconds{database=\"other\"} 1.5",
        "lifeboat_following_commits_behind{database=\"other\"} 3",
        "lifeboat_following_stored_timestamp_seconds{database=\"other\"} 1795255200",
        "lifeboat_following_gaps_total{database=\"other\"} 1",
        "lifeboat_databases{health=\"critical\"} 1",
        "lifeboat_databases{health=\"unknown\"} 2",
        "lifeboat_runs_total{job=\"backup\",result=\"success\"} 2",
        "lifeboat_runs_total{job=\"backup\",result=\"failure\"} 1",
        "lifeboat_running 0",
        "lifeboat_notify_sent_total{channel=\"webhook\"} 1",
        "lifeboat_notify_failures_total{channel=\"webhook\"} 1",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
    assert!(text.ends_with("# EOF\n"));
    // Of what nobody knows there is no figure, rather than one that is wrong.
    assert!(!text.contains("success_timestamp_seconds{database=\"quiet\"}"), "{text}");
}

/// However many databases there are, a page has a bounded number of lines.
#[test]
fn series_are_bounded() {
    let metrics = Metrics::with_limit(10);
    for number in 0..5000 {
        metrics.hear(&Event::of(format!("db{number}"), NOW, What::BackedUp(backed_up())));
    }
    let text = metrics.render();
    assert!(text.lines().count() < 350, "{}", text.lines().count());
    assert!(text.contains("lifeboat_databases_left_out 4990\n"), "{text}");
    assert!(text.contains("lifeboat_databases{health=\"unknown\"} 5000\n"), "{text}");
    metrics.retain(|name| name == "db7");
    let text = metrics.render();
    assert!(text.contains("{database=\"db7\"}") && !text.contains("{database=\"db1\"}"), "{text}");
}

/// The names that a page has samples of, or would have.
fn names() -> BTreeSet<String> {
    let classic = filled().render_classic();
    let types = classic.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    types.map(|line| line.split(' ').next().expect("a name").to_owned()).collect()
}

/// In the older format the head of a counter is called as its samples are.
#[test]
fn the_older_format() {
    let text = filled().render_classic();
    assert!(text.contains("# TYPE lifeboat_runs_total counter\n"), "{text}");
    assert!(!text.contains("# EOF"), "{text}");
    let names = names();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let name = line.split(['{', ' ']).next().expect("a name");
        assert!(names.contains(name), "{name} has no head");
    }
}

/// Names in a text that begin as ours do.
fn mentioned(text: &str) -> BTreeSet<String> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let words = text.split(|c| !is_part(c)).filter(|word| word.starts_with("lifeboat_"));
    words.map(str::to_owned).collect()
}

#[test]
fn the_dashboard_asks_for_what_is_there() {
    let text = include_str!("../../../../docs/grafana.json");
    let board: serde_json::Value = serde_json::from_str(text).expect("JSON");
    assert!(board["panels"].as_array().is_some_and(|panels| panels.len() >= 8));
    let names = names();
    let unknown: Vec<String> =
        mentioned(text).into_iter().filter(|it| !names.contains(it)).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}

#[test]
fn every_figure_is_documented_and_no_other() {
    let documented = mentioned(include_str!("../../../../docs/monitoring.md"));
    assert_eq!(documented, names());
}
