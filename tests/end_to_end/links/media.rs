//! Files beside the database: backed up with it, and put back with it.

use std::collections::BTreeSet;
use std::fs;

use lifeboat_testing::servers::{Fault, Kind};

use super::{App, app, app_in_a_directory, collect, put_into};

/// Has the objects of all rules backed up.
fn with_backup(app: &App) {
    let path = app.folder.path("lifeboat.toml");
    let rules = fs::read_to_string(&path).expect("reads");
    let rules = rules.replace("[[links]]\n", "[[links]]\nbackup = true\n");
    fs::write(&path, rules).expect("writes");
}

fn last(app: &App, arguments: &[&str]) -> serde_json::Value {
    app.run(&[&["--json"], arguments].concat()).last()
}

#[test]
fn objects_are_backed_up_once_and_put_back_with_the_database() {
    let app = app();
    app.fill(20, 3, 2);
    with_backup(&app);
    put_into(&app.bucket, "docs/10/a b0");
    let first = last(&app, &["backup", "app"]);
    let media = &first["media"];
    assert_eq!((&media["files"], &media["copied"]), (&60.into(), &60.into()), "{first}");
    assert_eq!((&media["missing"], &media["unread"]), (&3.into(), &0.into()), "{first}");
    // Nothing changed: neither rows nor objects are looked at.
    app.server.forget_requests();
    let again = last(&app, &["backup", "app"]);
    assert_eq!(again["unchanged"], true, "{again}");
    assert_eq!((app.server.count(Kind::List), app.server.count(Kind::Get)), (0, 0));
    // One is new, one is replaced, one is gone from the bucket and still mentioned.
    app.put("docs/10/new");
    app.sql("INSERT INTO documents(file_key, bytes) VALUES('docs/10/new', 5)");
    fs::write(app.bucket.join("u/1.jpg"), "other bytes").expect("writes");
    fs::remove_file(app.bucket.join("u/2.jpg")).expect("removes");
    app.server.forget_requests();
    let second = last(&app, &["backup", "app"]);
    let media = &second["media"];
    assert_eq!((&media["files"], &media["copied"]), (&61.into(), &2.into()), "{second}");
    assert_eq!(app.server.count(Kind::List), 1);
    assert_eq!(last(&app, &["check", "app", "--read-data"])["code"], 0);

    // The bucket is lost. What the snapshot has comes back, and nothing else.
    let (mut before, bucket) = (BTreeSet::new(), app.bucket.clone());
    collect(&bucket, "", &mut before);
    let original = app.folder.path("original");
    fs::rename(&bucket, &original).expect("moves");
    fs::create_dir_all(&bucket).expect("makes it");
    put_into(&bucket, "docs/13/a b3");
    let restore = ["restore", "app", "--target", "new.db", "--media"];
    let ran = app.run(&[&["--json"], &restore[..]].concat());
    assert_eq!(ran.code, 0, "{ran:?}");
    let all = ran.json();
    let told = super::message(&all, "media");
    let numbers = ["files", "put_back", "there", "differs", "failed"].map(|name| &told[name]);
    assert_eq!(numbers, [61, 60, 1, 0, 0].map(serde_json::Value::from).each_ref(), "{told}");
    let mut back = BTreeSet::new();
    collect(&bucket, "", &mut back);
    for key in &back {
        if let Ok(bytes) = fs::read(original.join(key)) {
            assert_eq!(fs::read(bucket.join(key)).expect("reads"), bytes, "{key}");
        }
    }
    assert!(back.contains("u/2.jpg"), "a copy is all that was left of it");
    assert_eq!(fs::read(bucket.join("u/1.jpg")).expect("is back"), b"other bytes");
    // Another object under a key is not touched, and the first snapshot has the first one.
    let id = first["snapshot_id"].as_str().expect("an id");
    fs::remove_file(app.folder.path("new.db")).expect("removes");
    let elsewhere = ["restore", "app", id, "--target", "new.db", "--media-to", "media"];
    let ran = app.run(&[&["--json"], &elsewhere[..]].concat()).ok();
    assert_eq!(super::message(&ran.json(), "media")["put_back"], 60);
    assert_eq!(fs::read(app.folder.path("media/u/1.jpg")).expect("is there"), b"bytes");
    fs::remove_file(app.folder.path("new.db")).expect("removes");
    let ran = app.run(&["--json", "restore", "app", id, "--target", "new.db", "--media"]);
    assert_eq!((ran.code, &super::message(&ran.json(), "media")["differs"]), (3, &1.into()));
}

