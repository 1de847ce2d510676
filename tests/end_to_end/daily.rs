//! The daily story: a service with the settings that people have from elsewhere,
//! against a store that nobody here wrote, on ten days of a clock that is set.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use lifeboat_testing::databases::open;
use serde_json::Value;

use crate::command::{Folder, Ran, binary};
use crate::configuration::write;

const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

const SETTINGS: &str = r#"
[storage.backup]
enabled = true
bucket = "story"
retention_count = 7

[storage.backup.encryption]
enabled = true

[[database]]
path = "app.db"
"#;

/// Another program that is ended with the test.
pub(crate) struct Server {
    process: Child,
    pub(crate) address: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        // Only what was started here.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A clock that is set, for every process of the story.
struct Clock {
    file: PathBuf,
    library: PathBuf,
}

impl Clock {
    fn new(file: PathBuf) -> Self {
        let folders = fs::read_dir("/usr/lib").expect("is there").flatten();
        let mut found = folders.map(|one| one.path().join("faketime/libfaketime.so.1"));
        let library = found.find(|path| path.exists());
        let clock = Self { file, library: library.expect("install Debian's package faketime") };
        clock.set(0);
        clock
    }

    /// So many minutes later than it is.
    fn set(&self, minutes: u32) {
        // In one step: it is read all the time.
        let draft = self.file.with_extension("new");
        fs::write(&draft, format!("+{minutes}m\n")).expect("writes");
        fs::rename(draft, &self.file).expect("renames");
    }

    fn tell(&self, command: &mut Command) {
        command
            .env("LD_PRELOAD", &self.library)
            .env("FAKETIME_TIMESTAMP_FILE", &self.file)
            // In seconds: each look at the file costs calls of the system.
            .env("FAKETIME_CACHE_DURATION", "1")
            // Timers run as they do, and files are as old as they are.
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
            .env("NO_FAKE_STAT", "1");
    }
}

/// moto: S3 in memory, in Python; whatever it is to know is told to its command.
pub(crate) fn moto(tell: impl FnOnce(&mut Command)) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").expect("binds");
    let address = listener.local_addr().expect("has one");
    drop(listener);
    let port = address.port().to_string();
    let mut command = Command::new("python3");
    tell(&mut command);
    let process = command
        .args(["-m", "moto.server", "-H", "127.0.0.1", "-p", &port])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("python3 is installed");
    let mut server = Server { process, address: address.to_string() };
    until("moto", || {
        let ended = server.process.try_wait().expect("can be asked");
        assert!(ended.is_none(), "moto ended; install it: pip install 'moto[server]'");
        TcpStream::connect(address).is_ok()
    });
    server
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(600), "{what} never came");
        // Another process is looked at, not waited for.
        std::thread::sleep(Duration::from_millis(20));
    }
}

struct Story {
    folder: Folder,
    clock: Clock,
    server: Server,
}

impl Story {
    fn begin() -> Self {
        let folder = Folder::new();
        let clock = Clock::new(folder.path("clock"));
        let server = moto(|command| clock.tell(command));
        Self { folder, clock, server }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.folder.under(Command::new(binary()));
        self.clock.tell(&mut command);
        command
            .env("AWS_ENDPOINT_URL", format!("http://{}", self.server.address))
            .env("AWS_ALLOW_HTTP", "true")
            .env("AWS_REGION", "us-east-1")
            .env("BACKUP_S3_ACCESS_KEY", "LIFEBOATTEST")
            .env("BACKUP_S3_SECRET_KEY", "made-up")
            .env("BACKUP_ENCRYPTION_KEY", KEY)
            .args(arguments);
        command
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        self.command(arguments).output().expect("the binary runs").into()
    }

    /// When it was last looked for what the policy does not keep, as it is noted.
    fn pruned(&self) -> Option<String> {
        let noted = fs::read_to_string(self.folder.path("state/upkeep/app")).ok()?;
        noted.lines().find(|line| line.starts_with("prune ")).map(str::to_owned)
    }

