//! Several destinations: a primary that goes away, what happens meanwhile, and
//! the way home.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use lifeboat_testing::databases::{one_row_a_page, open, overwrite};
use lifeboat_testing::servers::{
    ACCESS_KEY, Fault, FaultProxy, Kind, REGION, S3Server, SECRET_KEY,
};
use serde_json::Value;

use crate::command::{Folder, Ran, binary, same_bytes};
use crate::configuration::write;

/// So long may a backup take whose primary goes away in the middle.
const MOST: Duration = Duration::from_secs(30);

/// A bucket behind a proxy as the primary, and a directory as the fallback.
pub(crate) struct Pair {
    pub(crate) folder: Folder,
    server: S3Server,
    wire: Option<FaultProxy>,
    pub(crate) endpoint: String,
}

pub(crate) const SETTINGS: &str = r#"
[encryption]
enabled = false

[[destination]]
name = "far"
role = "primary"
url = "s3://bucket/far"
create = true

[[destination]]
name = "near"
role = "fallback"
url = "near"
"#;

pub(crate) fn pair() -> Pair {
    let server = S3Server::start("bucket");
    let wire = FaultProxy::before(server.address());
    let folder = Folder::new();
    write(&folder, "lifeboat.toml", SETTINGS);
    let endpoint = wire.url();
    Pair { folder, server, wire: Some(wire), endpoint }
}

impl Pair {
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.folder.under(Command::new(binary()));
        command
            .env("AWS_ENDPOINT_URL", &self.endpoint)
            .env("AWS_ACCESS_KEY_ID", ACCESS_KEY)
            .env("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
            .env("AWS_REGION", REGION)
            .arg("--json")
            .args(arguments);
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        self.command(arguments).output().expect("the binary runs").into()
    }

    pub(crate) fn wire(&self) -> &FaultProxy {
        self.wire.as_ref().expect("is still there")
    }

    /// Packs by their ids, with their bytes, below a folder.
    fn packs(&self, root: &Path) -> BTreeMap<String, Vec<u8>> {
        files(&root.join("databases/app/packs"))
            .into_iter()
            .map(|path| {
                let name = path.file_name().expect("a file").to_string_lossy().into_owned();
                let id = name.rsplit_once('-').expect("an id and a suffix").0.to_owned();
                (id, std::fs::read(path).expect("reads"))
            })
            .collect()
    }

    pub(crate) fn far(&self) -> PathBuf {
        self.server.folder().join("far")
    }

    pub(crate) fn near(&self) -> PathBuf {
        self.folder.path("near")
    }

    fn restore(&self, snapshot: &str) -> PathBuf {
        let target = self.folder.path("restored.db");
        let _ = std::fs::remove_file(&target);
        self.run(&["restore", "app", snapshot, "--target", "restored.db", "--check"]).ok();
        target
    }

    /// The snapshots that a listing shows: their ids, and where they lie.
    pub(crate) fn listed(&self) -> Vec<(String, Vec<String>)> {
        let ran = self.run(&["snapshots", "app"]).ok();
        let rows = ran.json();
        let rows = rows.iter().filter(|row| row["message_type"] == "snapshot");
        rows.map(|row| {
            let places = row["destinations"].as_array().expect("places");
            let places = places.iter().map(|one| one.as_str().expect("a text").to_owned());
            (row["snapshot_id"].as_str().expect("an id").to_owned(), places.collect())
        })
        .collect()
    }
}

pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = entries
        .flat_map(|entry| {
            let path = entry.path();
            if path.is_dir() { files(&path) } else { vec![path] }
        })
        .collect();
    found.sort();
    found
}

