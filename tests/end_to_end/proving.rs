//! Checks, drills and repairs through the binary.

use std::path::Path;

use lifeboat_testing::databases::open;
use serde_json::Value;

use crate::command::{Folder, same_bytes};

/// Two snapshots of a database of a few hundred pages.
fn folder() -> Folder {
    let folder = Folder::new();
    let connection = open(&folder.path("app.db"), "delete");
    connection
        .execute_batch(
            "CREATE TABLE t(a); INSERT INTO t VALUES(randomblob(900000)); CREATE TABLE u(b)",
        )
        .expect("writes");
    folder.run(&["backup", "app.db"]).ok();
    connection.execute_batch("INSERT INTO u VALUES(1), (2)").expect("writes");
    folder.run(&["backup", "app.db"]).ok();
    folder
}

fn flip(path: &Path, at: impl Fn(usize) -> usize) {
    let mut bytes = std::fs::read(path).expect("reads");
    let at = at(bytes.len());
    bytes[at] ^= 1;
    std::fs::write(path, bytes).expect("writes");
}

fn largest_pack(folder: &Folder) -> std::path::PathBuf {
    let size = |path: &std::path::PathBuf| std::fs::metadata(path).map_or(0, |meta| meta.len());
    folder.objects_of("/packs/").into_iter().max_by_key(size).expect("there is one")
}

fn snapshot(folder: &Folder, at: usize) -> Value {
    folder.run(&["--json", "snapshots", "app"]).json().swap_remove(at)
}

/// Never, then verified, then drilled; and what only looked says so.
#[test]
fn the_columns_of_snapshots() {
    let folder = folder();
    let before = snapshot(&folder, 1);
    assert!(before["verified_at"].is_null() && before["drilled_at"].is_null());
    let looked = folder.run(&["check"]).ok();
    assert!(looked.out.contains("No data was read"), "{}", looked.out);
    assert!(!looked.out.contains("verified"), "{}", looked.out);
    assert!(snapshot(&folder, 1)["verified_at"].is_null());
    let read = folder.run(&["check", "app", "--read-data"]).ok();
    assert!(read.out.contains("2 of 2 snapshots verified"), "{}", read.out);
    assert!(snapshot(&folder, 0)["verified_at"].is_string());
    folder.run(&["drill", "app"]).ok();
    assert!(snapshot(&folder, 1)["drilled_at"].is_string());
    assert!(snapshot(&folder, 0)["drilled_at"].is_null(), "the latest was drilled");
    let listed = folder.run(&["snapshots"]).ok().out;
    assert!(listed.contains("ago") && listed.contains("never"), "{listed}");
    let status = folder.run(&["status"]).ok().out;
    assert!(status.contains("app: healthy; 2 snapshots") && !status.contains("never"), "{status}");
}

/// One flipped bit: found by name, recorded, shown, and mended from the live
/// database.
#[test]
fn damage_is_found_and_mended() {
    let folder = folder();
    let pack = largest_pack(&folder);
    flip(&pack, |len| len / 2);
    // Nothing that only looks at sizes sees it.
    folder.run(&["check"]).ok();
    let found = folder.run(&["--json", "check", "app", "--read-data"]);
    assert_eq!(found.code, 4, "{found:?}");
    let finding = &found.json()[0];
    let object = finding["object"].as_str().expect("an object");
    assert!(pack.ends_with(object), "{finding}");
    assert_eq!(finding["sequences"], serde_json::json!([1, 2]));
    let listed = folder.run(&["snapshots"]);
    assert!(listed.out.contains("DAMAGED"), "{}", listed.out);
    assert_eq!(folder.run(&["status"]).code, 4);
    let restore = folder.run(&["restore", "app", "--target", "x.db"]);
    assert_eq!(restore.code, 4);

    let before = folder.objects();
    let planned = folder.run(&["repair", "app"]);
    assert_eq!(planned.code, 4, "{planned:?}");
    assert!(planned.out.contains("2 of 2 broken snapshots would be mended"), "{}", planned.out);
    assert!(planned.out.contains("--apply does it"), "{}", planned.out);
    assert_eq!(folder.objects(), before, "it only says so");
    let done = folder.run(&["repair", "app", "--apply"]).ok();
    assert!(done.out.contains("2 of 2 broken snapshots mended"), "{}", done.out);
    folder.run(&["check", "--read-data"]).ok();
    for id in ["latest", "latest~1"] {
        folder.restore("app", id);
    }
    assert!(pack.exists(), "nothing is taken away");
}

/// What a check found, the next backup does not build on, though nothing changed:
/// it says so, once, and what it stores is whole.
#[test]
fn a_backup_after_damage_was_found() {
    let folder = folder();
    let pack = largest_pack(&folder);
    flip(&pack, |len| len / 2);
    assert_eq!(folder.backup("app.db")["unchanged"], true, "nobody has looked");
    assert_eq!(folder.run(&["check", "--read-data"]).code, 4);
    let done = folder.run(&["--json", "backup", "app.db"]);
    assert_eq!(done.code, 4, "{done:?}");
    let summary = done.last();
    assert_eq!(summary["unchanged"], false);
    let named = summary["damaged_objects"][0].as_str().expect("one");
    assert!(pack.ends_with(named), "{summary}");
    folder.restore("app", "latest");
    assert_eq!(folder.backup("app.db")["unchanged"], true);
    let refused = folder.run(&["restore", "app", "latest~1", "--target", "x.db"]);
    assert_eq!(refused.code, 4);
}