    fn snapshots(&self) -> Vec<Value> {
        let mut listed = self.run(&["--json", "snapshots"]).ok().json();
        listed.pop();
        listed
    }
}

/// Ten days of one service, ten backups; the newest seven remain, encrypted, and
/// each restores to what the database was on its day.
#[test]
fn ten_days_of_which_seven_remain() {
    let story = Story::begin();
    write(&story.folder, "lifeboat.toml", SETTINGS);
    let connection = open(&story.folder.path("app.db"), "wal");
    let write_row = |day: i64| {
        let row = "INSERT INTO day VALUES(?1, 'the secret of a day ' || hex(randomblob(2000)))";
        connection.execute(row, [day]).expect("writes");
    };
    connection.execute_batch("CREATE TABLE day(n, what)").expect("writes");
    write_row(1);
    let made = story.run(&["init", "--create-bucket"]).ok();
    assert!(made.out.contains("encrypted"), "{made:?}");
    let mut service = story.command(&["run"]);
    let service = service.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("starts");
    // Ended with the test.
    let mut service = Server { process: service, address: String::new() };
    let signal = |service: &Server, name: &str| {
        let pid = service.process.id().to_string();
        let asked = Command::new("kill").args(["-s", name, &pid]).status();
        assert!(asked.expect("kill is installed").success());
    };
    let id = |one: &Value| one["snapshot_id"].as_str().expect("an id").to_owned();
    let newest = || story.snapshots().last().map(id);
    // A clock that was set is noticed within 20 seconds; asked, at once.
    let look = |service: &Server| signal(service, "HUP");
    let mut seen = None;
    for day in 1..=10_u32 {
        let morning = 24 * 60 * (day - 1) + 1;
        if day > 1 {
            write_row(day.into());
            story.clock.set(morning);
        }
        until("a backup", || {
            let ended = service.process.try_wait().expect("can be asked");
            assert!(ended.is_none(), "the service ended: {ended:?}");
            let is_made = newest() > seen;
            if seen.is_some() && !is_made {
                look(&service);
            }
            is_made
        });
        seen = newest();
        // Half a day later what the policy does not keep is gone.
        let before = story.pruned();
        story.clock.set(morning + 12 * 60);
        let alive = usize::try_from(day.min(7)).expect("small");
        until("seven", || {
            look(&service);
            // Each day in its evening: else that of the next would not be due then.
            story.pruned() != before && story.snapshots().len() == alive
        });
        // The store reads its clock once a second, and may be half a day behind till then.
        until("healthy", || story.run(&["--json", "health"]).json()[0]["status"] == "healthy");
    }
    signal(&service, "TERM");
    assert!(service.process.wait().expect("ends").success());
    let snapshots = story.snapshots();
    assert_eq!(snapshots.len(), 7);
    for (snapshot, day) in snapshots.iter().zip(4_i64..) {
        let id = snapshot["snapshot_id"].as_str().expect("an id");
        let target = format!("day-{day}.db");
        story.run(&["restore", "app", id, "--target", &target, "--check"]).ok();
        let restored = open(&story.folder.path(&target), "delete");
        let rows = restored.query_row("SELECT count(*), max(n) FROM day", [], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?))
        });
        assert_eq!(rows.expect("reads"), (day, day), "{id}");
    }
    // Three were forgotten, and the last of them can still be brought back.
    let status = story.run(&["--json", "status"]).ok().json();
    assert_eq!((&status[0]["trash"], &status[0]["status"]), (&3.into(), &"healthy".into()));
    story.run(&["check", "--read-data"]).ok();
    // Without the key nothing is read.
    let mut blind = story.command(&["snapshots"]);
    let blind = Ran::from(blind.env_remove("BACKUP_ENCRYPTION_KEY").output().expect("runs"));
    assert_eq!(blind.code, 12, "{blind:?}");
}
