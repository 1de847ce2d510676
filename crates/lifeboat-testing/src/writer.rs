//! Writers in other processes, with a SQLite that nobody here built: Python's.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};

const SCRIPT: &str = include_str!("writer.py");

/// A process that does something to a database. It is killed when dropped.
#[derive(Debug)]
pub struct Other {
    child: Child,
    lines: mpsc::Receiver<String>,
    count: Arc<AtomicU64>,
}

impl Other {
    fn start(arguments: &[&std::ffi::OsStr]) -> Self {
        let mut child = Command::new("python3")
            .arg("-c")
            .arg(SCRIPT)
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 is installed");
        let output = BufReader::new(child.stdout.take().expect("piped"));
        let (sender, lines) = mpsc::channel();
        let count = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&count);
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                counter.fetch_add(1, Ordering::SeqCst);
                // Nobody listens to most lines.
                let _ = sender.send(line);
            }
        });
        Self { child, lines, count }
    }

    /// Commits at full speed, each commit with its number and a hash over all
    /// content. Returns after the first commit.
    pub fn writing(path: &Path, journal_mode: &str) -> Self {
        let other = Self::start(&["write".as_ref(), path.as_ref(), journal_mode.as_ref()]);
        other.wait();
        other
    }

    /// Reads at full speed, each time all content in one transaction, which must
    /// be that of one commit. Returns after the first read.
    pub fn watching(path: &Path) -> Self {
        let other = Self::start(&["watch".as_ref(), path.as_ref()]);
        other.wait();
        other
    }

    /// Holds a lock: `reserved`, or the whole file (`exclusive`).
    pub fn holding(path: &Path, kind: &str) -> Self {
        let other = Self::start(&["hold".as_ref(), path.as_ref(), kind.as_ref()]);
        other.wait();
        other
    }

    /// Is in the middle of a large transaction that has spilled to disk.
    pub fn spilling(path: &Path, journal_mode: &str) -> Self {
        let other = Self::start(&["spill".as_ref(), path.as_ref(), journal_mode.as_ref()]);
        other.wait();
        other
    }

    fn wait(&self) {
        self.lines.recv().expect("the other process says that it is ready");
    }

    /// How many commits it has made.
    pub fn commits(&self) -> u64 {
        self.count.load(Ordering::SeqCst)
    }

    /// Whether it still runs: it ends where a write fails.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Waits until it has made so many more commits.
    pub fn wait_for_commits(&self, more: u64) {
        for _ in 0..more {
            self.wait();
        }
    }

    /// Which commits a watcher saw since it was asked last, or what went wrong.
    pub fn saw(&self) -> Result<Vec<u64>, String> {
        self.lines.try_iter().map(|line| line.parse().map_err(|_| line)).collect()
    }

    /// Kills it at once, with no chance to clean up.
    pub fn kill(mut self) {
        self.end();
    }

    fn end(&mut self) {
        // Only the process that was started here is ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        self.end();
    }
}

/// Which one commit a file shows, by another SQLite's reading.
pub fn commit_shown(path: &Path) -> Result<u64, String> {
    let output = ask(&["check".as_ref(), path.as_ref()])?;
    output.trim().parse().map_err(|_| format!("not a number: {output}"))
}

/// Whether another process may begin to write.
pub fn may_write(path: &Path) -> bool {
    let output = ask(&["try".as_ref(), path.as_ref()]).expect("the other process runs");
    match output.trim() {
        "free" => true,
        "locked" => false,
        other => panic!("{other}"),
    }
}

fn ask(arguments: &[&std::ffi::OsStr]) -> Result<String, String> {
    let mut child = Command::new("python3")
        .arg("-c")
        .arg(SCRIPT)
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("python3 is installed");
    let (mut output, mut errors) = (String::new(), String::new());
    let read = |from: Option<&mut dyn Read>, into: &mut String| {
        from.expect("piped").read_to_string(into).expect("reads");
    };
    read(child.stdout.as_mut().map(|pipe| pipe as &mut dyn Read), &mut output);
    read(child.stderr.as_mut().map(|pipe| pipe as &mut dyn Read), &mut errors);
    if child.wait().expect("ends").success() { Ok(output) } else { Err(errors) }
}
