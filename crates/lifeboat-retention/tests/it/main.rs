//! Retention through its public API: examples with a result on paper, and
//! properties over random timelines.

mod examples;
mod timelines;

use lifeboat_retention::{Candidate, Plan, Policy, Rules, TimeZone, plan};
use time::OffsetDateTime;

/// Central Europe, without asking the system.
fn berlin() -> TimeZone {
    TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").expect("a valid zone")
}

fn policy(rules: Rules) -> Policy {
    Policy::new(rules).expect("makes sense")
}

fn planned(candidates: &[Candidate], policy: &Policy, now: OffsetDateTime) -> Plan {
    plan(candidates, policy, now, &berlin()).expect("a plan")
}

fn kept(plan: &Plan) -> Vec<u64> {
    plan.kept().map(|decision| decision.number).collect()
}
