//! Texts that must not be found where they do not belong.

use lifeboat_testing::databases::Numbers;

use super::*;

const ROW: &str = "canary-in-a-row";
const TABLE: &str = "canary_table";
const COLUMN: &str = "canary_column";
const DESCRIPTION: &str = "canary-description";
const TAG: (&str, &str) = ("canary-tag", "canary-tag-value");
const CONTENT: [&str; 6] = [ROW, TABLE, COLUMN, DESCRIPTION, TAG.0, TAG.1];
const SECRETS: [&str; 3] = [KEY, OTHER_KEY, PASSPHRASE];

fn with_canaries() -> Folder {
    let folder = with_database();
    std::fs::write(folder.path("passphrase"), PASSPHRASE).expect("writes");
    // Random bytes around it: nothing that compresses, so that it would show.
    let mut random = Numbers::new(7);
    let row = [random.bytes(1500), ROW.into(), random.bytes(1500)].concat();
    let connection = open(&folder.path("app.db"), "delete");
    connection.execute_batch(&format!("CREATE TABLE {TABLE}({COLUMN})")).expect("writes");
    for _ in 0..3 {
        connection.execute(&format!("INSERT INTO {TABLE} VALUES(?)"), [&row]).expect("writes");
    }
    folder
}

fn backup(folder: &Folder, variables: &[(&str, &str)]) -> Ran {
    let tag = format!("{}={}", TAG.0, TAG.1);
    let arguments = ["-vvv", "backup", "app.db", "--description", DESCRIPTION, "--tag", &tag];
    run(folder, variables, &arguments).ok()
}

