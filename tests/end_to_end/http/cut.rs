//! Behind a proxy that cuts connections: what was asked for goes on.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use lifeboat_testing::databases::open;
use serde_json::{Value, json};

use super::{Served, TOKEN, rows, with_tokens};

/// Hands on what comes, and cuts each connection after so many bytes of an answer: as
/// another cuts it after half a minute, and without the half minute.
struct Cutter {
    address: String,
    after: Arc<AtomicU64>,
    cut: Arc<AtomicUsize>,
}

impl Cutter {
    fn before(served: &Served) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("binds");
        let address = listener.local_addr().expect("has one").to_string();
        let (after, cut) = (Arc::new(AtomicU64::new(u64::MAX)), Arc::new(AtomicUsize::new(0)));
        let (limit, cuts, behind) = (Arc::clone(&after), Arc::clone(&cut), served.address.clone());
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(server) = TcpStream::connect(&behind) else { return };
                let (limit, cuts) = (limit.load(Ordering::SeqCst), Arc::clone(&cuts));
                std::thread::spawn(move || hand_on(&client, &server, limit, &cuts));
            }
        });
        Self { address, after, cut }
    }

    fn cuts_after(&self, bytes: u64) {
        self.after.store(bytes, Ordering::SeqCst);
    }

    /// What comes of an answer before it is cut.
    fn ask(&self, method: &str, path: &str, more: &str, body: &str) -> Vec<u8> {
        let mut stream = TcpStream::connect(&self.address).expect("it listens");
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {TOKEN}\r\nContent-Type: \
             application/json\r\n{more}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}",
            self.address
        );
        stream.write_all(request.as_bytes()).expect("it is taken");
        let mut answer = Vec::new();
        // A connection that is cut may end in an error.
        let _ = stream.read_to_end(&mut answer);
        answer
    }
}

fn hand_on(client: &TcpStream, server: &TcpStream, limit: u64, cuts: &AtomicUsize) {
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let (mut from, mut to) = (client, server);
            let _ = std::io::copy(&mut from, &mut to);
        });
        let mut answered = server.take(limit);
        let mut to = client;
        let copied = std::io::copy(&mut answered, &mut to).unwrap_or_default();
        if copied >= limit {
            cuts.fetch_add(1, Ordering::SeqCst);
        }
        let _ = (client.shutdown(Shutdown::Both), server.shutdown(Shutdown::Both));
    });
}

fn parts(answer: &[u8]) -> (String, &[u8]) {
    let at = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("the head came");
    (String::from_utf8_lossy(&answer[..at]).into_owned(), &answer[at + 4..])
}

#[test]
fn a_job_goes_on_when_a_proxy_cuts_and_a_download_goes_on_where_it_was() {
    let folder = with_tokens();
    open(&folder.path("app.db"), "wal")
        .execute_batch(
            "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c WHERE x<24) \
             INSERT INTO t SELECT randomblob(1048576) FROM c",
        )
        .expect("writes");
    folder.run(&["backup"]).ok();
    let served = Served::start(&folder, &[]);
    let proxy = Cutter::before(&served);
    let begun = |path: &str, wanted: &Value| -> String {
        proxy.cuts_after(u64::MAX);
        let answer = proxy.ask("POST", path, "", &wanted.to_string());
        let (head, body) = parts(&answer);
        assert!(head.starts_with("HTTP/1.1 202"), "{head}");
        let job: Value = serde_json::from_slice(body).expect("JSON");
        job["id"].as_str().expect("an id").to_owned()
    };
    // Somebody who listens is cut off at once, over and over, in the middle of an event;
    // the end is told to whoever comes when it is there.
    let ended = |id: &str| -> Value {
        let events = format!("/api/v1/jobs/{id}/events");
        for _ in 0..3 {
            proxy.cuts_after(700);
            let cut = proxy.ask("GET", &events, "", "");
            assert!(!cut.is_empty());
        }
        proxy.cuts_after(u64::MAX);
        let answer = proxy.ask("GET", &events, "", "");
        let text = String::from_utf8_lossy(&answer).into_owned();
        let last = text.lines().filter_map(|line| line.strip_prefix("data: ")).next_back();
        let job: Value = serde_json::from_str(last.expect("an event")).expect("JSON");
        assert_eq!(job["state"], "done", "{job:#}");
        job
    };
    let snapshot = "/api/v1/databases/app/snapshots/latest";
    let wanted = json!({ "to": "new_file", "file_name": "new.db" });
    let job = ended(&begun(&format!("{snapshot}/restore"), &wanted));
    assert!(proxy.cut.load(Ordering::SeqCst) >= 3, "it was cut");
    let target = PathBuf::from(job["restore"]["target"].as_str().expect("a path"));
    assert_eq!(rows(&target), 26);
    // In place as well, where the name says at which destination it was.
    let wanted = json!({ "to": "in_place", "confirm": "app" });
    let job = ended(&begun(&format!("{snapshot}~0/restore"), &wanted));
    assert!(job["restore"]["destination"].as_str().is_some_and(|place| !place.is_empty()), "{job}");

    // The file, from where it was cut.
    let job = ended(&begun(&format!("{snapshot}/download"), &json!({})));
    let size = job["download"]["size"].as_u64().expect("a number");
    let url = format!("/{}", job["download"]["url"].as_str().expect("a URL"));
    let (mut file, mut tag, mut times) = (Vec::new(), String::new(), 0);
    while (file.len() as u64) < size {
        proxy.cuts_after(5_000_000);
        let more = match file.len() {
            0 => String::new(),
            at => format!("Range: bytes={at}-\r\nIf-Range: {tag}\r\n"),
        };
        let answer = proxy.ask("GET", &url, &more, "");
        let (head, body) = parts(&answer);
        let status = if file.is_empty() { "HTTP/1.1 200" } else { "HTTP/1.1 206" };
        assert!(head.starts_with(status), "{head}");
        let etag = head.lines().find_map(|line| line.strip_prefix("etag: ")).expect("has a tag");
        tag = etag.to_owned();
        file.extend_from_slice(body);
        times += 1;
    }
    assert_eq!((file.len() as u64, times > 4), (size, true));
    let path = folder.path("downloaded.db");
    fs::write(&path, file).expect("writes");
    assert_eq!(rows(&path), 26);
}
