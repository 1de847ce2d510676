//! Writers in other processes and in this one, with other SQLite versions, that
//! checkpoint, vacuum, spill and are killed, while a follower follows, is
//! paused and is killed: replayed, each commit is exactly that commit.
//!
//! `LIFEBOAT_STRESS_MINUTES=60` makes it an hour.

mod captor;
mod proof;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use lifeboat_wal::{Commit, CommitSink, SinkError, Start};

use crate::support::*;
use captor::{Captor, Ended};
use proof::{Proof, Recorded};

// How many commits the usual run has, in each of its tests.
const COMMITS: u64 = 1_500;

/// Processes that write, killed when dropped.
struct Writers {
    path: PathBuf,
    children: Vec<Child>,
    seed: u64,
    killed: u64,
}

impl Writers {
    fn start(path: &Path, count: usize) -> Self {
        let mut writers = Self { path: path.to_owned(), children: Vec::new(), seed: 1, killed: 0 };
        for _ in 0..count {
            let child = writers.spawn();
            writers.children.push(child);
        }
        writers
    }

    fn spawn(&mut self) -> Child {
        self.seed += 1;
        Command::new("python3")
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/stress/writer.py"))
            .arg(&self.path)
            .arg(self.seed.to_string())
            .stdin(Stdio::null())
            .spawn()
            .expect("python3 is installed")
    }

    /// Kills one in the middle of what it does, and starts another.
    fn kill_one(&mut self) {
        let at = self.killed as usize % self.children.len();
        let child = self.spawn();
        let mut old = std::mem::replace(&mut self.children[at], child);
        old.kill().expect("runs");
        old.wait().expect("ends");
        self.killed += 1;
    }
}

