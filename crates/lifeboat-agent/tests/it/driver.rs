//! The driver, under a clock that stands still until everybody waits.

use std::sync::Mutex;
use std::time::Duration;

use lifeboat_agent::{Cause, Clock, Driver, Job, Planned, Schedule, Start, Work};
use time::OffsetDateTime;
use time::macros::datetime;
use tokio::time::{Instant, sleep};

/// The wall clock goes with the timers.
struct Paused(Instant);

const START: OffsetDateTime = datetime!(2026-11-21 10:00 UTC);

impl Clock for Paused {
    fn now(&self) -> OffsetDateTime {
        START + self.0.elapsed()
    }
}

/// Takes a while over each, and remembers.
struct Slow {
    since: Instant,
    takes: Duration,
    done: Mutex<Vec<(u64, String, Cause)>>,
    fails: bool,
}

impl Work for Slow {
    async fn run(&self, start: &Start) -> bool {
        let begun = self.since.elapsed().as_secs();
        sleep(self.takes).await;
        self.done.lock().expect("whole").push((begun, start.database.clone(), start.cause));
        !self.fails
    }
}

fn slow(takes: u64) -> Slow {
    let takes = Duration::from_secs(takes);
    Slow { since: Instant::now(), takes, done: Mutex::default(), fails: false }
}

fn hourly(database: &str) -> Planned {
    let schedule = Schedule::every(Duration::from_secs(3600)).expect("an interval");
    Planned::new(database, Job::Backup, schedule)
}

fn times(work: Slow) -> Vec<(u64, String)> {
    let done = work.done.into_inner().expect("whole");
    done.into_iter().map(|(at, database, _)| (at, database)).collect()
}

fn at(all: &[(u64, &str)]) -> Vec<(u64, String)> {
    all.iter().map(|(at, name)| (*at, (*name).to_owned())).collect()
}

const GRACE: Duration = Duration::from_secs(30);

#[tokio::test(start_paused = true)]
async fn as_it_becomes_due() {
    let (mut driver, _handle) = Driver::with_clock(1, 1, Paused(Instant::now()));
    driver.replace(vec![hourly("a"), hourly("b")]);
    let work = slow(60);
    let dropped = driver.run(&work, sleep(Duration::from_secs(7265)), GRACE).await;
    // The second waits for the first; and what has begun just before the end
    // takes longer than is waited.
    assert_eq!(dropped, 1);
    assert_eq!(times(work), at(&[(0, "a"), (60, "b"), (3600, "a"), (3660, "b"), (7200, "a")]));
}

#[tokio::test(start_paused = true)]
async fn what_runs_is_waited_for() {
    let (mut driver, _handle) = Driver::with_clock(2, 1, Paused(Instant::now()));
    driver.replace(vec![hourly("a")]);
    let work = slow(20);
    assert_eq!(driver.run(&work, sleep(Duration::from_secs(1)), GRACE).await, 0);
    assert_eq!(times(work), at(&[(0, "a")]));
}

#[tokio::test(start_paused = true)]
async fn asked_for_and_replaced() {
    let (mut driver, handle) = Driver::with_clock(2, 1, Paused(Instant::now()));
    driver.replace(vec![hourly("a"), hourly("b")]);
    let work = slow(1);
    let asking = async {
        sleep(Duration::from_secs(600)).await;
        assert_eq!(
            handle.next_run("b", Job::Backup).await,
            Some(START + Duration::from_secs(3600))
        );
        assert!(handle.ask("b", Job::Backup).await);
        assert!(!handle.ask("c", Job::Backup).await);
        sleep(Duration::from_secs(600)).await;
        let mut c = hourly("c");
        c.last = Some(START);
        c.schedule = c.schedule.with_start(false);
        handle.replace(vec![hourly("a"), c]);
        sleep(Duration::from_secs(6 * 600 - 30)).await;
    };
    driver.run(&work, asking, GRACE).await;
    let found = times(work);
    assert_eq!(
        found,
        at(&[(0, "a"), (0, "b"), (600, "b"), (3600, "a"), (3600, "c")]),
        "a as it was planned before, b no more"
    );
}

#[tokio::test(start_paused = true)]
async fn failures_are_tried_again() {
    let (mut driver, handle) = Driver::with_clock(2, 1, Paused(Instant::now()));
    driver.replace(vec![hourly("a")]);
    let work = Slow { fails: true, ..slow(1) };
    let asking = async {
        sleep(Duration::from_secs(300)).await;
        assert!(handle.failures("a", Job::Backup).await >= 2);
    };
    driver.run(&work, asking, GRACE).await;
    let done = work.done.into_inner().expect("whole");
    assert!(done.len() >= 3 && done[1..].iter().all(|one| one.2 == Cause::Retry), "{done:?}");
    // And nobody is there any more.
    assert!(!handle.ask("a", Job::Backup).await);
}
