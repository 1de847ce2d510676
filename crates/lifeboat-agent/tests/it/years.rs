//! Two years with crashes, a machine that sleeps, clocks that are set, and stores
//! that are slow or away.

use std::collections::BTreeMap;
use std::time::Duration as Span;

use lifeboat_agent::{Facts, Job, Level, Limits, Planner, Reason, Schedule, TimeZone, judge};
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

/// A database, and what its destinations and this machine would say of it.
struct Database {
    name: &'static str,
    schedule: Schedule,
    /// Whether there is somewhere else that backups go while the store is away.
    has_fallback: bool,
    on_primary: Option<OffsetDateTime>,
    on_fallback: Option<OffsetDateTime>,
    failures: u32,
    verified_at: Option<OffsetDateTime>,
    drilled_at: Option<OffsetDateTime>,
    drill_failed: bool,
    damaged: bool,
    /// Bytes of the database, before and now.
    sizes: (u64, u64),
    free: u64,
    wal: u64,
    taken: u64,
    /// When each job was last done: what a new process is told.
    done: BTreeMap<Job, OffsetDateTime>,
    /// When what runs will have ended, and of when it is.
    running: BTreeMap<Job, (OffsetDateTime, OffsetDateTime)>,
    /// Somebody was alarmed since the last good state.
    alarmed: bool,
}

impl Database {
    fn good(&self) -> Option<OffsetDateTime> {
        self.on_primary.max(self.on_fallback)
    }

    fn interval(&self) -> Duration {
        Duration::try_from(self.schedule.longest_gap() + self.schedule.jitter()).expect("short")
    }
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
    /// By how many seconds its clock is ahead.
    ahead: i64,
    /// Nothing was wrong with the world since then.
    calm: OffsetDateTime,
    /// How often each row of the table held.
    rows: [u32; ROWS],
    seen: BTreeMap<Level, u32>,
    runs: u32,
    missed: u32,
    troubles: u32,
}

const ROWS: usize = 18;

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
    let database = |(at, (name, schedule)): (usize, _)| Database {
        name,
        schedule,
        has_fallback: at % 2 == 0,
        on_primary: None,
        on_fallback: None,
        failures: 0,
        verified_at: None,
        drilled_at: None,
        drill_failed: false,
        damaged: false,
        sizes: (1 << 30, 1 << 30),
        free: 1 << 40,
        wal: 0,
        taken: 0,
        done: BTreeMap::new(),
        running: BTreeMap::new(),
        alarmed: false,
    };
    schedules.into_iter().enumerate().map(database).collect()
}

fn limits() -> Limits {
    Limits {
        max_verify_age: Some(Duration::days(3)),
        max_drill_age: Some(Duration::days(40)),
        min_free_space: Some(1 << 30),
        ..Limits::default()
    }
}

/// So many bytes may the snapshots take.
const QUOTA: u64 = 1 << 33;

impl World {
    fn new(seed: u64) -> Self {
        let mut world = Self {
            now: START,
            fate: Fate(seed),
            databases: databases(),
            planner: None,
            down: START,
            out: START,
            ahead: 0,
            calm: START,
            rows: [0; ROWS],
            seen: BTreeMap::new(),
            runs: 0,
            missed: 0,
            troubles: 0,
        };
        world.start_agent();
        world
    }

