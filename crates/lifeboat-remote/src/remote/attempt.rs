//! Doing something until it works, the budget is used up, or it gets no further.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::Remote;
use crate::error::{Failure, RemoteError};
use crate::pace::Pacer;
use crate::retry::{RetryPolicy, chance};

/// After so long without getting further somebody is told what is waited for.
const SPEAK_AFTER: Duration = Duration::from_secs(5);
/// And not again for so long.
const SILENT_FOR: Duration = Duration::from_secs(60);

/// No byte of a wire moves in smaller pieces: what goes at once is no standstill.
const SLOW_PIECE: u64 = 32 * 1024;

/// What is being done, for the error.
#[derive(Clone, Copy)]
pub(crate) struct Doing<'a> {
    pub(crate) operation: &'static str,
    pub(crate) key: &'a str,
}

impl Doing<'_> {
    fn only_reads(self) -> bool {
        matches!(self.operation, "read" | "look for" | "list")
    }
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
    /// The operation that this task is at. The library hands on neither the headers
    /// of an answer that is an error nor how far a body is, so that the wire says
    /// both here.
    static COURSE: Arc<Course>;
}

/// How an operation is getting on.
#[derive(Debug)]
pub(crate) struct Course {
    quiet: Option<Duration>,
    state: Mutex<Moved>,
}

#[derive(Debug)]
struct Moved {
    /// How long the store asked this attempt to wait.
    asked: Option<Duration>,
    /// When this attempt began.
    began: Instant,
    /// The bytes that this attempt moved, and the most that any did.
    now: u64,
    most: u64,
    /// When it last came further than any attempt before.
    further: Instant,
}

impl Course {
    fn new(stall: Option<Duration>) -> Self {
        let start = Instant::now();
        let state = Moved { asked: None, began: start, now: 0, most: 0, further: start };
        // Two requests must have the chance to be silent.
        Self { quiet: stall.map(|stall| stall.mul_f64(0.4)), state: Mutex::new(state) }
    }

    /// That of the operation under way, if it can be tried again.
    #[cfg(any(test, feature = "http-stores"))]
    pub(crate) fn current() -> Option<Arc<Self>> {
        COURSE.try_with(Arc::clone).ok()
    }

    /// How long one request may be silent that is soon made again. None where only
    /// the usual limits count.
    #[cfg(any(test, feature = "http-stores"))]
    pub(crate) fn quiet(&self) -> Option<Duration> {
        self.quiet
    }

    /// So many bytes went or came.
    #[cfg(any(test, feature = "http-stores"))]
    pub(crate) fn moved(&self, bytes: u64) {
        let mut state = self.lock();
        state.now += bytes;
        if state.now > state.most {
            (state.most, state.further) = (state.now, Instant::now());
        }
    }

    fn lock(&self) -> MutexGuard<'_, Moved> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self) {
        let mut state = self.lock();
        (state.asked, state.began, state.now) = (None, Instant::now(), 0);
    }

    /// What the last attempt brought is kept: the next one need not come further.
    fn keep(&self) {
        let mut state = self.lock();
        (state.most, state.further) = (0, Instant::now());
    }

    fn asked(&self) -> Option<Duration> {
        self.lock().asked
    }

    /// When it last came further, and for how long this attempt did: what is in the
    /// buffers of the system needs that long as well, at most.
    fn further(&self) -> (Instant, Duration) {
        let state = self.lock();
        (state.further, state.further.saturating_duration_since(state.began))
    }
}

/// The store asks whoever makes this attempt to wait for so long.
#[cfg(any(test, feature = "http-stores"))]
pub(crate) fn asked_to_wait(time: Duration) {
    // Outside of an attempt nobody would try again.
    if let Some(course) = Course::current() {
        course.lock().asked = Some(time);
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
        let course = Arc::new(Course::new(policy.stall));
        let budget = || {
            let bytes = carried.bytes.load(Ordering::Relaxed);
            policy.budget.saturating_add(self.limit.transfer(bytes))
        };
        let stalls = || self.stalls(&policy, &course, carried.since(start));
        let deadline = || after(carried.since(start), budget()).min(stalls());
        let (mut attempt, mut since) = (0, start);
        // The time that attempts took which had a connection.
        let mut connected = Duration::ZERO;
        let mut last: Option<RemoteError> = None;
        loop {
            course.begin();
            let began = Instant::now();
            let attempted = COURSE.scope(Arc::clone(&course), call());
            let told = last.as_ref().map(|last| last.what);
            let error = match self.within(deadline, &course, told, attempted).await {
                Some(Ok(value)) => return Ok(value),
                Some(Err(error)) => error,
                // That the last try was cut short says less than why the one before
                // failed. What may have been written is another matter.
                None if doing.only_reads() => {
                    let timed_out = RemoteError::of(doing.operation, doing.key, Failure::TimedOut);
                    return Err(last.unwrap_or(timed_out));
                }
                None => {
                    return Err(RemoteError::of(doing.operation, doing.key, Failure::TimedOut));
                }
            };
            if !error.is_transient() {
                return Err(error);
            }
            if carried.since(start) > since {
                (attempt, since, connected) = (0, carried.since(start), Duration::ZERO);
            }
            if carried.gained.swap(false, Ordering::Relaxed) {
                attempt = 0;
                course.keep();
            }
            let mut left = budget();
            if error.what == Failure::Unreachable {
                // The time for the bytes is for bytes: none of them went.
                let most = policy.unreachable.unwrap_or(policy.budget).saturating_add(connected);
                left = left.min(most);
            } else {
                connected += began.elapsed();
            }
            let policy = RetryPolicy { budget: left, ..policy };
            let pause = policy.pause(attempt, since.elapsed(), chance(), course.asked());
            let Some(pause) = pause.filter(|pause| after(Instant::now(), *pause) < stalls()) else {
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
            self.speak(&course, Some(error.what));
            last = Some(error);
            tokio::time::sleep(pause).await;
            attempt += 1;
        }
    }

    /// When the operation is given up because it gets no further.
    fn stalls(&self, policy: &RetryPolicy, course: &Course, since: Instant) -> Instant {
        let stall = policy.stall.unwrap_or(Duration::MAX);
        let stall = stall.saturating_add(self.limit.transfer(SLOW_PIECE));
        let (further, took) = course.further();
        after(further.max(since), stall.max(took))
    }

    /// The future's result, or nothing if its deadline, which may move meanwhile,
    /// passes before.
    async fn within<T>(
        &self,
        deadline: impl Fn() -> Instant,
        course: &Course,
        last: Option<Failure>,
        future: impl Future<Output = T>,
    ) -> Option<T> {
        tokio::pin!(future);
        loop {
            let (granted, speak) = (deadline(), after(course.further().0, SPEAK_AFTER));
            let now = Instant::now();
            let until = if speak > now { granted.min(speak) } else { granted };
            if let Ok(value) = tokio::time::timeout_at(until, &mut future).await {
                return Some(value);
            }
            if deadline() <= granted && until == granted {
                return None;
            }
            self.speak(course, last);
        }
    }

    /// Says that the store is waited for, where that takes long.
    fn speak(&self, course: &Course, last: Option<Failure>) {
        let now = Instant::now();
        if now < after(course.further().0, SPEAK_AFTER) {
            return;
        }
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.is_some_and(|told| now < after(told, SILENT_FOR)) {
            return;
        }
        *told = Some(now);
        drop(told);
        let why = last.map_or_else(|| "it does not answer".to_owned(), |what| what.to_string());
        tracing::warn!("waiting for {}: {why}", self.shown);
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
