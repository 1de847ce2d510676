//! All destinations are places of one repository: what is not mounted, was emptied,
//! or belongs to another one.

use lifeboat_testing::databases::{one_row_a_page, overwrite};

use crate::command::{Folder, Ran, same_bytes};
use crate::configuration::write;
use crate::destinations::{SETTINGS, files};

/// A primary on a disk, and beside it another directory with this role.
fn beside(role: &str) -> Folder {
    let folder = Folder::new();
    let settings = SETTINGS
        .replace("s3://bucket/far", "disk/far")
        .replace("role = \"fallback\"", &format!("role = \"{role}\""));
    write(&folder, "lifeboat.toml", &settings);
    std::fs::create_dir(folder.path("disk")).expect("makes it");
    folder
}

fn message(ran: &Ran) -> String {
    ran.last()["message"].as_str().expect("a text").to_owned()
}

/// A bare mount point with a mirror beside it: nothing is begun there.
#[test]
fn a_disk_that_is_not_mounted_stays_as_it_is() {
    let folder = beside("mirror");
    let mut connection = one_row_a_page(&folder.path("app.db"), "delete", 50, 1);
    folder.run(&["backup", "app.db"]).ok();
    std::fs::rename(folder.path("disk"), folder.path("unplugged")).expect("renames");
    std::fs::create_dir(folder.path("disk")).expect("makes it");
    overwrite(&mut connection, 10, 2);
    let ran = folder.run(&["--json", "backup", "app.db"]);
    assert_eq!(ran.code, 10, "{ran:?}");
    assert!(message(&ran).contains("disk/far: it was there before"), "{ran:?}");
    let hint = ran.last()["hint"].as_str().expect("a text").to_owned();
    assert!(hint.contains("mount it") && hint.contains("lifeboat init"), "{hint}");
    // Neither here nor by who copies.
    let synced = folder.run(&["--json", "sync"]);
    assert_eq!(synced.code, 3, "{synced:?}");
    let told = synced.json();
    let told = told.iter().find(|one| one["message_type"] == "warning").expect("a warning");
    let told = told["message"].as_str().expect("a text");
    assert!(told.contains("disk/far: ") && told.contains("it was there before"), "{told}");
    let status = folder.run(&["--json", "status"]);
    let reasons = status.json()[0]["reasons"].to_string();
    let is_told = reasons.contains("disk/far") && reasons.contains("it was there before");
    assert!(is_told, "{status:?}");
    assert!(files(&folder.path("disk")).is_empty(), "{:?}", files(&folder.path("disk")));
    assert!(!folder.path("disk/far").exists());
    // What is on the mirror is read all the same.
    let listed = folder.run(&["--json", "snapshots", "app"]).ok();
    assert_eq!(listed.json().iter().filter(|one| one["message_type"] == "snapshot").count(), 1);

    std::fs::remove_dir(folder.path("disk")).expect("removes");
    std::fs::rename(folder.path("unplugged"), folder.path("disk")).expect("renames");
    folder.run(&["backup", "app.db"]).ok();
    assert!(same_bytes(&folder.restore("app", "latest"), &folder.path("app.db")));
}

