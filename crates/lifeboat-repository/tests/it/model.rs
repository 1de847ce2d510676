//! Random histories against a reference model: backups, forgetting, undeleting,
//! pins, collections that are killed, and clocks that jump.
//!
//! After every step, what is advertised is what the model says, and every object
//! that a snapshot needs (alive or in the trash) is there and was never put again.
//! Every advertised snapshot restores to the image that was backed up: one that is
//! new, that came back, or whose turn it is, is restored; of the others the very
//! objects are there from which they were restored before.

pub(crate) mod reference;

use std::collections::BTreeMap;
use std::time::Duration;

use lifeboat_format::numbers::RecordNo;
use lifeboat_repository::{CollectOptions, Database, RestoreOptions, Selector, Snapshot};
use lifeboat_testing::script::World;
use time::OffsetDateTime;

use crate::image::{Image, Restored};
use crate::rules::DAY;
use crate::world::{Host, options};
use reference::{Model, Objects};

/// Steps of each of the histories, of which there are [`HISTORIES`].
const STEPS: u64 = 2_500;
const HISTORIES: u64 = 4;
const _: () = assert!(STEPS * HISTORIES >= 10_000);
/// At least so many of each operation had an effect, over all histories.
const OF_EACH: u64 = 300;
/// At least so many collections were killed between their record and their last
/// deletion.
const TORN: u64 = 50;
/// All snapshots are restored whenever so many steps are done, however often they
/// were before; and after every collection that was killed.
const ALL_AGAIN: u64 = 10;
/// Snapshots alive at any time, after the beginning.
const ALIVE: usize = 20;

/// Numbers that follow from a seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % n
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Backup,
    KilledBackup,
    Forget,
    Undelete,
    Pin,
    Unpin,
    Prune,
    KilledPrune,
    Clock,
}

struct History {
    dice: Dice,
    world: World,
    host: Host,
    writer: Database,
    collector: Database,
    image: Image,
    model: Model,
    objects: Objects,
    counts: BTreeMap<Step, u64>,
    /// Collections that were killed after their record.
    torn: u64,
    /// Restores in all.
    restores: u64,
}

