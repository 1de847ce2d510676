//! Deterministic simulation: one seed decides who goes on by one call, what becomes
//! of that call, who dies, which place cannot be reached, what time it is.
//!
//! Processes of two installations back up, forget, bring back, pin, collect, copy
//! between a primary and a fallback, and take over from each other. Each stands still
//! before each of its calls until it is let go; so one thing happens at a time, and a
//! seed that failed fails again (only what one process asks at once, and what is
//! drawn at random, such as names, may differ). After every call [`law`] looks
//! whether the rules still hold, and after every process what is advertised is
//! restored.
//!
//! `cargo xtask simulate --minutes N` runs one seed after the other;
//! `LIFEBOAT_SIMULATE_SEED` repeats one.

mod deeds;
mod law;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use lifeboat_format::id::SnapshotId;
use lifeboat_repository::{Database, Ownership, Repository, RestoreOptions, Snapshot};
use lifeboat_testing::script::{Pause, World};
use tokio::task::JoinHandle;

use crate::image::{Image, Restored};
use crate::rules::DAY;
use crate::world::{Host, name};
use deeds::{Deed, Done};
use law::Law;

const PLACES: [&str; 2] = ["primary", "fallback"];
const PAGES: u32 = 6;
/// Processes that run at once, at most.
const AT_ONCE: usize = 3;
/// Calls of one history.
const CALLS: u64 = 1200;
/// What continuous integration runs.
const FIRST_SEED: u64 = 20_261_121;
const SEEDS: u64 = 12;

/// Numbers that follow from a seed.
struct Dice(u64);

impl Dice {
    fn of(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % n
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    fn pick<T: Copy>(&mut self, all: &[T]) -> Option<T> {
        if all.is_empty() { None } else { Some(all[self.below(all.len() as u64) as usize]) }
    }
}

/// A process under way.
struct Process {
    client: String,
    place: usize,
    deed: Deed,
    gate: Pause,
    task: JoinHandle<Done>,
    /// Nothing but itself can be the reason if it fails.
    alone: bool,
    /// It stands before a call.
    waits: bool,
}

struct Simulation {
    dice: Dice,
    world: World,
    hosts: [Host; 2],
    observers: [Database; 2],
    _reader: Host,
    /// Which installation backs up at each place.
    owner: [usize; 2],
    down: [bool; 2],
    running: Vec<Process>,
    image: Image,
    law: [Law; 2],
    /// What snapshots are of, where somebody was told what they are called.
    known: BTreeMap<SnapshotId, Image>,
    /// What was backed up by somebody who was told nothing.
    untold: Vec<Image>,
    /// What was acknowledged, and where.
    acknowledged: BTreeSet<(usize, SnapshotId)>,
    /// What somebody wanted to be forgotten: it may be gone.
    forgotten: BTreeSet<(usize, u64)>,
    proven: BTreeSet<(usize, SnapshotId)>,
    next_client: u64,
    calls: u64,
    counts: BTreeMap<&'static str, u64>,
}

impl Simulation {
    async fn begin(seed: u64) -> Self {
        let world = World::new();
        let hosts = [Host::new("a"), Host::new("b")];
        let remote = |place: usize| world.folder("begin", PLACES[place]);
        let made = Repository::create(remote(0), hosts[0].local.clone()).await.expect("creates");
        made.replicate(remote(1), None).await.expect("replicates");
        let reader = Host::new("reader");
        // Who looks reaches every place always.
        let look = async |place: usize| {
            let opened = Repository::open(world.folder("law", PLACES[place]), reader.local.clone());
            opened.await.expect("opens").database(name())
        };
        let observers = [look(0).await, look(1).await];
        let mut image = Image::new(PAGES);
        image.write(0, seed);
        let law = [Law::default(), Law::default()];
        Self {
            dice: Dice::of(seed),
            world,
            hosts,
            observers,
            _reader: reader,
            owner: [0, 0],
            down: [false, false],
            running: Vec::new(),
            image,
            law,
            known: BTreeMap::new(),
            untold: Vec::new(),
            acknowledged: BTreeSet::new(),
            forgotten: BTreeSet::new(),
            proven: BTreeSet::new(),
            next_client: 0,
            calls: 0,
            counts: BTreeMap::new(),
        }
    }

    fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }

    /// The rules hold, and the owner is who they say.
    async fn look(&mut self, place: usize) {
        self.law[place].hold(&self.world, &self.observers[place], PLACES[place]).await;
        self.owner[place] = self.law[place].owner_is("b").into();
    }

    /// Something happens: a process begins, or goes on by a call, or the world changes.
    async fn step(&mut self) {
        match self.dice.below(40) {
            0 => self.outage().await,
            1 => self.time_passes(),
            _ if self.running.len() < AT_ONCE
                && (self.running.is_empty() || self.dice.one_in(6)) =>
            {
                self.somebody_begins().await;
            }
            _ => {
                let at = self.dice.below(self.running.len() as u64) as usize;
                self.goes_on(at).await;
            }
        }
    }

    async fn outage(&mut self) {
        let place = self.dice.below(2) as usize;
        self.down[place] = !self.down[place];
        self.world.set_down(PLACES[place], self.down[place]);
        self.running.iter_mut().for_each(|process| process.alone = false);
        self.count("outages");
    }

    fn time_passes(&mut self) {
        let hours = Duration::from_secs(3600 * self.dice.below(30));
        self.world.advance(hours);
        for host in 0..2 {
            let mut clock = self.hosts[host].clock.lock().expect("never poisoned");
            match self.dice.below(6) {
                0 => *clock += DAY,
                1 => *clock -= DAY,
                _ => *clock += hours,
            }
        }
        self.count("clocks");
    }

    async fn somebody_begins(&mut self) {
        let place = usize::from(self.dice.one_in(3));
        let Some(deed) = self.choose(place).await else { return };
        let host = self.installation_of(&deed, place);
        let client = format!("p{}", self.next_client);
        self.next_client += 1;
        let gate = self.world.gate(&client);
        let remotes = [0, 1].map(|place| self.world.folder(&client, PLACES[place]));
        let local = self.hosts[host].local.clone();
        let task = tokio::spawn(deed.clone().run(remotes, local, place));
        let alone = self.running.is_empty() && self.down == [false, false];
        self.running.iter_mut().for_each(|process| process.alone = false);
        self.running.push(Process { client, place, deed, gate, task, alone, waits: false });
        let at = self.running.len() - 1;
        self.until_it_waits(at).await;
    }

    fn installation_of(&self, deed: &Deed, place: usize) -> usize {
        match deed {
            Deed::Backup { ownership: Ownership::TakeOver(_), .. } => 1 - self.owner[place],
            _ => self.owner[place],
        }
    }

    async fn choose(&mut self, place: usize) -> Option<Deed> {
        let listing = self.observers[place].snapshots(None).await.expect("lists");
        let alive: Vec<_> = listing.snapshots.iter().map(Snapshot::number).collect();
        let trash: Vec<_> = listing.trash.iter().map(|one| one.number).collect();
        let deed = match self.dice.below(24) {
            0..8 => self.backup(Ownership::Refuse, false),
            8..10 => self.backup(Ownership::Refuse, true),
            10 => self.backup(Ownership::TakeOver(listing.newest?), false),
            11..14 => Deed::Forget(self.dice.pick(&alive)?),
            14..16 => Deed::Undelete(self.dice.pick(&trash)?),
            16 => Deed::Pin(self.dice.pick(&alive)?),
            17 => Deed::Unpin(self.dice.pick(&alive)?),
            18..21 => Deed::Collect { trash: DAY * self.dice.below(2) as u32 },
            _ => Deed::Bring,
        };
        if let Deed::Forget(number) = deed {
            self.forgotten.insert((place, number.0));
        }
        Some(deed)
    }

