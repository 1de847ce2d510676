//! What settings say of keeping and proving, through the binary.

use lifeboat_testing::databases::open;
use serde_json::Value;

use crate::command::Folder;

/// So many snapshots of each of these databases.
fn folder(names: &[&str], count: u32, settings: &str) -> Folder {
    let folder = Folder::new();
    std::fs::write(folder.path("lifeboat.toml"), settings).expect("writes");
    for name in names {
        let path = folder.path(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("makes");
        let connection = open(&path, "delete");
        connection.execute_batch("CREATE TABLE t(a)").expect("writes");
        for n in 0..count {
            connection.execute("INSERT INTO t VALUES(?)", [n]).expect("writes");
            folder.run(&["backup", name]).ok();
        }
    }
    folder
}

fn listed(folder: &Folder, name: &str) -> Vec<Value> {
    let mut listed = folder.run(&["--json", "snapshots", name]).ok().json();
    listed.retain(|one| one["message_type"] == "snapshot");
    listed
}

/// The common policy, that of a database of its own, and what was typed, which
/// counts instead of both.
#[test]
fn the_policy_of_the_settings() {
    let settings = "[retention]\nkeep_last = 3\n\
                    [[database]]\npath = \"app.db\"\n\
                    [[database]]\npath = \"own.db\"\n\
                    [database.retention]\nkeep_preset = true\n";
    let folder = folder(&["app.db", "own.db", "other.db"], 5, settings);
    let reasons = |name: &str, at: usize| listed(&folder, name)[at]["kept_because"].clone();
    assert_eq!(reasons("app", 0), serde_json::json!([]), "no rule keeps it");
    assert_eq!(reasons("app", 4), serde_json::json!(["latest", "last 1"]));
    assert_eq!(reasons("own", 0), serde_json::json!(["within 7d"]));
    let planned = folder.run(&["forget", "app", "--dry-run"]).ok();
    assert!(planned.out.contains("by the policy of the settings, keep_last = 3"), "{planned:?}");
    assert!(planned.out.contains("would forget 2 of 5"), "{planned:?}");
    for (arguments, left) in [
        (&["forget", "app"][..], 3),
        (&["forget", "other.db"], 3),
        (&["forget", "own"], 5),
        (&["forget", "own", "--keep-last", "2"], 2),
    ] {
        folder.run(arguments).ok();
        assert_eq!(listed(&folder, arguments[1]).len(), left, "{arguments:?}");
    }
}

/// Whatever makes no sense is told with its place by every command, before it
/// does anything.
#[test]
fn what_settings_cannot_mean() {
    let folder = folder(&["app.db"], 3, "");
    let before = folder.objects();
    let check = |settings: &str, words: &str| {
        std::fs::write(folder.path("lifeboat.toml"), settings).expect("writes");
        for command in [&["forget", "app"][..], &["prune"], &["config", "check"]] {
            let ran = folder.run(command);
            assert_eq!(ran.code, 2, "{command:?} {settings:?}: {ran:?}");
            assert!(ran.err.contains(words), "{command:?} {settings:?}: {ran:?}");
        }
        assert_eq!(folder.objects(), before, "{settings:?}");
    };
    check(
        "[retention]\nkeep_last = 2\nkeep_within = \"90s\"\n",
        "lifeboat.toml:3: failed to use keep_within: understand \"90s\" as a length of time",
    );
    check(
        "[retention]\nkeep_last = 2\ntimezone = \"Europe/Berlni\"\n",
        "lifeboat.toml:3: \"Europe/Berlni\" is no time zone of this system",
    );
    check("[retention]\nkeep_last = 2\nkeep_preset = true\n", "lifeboat.toml:3: failed to apply");
    check(
        "[[database]]\npath = \"app.db\"\n[database.retention]\nkeep_last = 0\nkeep_daily = 1\n",
        "lifeboat.toml:3: failed to apply keep_last = 0, which keeps nothing",
    );
    check(
        "[retention]\nkeep_last = 2\nkeep_tag = [\"=\"]\n",
        "lifeboat.toml:3: failed to use keep_tag",
    );
    // A tag that no snapshot bears is seen only by who looks at them.
    let tagged = "[retention]\nkeep_tag = [\"relaese\"]\n";
    std::fs::write(folder.path("lifeboat.toml"), tagged).expect("writes");
    let ran = folder.run(&["forget", "app"]);
    assert!(ran.code == 2 && ran.err.contains("relaese"), "{ran:?}");
    assert_eq!(folder.objects(), before);
    // The list is there all the same.
    assert_eq!(listed(&folder, "app").len(), 3);
}

/// How long the trash lasts, and what is never dropped from it.
#[test]
fn trash_and_floor_of_the_settings() {
    let settings = |floor: u32| {
        format!(
            "[retention]\nkeep_last = 1\ntrash = \"0s\"\nfloor_snapshots = {floor}\nfloor_age = \"0s\"\n"
        )
    };
    let folder = folder(&["app.db"], 5, &settings(3));
    let done = folder.run(&["forget", "app"]).ok();
    assert!(done.out.contains("after 0 seconds"), "{done:?}");
    let kept = folder.run(&["--json", "prune", "--trash", "7d"]).ok().last();
    assert_eq!(kept["dropped"], 0, "what is typed counts");
    let dropped = folder.run(&["--json", "prune"]).ok().last();
    assert_eq!(dropped["dropped"], 2, "the three newest stay");
    std::fs::write(folder.path("lifeboat.toml"), settings(1)).expect("writes");
    let dropped = folder.run(&["--json", "prune"]).ok().last();
    assert_eq!(dropped["dropped"], 2);
    folder.restore("app", "latest");
}

/// A file that a pattern found is gone, and which policy was meant is not known:
/// none is taken for it.
#[test]
fn a_database_that_is_gone() {
    let settings = "[retention]\nkeep_last = 1\n\
                    [[database]]\npath = \"data/*.db\"\n\
                    [database.retention]\nkeep_last = 4\n";
    let folder = folder(&["data/a.db", "data/b.db"], 5, settings);
    std::fs::remove_file(folder.path("data/a.db")).expect("removes");
    let ran = folder.run(&["forget", "a"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.err.contains("it may be one that is gone"), "{ran:?}");
    assert_eq!(listed(&folder, "a").len(), 5);
    folder.run(&["forget", "b"]).ok();
    assert_eq!(listed(&folder, "b").len(), 4);
    folder.run(&["forget", "a", "--keep-last", "2"]).ok();
    assert_eq!(listed(&folder, "a").len(), 2);
}

/// Assertions for all, and for one database besides.
#[test]
fn assertions_of_the_settings() {
    let settings = "[drill]\nassert = [\"SELECT count(*) > 0 FROM t\"]\n\
                    [[database]]\npath = \"app.db\"\n\
                    [database.drill]\nassert = [\"SELECT max(a) = 7 FROM t\"]\n";
    let folder = folder(&["app.db", "other.db"], 1, settings);
    let failed = folder.run(&["drill", "app"]);
    assert_eq!(failed.code, 4, "{failed:?}");
    assert!(failed.out.contains("1 of 2 assertions"), "{failed:?}");
    assert!(failed.out.contains("FAILED SELECT max(a) = 7"), "{failed:?}");
    let passed = folder.run(&["drill", "other", "--assert", "SELECT 1"]).ok();
    assert!(passed.out.contains("2 of 2 assertions"), "{passed:?}");
}
