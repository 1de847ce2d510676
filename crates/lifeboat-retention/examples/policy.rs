//! The crate alone: which of so many daily snapshots a policy keeps, and why.
//!
//!     cargo run -p lifeboat-retention --example policy -- 400

use lifeboat_retention::{Candidate, Policy, Rules, TimeZone, plan};
use time::macros::datetime;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let days: u32 = std::env::args().nth(1).ok_or("usage: policy DAYS")?.parse()?;
    let rules = Rules {
        keep_daily: Some(7),
        keep_monthly: Some(6),
        keep_yearly: Some(2),
        ..Rules::default()
    };
    let policy = Policy::new(rules)?;
    let now = datetime!(2026-11-20 12:00 UTC);
    let snapshots: Vec<Candidate> = (1..=days)
        .map(|n| Candidate::new(n.into(), now - time::Duration::days((days - n).into())))
        .collect();
    let plan = plan(&snapshots, &policy, now, &TimeZone::UTC)?;
    for one in plan.kept() {
        let reasons: Vec<String> = one.reasons.iter().map(ToString::to_string).collect();
        println!("{}  {}", one.taken_at.date(), reasons.join(", "));
    }
    println!("{} of {days} are kept", plan.kept().count());
    Ok(())
}
