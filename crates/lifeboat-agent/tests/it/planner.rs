//! What is started, when, and why.

use std::time::Duration as Span;

use lifeboat_agent::{Cause, Job, Planner, Schedule};
use time::macros::datetime;
use time::{Duration, OffsetDateTime};

const START: OffsetDateTime = datetime!(2026-11-21 10:00 UTC);

fn hourly() -> Schedule {
    Schedule::every(Span::from_secs(3600)).expect("an interval")
}

/// Starts and ends at once whatever is due.
fn step(planner: &mut Planner, succeeds: bool, now: OffsetDateTime) -> Vec<(String, Cause)> {
    let started = planner.poll(now);
    for one in &started {
        planner.finished(&one.database, one.job, succeeds, now);
    }
    started.into_iter().map(|one| (one.database, one.cause)).collect()
}

fn app(cause: Cause) -> Vec<(String, Cause)> {
    vec![("app".to_owned(), cause)]
}

#[test]
fn at_the_start_and_every_hour() {
    let mut planner = Planner::new(1, 1);
    planner.insert("app", Job::Backup, hourly(), None, START);
    assert_eq!(step(&mut planner, true, START), app(Cause::Start));
    for n in 1..48 {
        let now = START + Duration::hours(n);
        assert_eq!(planner.wake_at(), Some(now));
        assert_eq!(step(&mut planner, true, now - Duration::SECOND), []);
        // A little late, as timers are: the times do not drift.
        assert_eq!(step(&mut planner, true, now + Duration::SECOND), app(Cause::Due));
    }
}

#[test]
fn without_a_run_at_the_start() {
    let schedule = hourly().with_start(false);
    let mut planner = Planner::new(1, 1);
    let mut at = |last, due| {
        planner.insert("app", Job::Backup, schedule.clone(), last, START);
        assert_eq!(planner.next_run("app", Job::Backup), Some(due), "{last:?}");
        planner.remove("app", Job::Backup);
    };
    at(None, START + Duration::HOUR);
    at(Some(START - Duration::minutes(20)), START + Duration::minutes(40));
    // Overdue while nobody was there.
    at(Some(START - Duration::hours(5)), START - Duration::hours(4));
    // A clock was wrong.
    at(Some(START + Duration::days(400)), START + Duration::HOUR);
}

/// Whatever was missed while the machine slept is done once.
#[test]
fn a_machine_that_slept() {
    let mut planner = Planner::new(1, 1);
    planner.insert("app", Job::Backup, hourly(), None, START);
    step(&mut planner, true, START);
    let woken = START + Duration::hours(75) + Duration::minutes(20);
    assert_eq!(step(&mut planner, true, woken), app(Cause::CatchUp));
    assert_eq!(step(&mut planner, true, woken + Duration::minutes(1)), []);
    assert!(planner.wake_at().is_some_and(|at| at <= woken + Duration::HOUR));
}

/// Set back by a year, it is due within the interval, and not in a year.
#[test]
fn a_clock_that_is_set_back() {
    let mut planner = Planner::new(1, 1);
    planner.insert("app", Job::Backup, hourly(), None, START);
    step(&mut planner, true, START);
    let now = START - Duration::days(365);
    assert_eq!(step(&mut planner, true, now), []);
    assert_eq!(planner.wake_at(), Some(now + Duration::HOUR));
    assert_eq!(step(&mut planner, true, now + Duration::HOUR), app(Cause::Due));
}

/// Tried again after one, two, four … minutes, and half as long again at most.
#[test]
fn failures() {
    let mut planner = Planner::new(1, 1);
    let daily = Schedule::every(Span::from_secs(24 * 3600)).expect("an interval");
    planner.insert("app", Job::Backup, daily, None, START);
    let mut now = START;
    assert_eq!(step(&mut planner, false, now), app(Cause::Start));
    for minutes in [1, 2, 4, 8, 16, 32, 60, 60, 60] {
        let at = planner.wake_at().expect("tried again");
        let wait = at - now;
        assert!(wait >= Duration::minutes(minutes) && wait <= Duration::minutes(minutes) * 3 / 2);
        now = at;
        assert_eq!(step(&mut planner, false, now), app(Cause::Retry));
    }
    assert_eq!(planner.failures("app", Job::Backup), 10);
    now = planner.wake_at().expect("tried again");
    assert_eq!(step(&mut planner, true, now), app(Cause::Retry));
    assert_eq!(planner.failures("app", Job::Backup), 0);
    // Never later than the schedule would have it.
    let mut planner = Planner::new(1, 1);
    let minutely = Schedule::every(Span::from_secs(30)).expect("an interval");
    planner.insert("app", Job::Backup, minutely, None, START);
    step(&mut planner, false, START);
    assert_eq!(planner.wake_at(), Some(START + Duration::seconds(30)));
}

