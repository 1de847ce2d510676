//! A primary that is killed, stopped, or says nothing after the last byte, in the
//! middle of a backup of 200 MiB.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use lifeboat::remote::is_local_path;
use lifeboat::repository::LocalOptions;
use lifeboat::{Destination, Missing};
use lifeboat_testing::databases::{open, overwrite};
use lifeboat_testing::servers::{ACCESS_KEY, Fault, FaultProxy, Kind, REGION, SECRET_KEY};
use serde_json::Value;

use crate::command::{Folder, Ran, binary};
use crate::configuration::write;
use crate::destinations::{SETTINGS, files};

/// So long a backup takes whose primary goes away in the middle: 30 s where nothing
/// else runs. Here other tests do.
const MOST: Duration = Duration::from_secs(75);

const SIZE: u64 = 200 * 1024 * 1024;

/// A store that is a process of its own.
struct Process {
    child: Child,
    url: String,
}

impl Process {
    fn start(folder: &Path, port: u16) -> Self {
        let program = binary().with_file_name("examples").join("s3_store");
        let mut command = Command::new(program);
        command.arg(folder).arg(port.to_string()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("the example is built with the tests");
        let mut url = String::new();
        let out = child.stdout.take().expect("is piped");
        BufReader::new(out).read_line(&mut url).expect("says where it is");
        Self { child, url: url.trim().to_owned() }
    }

    fn port(&self) -> u16 {
        self.url.rsplit_once(':').expect("has a port").1.parse().expect("a number")
    }

    fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let done = Command::new("kill").args([&format!("-{name}"), &id]).status();
        assert!(done.expect("kill runs").success());
    }

