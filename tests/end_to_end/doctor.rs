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
    has(&found, "warning", "no verification is recorded");
    has(&found, "warning", "no drill is recorded");
    assert_eq!(folder.objects(), before);
}

/// What a check and a drill recorded is seen, and how old it may be is set.
#[test]
fn what_was_proven_and_how_long_ago() {
    let folder = with_databases(&["app.db"]);
    folder.backup("app.db");
    folder.run(&["check", "app", "--read-data"]).ok();
    let (found, _) = findings(&folder, &[], &["app.db"]);
    has(&found, "ok", "the last verification is from");
    has(&found, "warning", "no drill is recorded");
    folder.run(&["drill", "app"]).ok();
    let (found, _) = findings(&folder, &[], &["app.db"]);
    has(&found, "ok", "the last drill is from");
    let at_once = [
        ("LIFEBOAT_HEALTH__WARN_AGE", "0s"),
        ("LIFEBOAT_HEALTH__MAX_VERIFY_AGE", "0s"),
        ("LIFEBOAT_HEALTH__MAX_DRILL_AGE", "0s"),
        ("LIFEBOAT_HEALTH__MIN_FREE_SPACE", "900000TiB"),
    ];
    let (found, code) = findings(&folder, &at_once, &["app.db"]);
    assert_eq!(code, 0, "{found:#?}");
    for what in ["backup", "verification", "drill"] {
        has(&found, "warning", &format!("the last {what} is from"));
    }
    has(&found, "warning", "health.min_free_space is");
}

/// What a check finds is a problem until it is mended.
#[test]
fn what_a_check_found() {
    let folder = with_databases(&["app.db"]);
    folder.backup("app.db");
    let pack = folder.objects_of("packs/").remove(0);
    let mut bytes = std::fs::read(&pack).expect("reads");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&pack, bytes).expect("writes");
    assert_eq!(folder.run(&["check", "app", "--read-data"]).code, 4);
    let (found, code) = findings(&folder, &[], &["app.db"]);
    assert_eq!(code, 1, "{found:#?}");
    has(&found, "problem", "is damaged: ");
}

/// What is to be copied means the place that was typed.
#[test]
fn a_fix_goes_to_the_same_place() {
    let folder = with_databases(&["app.db"]);
    folder.run(&["-r", "there", "backup", "app.db"]).ok();
    let ran = folder.run(&["-r", "there", "--json", "doctor", "app.db"]).ok();
    let fixes: Vec<Value> = ran.json().iter().map(|one| one["fix"].clone()).collect();
    assert!(fixes.contains(&"lifeboat -r 'there' drill 'app'".into()), "{fixes:#?}");
}

/// Every destination is looked at, and each for itself.
#[test]
fn all_destinations() {
    let folder = with_databases(&["app.db"]);
    write(
        &folder,
        "lifeboat.toml",
        "[[destination]]\nname = \"one\"\nrole = \"fallback\"\nurl = \"one\"\n\
         [[destination]]\nname = \"two\"\nrole = \"primary\"\nurl = \"two\"\n\
         [[destination]]\nname = \"three\"\nrole = \"mirror\"\nurl = \"three\"\n",
    );
    folder.backup("app.db");
    let _ = std::fs::remove_dir_all(folder.path("one"));
    write(&folder, "one", "no directory");
    let (found, code) = findings(&folder, &[], &["app.db"]);
    assert_eq!(code, 1, "{found:#?}");
    has(&found, "problem", "one is not a directory");
    has(&found, "ok", "the last backup is from");
    let about = |place: &str| {
        let about = format!("destination {place}");
        found.iter().any(|one| one["about"] == about.as_str())
    };
    assert!(about("one") && about("two") && about("three"), "{found:#?}");
}

