//! The emptiest packs give up their place.

use super::{PackUse, Plan, Policy};

/// Plans to empty packs until what is listed is within its bound, or the budget
/// is used up. The last of them may be emptied in part; it stays the emptiest,
/// and the next snapshot goes on with it.
pub(super) fn clean(
    packs: &[PackUse],
    changed: u64,
    policy: &Policy,
    plan: &mut Plan,
    budget: &mut u64,
) {
    let live = changed + packs.iter().map(|pack| u64::from(pack.live)).sum::<u64>();
    let bound = live.saturating_mul(u64::from(policy.space_percent)) / 100;
    let kept = |at: usize, plan: &Plan| packs[at].live > 0 && plan.resend[at] == 0;
    let mut listed = changed + plan.total();
    listed += (0..packs.len())
        .filter(|&at| kept(at, plan))
        .map(|at| u64::from(packs[at].blocks))
        .sum::<u64>();
    if listed <= bound {
        return;
    }
    let mut emptiest: Vec<usize> = (0..packs.len()).filter(|&at| kept(at, plan)).collect();
    emptiest.sort_by(|&a, &b| share(packs[a], packs[b]));
    for at in emptiest {
        if listed <= bound || *budget == 0 {
            return;
        }
        let pack = packs[at];
        let resend = u64::from(pack.live).min(*budget);
        *budget -= resend;
        plan.resend[at] = resend as u32;
        listed += resend;
        if resend == u64::from(pack.live) {
            listed -= u64::from(pack.blocks);
        }
    }
}

/// Compares the shares of blocks that are live.
fn share(a: PackUse, b: PackUse) -> std::cmp::Ordering {
    let cross = |x: PackUse, y: PackUse| u64::from(x.live) * u64::from(y.blocks);
    cross(a, b).cmp(&cross(b, a))
}
