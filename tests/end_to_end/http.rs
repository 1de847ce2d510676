//! The page and the API of `lifeboat run`, over real databases.

mod cut;

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use lifeboat_testing::databases::open;
use serde_json::{Value, json};

use crate::command::Folder;

const TOKEN: &str = "everything-everything";
const OPERATE: &str = "operate-operate-operate";
const READ: &str = "read-read-read-read-read";

/// A running `lifeboat run` with the interface.
pub(crate) struct Served {
    child: Child,
    address: String,
}

impl Served {
    pub(crate) fn start(folder: &Folder, variables: &[(&str, &str)]) -> Self {
        let mut command = folder.command();
        command.arg("run").envs(variables.iter().copied());
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("starts");
        let mut lines = BufReader::new(child.stderr.take().expect("it is piped")).lines();
        let address = loop {
            let line = lines.next().expect("it says where it listens").expect("a line");
            if let Some((_, address)) = line.split_once("the page is at http://") {
                break address.trim().to_owned();
            }
        };
        // Nobody who writes must wait for a reader.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, address }
    }

    fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// Status and body of what is answered to a request.
    pub(crate) fn ask(&self, method: &str, path: &str, token: &str, body: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(&self.address).expect("it listens");
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {token}\r\nContent-Type: \
             application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            self.address,
            body.len()
        );
        stream.write_all(request.as_bytes()).expect("it is taken");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("it answers");
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        (status.expect("a status"), body.to_owned())
    }

    fn get(&self, path: &str) -> Value {
        let (status, body) = self.ask("GET", path, TOKEN, "");
        assert_eq!(status, 200, "{path}: {body}");
        serde_json::from_str(&body).expect("JSON")
    }

    fn post(&self, path: &str, body: &Value) -> Value {
        let (status, answer) = self.ask("POST", path, TOKEN, &body.to_string());
        assert!((200..300).contains(&status), "{path}: {status} {answer}");
        serde_json::from_str(&answer).expect("JSON")
    }

    /// Begins a job and waits for its end, which the last of its events tells.
    fn job(&self, path: &str, body: &Value) -> Value {
        let id = self.post(path, body)["id"].as_str().expect("an id").to_owned();
        let (status, events) = self.ask("GET", &format!("/api/v1/jobs/{id}/events"), TOKEN, "");
        assert_eq!(status, 200, "{events}");
        let last = events.lines().filter_map(|line| line.strip_prefix("data: ")).next_back();
        let job: Value = serde_json::from_str(last.expect("an event")).expect("JSON");
        assert_eq!(job["state"], "done", "{job:#}");
        job
    }

    /// The most memory that it had so far, in KiB: all of it, and without the
    /// program's own text, which is a third of it where it was not optimised.
    fn peak(&self) -> (u64, u64) {
        let path = format!("/proc/{}/status", self.child.id());
        let status = fs::read_to_string(path).expect("it runs");
        let kib = |name: &str| -> u64 {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("a line");
            line.split_whitespace().next().and_then(|kib| kib.parse().ok()).expect("a number")
        };
        (kib("VmHWM:"), kib("VmHWM:") - kib("RssFile:"))
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
    }
}

fn configured(more: &str) -> Folder {
    let folder = Folder::new();
    open(&folder.path("app.db"), "wal")
        .execute_batch("CREATE TABLE t(a); INSERT INTO t VALUES(1),(2)")
        .expect("writes");
    let text = format!(
        "[[database]]\npath = \"app.db\"\n[schedule]\nevery = \"1d\"\non_start = false\n[http]\n\
         listen = \"127.0.0.1:0\"\n{more}"
    );
    fs::write(folder.path("lifeboat.toml"), text).expect("writes");
    folder
}

fn with_tokens() -> Folder {
    configured(&format!(
        "token = \"{TOKEN}\"\noperate_token = \"{OPERATE}\"\nread_token = \"{READ}\"\n"
    ))
}

