//! Links: rows and the objects they mention, on a store that speaks S3.

mod killed;
mod media;
mod restarted;
mod restored;

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use lifeboat_testing::databases::open;
use lifeboat_testing::servers::{
    ACCESS_KEY, Fault, FaultProxy, Kind, REGION, S3Server, SECRET_KEY,
};
use serde_json::Value;

use crate::command::{Folder, Ran};

const RULES: &str = r#"
[[database]]
path = "app.db"

[[links]]
name = "documents"
database = "app"
columns = ["documents.file_key"]
size_column = "bytes"
url = "{URL}"
on_broken = "delete"
probe_insert = "INSERT INTO documents (file_key) VALUES (:key)"

[[links]]
name = "avatars"
database = "app"
columns = ["users.avatar"]
url_bases = ["https://media.example.org/"]
url = "{URL}"
on_broken = "null"

[[links]]
name = "pages"
database = "app"
query = "SELECT 'pages/' || folder || '/' || name AS path, id FROM pages WHERE lost = 0"
url = "{URL}"
on_broken = "UPDATE pages SET lost = 1 WHERE id = :id"
"#;

/// An application with files in a bucket.
struct App {
    folder: Folder,
    bucket: PathBuf,
    server: S3Server,
    wire: FaultProxy,
}

/// Rows of three tables, an object for each, and what is wrong with them.
struct Made {
    broken: BTreeSet<String>,
    orphaned: BTreeSet<String>,
}

fn app() -> App {
    app_at("s3://media/app?retry_budget=1s")
}

fn app_at(url: &str) -> App {
    let server = S3Server::start("media");
    let wire = FaultProxy::before(server.address());
    let folder = Folder::new();
    let rules = RULES.replace("{URL}", url);
    std::fs::write(folder.path("lifeboat.toml"), rules).expect("writes");
    let bucket = server.folder().join("app");
    App { folder, bucket, server, wire }
}

/// The same with a directory for a bucket.
fn app_in_a_directory() -> App {
    let app = app();
    let bucket = app.folder.path("bucket");
    let rules = RULES.replace("{URL}", "bucket");
    std::fs::write(app.folder.path("lifeboat.toml"), rules).expect("writes");
    App { bucket, ..app }
}

impl App {
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.folder.command();
        command
            .env("AWS_ENDPOINT_URL", self.wire.url())
            .env("AWS_ACCESS_KEY_ID", ACCESS_KEY)
            .env("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
            .env("AWS_REGION", REGION)
            .args(arguments);
        command
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        self.command(arguments).output().expect("the binary runs").into()
    }

    fn links(&self, arguments: &[&str]) -> Ran {
        self.run(&[&["--json", "links"], arguments].concat())
    }

    /// Puts an object that is a week old, without asking the server.
    fn put(&self, key: &str) {
        put_into(&self.bucket, key);
    }

    fn sql(&self, sql: &str) {
        open(&self.folder.path("app.db"), "wal").execute_batch(sql).expect("runs");
    }

    fn ask(&self, sql: &str) -> String {
        open(&self.folder.path("app.db"), "wal")
            .query_row(sql, [], |row| row.get(0))
            .expect("one row")
    }

    /// Everything in the database.
    fn rows(&self) -> String {
        self.ask(
            "SELECT (SELECT group_concat(id || file_key) FROM documents)
               || (SELECT group_concat(id || ifnull(avatar, '-')) FROM users)
               || (SELECT group_concat(id || name || lost) FROM pages)",
        )
    }

    /// The keys of all objects.
    fn objects(&self) -> BTreeSet<String> {
        let mut all = BTreeSet::new();
        collect(&self.bucket, "", &mut all);
        all
    }

