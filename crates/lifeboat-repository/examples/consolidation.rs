//! What consolidation costs and keeps over three years: prints the table of
//! `docs/consolidation.md`, and draws its plot into the file that is named.

use lifeboat_repository::consolidation::{PackUse, Policy, plan};
use lifeboat_testing::simulation::{Outcome, Workload, plot, simulate, three_years};

/// A database of 1 GiB in pages of 4 KiB, and its full packs of 8 MiB.
const PAGES: u32 = 262_144;
const FULL_PACK: u32 = 2048;

fn run(workload: &Workload, snapshots: u32) -> Outcome {
    let policy = Policy::of_full_pack(FULL_PACK);
    simulate(workload, snapshots, FULL_PACK, 512, |uses, changed| {
        let uses: Vec<PackUse> =
            uses.iter().map(|&(blocks, live)| PackUse { blocks, live }).collect();
        plan(&uses, changed, &policy).resend
    })
}

fn main() -> std::io::Result<()> {
    println!("| workload | sent for each changed page | worst snapshot | space | packs listed |");
    println!("|---|---|---|---|---|");
    let mut drawn = Vec::new();
    for (workload, snapshots) in three_years(PAGES) {
        let outcome = run(&workload, snapshots);
        println!(
            "| {} | {:.2} | {:.1} | {:.2} | {} |",
            workload.name,
            outcome.amplification(),
            outcome.worst,
            outcome.space,
            outcome.longest_list
        );
        drawn.push((workload.name, outcome));
    }
    let lines: Vec<_> = drawn.iter().map(|(name, outcome)| (*name, outcome)).collect();
    match std::env::args().nth(1) {
        Some(file) => std::fs::write(file, plot(&lines[..6], "3 years")),
        None => Ok(()),
    }
}
