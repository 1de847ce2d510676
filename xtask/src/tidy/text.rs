//! Rules for every file that is text.

use super::Finding;

/// README is read on one screen or not at all.
const MOST_LINES_OF_README: usize = 140;

/// Folders that exist on one machine only. Split, so that this file passes.
const MACHINE_PATHS: &[&str] = &[concat!("/wo", "rk/"), concat!("/ro", "ot/")];

/// Hosts of package registries: a build must work behind any mirror, so nothing
/// here may name one.
const REGISTRIES: &[&str] = &[
    concat!("crates", ".io"),
    concat!("pypi", ".org"),
    concat!("npmjs", ".com"),
    concat!("npmjs", ".org"),
    concat!("deb.debian", ".org"),
];

pub(super) fn check(path: &str, text: &str) -> Vec<Finding> {
    // Lock files are written by tools and name the registry in every entry.
    if path == "Cargo.lock" || path.ends_with("/Cargo.lock") {
        return Vec::new();
    }
    let mut findings = Vec::new();
    if path == "README.md" && text.lines().count() > MOST_LINES_OF_README {
        let rule = format!("more than {MOST_LINES_OF_README} lines; move some to docs/");
        findings.push(Finding::new(path, 0, rule));
    }
    let by_hand = path.ends_with(".rs") || path.ends_with(".md");
    for (index, line) in text.lines().enumerate() {
        let mut find = |rule: String| findings.push(Finding::new(path, index + 1, rule));
        if by_hand && line.ends_with([' ', '\t']) {
            find("white space at the end".into());
        }
        if by_hand && line.contains('\t') {
            find("a tab".into());
        }
        for machine in MACHINE_PATHS.iter().filter(|machine| names_path(line, machine)) {
            find(format!("`{machine}` exists on one machine only"));
        }
        for registry in REGISTRIES.iter().filter(|registry| line.contains(*registry)) {
            find(format!("`{registry}`: write \"the package registry\""));
        }
    }
    findings
}

/// Whether the absolute path is there, and not the end of a longer one.
fn names_path(line: &str, path: &str) -> bool {
    line.match_indices(path).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || "-_.}>~".contains(c))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_one(path: &str, text: &str, expected: &[&str]) {
        let found: Vec<String> = check(path, text).iter().map(ToString::to_string).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn white_space_is_found_where_people_write() {
        check_one("a.md", "a \nb\n", &["a.md:1: white space at the end"]);
        check_one("a.rs", "a\n\tb\n", &["a.rs:2: a tab"]);
        check_one("Makefile", "\tcargo build\n", &[]);
    }

    #[test]
    fn paths_of_one_machine_are_found() {
        for machine in MACHINE_PATHS {
            let expected = format!("a.toml:1: `{machine}` exists on one machine only");
            check_one("a.toml", &format!("x = \"{machine}y\"\n"), &[&expected]);
            check_one("a.toml", &format!("x = \"target{machine}y\"\n"), &[]);
        }
    }

    #[test]
    fn registries_are_found_except_in_lock_files() {
        for registry in REGISTRIES {
            let text = format!("source = \"https://{registry}/x\"\n");
            let expected = format!("a.toml:1: `{registry}`: write \"the package registry\"");
            check_one("a.toml", &text, &[&expected]);
            check_one("Cargo.lock", &text, &[]);
            check_one("fuzz/Cargo.lock", &text, &[]);
        }
    }

    #[test]
    fn a_long_readme_is_found() {
        check_one("README.md", &"a\n".repeat(140), &[]);
        let expected = "README.md: more than 140 lines; move some to docs/";
        check_one("README.md", &"a\n".repeat(141), &[expected]);
        check_one("docs/format.md", &"a\n".repeat(141), &[]);
    }
}