    /// `good` rows of each of three tables with their objects, and in between rows
    /// without objects and objects without rows.
    fn fill(&self, good: usize, broken: usize, orphaned: usize) -> Made {
        let mut made = Made { broken: BTreeSet::new(), orphaned: BTreeSet::new() };
        let connection = open(&self.folder.path("app.db"), "wal");
        connection
            .execute_batch(
                "CREATE TABLE documents(id INTEGER PRIMARY KEY, file_key TEXT, bytes);
                 CREATE TABLE users(id INTEGER PRIMARY KEY, avatar TEXT);
                 CREATE TABLE pages(id INTEGER PRIMARY KEY, folder, name, lost DEFAULT 0);
                 BEGIN",
            )
            .expect("makes tables");
        let tables = [
            "INSERT INTO documents(file_key, bytes) VALUES(?1, 5)",
            "INSERT INTO users(avatar) VALUES('https://media.example.org/' || ?1 || '?v=1')",
            "INSERT INTO pages(folder, name) VALUES(substr(?1, 7, 2), substr(?1, 10))",
        ];
        let key = |table: usize, n: usize, word: &str| {
            let folder = n % 50 + 10;
            [
                format!("docs/{folder}/a b{word}{n}"),
                format!("u/{word}{n}.jpg"),
                format!("pages/{folder}/{word}{n}"),
            ][table]
                .clone()
        };
        for (table, sql) in tables.iter().enumerate() {
            let mut insert = connection.prepare(sql).expect("compiles");
            for n in 0..good {
                let key = key(table, n, "");
                self.put(&key);
                insert.execute([key]).expect("inserts");
            }
            for n in 0..broken / 3 {
                let key = key(table, n, "gone");
                insert.execute([&key]).expect("inserts");
                made.broken.insert(key);
            }
        }
        // Beside the others, in folders of their own, and of no bytes at all.
        for n in 0..orphaned {
            let key = match n % 4 {
                0 => format!("docs/{}/orphan{n}", n % 50 + 10),
                1 => format!("left/over/ü {n}"),
                2 => format!("z{n}"),
                _ => format!("empty/{n}"),
            };
            self.put(&key);
            made.orphaned.insert(key);
        }
        connection.execute_batch("COMMIT").expect("commits");
        made
    }
}

fn put_into(folder: &Path, key: &str) {
    let path = folder.join(key);
    let parent = path.parent().expect("there is one");
    if !parent.is_dir() {
        std::fs::create_dir_all(parent).expect("makes it");
    }
    let mut file = File::create(&path).expect("makes it");
    let content = if key.starts_with("empty/") { "" } else { "bytes" };
    file.write_all(content.as_bytes()).expect("writes");
    let week_ago = SystemTime::now() - Duration::from_secs(7 * 86_400);
    file.set_modified(week_ago).expect("is ours");
}

fn collect(folder: &Path, prefix: &str, all: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).expect("reads").flatten() {
        let name = entry.file_name().into_string().expect("UTF-8");
        match entry.path().is_dir() {
            true => collect(&entry.path(), &format!("{prefix}{name}/"), all),
            false => drop(all.insert(format!("{prefix}{name}"))),
        }
    }
}

fn of_kind(ran: &Ran, kind: &str) -> BTreeSet<String> {
    let objects = ran.json().into_iter();
    let found =
        objects.filter(|object| object["message_type"] == "finding" && object["kind"] == kind);
    found.map(|object| object["key"].as_str().expect("a text").to_owned()).collect()
}

fn message<'v>(all: &'v [Value], kind: &str) -> &'v Value {
    let found = all.iter().find(|object| object["message_type"] == kind);
    found.unwrap_or_else(|| panic!("no {kind}: {all:?}"))
}

#[test]
fn what_is_wrong_in_a_bucket_is_found_and_mended_and_brought_back() {
    let app = app_at("s3://media/app");
    found_mended_and_brought_back(&app, 1_000);
    // What came back is broken as before. Saying so changes nothing.
    let (rows, objects) = (app.rows(), app.objects());
    app.server.forget_requests();
    let would = app.links(&["fix", "--all", "--expect-broken", "300"]);
    assert_eq!((would.code, &would.last()["applied"]), (4, &false.into()), "{would:?}");
    assert_eq!(would.last()["broken"], 300);
    assert_eq!((app.rows(), app.objects()), (rows, objects));
    // Comparing took one listing, a thousand objects a page.
    assert_eq!(app.server.count(Kind::List), (3 * 1_000 + 200_usize).div_ceil(1000));
    for kind in [Kind::Put, Kind::Delete, Kind::DeleteMany, Kind::Multipart] {
        assert_eq!(app.server.count(kind), 0, "{kind:?}");
    }
}

#[test]
fn and_among_a_hundred_thousand_in_a_directory() {
    let app = app_in_a_directory();
    let made = app.fill(33_300, 300, 200);
    exactly_is_found(&app, &made, 3 * 33_300);
    let rows = app.rows();
    let done = app.links(&["fix", "--apply"]).ok().json();
    assert_eq!(done.last().expect("a summary")["fixed"], 300);
    assert_eq!(app.links(&["check"]).last()["broken"], 0);
    let undo = message(&done, "fixed")["undo"].as_str().expect("a command");
    app.run(&undo.split(' ').skip(1).collect::<Vec<_>>()).ok();
    assert_eq!(app.rows(), rows);
}

/// What is wrong is found, and nothing else.
fn exactly_is_found(app: &App, made: &Made, healthy: u64) {
    let checked = app.links(&["check"]);
    assert_eq!(checked.code, 4, "{} {:?}", checked.err, checked.out.lines().last());
    assert_eq!(of_kind(&checked, "broken"), made.broken);
    assert_eq!(of_kind(&checked, "orphaned"), made.orphaned);
    let summary = checked.last();
    let number = |name: &str| summary[name].as_u64().expect("a number");
    let found = ["healthy", "broken", "orphaned", "unknown", "wrong_size"].map(number);
    assert_eq!(found, [healthy, 300, 200, 0, 0]);
}