impl Drop for Writers {
    fn drop(&mut self) {
        for child in &mut self.children {
            // It may have ended by itself; then the test fails elsewhere.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn database() -> (tempfile::TempDir, PathBuf, rusqlite::Connection) {
    let (folder, path) = place();
    let app = connect(&path);
    app.execute_batch(
        "PRAGMA page_size=1024; PRAGMA journal_mode=wal;
         CREATE TABLE t(id INTEGER PRIMARY KEY, b BLOB);
         CREATE TABLE c(seq, sum); INSERT INTO c VALUES(0, 0)",
    )
    .expect("makes");
    (folder, path, app)
}

fn seq(app: &rusqlite::Connection) -> u64 {
    let seq: i64 = app.query_row("SELECT seq FROM c", [], |row| row.get(0)).expect("reads");
    seq.cast_unsigned()
}

/// Begins rounds anew until the time is over that was asked for.
struct Rounds {
    until: Option<Instant>,
    done: u32,
}

impl Rounds {
    fn new() -> Self {
        let minutes = std::env::var("LIFEBOAT_STRESS_MINUTES").ok();
        let minutes = minutes.map(|text| text.parse::<u64>().expect("a number of minutes"));
        Self { until: minutes.map(|m| Instant::now() + Duration::from_secs(60 * m)), done: 0 }
    }

    fn another(&mut self) -> bool {
        let another = self.done == 0 || self.until.is_some_and(|until| Instant::now() < until);
        self.done += 1;
        another
    }
}

/// Waits until others have committed so often, or hardly anything happens.
fn let_them(app: &rusqlite::Connection, commits: u64) {
    let (from, began) = (seq(app), Instant::now());
    while seq(app) < from + commits && began.elapsed() < Duration::from_secs(2) {
        std::thread::yield_now();
    }
}

/// The command-line program, which opens and closes the database each time.
fn with_the_program(path: &Path) {
    let status = Command::new("sqlite3")
        .arg(path)
        .args([".timeout 10000", "UPDATE c SET seq=seq+1"])
        .status()
        .expect("sqlite3 is installed");
    // It may have met a lock for too long; then it changed nothing.
    let _ = status;
}

/// In this process: the follower, a writer that shares its SQLite, others that
/// do not.
#[test]
fn beside_the_application() {
    let mut rounds = Rounds::new();
    while rounds.another() {
        beside();
    }
}

fn beside() {
    let (_folder, path, app) = database();
    let mut writers = Writers::start(&path, 2);
    let_them(&app, 20);
    let follower = attach(&path, Start::Fresh).expect("attaches");
    let base = copy(&path);
    let exact_from = seq(&app);
    let stop = follower.stop_handle();
    let thread = std::thread::spawn(move || {
        let mut recorded = Recorded::default();
        (follower.run(&mut recorded), recorded)
    });
    let over = Arc::new(AtomicBool::new(false));
    let ours = {
        let (over, path) = (over.clone(), path.clone());
        std::thread::spawn(move || {
            let app = connect(&path);
            while !over.load(Ordering::Relaxed) {
                // Whoever is locked out for long tries again.
                let _ = app.execute_batch("UPDATE c SET seq=seq+1");
                let_them(&app, 3);
            }
        })
    };
    while seq(&app) < COMMITS {
        let_them(&app, 60);
        writers.kill_one();
        with_the_program(&path);
    }
    over.store(true, Ordering::Relaxed);
    ours.join().expect("does not panic");
    let killed = writers.killed;
    drop(writers);
    stop.stop();
    let (followed, recorded) = thread.join().expect("does not panic");
    followed.expect("was asked to stop");

    let mut proof = Proof::new(base, exact_from);
    proof.apply(&recorded).unwrap_or_else(|e| panic!("{e}"));
    assert!(truncates_at_once(&app), "nobody holds the WAL");
    proof.finish(&copy(&path), seq(&app));
    println!("{proof}; {killed} writers killed");
    assert!(proof.proven() > COMMITS / 2, "the copy was exact long before");
}

/// In a process of its own: killed, paused, begun again.
#[test]
fn killed_and_paused() {
    let mut rounds = Rounds::new();
    while rounds.another() {
        killed();
    }
}

fn killed() {
    let (folder, path, app) = database();
    let mut writers = Writers::start(&path, 2);
    let_them(&app, 20);
    let (mut captor, mut proof) = Captor::begin(&path, folder.path(), &app);
    let (mut kills, mut gaps, mut round) = (0, 0, 0);
    let mut done = Vec::new();
    while seq(&app) < COMMITS {
        round += 1;
        let_them(&app, 50);
        match round % 4 {
            0 => writers.kill_one(),
            1 => captor.pause(|| let_them(&app, 30)),
            _ => {
                kills += 1;
                captor.kill();
                // Sometimes nothing happens meanwhile.
                if round % 3 == 0 {
                    let_them(&app, 5);
                }
                captor = match captor.resume(&mut proof) {
                    Some(next) => next,
                    None => {
                        gaps += 1;
                        let (next, fresh) = Captor::begin(&path, folder.path(), &app);
                        done.push(std::mem::replace(&mut proof, fresh));
                        next
                    }
                };
            }
        }
    }
    let killed = writers.killed;
    drop(writers);
    // It may be told only now that it could not go on.
    while captor.finish(&mut proof) == Ended::Gap {
        gaps += 1;
        let (next, fresh) = Captor::begin(&path, folder.path(), &app);
        done.push(std::mem::replace(&mut proof, fresh));
        captor = next;
    }
    assert!(truncates_at_once(&app), "nobody holds the WAL");
    proof.finish(&copy(&path), seq(&app));
    for part in &done {
        println!("{part}");
    }
    let proven = proof.proven() + done.iter().map(Proof::proven).sum::<u64>();
    // How many there are between two kills depends on the machine.
    assert!(proven > COMMITS / 30, "{proven} states were proven");
    println!("{proof}; {kills} captors and {killed} writers killed, {gaps} gaps");
}

/// Passes everything on but one page.
struct Broken<'a> {
    sink: &'a mut Recorded,
    pages: u32,
    lost: u32,
}

impl CommitSink for Broken<'_> {
    fn page(
        &mut self,
        page: lifeboat_format::geometry::PageNo,
        data: &[u8],
    ) -> Result<(), SinkError> {
        self.pages += 1;
        if self.pages == self.lost { Ok(()) } else { self.sink.page(page, data) }
    }

    fn commit(&mut self, commit: &Commit) -> Result<(), SinkError> {
        self.sink.commit(commit)
    }
}

/// The proof is worth something: one lost page is found.
#[test]
fn a_broken_relay_is_caught() {
    let (_folder, path, app) = database();
    let follower = attach(&path, Start::Fresh).expect("attaches");
    let base = copy(&path);
    let writers = Writers::start(&path, 1);
    let_them(&app, 60);
    drop(writers);
    follower.stop_handle().stop();
    let mut all = Recorded::default();
    follower.run(&mut all).expect("was asked to stop");
    assert!(all.pages() > 100, "{} pages", all.pages());
    for lost in [40, 60, 80] {
        let mut recorded = Recorded::default();
        let mut broken = Broken { sink: &mut recorded, pages: 0, lost };
        all.replay(&mut broken).expect("takes all");
        Proof::new(base.clone(), 0).apply(&recorded).expect_err("a page is missing");
    }
    Proof::new(base, 0).apply(&all).unwrap_or_else(|e| panic!("{e}"));
}
