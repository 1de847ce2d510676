//! Everything that can happen to the pins, in small worlds; and long walks in
//! larger ones.

use std::collections::{HashSet, VecDeque};
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

use lifeboat_wal::pins::Lock;

use crate::model::{Budget, Event, MODES, World};

const NOTHING: Budget =
    Budget { commits: 0, reads: 0, checkpoints: 0, kills: 0, captor_kills: 0 };

/// Goes through all states that can be reached; how many there are, or the
/// violation that came first.
fn explore(start: World) -> Result<usize, String> {
    let hasher = BuildHasherDefault::<DefaultHasher>::default();
    let mut seen = HashSet::from([hasher.hash_one(&start)]);
    let mut open = VecDeque::from([start]);
    while let Some(world) = open.pop_front() {
        for event in world.events() {
            let mut next = world.clone();
            next.happen(event).map_err(|e| format!("{e}\nafter {event:?} in {world:#?}"))?;
            let hash = hasher.hash_one(&next);
            if seen.insert(hash) {
                if next.is_idle() && hash % 5 == 0 {
                    next.check_rest().map_err(|e| format!("{e}\nin {next:#?}"))?;
                }
                open.push_back(next);
            }
        }
    }
    Ok(seen.len())
}

#[track_caller]
fn check(apps: usize, budget: Budget, at_least: usize) {
    match explore(World::new(apps, budget, None)) {
        Ok(states) => {
            println!("{states} states");
            assert!(states >= at_least, "{states} states: the world is smaller than it was");
        }
        Err(violation) => panic!("{violation}"),
    }
}

#[test]
fn writers_and_checkpoints_of_every_mode() {
    check(2, Budget { commits: 3, checkpoints: 1, ..NOTHING }, 10_000);
    check(2, Budget { commits: 2, checkpoints: 2, ..NOTHING }, 10_000);
}

#[test]
fn readers() {
    check(2, Budget { commits: 2, reads: 1, checkpoints: 1, ..NOTHING }, 10_000);
}

#[test]
fn killed_writers_and_checkpointers() {
    check(2, Budget { commits: 2, checkpoints: 1, kills: 1, ..NOTHING }, 10_000);
    check(1, Budget { commits: 4, kills: 2, ..NOTHING }, 3_000);
}

#[test]
fn killed_captors() {
    check(2, Budget { commits: 2, checkpoints: 1, captor_kills: 1, ..NOTHING }, 10_000);
    check(1, Budget { commits: 3, checkpoints: 2, captor_kills: 1, ..NOTHING }, 10_000);
}

/// A lock that is said to be held and is not must be found out: else this
/// exploration proves nothing.
#[test]
fn a_lock_that_is_not_there_is_found_out() {
    let budget = Budget { commits: 3, checkpoints: 2, ..NOTHING };
    for lock in [Lock::Reader, Lock::Guard] {
        let violation = explore(World::new(1, budget, Some(lock)));
        assert!(violation.is_err(), "without the {lock:?} nothing was lost");
    }
}

/// xorshift: the same walks each time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % sides as u64) as usize
    }
}

#[test]
fn long_walks() {
    let plenty = Budget { commits: 10_000, reads: 10_000, checkpoints: 10_000, kills: 300, captor_kills: 60 };
    let (mut lives, mut kills) = (0, 0);
    for seed in 1..=60 {
        let mut dice = Dice(seed * 0x9e37_79b9);
        let mut world = World::new(4, plenty, None).exact(6, 9);
        let mut trail = VecDeque::new();
        for _ in 0..2_000 {
            let events: Vec<_> = world
                .events()
                .into_iter()
                .filter(|event| {
                    !matches!(event, Event::Kill(_) | Event::KillCaptor) || dice.roll(20) == 0
                })
                .collect();
            let event = events[dice.roll(events.len())];
            kills += usize::from(matches!(event, Event::Kill(_) | Event::KillCaptor));
            trail.push_back(event);
            if trail.len() > 60 {
                trail.pop_front();
            }
            if let Err(violation) = world.happen(event) {
                panic!("seed {seed}: {violation}\n{trail:?}\n{world:#?}");
            }
        }
        lives += world.lives();
    }
    println!("{lives} lives of the WAL, {kills} kills");
    assert!(lives > 300 && kills > 500, "{lives} lives, {kills} kills");
}

/// A writer that never rests, and nobody who checkpoints: the WAL begins anew
/// all the same.
#[test]
fn the_wal_is_bounded() {
    let mut most = 0;
    for seed in 1..=20 {
        let mut dice = Dice(seed * 0x9e37_79b9);
        let budget = Budget { commits: 60_000, reads: 60_000, ..NOTHING };
        let mut world = World::new(2, budget, None).exact(20, 30);
        for _ in 0..6_000 {
            // The captor has a third of all steps, and a reader comes by.
            let events = world.events();
            let event = match dice.roll(3) {
                0 => Event::Captor,
                _ => events[dice.roll(events.len())],
            };
            world.happen(event).unwrap_or_else(|e| panic!("seed {seed}: {e}"));
            most = most.max(world.frames());
        }
        assert!(world.lives() > 5, "seed {seed}: {} lives", world.lives());
    }
    println!("at most {most} frames");
    assert!(most < 300, "{most} frames");
    assert_eq!(MODES.len(), 4);
}
