//! Operations that get no further, under a clock that is held.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::super::attempt::{Carried, Course, Doing};
use super::{BUDGET, Remote, on, seconds};
use crate::error::{Failure, RemoteError};

const STALL: Duration = Duration::from_secs(12);
const PACK: u64 = 8 * 1024 * 1024;

fn hurried() -> Remote {
    on(&Arc::default()).with_stall_timeout(Some(STALL))
}

fn moved(bytes: u64) {
    Course::current().expect("within an attempt").moved(bytes);
}

fn failed<T>(what: Failure) -> Result<T, RemoteError> {
    Err(RemoteError::of("create", "k", what))
}

/// What became of an upload of a pack, after how long, and with how many attempts.
async fn upload<F>(remote: &Remote, once: impl Fn(u32) -> F) -> (Result<(), Failure>, Duration, u32)
where
    F: Future<Output = Result<(), RemoteError>>,
{
    let (carried, start, attempts) = (Carried::default(), Instant::now(), AtomicU32::new(0));
    carried.bytes(PACK);
    let call = || once(attempts.fetch_add(1, Ordering::Relaxed));
    let done = remote.attempt(Doing { operation: "create", key: "k" }, &carried, call).await;
    let attempts = attempts.into_inner();
    (done.map_err(|error| error.what), start.elapsed(), attempts)
}

#[track_caller]
fn check_stalled(took: Duration, since: Duration) {
    assert!(took >= since && took <= since + STALL + seconds(2), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn what_is_silent_is_given_up_and_what_moves_is_not() {
    let (done, took, _) = upload(&hurried(), |_| std::future::pending()).await;
    assert_eq!(done, Err(Failure::TimedOut));
    check_stalled(took, Duration::ZERO);

    let slow = |_| async {
        for _ in 0..40 {
            sleep(seconds(5)).await;
            moved(PACK / 40);
        }
        Ok(())
    };
    assert_eq!(upload(&hurried(), slow).await, (Ok(()), seconds(200), 1));
    // Alone, a store has all of its time.
    let alone = on(&Arc::default());
    let (done, took, _) = upload(&alone, |_| std::future::pending()).await;
    assert_eq!(done, Err(Failure::TimedOut));
    assert!(took > BUDGET, "{took:?}");
}

/// All bytes are on their way, and no answer comes: what the system still holds
/// takes no longer than what came before.
#[tokio::test(start_paused = true)]
async fn silence_after_the_last_byte() {
    let after = async |time: Duration| {
        let once = move |_| async move {
            moved(PACK / 2);
            sleep(time).await;
            moved(PACK / 2);
            std::future::pending().await
        };
        upload(&hurried(), once).await
    };
    let (done, took, _) = after(seconds(1)).await;
    assert_eq!(done, Err(Failure::TimedOut));
    check_stalled(took, seconds(1));
    let (_, took, _) = after(seconds(11)).await;
    check_stalled(took, seconds(11));
}

/// Sending the same bytes again gets nothing further.
#[tokio::test(start_paused = true)]
async fn the_same_again_is_no_progress() {
    let once = |_| async {
        sleep(seconds(1)).await;
        moved(PACK);
        failed(Failure::Throttled)
    };
    let (done, took, attempts) = upload(&hurried(), once).await;
    assert_eq!(done, Err(Failure::Throttled), "and the reason is the store's own");
    assert!(took <= seconds(1) + STALL + seconds(2), "{took:?}");
    assert!(attempts > 2, "{attempts}");
    let further = |n: u32| async move {
        sleep(seconds(6)).await;
        moved(u64::from(n + 1));
        if n == 4 { Ok(()) } else { failed(Failure::Unavailable) }
    };
    let (done, took, attempts) = upload(&hurried(), further).await;
    assert_eq!((done, attempts), (Ok(()), 5));
    assert!(took >= seconds(30), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_store_that_asks_for_more_time_than_there_is_is_left_at_once() {
    let once = |_| async {
        super::super::attempt::asked_to_wait(seconds(30));
        failed(Failure::Throttled)
    };
    let (done, took, attempts) = upload(&hurried(), once).await;
    assert_eq!((done, took, attempts), (Err(Failure::Throttled), Duration::ZERO, 1));
}

/// The time for bytes is not for knocking at a door.
#[tokio::test(start_paused = true)]
async fn nobody_there() {
    let refused = |_| async { failed(Failure::Unreachable) };
    let (done, took, _) = upload(&on(&Arc::default()), refused).await;
    assert_eq!(done, Err(Failure::Unreachable));
    assert!(took <= BUDGET && took > BUDGET / 2, "{took:?}");
    let remote = on(&Arc::default()).with_connect_budget(Some(seconds(15)));
    let (_, took, _) = upload(&remote, refused).await;
    assert!(took <= seconds(15), "{took:?}");
    // What was spent with a connection is not counted against it.
    let later = |n| async move {
        if n == 0 {
            sleep(seconds(60)).await;
            return failed(Failure::Unavailable);
        }
        failed(Failure::Unreachable)
    };
    let (_, took, attempts) = upload(&remote, later).await;
    assert!(took <= seconds(75) && attempts > 2, "{took:?}");
}
