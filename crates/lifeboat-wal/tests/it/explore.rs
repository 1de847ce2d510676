//! Everything that can happen to the pins, in small worlds; and long walks in
//! larger ones.

use std::collections::{HashSet, VecDeque};
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

use lifeboat_wal::pins::{Action, Lock, Stop};

use crate::model::{Budget, Event, Mode, World};

const NOTHING: Budget = Budget { commits: 0, reads: 0, checkpoints: 0, kills: 0, captor_kills: 0 };

/// How many states are looked at in the usual run of the tests: all that can be
/// reached in few steps. `LIFEBOAT_STRESS_MINUTES` has all of them looked at,
/// some millions.
const STATES: usize = 25_000;

/// Goes through the states that can be reached, nearest first; how many there
/// are, and whether these are all, or the violation that came first.
fn explore(start: World, most: usize) -> Result<(usize, bool), String> {
    let hasher = BuildHasherDefault::<DefaultHasher>::default();
    let mut seen = HashSet::from([hasher.hash_one(&start)]);
    let mut open = VecDeque::from([start]);
    while let Some(world) = open.pop_front() {
        if seen.len() >= most {
            return Ok((seen.len(), false));
        }
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
    Ok((seen.len(), true))
}

/// Explores a world whose states are too many for the usual run.
#[track_caller]
fn check(apps: usize, budget: Budget) {
    let long = std::env::var_os("LIFEBOAT_STRESS_MINUTES").is_some();
    match explore(World::new(apps, budget, None), if long { usize::MAX } else { STATES }) {
        Ok((states, all)) => {
            println!("{states} states{}", if all { ", which are all" } else { "" });
            assert!(all || states >= STATES, "{states} states");
        }
        Err(violation) => panic!("{violation}"),
    }
}

/// Explores a world to its end.
#[track_caller]
fn check_all(budget: Budget, at_least: usize) {
    let explored = explore(World::new(1, budget, None), usize::MAX);
    let (states, _) = explored.unwrap_or_else(|e| panic!("{e}"));
    println!("{states} states, which are all");
    assert!(states > at_least, "{states} states");
}

#[test]
fn everything_that_one_writer_can_do() {
    check_all(Budget { commits: 2, ..NOTHING }, 1_000);
    check_all(Budget { commits: 1, checkpoints: 1, ..NOTHING }, 1_000);
}

#[test]
fn writers_and_checkpoints_of_every_mode() {
    check(2, Budget { commits: 3, checkpoints: 2, ..NOTHING });
}

#[test]
fn readers() {
    check(2, Budget { commits: 2, reads: 1, checkpoints: 1, ..NOTHING });
}

#[test]
fn killed_writers_and_checkpointers() {
    check(2, Budget { commits: 2, checkpoints: 1, kills: 1, ..NOTHING });
    check(1, Budget { commits: 4, kills: 2, ..NOTHING });
}

#[test]
fn killed_captors() {
    check(2, Budget { commits: 2, checkpoints: 1, captor_kills: 1, ..NOTHING });
    check(1, Budget { commits: 3, checkpoints: 2, captor_kills: 1, ..NOTHING });
}

/// A lock that is said to be held and is not must be found out: else this
/// exploration proves nothing.
#[test]
fn a_lock_that_is_not_there_is_found_out() {
    let budget = Budget { commits: 3, checkpoints: 2, ..NOTHING };
    for lock in [Lock::Reader, Lock::Guard] {
        let violation = explore(World::new(1, budget, Some(lock)), STATES);
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
    let plenty = Budget {
        commits: 10_000,
        reads: 10_000,
        checkpoints: 10_000,
        kills: 300,
        captor_kills: 60,
    };
    let (mut lives, mut kills) = (0, 0);
    for seed in 1..=80 {
        let mut dice = Dice(seed * 0x9e37_79b9);
        let mut world = World::new(3, plenty, None).exact(6, 9);
        let mut trail = VecDeque::new();
        // Whoever is on the way often stays so for some steps: much happens
        // between two steps of the others.
        let mut again = None;
        for _ in 0..3_000 {
            let events: Vec<_> = world
                .events()
                .into_iter()
                .filter(|event| {
                    !matches!(event, Event::Kill(_) | Event::KillCaptor) || dice.roll(20) == 0
                })
                .collect();
            let event = match again.filter(|event| events.contains(event) && dice.roll(4) > 0) {
                Some(event) => event,
                None => events[dice.roll(events.len())],
            };
            again = match event {
                Event::Write(i, _) | Event::Read(i) | Event::Checkpoint(i, _) => {
                    Some(Event::App(i))
                }
                event => Some(event),
            };
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
}

/// Between the look that finds everything copied and the guard, somebody
/// commits and somebody else copies that: the guard alone would let the WAL
/// begin anew over commits that were not taken.
#[test]
fn committed_and_copied_before_the_guard() {
    let budget = Budget { commits: 3, checkpoints: 2, ..NOTHING };
    let mut world = World::new(2, budget, None);
    world.rest();
    world.whole(0, Event::Write(0, 1));
    world.captor_until(|action| *action == Action::Unlock(Lock::Guard));
    world.happen(Event::Captor).expect("is pinned");
    world.whole(1, Event::Checkpoint(1, Mode::Passive));
    world.captor_until(|action| *action == Action::Lock(Lock::Guard));
    world.whole(0, Event::Write(0, 1));
    world.whole(1, Event::Checkpoint(1, Mode::Passive));
    for _ in 0..3 {
        world.happen(Event::Captor).expect("goes on");
    }
    world.whole(0, Event::Write(0, 1));
    world.rest();
    world.check_rest().unwrap_or_else(|e| panic!("{e}"));
}

/// A writer is killed when it has begun the WAL anew in the wal-index, and a
/// checkpointer while it does the same: SQLite recovers the frames that are
/// still in the file. They were taken before, and are not taken again.
#[test]
fn a_recovery_brings_an_older_life_back() {
    let budget = Budget { commits: 3, checkpoints: 1, kills: 2, ..NOTHING };
    let mut world = World::new(1, budget, None);
    world.rest();
    world.whole(0, Event::Write(0, 1));
    world.rest();
    let life = world.life();
    world.steps(0, Event::Write(0, 1), 2);
    world.happen(Event::Kill(0)).expect("is killed");
    world.rest();
    assert_ne!(world.life(), life, "it began anew");
    world.steps(0, Event::Checkpoint(0, Mode::Truncate), 1);
    world.happen(Event::Kill(0)).expect("is killed");
    world.rest();
    assert_eq!(world.life(), life, "it is the old one again");
    world.whole(0, Event::Write(0, 2));
    world.rest();
    world.check_rest().unwrap_or_else(|e| panic!("{e}"));
}

/// Defence in depth: if the WAL begins anew although nobody could have done
/// so, a lock is gone.
#[test]
fn a_restart_under_the_pin_is_a_lost_lock() {
    let budget = Budget { commits: 2, ..NOTHING };
    let mut world = World::new(1, budget, None);
    world.rest();
    world.whole(0, Event::Write(0, 1));
    world.captor_until(|action| *action == Action::Unlock(Lock::Guard));
    world.happen(Event::Captor).expect("is pinned");
    world.captor_until(|action| *action == Action::Look);
    world.sql.restart();
    world.happen(Event::Captor).expect("looks");
    world.captor_until(|action| !matches!(action, Action::Unlock(_)));
    assert_eq!(world.action(), Action::Stop(Stop::Restarted));
}