    fn backup(&mut self, ownership: Ownership, archive: bool) -> Deed {
        for _ in 0..=self.dice.below(2) {
            let page = self.dice.below(u64::from(PAGES)) as u32;
            self.image.write(page, self.dice.below(1 << 40));
        }
        let host = self.owner[0];
        let now = *self.hosts[host].clock.lock().expect("never poisoned");
        self.image.taken_at = now.max(self.image.taken_at) + time::Duration::SECOND;
        if self.dice.one_in(5) {
            self.image.taken_at = now;
        }
        Deed::Backup { image: self.image.clone(), ownership, archive }
    }

    /// A process makes the call that it stands before, whatever becomes of it.
    async fn goes_on(&mut self, at: usize) {
        let client = self.running[at].client.clone();
        let what = match self.dice.below(60) {
            0 => {
                self.world.crash(&client);
                Some("deaths")
            }
            1 => {
                self.world.crash_at_applied(&client, 1);
                Some("deaths")
            }
            2 => {
                self.world.fail_at(&client, 1);
                Some("failures")
            }
            3 => {
                self.world.lose_answer_at(&client, 1);
                Some("lost answers")
            }
            _ => None,
        };
        if let Some(what) = what {
            self.running[at].alone = false;
            self.count(what);
        }
        self.calls += 1;
        let process = &mut self.running[at];
        debug_assert!(process.waits);
        process.waits = false;
        process.gate.release();
        self.until_it_waits(at).await;
        let changed = |place: &str| {
            let calls = self.world.calls();
            calls.iter().any(|call| call.op.changes() && call.key.starts_with(place))
        };
        let changed = PLACES.map(changed);
        self.world.clear_calls();
        for place in (0..2).filter(|place| changed[*place]) {
            self.look(place).await;
        }
        if self.dice.one_in(50) {
            self.world.stale_listing(&client).await;
            self.count("stale listings");
        }
    }

    async fn until_it_waits(&mut self, at: usize) {
        let process = &mut self.running[at];
        let done = tokio::select! {
            biased;
            () = process.gate.reached() => {
                process.waits = true;
                return;
            }
            done = &mut process.task => done.expect("no process panics"),
        };
        let process = self.running.swap_remove(at);
        self.world.revive(&process.client);
        self.ended(process, done).await;
    }

    async fn ended(&mut self, process: Process, done: Done) {
        let Process { client, place, deed, alone, .. } = process;
        self.count(deed.name());
        self.look(place).await;
        match done {
            Ok(Some(id)) => {
                let Deed::Backup { image, .. } = deed else {
                    unreachable!("only a backup says what it made");
                };
                self.known.insert(id.clone(), image);
                self.acknowledged.insert((place, id));
            }
            Ok(None) => {}
            Err(error) => {
                let refused = deed.may_be_refused();
                assert!(!alone || refused, "{client} alone cannot {deed:?}: {error}");
                if let Deed::Backup { image, .. } = deed {
                    self.untold.push(image);
                }
            }
        }
        self.restore(place, false).await;
    }

    /// What is advertised and was not restored before is, and is what was backed up;
    /// what was acknowledged is there.
    async fn restore(&mut self, place: usize, all: bool) {
        let database = self.observers[place].clone();
        let listing = database.snapshots(None).await.expect("lists");
        assert!(listing.broken.is_empty() && listing.burnt.is_empty(), "{:?}", listing.broken);
        let mut there = BTreeMap::new();
        for snapshot in &listing.snapshots {
            let id = snapshot.id().clone();
            assert!(there.insert(id.clone(), snapshot.number()).is_none(), "{id} is there twice");
            if !all && self.proven.contains(&(place, id.clone())) {
                continue;
            }
            let options = RestoreOptions::default();
            let restored = database.restore(snapshot, Restored::default(), &options).await;
            let bytes = restored.unwrap_or_else(|e| panic!("{id} at {place}: {e}")).0.finish();
            let right = match self.known.get(&id) {
                Some(image) => image.bytes == bytes,
                None => self.is_of_somebody(&bytes),
            };
            assert!(right, "{id} at {place} is another image");
            self.proven.insert((place, id));
        }
        for (_, id) in self.acknowledged.iter().filter(|(at, _)| *at == place) {
            let number = self.law[place].number_of(id);
            let number =
                number.unwrap_or_else(|| panic!("{id} was acknowledged and has no record"));
            let may_be_gone = self.forgotten.contains(&(place, number.0));
            assert!(there.contains_key(id) || may_be_gone, "{id} was acknowledged, and is gone");
        }
    }

