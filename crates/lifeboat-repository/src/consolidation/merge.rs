//! Small packs become larger ones, tier by tier.

use std::collections::BTreeMap;

use super::{PackUse, Plan, Policy};

/// Fewer than this are not worth sending again for the one pack they become.
const LEAST: usize = 4;

/// Plans the merges that the budget allows, the smallest packs first.
pub(super) fn merge(packs: &[PackUse], policy: &Policy, plan: &mut Plan, budget: &mut u64) {
    let mut tiers: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    for (at, pack) in packs.iter().enumerate() {
        if pack.live > 0 && pack.blocks < policy.full_pack / 4 {
            tiers.entry(pack.blocks.ilog(policy.fan_in.max(2))).or_default().push(at);
        }
    }
    for members in tiers.into_values() {
        if members.len() >= policy.fan_in as usize {
            merge_tier(packs, members, plan, budget);
        }
    }
}

/// Takes as many packs of a full tier as the budget allows, the smallest first.
fn merge_tier(packs: &[PackUse], mut members: Vec<usize>, plan: &mut Plan, budget: &mut u64) {
    members.sort_by_key(|&at| packs[at].live);
    let mut left = *budget;
    let fits = members
        .iter()
        .take_while(|&&at| {
            let live = u64::from(packs[at].live);
            let fits = live <= left;
            left = left.saturating_sub(live);
            fits
        })
        .count();
    if fits < LEAST {
        return;
    }
    for &at in &members[..fits] {
        plan.resend[at] = packs[at].live;
        *budget -= u64::from(packs[at].live);
    }
}