/// Emptied for good: who says `init` gets the same repository there, the next
/// backup goes there as usual, and what others have comes home.
#[test]
fn an_emptied_primary_is_made_again_and_filled() {
    for role in ["fallback", "mirror"] {
        let folder = beside(role);
        let path = folder.path("app.db");
        let mut connection = one_row_a_page(&path, "delete", 50, 1);
        folder.run(&["backup", "app.db"]).ok();
        // A fallback has what was stored while the primary was out.
        std::fs::rename(folder.path("disk"), folder.path("unplugged")).expect("renames");
        std::fs::create_dir(folder.path("disk")).expect("makes it");
        overwrite(&mut connection, 10, 2);
        let there = if role == "fallback" {
            let ran = folder.run(&["--json", "backup", "app.db"]);
            assert_eq!(ran.code, 14, "{ran:?}");
            ran.last()["snapshot_id"].as_str().expect("an id").to_owned()
        } else {
            "latest".to_owned()
        };
        let made = folder.run(&["init", "--no-encryption"]).ok();
        assert!(made.out.contains("lifeboat sync"), "{made:?}");
        let id = |place: &str| std::fs::read(folder.path(place).join("format/1")).expect("reads");
        let repository = |bytes: Vec<u8>| {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let (_, after) = text.split_once("\"repository\":\"").expect("names it");
            after[..32].to_owned()
        };
        assert_eq!(repository(id("disk/far")), repository(id("near")), "the same one");
        overwrite(&mut connection, 10, 3);
        let ran = folder.run(&["--json", "backup", "app.db"]).ok();
        assert_eq!(ran.last()["destination"], "disk/far", "{ran:?}");
        let copied: Vec<_> = ran
            .json()
            .into_iter()
            .filter(|one| one["message_type"] == "copied" && one["destination"] == "disk/far")
            .collect();
        assert_eq!(copied.len(), 1, "{ran:?}");
        assert_eq!(folder.run(&["--json", "sync"]).ok().last()["copied"], 0);
        std::fs::remove_dir_all(folder.path("near")).expect("removes");
        assert!(same_bytes(&folder.restore("app", "latest"), &path));
        if role == "fallback" {
            folder.restore("app", &there);
        }
    }
}

