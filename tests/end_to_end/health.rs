//! `lifeboat health` and `status`: from this machine and from others, as a plugin,
//! and where nothing can be read.

use std::fs;

use lifeboat_testing::databases::open;
use lifeboat_testing::servers::{ACCESS_KEY, Fault, Kind, REGION, S3Server, SECRET_KEY};
use serde_json::Value;

use crate::command::{Folder, Ran, as_nobody};
use crate::configuration::{run, write};
use crate::place::Place;

const DATABASE: &str = "[[database]]\npath = \"app.db\"\n";

fn configured(place: Place) -> Folder {
    let folder = Folder::at(place);
    open(&folder.path("app.db"), "delete").execute_batch("CREATE TABLE t(a)").expect("writes");
    write(&folder, "lifeboat.toml", DATABASE);
    folder
}

fn change(folder: &Folder) {
    let connection = open(&folder.path("app.db"), "delete");
    connection.execute_batch("INSERT INTO t VALUES(randomblob(9000))").expect("writes");
}

/// The level, and the reasons in one line.
fn judged(ran: &Ran) -> (String, String) {
    let object = &ran.json()[0];
    let reasons = object["reasons"].as_array().expect("reasons").iter();
    let reasons: Vec<&str> = reasons.map(|one| one["reason"].as_str().expect("words")).collect();
    (object["status"].as_str().expect("a word").to_owned(), reasons.join("; "))
}

fn health(folder: &Folder) -> (String, String) {
    judged(&folder.run(&["--json", "health"]))
}

/// As another machine sees it: without what this one remembers.
fn from_elsewhere(folder: &Folder) -> Ran {
    let elsewhere =
        [("LIFEBOAT_STATE_DIR", "elsewhere/state"), ("LIFEBOAT_CACHE_DIR", "elsewhere")];
    let ran = run(folder, &elsewhere, &["--json", "health"]);
    let _ = fs::remove_dir_all(folder.path("elsewhere"));
    ran
}

/// To read is enough: a directory of somebody else, and credentials that may not
/// write.
#[test]
fn whoever_may_read_may_ask() {
    let folder = configured(Place::Directory);
    folder.backup("app.db");
    for own in ["state", "cache"] {
        fs::remove_dir_all(folder.path(own)).expect("another machine");
    }
    let before = folder.objects();
    as_nobody(&folder, &["health"]).ok();
    let nagios = as_nobody(&folder, &["health", "--nagios"]).ok();
    assert_eq!(nagios.out.trim(), "LIFEBOAT OK - 1 database healthy");
    let status = as_nobody(&folder, &["status"]).ok();
    assert!(status.out.starts_with("app: healthy; 1 snapshot, "), "{status:?}");
    assert_eq!(folder.objects(), before);

    let folder = configured(Place::Faulty);
    folder.backup("app.db");
    let wire = folder.store().proxy();
    for kind in [Kind::Put, Kind::Multipart, Kind::Delete, Kind::DeleteMany, Kind::Bucket] {
        wire.when(kind, "").always(Fault::Refuse(403, "AccessDenied"));
    }
    assert_eq!(judged(&from_elsewhere(&folder)), ("healthy".into(), String::new()));
    folder.run(&["status"]).ok();
}

/// The exit codes of the guidelines for plugins, and never 6.
#[test]
fn as_a_plugin() {
    let folder = configured(Place::Directory);
    let plugin = |folder: &Folder, variables: &[(&str, &str)], more: &[&str]| {
        let ran = run(folder, variables, &[&["health", "--nagios"], more].concat());
        assert!(ran.out.lines().count() <= 1, "{ran:?}");
        (ran.code, ran.out)
    };
    // There is nothing yet.
    let (code, out) = plugin(&folder, &[], &[]);
    assert!(code == 2 && out.starts_with("LIFEBOAT CRITICAL - app: the repository"), "{out}");
    // A store that does not answer is critical: so the guidelines want it.
    let nobody = [
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:1"),
        ("AWS_ACCESS_KEY_ID", "x"),
        ("AWS_SECRET_ACCESS_KEY", "x"),
    ];
    let (code, out) = plugin(&folder, &nobody, &["-r", "s3://bucket/x"]);
    assert!(code == 2 && out.starts_with("LIFEBOAT CRITICAL - app: "), "{out}");
    folder.backup("app.db");
    assert_eq!(plugin(&folder, &[], &[]), (0, "LIFEBOAT OK - 1 database healthy\n".into()));
    // What is wrong on this side is not known to be wrong with the backups.
    assert_eq!(plugin(&folder, &[], &["--nonsense"]).0, 3);
    let (code, out) = plugin(&folder, &[("LIFEBOAT_KEY", "c2hvcnQ=")], &[]);
    assert!(code == 3 && out.starts_with("LIFEBOAT UNKNOWN - "), "{out}");
    let key = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    let (code, out) = plugin(&folder, &[("LIFEBOAT_KEY", key)], &[]);
    assert!(code == 3 && out.starts_with("LIFEBOAT UNKNOWN - app: "), "{out}");
    write(&folder, "lifeboat.toml", "nonsense = 1");
    let (code, out) = plugin(&folder, &[], &[]);
    assert!(code == 3 && out.starts_with("LIFEBOAT UNKNOWN - "), "{out}");
    // One byte of the only pack: found, and critical.
    write(&folder, "lifeboat.toml", &format!("{DATABASE}[health]\nwarn_age = \"1ms\"\n"));
    assert_eq!(plugin(&folder, &[], &[]).0, 1);
    let pack = folder.objects_of("/packs/").pop().expect("one");
    fs::write(pack, b"nonsense").expect("writes");
    assert_eq!(folder.run(&["check"]).code, 4);
    let (code, out) = plugin(&folder, &[], &[]);
    assert!(code == 2 && out.starts_with("LIFEBOAT CRITICAL - app: damage was found: "), "{out}");
}

