//! What an application feels: the latency of its commits, alone and beside a backup.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::command;
use super::databases::Database;
use super::lifeboat::Tool;
use super::report::{Latency, Report};
use crate::process::answers;

/// Commits one row at a time until a file is there: paced, or as fast as it can.
const WRITER: &str = "\
import json, os, random, sqlite3, sys, time
path, stop, pause = sys.argv[1], sys.argv[2], float(sys.argv[3])
connection = sqlite3.connect(path, isolation_level=None, timeout=30)
connection.execute('PRAGMA synchronous = normal')
last = connection.execute('SELECT max(id) FROM event').fetchone()[0]
took = []
print('ready', flush=True)
while not os.path.exists(stop):
    row = random.randint(1, last)
    start = time.perf_counter()
    connection.execute('UPDATE event SET amount = amount + 1 WHERE id = ?', (row,))
    took.append(time.perf_counter() - start)
    if pause:
        time.sleep(pause)
took.sort()
at = lambda share: took[min(len(took) - 1, int(len(took) * share))] * 1000
print(json.dumps({'commits': len(took), 'p50': at(.5), 'p99': at(.99), 'max': took[-1] * 1000}))
";

/// Measures a paced writer and a hot one, each alone for a few seconds and then
/// beside a full backup to the same disk and to memory.
pub(super) fn measure(
    binary: &Path,
    folder: &Path,
    database: &Database,
    report: &mut Report,
) -> Result<()> {
    if !answers("python3", &["-c", "import sqlite3"]) {
        super::say("  python3 is not there: no latencies");
        return Ok(());
    }
    let tool = Tool::new(binary, folder.join("writer"), true)?;
    // A store that is not the same disk: memory, where the system has it as files.
    let memory = tempfile::tempdir_in("/dev/shm").ok();
    let path = database.path.display().to_string();
    let copy = folder.join("writer.copy").display().to_string();
    for (pause, who) in [("0.002", "paced, every 2 ms"), ("0", "hot")] {
        let mut add = |beside: &str, mut work: Command| -> Result<()> {
            let latency = beside_of(folder, database, pause, &mut work)?;
            report.latency(latency_row(database.size, who, beside, &latency)?);
            Ok(())
        };
        let mut alone = Command::new("sleep");
        alone.arg("3");
        add("nothing", alone)?;
        add("a full backup to the same disk", tool.command(&["backup", &path, "--full"]))?;
        if let Some(memory) = &memory {
            let store = memory.path().join(pause).display().to_string();
            let full = tool.command(&["-r", &store, "backup", &path, "--full"]);
            add("a full backup to another device", full)?;
            std::fs::remove_dir_all(&store)?;
        }
        let mut cp = Command::new("dd");
        cp.args([&format!("if={path}"), &format!("of={copy}"), "bs=1M", "conv=fsync"]);
        add("dd with fsync to the same disk", cp)?;
        database.checkpoint()?;
    }
    std::fs::remove_dir_all(folder.join("writer"))?;
    Ok(())
}

fn beside_of(folder: &Path, database: &Database, pause: &str, work: &mut Command) -> Result<Value> {
    use std::io::{BufRead as _, BufReader};
    let stop = folder.join("stop");
    let mut writer = Command::new("python3")
        .args(["-c", WRITER])
        .args([database.path.as_os_str(), stop.as_os_str()])
        .arg(pause)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()?;
    let output = writer.stdout.take().context("it is piped")?;
    let mut lines = BufReader::new(output).lines();
    let ready = lines.next().transpose()?;
    let done = match ready.as_deref() {
        Some("ready") => command::run(work).map(drop),
        _ => Ok(()),
    };
    std::fs::write(&stop, "")?;
    let said = lines.next().transpose()?;
    let status = writer.wait()?;
    std::fs::remove_file(&stop)?;
    done?;
    ensure!(status.success(), "a commit of the writer failed");
    Ok(serde_json::from_str(&said.context("the writer says nothing")?)?)
}

fn latency_row(size: u64, who: &str, beside: &str, value: &Value) -> Result<Latency> {
    let figure = |name: &str| value[name].as_f64().with_context(|| format!("no `{name}`"));
    let latency = Latency {
        size,
        who: who.to_owned(),
        beside: beside.to_owned(),
        commits: figure("commits")? as u64,
        p50: figure("p50")?,
        p99: figure("p99")?,
        max: figure("max")?,
    };
    eprintln!("    writer {who}, beside {beside}: p99 {:.2} ms", latency.p99);
    Ok(latency)
}