/// What was meant and is not done is told, whoever's variables say it.
#[test]
fn where_backups_do_not_go() {
    let folder = with_databases(&["app.db"]);
    let (found, _) = findings(&folder, &[("BACKUP_USE_AWS", "true")], &["app.db"]);
    has(&found, "warning", "BACKUP_USE_AWS is on, but BACKUP_S3_BUCKET is not set");
    let (found, _) = findings(&folder, &[("BACKUP_S3_BUCKET", "b")], &["app.db"]);
    has(&found, "ok", "BACKUP_S3_BUCKET is set, but BACKUP_USE_AWS is not on");
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

/// A key that others can read, or find by trying, is one of theirs.
#[test]
fn a_key_that_protects_little() {
    use std::os::unix::fs::PermissionsExt;

    let folder = with_databases(&["app.db"]);
    write(&folder, "key", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n");
    let mode = |mode| {
        let path = folder.path("key");
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("is ours");
    };
    mode(0o644);
    let variables = [("LIFEBOAT_KEY_FILE", "key")];
    let (found, _) = findings(&folder, &variables, &["app.db"]);
    has(&found, "warning", "others than its owner can use key (mode 644)");
    mode(0o600);
    let (found, _) = findings(&folder, &variables, &["app.db"]);
    assert!(!format!("{found:?}").contains("others than its owner"), "{found:#?}");
    let (found, _) = findings(&folder, &[("LIFEBOAT_PASSPHRASE", "hush")], &["app.db"]);
    has(&found, "warning", "the passphrase has 4 characters");
}

/// What the store tells of versions and object lock, and what it does not tell.
#[test]
fn what_protects_from_deletion() {
    use lifeboat_testing::servers::{
        ACCESS_KEY, Fault, FaultProxy, Kind, REGION, S3Server, SECRET_KEY,
    };

    let folder = with_databases(&["app.db"]);
    let server = S3Server::start("bucket");
    let proxy = FaultProxy::before(server.address());
    let look = |versioning: Option<Fault>, lock: Option<Fault>| {
        for (what, fault) in [("versioning", versioning), ("object-lock", lock)] {
            if let Some(fault) = fault {
                proxy.when(Kind::Bucket, what).once(fault);
            }
        }
        let url = proxy.url();
        let variables = [
            ("LIFEBOAT_REPOSITORY", "s3://bucket/a/prefix?retry_budget=1s&request_timeout=1s"),
            ("AWS_ENDPOINT_URL", url.as_str()),
            ("AWS_ACCESS_KEY_ID", ACCESS_KEY),
            ("AWS_SECRET_ACCESS_KEY", SECRET_KEY),
            ("AWS_REGION", REGION),
        ];
        let found = findings(&folder, &variables, &["app.db"]).0;
        assert_eq!(proxy.waiting(), 0, "both are asked");
        let about = |end: &str| {
            let fits = |one: &&Value| one["about"].as_str().is_some_and(|text| text.ends_with(end));
            found.iter().find(fits).unwrap_or_else(|| panic!("{end}: {found:#?}")).clone()
        };
        (about(": versioning"), about(": object lock"))
    };
    let check = |one: &Value, level: &str, words: &str| {
        assert_eq!(one["level"], level, "{one}");
        assert!(one["message"].as_str().is_some_and(|text| text.contains(words)), "{words}: {one}");
    };
    // The server takes the signature, and knows nothing of either.
    let (versions, lock) = look(None, None);
    check(&versions, "warning", "not known: failed to ask the bucket for versioning");
    check(&versions, "warning", "NotImplemented");
    check(&lock, "warning", "not known: failed to ask the bucket for object-lock");
    let (versions, lock) = look(
        Some(Fault::Say("<VersioningConfiguration/>")),
        Some(Fault::Refuse(404, "ObjectLockConfigurationNotFoundError")),
    );
    check(&versions, "warning", "can delete the backups for good");
    let fix = versions["fix"].as_str().expect("there is one");
    assert!(fix.contains("put-bucket-versioning --bucket 'bucket' "), "{fix}");
    check(&lock, "ok", "off");
    const ON: &str = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
    const HOLDS: &str = "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled>\
         <Rule><DefaultRetention><Mode>COMPLIANCE</Mode><Days>30</Days></DefaultRetention></Rule>\
         </ObjectLockConfiguration>";
    let (versions, lock) = look(Some(Fault::Say(ON)), Some(Fault::Say(HOLDS)));
    check(&versions, "ok", "can be had back");
    check(&lock, "ok", "for 30 days, nobody can end it sooner");
    let denied = Some(Fault::Refuse(403, "AccessDenied"));
    let (versions, lock) = look(denied, denied);
    check(&versions, "warning", "AccessDenied (403)");
    assert!(versions["fix"].as_str().is_some_and(|fix| fix.contains("s3:GetBucketVersioning")));
    check(&lock, "warning", "not known");
}

/// Somebody waits for the page: where nobody answers, one question is enough.
#[test]
fn a_place_that_does_not_answer() {
    let folder = with_databases(&["app.db"]);
    let variables = [
        ("LIFEBOAT_REPOSITORY", "s3://bucket?retry_budget=100ms"),
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:1"),
        ("AWS_ACCESS_KEY_ID", "x"),
        ("AWS_SECRET_ACCESS_KEY", "x"),
    ];
    let (found, code) = findings(&folder, &variables, &["app.db"]);
    assert_eq!(code, 1);
    // Or, on a busy machine, that it did not answer within that time.
    has(&found, "problem", "failed to read format/1: the storage ");
    let there = |one: &&Value| one["about"].as_str().is_some_and(|about| about.contains("s3://"));
    assert_eq!(found.iter().filter(there).count(), 1, "{found:#?}");
    has(&found, "ok", "can be read");
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
