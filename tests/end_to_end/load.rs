//! Many databases with writers, one agent, and a store of which one call in twenty
//! fails and others are late: nothing is lost, memory is flat, no descriptor and no
//! temporary file stays. `cargo xtask load` does it with 1,000.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use lifeboat_testing::databases::open;
use lifeboat_testing::servers::{Fault, Kind};

use crate::command::{Folder, same_bytes};
use crate::idle::Agent;
use crate::place::Place;

/// So many are enough to have several under way at once all the time.
const SOME: usize = 100;
/// Each is backed up so often while it is written to.
const ROUNDS: usize = 3;
/// What an agent may take, however many there are.
const MOST: u64 = 100 << 20;

/// Of twenty calls one fails, in one of five ways, and one is late.
fn break_things(folder: &Folder) {
    let wire = folder.store().proxy();
    let faults = [
        Fault::Refuse(503, "SlowDown"),
        Fault::Refuse(500, "InternalError"),
        Fault::LoseAnswer,
        Fault::FailAfterwards(500),
        Fault::CutAnswer(100),
    ];
    for fault in faults {
        wire.when(Kind::Any, "").one_in(100, fault);
    }
    wire.when(Kind::Any, "").one_in(20, Fault::Late(150));
}

#[test]
fn many_databases_and_a_store_that_fails() {
    let asked = std::env::var("LIFEBOAT_TEST_DATABASES").ok();
    let count = asked.map_or(SOME, |text| text.parse().expect("a number"));
    let folder = Folder::at(Place::Faulty);
    fs::create_dir(folder.path("data")).expect("makes");
    let path = |n: usize| folder.path(&format!("data/{n:05}.db"));
    open(&path(0), "wal")
        .execute_batch("CREATE TABLE t(a); INSERT INTO t VALUES(randomblob(20000))")
        .expect("writes");
    for n in 1..count {
        fs::copy(path(0), path(n)).expect("copies");
    }
    let settings =
        "[[database]]\npath = \"data/*.db\"\n\n[schedule]\nevery = \"2s\"\njitter = \"1s\"\n";
    fs::write(folder.path("lifeboat.toml"), settings).expect("writes");
    break_things(&folder);
    let mut command = folder.command();
    command.arg("run").stdout(Stdio::null()).stderr(Stdio::null());
    let mut agent = Agent(command.spawn().expect("starts"));

    let (stop, commits) = (AtomicBool::new(false), AtomicU64::new(0));
    let records = |n: usize| {
        let folder = folder.repository().join(format!("databases/{n:05}/records"));
        fs::read_dir(folder)
            .map_or(0, |all| all.flatten().filter(|one| !is_draft(&one.path())).count())
    };
    let (mut early, mut most) = (0, 0);
    std::thread::scope(|threads| {
        threads.spawn(|| {
            let mut n = 0;
            while !stop.load(Ordering::Relaxed) {
                n = (n + 7) % count;
                let connection = open(&path(n), "wal");
                connection.execute("INSERT INTO t VALUES(randomblob(500))", []).expect("commits");
                commits.fetch_add(1, Ordering::Relaxed);
                // Everybody else on this machine wants to work as well.
                std::thread::sleep(Duration::from_millis(5));
            }
        });
        let begun = Instant::now();
        let patience = Duration::from_secs(240) + Duration::from_secs(2) * count as u32;
        for round in 1..=ROUNDS {
            while (0..count).any(|n| records(n) < round) {
                assert!(begun.elapsed() < patience, "round {round} never came");
                assert!(agent.0.try_wait().expect("asks").is_none(), "the agent ended");
                most = most.max(agent.status("VmRSS"));
                std::thread::sleep(Duration::from_millis(100));
            }
            if round == 1 {
                early = agent.status("VmRSS");
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
    let peak = agent.status("VmHWM");
    let pid = agent.0.id().to_string();
    assert!(Command::new("kill").args(["-s", "TERM", &pid]).status().expect("kill runs").success());
    let ended = agent.0.wait().expect("ends");
    assert!(ended.success() || ended.code() == Some(143), "{ended:?}");
    let mebibytes = |bytes: u64| bytes / (1 << 20);
    println!(
        "{count} databases, {} commits, {} requests: {} MiB after the first round, {} MiB at most, \
         {} MiB at the peak",
        commits.load(Ordering::Relaxed),
        folder.store().proxy().requests().len(),
        mebibytes(early),
        mebibytes(most),
        mebibytes(peak),
    );
    assert!(peak <= MOST, "{peak} bytes at the peak");
    nothing_is_lost(&folder, count, &path);
    let left = left_over(&folder);
    assert!(left.is_empty(), "{left:?}");
}

/// What the databases hold now is backed up, still through that store, and comes back.
fn nothing_is_lost(folder: &Folder, count: usize, path: &dyn Fn(usize) -> PathBuf) {
    // What is compared are files: nothing of them is in a WAL.
    for n in 0..count {
        open(&path(n), "wal").execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").expect("copies");
    }
    let names: Vec<String> = (0..count).map(|n| format!("data/{n:05}.db")).collect();
    let mut arguments = vec!["backup"];
    arguments.extend(names.iter().map(String::as_str));
    let mut ran = folder.run(&arguments);
    // One that was given up after its time is backed up by the next run.
    for _ in 0..5 {
        if ran.code == 0 {
            break;
        }
        ran = folder.run(&arguments);
    }
    assert_eq!(ran.code, 0, "{}", ran.err);
    folder.store().proxy().heal();
    folder.run(&["restore", "--all", "--into", "out"]).ok();
    folder.run(&["check", "--read-data"]).ok();
    for n in 0..count {
        assert!(same_bytes(&folder.path(&format!("out/{n:05}.db")), &path(n)), "database {n}");
    }
}

/// Files that a process makes while it works.
fn left_over(folder: &Folder) -> Vec<PathBuf> {
    let mut left = Vec::new();
    let mut folders = vec![folder.path("cache"), folder.path("state"), folder.path("out")];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).expect("lists").flatten() {
            let path = entry.path();
            let name = entry.file_name().to_string_lossy().into_owned();
            let temporary = [".tmp", ".partial", ".new", ".journal", "draft ", "run-"];
            if temporary.iter().any(|part| name.contains(part)) {
                left.push(path);
            } else if path.is_dir() {
                folders.push(path);
            }
        }
    }
    left
}

/// What the server of this process writes before an object has its name.
fn is_draft(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'))
}
