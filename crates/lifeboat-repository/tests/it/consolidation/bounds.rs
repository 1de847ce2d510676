//! The bounds, over three years of simulated backups. The table for people is
//! made by `cargo xtask consolidation` from the same workloads.

use lifeboat_repository::consolidation::{PackUse, Policy, plan};
use lifeboat_testing::simulation::{Outcome, Workload, simulate, three_years};

/// A database of 256 MiB, whose full packs have 8 MiB.
const PAGES: u32 = 65_536;
const FULL_PACK: u32 = 2048;

fn run(workload: &Workload, snapshots: u32) -> Outcome {
    let policy = Policy::of_full_pack(FULL_PACK);
    simulate(workload, snapshots, FULL_PACK, 512, |uses, changed| {
        let uses: Vec<PackUse> =
            uses.iter().map(|&(blocks, live)| PackUse { blocks, live }).collect();
        plan(&uses, changed, &policy).resend
    })
}

fn check(name: &str, amplification: f64, worst: f64, list: usize) {
    let all = three_years(PAGES);
    let (workload, snapshots) =
        all.iter().find(|(workload, _)| workload.name == name).expect("a workload of that name");
    let outcome = run(workload, *snapshots);
    let shown = format!(
        "{name}: {:.2} times, worst {:.1}, space {:.2}, {} packs",
        outcome.amplification(),
        outcome.worst,
        outcome.space,
        outcome.longest_list
    );
    assert!(outcome.amplification() <= amplification, "{shown}");
    assert!(outcome.worst <= worst, "{shown}");
    // What is listed is also the most that a restore of that day touches.
    assert!(outcome.space <= 1.7, "{shown}");
    assert!(outcome.longest_list <= list, "{shown}");
}

#[test]
fn one_per_cent_a_day() {
    check("1 % a day, anywhere", 1.8, 25.0, 200);
}

#[test]
fn ten_per_cent_a_day() {
    check("10 % a day, anywhere", 1.8, 25.0, 150);
}

#[test]
fn sixty_scattered_pages_an_hour() {
    check("60 pages an hour, anywhere", 3.0, 25.0, 250);
}

/// So small a change may be followed by 2 MiB, whatever it is.
#[test]
fn one_page_an_hour() {
    check("1 page an hour, anywhere", 4.0, 528.0, 250);
}

#[test]
fn databases_that_grow() {
    check("0.1 % added a day", 2.0, 25.0, 250);
    check("20 pages added an hour", 2.0, 25.0, 1400);
}

#[test]
fn databases_with_hot_pages() {
    check("200 hot pages an hour", 3.0, 25.0, 400);
    check("2 % a day, hot", 1.8, 25.0, 200);
}

/// After a VACUUM all is new, and nothing of the old remains.
#[test]
fn a_vacuum_each_month() {
    check("1 % a day, VACUUM each month", 1.8, 25.0, 150);
}

/// The bounds are not met by themselves.
#[test]
fn without_a_plan_lists_and_space_grow_without_end() {
    let workload = Workload { scattered: PAGES / 100, ..Workload::quiet("", PAGES) };
    let outcome = simulate(&workload, 400, FULL_PACK, 512, |uses, _| vec![0; uses.len()]);
    assert!(outcome.space > 3.0 && outcome.longest_list > 300);
}
