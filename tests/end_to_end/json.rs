//! The JSON that programs read: its fields are a contract, and docs/json.md says
//! what they mean.

use std::collections::BTreeSet;

use lifeboat_testing::databases::open;
use serde_json::Value;

use crate::command::Folder;
use crate::place::{Place, in_every_place};

in_every_place!(several_databases_one_of_them_bad);

pub(crate) fn fields(object: &Value) -> BTreeSet<String> {
    object.as_object().expect("an object").keys().cloned().collect()
}

/// The fields that a section of the document lists, one a row.
pub(crate) fn documented(section: &str) -> BTreeSet<String> {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/json.md");
    let text = std::fs::read_to_string(root).expect("docs/json.md");
    let heading = format!("## {section}\n");
    let section = text.split(&heading).nth(1).unwrap_or_else(|| panic!("no {heading}"));
    let section = section.split("\n## ").next().expect("a section ends");
    let section = section.split("\n### ").next().expect("a section ends");
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    let mut fields: BTreeSet<String> = rows.map(str::to_owned).collect();
    fields.insert("message_type".to_owned());
    fields
}

#[test]
fn fields_are_documented_and_nothing_else_is() {
    let folder = Folder::new();
    open(&folder.path("app.db"), "delete").execute_batch("CREATE TABLE t(a)").expect("writes");
    let init = folder.run(&["--json", "init"]).ok().last();
    assert_eq!(fields(&init), documented("init: summary"));
    let probed = folder.run(&["--json", "storage", "probe"]).ok().last();
    assert_eq!(fields(&probed), documented("storage probe: summary"));
    let objects = folder.run(&["--json", "backup", "app.db"]).ok().json();
    assert_eq!(objects.len(), 2);
    assert_eq!(objects[0]["message_type"], "backup");
    assert_eq!(objects[1]["message_type"], "summary");
    assert_eq!(fields(&objects[0]), documented("backup: one object a database"));
    let mut summary = documented("backup: one object a database");
    summary.extend(documented("backup: summary"));
    assert_eq!(fields(&objects[1]), summary);

    let listed = folder.run(&["--json", "snapshots"]).ok().json();
    assert_eq!(listed[0]["message_type"], "snapshot");
    assert_eq!(fields(&listed[0]), documented("snapshots: one object a snapshot"));
    assert_eq!(fields(&listed[1]), documented("snapshots: summary"));

    let restored = folder.run(&["--json", "restore", "app", "--target", "new.db"]).ok().last();
    assert_eq!(fields(&restored), documented("restore: summary"));
    let error = folder.run(&["--json", "restore", "app", "--target", "new.db"]);
    assert_eq!(error.code, 7);
    assert_eq!(error.last()["message_type"], "error");
    assert_eq!(fields(&error.last()), documented("error"));
}

#[test]
fn health() {
    let folder = Folder::new();
    open(&folder.path("app.db"), "delete").execute_batch("CREATE TABLE t(a)").expect("writes");
    folder.backup("app.db");
    let objects = folder.run(&["--json", "health"]).ok().json();
    assert_eq!(objects[0]["message_type"], "health");
    assert_eq!(fields(&objects[0]), documented("health: one object a database"));
    assert_eq!(fields(&objects[1]), documented("health: summary"));
}

#[test]
fn messages() {
    let folder = Folder::new();
    std::fs::write(folder.path("lifeboat.toml"), "[notify]\ncommand = \"cat\"\n").expect("writes");
    let objects = folder.run(&["--json", "notify", "test"]).ok().json();
    assert_eq!(objects[0]["message_type"], "channel");
    assert_eq!(fields(&objects[0]), documented("notify test: one object a channel, `channel`"));
    assert_eq!(fields(&objects[1]), documented("notify test: summary"));
}

