//! The agent beside an application that writes all the time, killed and started
//! again and again: what it says of itself, and what there is, agree.

use std::fs;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use lifeboat_testing::databases::Numbers;
use lifeboat_testing::writer::{Other, commit_shown};
use serde_json::Value;

use crate::command::Folder;

/// So long without being asked for more: `LIFEBOAT_TEST_MINUTES`.
const SHORT: Duration = Duration::from_secs(20);

fn time_for_it() -> Duration {
    let minutes = std::env::var("LIFEBOAT_TEST_MINUTES").ok();
    let minutes = minutes.map(|text| text.parse().expect("a number of minutes"));
    minutes.map_or(SHORT, |minutes: u64| Duration::from_secs(60 * minutes))
}

fn start(folder: &Folder) -> Child {
    let mut command = folder.command();
    command.arg("run").stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().expect("starts")
}

fn records(folder: &Folder) -> usize {
    let Ok(entries) = fs::read_dir(folder.path("backups/databases/app/records")) else { return 0 };
    // Who is killed may leave a file that was not yet given its name.
    let names = entries.map(|entry| entry.expect("readable").file_name());
    names.filter(|name| !name.to_string_lossy().contains('#')).count()
}

fn snapshots(folder: &Folder) -> Vec<Value> {
    let mut listed = folder.run(&["--json", "snapshots"]).ok().json();
    listed.pop();
    listed
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(60), "{what} never came");
        std::thread::yield_now();
    }
}

/// The health, the status and the repository say the same.
fn agree(folder: &Folder) -> usize {
    let listed = snapshots(folder);
    let latest = listed.last().expect("one");
    let health = folder.run(&["--json", "health"]).ok().json();
    assert_eq!(health[0]["status"], "healthy", "{health:?}");
    assert_eq!(health[0]["failures"], 0, "{health:?}");
    let good = health[0]["last_good"].as_str().expect("a time");
    assert!(good >= latest["taken_at"].as_str().expect("a time"), "{good} {latest}");
    let status = folder.run(&["--json", "status"]).ok().json();
    assert_eq!(status[0]["snapshots"], listed.len());
    assert_eq!(status[0]["latest"], latest["snapshot_id"]);
    assert_eq!(status[0]["sequence"], records(folder), "{status:?}");
    listed.len()
}

#[test]
fn killed_and_started_again() {
    let folder = Folder::new();
    let mut writer = Other::writing(&folder.path("app.db"), "wal");
    let settings = "[[database]]\npath = \"app.db\"\n[schedule]\nevery = \"1s\"\n";
    fs::write(folder.path("lifeboat.toml"), settings).expect("writes");
    let mut numbers = Numbers::new(20_261_121);
    let (begun, mut kills, mut written) = (Instant::now(), 0, 0);
    while begun.elapsed() < time_for_it() || kills < 3 {
        let mut agent = start(&folder);
        let so_many = records(&folder) + 1 + usize::try_from(numbers.below(3)).expect("small");
        until("a backup", || records(&folder) >= so_many);
        // Somewhere in the middle of whatever it does then.
        writer.wait_for_commits(numbers.below(150));
        agent.kill().expect("is ours");
        agent.wait().expect("ends");
        kills += 1;
        assert!(writer.is_running(), "a write of the application failed");
        let now = writer.commits();
        assert!(now > written, "the application came to a stop");
        agree(&folder);
        let shown = commit_shown(&folder.restore("app", "latest")).expect("is one commit");
        assert!(shown <= writer.commits(), "{shown}");
        written = now;
    }
    // The last one is asked to end.
    let mut agent = start(&folder);
    let so_many = records(&folder) + 2;
    until("a backup", || records(&folder) >= so_many);
    let pid = agent.id().to_string();
    let asked = std::process::Command::new("kill").args(["-s", "TERM", &pid]).status();
    assert!(asked.expect("kill is installed").success());
    assert_eq!(agent.wait().expect("ends").code(), Some(0));
    assert!(writer.is_running(), "a write of the application failed");
    writer.kill();
    let count = agree(&folder);
    folder.run(&["check", "--read-data"]).ok();
    // Each is one commit, and none is older than the one before.
    let step = (count / 12).max(1);
    let mut before = 0;
    for snapshot in snapshots(&folder).iter().step_by(step) {
        let id = snapshot["snapshot_id"].as_str().expect("an id");
        let shown = commit_shown(&folder.restore("app", id)).expect("is one commit");
        assert!(shown >= before, "{id}: {shown} after {before}");
        before = shown;
    }
    // What was cut off is garbage at most, and goes.
    folder.run(&["prune"]).ok();
    eprintln!("{kills} kills, {count} snapshots, {before} commits");
}
