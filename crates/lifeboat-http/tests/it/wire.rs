//! Over real connections: clients that stall, go away, or say two things at once.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

use crate::script::{IDS, RESTORE, Script, Tried, tokens};

async fn served(
    image: Vec<u8>,
) -> (SocketAddr, oneshot::Sender<()>, tokio::task::JoinHandle<()>, String) {
    let tried = Tried::of(Script { image, ..Script::default() }, tokens());
    let path = format!("/api/v1/databases/app/snapshots/{}/download", IDS[0]);
    let job = tried.job(&path, "").await;
    let url = format!("/{}", job["download"]["url"].as_str().expect("a URL"));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let (stop, stopped) = oneshot::channel();
    let serving = tokio::spawn(lifeboat_http::serve(listener, tried.router.clone(), async {
        let _ = stopped.await;
    }));
    (address, stop, serving, url)
}

async fn say(address: SocketAddr, text: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.expect("it listens");
    stream.write_all(text.as_bytes()).await.expect("it is taken");
    stream
}

async fn whole(address: SocketAddr, text: &str) -> String {
    let mut stream = say(address, text).await;
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer);
    tokio::time::timeout(Duration::from_secs(60), read)
        .await
        .expect("in time")
        .expect("it is read");
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn clients_that_stall_or_go_away_harm_nobody() {
    let (address, stop, serving, url) = served(vec![7; 8 << 20]).await;
    let get = format!(
        "GET {url} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {RESTORE}\r\nConnection: close\r\n\r\n"
    );
    let mut stalled = Vec::new();
    for _ in 0..20 {
        let mut stream = say(address, &get).await;
        stream.read_exact(&mut [0; 100]).await.expect("it begins");
        stalled.push(stream);
    }
    for _ in 0..20 {
        let mut stream = say(address, &get).await;
        stream.read_exact(&mut [0; 100]).await.expect("it begins");
        drop(stream);
    }
    // Others that say half a sentence.
    let half = say(address, "GET / HTTP/1.1\r\nHo").await;
    let alive =
        whole(address, "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            .await;
    assert!(alive.starts_with("HTTP/1.1 200"), "{alive}");
    let all = whole(address, &get).await;
    assert!(all.len() > 8 << 20, "{}", all.len());
    // They do not hold up the end for longer than its few seconds.
    stop.send(()).expect("it listens for it");
    tokio::time::timeout(Duration::from_secs(60), serving)
        .await
        .expect("in time")
        .expect("it ends");
    drop((stalled, half));
}

#[tokio::test]
async fn requests_within_requests_are_refused() {
    let (address, stop, serving, _) = served(Vec::new()).await;
    let inner = "POST /api/v1/databases/app/drill HTTP/1.1\r\nHost: localhost\r\n\r\n";
    for (what, text) in [
        ("two lengths", format!("POST /api/v1/session HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nContent-Length: {}\r\n\r\n{{}}{inner}", inner.len())),
        ("length and chunks", format!("POST /api/v1/session HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{inner}")),
        ("length and chunks of somebody known", format!("POST /api/v1/databases/app/backups HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {RESTORE}\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n0\r\n\r\n")),
        ("odd coding", "POST /api/v1/session HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n".into()),
        ("two hosts", "GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\nConnection: close\r\n\r\n".into()),
        ("no host", "GET / HTTP/1.1\r\nConnection: close\r\n\r\n".into()),
        ("another host in the line", "GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".into()),
        ("blank in a name", "GET / HTTP/1.1\r\nHost : localhost\r\nConnection: close\r\n\r\n".into()),
        ("large head", format!("GET / HTTP/1.1\r\nHost: localhost\r\nX: {}\r\nConnection: close\r\n\r\n", "y".repeat(400_000))),
    ] {
        let mut stream = TcpStream::connect(address).await.expect("it listens");
        // It may be closed before all was said.
        let _ = stream.write_all(text.as_bytes()).await;
        let _ = stream.shutdown().await;
        let mut answer = Vec::new();
        let _ = tokio::time::timeout(Duration::from_secs(60), stream.read_to_end(&mut answer)).await.expect("in time");
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let statuses: Vec<&str> = answer.lines().filter(|line| line.starts_with("HTTP/1.1 ")).collect();
        let refused = statuses.iter().all(|line| line.starts_with("HTTP/1.1 4"));
        assert!(refused, "{what}: {statuses:?}");
    }
    stop.send(()).expect("it listens for it");
    serving.await.expect("it ends");
}
