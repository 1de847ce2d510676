//! Back to any commit through the built binary: a real database in WAL mode, what each
//! of its commits changed, and the states that come back.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

use lifeboat::format::geometry::{PageNo, PageSize};
use lifeboat::format::id::EpochId;
use lifeboat::format::log::{CommitNo, SegmentHead, SegmentKind, SegmentOptions};
use lifeboat::repository::{BackupOptions, Database, Following};
use lifeboat::{BackupSettings, Destination, Directories, Missing};
use lifeboat_testing::databases::open;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::command::{Folder, same_bytes};
use crate::json::{documented, fields};

const PAGE: usize = 4096;

/// What follows the database of these tests.
struct Follows(EpochId, Arc<Mutex<u64>>);

impl Following for Follows {
    fn epoch(&self) -> EpochId {
        self.0
    }

    fn first_commit(&self) -> CommitNo {
        CommitNo(1)
    }

    fn before(&self) -> CommitNo {
        CommitNo(*self.1.lock().expect("never poisoned"))
    }

    fn after(&self) -> CommitNo {
        self.before()
    }
}

/// A database whose commits go into a log, one segment each.
struct Recorded {
    folder: Folder,
    connection: rusqlite::Connection,
    destination: Destination,
    database: Database,
    epoch: EpochId,
    commits: Arc<Mutex<u64>>,
    /// The file after each commit, as it was once the WAL had been copied.
    states: Vec<PathBuf>,
    /// When each was seen.
    times: Vec<OffsetDateTime>,
}

impl Recorded {
    async fn begin(folder: Folder) -> Self {
        let path = folder.path("app.db");
        let connection = open(&path, "wal");
        connection
            .execute_batch("CREATE TABLE t(n INTEGER PRIMARY KEY, bytes BLOB)")
            .expect("writes");
        let directories = Directories { state: folder.path("state"), cache: folder.path("cache") };
        let place = folder.repository().to_string_lossy().into_owned();
        let opened = Destination::open(&place, &directories, Missing::Create).await;
        let destination = opened.expect("opens");
        let database = destination.database("app").expect("is named");
        let epoch = database.draw_epoch();
        let now = OffsetDateTime::from_unix_timestamp(1_800_000_000).expect("is a time");
        let commits = Arc::default();
        let (states, times) = (Vec::new(), vec![now]);
        let mut this =
            Self { folder, connection, destination, database, epoch, commits, states, times };
        this.keep_state();
        this.snapshot().await;
        this
    }

    fn keep_state(&mut self) {
        let checkpoint = "PRAGMA wal_checkpoint(TRUNCATE)";
        self.connection.query_row(checkpoint, [], |_| Ok(())).expect("copies the WAL");
        let kept = self.folder.path(&format!("state-{}.db", self.states.len()));
        std::fs::copy(self.folder.path("app.db"), &kept).expect("copies");
        self.states.push(kept);
    }

    async fn snapshot(&self) {
        let path = self.folder.path("app.db");
        let settings = BackupSettings::default();
        let source = self.destination.open_source(&path, &settings).await.expect("opens");
        let canonical = path.canonicalize().expect("is there");
        let mut options = BackupOptions::new(canonical.to_string_lossy());
        let follows = Follows(self.epoch, Arc::clone(&self.commits));
        options.following = Some(Arc::new(follows));
        self.database.backup(source, options).await.expect("backs up");
    }

    /// One commit, and the segment with what it changed.
    async fn commit(&mut self, sql: &str) {
        let before = std::fs::read(&self.states[self.states.len() - 1]).expect("is there");
        self.connection.execute_batch(sql).expect("writes");
        self.keep_state();
        let after = std::fs::read(&self.states[self.states.len() - 1]).expect("is there");
        let end = self.database.log_end().await.expect("is found").expect("there is a log");
        let head = SegmentHead {
            epoch: self.epoch,
            number: end.next,
            kind: SegmentKind::Commits,
            nonce: self.database.draw_nonce(),
            previous: end.previous,
            page_size: PageSize::new(PAGE as u32).expect("is one"),
            first_commit: end.next_commit,
            continues: false,
            observed_from: self.times[self.times.len() - 1],
        };
        let mut writer = self.database.segment(head, SegmentOptions::default()).expect("begins");
        for (page, data) in (1..).zip(after.chunks(PAGE)) {
            let at = (page as usize - 1) * PAGE;
            if before.get(at..at + PAGE) != Some(data) {
                writer.page(PageNo(page), data).expect("fits");
            }
        }
        let seen = self.times[self.times.len() - 1] + time::Duration::seconds(60);
        writer.commit((after.len() / PAGE) as u32, seen).expect("fits");
        let written = writer.finish(seen, b"").expect("ends");
        let object = written.bytes.into();
        self.database.append(self.epoch, written.number, object).await.expect("is stored");
        *self.commits.lock().expect("never poisoned") += 1;
        self.times.push(seen);
    }

