//! Single plans.

use lifeboat_repository::consolidation::{PackUse, Policy, plan};

fn check(packs: &[(u32, u32)], changed: u64, expected: &[u32]) {
    let packs: Vec<PackUse> =
        packs.iter().map(|&(blocks, live)| PackUse { blocks, live }).collect();
    let policy = Policy::of_full_pack(2048);
    let plan = plan(&packs, changed, &policy);
    assert_eq!(plan.resend, expected);
    assert!(plan.total() <= policy.budget(changed));
    assert_eq!(plan.is_empty(), plan.total() == 0);
}

#[test]
fn what_is_left_alone() {
    check(&[], 10, &[]);
    check(&[(2048, 2048), (60, 60)], 60, &[0, 0]);
    // Nothing changed, nothing sent, whatever it looks like.
    check(&[(2048, 3); 3], 0, &[0; 3]);
    // No live block, no work.
    check(&[(2048, 2048), (60, 0)], 60, &[0, 0]);
}

#[test]
fn a_full_tier_becomes_one_pack() {
    let mut packs = vec![(2048, 2048)];
    packs.extend([(60, 50); 19]);
    check(&packs, 60, &[0; 20]);
    packs.push((60, 40));
    let mut expected = vec![0];
    expected.extend([50; 19]);
    expected.push(40);
    check(&packs, 60, &expected);
    // Another tier is another matter.
    packs[20] = (500, 500);
    check(&packs, 60, &[0; 21]);
    // What is no longer small never merges.
    check(&[(512, 512); 30], 1000, &[0; 30]);
}

#[test]
fn what_the_budget_allows_is_merged() {
    // 15 * 10 + 512 blocks: six packs of 100.
    let mut expected = vec![100; 6];
    expected.extend([0; 14]);
    check(&[(100, 100); 20], 10, &expected);
    // For three it is not worth it.
    check(&[(200, 200); 20], 10, &[0; 20]);
}

#[test]
fn the_emptiest_go_until_there_is_room() {
    // 6,144 listed and 100 changed, for 3,148 live: at most 5,036.
    check(&[(2048, 2000), (2048, 900), (2048, 148)], 100, &[0, 0, 148]);
    check(&[(2048, 2000), (2048, 400), (2048, 148)], 100, &[0, 400, 148]);
    // Within the bound nothing is cleaned.
    check(&[(2048, 2000), (2048, 1500), (2048, 500)], 100, &[0, 0, 0]);
}

#[test]
fn a_pack_is_emptied_over_several_snapshots() {
    check(&[(4096, 2000); 3], 1, &[527, 0, 0]);
    check(&[(4096, 1473), (4096, 2000), (4096, 2000)], 1, &[527, 0, 0]);
    check(&[(4096, 419), (4096, 2000), (4096, 2000)], 1, &[419, 108, 0]);
}

#[test]
fn numbers_at_the_end_of_their_range() {
    let most = u32::MAX;
    let huge = vec![PackUse { blocks: most, live: 1 }; 100];
    let plan = plan(&huge, u64::MAX / 1000, &Policy::of_full_pack(most));
    assert_eq!(plan.resend.len(), 100);
}