/// Each failure is seen where it happened; those of the agent from everywhere.
#[test]
fn failures_are_seen() {
    let folder = configured(Place::Directory);
    folder.backup("app.db");
    let good = fs::read(folder.path("app.db")).expect("reads");
    fs::write(folder.path("app.db"), b"this is no database, and never was one").expect("writes");
    for _ in 0..2 {
        assert_eq!(folder.run(&["backup", "app.db"]).code, 15);
    }
    let (level, reasons) = health(&folder);
    assert_eq!(level, "warning");
    assert!(reasons.starts_with("the last 2 backups failed: failed to "), "{reasons}");
    let status = folder.run(&["status"]).ok();
    assert!(status.out.starts_with("app: warning; 1 snapshot"), "{status:?}");
    assert!(status.out.contains("\n  the last 2 backups failed: "), "{status:?}");
    assert_eq!(judged(&from_elsewhere(&folder)).0, "healthy", "nobody ran who would tell");
    // The agent tells the repository: one at the start, one at the end, said once.
    folder.run(&["run", "--", "true"]);
    let (level, reasons) = judged(&from_elsewhere(&folder));
    assert_eq!(level, "warning");
    assert!(reasons.starts_with("the last 3 backups failed: failed to "), "{reasons}");
    assert_eq!(folder.objects_of("-failed").len(), 1);
    // It works again, though nothing changed.
    fs::write(folder.path("app.db"), good).expect("writes");
    assert_eq!(folder.backup("app.db")["unchanged"], true);
    assert_eq!(health(&folder), ("healthy".into(), String::new()));
    assert_eq!(judged(&from_elsewhere(&folder)), ("healthy".into(), String::new()));
    assert!(fs::read_dir(folder.path("state/runs")).expect("is there").next().is_none());
    // A name that was mistyped leaves nothing in the repository.
    fs::write(folder.path("other.db"), b"this is no database either, and never was").expect("ok");
    assert_eq!(folder.run(&["backup", "other.db"]).code, 15);
    assert!(!folder.path("backups/databases/other").exists());
}

/// A drill that fails is recorded, shown everywhere, and mended by one that passes.
#[test]
fn a_drill_that_fails() {
    let folder = configured(Place::Directory);
    folder.backup("app.db");
    folder.run(&["drill", "app"]).ok();
    let one = || folder.run(&["--json", "snapshots"]).json().remove(0);
    assert!(one()["drilled_at"].is_string() && one()["drill_failed_at"].is_null());
    let failed = folder.run(&["drill", "app", "--assert", "SELECT count(*) FROM t"]);
    assert_eq!(failed.code, 4, "{failed:?}");
    let shown = one();
    assert!(shown["drilled_at"].is_null() && shown["drill_failed_at"].is_string(), "{shown}");
    assert_eq!(shown["drill_failure"], "SELECT count(*) FROM t returned 0, not 1");
    assert!(folder.run(&["snapshots"]).out.contains("FAILED"));
    let status = folder.run(&["status"]);
    assert!(status.out.contains("last drilled FAILED"), "{status:?}");
    let expected = "the last drill failed: SELECT count(*) FROM t returned 0, not 1";
    assert_eq!(judged(&from_elsewhere(&folder)), ("critical".into(), expected.into()));
    // Of a later snapshot it passes: what was wrong is mended.
    change(&folder);
    folder.backup("app.db");
    assert_eq!(health(&folder).0, "critical", "nobody has looked yet");
    folder.run(&["drill", "app", "--assert", "SELECT count(*) FROM t"]).ok();
    assert_eq!(health(&folder), ("healthy".into(), String::new()));
    assert!(one()["drill_failed_at"].is_string(), "of the first it is still so");
}

