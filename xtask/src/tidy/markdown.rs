//! Links from one file of the repository to another, and to a heading in it, must lead
//! somewhere.

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
            let (file, anchor) = match target.split_once('#') {
                Some((file, anchor)) => (file, Some(anchor)),
                None => (target.as_str(), None),
            };
            let there = match file {
                "" => Some(path.to_owned()),
                file => resolve(folder, file).filter(|resolved| tree.holds(resolved)),
            };
            let page = |there: &String| match there == path {
                true => Some(text),
                false => tree.text(there),
            };
            let leads = match (&there, anchor) {
                (None, _) => false,
                (Some(there), Some(anchor)) if there.ends_with(".md") => {
                    page(there).is_some_and(|page| anchors(page).any(|known| known == anchor))
                }
                (Some(_), _) => true,
            };
            if !leads {
                let rule = format!("the link to `{target}` leads nowhere");
                findings.push(Finding::new(path, index + 1, rule));
            }
        }
    }
    findings
}

/// Whether the link leaves the repository.
fn is_elsewhere(target: &str) -> bool {
    target.contains("://") || target.starts_with("mailto:")
}

/// What headings are called in links, as forges derive it: lower case, blanks as
/// hyphens, without what is neither letter nor digit.
fn anchors(page: &str) -> impl Iterator<Item = String> {
    let mut is_code = false;
    page.lines().filter_map(move |line| {
        if line.trim_start().starts_with("```") {
            is_code = !is_code;
        }
        let heading = line.strip_prefix('#').filter(|_| !is_code)?.trim_start_matches('#');
        let heading = heading.strip_prefix(' ')?.trim();
        let kept = heading.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
        Some(kept.map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() }).collect())
    })
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
        let readme = ("README.md", "# A `top`, and more\n```\n# none\n```\n");
        let tree = Tree::of(&[readme, ("docs/format.md", ""), ("docs/a/b.md", "")]);
        let found = check("docs/a.md", text, &tree);
        let found: Vec<&str> = found.iter().map(|finding| finding.rule.as_str()).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn links_that_lead_somewhere() {
        let anchored = "../README.md#a-top-and-more";
        check_one(&format!("[a](format.md) and [b]({anchored}), [c](a/), [d](/docs/a/b.md)"), &[]);
        check_one("## Here\n[a](https://example.com/x) [b](#here) [c](mailto:a@example.com)", &[]);
        check_one("[a]: format.md", &[]);
    }

    #[test]
    fn links_that_lead_nowhere() {
        check_one("[a](formats.md)", &["the link to `formats.md` leads nowhere"]);
        check_one("x [a](format.md) [b](no.md)", &["the link to `no.md` leads nowhere"]);
        check_one("[a](../../README.md)", &["the link to `../../README.md` leads nowhere"]);
        check_one("[a]: no.md", &["the link to `no.md` leads nowhere"]);
        check_one("[a](#here)", &["the link to `#here` leads nowhere"]);
        let none = "the link to `../README.md#none` leads nowhere";
        check_one("[a](../README.md#none)", &[none]);
    }

    #[test]
    fn code_is_not_a_link() {
        check_one("`x[0](no.md)`", &[]);
        check_one("```\n[a](no.md)\n```\n", &[]);
        check_one("```\n```\n[a](no.md)\n", &["the link to `no.md` leads nowhere"]);
    }
}
