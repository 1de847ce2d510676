//! Links from one file of the repository to another must lead somewhere.

use super::Finding;
use super::tree::Tree;

pub(super) fn check(path: &str, text: &str, tree: &Tree) -> Vec<Finding> {
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut findings = Vec::new();
    let mut fence: Option<&str> = None;
    for (index, line) in text.lines().enumerate() {
        let start = line.trim_start();
        let marker = ["```", "~~~"].into_iter().find(|marker| start.starts_with(marker));
        match (fence, marker) {
            (None, Some(opened)) => fence = Some(opened),
            (Some(open), Some(closed)) if open == closed => fence = None,
            _ => {}
        }
        if fence.is_some() || marker.is_some() {
            continue;
        }
        for target in targets(&without_code(line)) {
            if is_elsewhere(&target) {
                continue;
            }
            let file = target.split(['#', '?']).next().unwrap_or_default();
            if !resolve(folder, file).is_some_and(|resolved| tree.holds(&resolved)) {
                let rule = format!("the link to `{target}` leads nowhere");
                findings.push(Finding::new(path, index + 1, rule));
            }
        }
    }
    findings
}

/// Whether the link leaves the repository, or stays on its page.
fn is_elsewhere(target: &str) -> bool {
    target.contains("://") || target.starts_with("mailto:") || target.starts_with('#')
}

/// The line without what stands between backticks, where brackets are code.
fn without_code(line: &str) -> String {
    line.split('`').step_by(2).collect::<Vec<_>>().join("`")
}

/// What the links of a line point at: `[text](target)` and `[name]: target`.
fn targets(line: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = line;
    while let Some((_, after)) = rest.split_once("](") {
        let target = after.split([')', ' ']).next().unwrap_or_default();
        found.push(target.trim_matches(['<', '>']).to_owned());
        rest = after;
    }
    if line.starts_with('[')
        && let Some((_, target)) = line.split_once("]: ")
    {
        found.extend(target.split_whitespace().next().map(str::to_owned));
    }
    found
}

/// The path from the root, or nothing where the link leaves the repository.
fn resolve(folder: &str, target: &str) -> Option<String> {
    let (start, target) = match target.strip_prefix('/') {
        Some(from_root) => ("", from_root),
        None => (folder, target),
    };
    let mut parts: Vec<&str> = start.split('/').filter(|part| !part.is_empty()).collect();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_one(text: &str, expected: &[&str]) {
        let tree = Tree::of(&[("README.md", ""), ("docs/format.md", ""), ("docs/a/b.md", "")]);
        let found = check("docs/a.md", text, &tree);
        let found: Vec<&str> = found.iter().map(|finding| finding.rule.as_str()).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn links_that_lead_somewhere() {
        check_one("[a](format.md) and [b](../README.md#top), [c](a/), [d](/docs/a/b.md)", &[]);
        check_one("[a](https://example.com/x) [b](#here) [c](mailto:a@example.com)", &[]);
        check_one("[a]: format.md", &[]);
    }

    #[test]
    fn links_that_lead_nowhere() {
        check_one("[a](formats.md)", &["the link to `formats.md` leads nowhere"]);
        check_one("x [a](format.md) [b](no.md)", &["the link to `no.md` leads nowhere"]);
        check_one("[a](../../README.md)", &["the link to `../../README.md` leads nowhere"]);
        check_one("[a]: no.md", &["the link to `no.md` leads nowhere"]);
    }

    #[test]
    fn code_is_not_a_link() {
        check_one("`x[0](no.md)`", &[]);
        check_one("```\n[a](no.md)\n```\n", &[]);
        check_one("```\n```\n[a](no.md)\n", &["the link to `no.md` leads nowhere"]);
    }
}
