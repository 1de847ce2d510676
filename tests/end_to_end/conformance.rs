//! What a store must do, held against the store that the tests use, and against
//! one that another names: `cargo xtask conformance --with STORE`.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::SystemTime;

use lifeboat::remote::conformance::{Options, Outcome, Report, run};
use lifeboat::remote::{Fencing, Remote, RemoteOptions, Secret};

use crate::place::{Place, Store};

async fn held_to_the_list(place: Place) -> (Report, Fencing) {
    let store = Store::open(place).expect("it is no directory");
    held(store.remote()).await
}

async fn held(remote: Remote) -> (Report, Fencing) {
    let report = run(&remote, &Options::new(SystemTime::now())).await;
    for line in report.to_string().lines() {
        println!("store: {line}");
    }
    (report, remote.fencing())
}

#[tokio::test]
async fn a_store_does_what_it_must() {
    let (report, _) = held_to_the_list(Place::Store).await;
    assert!(report.conforms(), "{report}");
}

#[tokio::test]
async fn one_that_ignores_conditions_does_too() {
    let (report, fencing) = held_to_the_list(Place::Careless).await;
    assert!(report.conforms(), "{report}");
    assert_eq!(fencing, Fencing::Rounds);
    let without = |outcome: &Outcome| matches!(outcome, Outcome::DoneWithout(_));
    assert_eq!(report.points.iter().filter(|point| without(&point.outcome)).count(), 1, "{report}");
}

/// A store that nobody here wrote, and that starts in a second.
#[tokio::test]
async fn moto_does_what_it_must() {
    let server = crate::daily::moto(|_| ());
    let mut stream = TcpStream::connect(&server.address).expect("it listens");
    let host = &server.address;
    let request = format!("PUT /bucket HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\n");
    write!(stream, "{request}Connection: close\r\n\r\n").expect("is taken");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("is answered");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let mut options = RemoteOptions::default();
    options.environment = false;
    options.endpoint = Some(format!("http://{host}"));
    options.region = Some("us-east-1".to_owned());
    options.access_key_id = Some("LIFEBOATTEST".to_owned());
    options.secret_access_key = Some(Secret::new("made-up"));
    let remote = Remote::open_with("s3://bucket/list", options).expect("opens");
    let (report, fencing) = held(remote).await;
    assert!(report.conforms() && fencing == Fencing::Create, "{report}");
}
