//! Rules for the folders under `crates/`.

use std::collections::BTreeSet;

use super::Finding;
use super::tree::Tree;

/// The one crate with `unsafe` in it, which therefore has lints of its own.
const UNSAFE: &str = "lifeboat-sqlite";

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let paths = tree.texts().filter_map(|(path, _)| path.strip_prefix("crates/"));
    let folders: BTreeSet<&str> =
        paths.filter_map(|path| path.split_once('/')).map(|(folder, _)| folder).collect();
    folders.into_iter().flat_map(|folder| of_crate(folder, tree)).collect()
}

fn of_crate(folder: &str, tree: &Tree) -> Vec<Finding> {
    let home = format!("crates/{folder}");
    let path = format!("{home}/Cargo.toml");
    let Some(manifest) = tree.text(&path) else {
        return vec![Finding::new(&home, 0, "has no Cargo.toml, so it is no crate")];
    };
    let mut findings = Vec::new();
    if !manifest.lines().any(|line| line.trim() == format!("name = \"{folder}\"")) {
        findings.push(Finding::new(&path, 0, "the package is not named like its folder"));
    }
    if folder != UNSAFE && !inherits_lints(manifest) {
        let rule = "lacks `[lints] workspace = true`, and so escapes the lints of the workspace";
        findings.push(Finding::new(&path, 0, rule));
    }
    // A program has no library to embed; everything else is one.
    if !["lib", "main"].iter().any(|root| tree.holds(&format!("{home}/src/{root}.rs"))) {
        findings.push(Finding::new(&home, 0, "has no src/lib.rs"));
    }
    findings
}

fn inherits_lints(manifest: &str) -> bool {
    let mut lines = manifest.lines().map(str::trim).skip_while(|line| *line != "[lints]");
    lines.nth(1) == Some("workspace = true")
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "[package]\nname = \"lifeboat-a\"\n\n[lints]\nworkspace = true\n";

    #[track_caller]
    fn check_one(files: &[(&str, &str)], expected: &[&str]) {
        let found = check(&Tree::of(files));
        let found: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_crate_as_it_should_be() {
        check_one(
            &[("crates/lifeboat-a/Cargo.toml", GOOD), ("crates/lifeboat-a/src/lib.rs", "")],
            &[],
        );
    }

    #[test]
    fn a_folder_of_another_name_is_found() {
        check_one(
            &[("crates/a/Cargo.toml", GOOD), ("crates/a/src/lib.rs", "")],
            &["crates/a/Cargo.toml: the package is not named like its folder"],
        );
    }

    #[test]
    fn a_folder_without_a_crate_or_a_library_is_found() {
        check_one(
            &[("crates/a/notes.md", "")],
            &["crates/a: has no Cargo.toml, so it is no crate"],
        );
        check_one(
            &[("crates/lifeboat-a/Cargo.toml", GOOD)],
            &["crates/lifeboat-a: has no src/lib.rs"],
        );
    }

    #[test]
    fn a_crate_that_escapes_the_lints_is_found() {
        let rule = "lacks `[lints] workspace = true`, and so escapes the lints of the workspace";
        check_one(
            &[
                ("crates/lifeboat-a/Cargo.toml", "[package]\nname = \"lifeboat-a\"\n"),
                ("crates/lifeboat-a/src/lib.rs", ""),
            ],
            &[&format!("crates/lifeboat-a/Cargo.toml: {rule}")],
        );
    }
}
