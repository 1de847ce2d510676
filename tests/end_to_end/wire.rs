//! The table of faults on the wire: what a backup does about each that stays, alone
//! and beside a fallback, and with how many requests. docs/reliability.md shows it,
//! and is compared with it.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use lifeboat_testing::databases::{one_row_a_page, overwrite};
use lifeboat_testing::servers::{Certificate, Fault, Kind, TlsFront};

use crate::command::{Folder, Ran};
use crate::destinations::pair;
use crate::place::Place;

/// A budget of 4 s, and something for a machine that is busy.
const MOST: Duration = Duration::from_secs(12);

/// How a fault is made.
#[derive(Clone, Copy)]
enum How {
    /// The proxy does it to every request.
    Wire(Fault),
    /// The endpoint is another.
    Endpoint(fn(SocketAddr) -> Elsewhere),
}

/// An endpoint, and what must live while it is used.
struct Elsewhere {
    url: String,
    _front: Option<TlsFront>,
}

impl Elsewhere {
    fn at(url: String) -> Self {
        Self { url, _front: None }
    }
}

/// What a lone store gets.
#[derive(Clone, Copy, PartialEq)]
enum Alone {
    /// It is asked again until the budget is used up: so often, at most.
    Retried(usize),
    /// It is asked once.
    Stopped,
}

struct Row {
    fault: &'static str,
    how: How,
    alone: Alone,
    /// What is said.
    said: &'static str,
}

use Alone::{Retried, Stopped};
use How::{Endpoint, Wire};

const ROWS: &[Row] = &[
    row("connection refused", Endpoint(|_| nobody()), Retried(0), "the storage cannot be reached"),
    row(
        "the name is not known",
        Endpoint(|_| unknown()),
        Retried(0),
        "the storage cannot be reached",
    ),
    row("TLS: no handshake", Endpoint(no_tls), Retried(0), "the storage cannot be reached"),
    row(
        "TLS: a certificate that nobody vouches for",
        Endpoint(untrusted),
        Retried(0),
        "the storage's certificate is not trusted",
    ),
    row(
        "reset before the body",
        Wire(Fault::CutRequest(0)),
        Retried(12),
        "the storage does not answer as it should",
    ),
    row("no answer", Wire(Fault::Hang), Retried(6), "the storage did not answer in time"),
    row(
        "no answer after the last byte",
        Wire(Fault::Swallow),
        Retried(6),
        "the storage did not answer in time",
    ),
    row(
        "headers after 3 s (`request_timeout` is 1 s)",
        Wire(Fault::Late(3000)),
        Retried(6),
        "the storage did not answer in time",
    ),
    row(
        "the answer is cut after 10 bytes",
        Wire(Fault::CutAnswer(10)),
        Retried(16),
        "the storage does not answer as it should",
    ),
    row(
        "500 `InternalError`",
        Wire(Fault::Refuse(500, "InternalError")),
        Retried(12),
        "the storage does not answer as it should",
    ),
    row(
        "503 `SlowDown`",
        Wire(Fault::Refuse(503, "SlowDown")),
        Retried(12),
        "the storage asks for fewer requests",
    ),
    row(
        "429 with `Retry-After: 1`",
        Wire(Fault::RefuseFor(429, "TooManyRequests", 1)),
        Retried(5),
        "the storage asks for fewer requests",
    ),
    row(
        "503 with `Retry-After: 60`",
        Wire(Fault::RefuseFor(503, "SlowDown", 60)),
        Retried(1),
        "the storage asks for fewer requests",
    ),
    row(
        "403 `AccessDenied`",
        Wire(Fault::Refuse(403, "AccessDenied")),
        Stopped,
        "the storage refuses access",
    ),
    row(
        "400 `ExpiredToken`: credentials that expired",
        Wire(Fault::Refuse(400, "ExpiredToken")),
        Stopped,
        "the storage refuses access",
    ),
    row(
        "403 `RequestTimeTooSkewed`: a wrong clock",
        Wire(Fault::Refuse(403, "RequestTimeTooSkewed")),
        Stopped,
        "the storage refuses access",
    ),
    row(
        "301 to another region",
        Wire(Fault::OtherRegion("eu-central-1")),
        Stopped,
        "the bucket is in another region",
    ),
    row(
        "404 `NoSuchBucket`: the bucket is gone",
        Wire(Fault::Refuse(404, "NoSuchBucket")),
        Stopped,
        "there is no such bucket",
    ),
];

const fn row(fault: &'static str, how: How, alone: Alone, said: &'static str) -> Row {
    Row { fault, how, alone, said }
}

/// An address at which nobody listens: of a listener that is gone.
fn nobody() -> Elsewhere {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a port is free");
    Elsewhere::at(format!("http://{}", listener.local_addr().expect("it is bound")))
}

fn unknown() -> Elsewhere {
    Elsewhere::at("https://storage.invalid".to_owned())
}

/// Who speaks plainly where TLS is expected.
fn no_tls(store: SocketAddr) -> Elsewhere {
    Elsewhere::at(format!("https://localhost:{}", store.port()))
}

fn untrusted(store: SocketAddr) -> Elsewhere {
    let front = TlsFront::before(store, Certificate::Good);
    Elsewhere { url: front.url(), _front: Some(front) }
}