    /// All that a new process knows is what the repository and the state directory
    /// say.
    fn start_agent(&mut self) {
        let mut planner = Planner::new(2, self.fate.below(u64::MAX));
        let upkeep = |days: u64| {
            let span = Span::from_secs(days * 24 * 3600);
            let schedule = Schedule::every(span).expect("an interval").with_start(false);
            schedule.with_jitter(Span::from_secs(3600))
        };
        for one in &mut self.databases {
            planner.insert(one.name, Job::Backup, one.schedule.clone(), one.good(), self.now);
            for (job, days) in [(Job::Prune, 1), (Job::Check, 1), (Job::Drill, 30)] {
                // Who never did it counts from its first start, not from each.
                let last = *one.done.entry(job).or_insert(self.now);
                planner.insert(one.name, job, upkeep(days), Some(last), self.now);
            }
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
            self.databases.iter_mut().for_each(|one| one.running.clear());
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
            let running = self.databases.iter_mut().flat_map(|one| one.running.values_mut());
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
        if self.fate.once_in(10) {
            self.ahead = [0, 0, 0, 300, 301, -301, -7200][self.fate.below(7) as usize];
        }
        if self.fate.once_in(2) {
            let at = self.fate.below(self.databases.len() as u64) as usize;
            let bytes = 1 << (25 + self.fate.below(8));
            let one = &mut self.databases[at];
            match self.fate.below(5) {
                0 => one.free = bytes,
                1 => one.wal = bytes,
                2 => one.taken = bytes * 3,
                3 => one.damaged = !one.damaged,
                _ => one.sizes = (one.sizes.1, bytes),
            }
        }
        if self.planner.is_none() && self.now >= self.down {
            self.start_agent();
        }
    }

    /// What the driver of the planner does, at a time of its clock.
    fn drive(&mut self, now: OffsetDateTime) {
        let Some(planner) = &mut self.planner else { return };
        let reached = self.out <= now;
        for one in &mut self.databases {
            let ended: Vec<Job> = one
                .running
                .iter()
                .filter(|(_, (end, _))| *end <= now)
                .map(|(job, _)| *job)
                .collect();
            for job in ended {
                let (_, of) = one.running.remove(&job).expect("it runs");
                let before = one.good();
                let succeeded = match job {
                    Job::Backup if reached => {
                        one.on_primary = Some(of);
                        true
                    }
                    Job::Backup if one.has_fallback => {
                        one.on_fallback = Some(of);
                        true
                    }
                    Job::Check if reached => {
                        one.verified_at = Some(of);
                        true
                    }
                    Job::Drill if reached => {
                        one.drill_failed = self.fate.below(4) == 0;
                        one.drilled_at = if one.drill_failed { one.drilled_at } else { Some(of) };
                        true
                    }
                    _ => reached && job == Job::Prune,
                };
                one.done.insert(job, of);
                planner.finished(one.name, job, succeeded, now);
                if job != Job::Backup {
                    continue;
                }
                one.failures = if succeeded { 0 } else { one.failures + 1 };
                let slack = (one.interval() / 2_i32).min(Duration::HOUR);
                let since = before.unwrap_or(START);
                if succeeded && of - since > one.interval() + slack {
                    // An interval was missed: somebody was told, before it was mended.
                    assert!(one.alarmed, "{} was missed until {now} and nobody knew", one.name);
                    self.missed += 1;
                }
                one.alarmed &= !succeeded;
            }
        }
        let (mut backups, mut upkeep) = (0, 0);
        for start in planner.poll(now) {
            let one = self.databases.iter_mut().find(|one| one.name == start.database);
            let one = one.expect("one of them");
            assert!(!one.running.contains_key(&start.job), "two at once of {}", one.name);
            // Mostly minutes, and sometimes hours.
            let slow = self.fate.below(50) == 0;
            let lasts = self.fate.minutes(if slow { 240 } else { 3 });
            if slow {
                self.troubles += 1;
                self.calm = self.calm.max(now + lasts);
            }
            one.running.insert(start.job, (now + lasts, now));
            self.runs += u32::from(start.job == Job::Backup);
        }
        for job in self.databases.iter().flat_map(|one| one.running.keys()) {
            *(if *job == Job::Backup { &mut backups } else { &mut upkeep }) += 1;
        }
        assert!(backups <= 2 && upkeep <= 1, "{backups} backups and {upkeep} others at once");
        assert_eq!(planner.running(), backups + upkeep);
    }

    /// What somebody would learn who looks now.
    fn facts(&self, one: &Database) -> Facts {
        let mut facts = Facts {
            interval: Some(one.interval()),
            failures: one.failures,
            last_error: (one.failures > 0).then(|| "the store is away".to_owned()),
            free_space: Some(one.free),
            wal: Some((one.wal, one.sizes.1)),
            ..Facts::default()
        };
        let is_out = self.out > self.now;
        if is_out && (!one.has_fallback || one.on_fallback.is_none()) {
            facts.unreadable = Some("the store is away".to_owned());
            return facts;
        }
        let is_away = one.on_fallback > one.on_primary;
        facts.fallback = (is_out || is_away).then(|| "the other".to_owned());
        facts.silent.extend(is_out.then(|| "the store is away".to_owned()));
        facts.last_good = if is_out { one.on_fallback } else { one.good() };
        facts.first_snapshot = facts.last_good.map(|_| START);
        facts.verified_at = one.verified_at;
        facts.drilled_at = one.drilled_at;
        facts.failed_drill = one.drill_failed.then(|| "SELECT 0".to_owned());
        facts.damage = one.damaged.then(|| "a pack".to_owned());
        facts.sizes = Some((one.sizes.1, one.sizes.0));
        facts.quota = Some((one.taken, QUOTA));
        facts.clock_ahead = Some(Duration::seconds(self.ahead));
        facts
    }

    /// The documented table, in whole numbers and by another hand: which of its rows
    /// hold, and the level of each.
    fn table(&self, facts: &Facts) -> [(bool, Level); ROWS] {
        use Level::{Critical, Warning};
        let ms = |span: Duration| span.whole_milliseconds();
        let since = |at: OffsetDateTime| ms(self.now - at);
        let (minute, hour, day) = (60_000, 3_600_000, 86_400_000);
        let i = ms(facts.interval.expect("it has one"));
        let age = facts.last_good.map(since);
        let older = |than: i128| age.is_some_and(|age| age > than);
        let proven = |at: Option<OffsetDateTime>, days: i128| {
            at.or(facts.first_snapshot).is_some_and(|at| since(at) > days * day)
        };
        let (now, before) = facts.sizes.unwrap_or((1, 1));
        let (wal, main) = facts.wal.unwrap_or_default();
        let (used, most) = facts.quota.unwrap_or((0, 1));
        let apart = facts.clock_ahead.map_or(0, |ahead| ms(ahead).abs());
        [
            (older(i + hour.min(i / 2)) && !older(2 * i), Warning),
            (older(2 * i), Critical),
            (age.is_none() && facts.unreadable.is_none(), Critical),
            (age.is_some_and(|age| age < -5 * minute), Warning),
            (facts.unreadable.is_some(), Critical),
            (facts.failures >= 1, Warning),
            (facts.fallback.is_some(), Warning),
            (!facts.silent.is_empty(), Warning),
            (proven(facts.verified_at, 3), Warning),
            (proven(facts.drilled_at, 40), Warning),
            (facts.failed_drill.is_some(), Critical),
            (facts.damage.is_some(), Critical),
            (2 * now + 1 < before, Warning),
            (facts.free_space < Some(1 << 30), Warning),
            (10 * used > 11 * most, Warning),
            (apart > 5 * minute, Warning),
            (wal > main && wal > 1 << 26, Warning),
            (facts.disabled.is_some(), Warning),
        ]
    }

    fn look(&mut self) {
        for at in 0..self.databases.len() {
            let one = &self.databases[at];
            let facts = self.facts(one);
            let health = judge(&facts, &limits(), self.now);
            let rows = self.table(&facts);
            let hold: Vec<Level> = rows.iter().filter(|row| row.0).map(|row| row.1).collect();
            let worst = hold.iter().max().copied().unwrap_or(Level::Healthy);
            let context = || format!("{} at {}: {facts:?}", one.name, self.now);
            assert_eq!(health.level, worst, "{}", context());
            assert_eq!(health.reasons.len(), hold.len(), "{}: {:?}", context(), health.reasons);
            for (count, (holds, _)) in self.rows.iter_mut().zip(rows) {
                *count += u32::from(holds);
            }
            let missed = |(_, reason): &(Level, Reason)| match reason {
                Reason::Old { .. } | Reason::Never | Reason::Failing { .. } => true,
                // Who cannot see does not know.
                Reason::Unreadable(_) => self.out > self.now,
                _ => false,
            };
            let missed = health.reasons.iter().any(missed);
            // In a world without trouble nothing is missed: the schedule, the
            // longest wait after a failure, a run, and the two at once of others.
            let due = one.interval() + Duration::minutes(10);
            if self.now - self.calm > due + Duration::hours(2) {
                assert!(!missed, "{}", context());
            }
            *self.seen.entry(health.level).or_default() += 1;
            self.databases[at].alarmed |= missed;
        }
    }

    fn live(&mut self) {
        while self.now < START + Duration::days(730) {
            self.happen();
            self.drive(self.now);
            self.look();
            let wake = self.planner.as_ref().and_then(Planner::wake_at);
            let ends = self
                .databases
                .iter()
                .flat_map(|one| one.running.values())
                .map(|(end, _)| *end)
                .min();
            let next = [wake, ends].into_iter().flatten().filter(|at| *at > self.now).min();
            self.now = next.unwrap_or(self.now + STEP).min(self.now + STEP);
        }
    }
}

#[test]
fn two_years() {
    let (mut seen, mut rows, mut missed) = (BTreeMap::new(), [0; ROWS], 0);
    for seed in [20_261_121, 0xdead_beef] {
        let mut world = World::new(seed);
        world.live();
        assert!(world.troubles > 200 && world.runs > 20_000, "seed {seed}");
        for (level, count) in world.seen {
            *seen.entry(level).or_insert(0) += count;
        }
        for (sum, count) in rows.iter_mut().zip(world.rows) {
            *sum += count;
        }
        missed += world.missed;
    }
    // Each was there, so that each was compared.
    assert!(seen.values().all(|count| *count > 10_000), "{seen:?}");
    assert_eq!(seen.len(), 3);
    assert!(missed > 200, "{missed}");
    // Clocks are not set ahead for long here, and nothing is disabled.
    let never: Vec<usize> = (0..ROWS).filter(|row| rows[*row] < 20).collect();
    assert_eq!(never, [3, 17], "{rows:?}");
}