fn rows(path: &Path) -> i64 {
    let connection = open(path, "delete");
    connection.query_row("SELECT count(*) FROM t", [], |row| row.get(0)).expect("counts")
}

#[test]
fn everything_over_http() {
    let folder = with_tokens();
    let served = Served::start(&folder, &[]);
    let first = served.post("/api/admin/backup", &json!({}));
    assert_eq!(first["success"], true);
    let key = first["key"].as_str().expect("a key");
    assert!(folder.path("backups").join(key).exists(), "{first}");
    open(&folder.path("app.db"), "wal").execute_batch("INSERT INTO t VALUES(3)").expect("writes");
    let note = json!({ "description": "a third", "tags": { "release": "3" } });
    let job = served.job("/api/v1/databases/app/backups", &note);
    let id = job["backup"]["snapshot_id"].as_str().expect("an id").to_owned();
    assert_eq!(job["backup"]["unchanged"], false);

    let page = served.get("/api/v1/databases/app/snapshots?tag=release=3");
    assert_eq!(
        (&page["total"], &page["snapshots"][0]["description"]),
        (&json!(1), &json!("a third"))
    );
    let one = format!("/api/v1/databases/app/snapshots/{id}");
    let tables = served.job(&format!("{one}/tables"), &json!({}));
    let expected = json!([{ "name": "t", "rows": 3, "rows_before": 2 }]);
    assert_eq!(tables["tables"]["tables"], expected);

    // The first state, to a new file; never over one.
    let previous = served.get(&one)["previous"].as_str().expect("an id").to_owned();
    let wanted = json!({ "to": "new_file", "file_name": "first.db" });
    let path = format!("/api/v1/databases/app/snapshots/{previous}/restore");
    let plan = served.post(&format!("{path}/plan"), &wanted);
    let restored = served.job(&path, &wanted);
    assert_eq!(plan["target"], restored["restore"]["target"]);
    let target = PathBuf::from(restored["restore"]["target"].as_str().expect("a path"));
    assert_eq!(rows(&target), 2);
    let (status, again) = served.ask("POST", &format!("{path}/plan"), TOKEN, &wanted.to_string());
    assert_eq!(status, 409, "{again}");
    assert!(!again.contains(folder.path("").to_str().expect("text")), "{again}");

    // In place, and back.
    let over = served.job(&path, &json!({ "to": "in_place", "confirm": "app" }));
    assert_eq!(rows(&folder.path("app.db")), 2);
    let undo = over["restore"]["undo"].as_str().expect("a command").to_owned();
    let aside = undo.strip_prefix("lifeboat restore --undo ").expect("the command");
    folder.run(&["restore", "--undo", aside]).ok();
    assert_eq!(rows(&folder.path("app.db")), 3);

    // Pins are kept to, forgetting is taken back; the latest is never forgotten.
    let confirm = json!({ "confirm": "app" });
    let (status, why) = served.ask("POST", &format!("{one}/forget"), TOKEN, &confirm.to_string());
    assert_eq!(status, 400, "{why}");
    let old = format!("/api/v1/databases/app/snapshots/{previous}");
    served.post(&format!("{old}/pin"), &json!({}));
    let (status, why) = served.ask("POST", &format!("{old}/forget"), TOKEN, &confirm.to_string());
    assert_eq!(status, 409, "{why}");
    served.post(&format!("{old}/unpin"), &json!({}));
    served.post(&format!("{old}/forget"), &confirm);
    assert_eq!(served.ask("GET", &old, TOKEN, "").0, 404);
    let trash = served.get("/api/v1/databases/app/trash");
    assert_eq!(trash["snapshots"][0]["snapshot_id"], json!(previous));
    served.post(&format!("{old}/undelete"), &json!({}));
    assert_eq!(served.get(&old)["snapshot_id"], json!(previous));

    assert_eq!(served.job("/api/v1/databases/app/drill", &json!({}))["drill"]["passed"], true);
    let check = served.job("/api/v1/databases/app/check", &json!({ "read_data": true }));
    assert_eq!(check["check"]["findings"], json!([]));
    assert!(served.get(&one)["verified_at"].is_string());
    assert_eq!(served.get("/api/v1/health")["status"], "healthy");
    assert_eq!(served.get("/api/v1/destinations")["destinations"][0]["works"], true);
    // Secrets go in and never come out.
    let (_, settings) = served.ask("GET", "/api/v1/configuration", TOKEN, "");
    assert!(settings.contains("http.token"), "{settings}");
    for secret in [TOKEN, OPERATE, READ] {
        assert!(!settings.contains(secret), "{settings}");
    }
    let audit = served.get("/api/v1/audit").to_string();
    for action in ["restore", "forget", "undelete", "pin", "drill"] {
        assert!(audit.contains(action), "{action}: {audit}");
    }
}