/// Another repository is refused before anything is written, and both are named.
#[test]
fn a_fallback_of_another_repository() {
    let folder = beside("fallback");
    let mut connection = one_row_a_page(&folder.path("app.db"), "delete", 50, 1);
    folder.run(&["backup", "app.db"]).ok();
    folder.run(&["-r", "near", "backup", "app.db"]).ok();
    let before = files(&folder.path("near"));
    std::fs::rename(folder.path("disk"), folder.path("unplugged")).expect("renames");
    overwrite(&mut connection, 10, 2);
    let ran = folder.run(&["--json", "backup", "app.db"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    let told = message(&ran);
    let ids = |text: &str| {
        let words = text.split(|c: char| !c.is_ascii_hexdigit());
        words.filter(|word| word.len() == 32).count()
    };
    assert!(told.contains("near") && told.contains("disk/far") && ids(&told) == 2, "{told}");
    assert_eq!(files(&folder.path("near")), before);
    std::fs::rename(folder.path("unplugged"), folder.path("disk")).expect("renames");
    let synced = folder.run(&["--json", "sync"]);
    assert_eq!(synced.code, 3, "{synced:?}");
    assert!(synced.out.contains("it holds repository"), "{synced:?}");
}

#[test]
fn what_a_check_of_the_settings_sees() {
    let folder = Folder::new();
    let twice = SETTINGS.replace("s3://bucket/far", "./near/");
    write(&folder, "lifeboat.toml", &twice);
    let ran = folder.run(&["config", "check"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.err.contains("the place of the destination \"far\" as well"), "{ran:?}");
    write(
        &folder,
        "lifeboat.toml",
        "[[database]]\npath = \"a/app.db\"\n\n[[database]]\npath = \"b/app.db\"\n",
    );
    let ran = folder.run(&["config", "check"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.err.contains("would both be named \"app\""), "{ran:?}");
}

/// Mistakes in a place are told once.
#[test]
fn a_mistake_in_a_place_is_told_once() {
    let folder = Folder::new();
    for (url, words) in [
        ("s3://bucket/a?regoin=x", "did you mean region?"),
        ("s3://bucket/a?jurisdiction=eu", "use the option jurisdiction for this kind of store"),
    ] {
        for command in ["snapshots", "status"] {
            let ran = folder.run(&["-r", url, command]);
            assert_eq!(ran.code, 2, "{ran:?}");
            assert_eq!(ran.err.matches(words).count(), 1, "{ran:?}");
        }
    }
}

/// While the primary is out, a mirror gets what the fallback has; and a mirror that
/// cannot be filled is told of, and changes nothing in what became of the backup.
#[test]
fn mirrors_while_the_primary_is_out() {
    let folder = beside("fallback");
    let settings = SETTINGS.replace("s3://bucket/far", "disk/far");
    let mirror = "\n[[destination]]\nname = \"copy\"\nrole = \"mirror\"\nurl = \"copy\"\n";
    write(&folder, "lifeboat.toml", &format!("{settings}{mirror}"));
    let mut connection = one_row_a_page(&folder.path("app.db"), "delete", 50, 1);
    folder.run(&["backup", "app.db"]).ok();
    std::fs::rename(folder.path("disk"), folder.path("unplugged")).expect("renames");
    overwrite(&mut connection, 10, 2);
    let ran = folder.run(&["--json", "backup", "app.db"]);
    assert_eq!(ran.code, 14, "{ran:?}");
    let copied: Vec<_> =
        ran.json().into_iter().filter(|one| one["message_type"] == "copied").collect();
    assert_eq!(copied.len(), 1, "{ran:?}");
    assert_eq!((&copied[0]["from"], &copied[0]["destination"]), (&"near".into(), &"copy".into()));
    // The mirror's disk is gone as well.
    std::fs::rename(folder.path("copy"), folder.path("copy-unplugged")).expect("renames");
    overwrite(&mut connection, 10, 3);
    let ran = folder.run(&["--json", "backup", "app.db"]);
    assert_eq!(ran.code, 14, "{ran:?}");
    assert!(ran.json().iter().any(|one| one["message_type"] == "warning"), "{ran:?}");
    for place in ["disk", "copy"] {
        let _ = std::fs::remove_dir_all(folder.path(place));
    }
    std::fs::rename(folder.path("unplugged"), folder.path("disk")).expect("renames");
    overwrite(&mut connection, 10, 4);
    let ran = folder.run(&["--json", "backup", "app.db"]);
    assert_eq!(ran.code, 3, "at the primary, and the mirror is not filled: {ran:?}");
    std::fs::rename(folder.path("copy-unplugged"), folder.path("copy")).expect("renames");
    folder.run(&["sync"]).ok();
    for place in ["disk", "near"] {
        std::fs::remove_dir_all(folder.path(place)).expect("removes");
    }
    assert!(same_bytes(&folder.restore("app", "latest"), &folder.path("app.db")));
}

/// Each destination keeps what its own rules say.
#[test]
fn each_destination_has_rules_of_its_own() {
    let folder = beside("mirror");
    let settings = std::fs::read_to_string(folder.path("lifeboat.toml")).expect("reads");
    let settings =
        settings.replace("role = \"primary\"\n", "role = \"primary\"\nmax_snapshots = 3\n");
    write(&folder, "lifeboat.toml", &format!("{settings}[destination.retention]\nkeep_last = 2\n"));
    let mut connection = one_row_a_page(&folder.path("app.db"), "delete", 50, 1);
    for seed in 2..8 {
        folder.run(&["backup", "app.db"]).ok();
        overwrite(&mut connection, 10, seed);
    }
    folder.run(&["sync"]).ok();
    let count = |place: &str| {
        let listed = folder.run(&["--json", "-r", place, "snapshots", "app"]).ok().json();
        listed.iter().filter(|one| one["message_type"] == "snapshot").count()
    };
    // The floor of a collection is about what is deleted, not about what is forgotten.
    assert_eq!((count("disk/far"), count("near")), (3, 2));
    let both =
        settings.replace("max_snapshots = 3", "max_snapshots = 3\nretention = { keep_last = 2 }");
    write(&folder, "lifeboat.toml", &both);
    let ran = folder.run(&["config", "check"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.err.contains("both say what is kept there"), "{ran:?}");
}
