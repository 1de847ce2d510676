//! Doing something until it works or the budget is used up.

use std::sync::atomic::{AtomicU64, Ordering};
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

/// How many bytes an operation turned out to carry, which is known only when an
/// answer begins. They extend its time.
#[derive(Default)]
pub(crate) struct Carried(AtomicU64);

impl Carried {
    pub(crate) fn bytes(&self, bytes: u64) {
        self.0.fetch_max(bytes, Ordering::Relaxed);
    }
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
        let budget =
            || policy.budget.saturating_add(self.limit.transfer(carried.0.load(Ordering::Relaxed)));
        let mut attempt = 0;
        loop {
            let error = match within(start, budget, call()).await {
                Some(Ok(value)) => return Ok(value),
                Some(Err(error)) => error,
                None => {
                    return Err(RemoteError::of(doing.operation, doing.key, Failure::TimedOut));
                }
            };
            if !error.is_transient() {
                return Err(error);
            }
            let policy = RetryPolicy { budget: budget(), ..policy };
            let Some(pause) = policy.pause(attempt, start.elapsed(), chance()) else {
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

/// The future's result, or nothing if the budget, which may grow meanwhile, is
/// used up before.
async fn within<T>(
    start: Instant,
    budget: impl Fn() -> Duration,
    future: impl Future<Output = T>,
) -> Option<T> {
    tokio::pin!(future);
    loop {
        let granted = budget();
        if let Ok(value) = tokio::time::timeout_at(start + granted, &mut future).await {
            return Some(value);
        }
        if budget() <= granted {
            return None;
        }
    }
}
