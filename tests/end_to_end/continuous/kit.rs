//! An agent that runs, and an application whose commits prove themselves.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use lifeboat_testing::databases::{Numbers, open};
use rusqlite::{Connection, OpenFlags, params};

use crate::command::Folder;

/// Until it is so; what never becomes so is a failure and not a hanging test.
#[track_caller]
pub(super) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(120), "never: {what}");
        std::thread::yield_now();
    }
}

/// Has `app.db` followed.
pub(super) fn configure(folder: &Folder, more: &str) {
    let text = format!("{more}\n[[database]]\npath = \"app.db\"\nmode = \"continuous\"\n");
    fs::write(folder.path("lifeboat.toml"), text).expect("writes");
}

/// How many objects of a kind there are.
pub(super) fn count(folder: &Folder, kind: &str) -> usize {
    let part = format!("/app/{kind}/");
    folder.objects().iter().filter(|path| path.to_string_lossy().contains(&part)).count()
}

/// `lifeboat run`, killed when it is dropped.
pub(super) struct Agent {
    child: Child,
    log: PathBuf,
}

impl Agent {
    pub(super) fn start(folder: &Folder, name: &str) -> Self {
        Self::of(folder.command(), folder, name)
    }

    pub(super) fn of(mut command: Command, folder: &Folder, name: &str) -> Self {
        let log = folder.path(&format!("{name}.log"));
        let file = File::create(&log).expect("makes");
        let errors = file.try_clone().expect("clones");
        command.arg("run").stdin(Stdio::null()).stdout(file).stderr(errors);
        Self { child: command.spawn().expect("starts"), log }
    }

    pub(super) fn log(&self) -> String {
        fs::read_to_string(&self.log).expect("reads")
    }

    pub(super) fn says(&self, what: &str) -> bool {
        self.times(what) > 0
    }

    pub(super) fn times(&self, what: &str) -> usize {
        self.log().matches(what).count()
    }

    pub(super) fn signal(&self, name: &str) {
        let done = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status();
        assert!(done.expect("kill is installed").success());
    }

    pub(super) fn kill(mut self) {
        self.child.kill().expect("it is ours");
        self.child.wait().expect("it is ours");
    }

    /// Asks it to stop, and returns its exit code.
    pub(super) fn stop(self) -> i32 {
        self.signal("TERM");
        self.ended().0
    }

    /// Waits until it ends by itself: its exit code, and what it said.
    pub(super) fn ended(mut self) -> (i32, String) {
        let mut code = None;
        until("the agent ends", || {
            code = self.child.try_wait().expect("it is ours");
            code.is_some()
        });
        (code.and_then(|code| code.code()).unwrap_or(-1), self.log())
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        // Also one that is stopped.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An application's database in which every commit can be told from the others, and
/// half a commit from a whole one: a row with a number and random bytes, and the sum
/// over all rows.
pub(super) struct Ledger {
    connection: Connection,
    random: Numbers,
}

impl Ledger {
    pub(super) fn new(path: &Path) -> Self {
        let connection = open(path, "wal");
        connection
            .execute_batch(
                "PRAGMA busy_timeout=30000; PRAGMA synchronous=NORMAL; BEGIN IMMEDIATE;
                 CREATE TABLE IF NOT EXISTS entry(id INTEGER PRIMARY KEY, x, bytes);
                 CREATE TABLE IF NOT EXISTS total(count, x);
                 INSERT INTO total SELECT 0, 0 WHERE NOT EXISTS (SELECT 1 FROM total); COMMIT",
            )
            .expect("makes");
        Self { connection, random: Numbers::new(u64::from(std::process::id())) }
    }

    /// Commits once; the number of the commit.
    pub(super) fn commit(&mut self) -> u64 {
        let len = self.random.below(600) as usize;
        self.commit_with(len)
    }

    /// Commits so many random bytes.
    pub(super) fn commit_with(&mut self, len: usize) -> u64 {
        let (x, bytes) = (self.random.below(1 << 40) as i64, self.random.bytes(len));
        let change = self.connection.transaction().expect("begins");
        change.execute("INSERT INTO entry(x, bytes) VALUES(?, ?)", params![x, bytes]).expect("in");
        change.execute("UPDATE total SET count = count + 1, x = x + ?", [x]).expect("adds");
        let count = change.query_row("SELECT count FROM total", [], |row| row.get(0));
        change.commit().expect("commits");
        let count: i64 = count.expect("reads");
        count as u64
    }

    /// All that is set of it.
    pub(super) fn settings(&self) -> Vec<String> {
        let names = ["page_size", "auto_vacuum", "user_version", "application_id", "encoding"];
        let more = ["journal_mode", "schema_version", "freelist_count"];
        let read = |name: &&str| {
            self.connection.query_row(&format!("PRAGMA {name}"), [], |row| {
                Ok(format!("{name} = {:?}", row.get_ref(0)?))
            })
        };
        names.iter().chain(&more).map(|name| read(name).expect("answers")).collect()
    }

    /// The commit that a file shows; none where it is no whole one.
    pub(super) fn shown(path: &Path) -> Option<u64> {
        let connection =
            Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE).ok()?;
        let sound: String =
            connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).ok()?;
        let query = "SELECT total.count, count(entry.id), total.x, coalesce(sum(entry.x), 0)
             FROM total LEFT JOIN entry";
        let numbers = |row: &rusqlite::Row<'_>| {
            Ok((row.get(0)?, row.get(1)?, row.get::<_, i64>(2)?, row.get::<_, i64>(3)?))
        };
        let (count, rows, x, sum): (i64, i64, _, _) =
            connection.query_row(query, [], numbers).ok()?;
        (sound == "ok" && count == rows && x == sum).then_some(count as u64)
    }
}