/// While the primary is out, and until it has what it missed.
#[test]
fn on_a_fallback() {
    let folder = configured(Place::Directory);
    let server = S3Server::start("bucket");
    let places = "[encryption]\nenabled = false\n[[destination]]\nname = \"far\"\n\
                  role = \"primary\"\nurl = \"s3://bucket/far\"\ncreate = true\n\
                  [[destination]]\nname = \"near\"\nrole = \"fallback\"\nurl = \"near\"\n";
    write(&folder, "lifeboat.toml", &format!("{places}{DATABASE}"));
    let (up, down) = (server.url(), "http://127.0.0.1:1");
    let with = |endpoint: &str, more: &[(&str, &str)], arguments: &[&str]| {
        let store = [
            ("AWS_ENDPOINT_URL", endpoint),
            ("AWS_ACCESS_KEY_ID", ACCESS_KEY),
            ("AWS_SECRET_ACCESS_KEY", SECRET_KEY),
            ("AWS_REGION", REGION),
        ];
        run(&folder, &[&store[..], more].concat(), arguments)
    };
    let health = |endpoint: &str| judged(&with(endpoint, &[], &["--json", "health"]));
    with(&up, &[], &["backup", "app"]).ok();
    assert_eq!(health(&up), ("healthy".into(), String::new()));
    // Only the primary would know of any: nobody can say that there is none.
    let (level, reasons) = health(down);
    assert!(
        level == "critical" && reasons.starts_with("the repository cannot be read"),
        "{reasons}"
    );
    change(&folder);
    assert_eq!(with(down, &[], &["backup", "app"]).code, 14);
    let (level, reasons) = health(down);
    assert_eq!(level, "warning", "{reasons}");
    assert!(reasons.starts_with("the primary is out; backups go to near; "), "{reasons}");
    assert!(reasons.contains("a destination could not be asked: "), "{reasons}");
    // It is back, and lacks what was made meanwhile.
    let expected = ("warning".to_owned(), "the primary is out; backups go to near".to_owned());
    assert_eq!(health(&up), expected);
    let other = [("LIFEBOAT_STATE_DIR", "other"), ("LIFEBOAT_CACHE_DIR", "other/cache")];
    assert_eq!(judged(&with(&up, &other, &["--json", "health"])), expected);
    with(&up, &[], &["backup", "app"]).ok();
    assert_eq!(health(&up), ("healthy".into(), String::new()));
}

/// What only the settings and the disk know.
#[test]
fn space() {
    let folder = configured(Place::Directory);
    change(&folder);
    folder.backup("app.db");
    let with = |settings: &str| {
        write(&folder, "lifeboat.toml", &format!("{settings}\n{DATABASE}"));
        health(&folder)
    };
    let (level, reasons) = with("[health]\nmin_free_space = \"900000 TB\"");
    assert!(level == "warning" && reasons.contains("are free beside the database"), "{reasons}");
    let (level, reasons) = with("[retention]\nmax_bytes = 1000");
    assert!(level == "warning" && reasons.ends_with("bytes, and may take 1000"), "{reasons}");
    assert_eq!(with("[retention]\nmax_bytes = \"1 MB\"").0, "healthy");
}

/// The store says what time it is there.
#[test]
fn a_clock_that_differs() {
    let folder = configured(Place::Store);
    folder.backup("app.db");
    let with = |offset: &str| -> (String, String) {
        let mut command = std::process::Command::new("faketime");
        command.args(["-f", offset]).arg(crate::command::binary());
        let ran = folder
            .under(command)
            .args(["-r", &folder.store().url, "--json", "health"])
            .output()
            .expect("install Debian's package faketime");
        judged(&ran.into())
    };
    assert_eq!(with("+2m").0, "healthy");
    let (level, reasons) = with("+10m");
    assert_eq!(level, "warning");
    let words = "the clock here and at the destination differ by ";
    assert!(reasons.starts_with(words), "{reasons}");
}

/// All of them, the worst first, also where nothing can be read.
#[test]
fn status_of_all() {
    let folder = configured(Place::Directory);
    folder.backup("app.db");
    open(&folder.path("new.db"), "delete").execute_batch("CREATE TABLE t(a)").expect("writes");
    write(&folder, "lifeboat.toml", &format!("{DATABASE}[[database]]\npath = \"new.db\"\n"));
    let objects = folder.run(&["--json", "status"]).ok().json();
    let of = |at: usize| (&objects[at]["database"], &objects[at]["status"]);
    assert_eq!(of(0), (&Value::from("new"), &Value::from("critical")));
    assert_eq!(of(1), (&Value::from("app"), &Value::from("healthy")));
    assert_eq!((&objects[2]["databases"], &objects[2]["status"]), (&2.into(), &"critical".into()));
    fs::rename(folder.path("backups"), folder.path("away")).expect("renames");
    let ran = folder.run(&["status"]);
    assert_eq!(ran.code, 10, "{ran:?}");
    assert!(ran.out.starts_with("app: critical\n  the repository cannot be read: "), "{ran:?}");
    let ran = folder.run(&["--json", "health"]);
    assert_eq!(ran.code, 6, "{ran:?}");
    assert_eq!(ran.last()["critical"], 2);
}