/// A store that is alone, with a budget of 4 s.
fn alone(row: &Row) {
    let folder = Folder::at(Place::Faulty);
    let mut connection = one_row_a_page(&folder.path("app.db"), "delete", 50, 1);
    folder.backup("app.db");
    overwrite(&mut connection, 10, 2);
    let wire = folder.store().proxy();
    let mut command = folder.command();
    let elsewhere = match row.how {
        Wire(fault) => {
            wire.when(Kind::Any, "").always(fault);
            None
        }
        Endpoint(make) => Some(make(wire.address())),
    };
    if let Some(Elsewhere { url, .. }) = &elsewhere {
        command.env("AWS_ENDPOINT_URL", url);
    }
    wire.forget_requests();
    let start = Instant::now();
    let ran: Ran = command.args(["backup", "app.db"]).output().expect("runs").into();
    let took = start.elapsed();
    assert!(took < MOST, "{}: {took:?}", row.fault);
    assert_eq!(ran.code, 13, "{}: {ran:?}", row.fault);
    assert!(ran.err.contains(row.said) && ran.err.contains("HINT:"), "{}: {ran:?}", row.fault);
    let most = match row.alone {
        Retried(most) => most,
        Stopped => 1,
    };
    let requests = wire.requests().len();
    assert!(requests <= most, "{}: {requests} requests, {:?}", row.fault, wire.requests());
    wire.heal();
    folder.backup("app.db");
}

/// A store that has a fallback beside it.
fn beside_a_fallback(row: &Row) {
    let mut pair = pair();
    let mut connection = one_row_a_page(&pair.folder.path("app.db"), "delete", 50, 1);
    pair.run(&["backup", "app.db"]).ok();
    overwrite(&mut connection, 10, 2);
    pair.wire().forget_requests();
    let endpoint = pair.endpoint.clone();
    let elsewhere = match row.how {
        Wire(fault) => {
            pair.wire().when(Kind::Any, "").always(fault);
            None
        }
        Endpoint(make) => Some(make(pair.wire().address())),
    };
    if let Some(Elsewhere { url, .. }) = &elsewhere {
        pair.endpoint.clone_from(url);
    }
    let start = Instant::now();
    let ran = pair.run(&["backup", "app.db"]);
    let took = start.elapsed();
    assert!(took < MOST, "{}: {took:?}", row.fault);
    assert_eq!(ran.code, 14, "{}: {ran:?}", row.fault);
    let reason = ran.last()["fallback_reason"].as_str().expect("there is one").to_owned();
    assert!(reason.contains(row.said), "{}: {reason}", row.fault);
    let status = pair.run(&["status"]);
    let told = status.ok().json()[0]["reasons"].to_string();
    assert!(told.contains(row.said), "{}: {told}", row.fault);
    pair.wire().heal();
    pair.endpoint = endpoint;
    assert_eq!(pair.run(&["sync"]).ok().last()["copied"], 1, "{}", row.fault);
}

/// Rows are tried side by side: most of their time they wait.
fn side_by_side(test: fn(&Row)) {
    for rows in ROWS.chunks(6) {
        std::thread::scope(|scope| {
            for row in rows {
                scope.spawn(move || test(row));
            }
        });
    }
}

#[test]
fn every_fault_that_stays_alone() {
    side_by_side(alone);
}

#[test]
fn every_fault_that_stays_beside_a_fallback() {
    side_by_side(beside_a_fallback);
}

/// Nobody listens at the only store there is, and a person waits for a list: it ends
/// soon, with the usual limits, and says meanwhile what it waits for.
#[test]
fn a_list_from_a_store_that_is_gone() {
    let folder = Folder::at(Place::Own);
    let mut command = folder.command();
    command.env("AWS_ENDPOINT_URL", nobody().url);
    let start = Instant::now();
    let ran: Ran = command.arg("snapshots").output().expect("runs").into();
    assert!(start.elapsed() < Duration::from_secs(45), "{:?}", start.elapsed());
    assert_eq!(ran.code, 13, "{ran:?}");
    let waits = "waiting for s3://bucket/some/prefix: the storage cannot be reached";
    // Who waits long is told for what.
    let is_soon = start.elapsed() < Duration::from_secs(12);
    assert!(is_soon || ran.err.contains(waits), "{ran:?}");
}

fn table() -> String {
    let mut text = String::from(
        "| fault, for every request | a lone store | requests | what is said |\n|---|---|---|---|\n",
    );
    for row in ROWS {
        let (done, requests) = match row.alone {
            Retried(0) => ("tried until the budget ends", "none arrives".to_owned()),
            Retried(1) => ("left at once: the budget is shorter", "1".to_owned()),
            Retried(most) => ("tried until the budget ends", format!("at most {most}")),
            Stopped => ("not tried again", "1".to_owned()),
        };
        let done = if row.said.contains("certificate") { "not tried again" } else { done };
        text.push_str(&format!("| {} | {done} | {requests} | \"{}\" |\n", row.fault, row.said));
    }
    text
}

#[test]
fn the_documentation_has_the_table() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/reliability.md");
    let text = std::fs::read_to_string(path).expect("the documentation is there");
    let table = table();
    assert!(text.contains(&table), "docs/reliability.md should have\n{table}");
}