    fn restored(&self, arguments: &[&str]) -> PathBuf {
        let target = self.folder.path("back.db");
        let _ = std::fs::remove_file(&target);
        let text = target.to_str().expect("UTF-8");
        let all = [&["restore", "app", "--check", "--target", text], arguments].concat();
        self.folder.run(&all).ok();
        target
    }
}

impl Recorded {
    fn read_independently(&self, commit: usize) -> PathBuf {
        let target = self.folder.path(&format!("read-{commit}.db"));
        let reader = Path::new(env!("CARGO_MANIFEST_DIR")).join("reader/lifeboat_moment.py");
        let mut command = self.folder.under(Command::new("python3"));
        command.arg(reader).arg(self.folder.repository()).arg("app");
        let read = command.arg(commit.to_string()).arg(&target).output().expect("Python runs");
        assert!(read.status.success(), "{read:?}");
        target
    }
}

fn at(time: OffsetDateTime) -> String {
    time.format(&Rfc3339).expect("is written")
}

fn rows(path: &Path) -> i64 {
    let connection = rusqlite::Connection::open(path).expect("opens");
    let ok: String =
        connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).expect("checks");
    assert_eq!(ok, "ok");
    connection.query_row("SELECT count(*) FROM t", [], |row| row.get(0)).expect("counts")
}

#[tokio::test(flavor = "multi_thread")]
async fn every_commit_comes_back() {
    let mut recorded = Recorded::begin(Folder::new()).await;
    for n in 1..=12 {
        let sql = match n {
            5 => "DELETE FROM t WHERE n % 2".to_owned(),
            9 => "VACUUM".to_owned(),
            _ => format!("INSERT INTO t VALUES({n}, randomblob({}))", n * 3000),
        };
        recorded.commit(&sql).await;
        if n == 7 {
            recorded.snapshot().await;
        }
    }
    for (n, state) in recorded.states.iter().enumerate() {
        let number = n.to_string();
        let by_number = recorded.restored(&["--commit", &number]);
        assert!(same_bytes(&by_number, state), "commit {n}");
        if n > 0 {
            let time = at(recorded.times[n]);
            assert!(same_bytes(&recorded.restored(&["--at", &time]), state), "at {time}");
        }
    }
    assert_eq!(rows(&recorded.restored(&["--commit", "4"])), 4);
    assert!(same_bytes(&recorded.restored(&["newest"]), &recorded.states[12]));
    // By a program that shares no code with it, and knows the format's description alone.
    for (n, state) in recorded.states.iter().enumerate() {
        assert!(same_bytes(&recorded.read_independently(n), state), "commit {n}");
    }
    // In place, with the way back.
    let folder = &recorded.folder;
    let before = std::fs::read(folder.path("app.db")).expect("is there");
    drop(recorded.connection);
    folder.run(&["restore", "app", "--commit", "3", "--in-place"]).ok();
    assert_eq!(rows(&folder.path("app.db")), 3);
    assert_ne!(std::fs::read(folder.path("app.db")).expect("is there"), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_refused() {
    let mut recorded = Recorded::begin(Folder::new()).await;
    for n in 1..=3 {
        recorded.commit(&format!("INSERT INTO t VALUES({n}, randomblob(100))")).await;
    }
    let folder = &recorded.folder;
    let beyond = at(recorded.times[3] + time::Duration::hours(2));
    for arguments in [["--commit", "4"], ["--at", &beyond], ["--before", "no such words"]] {
        let all = [&["restore", "app", "--target", "none.db"][..], &arguments].concat();
        let refused = folder.run(&all);
        assert_eq!(refused.code, 7, "{refused:?}");
        assert!(!folder.path("none.db").exists());
    }
    let refused = folder.run(&["restore", "app", "--target", "none.db", "--commit", "4"]);
    assert!(refused.err.contains("(commit 3)"), "the nearest is named: {refused:?}");
    let dry = ["--json", "restore", "app", "--target", "none.db", "--commit", "2", "--dry-run"];
    let planned = folder.run(&dry).ok().last();
    assert_eq!(
        (planned["commit"].as_u64(), planned["commits_applied"].as_u64()),
        (Some(2), Some(2))
    );
    assert!(!folder.path("none.db").exists());
    let mut known = documented("restore --dry-run: summary");
    known.extend(documented("restore of a state between snapshots: summary"));
    assert_eq!(fields(&planned), known);
    let json = ["--json", "restore", "app", "--target", "two.db", "--commit", "2"];
    let done = folder.run(&json).ok().last();
    let mut known = documented("restore: summary");
    known.extend(documented("restore of a state between snapshots: summary"));
    assert_eq!(fields(&done), known);
    let rows = folder.run(&["--json", "timeline", "app"]).ok().json();
    let sections = ["a range, `stretch`", "a snapshot, `snapshot`"];
    assert_eq!(rows.len(), 3);
    for (row, section) in rows.iter().zip(sections) {
        assert_eq!(fields(row), documented(&format!("timeline: one object {section}")));
    }
    assert_eq!(fields(&rows[2]), documented("timeline: summary"));
    let shown = folder.run(&["timeline", "app"]).ok();
    assert!(shown.out.contains("every commit, 0 to 3, and going on"), "{shown:?}");
}