#[test]
fn one_at_a_time_of_each_and_so_many_of_all() {
    let mut planner = Planner::new(3, 1);
    for n in 0..10 {
        planner.insert(&format!("db{n}"), Job::Backup, hourly(), None, START);
        planner.insert(&format!("db{n}"), Job::Check, hourly(), None, START);
    }
    let started = planner.poll(START);
    let names = |job| -> Vec<&str> {
        let those = started.iter().filter(|one| one.job == job);
        those.map(|one| one.database.as_str()).collect()
    };
    assert_eq!(names(Job::Backup), ["db0", "db1", "db2"]);
    assert_eq!(names(Job::Check).len(), 1, "upkeep does not wait for backups, one at a time");
    assert_eq!(planner.poll(START + Duration::HOUR), [], "all is busy");
    assert_eq!(planner.wake_at(), None, "the end of one is the next that happens");
    planner.finished("db1", Job::Backup, true, START + Duration::HOUR);
    let next = planner.poll(START + Duration::HOUR);
    assert_eq!(next.len(), 1);
    assert_eq!(next[0].database, "db3", "who waits longest goes first");
    // What is said twice to have ended is taken once.
    planner.finished("db1", Job::Backup, true, START + Duration::HOUR);
    assert_eq!(planner.running(), 4);
}

#[test]
fn asked_for() {
    let mut planner = Planner::new(1, 1);
    planner.insert("app", Job::Backup, hourly(), None, START);
    step(&mut planner, true, START);
    let now = START + Duration::minutes(3);
    assert!(planner.ask("app", Job::Backup, now));
    assert!(!planner.ask("other", Job::Backup, now));
    let started = planner.poll(now);
    assert_eq!(started[0].cause, Cause::Asked);
    // While it runs: once more, however often.
    assert!(planner.ask("app", Job::Backup, now) && planner.ask("app", Job::Backup, now));
    assert_eq!(planner.poll(now), []);
    planner.finished("app", Job::Backup, true, now);
    assert_eq!(step(&mut planner, true, now), app(Cause::Asked));
    assert_eq!(step(&mut planner, true, now), []);
}

#[test]
fn another_configuration() {
    let mut planner = Planner::new(2, 1);
    planner.insert("app", Job::Backup, hourly(), None, START);
    planner.insert("gone", Job::Backup, hourly(), None, START);
    planner.insert("gone", Job::Prune, hourly(), None, START);
    assert_eq!(planner.poll(START).len(), 3);
    planner.remove("gone", Job::Backup);
    planner.remove("gone", Job::Prune);
    let daily = Schedule::every(Span::from_secs(24 * 3600)).expect("an interval");
    planner.insert("app", Job::Backup, daily, Some(START), START);
    assert_eq!(planner.poll(START), [], "it still runs");
    for (database, job) in [("app", Job::Backup), ("gone", Job::Backup), ("gone", Job::Prune)] {
        planner.finished(database, job, true, START);
    }
    assert_eq!(planner.wake_at(), Some(START + Duration::DAY));
    assert_eq!((planner.running(), planner.next_run("gone", Job::Backup)), (0, None));
}

/// Drawn anew each time, and never beyond what was said.
#[test]
fn jitter() {
    let schedule = hourly().with_jitter(Span::from_secs(600));
    let mut planner = Planner::new(1, 7);
    planner.insert("app", Job::Backup, schedule, None, START);
    let mut delays = Vec::new();
    let mut regular = START;
    for _ in 0..50 {
        let at = planner.wake_at().expect("is due");
        delays.push(at - regular);
        step(&mut planner, true, at);
        regular = at + Duration::HOUR;
    }
    assert!(delays.iter().all(|delay| (Duration::ZERO..=Duration::minutes(10)).contains(delay)));
    delays.sort_unstable();
    delays.dedup();
    assert!(delays.len() > 40, "{delays:?}");
}

/// Planned anew again and again, as settings are read anew: what is due stays due.
#[test]
fn planning_anew_postpones_nothing() {
    let mut planner = Planner::new(1, 1);
    let daily = Schedule::every(Span::from_secs(24 * 3600)).expect("an interval");
    let daily = daily.with_start(false);
    for minutes in 0..24 * 60 {
        let now = START + Duration::minutes(minutes);
        planner.insert("app", Job::Prune, daily.clone(), None, now);
        assert_eq!(planner.poll(now), []);
    }
    let now = START + Duration::DAY;
    planner.insert("app", Job::Prune, daily, None, now);
    assert_eq!(planner.poll(now).len(), 1);
}