#[test]
fn single_files() {
    let folder = Folder::new();
    open(&folder.path("app.db"), "delete").execute_batch("CREATE TABLE t(a)").expect("writes");
    let archived = folder.run(&["--json", "backup", "app.db", "--archive"]).ok().json();
    let mut expected = documented("backup: one object a database");
    expected.insert("archive".to_owned());
    assert_eq!(fields(&archived[0]), expected);

    let exported = folder.run(&["--json", "export", "app", "-o", "app.zst", "--zstd"]).ok().last();
    assert_eq!(fields(&exported), documented("export: summary"));
    let opened = folder.run(&["--json", "decrypt", "app.zst", "-o", "opened.db"]).ok().last();
    assert_eq!(fields(&opened), documented("decrypt: summary"));

    for day in ["20250301", "20250302"] {
        let file = folder.path(&format!("old_{day}_040506.db"));
        std::fs::copy(folder.path("opened.db"), file).expect("copies");
    }
    for (mode, word) in [(&["--dry-run"][..], "foreign_backup"), (&[], "imported")] {
        let prefix = folder.path("");
        let prefix = prefix.to_str().expect("UTF-8");
        let objects = folder.run(&[&["--json", "import", prefix], mode].concat()).ok().json();
        let command = ["import", mode.first().copied().unwrap_or("")].join(" ");
        let command = command.trim_end();
        assert_eq!(objects.len(), 3, "{objects:?}");
        assert_eq!(objects[0]["message_type"], word);
        let one = documented(&format!("{command}: one object a file, `{word}`"));
        assert_eq!(fields(&objects[0]), one);
        assert_eq!(fields(&objects[2]), documented(&format!("{command}: summary")));
    }
}

#[test]
fn copies_and_objects() {
    let folder = Folder::new();
    open(&folder.path("app.db"), "delete").execute_batch("CREATE TABLE t(a)").expect("writes");
    folder.run(&["backup", "app.db"]).ok();
    let copied = folder.run(&["--json", "copy", "app", "--to", "elsewhere"]).ok().json();
    assert_eq!(copied[0]["message_type"], "copied");
    let one = "backup, sync, copy: one object a copied snapshot, `copied`";
    assert_eq!(fields(&copied[0]), documented(one));
    assert_eq!(fields(&copied[1]), documented("sync, copy: summary"));
    let synced = folder.run(&["--json", "sync"]).ok().last();
    assert_eq!(fields(&synced), documented("sync, copy: summary"));

    let object = |arguments: &[&str]| {
        let sides = ["--json", "object", "--primary", "here", "--fallback", "disk=there"];
        folder.run(&[&sides[..], arguments].concat()).ok().last()
    };
    let placement = documented("object put, object stat, object migrate: summary");
    assert_eq!(fields(&object(&["put", "app.db", "a"])), placement);
    assert_eq!(fields(&object(&["stat", "a"])), placement);
    assert_eq!(fields(&object(&["migrate", "a", "--to", "disk"])), placement);
    assert_eq!(fields(&object(&["get", "a", "-o", "b"])), documented("object get: summary"));
    assert_eq!(fields(&object(&["rm", "a"])), documented("object rm: summary"));
}

#[test]
fn links() {
    let folder = Folder::new();
    open(&folder.path("app.db"), "delete")
        .execute_batch("CREATE TABLE t(k); INSERT INTO t VALUES('gone'), ('bad//key')")
        .expect("writes");
    std::fs::create_dir(folder.path("media")).expect("makes it");
    std::fs::write(folder.path("media/orphan"), "x").expect("writes");
    let settings = "[[database]]\npath = \"app.db\"\n[[links]]\ndatabase = \"app\"\n\
                    columns = [\"t.k\"]\nurl = \"media\"\ngrace = \"0s\"\non_broken = \"delete\"\n";
    std::fs::write(folder.path("lifeboat.toml"), settings).expect("writes");
    let kind = |objects: &[Value], wanted: &str| {
        let found = objects.iter().find(|object| object["message_type"] == wanted);
        fields(found.unwrap_or_else(|| panic!("no {wanted}: {objects:?}")))
    };
    let run = |arguments: &[&str]| folder.run(&[&["--json", "links"], arguments].concat()).json();
    let checked = run(&["check"]);
    assert_eq!(kind(&checked, "finding"), documented("links: one object a finding"));
    assert_eq!(kind(&checked, "store"), documented("links: one object a store"));
    let summary = documented("links check: summary");
    assert_eq!(kind(&checked, "summary"), summary);
    let more = documented("links fix, links clean: summary");
    let more: BTreeSet<String> = more.union(&summary).cloned().collect();
    let recovered = run(&["fix", "--bring-back"]);
    let one = "links fix --bring-back: one object a store, `recovered`";
    assert_eq!(kind(&recovered, "recovered"), documented(one));
    assert_eq!(kind(&recovered, "summary"), documented("links fix --bring-back: summary"));
    folder.backup("app.db");
    let restored = folder.run(&["--json", "restore", "app", "--target", "new.db"]).ok().json();
    let one = "restore: one object a store that the database mentions objects of, `links`";
    assert_eq!(kind(&restored, "links"), documented(one));
    let fixed = run(&["fix", "--apply", "--expect-broken", "1"]);
    assert_eq!(kind(&fixed, "fixed"), documented("links fix: one object a database, `fixed`"));
    assert_eq!(kind(&fixed, "summary"), more);
    open(&folder.path("app.db"), "delete").execute_batch("DELETE FROM t").expect("writes");
    let cleaned = run(&["clean", "--apply", "--expect-orphaned", "1"]);
    assert_eq!(kind(&cleaned, "cleaned"), documented("links clean: one object a store, `cleaned`"));
    assert_eq!(kind(&cleaned, "summary"), more);
    let undone = run(&["clean", "--undo"]);
    let one = "links clean --undo: one object a store, `brought_back`";
    assert_eq!(kind(&undone, "brought_back"), documented(one));
    assert_eq!(kind(&undone, "summary"), documented("links clean --undo: summary"));
}