/// Which of some texts are in which files below a directory.
fn found(folder: &Folder, dir: &str, texts: &[&'static str]) -> Vec<(PathBuf, &'static str)> {
    let mut found = Vec::new();
    for path in files(&folder.path(dir)) {
        let bytes = std::fs::read(&path).expect("reads");
        let name = path.to_string_lossy().into_owned();
        for text in texts {
            if holds(&bytes, text) || name.contains(text) {
                found.push((path.clone(), *text));
            }
        }
    }
    found
}

/// Without encryption they are there: what looks for them can find them.
#[test]
fn a_plain_repository_shows_content() {
    let folder = with_canaries();
    backup(&folder, &[]);
    let found = found(&folder, "backups", &CONTENT);
    for text in [ROW, DESCRIPTION, TAG.0, TAG.1] {
        assert!(found.iter().any(|(_, found)| *found == text), "no {text} in {found:?}");
    }
    // The page of the schema is compressed; the names stand in what was sent.
    let database = std::fs::read(folder.path("app.db")).expect("reads");
    assert!(holds(&database, TABLE) && holds(&database, COLUMN));
}

/// No content and no secret is in the repository, in state and cache, in what
/// is logged at the highest level, or in what is said of errors.
#[test]
fn an_encrypted_one_shows_nothing() {
    let folder = with_canaries();
    let new = ["--new-key-file", "new-key", "--label", "second"];
    let paper = ["--new-passphrase-file", "passphrase", "--label", "paper"];
    let mut said = vec![with_key(&folder, &["-vvv", "init"]).ok().err];
    said.push(backup(&folder, &[("LIFEBOAT_KEY", KEY)]).err);
    for command in [
        &[&["-vvv", "key", "add"], &new[..]].concat()[..],
        &[&["-vvv", "key", "add"], &paper[..]].concat(),
        &["-vvv", "key", "list"],
        &["-vvv", "key", "rotate", "--data-key"],
        &["-vvv", "snapshots"],
        &["-vvv", "restore", "app", "--target", "restored", "--check"],
        &["-vvv", "key", "kit"],
    ] {
        said.push(with_key(&folder, command).ok().err);
    }
    let words = [("LIFEBOAT_PASSPHRASE", PASSPHRASE)];
    said.push(run(&folder, &words, &["-vvv", "snapshots"]).ok().err);
    backup(&folder, &words);
    // And what is said when it goes wrong.
    for (name, value) in [
        ("LIFEBOAT_KEY", PASSPHRASE),
        ("LIFEBOAT_KEY", &KEY[..43]),
        ("LIFEBOAT_KEY", &KEY[1..]),
        ("LIFEBOAT_PASSPHRASE", KEY),
    ] {
        let ran = run(&folder, &[(name, value)], &["-vvv", "backup", "app.db"]);
        assert!(!ran.err.contains(value) && !ran.out.contains(value), "{ran:?}");
        said.push(ran.err);
    }
    for path in folder.objects_of("/packs/") {
        let mut bytes = std::fs::read(&path).expect("reads");
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(&path, bytes).expect("writes");
    }
    let ran = with_key(&folder, &["-vvv", "restore", "app", "--target", "no"]);
    assert_eq!(ran.code, 4, "{ran:?}");
    said.push(ran.err);

    for text in CONTENT.iter().chain(&SECRETS) {
        for said in &said {
            assert!(!said.contains(text), "{text} in {said}");
        }
    }
    let all = [&CONTENT[..], &SECRETS].concat();
    for dir in ["backups", "state", "cache"] {
        assert!(!files(&folder.path(dir)).is_empty(), "{dir} is empty");
        assert_eq!(found(&folder, dir, &all), [], "{dir}");
    }
    // Nor the key as the bytes that it stands for.
    for path in folder.objects() {
        let bytes = std::fs::read(&path).expect("reads");
        assert!(!holds(&bytes, "canary-key-canary-key"), "{}", path.display());
    }
}

/// What the list of processes shows while a key is asked for.
#[test]
fn the_list_of_processes() {
    let folder = with_canaries();
    std::fs::write(folder.path("key"), KEY).expect("writes");
    with_key(&folder, &["backup", "app.db"]).ok();
    // The parent of the shell is the binary.
    let look = "tr '\\0' ' ' < /proc/$PPID/cmdline >> seen; cat key";
    let look_again = "tr '\\0' ' ' < /proc/$PPID/cmdline >> seen; cat new-key";
    let variables = [("LIFEBOAT_KEY_COMMAND", look), ("LIFEBOAT_NEW_KEY_COMMAND", look_again)];
    run(&folder, &variables, &["key", "add"]).ok();
    run(&folder, &variables[..1], &["backup", "app.db"]).ok();
    let seen = std::fs::read_to_string(folder.path("seen")).expect("was written");
    assert_eq!(seen.matches("lifeboat").count(), 3, "{seen}");
    for secret in SECRETS {
        assert!(!seen.contains(secret), "{seen}");
    }
}

/// Secrets of settings, each in the place where it belongs.
const OF_SETTINGS: [(&str, &str); 4] = [
    ("token = ", "canary-of-the-page-1234"),
    ("webhook_secret = ", "canary-of-the-webhook-12"),
    ("password = ", "canary-of-the-mail"),
    ("secret_access_key = ", "canary-of-the-store"),
];

/// A configuration with a secret wherever one may stand, and an encrypted repository.
fn configured_with_canaries() -> Folder {
    let folder = with_canaries();
    let [page, webhook, mail, store] =
        OF_SETTINGS.map(|(name, secret)| format!("{name}\"{secret}\""));
    let nobody = "http://127.0.0.1:9";
    let text = format!(
        "[[database]]\npath = \"app.db\"\n[encryption]\nkey = \"{KEY}\"\n[schedule]\nevery = \"1d\"\n\
         on_start = false\n[[destination]]\nname = \"one\"\nrole = \"primary\"\nurl = \"./backups\"\n[[destination]]\n\
         name = \"two\"\nrole = \"fallback\"\nurl = \"s3://bucket/x\"\n[destination.options]\nendpoint = \"{nobody}\"\n\
         allow_http = true\nregion = \"x\"\naccess_key_id = \"shown\"\nretry_budget = \"1s\"\n{store}\n\
         [notify]\nwebhook_url = \"{nobody}/canary-in-a-url\"\n{webhook}\n[notify.mail]\n\
         server = \"127.0.0.1\"\nport = 9\ntls = \"starttls\"\nfrom = \"a@b.example\"\nto = [\"a@b.example\"]\n\
         user = \"shown\"\n{mail}\n[http]\nlisten = \"127.0.0.1:0\"\n{page}\n"
    );
    std::fs::write(folder.path("lifeboat.toml"), text).expect("writes");
    folder
}

/// What anybody may ask for, on the command line and over HTTP, at the highest level of
/// detail, says no secret: of the repository, of the settings, of stores and channels.
#[test]
fn nothing_that_anybody_asks_for_shows_a_secret() {
    let folder = configured_with_canaries();
    let mut said = Vec::new();
    let mut ask = |arguments: &[&str]| {
        let ran = folder.run(&[&["-vvv"], arguments].concat());
        assert_ne!(ran.code, 2, "{arguments:?}: {ran:?}");
        said.push((arguments.join(" "), ran.out + &ran.err));
    };
    ask(&["backup", "app"]);
    for arguments in [
        &["config", "check"][..],
        &["config", "show", "--origin"],
        &["--json", "config", "show"],
        &["doctor"],
        &["--json", "doctor"],
        &["health"],
        &["status"],
        &["check", "--read-data"],
        &["sync"],
        &["notify", "test"],
        &["storage", "probe", "s3://bucket/x"],
        &["restore", "app", "--target", "a.db", "--at", "2001-01-01"],
    ] {
        ask(arguments);
    }
    let (_, token) = OF_SETTINGS[0];
    let served = crate::http::Served::start(&folder, &[]);
    for path in [
        "/",
        "/api/v1/databases",
        "/api/v1/databases/app",
        "/api/v1/databases/app/snapshots",
        "/api/v1/health",
        "/api/v1/jobs",
        "/api/v1/destinations",
        "/api/v1/configuration",
        "/api/v1/audit",
        "/api/v1/session",
        "/api/admin/backups",
        "/metrics",
        "/nothing",
    ] {
        for shown in [token, "wrong-token-wrong-token-x"] {
            let (status, body) = served.ask("GET", path, shown, "");
            assert!(status < 500, "{path}: {status}");
            said.push((format!("GET {path}"), body));
        }
    }
    drop(served);
    let [page, webhook, mail, store] = OF_SETTINGS.map(|(_, secret)| secret);
    for secret in [KEY, page, webhook, mail, store, "canary-in-a-url", ROW] {
        for (asked, said) in &said {
            assert!(!said.contains(secret), "{asked} says {secret}:\n{said}");
        }
    }
    assert_eq!(found(&folder, "state", &SECRETS), []);
    assert_eq!(found(&folder, "cache", &SECRETS), []);
}
