//! Two years with crashes, a machine that sleeps, clocks that are set, and stores
//! that are slow or away.

use std::collections::BTreeMap;
use std::time::Duration as Span;

use lifeboat_agent::{Facts, Job, Level, Limits, Planner, Schedule, TimeZone, judge};
use time::macros::datetime;
use time::{Duration, OffsetDateTime};

const START: OffsetDateTime = datetime!(2026-03-01 00:00 UTC);
const STEP: Duration = Duration::minutes(5);

/// Xorshift (Marsaglia, 2003): what happens, by a seed that a failure names.
struct Fate(u64);

impl Fate {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }

    fn minutes(&mut self, limit: u64) -> Duration {
        Duration::minutes(self.below(limit).try_into().expect("small"))
    }

    fn once_in(&mut self, days: u64) -> bool {
        self.below(days * 24 * 12) == 0
    }
}

/// A database, and what the repository would say of it.
struct Database {
    name: &'static str,
    schedule: Schedule,
    last_good: Option<OffsetDateTime>,
    /// When the backup that runs will have ended, and of when it is.
    running: Option<(OffsetDateTime, OffsetDateTime)>,
}

struct World {
    now: OffsetDateTime,
    fate: Fate,
    databases: Vec<Database>,
    planner: Option<Planner>,
    /// The agent is away until then.
    down: OffsetDateTime,
    /// The store is away until then.
    out: OffsetDateTime,
    /// Nothing was wrong with the world since then.
    calm: OffsetDateTime,
    seen: BTreeMap<Level, u32>,
    runs: u32,
    troubles: u32,
}

fn databases() -> Vec<Database> {
    let every = |seconds| Schedule::every(Span::from_secs(seconds)).expect("an interval");
    let berlin = TimeZone::get("Europe/Berlin").expect("a zone of the world");
    let schedules = [
        ("minutes", every(600)),
        ("hourly", every(3600).with_jitter(Span::from_secs(300)).with_start(false)),
        ("nightly", Schedule::cron("30 2 * * *", berlin.clone()).expect("cron").with_start(false)),
        ("weekdays", Schedule::cron("0 3 * * 1-5", berlin).expect("cron")),
        ("weekly", every(7 * 24 * 3600)),
    ];
    let database = |(name, schedule)| Database { name, schedule, last_good: None, running: None };
    schedules.into_iter().map(database).collect()
}

impl World {
    fn new(seed: u64) -> Self {
        let mut world = Self {
            now: START,
            fate: Fate(seed),
            databases: databases(),
            planner: None,
            down: START,
            out: START,
            calm: START,
            seen: BTreeMap::new(),
            runs: 0,
            troubles: 0,
        };
        world.start_agent();
        world
    }

    /// All that a new process knows is what the repository says.
    fn start_agent(&mut self) {
        let mut planner = Planner::new(2, self.fate.below(u64::MAX));
        for one in &mut self.databases {
            planner.insert(one.name, Job::Backup, one.schedule.clone(), one.last_good, self.now);
        }
        self.planner = Some(planner);
    }

    fn trouble(&mut self, until: OffsetDateTime) {
        self.troubles += 1;
        self.calm = self.calm.max(until);
    }

    fn happen(&mut self) {
        if self.fate.once_in(9) {
            // Killed, with whatever ran.
            self.planner = None;
            self.databases.iter_mut().for_each(|one| one.running = None);
            self.down = self.now + self.fate.minutes(3 * 24 * 60);
            self.trouble(self.down);
        }
        if self.fate.once_in(7) {
            self.out = self.now + self.fate.minutes(2 * 24 * 60);
            self.trouble(self.out);
        }
        if self.fate.once_in(5) {
            // The lid is shut: nobody is asked anything, and what ran goes on after.
            let slept = self.fate.minutes(30 * 60);
            self.now += slept;
            let running = self.databases.iter_mut().filter_map(|one| one.running.as_mut());
            let ends = running.map(|(end, _)| {
                *end += slept;
                *end
            });
            let until = ends.fold(self.now, OffsetDateTime::max);
            self.trouble(until);
        }
        if self.fate.once_in(40) {
            // Somebody sets the clock; for a moment only, because a repository
            // with times in the future is another story.
            let back = self.fate.minutes(90);
            let now = self.now - back;
            self.drive(now);
            self.trouble(self.now);
        }
        if self.planner.is_none() && self.now >= self.down {
            self.start_agent();
        }
    }