#[test]
fn keys() {
    let folder = Folder::new();
    open(&folder.path("app.db"), "delete").execute_batch("CREATE TABLE t(a)").expect("writes");
    let generated = folder.run(&["--json", "key", "generate"]).ok().last();
    assert_eq!(fields(&generated), documented("key generate: summary"));
    let key = generated["key"].as_str().expect("a text").to_owned();
    for (file, text) in [("key", key.as_str()), ("words", "some other words, and many of them")] {
        std::fs::write(folder.path(file), text).expect("writes");
    }
    let run = |arguments: &[&str]| {
        let ran = folder.run(&[&["--json", "--key-file", "key"], arguments].concat()).ok();
        assert_eq!(ran.json().len(), 1, "{ran:?}");
        assert_eq!(ran.last()["message_type"], "summary");
        ran.last()
    };
    run(&["init"]);
    let add = ["key", "add", "--new-passphrase-file", "words", "--label", "words"];
    assert_eq!(fields(&run(&add)), documented("key add: summary"));
    let listed = run(&["key", "list"]);
    assert_eq!(fields(&listed), documented("key list: summary"));
    for one in listed["keys"].as_array().expect("a list") {
        let mut expected = documented("key list: each of the keys");
        expected.remove("message_type");
        assert_eq!(fields(one), expected);
    }
    assert_eq!(fields(&run(&["key", "kit"])), documented("key kit: summary"));
    let rotated = run(&["key", "rotate", "--data-key", "--only-this-key"]);
    assert_eq!(fields(&rotated), documented("key rotate --data-key: summary"));
    assert_eq!(rotated["left_out"].as_array().map(Vec::len), Some(1));
    assert_eq!(fields(&run(&["key", "remove", "words"])), documented("key remove: summary"));
    let other = folder.run(&["--json", "key", "generate"]).ok().last()["key"].clone();
    std::fs::write(folder.path("other"), other.as_str().expect("a text")).expect("writes");
    let rotated = run(&["key", "rotate", "--new-key-file", "other"]);
    assert_eq!(fields(&rotated), documented("key rotate: summary"));
}

#[test]
fn fields_of_keeping_and_proving() {
    let folder = Folder::new();
    let connection = open(&folder.path("app.db"), "delete");
    connection.execute_batch("CREATE TABLE t(a)").expect("writes");
    folder.backup("app.db");
    connection.execute_batch("INSERT INTO t VALUES(randomblob(90000))").expect("writes");
    folder.backup("app.db");
    let run = |arguments: &[&str]| folder.run(&[&["--json"], arguments].concat());
    // The sections of the objects that a command prints, in order.
    let check = |arguments: &[&str], code: i32, sections: &[&str]| {
        let ran = run(arguments);
        assert_eq!(ran.code, code, "{arguments:?}: {ran:?}");
        let objects = ran.json();
        assert_eq!(objects.len(), sections.len(), "{arguments:?}: {ran:?}");
        for (object, section) in objects.iter().zip(sections) {
            assert_eq!(fields(object), documented(section), "{arguments:?}");
        }
    };
    let per_database = |command: &str| {
        [format!("{command}: one object a database"), format!("{command}: summary")]
    };
    let both = |command: &str| per_database(command).map(|text| &*text.leak());
    check(&["check"], 0, &both("check"));
    check(&["drill", "--assert", "SELECT 1"], 0, &both("drill"));
    check(&["repair"], 0, &both("repair"));
    let decisions = ["forget: one object a snapshot"; 2];
    let forget = [&decisions[..], &["forget: summary"]].concat();
    check(&["forget", "app", "--keep-last", "1"], 0, &forget);
    check(&["prune", "--dry-run"], 0, &both("prune"));
    let id = folder.run(&["--json", "snapshots"]).json()[0]["snapshot_id"].clone();
    let changes = "undelete, pin, unpin: summary";
    check(&["pin", "app", "latest"], 0, &[changes]);
    check(&["unpin", "app", id.as_str().expect("an id")], 0, &[changes]);
    check(&["undelete", "app", "20"], 0, &[changes]);
    check(&["diff", "app", "latest~1", "latest"], 0, &["diff: summary"]);
    let snapshots = ["stats: one object a snapshot"; 2];
    let stats = [&snapshots[..], &both("stats")].concat();
    check(&["stats"], 0, &stats);
    let one = "timeline: one object a snapshot, `snapshot`";
    check(&["timeline", "app"], 0, &[one, one, "timeline: summary"]);
    check(&["status"], 0, &both("status"));
    let packs = folder.objects_of("/packs/");
    std::fs::remove_file(&packs[0]).expect("removes");
    let found = run(&["check"]);
    assert_eq!((found.code, fields(&found.json()[0])), (4, documented("check: finding")));
}

