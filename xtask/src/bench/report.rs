//! What was measured, as a table for people and as JSON.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};
use serde_json::json;

use super::command::Measured;
use super::limits::Limit;
use crate::process;

const MIB: f64 = 1_048_576.0;
const BEGIN: &str = "<!-- measured: begin -->";
const END: &str = "<!-- measured: end -->";

/// One case of one tool.
pub(super) struct Row {
    size: u64,
    who: String,
    what: String,
    seconds: f64,
    cpu: f64,
    peak: u64,
    /// Bytes that were sent, or that the store grew by.
    pub(super) sent: Option<u64>,
    pub(super) fetched: Option<u64>,
    pub(super) objects: Option<u64>,
    pub(super) requests: Option<u64>,
}

/// Commit latencies, in milliseconds.
pub(super) struct Latency {
    pub(super) size: u64,
    pub(super) who: String,
    pub(super) beside: String,
    pub(super) commits: u64,
    pub(super) p50: f64,
    pub(super) p99: f64,
    pub(super) max: f64,
}

/// Everything.
pub(super) struct Report {
    machine: String,
    version: String,
    limits: Vec<Limit>,
    rows: Vec<Row>,
    latencies: Vec<Latency>,
}

impl Report {
    /// Nothing yet, on this machine.
    pub(super) fn of_this_machine(binary: &Path) -> Result<Self> {
        let read = |path| std::fs::read_to_string(path).unwrap_or_default();
        let field = |text: &str, name: &str| {
            let line = text.lines().find(|line| line.starts_with(name))?;
            Some(line.split_once(':')?.1.trim().to_owned())
        };
        let processor = field(&read("/proc/cpuinfo"), "model name").unwrap_or_default();
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let memory = field(&read("/proc/meminfo"), "MemTotal")
            .and_then(|text| text.split_whitespace().next()?.parse::<u64>().ok())
            .map_or(0, |kib| kib >> 20);
        let kernel = read("/proc/sys/kernel/osrelease");
        let machine = format!("{cores} cores ({processor}), {memory} GiB, Linux {}", kernel.trim());
        let version = process::output(Command::new(binary).arg("--version"))?.trim().to_owned();
        Ok(Self { machine, version, limits: vec![], rows: vec![], latencies: vec![] })
    }

    pub(super) fn row(
        &mut self,
        size: u64,
        who: &str,
        what: &str,
        measured: &Measured,
    ) -> &mut Row {
        self.rows.push(Row {
            size,
            who: who.to_owned(),
            what: what.to_owned(),
            seconds: measured.wall.as_secs_f64(),
            cpu: measured.cpu.as_secs_f64(),
            peak: measured.peak,
            sent: None,
            fetched: None,
            objects: None,
            requests: None,
        });
        self.rows.last_mut().expect("just pushed")
    }

    pub(super) fn limits(&mut self, limits: Vec<Limit>) {
        self.limits.extend(limits);
    }

    pub(super) fn latency(&mut self, latency: Latency) {
        self.latencies.push(latency);
    }

    /// How many times as fast ours was, sealed, in the same case.
    fn ratio(&self, row: &Row) -> Option<f64> {
        let ours = self.rows.iter().find(|other| {
            other.size == row.size && other.what == row.what && other.who == "lifeboat, sealed"
        })?;
        (row.who != ours.who).then(|| row.seconds / ours.seconds)
    }

    /// The tables.
    pub(super) fn markdown(&self) -> String {
        let mut text = format!("{}, on {}.\n", self.version, self.machine);
        let mut sizes: Vec<u64> = self.rows.iter().map(|row| row.size).collect();
        sizes.dedup();
        for size in sizes {
            self.of_size(size, &mut text);
        }
        text
    }

