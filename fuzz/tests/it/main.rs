//! Every decoder on the same mutations in every run. `cargo xtask fuzz` goes on where
//! this ends.

use lifeboat_fuzz::{Mutator, TARGETS, Target, seeds_of, target_of};

/// So many mutations of each target.
const ROUNDS: u64 = 30_000;

/// The most address space that decoding may ask for, in KiB: a decoder that believes a
/// length asks for more.
const MOST_KIB: u64 = 1 << 20;

/// The most address space this process has had, in KiB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux tells");
    let line = status.lines().find(|line| line.starts_with("VmPeak:")).expect("is there");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).expect("a number of KiB")
}

fn fuzz(target: &Target, rounds: u64) -> u64 {
    let seeds = seeds_of(target);
    // A seed that is refused would be the beginning of nothing.
    let good = seeds.iter().filter(|seed| (target.run)(seed)).count();
    assert!(good > 0, "{}: all of {} seeds are refused", target.name, seeds.len());
    let mut mutator = Mutator::new(1);
    let mut accepted = 0;
    for _ in 0..rounds {
        accepted += u64::from((target.run)(&mutator.mutation_of(&seeds)));
    }
    println!(
        "fuzzed: {}: {rounds} mutations of {} seeds, {accepted} accepted",
        target.name,
        seeds.len()
    );
    accepted
}

#[test]
fn every_decoder_on_mutations() {
    let before = peak();
    for target in TARGETS {
        let accepted = fuzz(target, ROUNDS);
        assert!(accepted < ROUNDS, "{} refuses nothing", target.name);
    }
    let grown = peak() - before;
    assert!(grown < MOST_KIB, "decoding asked for {grown} KiB");
}

/// Who calls the targets by name finds each of them once.
#[test]
fn targets_have_names() {
    for target in TARGETS {
        let found = target_of(target.name).expect("is there");
        assert!(std::ptr::eq(found, target), "{} is there twice", target.name);
    }
    assert!(target_of("no such").is_none());
}

/// `cargo xtask fuzz` has libFuzzer's seeds written to a folder.
#[test]
fn seeds_are_there() {
    let into = std::env::var_os("LIFEBOAT_TEST_SEEDS");
    for target in TARGETS {
        let seeds = seeds_of(target);
        assert!(!seeds.is_empty());
        let Some(folder) = &into else { continue };
        let folder = std::path::Path::new(folder).join(target.name);
        std::fs::create_dir_all(&folder).expect("makes a directory");
        for (n, seed) in seeds.iter().enumerate() {
            std::fs::write(folder.join(format!("seed-{n:04}")), seed).expect("writes");
        }
    }
}