/// Exactly what is wrong, with so many rows in each of three tables that are not.
fn found_mended_and_brought_back(app: &App, good: usize) {
    let made = app.fill(good, 300, 200);
    let (rows, objects) = (app.rows(), app.objects());

    exactly_is_found(app, &made, 3 * good as u64);

    // Done; a row's size is in its own table, so that three ways to mend are used.
    let fixed = app.links(&["fix", "--all", "--apply"]).ok().json();
    let done = message(&fixed, "fixed");
    let numbers = [&done["deleted"], &done["emptied"], &done["ran"]];
    assert_eq!(numbers, [&Value::from(100); 3]);
    assert_eq!(message(&fixed, "cleaned")["removed"], 200);
    let well = app.links(&["check"]).ok().last();
    assert_eq!((&well["orphaned"], &well["quarantined"]), (&0.into(), &200.into()));
    let left = app.objects().into_iter().filter(|key| !key.contains(".lifeboat/"));
    assert_eq!(left.count(), 3 * good);

    // And taken back: the objects with a command, the rows with the one that was named.
    let undo = done["undo"].as_str().expect("a command");
    let back = app.links(&["clean", "--undo"]).ok();
    assert_eq!(back.last()["back"], 200);
    assert_eq!(app.objects(), objects);
    app.run(&undo.split(' ').skip(1).collect::<Vec<_>>()).ok();
    assert_eq!(app.rows(), rows);
}

#[test]
fn a_store_that_cannot_be_believed_mends_nothing() {
    let app = app();
    app.fill(20, 9, 4);
    let (rows, objects) = (app.rows(), app.objects());
    const EMPTY: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ListBucketResult \
        xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Name>media</Name><Prefix>app/</Prefix>\
        <KeyCount>0</KeyCount><MaxKeys>1000</MaxKeys><IsTruncated>false</IsTruncated>\
        </ListBucketResult>";
    let faults = [
        (Kind::List, "", Fault::Refuse(500, "InternalError")),
        (Kind::List, "", Fault::Refuse(403, "AccessDenied")),
        (Kind::Head, "", Fault::Refuse(500, "InternalError")),
        (Kind::Head, "gone1", Fault::Refuse(503, "SlowDown")),
        (Kind::Head, "gone2", Fault::Refuse(403, "AccessDenied")),
        // A listing that is empty, or ends early, and says that this is all.
        (Kind::List, "", Fault::Say(EMPTY)),
    ];
    for (kind, part, fault) in faults {
        app.wire.when(kind, part).always(fault);
        for command in [&["fix", "--apply", "--expect-broken", "9"][..], &["clean", "--apply"]] {
            let ran = app.links(command);
            assert_eq!(ran.code, 13, "{fault:?} {command:?}: {ran:?}");
            assert_eq!(ran.last()["message_type"], "error");
        }
        app.wire.heal();
        assert_eq!((app.rows(), app.objects()), (rows.clone(), objects.clone()), "{fault:?}");
    }
}

#[test]
fn the_wrong_bucket_is_not_mended_without_being_meant() {
    let app = app();
    app.fill(20, 9, 0);
    let refused = app.links(&["fix", "--apply"]);
    assert_eq!(refused.code, 4, "{refused:?}");
    let hint = refused.last()["hint"].as_str().expect("a text").to_owned();
    assert!(hint.contains("--expect-broken 9"), "{hint}");
    assert_eq!(app.links(&["fix", "--apply", "--expect-broken", "8"]).code, 4);
    app.links(&["fix", "--apply", "--expect-broken", "9"]).ok();
    // Rows that are all gone make all objects orphans.
    app.sql("DELETE FROM documents; DELETE FROM pages");
    let refused = app.links(&["clean", "--apply"]);
    assert_eq!(refused.code, 4, "{refused:?}");
    assert_eq!(app.objects().len(), 60);
    // Without a snapshot, and nobody to ask: no.
    app.sql("INSERT INTO documents(file_key) VALUES('gone')");
    let no = app.links(&["fix", "--apply", "--no-snapshot", "--expect-broken", "1"]);
    assert_eq!((no.code, &no.last()["applied"]), (4, &false.into()), "{no:?}");
    let yes = ["fix", "--apply", "--no-snapshot", "--expect-broken", "1", "--yes"];
    let done = app.links(&yes).ok().json();
    assert_eq!(message(&done, "fixed")["undo"], Value::Null);
}

