//! `cargo xtask conformance --with STORE`: the same tests against a store that
//! others wrote, started for the occasion.
//!
//! Not part of `cargo xtask test`, which uses only the store in its own process:
//! these are programs in other languages, from other registries.

mod ceph;
mod cluster;
mod recipes;
mod running;
mod suites;

use std::time::Instant;

use anyhow::{Result, anyhow, bail};

use crate::process;
use running::Running;
use suites::{Outcome, Suite};

/// A store that can be started here.
pub(crate) struct Recipe {
    name: &'static str,
    /// How to get its programs, where they are missing.
    get: &'static str,
    start: fn() -> Result<Running>,
    /// Tests that cannot pass, by a part of their names, and why: a table of what
    /// is known about this store, so that anything else stands out.
    known: &'static [(&'static str, &'static str)],
    /// What is tried besides, with the store's own programs.
    story: Option<Story>,
}

type Story = fn(&mut Running) -> Result<Vec<String>>;

/// Prints the names that `--with` takes.
pub(crate) fn list() {
    for recipe in recipes::ALL {
        println!("{:<10}{}", recipe.name, recipe.get);
    }
}

/// Starts a store, runs everything against it, ends it, prints a table.
pub(crate) fn run(wanted: &str) -> Result<()> {
    let recipe = recipe(wanted)?;
    process::run(process::cargo(&["build", "--workspace"]).current_dir(process::root()?))?;
    let mut store = start(recipe)?;
    let mut outcomes = Vec::new();
    for suite in suites::ALL {
        outcomes.push((suite, suites::run(suite, &store)?));
    }
    let told = recipe.story.map_or(Ok(Vec::new()), |story| story(&mut store));
    let what = store.what.clone();
    // Ended before the table, so that its last words do not follow it.
    drop(store);
    report(recipe, &what, &outcomes)?;
    told?.iter().for_each(|line| println!("  {line}"));
    Ok(())
}

/// Only what is tried with the store's own programs: nodes that die.
pub(crate) fn story(wanted: &str) -> Result<()> {
    let recipe = recipe(wanted)?;
    let Some(story) = recipe.story else {
        bail!("there is no story of {wanted}");
    };
    let build = ["build", "--package", "lifeboat-cli"];
    process::run(process::cargo(&build).current_dir(process::root()?))?;
    let mut store = start(recipe)?;
    let told = story(&mut store);
    let what = store.what.clone();
    drop(store);
    println!("\n{what}");
    told?.iter().for_each(|line| println!("  {line}"));
    Ok(())
}

fn recipe(wanted: &str) -> Result<&'static Recipe> {
    let found = recipes::ALL.iter().find(|recipe| recipe.name == wanted);
    found.ok_or_else(|| {
        anyhow!("there is no recipe for `{wanted}`; `cargo xtask conformance --list` names them")
    })
}

fn start(recipe: &Recipe) -> Result<Running> {
    let start = Instant::now();
    let store = (recipe.start)()?;
    eprintln!("{} runs after {:.1} s", store.what, start.elapsed().as_secs_f32());
    Ok(store)
}

fn report(recipe: &Recipe, what: &str, outcomes: &[(&Suite, Outcome)]) -> Result<()> {
    println!("\n{what}");
    println!("{:<44}{:>8}{:>8}{:>10}", "", "passed", "failed", "seconds");
    let mut surprises = Vec::new();
    for (suite, outcome) in outcomes {
        let (passed, failed) = (outcome.passed.len(), outcome.failed.len());
        println!("{:<44}{passed:>8}{failed:>8}{:>10.1}", suite.name, outcome.seconds);
        for test in &outcome.failed {
            let known = recipe.known.iter().find(|(part, _)| test.contains(part));
            println!("  {test}: {}", known.map_or("FAILED", |(_, why)| why));
            if known.is_none() {
                surprises.push(test.clone());
            }
        }
        if passed + failed == 0 {
            surprises.push(format!("{} ran nothing", suite.name));
        }
        for line in &outcome.said {
            println!("  {line}");
        }
    }
    if surprises.is_empty() {
        return Ok(());
    }
    bail!("not as it is known of {}: {}", recipe.name, surprises.join(", "))
}
