//! Figures as text. Series belong to databases and channels that are configured,
//! and to nothing that could grow without end.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;
use time::OffsetDateTime;

use super::Metrics;
use super::process;
use super::state::{Database, State, digest_number};
use crate::health::{FollowState, Following, Level};

pub(super) fn render(metrics: Metrics) -> String {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(metrics));
    let mut text = String::new();
    encode(&mut text, &registry).expect("a text takes everything");
    text
}

/// In the older format a counter's head has the name that its samples have, and
/// nothing marks the end.
pub(super) fn classic(text: &str) -> String {
    let counters: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.strip_suffix(" counter"))
        .collect();
    let mut lines = String::new();
    for line in text.lines().filter(|line| *line != "# EOF") {
        let mut parts = line.splitn(4, ' ');
        match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some("#"), Some(word), Some(name), Some(rest)) if counters.contains(&name) => {
                lines.push_str(&format!("# {word} {name}_total {rest}"));
            }
            _ => lines.push_str(line),
        }
        lines.push('\n');
    }
    lines
}

impl Collector for Metrics {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let state = self.state();
        let mut page = Page { encoder };
        page.build()?;
        page.databases(&state)?;
        page.following(&state)?;
        page.sums(&state)?;
        page.notify(&state)?;
        page.process(&state)
    }
}

struct Page<'a> {
    encoder: DescriptorEncoder<'a>,
}

/// The value of a figure.
enum Value {
    Whole(u64),
    Real(f64),
}

fn whole(number: impl Into<u64>) -> Option<Value> {
    Some(Value::Whole(number.into()))
}

fn seconds(at: Option<OffsetDateTime>) -> Option<Value> {
    at.and_then(|at| u64::try_from(at.unix_timestamp()).ok()).map(Value::Whole)
}

