//! Servers that others wrote, started again: one keeps nothing, one keeps all.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use lifeboat_testing::servers::{ACCESS_KEY, REGION, S3Server, SECRET_KEY};

use super::{App, app, message, of_kind};
use crate::command::Ran;

/// moto: S3 in memory, in Python.
struct Moto {
    process: Child,
    port: u16,
}

impl Moto {
    fn start(port: u16) -> Self {
        let process = Command::new("python3")
            .args(["-m", "moto.server", "-H", "127.0.0.1", "-p", &port.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("python3 is installed");
        let mut moto = Self { process, port };
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            let ended = moto.process.try_wait().expect("can be asked");
            assert!(ended.is_none(), "moto ended; install it: pip install 'moto[server]'");
            assert!(begun.elapsed() < Duration::from_secs(120), "moto never came");
            // Another process is looked at, not waited for.
            std::thread::sleep(Duration::from_millis(20));
        }
        moto.make_bucket();
        moto
    }

    fn on_a_free_port() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("binds");
        let port = listener.local_addr().expect("has one").port();
        drop(listener);
        Self::start(port)
    }

    /// As an application makes it that finds none.
    fn make_bucket(&self) {
        assert!(self.ask("PUT", "/media", b"").contains(" 200 "));
    }

    fn ask(&self, method: &str, path: &str, body: &[u8]) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("it listens");
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nAuthorization: AWS4-HMAC-SHA256 \
             Credential={ACCESS_KEY}/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, \
             Signature=0\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            self.port,
            body.len()
        );
        stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body)).expect("is taken");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("it answers");
        String::from_utf8_lossy(&answer).into_owned()
    }

    fn put(&self, key: &str) {
        let key: String = key
            .bytes()
            .map(|byte| match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' => {
                    char::from(byte).to_string()
                }
                byte => format!("%{byte:02X}"),
            })
            .collect();
        let body: &[u8] = if key.starts_with("empty/") { b"" } else { b"bytes" };
        let answer = self.ask("PUT", &format!("/media/app/{key}"), body);
        assert!(answer.contains(" 200 "), "{answer}");
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// An application whose bucket is moto's, where all objects are new.
struct OnMoto {
    app: App,
    moto: Moto,
}

impl OnMoto {
    fn new() -> Self {
        let app = app();
        let path = app.folder.path("lifeboat.toml");
        let rules = std::fs::read_to_string(&path).expect("reads");
        let rules = rules.replace("url = \"s3", "grace = \"0s\"\nurl = \"s3");
        std::fs::write(&path, rules).expect("writes");
        Self { app, moto: Moto::on_a_free_port() }
    }

    /// Makes rows and objects as for the other stores, and brings the objects here.
    fn fill(&self, good: usize, broken: usize, orphaned: usize) -> super::Made {
        let made = self.app.fill(good, broken, orphaned);
        for key in self.app.objects() {
            self.moto.put(&key);
        }
        made
    }

    fn links(&self, arguments: &[&str]) -> Ran {
        self.run(&[&["--json", "links"], arguments].concat())
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        let mut command = self.app.folder.command();
        command
            .env("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{}", self.moto.port))
            .env("AWS_ALLOW_HTTP", "true")
            .env("AWS_ACCESS_KEY_ID", ACCESS_KEY)
            .env("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
            .env("AWS_REGION", REGION)
            .args(arguments);
        command.output().expect("the binary runs").into()
    }
}

