//! The words of what a command printed, without what differs from one run to the next.

/// The words of a line: numbers, ids, sizes, ages and the folder of the test are not
/// told apart.
fn shape(line: &str, folder: &str) -> String {
    let line = line.replace(folder, "/srv");
    let words = line.split_whitespace().map(word);
    words.collect::<Vec<_>>().join(" ")
}

fn word(word: &str) -> String {
    let mut text = String::new();
    let mut rest = word;
    while let Some(c) = rest.chars().next() {
        let hex = rest.bytes().take_while(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')).count();
        if let Some(after) = id(rest) {
            text.push_str("ID");
            rest = after;
        } else if hex >= 8 && text.chars().last().is_none_or(|c| !c.is_alphanumeric()) {
            text.push_str("HEX");
            rest = &rest[hex..];
        } else if c.is_ascii_digit() {
            let digits = rest.find(|c: char| !(c.is_ascii_digit() || ",.".contains(c)));
            let number = &rest[..digits.unwrap_or(rest.len())];
            // A full stop behind a number is no part of it.
            let number = number.trim_end_matches([',', '.']);
            text.push('#');
            rest = &rest[number.len()..];
        } else {
            text.push(c);
            rest = &rest[c.len_utf8()..];
        }
    }
    let bare = text.trim_end_matches([',', '.', ';', ')', ':']);
    let end = &text[bare.len()..];
    let kind = match bare {
        "B" | "KiB" | "MiB" | "GiB" => "SIZE",
        "second" | "seconds" | "minute" | "minutes" | "hour" | "hours" => "TIME",
        "page" | "pages" => "pages",
        _ => return text,
    };
    format!("{kind}{end}")
}

/// What follows the id of a snapshot, if one is here.
fn id(text: &str) -> Option<&str> {
    let (id, rest) = text.split_at_checked(25)?;
    let fits = |(at, byte): (usize, u8)| match at {
        8 => byte == b'T',
        15 => byte == b'Z',
        16 => byte == b'-',
        17.. => byte.is_ascii_hexdigit(),
        _ => byte.is_ascii_digit(),
    };
    id.bytes().enumerate().all(fits).then_some(rest)
}

/// Lines that are there on some machines only, or say how far a command is.
fn is_noise(shape: &str) -> bool {
    let words: Vec<&str> = shape.split(' ').collect();
    let progress = matches!(words[..], [_, "reading" | "restoring" | "checking", "#", "SIZE"]);
    progress || shape.contains("the database was last written by SQLite")
}

/// Where what was printed is something else than what is expected: the first line
/// that is missing. `…` alone stands for any lines, and at the end of one for its rest.
pub(super) fn differs(expected: &[String], printed: &str, folder: &str) -> Option<String> {
    let shaped = |line: &str| shape(line, folder);
    let printed: Vec<String> =
        printed.lines().map(shaped).filter(|line| !line.is_empty() && !is_noise(line)).collect();
    let expected: Vec<String> =
        expected.iter().map(|line| shaped(line)).filter(|line| !line.is_empty()).collect();
    let (mut at, mut any) = (0, false);
    for line in &expected {
        if line == "…" {
            any = true;
            continue;
        }
        let is_it = |found: &String| match line.strip_suffix('…') {
            Some(begin) => found.starts_with(begin.trim_end()),
            None => found == line,
        };
        let reach = if any { printed.len() } else { printed.len().min(at + 1) };
        match printed[at.min(reach)..reach].iter().position(is_it) {
            Some(further) => at += further + 1,
            None => return Some(line.clone()),
        }
        any = false;
    }
    match printed.get(at) {
        Some(more) if !any => Some(format!("nothing, instead of: {more}")),
        _ => None,
    }
}

#[test]
fn what_differs_is_found_and_figures_are_not() {
    let check = |expected: &str, printed: &str, differ: Option<&str>| {
        let expected: Vec<String> = expected.lines().map(str::to_owned).collect();
        assert_eq!(differs(&expected, printed, "/tmp/x").as_deref(), differ);
    };
    let expected = "app: snapshot 20261121T050149Z-e92c63c7 in /srv/b (0.06 s)\n  2,114 pages.";
    check(expected, "app: snapshot 20301121T050149Z-e92c63ff in /tmp/x/b (1 s)\n 1 page.", None);
    check(expected, "app: snapshot of in /tmp/x/b (1 s)", Some("app: snapshot ID in /srv/b (# s)"));
    check("a\n…\nz", "a\nb\nc\nz", None);
    check("a\n…\nz", "a\nb\nc", Some("z"));
    check("a…", "abc", None);
    check("a", "a\nb", Some("nothing, instead of: b"));
    check("a\nb", "a", Some("b"));
    check("a", "app: reading 3 MiB\na", None);
    check("the repository fcfc62b09406a387 at q", "the repository 00fc62b09406a300 at q", None);
}