impl Page<'_> {
    fn family(
        &mut self,
        name: &str,
        help: &str,
        kind: MetricType,
        samples: impl FnOnce(&mut Family<'_>) -> fmt::Result,
    ) -> fmt::Result {
        let encoder = self.encoder.encode_descriptor(name, help, None, kind)?;
        samples(&mut Family { encoder, is_counter: matches!(kind, MetricType::Counter) })
    }

    fn one(&mut self, name: &str, help: &str, kind: MetricType, value: Value) -> fmt::Result {
        self.family(name, help, kind, |family| family.put_alone(&value))
    }

    fn build(&mut self) -> fmt::Result {
        let labels = [("version", env!("CARGO_PKG_VERSION"))];
        let help = "The version of Lifeboat; always 1";
        self.family("lifeboat_build_info", help, MetricType::Gauge, |family| {
            family.put(&labels, &Value::Whole(1))
        })
    }

    /// One figure of each database, where it is known.
    fn each(
        &mut self,
        state: &State,
        name: &str,
        help: &str,
        kind: MetricType,
        value: impl Fn(&Database) -> Option<Value>,
    ) -> fmt::Result {
        self.family(name, help, kind, |family| {
            for (name, database) in state.databases.iter().take(state.most) {
                if let Some(value) = value(database) {
                    family.put(&[("database", name.as_str())], &value)?;
                }
            }
            Ok(())
        })
    }

    fn databases(&mut self, state: &State) -> fmt::Result {
        let gauge = MetricType::Gauge;
        let last = |pick: fn(&crate::event::Backed) -> Option<Value>| {
            move |one: &Database| one.last.as_ref().and_then(pick)
        };
        self.each(
            state,
            "lifeboat_last_success_timestamp_seconds",
            "When a backup last ended well, or found nothing changed",
            gauge,
            |one| seconds(one.last_success),
        )?;
        self.each(
            state,
            "lifeboat_last_failure_timestamp_seconds",
            "When a backup last failed",
            gauge,
            |one| seconds(one.last_failure),
        )?;
        self.each(state, "lifeboat_last_snapshot_timestamp_seconds", "The time of the newest snapshot; older than the last success where nothing changed since", gauge, |one| seconds(one.last_snapshot))?;
        self.each(
            state,
            "lifeboat_last_record_number",
            "The number of the newest record at the destination",
            gauge,
            last(|it| whole(it.record)),
        )?;
        self.each(
            state,
            "lifeboat_last_record_digest",
            "The first twelve hexadecimal digits of that record's digest, as a number",
            gauge,
            last(|it| digest_number(&it.digest).map(Value::Whole)),
        )?;
        self.each(
            state,
            "lifeboat_database_size_bytes",
            "The size of the database in the last backup",
            gauge,
            last(|it| whole(it.size)),
        )?;
        self.each(
            state,
            "lifeboat_database_pages",
            "The pages of the database in the last backup",
            gauge,
            last(|it| whole(it.pages_total)),
        )?;
        self.each(
            state,
            "lifeboat_last_duration_seconds",
            "How long the last backup took, whether it succeeded or failed",
            gauge,
            |one| one.duration.map(|it| Value::Real(it.as_secs_f64())),
        )?;
        self.each(
            state,
            "lifeboat_failures_in_a_row",
            "How often backups failed since one succeeded",
            gauge,
            |one| whole(one.failures),
        )?;
        self.each(state, "lifeboat_health", "0 healthy, 1 warning, 2 critical", gauge, |one| {
            one.health.map(|level| Value::Whole(number(level)))
        })?;
        self.each(
            state,
            "lifeboat_next_run_timestamp_seconds",
            "When the next backup is due; absent while one runs",
            gauge,
            |one| seconds(one.next_run),
        )?;
        self.each(
            state,
            "lifeboat_fallback",
            "1 while backups go to another destination than the primary",
            gauge,
            last(|it| whole(u64::from(it.fallback_reason.is_some()))),
        )?;
        self.family(
            "lifeboat_destination",
            "The destination of the last backup; always 1",
            gauge,
            |family| {
                for (name, database) in state.databases.iter().take(state.most) {
                    if let Some(last) = &database.last {
                        let labels =
                            [("database", name.as_str()), ("destination", &last.destination)];
                        family.put(&labels, &Value::Whole(1))?;
                    }
                }
                Ok(())
            },
        )?;
        let counter = MetricType::Counter;
        self.each(
            state,
            "lifeboat_sent_bytes",
            "Bytes that backups sent since the agent began",
            counter,
            |one| whole(one.bytes_sent),
        )?;
        self.each(
            state,
            "lifeboat_read_bytes",
            "Bytes that backups read of databases since the agent began",
            counter,
            |one| whole(one.bytes_read),
        )?;
        self.each(
            state,
            "lifeboat_changed_pages",
            "Pages that backups sent since the agent began",
            counter,
            |one| whole(one.pages_changed),
        )?;
        self.each(
            state,
            "lifeboat_store_requests",
            "Requests of backups to stores since the agent began",
            counter,
            |one| whole(one.requests),
        )
    }

    /// Of databases whose commits are followed.
    fn following(&mut self, state: &State) -> fmt::Result {
        let (gauge, counter) = (MetricType::Gauge, MetricType::Counter);
        let of = |pick: fn(&Following) -> Option<Value>| {
            move |one: &Database| one.following.as_ref().and_then(pick)
        };
        let help = "1 while every commit is taken, 0 while snapshots alone are";
        self.each(
            state,
            "lifeboat_following",
            help,
            gauge,
            of(|it| whole(u64::from(it.state == FollowState::Following))),
        )?;
        self.each(
            state,
            "lifeboat_following_lag_seconds",
            "How long the oldest commit waits that is not stored yet",
            gauge,
            of(|it| Some(Value::Real(it.lag.as_seconds_f64()))),
        )?;
        self.each(
            state,
            "lifeboat_following_commits_behind",
            "Commits that are not stored yet",
            gauge,
            of(|it| whole(it.commits_behind)),
        )?;
        self.each(
            state,
            "lifeboat_following_bytes_behind",
            "Bytes of the commits that are not stored yet",
            gauge,
            of(|it| whole(it.bytes_behind)),
        )?;
        self.each(
            state,
            "lifeboat_following_spool_bytes",
            "Bytes that wait on the disk for the destination",
            gauge,
            of(|it| whole(it.spool.0)),
        )?;
        self.each(
            state,
            "lifeboat_following_spool_limit_bytes",
            "Bytes that may wait on the disk",
            gauge,
            of(|it| whole(it.spool.1)),
        )?;
        self.each(
            state,
            "lifeboat_following_stored_commit",
            "The number of the last commit that is stored",
            gauge,
            of(|it| whole(it.stored)),
        )?;
        self.each(
            state,
            "lifeboat_following_stored_timestamp_seconds",
            "Until when every commit is stored",
            gauge,
            of(|it| seconds(it.stored_until)),
        )?;
        self.each(
            state,
            "lifeboat_following_gaps",
            "Times at which commits were lost between two states, since the agent began",
            counter,
            of(|it| whole(it.gaps)),
        )
    }

    fn sums(&mut self, state: &State) -> fmt::Result {
        let gauge = MetricType::Gauge;
        self.family(
            "lifeboat_databases",
            "How many databases are in this state",
            gauge,
            |family| {
                for (level, name) in LEVELS {
                    let count = state.databases.values().filter(|one| one.health == level).count();
                    family.put(&[("health", name)], &Value::Whole(count as u64))?;
                }
                Ok(())
            },
        )?;
        let left_out = state.databases.len().saturating_sub(state.most) as u64;
        self.one(
            "lifeboat_databases_left_out",
            "How many databases have no figures of their own, because there are too many",
            gauge,
            Value::Whole(left_out),
        )?;
        if let Some(oldest) = state.databases.values().filter_map(|one| one.last_success).min() {
            let oldest = seconds(Some(oldest)).unwrap_or(Value::Whole(0));
            self.one(
                "lifeboat_oldest_success_timestamp_seconds",
                "When the database whose last good backup is the oldest was last backed up",
                gauge,
                oldest,
            )?;
        }
        self.one(
            "lifeboat_disabled",
            "1 where backups are disabled",
            gauge,
            Value::Whole(u64::from(state.is_disabled)),
        )?;
        self.one(
            "lifeboat_running",
            "How many jobs run now",
            gauge,
            Value::Whole(state.running.len() as u64),
        )?;
        self.family(
            "lifeboat_runs",
            "Jobs that ended since the agent began, by how",
            MetricType::Counter,
            |family| {
                for ((job, outcome), count) in &state.runs {
                    let job = job.to_string();
                    let labels = [("job", job.as_str()), ("result", outcome.name())];
                    family.put(&labels, &Value::Whole(*count))?;
                }
                Ok(())
            },
        )
    }

    fn notify(&mut self, state: &State) -> fmt::Result {
        let counter = MetricType::Counter;
        self.family(
            "lifeboat_notify_sent",
            "Messages and pings that arrived",
            counter,
            |family| {
                for (name, counts) in &state.channels {
                    family.put(&[("channel", *name)], &Value::Whole(counts.sent))?;
                }
                Ok(())
            },
        )?;
        let help = "Attempts to send a message or a ping that failed";
        self.family("lifeboat_notify_failures", help, counter, |family| {
            for (name, counts) in &state.channels {
                family.put(&[("channel", *name)], &Value::Whole(counts.failed))?;
            }
            Ok(())
        })?;
        let help = "Events that came faster than they could be heard";
        self.one("lifeboat_events_missed", help, counter, Value::Whole(state.missed))
    }

    /// With a name of their own: node_exporter has some called `process_…` already.
    fn process(&mut self, state: &State) -> fmt::Result {
        let since = seconds(Some(state.since)).unwrap_or(Value::Whole(0));
        let gauge = MetricType::Gauge;
        self.one("lifeboat_process_start_time_seconds", "When the agent began", gauge, since)?;
        let Some(figures) = process::figures() else { return Ok(()) };
        self.one(
            "lifeboat_process_resident_memory_bytes",
            "Memory of the agent",
            gauge,
            Value::Whole(figures.resident),
        )?;
        self.one(
            "lifeboat_process_open_fds",
            "Open files and connections of the agent",
            gauge,
            Value::Whole(figures.descriptors),
        )?;
        self.one(
            "lifeboat_process_cpu_seconds",
            "Processor time of the agent",
            MetricType::Counter,
            Value::Real(figures.cpu_seconds),
        )
    }
}