    /// What the driver of the planner does, at a time of its clock.
    fn drive(&mut self, now: OffsetDateTime) {
        let Some(planner) = &mut self.planner else { return };
        for one in &mut self.databases {
            let Some((_, of)) = one.running.take_if(|(end, _)| *end <= now) else { continue };
            let succeeded = self.out <= now;
            if succeeded {
                one.last_good = Some(of);
            }
            planner.finished(one.name, Job::Backup, succeeded, now);
        }
        for start in planner.poll(now) {
            let one = self.databases.iter_mut().find(|one| one.name == start.database);
            let one = one.expect("one of them");
            assert_eq!(one.running, None, "two at once of {}", one.name);
            // Mostly minutes, and sometimes hours.
            let slow = self.fate.below(50) == 0;
            let lasts = self.fate.minutes(if slow { 240 } else { 3 });
            if slow {
                self.troubles += 1;
                self.calm = self.calm.max(now + lasts);
            }
            one.running = Some((now + lasts, now));
            self.runs += 1;
        }
        assert!(planner.running() <= 2);
    }

    fn look(&mut self) {
        for one in &self.databases {
            let interval = Duration::try_from(one.schedule.longest_gap()).expect("short");
            let facts =
                Facts { last_good: one.last_good, interval: Some(interval), ..Facts::default() };
            let level = judge(&facts, &Limits::default(), self.now).level;
            // The documented table, in milliseconds and by another hand.
            let i = interval.whole_milliseconds();
            let expected = match one.last_good.map(|last| (self.now - last).whole_milliseconds()) {
                None => Level::Critical,
                Some(age) if age > 2 * i => Level::Critical,
                Some(age) if age > i + 3_600_000.min(i / 2) => Level::Warning,
                Some(_) => Level::Healthy,
            };
            assert_eq!(level, expected, "{} at {}", one.name, self.now);
            // In a world without trouble nothing is missed: the schedule, the
            // longest wait after a failure, a run, and the two at once of others.
            let calm_for = self.now - self.calm;
            let due = interval + Duration::minutes(10);
            if calm_for > due + Duration::hours(2) {
                assert_eq!(level, Level::Healthy, "{} at {}: {facts:?}", one.name, self.now);
            }
            *self.seen.entry(level).or_default() += 1;
        }
    }

    fn live(&mut self) {
        while self.now < START + Duration::days(730) {
            self.happen();
            self.drive(self.now);
            self.look();
            let wake = self.planner.as_ref().and_then(Planner::wake_at);
            let ends =
                self.databases.iter().filter_map(|one| one.running).map(|(end, _)| end).min();
            let next = [wake, ends].into_iter().flatten().filter(|at| *at > self.now).min();
            self.now = next.unwrap_or(self.now + STEP).min(self.now + STEP);
        }
    }
}

#[test]
fn two_years() {
    let mut seen = BTreeMap::new();
    for seed in [1, 20_261_121, 0xdead_beef, 77] {
        let mut world = World::new(seed);
        world.live();
        assert!(world.troubles > 200 && world.runs > 20_000, "seed {seed}");
        for (level, count) in world.seen {
            *seen.entry(level).or_insert(0) += count;
        }
    }
    // Each was there, so that each was compared.
    assert!(seen.values().all(|count| *count > 10_000), "{seen:?}");
    assert_eq!(seen.len(), 3);
}