    fn is_of_somebody(&self, bytes: &[u8]) -> bool {
        let running = self.running.iter().filter_map(|process| match &process.deed {
            Deed::Backup { image, .. } => Some(image),
            _ => None,
        });
        self.untold.iter().chain(running).any(|image| image.bytes == bytes)
    }

    /// The storm is over: everybody goes on to the end, what the primary missed comes
    /// home, and all is well.
    async fn end(mut self) -> Self {
        for place in PLACES {
            self.world.set_down(place, false);
        }
        while !self.running.is_empty() {
            self.running[0].alone = false;
            self.running[0].gate.release();
            self.running[0].waits = false;
            self.until_it_waits(0).await;
        }
        for place in 0..2 {
            self.look(place).await;
        }
        // Later than everything that any clock has said.
        self.hosts.iter().for_each(|host| host.advance(DAY * 10_000));
        let remotes = || [0, 1].map(|place| self.world.folder("end", PLACES[place]));
        for place in 0..2 {
            let local = self.hosts[self.owner[place]].local.clone();
            let done = Deed::Bring.run(remotes(), local.clone(), place).await;
            done.unwrap_or_else(|error| panic!("what place {place} missed: {error}"));
            let done = Deed::Collect { trash: Duration::ZERO }.run(remotes(), local, place).await;
            done.unwrap_or_else(|error| panic!("the last collection of place {place}: {error}"));
        }
        for place in 0..2 {
            self.look(place).await;
            self.restore(place, true).await;
            law::finds_nothing(&self.observers[place]).await;
        }
        self
    }
}

/// One history. Returns how many calls it had, and what happened how often.
async fn history(seed: u64, calls: u64) -> (u64, BTreeMap<&'static str, u64>) {
    eprintln!("seed {seed}: LIFEBOAT_SIMULATE_SEED={seed}");
    let mut simulation = Simulation::begin(seed).await;
    while simulation.calls < calls {
        simulation.step().await;
    }
    let ended = simulation.end().await;
    (ended.calls, ended.counts)
}

fn given(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

/// The seeds of continuous integration; or one that is named; or as many as fit into
/// so many minutes.
#[tokio::test]
async fn histories() {
    let begun = Instant::now();
    let minutes = given("LIFEBOAT_SIMULATE_MINUTES");
    let only = given("LIFEBOAT_SIMULATE_SEED");
    let first = only.unwrap_or(FIRST_SEED);
    let mut counts: BTreeMap<&'static str, u64> = BTreeMap::new();
    let (mut seeds, mut steps) = (0, 0);
    for seed in first.. {
        let (calls, happened) = history(seed, CALLS).await;
        seeds += 1;
        steps += calls;
        happened.into_iter().for_each(|(what, times)| *counts.entry(what).or_default() += times);
        let enough = match (only, minutes) {
            (Some(_), _) => true,
            (None, Some(minutes)) => begun.elapsed() >= Duration::from_secs(60 * minutes),
            (None, None) => seeds >= SEEDS,
        };
        if enough {
            break;
        }
    }
    println!("{seeds} seeds from {first}, {steps} steps: {counts:?}");
    for what in ["deaths", "failures", "lost answers", "outages", "backup", "collect", "bring"] {
        let times = counts.get(what).copied().unwrap_or_default();
        assert!(only.is_some() || times >= seeds, "{what}: only {times} times");
    }
}
