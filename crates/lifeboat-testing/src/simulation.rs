//! Years of backups in seconds: which pack holds which page, and nothing else.
//!
//! What is sent again is decided by a function that is passed in, so that the
//! simulation drives the planning that real backups use.

mod plot;
mod workload;

pub use plot::plot;
pub use workload::{Workload, three_years};

use crate::databases::Numbers;

/// Stands for a page that no pack holds.
const NOWHERE: u32 = u32::MAX;

/// What came of a simulation.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Pages that changed, in all snapshots after the first.
    pub changed: u64,
    /// Pages that were sent, in all snapshots after the first.
    pub sent: u64,
    /// The most that one snapshot sent, for each page that it changed.
    pub worst: f64,
    /// The most pages that the packs of one snapshot held, for each page of its
    /// database: what it takes to keep that snapshot, and the most that a
    /// restore of it touches.
    pub space: f64,
    /// The most packs that one snapshot listed.
    pub longest_list: usize,
    /// How many packs the first snapshot listed.
    pub first_list: usize,
    /// The same quantities over time, one row for each snapshot.
    pub course: Vec<Moment>,
}

/// One snapshot of a simulation.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// Pages that changed.
    pub changed: u32,
    /// Pages that were sent.
    pub sent: u32,
    /// Pages in all packs listed, for each page of the database.
    pub space: f64,
    /// Packs listed.
    pub list: usize,
}

impl Outcome {
    /// Pages sent for each page that changed, on average.
    pub fn amplification(&self) -> f64 {
        self.sent as f64 / self.changed.max(1) as f64
    }
}

struct Pack {
    pages: Vec<u32>,
    live: u32,
}

struct Store {
    full_pack: usize,
    /// Which pack holds each page.
    owner: Vec<u32>,
    /// By the number of the pack; one that is dropped is `None`.
    packs: Vec<Option<Pack>>,
    /// The numbers of the packs that are listed, oldest first.
    list: Vec<u32>,
    /// Pages in all packs listed.
    held: u64,
}

impl Store {
    fn leave(&mut self, page: u32) {
        let owner = self.owner[page as usize];
        if let Some(pack) = self.packs.get_mut(owner as usize).and_then(Option::as_mut) {
            pack.live -= 1;
        }
        self.owner[page as usize] = NOWHERE;
    }

    /// Puts pages into new packs; all of them are held by no other.
    fn put(&mut self, pages: &mut [u32]) {
        pages.sort_unstable();
        for part in pages.chunks(self.full_pack) {
            let number = self.packs.len() as u32;
            part.iter().for_each(|&page| self.owner[page as usize] = number);
            self.packs.push(Some(Pack { pages: part.to_vec(), live: part.len() as u32 }));
            self.list.push(number);
            self.held += part.len() as u64;
        }
    }

    /// Up to `count` pages that a pack holds, taken out of it.
    fn take_from(&mut self, number: u32, count: u32, taken: &mut Vec<u32>) {
        let pages = match &self.packs[number as usize] {
            Some(pack) => pack.pages.clone(),
            None => return,
        };
        let owned = pages.into_iter().filter(|&page| self.owner[page as usize] == number);
        let wanted: Vec<u32> = owned.take(count as usize).collect();
        wanted.iter().for_each(|&page| self.leave(page));
        taken.extend(wanted);
    }

    fn drop_dead(&mut self) {
        let (packs, held) = (&mut self.packs, &mut self.held);
        self.list.retain(|&number| {
            let slot = &mut packs[number as usize];
            let dead = slot.as_ref().is_some_and(|pack| pack.live == 0);
            if let Some(pack) = slot.take_if(|_| dead) {
                *held -= pack.pages.len() as u64;
            }
            !dead
        });
    }
}

/// Runs a workload for a number of snapshots after the first. `plan` is given
/// blocks and live blocks of every pack listed, oldest first, and the number of
/// pages that changed, and says how many live ones of each pack to send again.
///
/// As in real backups, a change of at most `together` pages goes into one pack
/// with what is sent again, and a larger one into packs of its own.
pub fn simulate(
    workload: &Workload,
    snapshots: u32,
    full_pack: u32,
    together: usize,
    mut plan: impl FnMut(&[(u32, u32)], u64) -> Vec<u32>,
) -> Outcome {
    let mut numbers = Numbers::new(7);
    let mut store = Store {
        full_pack: full_pack as usize,
        owner: vec![NOWHERE; workload.pages as usize],
        packs: Vec::new(),
        list: Vec::new(),
        held: 0,
    };
    store.put(&mut (0..workload.pages).collect::<Vec<_>>());
    let mut outcome = Outcome { first_list: store.list.len(), space: 1.0, ..Outcome::default() };
    for step in 0..snapshots {
        let (len, mut changed) = workload.step(step, store.owner.len() as u32, &mut numbers);
        for page in len..store.owner.len() as u32 {
            store.leave(page);
        }
        store.owner.resize(len as usize, NOWHERE);
        changed.iter().for_each(|&page| store.leave(page));

        let uses: Vec<(u32, u32)> = store
            .list
            .iter()
            .filter_map(|&number| store.packs[number as usize].as_ref())
            .map(|pack| (pack.pages.len() as u32, pack.live))
            .collect();
        let resend = plan(&uses, changed.len() as u64);
        let mut again = Vec::new();
        for (&number, &count) in store.list.clone().iter().zip(&resend) {
            if count > 0 {
                store.take_from(number, count, &mut again);
            }
        }
        let (count, sent) = (changed.len() as u32, (changed.len() + again.len()) as u32);
        if changed.len() <= together {
            changed.append(&mut again);
        }
        store.put(&mut changed);
        store.put(&mut again);
        store.drop_dead();

        let space = store.held as f64 / f64::from(len);
        outcome.changed += u64::from(count);
        outcome.sent += u64::from(sent);
        outcome.worst = outcome.worst.max(f64::from(sent) / f64::from(count.max(1)));
        outcome.space = outcome.space.max(space);
        outcome.longest_list = outcome.longest_list.max(store.list.len());
        outcome.course.push(Moment { changed: count, sent, space, list: store.list.len() });
    }
    outcome
}
