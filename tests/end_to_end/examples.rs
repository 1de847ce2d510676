//! The examples that stand beside the crates, run as their first lines say.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use lifeboat_testing::databases::open;

use crate::command::Folder;
use crate::docs::root;
use crate::embedding::{example, run_example};

/// An example that runs until it is told to stop.
struct Running {
    process: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Running {
    fn start(folder: &Folder, name: &str, arguments: &[&str]) -> Self {
        let mut command = example(folder, name, arguments);
        let mut process = command.stdout(Stdio::piped()).spawn().expect("starts");
        let lines = BufReader::new(process.stdout.take().expect("is piped")).lines();
        Self { process, lines }
    }

    fn line(&mut self) -> String {
        self.lines.next().expect("a line").expect("text")
    }

    /// Ends it as Control-C does.
    fn stop(mut self) {
        let pid = self.process.id().to_string();
        assert!(Command::new("kill").args(["-s", "INT", &pid]).status().expect("runs").success());
        assert!(self.process.wait().expect("ends").success());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Only what was started here, where the test ended before it.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn with_database(sql: &str) -> (Folder, rusqlite::Connection) {
    let folder = Folder::new();
    let application = open(&folder.path("app.db"), "wal");
    application.execute_batch(sql).expect("writes");
    (folder, application)
}

#[test]
fn all_are_short() {
    let mut seen = 0;
    for folder in fs::read_dir(root().join("crates")).expect("is there").flatten() {
        let Ok(files) = fs::read_dir(folder.path().join("examples")) else { continue };
        for file in files.flatten() {
            let text = fs::read_to_string(file.path()).expect("is text");
            let lines = text.lines().count();
            assert!(lines <= 41, "{} has {lines} lines", file.path().display());
            seen += 1;
        }
    }
    assert!(seen >= 12, "{seen} examples");
}

/// Every second: what changed in between is sent, and nothing else.
#[test]
fn schedule() {
    let (folder, application) = with_database("CREATE TABLE t AS SELECT 1 AS a");
    let mut running = Running::start(&folder, "schedule", &["app.db", "backups", "1"]);
    assert_eq!(running.line(), "app: 2 pages sent");
    assert_eq!(running.line(), "app: nothing changed");
    application.execute_batch("UPDATE t SET a = 2").expect("writes");
    let sent = loop {
        let line = running.line();
        if line != "app: nothing changed" {
            break line;
        }
    };
    assert_eq!(sent, "app: 1 pages sent");
    running.stop();
    folder.run(&["check", "app", "--read-data"]).ok();
}

/// The page is for whoever the application knows, and the application goes on.
#[test]
fn admin() {
    let (folder, _application) = with_database("CREATE TABLE t AS SELECT 1 AS a");
    let mut running = Running::start(&folder, "admin", &["app.db", "backups", "127.0.0.1:0"]);
    let line = running.line();
    let address = line.strip_prefix("listening on ").expect("an address");
    let ask = |path: &str, header: &str| {
        let mut stream = TcpStream::connect(address).expect("connects");
        let request =
            format!("GET {path} HTTP/1.1\r\nhost: {address}\r\n{header}connection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("sends");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("answers");
        answer
    };
    assert!(ask("/", "").ends_with("the application\n"));
    let (databases, alice) = ("/backups/api/v1/databases", "x-user: alice\r\n");
    assert!(ask(databases, "").starts_with("HTTP/1.1 401"), "{}", ask(databases, ""));
    let answer = ask(databases, alice);
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("\"app\""), "{answer}");
    assert!(ask("/backups", alice).starts_with("HTTP/1.1 200"));
    assert!(ask("/backups/assets/app.js", "").starts_with("HTTP/1.1 200"));
    running.stop();
}

#[test]
fn links() {
    let (folder, _application) = with_database(
        "CREATE TABLE photos(file_key); INSERT INTO photos VALUES('1.jpg'), ('2.jpg')",
    );
    fs::create_dir(folder.path("media")).expect("is made");
    fs::write(folder.path("media/1.jpg"), "a photo").expect("writes");
    let said = run_example(&folder, "links", &["app.db", "photos.file_key", "media"]);
    assert_eq!(said, "2 rows, 1 objects, 1 broken\nbroken 2.jpg\n");
}

#[test]
fn crypto_alone() {
    let folder = Folder::new();
    let mut command = example(&folder, "sealed", &["a text"]);
    let ran = command.env("PASSPHRASE", "six words that are long enough").output().expect("runs");
    let said = String::from_utf8(ran.stdout).expect("text");
    let expected = "6 bytes became 22\nopened: a text\none bit changed: failed to ";
    assert!(said.starts_with(expected), "{said}");
    assert!(!example(&folder, "sealed", &["x"]).output().expect("runs").status.success());
}

#[test]
fn retention_alone() {
    let said = run_example(&Folder::new(), "policy", &["400"]);
    // Seven days, the ends of five months before, and of the year before.
    assert!(said.starts_with("2025-12-31  newest of year 2025"), "{said}");
    assert_eq!(said.lines().count(), 14, "{said}");
    assert!(said.ends_with("13 of 400 are kept\n"), "{said}");
}

#[test]
fn remote_alone() {
    let folder = Folder::new();
    let run = |name: &str| run_example(&folder, "first", &["somewhere", "leader", name]);
    assert_eq!(run("one"), "one is the first\n");
    assert_eq!(run("two"), "one was before two\n");
    assert_eq!(run("one"), "one is the first\n");
}