impl History {
    async fn begin(seed: u64) -> Self {
        let world = World::new();
        let host = Host::new("a");
        let writer = host.create(world.client("W")).await;
        let collector = host.open(world.client("G")).await;
        Self {
            dice: Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1),
            world,
            host,
            writer,
            collector,
            image: Image::new(8),
            model: Model::default(),
            objects: Objects::default(),
            counts: BTreeMap::new(),
            torn: 0,
            restores: 0,
        }
    }

    fn now(&self) -> OffsetDateTime {
        *self.host.clock.lock().expect("never poisoned")
    }

    fn choose(&mut self) -> Step {
        let alive = self.model.alive.len();
        if alive < ALIVE + 2 {
            return if self.dice.below(8) == 0 { Step::KilledBackup } else { Step::Backup };
        }
        if alive > ALIVE + 10 && self.dice.below(2) == 0 {
            return Step::Forget;
        }
        match self.dice.below(100) {
            0..20 => Step::Backup,
            20..26 => Step::KilledBackup,
            26..48 => Step::Forget,
            48..57 => Step::Undelete,
            57..63 => Step::Pin,
            63..71 => Step::Unpin,
            71..81 => Step::Prune,
            81..93 => Step::KilledPrune,
            _ => Step::Clock,
        }
    }

    /// A number that is often one to which something can be done.
    fn any_of(&mut self, likely: Vec<u64>) -> RecordNo {
        let newest = self.model.newest + 1;
        if likely.is_empty() || self.dice.below(12) == 0 {
            return RecordNo(1 + self.dice.below(newest));
        }
        RecordNo(likely[self.dice.below(likely.len() as u64) as usize])
    }

    async fn step(&mut self) -> Step {
        let step = self.choose();
        let had_effect = match step {
            Step::Backup | Step::KilledBackup => self.backup(step).await,
            Step::Forget => {
                let number = self.any_of(self.model.alive.keys().copied().collect());
                let (now, done) = (self.now(), self.writer.forget(&[number]).await.is_ok());
                assert_eq!(done, self.model.forget(number.0, now), "forget {number}");
                done
            }
            Step::Undelete => {
                let number = self.any_of(self.model.trash.keys().copied().collect());
                let done = self.writer.undelete(&[number]).await.is_ok();
                assert_eq!(done, self.model.undelete(number.0), "undelete {number}");
                done
            }
            Step::Pin => {
                let number = self.any_of(self.model.alive.keys().copied().collect());
                let done = self.writer.pin(&[number]).await.is_ok();
                assert_eq!(done, self.model.pin(number.0), "pin {number}");
                done
            }
            Step::Unpin => {
                let number = self.any_of(self.model.pins.iter().copied().collect());
                let done = self.writer.unpin(&[number]).await.is_ok();
                assert_eq!(done, self.model.unpin(number.0), "unpin {number}");
                done
            }
            Step::Prune => {
                let options = self.collect_options();
                let due = self.model.due(self.now(), options);
                let report = self.collector.collect(options).await.expect("collects");
                let mut dropped: Vec<u64> = report.dropped.iter().map(|n| n.0).collect();
                dropped.sort_unstable();
                assert_eq!(dropped, due, "what is due is dropped, and nothing else");
                let committed = !report.dropped.is_empty() || !report.deleted.is_empty();
                self.model.collected(committed, &due);
                committed
            }
            Step::KilledPrune => self.killed_prune().await,
            Step::Clock => self.clock(),
        };
        *self.counts.entry(step).or_default() += u64::from(had_effect);
        step
    }

    /// Whether it did what the step says: a snapshot, or a death.
    async fn backup(&mut self, step: Step) -> bool {
        let pages = self.image.bytes.len() as u64 / 4096;
        for _ in 0..=self.dice.below(3) {
            let (page, seed) = (self.dice.below(pages) as u32, self.dice.below(1 << 40));
            self.image.write(page, seed);
        }
        self.image.taken_at = self.now();
        if step == Step::KilledBackup {
            self.world.crash_after("W", self.dice.below(5) as usize / 2);
        }
        let done = self.writer.backup(self.image.clone(), options()).await;
        self.world.revive("W");
        assert!(done.is_ok() || step == Step::KilledBackup, "{:?}", done.err());
        // Who dies may lose the cache as well.
        if done.is_err() && self.dice.below(3) == 0 {
            self.host.drop_cache();
        }
        // Killed after its record, the snapshot exists, and nobody was told.
        let listing = self.writer.snapshots(None).await.expect("lists");
        let newest = listing.newest.map_or(0, |number| number.0);
        if newest > self.model.newest {
            assert_eq!(newest, self.model.newest + 1);
            self.model.backed_up(self.image.clone());
        } else {
            assert!(done.is_err(), "a snapshot that was acknowledged is there");
        }
        done.is_err() == (step == Step::KilledBackup)
    }

    fn collect_options(&mut self) -> CollectOptions {
        let trash = DAY * self.dice.below(4) as u32;
        let grace = DAY * self.dice.below(2) as u32;
        let floor = DAY * self.dice.below(3) as u32;
        CollectOptions::default()
            .with_times(trash, grace)
            .with_floor(self.dice.below(4) as usize, floor)
    }

    /// A collection that dies somewhere: before its record nothing has happened,
    /// after it all of what it dropped is dropped.
    async fn killed_prune(&mut self) -> bool {
        let options = self.collect_options();
        let due = self.model.due(self.now(), options);
        self.world.crash_after("G", self.dice.below(3) as usize);
        let done = self.collector.collect(options).await;
        self.world.revive("G");
        let listing = self.writer.snapshots(None).await.expect("lists");
        let committed = listing.newest.map_or(0, |number| number.0) > self.model.newest;
        assert!(committed || done.is_err() || due.is_empty());
        if committed && done.is_err() {
            self.torn += 1;
        }
        self.model.collected(committed, &due);
        done.is_err()
    }

    /// A clock jumps days, forward or back; or time just passes.
    fn clock(&mut self) -> bool {
        let mut clock = self.host.clock.lock().expect("never poisoned");
        match self.dice.below(8) {
            0..3 => *clock += DAY * 2,
            3..6 => *clock -= DAY,
            _ => {
                let hours = Duration::from_secs(3600 * self.dice.below(40));
                *clock += hours;
                self.world.advance(hours);
                return false;
            }
        }
        true
    }

    /// What is advertised, what is stored, and that all of it restores.
    async fn check(&mut self, all_again: bool) {
        let listing = self.writer.snapshots(None).await.expect("lists");
        assert!(listing.broken.is_empty() && listing.burnt.is_empty(), "{:?}", listing.broken);
        let numbers: Vec<u64> = listing.snapshots.iter().map(|s| s.number().0).collect();
        let mut sorted = numbers.clone();
        sorted.sort_unstable();
        assert!(sorted.iter().eq(self.model.alive.keys()), "advertised: {sorted:?}");
        let trash: BTreeMap<u64, OffsetDateTime> =
            listing.trash.iter().map(|one| (one.number.0, one.since)).collect();
        assert_eq!(trash, self.model.trash_times());
        for snapshot in &listing.snapshots {
            assert_eq!(snapshot.is_pinned(), self.model.pins.contains(&snapshot.number().0));
        }
        let holders = self.model.alive.keys().chain(self.model.trash.keys());
        self.objects.check(&self.world, &self.writer, holders.copied().collect()).await;

        let latest = numbers.last().copied();
        let count = numbers.len().max(1) as u64;
        let by_chance = numbers.get(self.dice.below(count) as usize).copied();
        for snapshot in &listing.snapshots {
            let number = snapshot.number().0;
            let its_turn = all_again || [latest, by_chance].contains(&Some(number));
            if its_turn || !self.objects.is_proven(number) {
                self.restores(snapshot).await;
            }
        }
        assert!(numbers.iter().all(|number| self.objects.is_proven(*number)));
        self.world.clear_calls();
    }

    async fn restores(&mut self, snapshot: &Snapshot) {
        let number = snapshot.number().0;
        let (restored, _) = self
            .writer
            .restore(snapshot, Restored::default(), &RestoreOptions::default())
            .await
            .expect("restores");
        let image = &self.model.alive[&number];
        assert!(restored.finish() == image.bytes, "{number} is another image");
        self.objects.restored(number);
        self.restores += 1;
    }

    /// What is in the trash is whole as well: brought back, it restores.
    async fn check_the_trash(&mut self) {
        let numbers: Vec<u64> = self.model.trash.keys().copied().collect();
        for number in numbers {
            self.writer.undelete(&[RecordNo(number)]).await.expect("comes back");
            assert!(self.model.undelete(number));
        }
        self.check(true).await;
    }
}

