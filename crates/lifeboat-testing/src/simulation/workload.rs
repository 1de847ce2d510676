//! How databases change from one snapshot to the next.

use crate::databases::Numbers;

/// A database and what happens to it between two snapshots.
#[derive(Clone, Debug)]
pub struct Workload {
    /// What people call it.
    pub name: &'static str,
    /// Its pages at the first snapshot.
    pub pages: u32,
    /// Pages drawn from anywhere that are overwritten.
    pub scattered: u32,
    /// Overwrites that fall on few pages: half on a hundredth of the database,
    /// a quarter on a ten-thousandth, and so on.
    pub hot: u32,
    /// Pages added at the end, while the first page changes.
    pub appended: u32,
    /// After so many snapshots all pages move, and a twentieth of them goes; 0
    /// for never.
    pub vacuum_every: u32,
}

impl Workload {
    /// A database in which nothing happens yet.
    pub fn quiet(name: &'static str, pages: u32) -> Self {
        Self { name, pages, scattered: 0, hot: 0, appended: 0, vacuum_every: 0 }
    }

    /// How many pages there are after a step, and which of them changed, each
    /// once.
    pub(super) fn step(&self, step: u32, pages: u32, numbers: &mut Numbers) -> (u32, Vec<u32>) {
        if self.vacuum_every > 0 && (step + 1).is_multiple_of(self.vacuum_every) {
            let left = pages - pages / 20;
            return (left, (0..left).collect());
        }
        let mut changed: Vec<u32> = (0..self.scattered).map(|_| below(numbers, pages)).collect();
        for _ in 0..self.hot {
            let mut reach = pages;
            while reach > 100 && numbers.below(2) == 0 {
                reach /= 100;
            }
            changed.push(below(numbers, reach));
        }
        if self.appended > 0 {
            changed.push(0);
        }
        changed.extend(pages..pages + self.appended);
        changed.sort_unstable();
        changed.dedup();
        (pages + self.appended, changed)
    }
}

fn below(numbers: &mut Numbers, end: u32) -> u32 {
    numbers.below(u64::from(end.max(1))) as u32
}

/// Three years of a database of so many pages, in several lives: a workload,
/// and how many snapshots are taken.
pub fn three_years(pages: u32) -> Vec<(Workload, u32)> {
    const DAYS: u32 = 3 * 365;
    const HOURS: u32 = DAYS * 24;
    let quiet = |name| Workload::quiet(name, pages);
    vec![
        (Workload { scattered: pages / 100, ..quiet("1 % a day, anywhere") }, DAYS),
        (Workload { scattered: pages / 10, ..quiet("10 % a day, anywhere") }, DAYS),
        (Workload { scattered: 60, ..quiet("60 pages an hour, anywhere") }, HOURS),
        (Workload { scattered: 1, ..quiet("1 page an hour, anywhere") }, HOURS),
        (Workload { appended: pages / 1000, ..quiet("0.1 % added a day") }, DAYS),
        (Workload { appended: 20, ..quiet("20 pages added an hour") }, HOURS),
        (Workload { hot: 200, appended: 5, ..quiet("200 hot pages an hour") }, HOURS),
        (Workload { hot: pages / 50, ..quiet("2 % a day, hot") }, DAYS),
        (
            Workload {
                scattered: pages / 100,
                appended: pages / 500,
                vacuum_every: 30,
                ..quiet("1 % a day, VACUUM each month")
            },
            DAYS,
        ),
    ]
}
