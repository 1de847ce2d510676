//! Prints what consolidation costs and keeps over three years, as the table of
//! `docs/consolidation.md`.

use lifeboat_repository::consolidation::{PackUse, Policy, plan};
use lifeboat_testing::simulation::{simulate, three_years};

fn main() {
    let pages: u32 = std::env::args().nth(1).and_then(|a| a.parse().ok()).unwrap_or(262_144);
    let full = 2048;
    let policy = Policy::of_full_pack(full);
    for (workload, snapshots) in three_years(pages) {
        let out = simulate(&workload, snapshots, full, 512, |uses, changed| {
            let uses: Vec<PackUse> =
                uses.iter().map(|&(blocks, live)| PackUse { blocks, live }).collect();
            plan(&uses, changed, &policy).resend
        });
        println!(
            "{:32} {:.2} worst {:.1} space {:.2} list {} -> {}",
            workload.name,
            out.amplification(),
            out.worst,
            out.space,
            out.first_list,
            out.longest_list
        );
    }
}