async fn history(seed: u64) -> History {
    eprintln!("seed {seed}");
    let mut history = History::begin(seed).await;
    for n in 0..STEPS {
        let warm = history.model.alive.len() >= ALIVE;
        let step = history.step().await;
        let alive = history.model.alive.len();
        eprintln!("step {n}: {step:?}, {alive} alive");
        assert!(!warm || alive >= ALIVE);
        history.check(n % ALL_AGAIN == 0 || step == Step::KilledPrune).await;
    }
    history.check_the_trash().await;
    history
}

async fn enough(seed: u64) {
    let History { counts, torn, restores, .. } = history(seed).await;
    eprintln!("{STEPS} steps: {counts:?}, {torn} torn collections, {restores} restores");
    let least = OF_EACH.div_ceil(HISTORIES);
    for step in [
        Step::Backup,
        Step::KilledBackup,
        Step::Forget,
        Step::Undelete,
        Step::Pin,
        Step::Unpin,
        Step::Prune,
        Step::KilledPrune,
        Step::Clock,
    ] {
        let count = counts.get(&step).copied().unwrap_or_default();
        assert!(count >= least, "{step:?}: {count} of {least}; {counts:?}");
    }
    let least = TORN.div_ceil(HISTORIES);
    assert!(torn >= least, "only {torn} of {least} collections died half-way");
}

/// The seed of this run: from the environment, to repeat one.
fn seed(part: u64) -> u64 {
    let given = std::env::var("LIFEBOAT_MODEL_SEED").ok().and_then(|text| text.parse().ok());
    given.unwrap_or(20_261_120) * HISTORIES + part
}

#[tokio::test]
async fn the_first_history() {
    enough(seed(0)).await;
}

#[tokio::test]
async fn the_second_history() {
    enough(seed(1)).await;
}

#[tokio::test]
async fn the_third_history() {
    enough(seed(2)).await;
}

#[tokio::test]
async fn the_fourth_history() {
    enough(seed(3)).await;
}

/// `latest` is what was backed up last, whatever the clocks said.
#[tokio::test]
async fn the_latest_is_the_last() {
    let mut history = History::begin(7).await;
    for _ in 0..60 {
        history.step().await;
        history.clock();
    }
    let latest = history.writer.resolve(&Selector::Latest(0), None).await.expect("is there");
    assert_eq!(Some(&latest.number().0), history.model.alive.keys().next_back());
}
