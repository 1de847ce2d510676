//! Doing something until it works or the budget is used up.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::Remote;
use crate::error::{Failure, RemoteError};
use crate::pace::Pacer;
use crate::retry::{RetryPolicy, chance};

/// What is being done, for the error.
#[derive(Clone, Copy)]
pub(crate) struct Doing<'a> {
    pub(crate) operation: &'static str,
    pub(crate) key: &'a str,
}

/// What an operation turned out to carry, which is known only when an answer
/// begins, and how far it came. Both extend its time.
#[derive(Default)]
pub(crate) struct Carried {
    bytes: AtomicU64,
    /// The most that was reached so far, and when.
    reached: Mutex<(usize, Option<Instant>)>,
    gained: AtomicBool,
}

impl Carried {
    /// It carries so many bytes.
    pub(crate) fn bytes(&self, bytes: u64) {
        self.bytes.fetch_max(bytes, Ordering::Relaxed);
    }

    /// So many objects are done: the budget begins anew. An attempt that begins
    /// at the beginning gains nothing before it comes further than the last.
    pub(crate) fn reached(&self, objects: usize) {
        let mut reached = self.reached.lock().unwrap_or_else(PoisonError::into_inner);
        if objects > reached.0 {
            *reached = (objects, Some(Instant::now()));
        }
    }

    /// The attempt that failed brought enough that the next one may follow soon.
    /// The budget stays.
    pub(crate) fn gained(&self) {
        self.gained.store(true, Ordering::Relaxed);
    }

    fn since(&self, start: Instant) -> Instant {
        self.reached.lock().unwrap_or_else(PoisonError::into_inner).1.unwrap_or(start)
    }
}

tokio::task_local! {
    /// How long the store asked this attempt to wait. The library does not hand
    /// on the headers of an answer that is an error, so that the wire says it here.
    static ASKED: Arc<Mutex<Option<Duration>>>;
}

/// The store asks whoever makes this attempt to wait for so long.
#[cfg(any(test, feature = "http-stores"))]
pub(crate) fn asked_to_wait(time: Duration) {
    // Outside of an attempt nobody would try again.
    let _ = ASKED.try_with(|asked| {
        *asked.lock().unwrap_or_else(PoisonError::into_inner) = Some(time);
    });
}

impl Remote {
    /// Runs a call, and again as the policy says. Waiting for a permit is not
    /// part of the operation's time; pauses keep it, which is what a store that
    /// is overloaded needs.
    pub(crate) async fn attempt<T, F>(
        &self,
        doing: Doing<'_>,
        carried: &Carried,
        mut call: impl FnMut() -> F,
    ) -> Result<T, RemoteError>
    where
        F: Future<Output = Result<T, RemoteError>>,
    {
        let _permit = self.permit().await;
        let Some(policy) = self.retry else { return call().await };
        let start = Instant::now();
        let budget = || {
            let bytes = carried.bytes.load(Ordering::Relaxed);
            policy.budget.saturating_add(self.limit.transfer(bytes))
        };
        let deadline = || after(carried.since(start), budget());
        let (mut attempt, mut since) = (0, start);
        loop {
            let asked = Arc::default();
            let attempted = ASKED.scope(Arc::clone(&asked), call());
            let error = match within(deadline, attempted).await {
                Some(Ok(value)) => return Ok(value),
                Some(Err(error)) => error,
                None => {
                    return Err(RemoteError::of(doing.operation, doing.key, Failure::TimedOut));
                }
            };
            if !error.is_transient() {
                return Err(error);
            }
            if carried.since(start) > since {
                (attempt, since) = (0, carried.since(start));
            }
            if carried.gained.swap(false, Ordering::Relaxed) {
                attempt = 0;
            }
            let asked = *asked.lock().unwrap_or_else(PoisonError::into_inner);
            let policy = RetryPolicy { budget: budget(), ..policy };
            let Some(pause) = policy.pause(attempt, since.elapsed(), chance(), asked) else {
                return Err(error);
            };
            tracing::info!(
                operation = doing.operation,
                key = doing.key,
                failure = %error.what,
                attempt,
                pause_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX),
                "trying again"
            );
            tokio::time::sleep(pause).await;
            attempt += 1;
        }
    }

    async fn permit(&self) -> Option<OwnedSemaphorePermit> {
        let permits = self.permits.as_ref()?;
        Some(permits.clone().acquire_owned().await.expect("it is never closed"))
    }

    /// Waits until so many bytes may be sent, where the wire does not see to it.
    pub(crate) async fn pace_up(&self, bytes: u64) {
        pace(self.up.as_deref(), bytes).await;
    }

    /// Waits until so many more bytes may be received.
    pub(crate) async fn pace_down(&self, bytes: u64) {
        pace(self.down.as_deref(), bytes).await;
    }
}

async fn pace(pacer: Option<&Pacer>, bytes: u64) {
    if let Some(pacer) = pacer {
        tokio::time::sleep_until(pacer.take(bytes)).await;
    }
}

/// A moment that much later, or one that nobody lives to see.
fn after(start: Instant, time: Duration) -> Instant {
    const CENTURY: Duration = Duration::from_secs(100 * 365 * 24 * 3600);
    start + time.min(CENTURY)
}

/// The future's result, or nothing if its deadline, which may move meanwhile,
/// passes before.
async fn within<T>(deadline: impl Fn() -> Instant, future: impl Future<Output = T>) -> Option<T> {
    tokio::pin!(future);
    loop {
        let granted = deadline();
        if let Ok(value) = tokio::time::timeout_at(granted, &mut future).await {
            return Some(value);
        }
        if deadline() <= granted {
            return None;
        }
    }
}