const LEVELS: [(Option<Level>, &str); 4] = [
    (Some(Level::Healthy), "healthy"),
    (Some(Level::Warning), "warning"),
    (Some(Level::Critical), "critical"),
    (None, "unknown"),
];

fn number(level: Level) -> u64 {
    match level {
        Level::Healthy => 0,
        Level::Warning => 1,
        Level::Critical => 2,
    }
}

/// The samples of one figure.
struct Family<'a> {
    encoder: MetricEncoder<'a>,
    is_counter: bool,
}

impl Family<'_> {
    fn put(&mut self, labels: &impl EncodeLabelSet, value: &Value) -> fmt::Result {
        put(&mut self.encoder.encode_family(labels)?, self.is_counter, value)
    }

    fn put_alone(&mut self, value: &Value) -> fmt::Result {
        put(&mut self.encoder, self.is_counter, value)
    }
}

fn put(encoder: &mut MetricEncoder<'_>, is_counter: bool, value: &Value) -> fmt::Result {
    match (is_counter, value) {
        (true, Value::Whole(number)) => encoder.encode_counter::<NoLabelSet, _, u64>(number, None),
        (true, Value::Real(number)) => encoder.encode_counter::<NoLabelSet, _, u64>(number, None),
        (false, Value::Whole(number)) => encoder.encode_gauge(number),
        (false, Value::Real(number)) => encoder.encode_gauge(number),
    }
}
