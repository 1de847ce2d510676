//! Rules for Rust files.

use super::Finding;

/// Lines of a file before its inline tests; beyond this it holds two ideas.
const MOST_LINES: usize = 500;

/// Left-overs, and lints switched off without a reason. Written in two halves,
/// so that this file does not break its own rule.
const FORBIDDEN: &[(&str, &str)] = &[
    (concat!("todo", "!("), "something is unfinished"),
    (concat!("unimplemented", "!("), "something is unfinished"),
    (concat!("dbg", "!("), "a trace of debugging"),
    (concat!("#[al", "low("), "use `#[expect(…, reason = …)]`"),
    (concat!("#![al", "low("), "use `#![expect(…, reason = …)]`"),
];

/// Crates that know no clock, disk, network, environment or runtime, …
const PURE: &[&str] = &[
    "crates/lifeboat-format/src/",
    "crates/lifeboat-crypto/src/",
    "crates/lifeboat-retention/src/",
];

/// … and what would be a breach of that, which the manifest cannot show.
const IMPURE: &[&str] = &[
    "std::env::",
    "std::fs::",
    "std::net::",
    "std::process::",
    "std::thread::",
    "SystemTime::now",
    "Instant::now",
    "now_utc()",
    "now_local()",
    "async fn",
];

pub(super) fn check(path: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    if !text.starts_with("//!") {
        findings.push(Finding::new(path, 1, "begins without `//!`: say what the file is for"));
    }
    if path.ends_with("/mod.rs") {
        findings.push(Finding::new(path, 0, "use `foo.rs` beside `foo/`, not `foo/mod.rs`"));
    }
    let length = lines_before_tests(text);
    if length > MOST_LINES {
        let rule = format!("{length} lines before its tests, and {MOST_LINES} are the most");
        findings.push(Finding::new(path, 0, rule));
    }
    for (number, line) in text.lines().enumerate() {
        for (found, rule) in FORBIDDEN.iter().filter(|(forbidden, _)| line.contains(forbidden)) {
            findings.push(Finding::new(path, number + 1, format!("`{found}`: {rule}")));
        }
    }
    if PURE.iter().any(|pure| path.starts_with(pure)) {
        findings.extend(impurities(path, text));
    }
    findings
}

fn impurities(path: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let code = text.lines().take(lines_before_tests(text)).enumerate();
    for (number, line) in code.filter(|(_, line)| !line.trim_start().starts_with("//")) {
        for found in IMPURE.iter().filter(|impure| line.contains(*impure)) {
            let rule = format!("`{found}` in a pure crate: take it as an argument");
            findings.push(Finding::new(path, number + 1, rule));
        }
    }
    findings
}

/// The lines before the inline tests, which may be as long as they need.
fn lines_before_tests(text: &str) -> usize {
    let lines: Vec<&str> = text.lines().collect();
    let opens_tests = |pair: &[&str]| {
        pair[0].trim() == "#[cfg(test)]"
            && pair[1].trim_start().starts_with("mod ")
            && pair[1].trim_end().ends_with('{')
    };
    lines.windows(2).position(opens_tests).unwrap_or(lines.len())
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
    fn a_file_says_what_it_is_for() {
        check_one("a.rs", "//! Why.\nfn a() {}\n", &[]);
        check_one(
            "a.rs",
            "fn a() {}\n",
            &["a.rs:1: begins without `//!`: say what the file is for"],
        );
    }

    #[test]
    fn modules_are_named_files() {
        check_one(
            "a/mod.rs",
            "//! Why.\n",
            &["a/mod.rs: use `foo.rs` beside `foo/`, not `foo/mod.rs`"],
        );
    }

    #[test]
    fn left_overs_are_found() {
        for (forbidden, rule) in FORBIDDEN {
            let text = format!("//! Why.\n    {forbidden}x)\n");
            check_one("a.rs", &text, &[&format!("a.rs:2: `{forbidden}`: {rule}")]);
        }
    }

    #[test]
    fn length_counts_up_to_the_inline_tests() {
        let code = format!("//! Why.\n{}", "\n".repeat(499));
        let tests = format!("#[cfg(test)]\nmod tests {{\n{}}}\n", "\n".repeat(500));
        check_one("a.rs", &format!("{code}{tests}"), &[]);
        let longer = format!("{code}\n{tests}");
        check_one("a.rs", &longer, &["a.rs: 501 lines before its tests, and 500 are the most"]);
        // A single item under `cfg(test)` does not end the count.
        let helper = format!("//! Why.\n#[cfg(test)]\nuse a;\n{}", "\n".repeat(498));
        check_one("a.rs", &helper, &["a.rs: 501 lines before its tests, and 500 are the most"]);
    }

    #[test]
    fn pure_crates_touch_no_outside_world_except_in_tests_and_prose() {
        let text = "//! Why.\nlet x = std::fs::read(y);\n";
        let rule = "`std::fs::` in a pure crate: take it as an argument";
        let path = "crates/lifeboat-format/src/a.rs";
        check_one(path, text, &[&format!("{path}:2: {rule}")]);
        check_one("crates/lifeboat-sqlite/src/a.rs", text, &[]);
        check_one(path, "//! Why.\n/// Not `std::fs::read`.\n", &[]);
        check_one(path, "//! Why.\n#[cfg(test)]\nmod tests {\n    use std::fs::File;\n}\n", &[]);
    }
}
