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

/// A bucket that asks for credentials, and one that answers everybody.
#[test]
fn who_can_read_the_bucket() {
    use lifeboat_testing::servers::{ACCESS_KEY, REGION, S3Server, SECRET_KEY};

    let folder = with_databases(&["app.db"]);
    let server = S3Server::start("bucket");
    let look = |endpoint: &str| {
        let variables = [
            ("LIFEBOAT_REPOSITORY", "s3://bucket?retry_budget=1s&request_timeout=1s"),
            ("AWS_ENDPOINT_URL", endpoint),
            ("AWS_ACCESS_KEY_ID", ACCESS_KEY),
            ("AWS_SECRET_ACCESS_KEY", SECRET_KEY),
            ("AWS_REGION", REGION),
            ("AWS_ALLOW_HTTP", "true"),
        ];
        findings(&folder, &variables, &["app.db"]).0
    };
    let found = look(&server.url());
    has(&found, "ok", "cannot be read without credentials");
    has(&found, "ok", "refuses to write over what is there");
    has(&found, "ok", "allows to delete");
    has(&found, "problem", "there is no repository");
    has(&found, "warning", "whoever can read the storage can read the backups");
    let found = look(&answers_everybody());
    has(&found, "problem", "everybody can read it");
}

/// The URL of a server that gives one byte to everybody who asks for anything.
fn answers_everybody() -> String {
    use std::io::{Read as _, Write as _};

    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("binds");
    let url = format!("http://{}", listener.local_addr().expect("has one"));
    // Ends with the process of the test.
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { continue };
            let _ = stream.read(&mut [0; 65_536]);
            let _ = stream.write_all(
                b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nETag: \"e\"\r\nConnection: close\r\n\
                  Last-Modified: Fri, 20 Nov 2026 10:00:00 GMT\r\n\r\nx",
            );
        }
    });
    url
}