/// Backs up, and does something to the primary when the first pack is under way.
fn back_up_and(pair: &mut Pair, accident: impl FnOnce(&mut Pair)) -> (Value, Duration) {
    let asked_before = pair.wire().requests().len();
    // Slow, so that it is in the middle for sure, and not slower than the buffers of
    // the system, which hold some MB on this machine, hide.
    pair.wire().when(Kind::Put, "/packs/").always(Fault::SlowUpload(800_000));
    let mut command = pair.command(&["backup", "app.db"]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().expect("the binary runs");
    let is_pack = |pair: &Pair| {
        let asked = pair.wire().requests();
        asked[asked_before..]
            .iter()
            .any(|request| request.kind == Kind::Put && request.key.contains("/packs/"))
    };
    while !is_pack(pair) {
        std::thread::yield_now();
    }
    let started = Instant::now();
    accident(pair);
    let ran: Ran = child.wait_with_output().expect("ends").into();
    let took = started.elapsed();
    assert_eq!(ran.code, 14, "{ran:?}");
    (ran.last(), took)
}

/// The primary goes away in the middle; the fallback has the snapshot whole, and
/// what it has comes home without the database.
#[track_caller]
fn check(accident: impl FnOnce(&mut Pair), words: &str) {
    let mut pair = pair();
    let path = pair.folder.path("app.db");
    let mut connection = one_row_a_page(&path, "delete", 100, 1);
    assert_eq!(pair.run(&["backup", "app.db"]).ok().last()["destination"], "s3://bucket/far");
    // Random bytes, which no compression makes small.
    connection
        .execute_batch("CREATE TABLE big(b); INSERT INTO big VALUES(randomblob(4000000))")
        .expect("writes");
    let (summary, took) = back_up_and(&mut pair, accident);
    assert!(took < MOST, "{took:?}");
    assert_eq!(summary["destination"], "near");
    let reason = summary["fallback_reason"].as_str().expect("there is one");
    assert!(reason.contains("went away in the middle") && reason.contains(words), "{reason}");
    let records = files(&pair.far().join("databases/app/records"));
    assert_eq!(records.len(), 1, "nothing half-done is named there");
    overwrite(&mut connection, 30, 2);
    drop(connection);
    // Still out: the next one goes there too, and builds on the one before.
    let next = pair.run(&["backup", "app.db"]);
    assert_eq!(next.code, 14, "{next:?}");
    assert_eq!(next.last()["destination"], "near");
    assert!(next.last()["bytes_sent"].as_u64().expect("a number") < 1_000_000);
    let whole = std::fs::read(&path).expect("reads");
    assert_eq!(std::fs::read(pair.restore("latest")).expect("reads"), whole);

    // The primary is back, and the database is gone.
    let address = pair.server.address();
    match &pair.wire {
        Some(wire) => wire.heal(),
        None => {
            let wire = FaultProxy::before(address);
            pair.endpoint = wire.url();
            // Another port is another place only to who looks at the address.
            pair.wire = Some(wire);
        }
    }
    std::fs::remove_file(&path).expect("removes");
    let synced = pair.run(&["sync"]).ok();
    assert_eq!(synced.last()["copied"], 2, "{synced:?}");
    assert_eq!(pair.run(&["sync"]).ok().last()["copied"], 0);
    let (far, near) = (pair.packs(&pair.far()), pair.packs(&pair.near()));
    for (id, bytes) in &near {
        assert!(far.get(id) == Some(bytes), "the pack {id} is the same on both");
    }
    let listed = pair.listed();
    assert_eq!(listed.len(), 3);
    for (_, places) in &listed[1..] {
        assert_eq!(places[..], ["s3://bucket/far", "near"]);
    }
    // From the primary alone.
    std::fs::remove_dir_all(pair.near()).expect("removes");
    assert_eq!(std::fs::read(pair.restore("latest")).expect("reads"), whole);
}

#[test]
fn the_primary_is_killed_in_the_middle() {
    check(|pair| drop(pair.wire.take()), "cannot be reached");
}

#[test]
fn the_primary_falls_silent_in_the_middle() {
    check(
        |pair| {
            pair.wire().heal();
            pair.wire().when(Kind::Any, "").always(Fault::Hang);
        },
        "in time",
    );
}

#[test]
fn the_primary_refuses_everything_from_the_middle_on() {
    check(
        |pair| {
            pair.wire().heal();
            pair.wire().when(Kind::Any, "").always(Fault::Refuse(503, "SlowDown"));
        },
        "fewer requests",
    );
}

/// Both sides have snapshots that the other lacks: all are kept, and the primary
/// gets what it missed by itself with its next backup.
#[test]
fn snapshots_of_both_sides_are_kept() {
    let pair = pair();
    let path = pair.folder.path("app.db");
    let mut connection = one_row_a_page(&path, "delete", 100, 1);
    let mut states = Vec::new();
    let mut back_up = |seed, code| {
        overwrite(&mut connection, 10, seed);
        let ran = pair.run(&["backup", "app.db"]);
        assert_eq!(ran.code, code, "{ran:?}");
        let id = ran.last()["snapshot_id"].as_str().expect("an id").to_owned();
        states.push((id, std::fs::read(&path).expect("reads")));
        ran
    };
    back_up(1, 0);
    pair.wire().when(Kind::Any, "").always(Fault::Refuse(503, "SlowDown"));
    back_up(2, 14);
    back_up(3, 14);
    pair.wire().heal();
    let home = back_up(4, 0);
    let copied: Vec<Value> =
        home.json().into_iter().filter(|one| one["message_type"] == "copied").collect();
    assert_eq!(copied.len(), 2, "{home:?}");
    // What is home is not looked for again.
    let next = back_up(5, 0);
    assert!(next.json().iter().all(|one| one["message_type"] != "copied"), "{next:?}");
    let listed = pair.listed();
    let ids: Vec<&String> = listed.iter().map(|(id, _)| id).collect();
    assert_eq!(ids, states.iter().map(|(id, _)| id).collect::<Vec<_>>(), "in order");
    std::fs::remove_dir_all(pair.near()).expect("removes");
    for (id, state) in &states {
        assert!(std::fs::read(pair.restore(id)).expect("reads") == *state, "{id}");
    }
    assert!(std::fs::read(pair.restore("latest")).expect("reads") == states[4].1);
}

/// A bucket that is set and a directory that is there: nothing more is needed.
#[test]
fn a_bucket_and_the_usual_directory() {
    let pair = pair();
    std::fs::remove_file(pair.folder.path("lifeboat.toml")).expect("removes");
    let mut connection = one_row_a_page(&pair.folder.path("app.db"), "delete", 50, 1);
    let run = |arguments: &[&str]| -> Ran {
        let mut command = pair.command(arguments);
        command.env("LIFEBOAT_REPOSITORY", "s3://bucket/far").output().expect("runs").into()
    };
    run(&["init", "--no-encryption"]).ok();
    run(&["backup", "app.db"]).ok();
    assert!(!pair.folder.path("backups").exists(), "it is not made unasked");
    std::fs::create_dir(pair.folder.path("backups")).expect("makes it");
    assert_eq!(run(&["backup", "app.db"]).ok().last()["unchanged"], true);
    assert!(files(&pair.folder.path("backups")).is_empty(), "nothing goes there unasked");
    pair.wire().when(Kind::Any, "").always(Fault::Refuse(503, "SlowDown"));
    // Who types the place means that one.
    let typed = "s3://bucket/far?retry_budget=1s";
    assert_eq!(run(&["-r", typed, "backup", "app.db"]).code, 13);
    overwrite(&mut connection, 10, 2);
    let ran = run(&["backup", "app.db"]);
    assert_eq!((ran.code, ran.last()["destination"].as_str()), (14, Some("./backups")), "{ran:?}");
    let says_why = |ran: &Ran| {
        let reason = ran.last()["fallback_reason"].as_str().unwrap_or_default().to_owned();
        reason.contains("s3://bucket/far") && reason.contains("SlowDown")
    };
    assert!(says_why(&ran), "{ran:?}");
    let status = run(&["status"]).ok();
    let reasons = |status: &Ran| status.json()[0]["reasons"].to_string();
    let told = reasons(&status);
    assert!(told.contains("s3://bucket/far") && told.contains("SlowDown"), "{status:?}");
    pair.wire().heal();
    assert!(!reasons(&run(&["status"]).ok()).contains("SlowDown"));
    // The fallback took the id of the repository from what is kept of it.
    assert_eq!(run(&["sync"]).ok().last()["copied"], 1);
}

/// What was forgotten at the primary does not come back from the fallback.
#[test]
fn what_was_forgotten_stays_forgotten() {
    let pair = pair();
    let mut connection = one_row_a_page(&pair.folder.path("app.db"), "delete", 50, 1);
    pair.wire().when(Kind::Any, "").always(Fault::Refuse(503, "SlowDown"));
    let first = pair.run(&["backup", "app.db"]).last();
    pair.wire().heal();
    overwrite(&mut connection, 10, 2);
    let home = pair.run(&["backup", "app.db"]).ok();
    assert!(home.json().iter().any(|one| one["message_type"] == "copied"), "{home:?}");
    // The one with the highest number is what the next builds on.
    overwrite(&mut connection, 10, 3);
    pair.run(&["backup", "app.db"]).ok();
    let id = first["snapshot_id"].as_str().expect("an id");
    pair.run(&["forget", "app", id]).ok();
    assert_eq!(pair.run(&["sync"]).ok().last()["copied"], 0);
}

#[test]
fn all_out_is_one_error_that_names_each() {
    let pair = pair();
    open(&pair.folder.path("app.db"), "delete").execute_batch("CREATE TABLE t(a)").expect("writes");
    pair.wire().when(Kind::Any, "").always(Fault::Refuse(503, "SlowDown"));
    write(&pair.folder, "near", "a file where the directory should be");
    let ran = pair.run(&["backup", "app.db"]);
    assert_eq!(ran.code, 13, "{ran:?}");
    let message = ran.last()["message"].as_str().expect("a text").to_owned();
    assert!(message.contains("s3://bucket/far: ") && message.contains("near: "), "{message}");
    assert!(files(&pair.server.folder()).is_empty());
}

/// Two directories, one of them a mirror.
pub(crate) fn mirrored() -> Folder {
    let folder = Folder::new();
    let settings = SETTINGS
        .replace("s3://bucket/far", "far")
        .replace("role = \"fallback\"", "role = \"mirror\"");
    write(&folder, "lifeboat.toml", &settings);
    let mut connection = one_row_a_page(&folder.path("app.db"), "delete", 100, 1);
    for seed in 2..5 {
        let ran = folder.run(&["--json", "backup", "app.db"]).ok();
        assert!(ran.json().iter().any(|one| one["message_type"] == "copied"), "{ran:?}");
        overwrite(&mut connection, 20, seed);
    }
    folder.run(&["--json", "backup", "app.db"]).ok();
    folder
}

#[test]
fn a_mirror_gets_every_snapshot() {
    let folder = mirrored();
    std::fs::remove_dir_all(folder.path("far")).expect("removes");
    let target = folder.restore("app", "latest");
    assert!(same_bytes(&target, &folder.path("app.db")));
}

/// Every object of one side flipped, and then deleted: a restore takes it from
/// the other, and packs are put back as they
/// were.
#[test]
fn every_object_damaged_on_one_side() {
    let folder = mirrored();
    let far = folder.path("far");
    let objects = files(&far);
    assert!(objects.len() > 8, "{objects:?}");
    let listed = folder.run(&["--json", "snapshots", "app"]).ok().json();
    let ids: Vec<String> =
        listed.iter().filter_map(|one| one["snapshot_id"].as_str().map(str::to_owned)).collect();
    assert_eq!(ids.len(), 4);
    for object in &objects {
        let (whole, text) = (std::fs::read(object).expect("reads"), object.to_string_lossy());
        for deleted in [false, true] {
            if deleted {
                std::fs::remove_file(object).expect("removes");
            } else {
                let mut flipped = whole.clone();
                let middle = flipped.len() / 2;
                flipped[middle] ^= 1;
                std::fs::write(object, flipped).expect("writes");
            }
            // A pack may be one of an older snapshot only.
            let restore = |id: &str| {
                let _ = std::fs::remove_file(folder.path("restored.db"));
                let ran = folder.run(&["restore", "app", id, "--target", "restored.db", "--heal"]);
                // Everything but records and lists comes back; of those it is said.
                let comes_back = text.contains("/packs/") || (deleted && text.contains("/format/"));
                let codes: &[i32] = if comes_back { &[0] } else { &[0, 4] };
                assert!(codes.contains(&ran.code), "{object:?} {deleted} {ran:?}");
                ran
            };
            ids.iter().for_each(|id| drop(restore(id)));
            let ran = restore("latest");
            let target = folder.path("restored.db");
            assert!(same_bytes(&target, &folder.path("app.db")), "{object:?} {deleted}");
            if text.contains("/packs/") || (deleted && text.contains("/format/")) {
                assert!(std::fs::read(object).ok().as_ref() == Some(&whole), "{object:?}: {ran:?}");
            }
            std::fs::write(object, &whole).expect("writes");
        }
    }
}

/// `copy` takes the snapshots of a database anywhere, packs as they are.
#[test]
fn copies_to_a_place_of_ones_own() {
    let folder = Folder::new();
    let mut connection = one_row_a_page(&folder.path("app.db"), "delete", 100, 1);
    folder.backup("app.db");
    overwrite(&mut connection, 20, 2);
    folder.backup("app.db");
    let copied = folder.run(&["--json", "copy", "app", "--to", "elsewhere"]).ok();
    assert_eq!(copied.last()["copied"], 2, "{copied:?}");
    assert_eq!(
        folder.run(&["--json", "copy", "app", "--to", "elsewhere"]).ok().last()["copied"],
        0
    );
    std::fs::remove_dir_all(folder.path("backups")).expect("removes");
    folder.run(&["-r", "elsewhere", "restore", "app", "--target", "restored.db"]).ok();
    assert!(same_bytes(&folder.path("restored.db"), &folder.path("app.db")));
    // Another repository is not mixed with this one.
    folder.run(&["-r", "other", "backup", "app.db"]).ok();
    let refused = folder.run(&["-r", "other", "copy", "app", "--to", "elsewhere"]);
    assert_ne!(refused.code, 0, "{refused:?}");
}
