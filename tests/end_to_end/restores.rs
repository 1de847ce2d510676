//! Over an existing file, planned, of damaged snapshots, and of everything.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use lifeboat_testing::databases::{one_row_a_page, open, overwrite};
use serde_json::Value;

use crate::command::{Folder, as_nobody, same_bytes};

fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).expect("reads");
    bytes[at] ^= 0x20;
    fs::write(path, bytes).expect("writes");
}

/// Only the difference is fetched, and what was there is set aside.
/// A directory that is not there, and one where a file should be.
#[test]
fn where_no_file_can_be() {
    let folder = Folder::new();
    one_row_a_page(&folder.path("app.db"), "delete", 10, 1);
    folder.backup("app.db");
    for more in [&[][..], &["--force"]] {
        let ran = folder.run(&[&["restore", "app", "--target", "not there/a.db"], more].concat());
        assert_eq!(ran.code, 1, "{ran:?}");
        assert!(ran.err.contains("HINT: make the directory first: mkdir -p "), "{ran:?}");
    }
    fs::create_dir(folder.path("folder")).expect("is made");
    let ran = folder.run(&["restore", "app", "--target", "folder", "--force"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.err.contains("is a directory") && !ran.out.contains("restoring"), "{ran:?}");
    // The directory of the test is root's.
    for own in ["state", "cache"] {
        fs::remove_dir_all(folder.path(own)).expect("removes");
    }
    let ran = as_nobody(&folder, &["restore", "app", "--target", "new.db"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(
        ran.err.contains("Permission denied") && ran.err.contains("run as its owner"),
        "{ran:?}"
    );
}

#[test]
fn over_an_existing_file() {
    let folder = Folder::new();
    let path = folder.path("app.db");
    let mut connection = one_row_a_page(&path, "delete", 2000, 1);
    folder.backup("app.db");
    let target = folder.path("new.db");
    fs::copy(&path, &target).expect("copies");
    overwrite(&mut connection, 20, 2);
    folder.backup("app.db");
    let old = fs::read(&target).expect("reads");
    let refused = folder.run(&["restore", "app", "--target", "new.db"]);
    assert_eq!(refused.code, 7, "{refused:?}");
    assert!(refused.err.contains("--force"), "{}", refused.err);
    let forced = ["--json", "restore", "app", "--target", "new.db", "--force"];
    let planned = folder.run(&[&forced[..], &["--dry-run"]].concat()).ok().last();
    assert!(fs::read(&target).expect("reads") == old, "a plan does nothing");
    let done = folder.run(&forced).ok().last();
    assert!(same_bytes(&target, &path));
    assert!(done["bytes_fetched"].as_u64().expect("a number") < 200_000, "{done}");
    assert_eq!(planned["bytes_to_fetch"], done["bytes_fetched"]);
    assert_eq!(planned["bytes_kept"], done["bytes_kept"]);
    assert!(done["bytes_kept"].as_u64().expect("a number") > 1900 * 4096, "{done}");
    let aside = done["set_aside"].as_str().expect("a path");
    assert!(fs::read(aside).expect("there") == old);
    // Where there is nothing, force changes nothing.
    fs::remove_file(&target).expect("removes");
    assert_eq!(folder.run(&forced).ok().last()["way"], "placed");
    assert!(same_bytes(&target, &path));
    // Something else entirely is set aside as well.
    fs::write(&target, b"my diary").expect("writes");
    let done = folder.run(&forced).ok().last();
    assert!(same_bytes(&target, &path));
    let aside = done["set_aside"].as_str().expect("a path");
    assert_eq!(fs::read(aside).expect("there"), b"my diary");
    // What cannot be fetched takes nothing away.
    fs::remove_dir_all(folder.path("backups/databases/app/packs")).expect("removes");
    fs::write(&target, b"my diary").expect("writes");
    assert_eq!(folder.run(&forced).code, 4);
    assert_eq!(fs::read(&target).expect("there"), b"my diary");
}

#[test]
fn a_plan() {
    for archive in [false, true] {
        let folder = Folder::new();
        drop(one_row_a_page(&folder.path("app.db"), "wal", 500, 1));
        let options: &[&str] = if archive { &["--archive"] } else { &[] };
        folder.run(&[&["backup", "app.db"], options].concat()).ok();
        let plan = ["--json", "restore", "app", "--target", "new.db", "--dry-run"];
        let planned = folder.run(&plan).ok().last();
        assert!(!folder.path("new.db").exists());
        let words = folder.run(&plan[1..]).ok().out;
        assert!(words.contains("would restore") && words.contains("ago"), "{words}");
        assert!(words.contains("to fetch in"), "{words}");
        let done = folder.run(&["--json", "restore", "app", "--target", "new.db"]).ok().last();
        assert_eq!(planned["bytes_to_fetch"], done["bytes_fetched"]);
        assert_eq!(planned["snapshot_id"], done["snapshot_id"]);
        assert!(planned["requests"].as_u64() <= done["requests"].as_u64(), "{planned} {done}");
        let code = folder.run(&plan).code;
        assert_eq!(code, 7, "the file exists now");
    }
}

/// Every lost page is named, with its table, and every other is what it was.
#[test]
fn salvage() {
    let folder = Folder::new();
    let path = folder.path("app.db");
    let connection = one_row_a_page(&path, "delete", 4000, 1);
    connection
        .execute_batch(
            "CREATE TABLE other(id INTEGER PRIMARY KEY, x); CREATE INDEX by_x ON other(x);
             WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<20000)
             INSERT INTO other SELECT i, 'value ' || (i * 7919 % 20011) FROM n;",
        )
        .expect("writes");
    drop(connection);
    folder.backup("app.db");
    let pack = folder
        .objects_of("/packs/")
        .into_iter()
        .max_by_key(|path| fs::metadata(path).expect("there").len())
        .expect("a pack");
    // Two frames far apart.
    let len = fs::metadata(&pack).expect("there").len() as usize;
    flip(&pack, len / 3);
    flip(&pack, len / 2);
    let plain = folder.run(&["restore", "app", "--target", "plain.db"]);
    assert_eq!(plain.code, 4);
    assert!(plain.err.contains("--salvage"), "{}", plain.err);
    assert!(!folder.path("plain.db").exists());
    let ran = folder.run(&["--json", "restore", "app", "--target", "saved.db", "--salvage"]);
    assert_eq!(ran.code, 4, "{ran:?}");
    let objects = ran.json();
    let lost: Vec<&Value> =
        objects.iter().filter(|object| object["message_type"] == "lost_pages").collect();
    let mut named = BTreeSet::new();
    for object in &lost {
        assert_eq!(object["state"], "lost");
        assert_eq!(object["table"], "page", "{object}");
        named.extend(object["pages"].as_array().expect("pages").iter().filter_map(Value::as_u64));
    }
    let (old, new) = (fs::read(&path).expect("reads"), fs::read(folder.path("saved.db")));
    let new = new.expect("reads");
    assert_eq!(old.len(), new.len());
    let differ: BTreeSet<u64> = (1..)
        .zip(old.chunks(4096).zip(new.chunks(4096)))
        .filter(|(_, (old, new))| old != new)
        .map(|(page, _)| page)
        .collect();
    assert!(differ.len() >= 2 && differ == named, "{differ:?} {named:?}");
    let summary = ran.last();
    assert_eq!(summary["pages_lost"], differ.len());
    assert_eq!((&summary["pages_doubtful"], &summary["proven"]), (&0.into(), &false.into()));
    let words = folder.run(&["restore", "app", "--target", "saved2.db", "--salvage"]).out;
    assert!(words.contains("lost, and zeros in the file") && words.contains("page ("), "{words}");
}

/// A pack that cannot be read at all may have held newer pages.
#[test]
fn salvage_without_a_pack() {
    let folder = Folder::new();
    let path = folder.path("app.db");
    let mut connection = one_row_a_page(&path, "delete", 3000, 1);
    folder.backup("app.db");
    let first = folder.objects_of("/packs/");
    overwrite(&mut connection, 10, 2);
    folder.backup("app.db");
    let newer =
        folder.objects_of("/packs/").into_iter().find(|pack| !first.contains(pack)).expect("one");
    fs::remove_file(newer).expect("removes");
    let ran = folder.run(&["--json", "restore", "app", "--target", "saved.db", "--salvage"]);
    assert_eq!(ran.code, 4, "{ran:?}");
    let summary = ran.last();
    // Nobody knows which: none of them passes for proven.
    assert_eq!(summary["pages_doubtful"], summary["pages_total"]);
    // A whole snapshot is restored as ever.
    let whole = ["--json", "restore", "app", "latest~1", "--target", "whole.db", "--salvage"];
    assert_eq!(folder.run(&whole).ok().last()["proven"], true);
}

#[test]
fn everything() {
    let folder = Folder::new();
    let names = ["a", "b", "c", "d", "e", "strange name"];
    for (seed, name) in (1..).zip(names) {
        drop(one_row_a_page(&folder.path(&format!("{name}.db")), "wal", 300, seed));
        folder.run(&["backup", &format!("{name}.db")]).ok();
    }
    fs::remove_dir_all(folder.path("backups/databases/c/packs")).expect("removes");
    fs::create_dir(folder.path("out")).expect("makes");
    fs::write(folder.path("out/d.db"), b"my diary").expect("writes");
    let ran = folder.run(&["restore", "--all", "--into", "out"]);
    assert_eq!(ran.code, 4, "{ran:?}");
    let lines: Vec<&str> = ran.out.lines().collect();
    assert!(lines[0].contains("c ") && lines[0].contains("NOT RESTORED, exit 4"), "{lines:?}");
    assert!(lines[1].contains("d ") && lines[1].contains("NOT RESTORED, exit 7"), "{lines:?}");
    assert!(lines[6].starts_with("4 of 6 databases in out"), "{lines:?}");
    for name in ["a", "b", "e", "strange name"] {
        let file = if name.contains(' ') { "strange%20name" } else { name };
        let restored = folder.path(&format!("out/{file}.db"));
        assert!(same_bytes(&restored, &folder.path(&format!("{name}.db"))), "{name}");
    }
    assert_eq!(fs::read(folder.path("out/d.db")).expect("there"), b"my diary");
    // Again: what is there is proven and left alone.
    let again = folder.run(&["--json", "restore", "--all", "--into", "out", "--force"]);
    assert_eq!(again.code, 4, "{again:?}");
    let outcome = |name: &str| {
        let objects = again.json();
        let one = objects.iter().find(|object| object["database"] == name).expect("one");
        one["outcome"].clone()
    };
    assert_eq!((outcome("a"), outcome("c")), ("already_there".into(), "failed".into()));
    assert_eq!(outcome("d"), "restored");
    let summary = again.last();
    assert_eq!((&summary["databases"], &summary["failed"]), (&6.into(), &1.into()));
    assert_eq!(summary["worst_first"][0], "c");
    // At a time when there was nothing.
    let early =
        folder.run(&["restore", "--all", "--into", "early", "--at", "2001-01-01T00:00:00Z"]);
    assert_eq!(early.code, 7, "{early:?}");
    // A file that another application changed meanwhile is not "already there".
    open(&folder.path("out/a.db"), "wal").execute_batch("CREATE TABLE more(x)").expect("writes");
    let changed = folder.run(&["restore", "--all", "--into", "out"]);
    assert!(changed.out.contains("exit 7"), "{changed:?}");
}
