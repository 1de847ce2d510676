//! Operations on stores that fail, under a clock that is held.

mod faulty;
mod stalling;

use std::sync::Arc;
use std::time::Duration;

use object_store::memory::InMemory;
use object_store::throttle::{ThrottleConfig, ThrottledStore};
use object_store::{Error, ObjectStore};
use tokio::time::Instant;

use self::faulty::{Book, Faulty};
use super::{Created, Pages, Remote};
use crate::error::Failure;
use crate::options::RemoteOptions;
use crate::retry::RetryPolicy;
use crate::rounds::Token;

const BUDGET: Duration = Duration::from_secs(180);

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn on(store: &Arc<Faulty>) -> Remote {
    let store: Arc<dyn ObjectStore> = Arc::clone(store) as _;
    Remote::from_store(store, "faulty").with_retry(RetryPolicy::within(BUDGET))
}

fn answer(status: &str, code: &str) -> Error {
    let source = format!(
        "Error performing PUT http://h/credentials/x in 2ms - Server returned non-2xx status code: {status}: <Error><Code>{code}</Code></Error>"
    );
    Error::Generic { store: "S3", source: source.into() }
}

fn keys(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("a/{number:04}")).collect()
}

#[tokio::test(start_paused = true)]
async fn a_listing_has_a_budget_for_each_page() {
    let book = Book::new(&keys(500), 10, seconds(60), 1).await;
    let remote = on(&Arc::default()).with_pages(Pages::new(Arc::clone(&book) as _, "p"));
    let start = Instant::now();
    let listed = remote.list("a").await.expect("lists");
    let found: Vec<&str> = listed.iter().map(|listed| listed.key.as_str()).collect();
    assert_eq!(found, keys(500));
    assert_eq!(remote.requests(), 100, "50 pages, each asked for twice");
    assert!(start.elapsed() > 30 * BUDGET, "{:?}", start.elapsed());

    let after = remote.any_after("a", "a/0123", |key| key.ends_with("7")).await.expect("lists");
    assert_eq!(after.as_deref(), Some("a/0127"));
    assert_eq!(remote.folders("").await.expect("lists"), ["a"]);
}