#[test]
fn a_store_that_forgets_is_told_from_one_that_does_not() {
    let mut app = app();
    app.fill(20, 0, 0);
    let made = app.links(&["check", "--create-test"]).ok().last();
    let key = made["tests"][0].as_str().expect("a key").to_owned();
    let test = |app: &App| {
        let ran = app.links(&["check"]);
        let store = message(&ran.json(), "store").clone();
        (ran.code, store["tests"][0]["object"] == true, store["tests"][0]["row"] == true)
    };
    assert_eq!(test(&app), (0, true, true));
    // Another server with the same objects is one that was started again.
    let again = S3Server::start("media");
    let copied = Command::new("cp")
        .arg("-a")
        .arg(app.server.folder().join("."))
        .arg(again.folder())
        .status();
    assert!(copied.expect("cp runs").success());
    app.wire = FaultProxy::before(again.address());
    app.server = again;
    assert_eq!(test(&app), (0, true, true));
    // And one without any is one that forgot; the rows agree.
    let empty = S3Server::start("media");
    app.wire = FaultProxy::before(empty.address());
    app.server = empty;
    assert_eq!(test(&app), (4, false, true));
    let ran = app.links(&["check"]);
    assert_eq!(ran.last()["broken"], 60);
    assert!(app.ask("SELECT group_concat(file_key) FROM documents").contains(&key));
    app.links(&["check", "--remove-test"]).ok();
    assert!(!app.ask("SELECT group_concat(file_key) FROM documents").contains(&key));
}

#[test]
fn keys_of_another_database_are_piped_in() {
    let app = app();
    app.fill(3, 0, 0);
    let list = "docs/10/a b0\t1\nit's gone\t2\nback\\slash\t3\n";
    let arguments = [
        "links",
        "fix",
        "--keys",
        "-",
        "--store",
        "s3://media/app",
        "--column",
        "documents.file_key",
        "--id-column",
        "id",
        "--on-broken",
        "null",
        "--emit-sql",
        "--expect-broken",
        "2",
    ];
    let emit = |more: &[&str]| -> Ran {
        let mut command = app.command(&[&arguments[..], more].concat());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary runs");
        child.stdin.take().expect("is piped").write_all(list.as_bytes()).expect("is taken");
        child.wait_with_output().expect("ends").into()
    };
    let postgres = emit(&[]);
    assert_eq!(postgres.code, 4, "{postgres:?}");
    let expected = "BEGIN;\n\
        UPDATE \"documents\" SET \"file_key\" = NULL WHERE \"id\" = '3' AND \"file_key\" = E'back\\\\slash';\n\
        UPDATE \"documents\" SET \"file_key\" = NULL WHERE \"id\" = '2' AND \"file_key\" = 'it''s gone';\n\
        COMMIT;\n";
    assert_eq!(postgres.out, expected);
    // And SQLite's own shell takes its own.
    app.sql(
        "UPDATE documents SET file_key = 'it''s gone' WHERE id = 2;
         UPDATE documents SET file_key = 'back\\slash' WHERE id = 3",
    );
    let mut shell = Command::new("sqlite3");
    shell.arg(app.folder.path("app.db")).stdin(Stdio::piped());
    let mut child = shell.spawn().expect("sqlite3 is installed");
    let sql = emit(&["--dialect", "sqlite"]).out;
    child.stdin.take().expect("is piped").write_all(sql.as_bytes()).expect("is taken");
    assert!(child.wait().expect("ends").success());
    assert_eq!(
        app.ask("SELECT group_concat(ifnull(file_key, 'null')) FROM documents"),
        "docs/10/a b0,null,null"
    );
}

#[test]
fn reports_for_people_and_for_spreadsheets() {
    let app = app();
    app.fill(60, 15, 12);
    let people = app.run(&["links", "check"]);
    assert_eq!(people.code, 4);
    for words in
        ["15  broken", "12  orphaned", "… and 5 more broken, 2 more orphaned; --csv lists all"]
    {
        assert!(people.out.contains(words), "{words}: {}", people.out);
    }
    let table = app.run(&["links", "check", "--csv"]);
    let lines: Vec<&str> = table.out.lines().collect();
    assert_eq!(lines[0], "kind,key,store,rule,database,row,value,size,modified,detail");
    assert_eq!(lines.len(), 1 + 15 + 12);
    let document = lines.iter().find(|line| line.contains("docs/10/a bgone0")).expect("is there");
    assert!(
        document.starts_with("broken,docs/10/a bgone0,s3://media/app,documents,app,\"{\"\""),
        "{document}"
    );
    // Without rules there is nothing to compare.
    std::fs::write(app.folder.path("lifeboat.toml"), "").expect("writes");
    assert_eq!(app.run(&["links", "check"]).code, 2);
}