/// A damaged pack is a finding, an error with its code, and a reason to worry.
#[test]
fn damage_is_told() {
    let folder = with_tokens();
    let served = Served::start(&folder, &[]);
    served.job("/api/v1/databases/app/backups", &json!({}));
    let packs = folder.path("backups/databases/app/packs");
    let pack = fs::read_dir(packs).expect("packs").next().expect("one").expect("one").path();
    let mut bytes = fs::read(&pack).expect("reads");
    bytes[100] ^= 1;
    fs::write(&pack, bytes).expect("writes");
    let check = served.job("/api/v1/databases/app/check", &json!({ "read_data": true }));
    assert_eq!(check["check"]["broken"], 1, "{check:#}");
    assert_eq!(served.get("/api/v1/health")["status"], "critical");
    let plan = served.job("/api/v1/databases/app/repair", &json!({}));
    assert_eq!((&plan["repair"]["applied"], &plan["repair"]["mended"]), (&json!(false), &json!(1)));
    let done = json!({ "apply": true, "confirm": "app" });
    let done = served.job("/api/v1/databases/app/repair", &done);
    assert_eq!((&done["repair"]["applied"], &done["repair"]["left"]), (&json!(true), &json!(0)));
}

#[test]
fn beyond_this_machine_only_with_a_token() {
    let folder = configured("");
    let text = fs::read_to_string(folder.path("lifeboat.toml")).expect("reads");
    fs::write(folder.path("lifeboat.toml"), text.replace("127.0.0.1", "0.0.0.0")).expect("writes");
    let ran = folder.run(&["run"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.err.contains("there is no token"), "{ran:?}");
    let weak = configured("token = \"short\"\n").run(&["run"]);
    assert_eq!(weak.code, 2, "{weak:?}");
    assert!(
        weak.err.contains("at least 16 characters") && !weak.err.contains("short\""),
        "{weak:?}"
    );
}

#[test]
fn objects_are_handed_on_from_either_side() {
    let folder = configured(&format!(
        "token = \"{TOKEN}\"\nobjects = [\"photos/\"]\n[objects]\nprimary = \"media\"\nprimary_name = \
         \"one\"\nfallback = \"spare\"\nfallback_name = \"two\"\n"
    ));
    let served = Served::start(&folder, &[]);
    fs::write(folder.path("1.jpg"), "0123456789").expect("writes");
    folder.run(&["object", "put", "1.jpg", "photos/1.jpg"]).ok();
    folder.run(&["object", "put", "1.jpg", "private/1.jpg"]).ok();
    assert_eq!(served.ask("GET", "/objects/photos/1.jpg", TOKEN, ""), (200, "0123456789".into()));
    assert_eq!(served.ask("GET", "/objects/private/1.jpg", TOKEN, "").0, 404);
    assert_eq!(served.ask("GET", "/objects/.lifeboat/objects/photos/1.jpg.json", TOKEN, "").0, 404);
    // What lies on the other side is found there.
    fs::create_dir_all(folder.path("spare/photos")).expect("a directory");
    fs::rename(folder.path("media/photos/1.jpg"), folder.path("spare/photos/1.jpg"))
        .expect("moves");
    assert_eq!(served.ask("GET", "/objects/photos/1.jpg", TOKEN, "").0, 200);
}

/// Memory does not grow with the database that is downloaded; LIFEBOAT_TEST_LARGE=1
/// takes one of 1 GiB.
#[test]
fn downloads_take_little_memory() {
    let folder = with_tokens();
    let mib = if std::env::var_os("LIFEBOAT_TEST_LARGE").is_some() { 1024 } else { 160 };
    open(&folder.path("app.db"), "wal")
        .execute_batch(&format!(
            "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c WHERE x<{mib}) \
             INSERT INTO t SELECT randomblob(1048576) FROM c"
        ))
        .expect("writes");
    let served = Served::start(&folder, &[]);
    // In the same process, which does not give back at once what that took.
    served.job("/api/v1/databases/app/backups", &json!({}));
    let job = served.job("/api/v1/databases/app/snapshots/latest/download", &json!({}));
    let url = format!("/{}", job["download"]["url"].as_str().expect("a URL"));
    let request = format!(
        "GET {url} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {TOKEN}\r\nConnection: close\r\n\r\n",
        served.address
    );
    // Some take nothing, and some go away.
    let begin = || {
        let mut stream = TcpStream::connect(&served.address).expect("it listens");
        stream.write_all(request.as_bytes()).expect("it is taken");
        stream
    };
    let stalled: Vec<TcpStream> = (0..10).map(|_| begin()).collect();
    (0..10).for_each(|_| drop(begin()));
    let copied = std::io::copy(&mut begin(), &mut std::io::sink()).expect("it is read");
    assert!(copied > mib * 1_048_576, "{copied}");
    let (all, own) = served.peak();
    println!("{mib} MiB downloaded, {all} KiB resident at most, {own} KiB without the program");
    // Optimised, the program has 24 MiB of text, and all of it stays below 64 MiB.
    assert!(own <= 48 * 1024, "{own} KiB");
    drop(stalled);
}

/// Without it there is no test.
fn needs(module: &str) {
    let found = Command::new("python3").args(["-c", &format!("import {module}")]).output();
    let found = found.is_ok_and(|ran| ran.status.success());
    assert!(found, "install it: pip install {module}");
}

#[test]
fn the_page_in_a_browser() {
    needs("playwright");
    assert!(Path::new("/usr/bin/chromium").exists(), "install Debian's package chromium");
    let folder = with_tokens();
    let served = Served::start(&folder, &[]);
    served.job("/api/v1/databases/app/backups", &json!({}));
    open(&folder.path("app.db"), "wal").execute_batch("INSERT INTO t VALUES(3)").expect("writes");
    let off = configured("");
    let disabled = Served::start(&off, &[("LIFEBOAT_LOCAL_DISK", "vanishes")]);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/page/drive.py");
    let ran =
        Command::new("python3").args([script, &served.url(), TOKEN, &disabled.url()]).output();
    let ran = crate::command::Ran::from(ran.expect("python3 runs")).ok();
    assert!(ran.out.contains("rows: t 3 +1"), "{ran:?}");
    let restored = ran.out.lines().find_map(|line| line.strip_prefix("restored: "));
    assert_eq!(rows(Path::new(restored.expect("a path"))), 3);
}

/// Whatever the document allows is answered as it says, for tokens of each role.
#[test]
fn a_fuzzer_finds_nothing() {
    needs("schemathesis");
    let folder = with_tokens();
    let served = Served::start(&folder, &[]);
    served.job("/api/v1/databases/app/backups", &json!({}));
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/page/fuzz.py");
    let ran = Command::new("python3").args([script, &served.url(), TOKEN, OPERATE, READ]).output();
    let ran = crate::command::Ran::from(ran.expect("python3 runs")).ok();
    assert!(ran.out.contains("all is well"), "{ran:?}");
}