#[tokio::test(start_paused = true)]
async fn a_page_that_never_comes_ends_the_listing() {
    let book = Book::new(&keys(30), 10, seconds(60), u32::MAX).await;
    let remote = on(&Arc::default()).with_pages(Pages::new(Arc::clone(&book) as _, "p"));
    let start = Instant::now();
    remote.list("a").await.expect_err("nothing comes");
    assert!(start.elapsed() <= BUDGET, "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_listing_without_pages_has_time_while_it_gets_on_and_no_more() {
    let faulty = Arc::new(Faulty::holding(&keys(300)).await);
    faulty.each_item(seconds(2));
    let start = Instant::now();
    assert_eq!(on(&faulty).list("a").await.expect("lists").len(), 300);
    assert_eq!(start.elapsed(), seconds(600));
    // One that breaks at the same place over and over gets nowhere.
    faulty.break_after(200);
    let start = Instant::now();
    on(&faulty).list("a").await.expect_err("breaks");
    assert!(start.elapsed() <= seconds(400) + BUDGET, "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_deletion_has_time_while_it_gets_on_and_no_more() {
    let faulty = Arc::new(Faulty::holding(&keys(300)).await);
    faulty.each_item(seconds(2));
    faulty.break_after(60);
    let (remote, start) = (on(&faulty), Instant::now());
    remote.delete(&keys(300)).await.expect("deletes");
    assert!(start.elapsed() >= seconds(600), "{:?}", start.elapsed());
    assert_eq!(remote.requests(), 5, "60 go with each");
    assert!(faulty.is_empty().await);

    let faulty = Arc::new(Faulty::holding(&keys(10)).await);
    faulty.break_after(0);
    let start = Instant::now();
    on(&faulty).delete(&keys(10)).await.expect_err("nothing goes");
    assert!(start.elapsed() <= BUDGET, "{:?}", start.elapsed());
    assert!(!faulty.is_empty().await);
}

#[tokio::test(start_paused = true)]
async fn what_the_store_asks_for_is_waited_for() {
    let faulty = Arc::new(Faulty::default());
    faulty.fail_puts([answer("503 Slow Down", "SlowDown"), answer("429 Too Many Requests", "")]);
    faulty.ask_to_wait(seconds(20));
    let (remote, start) = (on(&faulty), Instant::now());
    assert_eq!(remote.create("k", "x".into()).await.expect("creates"), Created::New);
    let waited = start.elapsed();
    assert!(waited >= seconds(40) && waited < seconds(41), "{waited:?}");
    assert_eq!(remote.requests(), 3, "nothing was read back");

    faulty.fail_puts([answer("503 Slow Down", "SlowDown")]);
    faulty.ask_to_wait(seconds(200));
    let (remote, start) = (on(&faulty), Instant::now());
    let error = remote.create("l", "x".into()).await.expect_err("beyond the budget");
    assert_eq!(error.what, Failure::Throttled);
    assert_eq!((start.elapsed(), remote.requests()), (Duration::ZERO, 1));
}

/// What a failed create costs, on a store that is asked once.
async fn check_read_back(error: Error, requests: u64, expected: Result<Created, Failure>) {
    let (faulty, said) = (Arc::new(Faulty::default()), error.to_string());
    faulty.fail_puts([error]);
    let store: Arc<dyn ObjectStore> = Arc::clone(&faulty) as _;
    let remote = Remote::from_store(store, "faulty");
    let created = remote.create("k", "x".into()).await.map_err(|error| error.what);
    assert_eq!((created, remote.requests()), (expected, requests), "{said}");
}

#[tokio::test]
async fn a_create_is_read_back_only_in_doubt() {
    let check = check_read_back;
    check(answer("403 Forbidden", "AccessDenied"), 1, Err(Failure::Denied)).await;
    check(answer("404 Not Found", "NoSuchBucket"), 1, Err(Failure::NoBucket)).await;
    check(answer("301 Moved", "PermanentRedirect"), 1, Err(Failure::WrongRegion)).await;
    check(answer("503 Slow Down", "SlowDown"), 1, Err(Failure::Throttled)).await;
    check(answer("501 Not Implemented", "NotImplemented"), 1, Err(Failure::Unsupported)).await;
    check(answer("400 Bad Request", "InvalidArgument"), 1, Err(Failure::Refused)).await;
    check(answer("500 Internal Server Error", "InternalError"), 2, Err(Failure::Unavailable)).await;
    let conflict = answer("409 Conflict", "ConditionalRequestConflict");
    check(conflict, 2, Err(Failure::Conflict)).await;
    #[cfg(feature = "http-stores")]
    {
        use object_store::client::{HttpError, HttpErrorKind};
        let broke = |kind| Error::Generic {
            store: "S3",
            source: Box::new(HttpError::new(kind, std::io::Error::other("broke"))),
        };
        check(broke(HttpErrorKind::Connect), 1, Err(Failure::Unreachable)).await;
        check(broke(HttpErrorKind::Timeout), 2, Err(Failure::TimedOut)).await;
        check(broke(HttpErrorKind::Interrupted), 2, Err(Failure::Unavailable)).await;
    }
}

#[tokio::test]
async fn a_lost_answer_is_found_out() {
    let faulty = Arc::new(Faulty::default());
    faulty.lose_answers([answer("500 Internal Server Error", "InternalError")]);
    let store: Arc<dyn ObjectStore> = Arc::clone(&faulty) as _;
    let remote = Remote::from_store(store, "faulty");
    assert_eq!(remote.create("k", "x".into()).await.expect("is there"), Created::New);
    assert_eq!(remote.create("k", "y".into()).await.expect("is there"), Created::Exists);
}

#[tokio::test(start_paused = true)]
async fn a_store_without_conditions_takes_marks_and_decides() {
    let faulty = Arc::new(Faulty::default());
    faulty.refuse_conditions();
    let remote = on(&faulty);
    let error = remote.create("k", "x".into()).await.expect_err("has no conditions");
    assert_eq!(error.what, Failure::Unsupported);
    remote.put_own("k", "x".into()).await.expect("puts");
    remote.put_own("k", "y".into()).await.expect("puts again");
    assert_eq!(remote.get("k", 10).await.expect("reads").as_deref(), Some(&b"y"[..]));
    let token = |text| Token::new(text).expect("is one");
    assert_eq!(remote.decide("r", &token("a")).await.expect("decides"), token("a"));
    assert_eq!(remote.decide("r", &token("b")).await.expect("is decided"), token("a"));
}

const KIB: u64 = 1024;

/// A store with one object of 1 MiB, of which no two stretches are alike.
async fn one_object() -> (Arc<Faulty>, Vec<u8>) {
    let bytes: Vec<u8> = (0..1024 * KIB as u32 / 4).flat_map(u32::to_le_bytes).collect();
    let faulty = Arc::new(Faulty::default());
    on(&faulty).put_own("k", bytes.clone().into()).await.expect("puts");
    (faulty, bytes)
}

/// Asked for more than once, in bytes: what was asked for, less what there is.
fn again(asked: &[std::ops::Range<u64>], wanted: u64) -> u64 {
    asked.iter().map(|range| range.end - range.start).sum::<u64>() - wanted
}

#[tokio::test(start_paused = true)]
async fn what_arrived_is_kept_and_the_rest_comes_in_smaller_pieces() {
    let (faulty, bytes) = one_object().await;
    faulty.cut_answers(200 * KIB as usize);
    let start = Instant::now();
    let read = on(&faulty).get_range("k", 0..2048 * KIB).await.expect("reads");
    assert!(read.as_deref() == Some(&bytes[..]));
    let kib = |range: &std::ops::Range<u64>| (range.start / KIB, range.end / KIB);
    let asked: Vec<_> = faulty.asked().iter().map(kib).collect();
    // The object is 1,024 KiB long; each break halves what is asked for.
    assert_eq!(
        asked,
        [(0, 2048), (200, 712), (400, 656), (600, 728), (728, 856), (856, 984), (984, 1024)]
    );
    assert!(start.elapsed() < seconds(1), "short pauses while it gets on: {:?}", start.elapsed());

    // An object that is read whole begins with a request for all of it.
    let read = on(&faulty).get("k", 1024 * KIB).await.expect("reads");
    assert!(read.as_deref() == Some(&bytes[..]));
    let asked = faulty.asked();
    assert_eq!((asked[0].clone(), asked[1].clone()), (0..0, 200 * KIB..712 * KIB));
}

#[tokio::test(start_paused = true)]
async fn what_is_asked_for_more_than_once_is_bounded() {
    let (faulty, bytes) = one_object().await;
    let wanted = bytes.len() as u64;
    for cut in [1024, 513, 300, 128, 65, 64] {
        faulty.cut_answers((cut * KIB) as usize);
        let read = on(&faulty).get_range("k", 0..wanted).await.expect("reads");
        assert!(read.as_deref() == Some(&bytes[..]), "{cut} KiB");
        let asked = faulty.asked();
        assert!(again(&asked, wanted) < 2 * wanted, "{cut} KiB: {asked:?}");
        assert!(asked.len() <= 4 + 16, "{cut} KiB: {asked:?}");
    }
    // Below the smallest piece each request brings what it brings.
    faulty.cut_answers(16 * KIB as usize);
    let read = on(&faulty).get_range("k", 0..wanted).await.expect("reads");
    assert!(read.as_deref() == Some(&bytes[..]));
    let asked = faulty.asked();
    assert!(again(&asked, wanted) < 2 * wanted + 64 * wanted / 16, "{asked:?}");
    // A line that brings next to nothing is asked less and less often, and no
    // longer than the budget and the time for the bytes allow.
    faulty.cut_answers(100);
    let start = Instant::now();
    on(&faulty).get_range("k", 0..wanted).await.expect_err("breaks");
    let most = BUDGET + seconds(wanted / 50_000);
    assert!(start.elapsed() <= most, "{:?}", start.elapsed());
    let asked = faulty.asked();
    assert!((10..100).contains(&asked.len()), "{asked:?}");
    // What is small may be written over: it is never put together.
    on(&faulty).put_own("s", vec![1; 1000].into()).await.expect("puts");
    on(&faulty).get("s", 1000).await.expect_err("breaks");
    let asked = faulty.asked();
    assert!(asked.len() > 10 && asked.iter().all(|range| *range == (0..0)), "{asked:?}");
}

#[tokio::test(start_paused = true)]
async fn no_more_requests_at_once_than_permitted() {
    let config = ThrottleConfig { wait_put_per_call: seconds(1), ..ThrottleConfig::default() };
    let store = Arc::new(ThrottledStore::new(InMemory::new(), config));
    for (permitted, expected) in [(1, 12), (4, 3), (12, 1)] {
        let options = RemoteOptions { max_concurrency: permitted, ..RemoteOptions::default() };
        let remote = Remote::from_store(Arc::clone(&store) as _, "slow").with_limits(&options);
        let start = Instant::now();
        let puts = (0..12).map(|number| {
            let remote = &remote;
            async move { remote.put_own(&format!("{permitted}/{number}"), "x".into()).await }
        });
        futures::future::try_join_all(puts).await.expect("puts");
        assert_eq!(start.elapsed().as_secs(), expected, "{permitted} at once");
    }
}

#[tokio::test(start_paused = true)]
async fn speed_limits_hold_over_all_requests() {
    let options = RemoteOptions {
        max_upload_rate: Some(100_000),
        max_download_rate: Some(200_000),
        ..RemoteOptions::default()
    };
    let remote = Remote::memory().with_limits(&options);
    let start = Instant::now();
    let names = ["a", "b", "c", "d"];
    let puts = names.map(|name| remote.create(name, vec![0; 250_000].into()));
    futures::future::try_join_all(puts).await.expect("creates");
    // A quarter of a second is saved up at the beginning.
    let took = start.elapsed();
    assert!(took <= seconds(10) && took >= Duration::from_millis(9_750), "{took:?}");
    let start = Instant::now();
    futures::future::try_join_all(names.map(|n| remote.get(n, 1 << 20))).await.expect("reads");
    let took = start.elapsed();
    assert!(took <= seconds(5) && took >= Duration::from_millis(4_750), "{took:?}");
}
