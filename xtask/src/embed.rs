//! `cargo xtask embed`: each library crate used alone, and beside other SQLite crates.
//!
//! A workspace hides what a stranger meets: features that a neighbour switched
//! on, and versions that a lock file holds. Here each case is a package outside
//! the workspace that resolves and compiles for itself.

mod cases;
mod consumer;

use anyhow::{Context, Result, bail};

use crate::{build, process};
use cases::{BESIDE_SQLITE, Case, Expected};
use consumer::{Outcome, Workshop};

/// Prints the names that `--with` takes.
pub(crate) fn list() {
    for case in BESIDE_SQLITE {
        println!("{}", case.name);
    }
}

/// Runs all cases, or one, and prints a table.
pub(crate) fn run(wanted: Option<&str>) -> Result<()> {
    let root = process::root()?;
    let workshop = Workshop::open()?;
    let libraries = if wanted.is_none() { libraries()? } else { Vec::new() };
    let alone = libraries.iter().map(|library| alone(library));
    let beside = BESIDE_SQLITE.iter().filter(|case| wanted.is_none_or(|name| name == case.name));
    let mut failures = Vec::new();
    let mut count = 0;

    println!("{:<24}{:>8}  {:<16}result", "case", "crates", "libsqlite3-sys");
    let mut one = |case: &Case| -> Result<()> {
        let outcome = workshop.check(&root, case)?;
        let (good, line) = judge(case, &outcome);
        println!("{line}");
        count += 1;
        if let (false, Outcome::Refused { said }) = (good, &outcome) {
            eprintln!("{said}");
        }
        if !good {
            failures.push(case.name.to_owned());
        }
        Ok(())
    };
    for case in alone {
        one(&case)?;
    }
    for case in beside {
        one(case)?;
    }
    match (count, failures.as_slice()) {
        (0, _) => bail!("there is no such case; `cargo xtask embed --list` names them"),
        (_, []) => Ok(()),
        (_, failures) => bail!("not as expected: {}", failures.join(", ")),
    }
}

/// Whether the outcome is the expected one, and its line in the table.
fn judge(case: &Case, outcome: &Outcome) -> (bool, String) {
    let (good, result) = match (case.expected, outcome) {
        (Expected::Works, Outcome::Compiled { .. }) => (true, "ok".to_owned()),
        (Expected::Works, Outcome::Refused { .. }) => (false, "FAILED".to_owned()),
        (Expected::CannotWork { because, saying }, Outcome::Refused { said })
            if said.contains(saying) =>
        {
            (true, format!("cannot work: {because}"))
        }
        (Expected::CannotWork { .. }, Outcome::Refused { .. }) => {
            (false, "FAILED, but not for the reason in the table".to_owned())
        }
        (Expected::CannotWork { .. }, Outcome::Compiled { .. }) => {
            (false, "works, although the table says that it cannot".to_owned())
        }
    };
    let (packages, sqlite) = match outcome {
        Outcome::Compiled { packages, sqlite } => (packages.to_string(), sqlite.as_deref()),
        Outcome::Refused { .. } => ("-".to_owned(), None),
    };
    let sqlite = sqlite.unwrap_or("-");
    (good, format!("{:<24}{packages:>8}  {sqlite:<16}{result}", case.name))
}

/// A crate by itself, with its default features.
fn alone(library: &'static str) -> Case {
    Case { name: library, library, beside: "", source: "", expected: Expected::Works }
}

/// The crates of the workspace that are published and have a library.
fn libraries() -> Result<Vec<&'static str>> {
    let metadata = build::metadata()?;
    let packages = metadata["packages"].as_array().context("no list of packages")?;
    let published = packages.iter().filter(|package| package["publish"].is_null());
    let libraries = published.filter(|package| {
        let targets = package["targets"].as_array().into_iter().flatten();
        targets.into_iter().any(|target| target["kind"][0] == "lib")
    });
    let names = libraries.filter_map(|package| package["name"].as_str());
    // The names live as long as the process, as those of the table do.
    Ok(names.map(|name| &*Box::leak(name.to_owned().into_boxed_str())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(expected: Expected, outcome: &Outcome, good: bool) {
        let case = Case { expected, ..alone("lifeboat-format") };
        assert_eq!(judge(&case, outcome).0, good);
    }

    #[test]
    fn a_case_that_surprises_fails_either_way() {
        let compiled = Outcome::Compiled { packages: 3, sqlite: None };
        let refused = |said: &str| Outcome::Refused { said: said.into() };
        let impossible = Expected::CannotWork { because: "a reason", saying: "two links" };
        check(Expected::Works, &compiled, true);
        check(Expected::Works, &refused("two links"), false);
        check(impossible, &refused("error: two links"), true);
        check(impossible, &refused("error: no network"), false);
        check(impossible, &compiled, false);
    }

    #[test]
    fn libraries_are_those_that_are_published() {
        let libraries = libraries().expect("cargo describes the workspace");
        assert!(libraries.contains(&"lifeboat-format"));
        assert!(!libraries.contains(&"lifeboat-testing"));
        assert!(!libraries.contains(&"lifeboat-cli"));
    }
}
