//! `lifeboat doctor`: every line, good and bad, and nothing left behind.

use serde_json::Value;

use crate::command::Folder;
use crate::configuration::{run, with_databases, write};

/// The findings, and the exit code.
fn findings(folder: &Folder, variables: &[(&str, &str)], arguments: &[&str]) -> (Vec<Value>, i32) {
    let ran = run(folder, variables, &[&["--json", "doctor"], arguments].concat());
    (ran.json(), ran.code)
}

/// A finding of a level whose message contains some words has a fix, unless it
/// is good.
#[track_caller]
fn has(found: &[Value], level: &str, words: &str) {
    let fits = |one: &&Value| {
        one["level"] == level && one["message"].as_str().is_some_and(|text| text.contains(words))
    };
    let one = found.iter().find(fits).unwrap_or_else(|| panic!("{level} {words}: {found:#?}"));
    assert_eq!(one["fix"].is_string(), level != "ok", "{one}");
}

#[test]
fn a_page_about_what_is_well() {
    let folder = with_databases(&["app.db"]);
    lifeboat_testing::databases::open(&folder.path("app.db"), "wal");
    let (found, code) = findings(&folder, &[], &["app.db"]);
    assert_eq!(code, 0, "{found:#?}");
    for words in [
        "the environment is understood",
        "app.db: can be read",
        "WAL: writers do not wait",
        "SQLite 3.",
        "is made when it is needed",
        "free in",
        "files open",
        "the local disk lasts",
        "backups are not encrypted",
    ] {
        let words = words.strip_prefix("app.db: ").unwrap_or(words);
        has(&found, "ok", words);
    }
    assert_eq!(found.last().expect("a summary")["problems"], 0);
    assert!(!folder.path("backups").exists(), "nothing is made");
    assert!(!folder.path("state").exists() && !folder.path("cache").exists());
}

#[test]
fn a_place_is_tried_and_left_as_it_was() {
    let folder = with_databases(&["app.db"]);
    folder.backup("app.db");
    let before = folder.objects();
    let (found, code) = findings(&folder, &[], &["app.db"]);
    assert_eq!(code, 0, "{found:#?}");
    for words in [
        "refuses to write over what is there",
        "seconds apart",
        "allows to delete",
        "the repository can be read; it is not encrypted",
        "the last backup is from",
    ] {
        has(&found, "ok", words);
    }
    has(&found, "warning", "no verification and no drill");
    assert_eq!(folder.objects(), before);
}

#[test]
fn what_is_wrong_has_a_fix_and_hides_nothing_else() {
    let folder = with_databases(&["app.db"]);
    let (found, code) = findings(&folder, &[("LIFEBOAT_KEY", "short")], &["none.db", "app.db"]);
    assert_eq!(code, 1);
    has(&found, "problem", "find the database none.db");
    has(&found, "problem", "LIFEBOAT_KEY holds no key");
    has(&found, "warning", "a rollback journal");
    has(&found, "ok", "can be read");

    let streamlit = [("STREAMLIT_SHARING_MODE", "1"), ("LIFEBOAT_LOCAL_DISK", "")];
    let (found, code) = findings(&folder, &streamlit, &["app.db"]);
    assert_eq!(code, 1);
    has(&found, "problem", "this is Streamlit Community Cloud");

    write(&folder, "file", "");
    let (found, _) = findings(&folder, &[("LIFEBOAT_STATE_DIR", "file")], &[]);
    has(&found, "problem", "file is not a directory");
    has(&found, "warning", "none is named or configured");

    let (found, _) = findings(&folder, &[("LIFEBOAT_ENABLED", "no")], &["app.db"]);
    has(&found, "problem", "backups are switched off");
}

#[test]
fn a_key_that_does_not_fit() {
    let key = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    let folder = with_databases(&["app.db"]);
    folder.backup("app.db");
    let (found, code) = findings(&folder, &[("LIFEBOAT_KEY", key)], &["app.db"]);
    assert_eq!(code, 1);
    has(&found, "problem", "is not encrypted");
}

#[test]
fn damage_is_seen() {
    let folder = with_databases(&["app.db"]);
    folder.backup("app.db");
    lifeboat_testing::databases::open(&folder.path("app.db"), "delete")
        .execute_batch("INSERT INTO t VALUES(2)")
        .expect("writes");
    folder.backup("app.db");
    let record = folder.objects_of("records/").remove(0);
    std::fs::write(&record, "no record").expect("writes");
    let (found, code) = findings(&folder, &[], &["app.db"]);
    assert_eq!(code, 1);
    has(&found, "problem", "damaged");
}

#[test]
fn few_descriptors() {
    let folder = with_databases(&["app.db"]);
    let mut command = std::process::Command::new("sh");
    let binary = crate::command::binary();
    command.args(["-c", "ulimit -n 64; exec \"$0\" --json doctor app.db"]).arg(binary);
    let ran: crate::command::Ran = folder.under(command).output().expect("sh runs").into();
    has(&ran.json(), "warning", "may have 64 files open");
}