#[test]
fn a_store_that_fails_stops_no_backup_of_the_database() {
    let app = app();
    app.fill(5, 0, 0);
    with_backup(&app);
    app.wire.when(Kind::Get, "u/1.jpg").always(Fault::Refuse(403, "AccessDenied"));
    let first = app.run(&["--json", "backup", "app"]);
    assert_eq!((first.code, &first.last()["media"]["unread"]), (3, &1.into()), "{first:?}");
    assert_eq!(first.last()["media"]["files"], 14);
    app.wire.heal();
    // The next tries again, though no page has changed; and then it is well.
    let second = app.run(&["--json", "backup", "app"]).ok().last();
    assert_eq!((&second["unchanged"], &second["media"]["copied"]), (&false.into(), &1.into()));
    assert_eq!(app.run(&["--json", "backup", "app"]).ok().last()["unchanged"], true);
    // The whole bucket is away: what was copied stays with the snapshots.
    app.sql("INSERT INTO documents(file_key, bytes) VALUES('docs/10/new', 5)");
    for kind in [Kind::List, Kind::Get, Kind::Head] {
        app.wire.when(kind, "").always(Fault::Refuse(500, "InternalError"));
    }
    let third = app.run(&["--json", "backup", "app"]);
    assert_eq!((third.code, &third.last()["media"]["files"]), (3, &15.into()), "{third:?}");
}

/// Encrypted where the repository is, carried by copies, and collected.
#[test]
fn nothing_of_them_can_be_read_without_the_key_and_mirrors_have_them() {
    let app = app_in_a_directory();
    app.fill(10, 0, 0);
    with_backup(&app);
    let path = app.folder.path("lifeboat.toml");
    let rules = fs::read_to_string(&path).expect("reads");
    let places = "[[destination]]\nname = \"main\"\nurl = \"main\"\nrole = \"primary\"\n[[destination]]\nname = \
                  \"second\"\nurl = \"second\"\nrole = \"mirror\"\n";
    fs::write(&path, format!("{rules}\n{places}")).expect("writes");
    const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    fs::write(app.bucket.join("u/1.jpg"), "a secret that nobody may read").expect("writes");
    let run = |arguments: &[&str]| -> crate::command::Ran {
        let mut command = app.command(&[&["--json"], arguments].concat());
        command.env("LIFEBOAT_KEY", KEY).output().expect("the binary runs").into()
    };
    let done = run(&["backup", "app"]).ok().last();
    assert_eq!(done["media"]["files"], 30, "{done}");
    for place in ["main", "second"] {
        let mut keys = BTreeSet::new();
        collect(&app.folder.path(place), "", &mut keys);
        let attached: Vec<_> = keys.iter().filter(|key| key.contains("/attachments/")).collect();
        assert_eq!(attached.len(), 30 + 2, "{place}");
        for key in attached {
            let bytes = fs::read(app.folder.path(place).join(key)).expect("reads");
            assert!(!bytes.windows(8).any(|part| part == b"a secret"), "{key}");
        }
    }
    // The mirror alone is enough.
    fs::rename(app.folder.path("main"), app.folder.path("gone")).expect("moves");
    fs::rename(&app.bucket, app.folder.path("lost")).expect("moves");
    fs::create_dir(&app.bucket).expect("makes it");
    let restored = run(&["-r", "second", "restore", "app", "--target", "new.db", "--media"]).ok();
    assert_eq!(super::message(&restored.json(), "media")["put_back"], 30);
    let back = fs::read(app.bucket.join("u/1.jpg")).expect("is back");
    assert_eq!(back, b"a secret that nobody may read");
    // Forgotten and collected, nothing of them is left but what the newest needs.
    fs::rename(app.folder.path("gone"), app.folder.path("main")).expect("moves");
    app.sql("DELETE FROM users; DELETE FROM pages");
    run(&["backup", "app"]).ok();
    let id = done["snapshot_id"].as_str().expect("an id");
    run(&["-r", "main", "forget", "app", id]).ok();
    let mut prune = app.command(&["--json", "-r", "main", "prune"]);
    let pruned: crate::command::Ran = prune.env("LIFEBOAT_KEY", KEY).output().expect("runs").into();
    assert_eq!(pruned.code, 0, "{pruned:?}");
    assert_eq!(run(&["-r", "main", "check", "--read-data"]).ok().last()["code"], 0);
}