    fn of_size(&self, size: u64, text: &mut String) {
        let heading = if size == 0 { "Many snapshots".into() } else { format!("{size} MiB") };
        let _ = write!(
            text,
            "\n### {heading}\n\n\
             | who | what | time | processor | peak | sent | fetched | objects | requests | time to ours, sealed |\n\
             |---|---|---|---|---|---|---|---|---|---|\n"
        );
        let bytes = |bytes: Option<u64>| bytes.map_or("–".into(), |b| mib(b as f64));
        let count = |count: Option<u64>| count.map_or("–".into(), |count| count.to_string());
        for row in self.rows.iter().filter(|row| row.size == size) {
            let ratio = self.ratio(row).map_or("–".into(), |ratio| format!("{ratio:.2}"));
            let _ = writeln!(
                text,
                "| {} | {} | {:.2} s | {:.2} s | {} | {} | {} | {} | {} | {ratio} |",
                row.who,
                row.what,
                row.seconds,
                row.cpu,
                mib(row.peak as f64),
                bytes(row.sent),
                bytes(row.fetched),
                count(row.objects),
                count(row.requests),
            );
        }
        let limits: Vec<&Limit> = self.limits.iter().filter(|limit| limit.size == size).collect();
        if !limits.is_empty() {
            text.push_str("\n| limit of the same run | rate |\n|---|---|\n");
        }
        for limit in limits {
            let _ = writeln!(text, "| {} | {:.0} MiB/s |", limit.what, limit.rate / MIB);
        }
        let latencies: Vec<_> = self.latencies.iter().filter(|l| l.size == size).collect();
        if !latencies.is_empty() {
            text.push_str(
                "\n| writer | beside | commits | p50 | p99 | longest |\n|---|---|---|---|---|---|\n",
            );
        }
        for l in latencies {
            let _ = writeln!(
                text,
                "| {} | {} | {} | {:.2} ms | {:.2} ms | {:.1} ms |",
                l.who, l.beside, l.commits, l.p50, l.p99, l.max
            );
        }
    }

    fn json(&self) -> serde_json::Value {
        let rows = self.rows.iter().map(|row| {
            json!({
                "mib": row.size, "who": row.who, "what": row.what, "seconds": row.seconds,
                "cpu_seconds": row.cpu, "peak_bytes": row.peak, "bytes_sent": row.sent,
                "bytes_fetched": row.fetched, "objects": row.objects, "requests": row.requests,
            })
        });
        let limits = self
            .limits
            .iter()
            .map(|l| json!({ "mib": l.size, "what": l.what, "bytes_per_second": l.rate }));
        let latencies = self.latencies.iter().map(|l| {
            json!({
                "mib": l.size, "writer": l.who, "beside": l.beside, "commits": l.commits,
                "p50_ms": l.p50, "p99_ms": l.p99, "max_ms": l.max,
            })
        });
        json!({
            "version": self.version, "machine": self.machine,
            "cases": rows.collect::<Vec<_>>(), "limits": limits.collect::<Vec<_>>(),
            "latencies": latencies.collect::<Vec<_>>(),
        })
    }

    /// Puts both forms into docs.
    pub(super) fn write(&self, root: &Path) -> Result<()> {
        let docs = root.join("docs");
        let page = docs.join("benchmarks.md");
        let text = std::fs::read_to_string(&page)?;
        let (before, rest) = text
            .split_once(BEGIN)
            .with_context(|| format!("{} has no line `{BEGIN}`", page.display()))?;
        let (_, after) = rest
            .split_once(END)
            .with_context(|| format!("{} has no line `{END}`", page.display()))?;
        let tables = self.markdown();
        std::fs::write(&page, format!("{before}{BEGIN}\n\n{tables}\n{END}{after}"))?;
        let json = serde_json::to_string_pretty(&self.json())?;
        Ok(std::fs::write(docs.join("benchmarks.json"), json + "\n")?)
    }
}

fn mib(bytes: f64) -> String {
    if bytes > 0.0 && bytes < MIB {
        format!("{:.0} KiB", bytes / 1024.0)
    } else {
        format!("{:.1} MiB", bytes / MIB)
    }
}
