//! The daily story: a service with the settings that people have from elsewhere,
//! against a store that nobody here wrote, on ten days of a clock that is set.

use std::net::{TcpListener, TcpStream};
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
struct Server {
    process: Child,
    address: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        // Only what was started here.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// moto: S3 in memory, in Python.
fn moto() -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").expect("binds");
    let address = listener.local_addr().expect("has one");
    drop(listener);
    let port = address.port().to_string();
    let process = Command::new("python3")
        .args(["-m", "moto.server", "-H", "127.0.0.1", "-p", &port])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("python3 is installed");
    let mut server = Server { process, address: address.to_string() };
    until("moto (pip install 'moto[server]')", || {
        let ended = server.process.try_wait().expect("can be asked");
        assert!(ended.is_none(), "moto ended; install it: pip install 'moto[server]'");
        TcpStream::connect(address).is_ok()
    });
    server
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(120), "{what} never came");
        // Another process is looked at, not waited for.
        std::thread::sleep(Duration::from_millis(20));
    }
}

struct Story {
    folder: Folder,
    server: Server,
}

impl Story {
    fn command(&self, day: u32, arguments: &[&str]) -> Command {
        // A day and two minutes after the one before: the upkeep of that is over.
        let at = format!("@2026-11-{:02} 03:{:02}:00", 1 + day, 2 * day);
        let mut command = self.folder.under(Command::new("faketime"));
        command
            .args(["-f", &at])
            .arg(binary())
            .env("AWS_ENDPOINT_URL", format!("http://{}", self.server.address))
            .env("AWS_ALLOW_HTTP", "true")
            .env("AWS_REGION", "us-east-1")
            .env("BACKUP_S3_ACCESS_KEY", "LIFEBOATTEST")
            .env("BACKUP_S3_SECRET_KEY", "made-up")
            .env("BACKUP_ENCRYPTION_KEY", KEY)
            .args(arguments);
        command
    }

    fn run(&self, day: u32, arguments: &[&str]) -> Ran {
        let ran = self.command(day, arguments).output();
        ran.expect("install Debian's package faketime").into()
    }

    fn snapshots(&self, day: u32) -> Vec<Value> {
        let mut listed = self.run(day, &["--json", "snapshots"]).ok().json();
        listed.pop();
        listed
    }

    /// The service from the morning until its work of the day is done.
    fn live_through(&self, day: u32, done: impl Fn(&[Value]) -> bool) {
        let mut service = self.command(day, &["run"]);
        let mut service =
            service.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("starts");
        until("the work of the day", || {
            let ended = service.try_wait().expect("can be asked");
            assert!(ended.is_none(), "the service ended: {ended:?}");
            done(&self.snapshots(day))
        });
        let pid = service.id().to_string();
        let asked = Command::new("kill").args(["-s", "TERM", &pid]).status();
        assert!(asked.expect("kill is installed").success());
        assert!(service.wait().expect("ends").success());
    }
}

/// Ten days, ten backups; the newest seven remain, encrypted, and each restores to
/// what the database was on its day.
#[test]
fn ten_days_of_which_seven_remain() {
    let story = Story { folder: Folder::new(), server: moto() };
    write(&story.folder, "lifeboat.toml", SETTINGS);
    let connection = open(&story.folder.path("app.db"), "wal");
    connection.execute_batch("CREATE TABLE day(n, what)").expect("writes");
    let made = story.run(0, &["init", "--create-bucket"]).ok();
    assert!(made.out.contains("encrypted"), "{made:?}");
    for day in 1..=10 {
        let row = "INSERT INTO day VALUES(?1, 'the secret of a day ' || hex(randomblob(2000)))";
        connection.execute(row, [day]).expect("writes");
        let alive = usize::try_from(day.min(7)).expect("small");
        story.live_through(day, |snapshots| {
            let taken = snapshots.last().map(|last| last["taken_at"].to_string());
            let today = format!("2026-11-{:02}T", 1 + day);
            snapshots.len() == alive && taken.is_some_and(|taken| taken.contains(&today))
        });
        let health = story.run(day, &["--json", "health"]).ok().json();
        assert_eq!(health[0]["status"], "healthy", "day {day}: {health:?}");
    }
    let snapshots = story.snapshots(10);
    assert_eq!(snapshots.len(), 7);
    for (snapshot, day) in snapshots.iter().zip(4_i64..) {
        let id = snapshot["snapshot_id"].as_str().expect("an id");
        let target = format!("day-{day}.db");
        story.run(10, &["restore", "app", id, "--target", &target, "--check"]).ok();
        let restored = open(&story.folder.path(&target), "delete");
        let rows = restored.query_row("SELECT count(*), max(n) FROM day", [], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?))
        });
        assert_eq!(rows.expect("reads"), (day, day), "{id}");
    }
    // Three were forgotten, and can still be brought back.
    let status = story.run(10, &["--json", "status"]).ok().json();
    assert_eq!((&status[0]["trash"], &status[0]["status"]), (&3.into(), &"healthy".into()));
    story.run(10, &["check", "--read-data"]).ok();
    // Without the key nothing is read, and without encryption nothing was written.
    let mut blind = story.command(10, &["snapshots"]);
    let blind = Ran::from(blind.env_remove("BACKUP_ENCRYPTION_KEY").output().expect("runs"));
    assert_eq!(blind.code, 12, "{blind:?}");
}