#[test]
fn fields_of_restores() {
    let folder = Folder::new();
    let run = |arguments: &[&str]| folder.run(&[&["--json", "restore"], arguments].concat());
    open(&folder.path("app.db"), "delete")
        .execute_batch("CREATE TABLE t(a); INSERT INTO t VALUES(randomblob(900000))")
        .expect("writes");
    folder.backup("app.db");
    let all_of = |sections: &[&str]| -> BTreeSet<String> {
        sections.iter().flat_map(|section| documented(section)).collect()
    };
    let (plain, over) = ("restore: summary", "restore over a file: summary");
    run(&["app", "--target", "new.db"]).ok();
    let forced = run(&["app", "--target", "new.db", "--force"]).ok().last();
    assert_eq!(fields(&forced), all_of(&[plain, over]));
    let in_place = run(&["app", "--in-place"]).ok().last();
    assert_eq!(fields(&in_place), all_of(&[plain, over, "restore --in-place: summary"]));
    let undone = run(&["--undo", in_place["set_aside"].as_str().expect("a path")]).ok().last();
    let mut expected = documented(over);
    expected.extend(["target", "duration_seconds", "brought_back"].map(str::to_owned));
    assert_eq!(fields(&undone), expected);
    let planned = run(&["app", "--in-place", "--dry-run"]).ok().last();
    assert_eq!(fields(&planned), documented("restore --dry-run: summary"));
    let all = run(&["--all", "--into", "out"]).ok();
    assert!(fields(&all.json()[0]).is_superset(&documented("restore --all")));
    assert_eq!(fields(&all.last()), documented("all: summary"));
    let pack = &folder.objects_of("/packs/")[0];
    let mut bytes = std::fs::read(pack).expect("reads");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(pack, bytes).expect("writes");
    let saved = run(&["app", "--target", "saved.db", "--salvage"]).json();
    assert_eq!(saved[0]["message_type"], "finding");
    assert_eq!(fields(&saved[1]), documented("lost_pages: one object a table or index"));
    assert_eq!(fields(saved.last().expect("a summary")), documented("salvage: summary"));
}

#[test]
fn progress_as_status_objects() {
    let folder = Folder::new();
    open(&folder.path("app.db"), "delete").execute_batch("CREATE TABLE t(a)").expect("writes");
    let ran = folder.run(&["--json", "--progress", "json", "backup", "app.db"]).ok();
    assert_eq!(ran.err, "", "nothing but JSON");
    let status = ran.json().into_iter().find(|object| object["message_type"] == "status");
    assert_eq!(fields(&status.expect("one")), documented("status"));
}

fn several_databases_one_of_them_bad(place: Place) {
    let folder = Folder::at(place);
    for name in ["a.db", "b.db"] {
        open(&folder.path(name), "delete").execute_batch("CREATE TABLE t(a)").expect("writes");
    }
    let ran = folder.run(&["--json", "backup", "a.db", "none.db", "b.db"]);
    assert_eq!(ran.code, 3, "partly done: {ran:?}");
    let types: Vec<_> =
        ran.json().iter().map(|o| o["message_type"].as_str().expect("a type").to_owned()).collect();
    assert_eq!(types, ["backup", "error", "backup", "summary"]);
    let summary = ran.last();
    assert_eq!((&summary["databases"], &summary["failed"]), (&3.into(), &1.into()));
    assert_eq!(summary["code"], 3);
}