/// A restore that meets a damaged pack begins anew with what heals it: into a new
/// file, over one, and in place, where part of it was written already.
#[test]
fn restores_that_begin_anew() {
    for journal in ["delete", "wal"] {
        let folder = Folder::new();
        let connection = open(&folder.path("app.db"), journal);
        connection
            .execute_batch(
                "CREATE TABLE t(a, b); WITH RECURSIVE r(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM \
                 r WHERE x < 900) INSERT INTO t SELECT x, randomblob(3000) FROM r",
            )
            .expect("writes");
        folder.run(&["backup", "app.db"]).ok();
        connection.execute_batch("UPDATE t SET b = randomblob(3000) WHERE a < 10").expect("writes");
        folder.run(&["backup", "app.db"]).ok();
        // Late in the pack, so that much of it has reached the file by then.
        let pack = largest_pack(&folder);
        flip(&pack, |len| len * 7 / 8);
        folder.run(&["repair", "app", "--apply"]).ok();
        assert!(pack.exists());
        let good = folder.restore("app", "latest");
        connection
            .execute_batch("UPDATE t SET b = randomblob(3000) WHERE a % 2 = 0")
            .expect("writes");
        drop(connection);
        std::fs::copy(folder.path("app.db"), folder.path("copy.db")).expect("copies");
        let forced = ["--json", "restore", "app", "latest", "--target", "copy.db", "--force"];
        let forced = folder.run(&forced).ok().last();
        let kept = forced["bytes_kept"].as_u64().expect("is said");
        assert!(kept > 0 && kept <= forced["size"].as_u64().expect("is said"), "{forced}");
        assert!(same_bytes(&folder.path("copy.db"), &good), "{journal}");
        folder.run(&["restore", "app", "latest", "--in-place"]).ok();
        assert!(same_bytes(&folder.path("app.db"), &good), "{journal}");
        let planned = folder.run(&["restore", "app", "latest", "--target", "n.db", "--dry-run"]);
        planned.ok();
    }
}

/// A name that is not there is said by all of them.
#[test]
fn nothing_of_that_name() {
    let folder = folder();
    for command in ["check", "drill", "repair", "prune", "stats", "snapshots"] {
        let ran = folder.run(&[command, "nosuch"]);
        if command == "snapshots" {
            assert_eq!(ran.code, 0, "an empty list is a list: {ran:?}");
            continue;
        }
        assert_eq!(ran.code, 7, "{command}: {ran:?}");
        assert!(ran.err.contains("there is: app"), "{command}: {ran:?}");
    }
}

/// Whoever may only read learns what is found: the result is not stored, which is
/// said, and the exit code is that of the finding.
#[test]
fn a_store_that_is_only_read() {
    let folder = folder();
    flip(&largest_pack(&folder), |len| len / 2);
    for own in ["state", "cache"] {
        std::fs::remove_dir_all(folder.path(own)).expect("another machine");
    }
    crate::command::as_nobody(&folder, &["snapshots"]).ok();
    let before = folder.objects();
    let checked = crate::command::as_nobody(&folder, &["--json", "check", "--read-data"]);
    assert_eq!(checked.code, 4, "{checked:?}");
    let report = checked.json().into_iter().find(|one| one["message_type"] == "check");
    let report = report.expect("is told");
    assert!(report["result"].is_null() && report["findings"] == 1, "{report}");
    assert!(checked.out.contains("could not be stored"), "{checked:?}");
    let drilled = crate::command::as_nobody(&folder, &["drill"]);
    assert_eq!(drilled.code, 4, "{drilled:?}");
    assert!(drilled.err.contains("pack damaged"), "{drilled:?}");
    assert_eq!(folder.objects(), before);
}

/// Missing objects need no reading to be found; without the live database it is
/// said what is lost.
#[test]
fn what_cannot_be_mended() {
    let folder = folder();
    std::fs::remove_file(largest_pack(&folder)).expect("removes");
    let found = folder.run(&["check"]);
    assert!(found.code == 4 && found.out.contains("is missing"), "{found:?}");
    std::fs::remove_file(folder.path("app.db")).expect("removes");
    std::fs::remove_dir_all(folder.path("cache")).expect("removes");
    let done = folder.run(&["repair", "app", "--apply"]);
    assert_eq!(done.code, 4, "{done:?}");
    assert!(done.out.contains("cannot be mended"), "{}", done.out);
    assert!(done.out.contains("0 of 2 broken snapshots"), "{}", done.out);
}