    fn kill(&mut self) {
        self.child.kill().expect("it is ours");
        self.child.wait().expect("it is ours");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Also one that is stopped.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct World {
    folder: Folder,
    store: Process,
    wire: Option<FaultProxy>,
}

impl World {
    /// A database of 200 MiB that no compression makes smaller.
    fn new(with_wire: bool) -> Self {
        let folder = Folder::new();
        write(&folder, "lifeboat.toml", SETTINGS);
        let store = Process::start(&folder.path("s3"), 0);
        let wire = with_wire.then(|| FaultProxy::before(([127, 0, 0, 1], store.port()).into()));
        let connection = open(&folder.path("app.db"), "delete");
        connection
            .execute_batch(
                "CREATE TABLE t(id INTEGER PRIMARY KEY, b);
                 WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200)
                 INSERT INTO t SELECT i, randomblob(1040000) FROM n;",
            )
            .expect("writes");
        let size = folder.path("app.db").metadata().expect("is there").len();
        assert!(size > SIZE * 98 / 100, "{size}");
        Self { folder, store, wire }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let endpoint = self.wire.as_ref().map_or_else(|| self.store.url.clone(), FaultProxy::url);
        let mut command = self.folder.under(Command::new(binary()));
        command
            .env("AWS_ENDPOINT_URL", endpoint)
            .env("AWS_ACCESS_KEY_ID", ACCESS_KEY)
            .env("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
            .env("AWS_REGION", REGION)
            .arg("--json")
            .args(arguments);
        command
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        self.command(arguments).output().expect("the binary runs").into()
    }

    fn far(&self) -> PathBuf {
        self.folder.path("s3/bucket/far")
    }

    fn near(&self) -> PathBuf {
        self.folder.path("near")
    }

    /// Packs by their ids, with their bytes.
    fn packs(root: &Path) -> BTreeMap<String, Vec<u8>> {
        let packs = files(&root.join("databases/app/packs")).into_iter();
        let named = packs.map(|path| {
            let name = path.file_name().expect("a file").to_string_lossy().into_owned();
            let id = name.rsplit_once('-').expect("an id and a suffix").0.to_owned();
            (id, std::fs::read(path).expect("reads"))
        });
        named.collect()
    }

    /// The bodies of the snapshots in a folder, as the library reads them.
    fn bodies(&self, root: &Path) -> Vec<String> {
        let place = root.to_str().expect("UTF-8");
        assert!(is_local_path(place));
        let local = LocalOptions::new(self.folder.path("other-state"), self.folder.path("cache"));
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let listing = runtime.block_on(async {
            let options = Default::default();
            let opened = Destination::open_as(place, options, local, Missing::Refuse, None).await;
            opened.expect("opens").snapshots("app").await.expect("lists")
        });
        assert!(listing.broken.is_empty(), "{:?}", listing.broken);
        listing.snapshots.iter().map(|one| format!("{:?}", one.body())).collect()
    }
}

/// Backs up, and has the accident when some packs are there.
fn back_up_and(world: &mut World, accident: impl FnOnce(&mut World)) -> (Value, Duration) {
    let mut command = world.command(&["backup", "app.db"]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("runs");
    let there = || files(&world.far().join("databases/app/packs")).len();
    while there() < 4 {
        assert!(Path::new(&format!("/proc/{}", child.id())).exists(), "ended early");
        std::thread::sleep(Duration::from_millis(2));
    }
    let started = Instant::now();
    accident(world);
    let ran: Ran = child.wait_with_output().expect("ends").into();
    let took = started.elapsed();
    assert_eq!(ran.code, 14, "{ran:?}");
    (ran.last(), took)
}

#[track_caller]
fn check(with_wire: bool, accident: fn(&mut World), words: &[&str], back: fn(&mut World)) {
    let mut world = World::new(with_wire);
    let (summary, took) = back_up_and(&mut world, accident);
    eprintln!("on the fallback after {took:?}");
    assert!(took < MOST, "{took:?}");
    assert_eq!(summary["destination"], "near");
    let reason = summary["fallback_reason"].as_str().expect("there is one");
    assert!(reason.contains("went away in the middle"), "{reason}");
    assert!(words.iter().any(|word| reason.contains(word)), "{reason}");
    assert!(files(&world.far().join("databases/app/records")).is_empty(), "nothing half-done");
    back(&mut world);
    // The packs come home, and the database is not read: it is gone.
    std::fs::remove_file(world.folder.path("app.db")).expect("removes");
    let synced = world.run(&["sync"]).ok();
    assert_eq!(synced.last()["copied"], 1, "{synced:?}");
    let (far, near) = (World::packs(&world.far()), World::packs(&world.near()));
    assert!(near.len() > 20, "{}", near.len());
    for (id, bytes) in &near {
        assert!(far.get(id) == Some(bytes), "the pack {id} is the same on both");
    }
    assert_eq!(world.bodies(&world.far()), world.bodies(&world.near()));
}

#[test]
fn the_primary_is_killed() {
    check(
        false,
        |world| world.store.kill(),
        &["cannot be reached", "does not answer"],
        |world| world.store = Process::start(&world.folder.path("s3"), world.store.port()),
    );
}

#[test]
fn the_primary_is_stopped() {
    check(
        false,
        |world| world.store.signal("STOP"),
        &["in time"],
        |world| world.store.signal("CONT"),
    );
}

/// Everything but the answers to packs comes at once.
#[test]
fn the_primary_says_nothing_after_the_last_byte() {
    check(
        true,
        |world| {
            let wire = world.wire.as_ref().expect("is there");
            wire.when(Kind::Put, "/packs/").always(Fault::Swallow);
        },
        &["in time"],
        |world| world.wire.as_ref().expect("is there").heal(),
    );
}

/// The primary stops after the backup is made, when mirrors are filled from it: they
/// are told of, and nobody waits for minutes.
#[test]
fn the_primary_stops_after_the_commit() {
    let folder = Folder::new();
    let settings = SETTINGS.replace("role = \"fallback\"", "role = \"mirror\"");
    write(&folder, "lifeboat.toml", &settings);
    let store = Process::start(&folder.path("s3"), 0);
    let wire = FaultProxy::before(([127, 0, 0, 1], store.port()).into());
    let world = World { folder, store, wire: Some(wire) };
    drop(lifeboat_testing::databases::one_row_a_page(
        &world.folder.path("app.db"),
        "delete",
        100,
        1,
    ));
    let wire = world.wire.as_ref().expect("is there");
    // A first backup reads no pack; a copy does.
    wire.when(Kind::Get, "/packs/").always(Fault::Hang);
    let started = Instant::now();
    let ran = world.run(&["backup", "app.db"]);
    assert!(started.elapsed() < MOST, "{:?}", started.elapsed());
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(ran.json().iter().any(|one| one["message_type"] == "warning"), "{ran:?}");
    assert_eq!(ran.last()["destination"], "s3://bucket/far", "the backup is made");
    wire.heal();
    assert_eq!(world.run(&["sync"]).ok().last()["copied"], 1);
}

/// A sync that is killed goes on with the packs that it had copied.
#[test]
fn a_sync_that_is_killed_goes_on() {
    let mut world = World::new(true);
    let wire = world.wire.take().expect("is there");
    let endpoint = wire.url();
    let command = |world: &World, arguments: &[&str]| {
        let mut command = world.command(arguments);
        command.env("AWS_ENDPOINT_URL", &endpoint);
        command
    };
    wire.when(Kind::Any, "").always(Fault::Refuse(503, "SlowDown"));
    let ran: Ran = command(&world, &["backup", "app.db"]).output().expect("runs").into();
    assert_eq!(ran.code, 14, "{ran:?}");
    wire.heal();
    let mut child = command(&world, &["sync"]).stdout(Stdio::null()).spawn().expect("runs");
    let there = || files(&world.far().join("databases/app/packs")).len();
    while there() < 8 {
        std::thread::sleep(Duration::from_millis(1));
    }
    child.kill().expect("it is ours");
    child.wait().expect("it is ours");
    let before = there();
    assert!(files(&world.far().join("databases/app/records")).is_empty(), "killed in the middle");
    wire.forget_requests();
    let ran: Ran = command(&world, &["sync"]).output().expect("runs").into();
    assert_eq!(ran.ok().last()["copied"], 1);
    let puts = |request: &&lifeboat_testing::servers::Request| {
        request.kind == Kind::Put && request.key.contains("/packs/")
    };
    let sent = wire.requests().iter().filter(puts).count();
    let all = World::packs(&world.near()).len();
    eprintln!("{before} of {all} were there, {sent} were sent");
    // The one that was under way may not have been noted.
    assert!(sent <= all - before + 1, "{sent} of {all}, and {before} were there");
    assert_eq!(world.bodies(&world.far()), world.bodies(&world.near()));
}

/// Two containers of one installation that keep no state, one on each side: both
/// snapshots are kept, and shown as the fork that they are.
#[test]
fn a_fork_is_kept_and_shown() {
    let pair = crate::destinations::pair();
    let settings = format!("installation_id = \"web\"\n{SETTINGS}");
    write(&pair.folder, "lifeboat.toml", &settings);
    let path = pair.folder.path("app.db");
    let mut connection = lifeboat_testing::databases::one_row_a_page(&path, "delete", 50, 1);
    let mut ids = Vec::new();
    let mut back_up = |seed, code| {
        overwrite(&mut connection, 5, seed);
        let ran = pair.run(&["backup", "app.db"]);
        assert_eq!(ran.code, code, "{ran:?}");
        ids.push(ran.last()["snapshot_id"].as_str().expect("an id").to_owned());
    };
    back_up(2, 0);
    pair.wire().when(Kind::Any, "").always(Fault::Refuse(503, "SlowDown"));
    back_up(3, 14);
    pair.wire().heal();
    for kept in ["state", "cache"] {
        std::fs::remove_dir_all(pair.folder.path(kept)).expect("removes");
    }
    back_up(4, 0);
    assert_eq!(pair.run(&["sync"]).ok().last()["copied"], 1);
    let listed = pair.run(&["snapshots", "app"]).ok().json();
    let rows: Vec<&Value> = listed.iter().filter(|one| one["message_type"] == "snapshot").collect();
    assert_eq!(rows.len(), 3, "{rows:?}");
    for id in &ids {
        assert!(rows.iter().any(|row| row["snapshot_id"] == id.as_str()), "{id}");
    }
    let forks = rows.iter().filter(|row| row["fork"] == true).count();
    assert_eq!(forks, 2, "{rows:?}");
}
