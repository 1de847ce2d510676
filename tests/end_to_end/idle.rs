//! Many databases that do nothing, in one agent: what they cost.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use lifeboat_testing::databases::open;

use crate::command::Folder;

/// So many are enough to see that each keeps nothing open.
const SOME: usize = 60;

/// What an agent may take, however many there are.
const MOST: u64 = 100 << 20;

/// An agent, ended with the test.
pub(crate) struct Agent(pub(crate) Child);

impl Drop for Agent {
    fn drop(&mut self) {
        // Only what was started here.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Agent {
    fn proc(&self, name: &str) -> PathBuf {
        format!("/proc/{}/{name}", self.0.id()).into()
    }

    /// A line of its status, in bytes or as it stands.
    pub(crate) fn status(&self, field: &str) -> u64 {
        let text = fs::read_to_string(self.proc("status")).expect("it runs");
        let line = text.lines().find_map(|line| line.strip_prefix(field)).expect("a field");
        let mut words = line.trim_start_matches(':').split_whitespace();
        let number: u64 = words.next().expect("a number").parse().expect("a number");
        if words.next() == Some("kB") { number * 1024 } else { number }
    }

    /// What its descriptors are of.
    pub(crate) fn open(&self) -> Vec<String> {
        let all = fs::read_dir(self.proc("fd")).expect("it runs").flatten();
        all.filter_map(|one| fs::read_link(one.path()).ok())
            .map(|path| path.display().to_string())
            .collect()
    }

    /// The processor time that it has used.
    fn used(&self) -> Duration {
        let text = fs::read_to_string(self.proc("stat")).expect("it runs");
        let fields = text.rsplit(')').next().expect("after the name").split_whitespace();
        let ticks: u64 = fields.skip(11).take(2).map(|it| it.parse::<u64>().expect("ticks")).sum();
        Duration::from_millis(ticks * 10)
    }
}

/// The figures of docs/benchmarks.md are those of `cargo xtask idle`.
#[test]
fn databases_that_do_nothing() {
    let asked = std::env::var("LIFEBOAT_TEST_DATABASES").ok();
    let count = asked.as_ref().map_or(SOME, |text| text.parse().expect("a number"));
    let folder = Folder::new();
    fs::create_dir(folder.path("data")).expect("makes");
    let path = |n: usize| folder.path(&format!("data/{n:05}.db"));
    open(&path(0), "wal")
        .execute_batch("CREATE TABLE t(a); INSERT INTO t VALUES(randomblob(20000))")
        .expect("writes");
    for n in 1..count {
        fs::copy(path(0), path(n)).expect("copies");
    }
    fs::write(folder.path("lifeboat.toml"), "[[database]]\npath = \"data/*.db\"\n")
        .expect("writes");
    let mut command = folder.command();
    command.arg("run").stdout(Stdio::null()).stderr(Stdio::null());
    let begun = Instant::now();
    let agent = Agent(command.spawn().expect("starts"));
    let most =
        Duration::from_secs(60) + Duration::from_millis(500) * u32::try_from(count).expect("ok");
    let record =
        |n: usize| folder.path(&format!("backups/databases/{n:05}/records/00000000000000000001"));
    let done = || (0..count).rev().all(|n| record(n).exists());
    let busy = || agent.open().iter().any(|path| path.contains("/data/"));
    while !done() || busy() {
        assert!(begun.elapsed() < most, "the first backups never came");
        std::thread::sleep(Duration::from_millis(50));
    }
    let first = begun.elapsed();
    let (resident, peak) = (agent.status("VmRSS"), agent.status("VmHWM"));
    let open = agent.open();
    assert!(peak <= MOST, "{peak} bytes at the peak");
    assert!(open.len() <= 40, "{open:?}");
    let mebibytes = |bytes: u64| bytes as f64 / 1_048_576.0;
    if asked.is_some() {
        let (before, minutes) = (agent.used(), 2);
        // The time that is measured.
        std::thread::sleep(Duration::from_secs(60 * minutes));
        let used = agent.used() - before;
        println!(
            "{count} databases: first backups {:.0} s; resident {:.1} MiB then, {:.1} MiB idle, \
             {:.1} MiB at the peak; {} descriptors, {} threads; {} ms of processor time in {minutes} \
             idle minutes",
            first.as_secs_f64(),
            mebibytes(resident),
            mebibytes(agent.status("VmRSS")),
            mebibytes(agent.status("VmHWM")),
            agent.open().len(),
            agent.status("Threads"),
            used.as_millis(),
        );
    }
    let pid = agent.0.id().to_string();
    let asked = Command::new("kill").args(["-s", "TERM", &pid]).status();
    assert!(asked.expect("kill is installed").success());
}
