//! What the tests on live databases share.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::JoinHandle;

use lifeboat_format::geometry::PageNo;
use lifeboat_wal::{
    Commit, CommitSink, FollowError, FollowOptions, Followed, Follower, SinkError, Start,
    StopHandle,
};

pub(crate) fn place() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().canonicalize().expect("exists").join("app #1.db");
    (folder, path)
}

/// A connection of the application, with a table.
pub(crate) fn app(path: &Path) -> rusqlite::Connection {
    let app = connect(path);
    app.execute_batch(
        "PRAGMA journal_mode=wal; CREATE TABLE IF NOT EXISTS t(id INTEGER PRIMARY KEY, x)",
    )
    .expect("makes");
    app
}

pub(crate) fn connect(path: &Path) -> rusqlite::Connection {
    let app = rusqlite::Connection::open(path).expect("opens");
    app.execute_batch("PRAGMA busy_timeout=10000; PRAGMA synchronous=OFF").expect("sets");
    app
}

pub(crate) fn write(app: &rusqlite::Connection, rows: u32) {
    for _ in 0..rows {
        app.execute_batch("INSERT INTO t(x) VALUES(randomblob(500))").expect("writes");
    }
}

/// Whether a TRUNCATE checkpoint empties the WAL without waiting for anybody.
pub(crate) fn truncates_at_once(app: &rusqlite::Connection) -> bool {
    app.execute_batch("PRAGMA busy_timeout=0").expect("sets");
    let busy: i64 =
        app.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0)).expect("answers");
    app.execute_batch("PRAGMA busy_timeout=10000").expect("sets");
    busy == 0
}

/// A copy of the file, made by another process: a descriptor in this one would
/// drop SQLite's locks.
pub(crate) fn copy(path: &Path) -> Vec<u8> {
    let out = Command::new("cat").arg(path).output().expect("runs");
    assert!(out.status.success());
    out.stdout
}

type Each = dyn FnMut(&[u8], &Commit) -> Result<(), SinkError> + Send;

/// An image that commits are applied to.
#[derive(Default)]
pub(crate) struct Replica {
    pub(crate) image: Vec<u8>,
    pub(crate) commits: Vec<Commit>,
    pending: Vec<(PageNo, Vec<u8>)>,
    /// Called after each commit; an error ends it.
    pub(crate) each: Option<Box<Each>>,
}

impl Replica {
    pub(crate) fn of(image: Vec<u8>) -> Self {
        Self { image, ..Self::default() }
    }
}

impl CommitSink for Replica {
    fn page(&mut self, page: PageNo, data: &[u8]) -> Result<(), SinkError> {
        self.pending.push((page, data.to_vec()));
        Ok(())
    }

    fn commit(&mut self, commit: &Commit) -> Result<(), SinkError> {
        assert_eq!(self.pending.len(), commit.pages as usize);
        if let Some(last) = self.commits.last() {
            assert_eq!(last.number + 1, commit.number);
            assert!(last.seen_at <= commit.seen_at);
        }
        let page_size = commit.page_size.bytes() as usize;
        for (page, data) in self.pending.drain(..) {
            let at = (page.0 as usize - 1) * page_size;
            if self.image.len() < at + page_size {
                self.image.resize(at + page_size, 0);
            }
            self.image[at..at + page_size].copy_from_slice(&data);
        }
        self.image.resize(commit.page_count as usize * page_size, 0);
        self.commits.push(*commit);
        match &mut self.each {
            Some(each) => each(&self.image, commit),
            None => Ok(()),
        }
    }
}

pub(crate) fn attach(path: &Path, start: Start) -> Result<Follower, FollowError> {
    Follower::attach(path, start, &FollowOptions::default())
}

/// A follower at work in a thread of its own.
pub(crate) struct Running {
    stop: StopHandle,
    thread: JoinHandle<(Result<Followed, FollowError>, Replica)>,
}

impl Running {
    pub(crate) fn start(follower: Follower, mut replica: Replica) -> Self {
        let stop = follower.stop_handle();
        let thread = std::thread::spawn(move || (follower.run(&mut replica), replica));
        Self { stop, thread }
    }

    /// Stops it when everything is handed over.
    pub(crate) fn stop(self) -> (Result<Followed, FollowError>, Replica) {
        self.stop.stop();
        self.join()
    }

    /// Waits until it stops by itself.
    pub(crate) fn join(self) -> (Result<Followed, FollowError>, Replica) {
        self.thread.join().expect("does not panic")
    }
}