/// Of 300 rows and 200 objects too many, exactly those are found, mended and brought
/// back, among so many thousands: LIFEBOAT_TEST_LINKS says how many; 100,000 take some
/// minutes, because that server does.
#[test]
fn among_many_rows_and_objects_of_a_server_that_others_wrote() {
    let wanted = std::env::var("LIFEBOAT_TEST_LINKS").ok().and_then(|text| text.parse().ok());
    let good = wanted.unwrap_or(1_500usize) / 3;
    let story = OnMoto::new();
    let made = story.fill(good, 300, 200);
    let rows = story.app.rows();
    let begun = Instant::now();
    let checked = story.links(&["check"]);
    println!("{} rows and objects compared in {:.1?}", 3 * good, begun.elapsed());
    assert_eq!(checked.code, 4, "{}", checked.err);
    assert_eq!(of_kind(&checked, "broken"), made.broken);
    assert_eq!(of_kind(&checked, "orphaned"), made.orphaned);
    assert_eq!(checked.last()["healthy"], 3 * good);
    let many = ["--expect-broken", "300", "--expect-orphaned", "200"];
    let fix = [&["fix", "--all", "--apply"][..], &many].concat();
    let done = story.links(&fix).ok().json();
    let well = story.links(&["check"]).ok().last();
    let numbers = ["broken", "orphaned", "quarantined"].map(|name| well[name].as_u64());
    assert_eq!(numbers, [Some(0), Some(0), Some(200)]);
    // How it is taken back was said before anything was moved, and works.
    let said = message(&done, "cleaning");
    let run = said["run"].as_str().expect("a name");
    assert_eq!(story.links(&["clean", "--undo", run]).ok().last()["back"], 200);
    let undo = message(&done, "fixed")["undo"].as_str().expect("a command");
    story.run(&undo.split(' ').skip(1).collect::<Vec<_>>()).ok();
    assert_eq!(story.app.rows(), rows);
    let again = story.links(&["check"]);
    assert_eq!(of_kind(&again, "broken"), made.broken);
    assert_eq!(of_kind(&again, "orphaned"), made.orphaned);
}

#[test]
fn a_server_that_keeps_nothing_is_told_from_one_that_keeps_all() {
    let test = |checked: &Ran| {
        let store = message(&checked.json(), "store").clone();
        (checked.code, store["tests"][0]["object"] == true, store["tests"][0]["row"] == true)
    };
    let mut story = OnMoto::new();
    story.fill(10, 0, 0);
    story.links(&["check", "--create-test"]).ok();
    assert_eq!(test(&story.links(&["check"])), (0, true, true));
    // The same program at the same address, and empty.
    let port = story.moto.port;
    story.moto.process.kill().expect("ends");
    story.moto.process.wait().expect("has ended");
    story.moto = Moto::start(port);
    let forgot = story.links(&["check"]);
    assert_eq!(test(&forgot), (4, false, true), "{forgot:?}");
    assert_eq!(forgot.last()["broken"], 30);
    // What the rows say makes nobody delete them: all of a rule's are gone.
    assert_eq!(story.links(&["fix", "--apply"]).code, 4);

    // One whose objects lie in a directory, ended and started again there.
    let mut app = app();
    let root = app.folder.path("disk");
    app.server = S3Server::over(&root, "media", 0);
    app.bucket = app.server.folder().join("app");
    app.wire = lifeboat_testing::servers::FaultProxy::before(app.server.address());
    app.fill(10, 0, 0);
    app.links(&["check", "--create-test"]).ok();
    assert_eq!(test(&app.links(&["check"])), (0, true, true));
    let port = app.server.address().port();
    app.server = S3Server::start("another");
    app.server = S3Server::over(&root, "media", port);
    let kept = app.links(&["check"]);
    assert_eq!((test(&kept), &kept.last()["broken"]), ((0, true, true), &0.into()), "{kept:?}");
}

#[test]
fn what_a_versioned_bucket_kept_is_brought_back() {
    let story = OnMoto::new();
    let on = b"<VersioningConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
        <Status>Enabled</Status></VersioningConfiguration>";
    assert!(story.moto.ask("PUT", "/media?versioning", on).contains(" 200 "));
    story.fill(10, 0, 0);
    for key in ["/media/app/u/1.jpg", "/media/app/u/2.jpg"] {
        assert!(story.moto.ask("DELETE", key, b"").contains(" 204 "));
    }
    let lost: BTreeSet<String> = ["u/1.jpg", "u/2.jpg"].map(str::to_owned).into();
    assert_eq!(of_kind(&story.links(&["check"]), "broken"), lost);
    let back = story.links(&["fix", "--bring-back", "--apply"]).ok().json();
    assert_eq!(message(&back, "recovered")["from_versions"], 2);
    assert_eq!(story.links(&["check"]).ok().last()["healthy"], 30);
    assert!(story.moto.ask("GET", "/media/app/u/1.jpg", b"").ends_with("bytes"));
}