/// A drill restores, lets SQLite look, asks, and writes a receipt.
#[test]
fn drills_and_receipts() {
    let folder = folder();
    let arguments = ["drill", "app", "--assert", "SELECT count(*) = 2 FROM u", "--receipt", "r"];
    let passed = folder.run(&arguments).ok();
    assert!(passed.out.contains("passed") && passed.out.contains("1 of 1 assertion"));
    let receipt = std::fs::read_to_string(folder.path("r")).expect("is written");
    let receipt: Value = serde_json::from_str(&receipt).expect("is JSON");
    let receipt = &receipt[0];
    for field in ["snapshot_id", "image_digest", "started_at", "finished_at", "by", "result"] {
        assert!(receipt[field].is_string(), "{field}: {receipt}");
    }
    assert!(receipt["passed"] == true && receipt["duration_seconds"].is_number());
    let result = receipt["result"].as_str().expect("a key");
    assert!(folder.path("backups").join(result).is_file());
    // A receipt is never overwritten.
    assert_eq!(folder.run(&arguments).code, 1);
    for (sql, words) in [
        ("SELECT 2", "returned 2"),
        ("SELECT 1, 1", "2 columns"),
        ("SELECT 1 FROM t WHERE 0", "no row"),
        ("SELECT 1 FROM u", "several rows"),
        ("SELECT 1; SELECT 2", "more than one statement"),
        ("SELECT x FROM nowhere", "no such table"),
        ("DELETE FROM u", "an error"),
    ] {
        let failed = folder.run(&["drill", "app", "--assert", sql]);
        assert_eq!(failed.code, 4, "{sql}: {failed:?}");
        assert!(failed.out.contains(words), "{sql}: {failed:?}");
    }
    assert!(folder.objects_of("drill").is_empty() && !folder.path("drill.db").exists());
}

/// A database that was damaged before it was backed up passes no drill.
#[test]
fn a_drill_of_a_database_that_is_not_sound() {
    let folder = Folder::new();
    let connection = open(&folder.path("app.db"), "delete");
    connection
        .execute_batch(
            "PRAGMA foreign_keys=off; CREATE TABLE p(id INTEGER PRIMARY KEY);
             CREATE TABLE c(p REFERENCES p(id)); INSERT INTO c VALUES(5)",
        )
        .expect("writes");
    folder.run(&["backup", "app.db"]).ok();
    let failed = folder.run(&["drill"]);
    assert_eq!(failed.code, 4);
    assert!(failed.out.contains("FAILED") && failed.out.contains("refers to no row of p"));
    assert!(snapshot(&folder, 0)["drilled_at"].is_null());
    assert!(snapshot(&folder, 0)["verified_at"].is_string(), "its bytes were proven all the same");
}

#[test]
fn differences() {
    let folder = folder();
    let diff = folder.run(&["--json", "diff", "app", "latest~1", "latest"]).ok().last();
    assert_eq!(diff["tables"][0]["name"], "u");
    let rows = (&diff["tables"][0]["rows_before"], &diff["tables"][0]["rows_after"]);
    assert_eq!(rows, (&0.into(), &2.into()));
    assert!(diff["pages_changed"].as_u64().is_some_and(|pages| (1..5).contains(&pages)));
    assert_eq!(diff["schema_added"], serde_json::json!([]));
    let same = folder.run(&["diff", "app", "latest", "latest"]).ok();
    assert!(same.out.contains(", 0 of those that both have differ"), "{}", same.out);
}

/// In an encrypted repository results and repairs are encrypted as well.
#[test]
fn results_are_encrypted_where_everything_is() {
    let folder = Folder::new();
    let key = ("LIFEBOAT_KEY", "Y2FuYXJ5LWtleS1jYW5hcnkta2V5LWNhbmFyeS1rISE=");
    let run = |arguments: &[&str]| {
        let output = folder.command().env(key.0, key.1).args(arguments).output();
        crate::command::Ran::from(output.expect("runs"))
    };
    let connection = open(&folder.path("app.db"), "delete");
    connection
        .execute_batch("CREATE TABLE t(a); INSERT INTO t VALUES(randomblob(400000))")
        .expect("writes");
    run(&["backup", "app.db"]).ok();
    run(&["drill", "app", "--assert", "SELECT 'canary-assertion' = 'canary-assertion'"]).ok();
    flip(&largest_pack(&folder), |len| len / 2);
    assert_eq!(run(&["check", "--read-data"]).code, 4);
    run(&["repair", "--apply"]).ok();
    run(&["check", "--read-data"]).ok();
    run(&["restore", "app", "--target", "back.db", "--check"]).ok();
    let mut looked = 0;
    for part in ["/checks/", "/repairs/"] {
        for path in folder.objects_of(part) {
            let bytes = std::fs::read(&path).expect("reads");
            assert_eq!(bytes[11], 1, "{} is sealed", path.display());
            let text = String::from_utf8_lossy(&bytes);
            assert!(!text.contains("canary") && !text.contains("packs/"), "{}", path.display());
            looked += 1;
        }
    }
    assert!(looked >= 4, "{looked}");
}
