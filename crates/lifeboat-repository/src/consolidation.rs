//! Which packs a snapshot gives up, so that pack lists stay short and old
//! content does not pile up; pure.
//!
//! Every snapshot adds packs, and takes live blocks out of the ones before.
//! Left alone, the list of packs grows without end, and ever more of what is
//! stored for one image is content that later packs have replaced. A snapshot
//! therefore sends some blocks again that did not change, from the local
//! database, and drops the packs that held them. What it sends again is chosen
//! here, by two rules within one budget:
//!
//! 1. **Merge.** Small packs are put into tiers by how many live blocks they
//!    have; a tier that is full ([`Policy::fan_in`]) becomes one pack. A block
//!    is sent again once for each tier that it climbs, as in a size-tiered
//!    log-structured merge tree (O'Neil et al., 1996).
//! 2. **Clean.** Where packs hold more than [`Policy::space_percent`] of the live
//!    blocks, those with the smallest share of live blocks go first, as in the
//!    greedy cleaner of a log-structured file system (Rosenblum and Ousterhout,
//!    1992). A pack may be emptied over several snapshots.
//!
//! The budget keeps any single snapshot in proportion to its change. The bounds
//! that follow, and what simulations reach, are in `docs/consolidation.md`.

mod clean;
mod merge;

use clean::clean;
use merge::merge;

/// A pack of the snapshot before, as the image of the new one uses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PackUse {
    /// How many blocks it holds.
    pub blocks: u32,
    /// How many of them the new image has there: those that no newer pack
    /// holds, after this snapshot's changes.
    pub live: u32,
}

/// What is aimed at.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Policy {
    /// How many blocks a full pack of this database has, about. Packs with
    /// less than a quarter of it live are small.
    pub full_pack: u32,
    /// How many small packs of one tier become one, and the ratio of one tier
    /// to the next.
    pub fan_in: u32,
    /// How many blocks packs may hold for each live one, before the emptiest
    /// are cleaned, in hundredths.
    pub space_percent: u32,
    /// How many blocks may be sent again for each one that changed.
    pub budget_factor: u64,
    /// How many more may be sent again, so that the smallest changes are
    /// consolidated too.
    pub budget_floor: u64,
}

impl Policy {
    /// The usual one, where a full pack has so many blocks.
    pub fn of_full_pack(blocks: u32) -> Self {
        Self {
            full_pack: blocks,
            fan_in: 20,
            space_percent: 160,
            budget_factor: 15,
            budget_floor: 512,
        }
    }

    /// How many blocks a snapshot sends again at most.
    pub fn budget(&self, changed: u64) -> u64 {
        changed.saturating_mul(self.budget_factor).saturating_add(self.budget_floor)
    }
}

/// How many live blocks of each pack to send again, in the order of the packs.
/// A pack all of whose live blocks are sent again drops off the list.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Plan {
    /// One number for each pack; 0 leaves it as it is.
    pub resend: Vec<u32>,
}

impl Plan {
    /// How many blocks are sent again.
    pub fn total(&self) -> u64 {
        self.resend.iter().map(|&blocks| u64::from(blocks)).sum()
    }

    /// Whether nothing is sent again.
    pub fn is_empty(&self) -> bool {
        self.resend.iter().all(|&blocks| blocks == 0)
    }
}

/// Decides what to send again. `packs` are those of the snapshot before, and
/// `changed` is how many blocks are sent because they changed. A snapshot that
/// changes nothing sends nothing.
pub fn plan(packs: &[PackUse], changed: u64, policy: &Policy) -> Plan {
    let mut plan = Plan { resend: vec![0; packs.len()] };
    if changed == 0 {
        return plan;
    }
    let mut budget = policy.budget(changed);
    merge(packs, policy, &mut plan, &mut budget);
    clean(packs, changed, policy, &mut plan, &mut budget);
    plan
}
