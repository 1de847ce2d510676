//! Files of variables (`.env`), which are read only where one is named.
//!
//! The forms that the common readers agree on: `NAME=value`, with `export`
//! before it or not; quotes around the value; comments after `#`. Nothing is
//! substituted, so that a `$` in a secret stays one.

use std::path::Path;

use crate::problem::{Place, Problem, What};

/// The variables in the text of a file, in their order.
pub fn parse(path: &Path, text: &str) -> Result<Vec<(String, String)>, Problem> {
    let mut found = Vec::new();
    let mut lines = text.trim_start_matches('\u{feff}').lines().enumerate();
    while let Some((at, line)) = lines.next() {
        let refuse = |why: &str| Problem {
            place: Place::in_file(path, at + 1),
            what: What::Line { why: why.to_owned() },
        };
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let line = line.strip_prefix("export ").unwrap_or(line);
        let (name, rest) = line.split_once('=').ok_or_else(|| refuse("a line is NAME=value"))?;
        let name = name.trim();
        if !is_name(name) {
            return Err(refuse("the name of a variable has letters, digits and _"));
        }
        let rest = rest.trim_start();
        let value = match rest.chars().next() {
            Some(quote @ ('"' | '\'')) => {
                let mut body = rest[1..].to_owned();
                // A value in quotes may go on over several lines, as keys in PEM do.
                while end_of_quote(&body, quote).is_none() {
                    let (_, more) = lines.next().ok_or_else(|| refuse("a quote has no end"))?;
                    body.push('\n');
                    body.push_str(more);
                }
                let end = end_of_quote(&body, quote).unwrap_or(body.len());
                let after = body[end + 1..].trim_start();
                if !(after.is_empty() || after.starts_with('#')) {
                    return Err(refuse("there is something after the quote"));
                }
                if quote == '"' { unescape(&body[..end]) } else { body[..end].to_owned() }
            }
            _ => bare(rest).to_owned(),
        };
        found.push((name.to_owned(), value));
    }
    Ok(found)
}

pub(crate) fn is_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn end_of_quote(body: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    for (at, character) in body.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' if quote == '"' => escaped = true,
            character if character == quote => return Some(at),
            _ => {}
        }
    }
    None
}

fn unescape(body: &str) -> String {
    let mut text = String::new();
    let mut characters = body.chars();
    while let Some(character) = characters.next() {
        if character != '\\' {
            text.push(character);
            continue;
        }
        match characters.next() {
            Some('n') => text.push('\n'),
            Some('t') => text.push('\t'),
            Some('r') => text.push('\r'),
            Some(same @ ('"' | '\\' | '$' | '\'')) => text.push(same),
            Some(other) => text.extend(['\\', other]),
            None => text.push('\\'),
        }
    }
    text
}

/// A `#` begins a comment only after a space: it occurs in passwords.
fn bare(rest: &str) -> &str {
    let end = [" #", "\t#"].iter().filter_map(|comment| rest.find(comment)).min();
    let end = if rest.starts_with('#') { Some(0) } else { end };
    rest[..end.unwrap_or(rest.len())].trim_end()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[(&str, &str)]) {
        let found = parse(Path::new(".env"), text).expect("is understood");
        let found: Vec<(&str, &str)> =
            found.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn lines_as_people_write_them() {
        check("A=1\n\n# no\nexport B = two words # yes\n", &[("A", "1"), ("B", "two words")]);
        check("A=p#ss$word\r\nB=\n", &[("A", "p#ss$word"), ("B", "")]);
        check("A='x # \\n' # c", &[("A", "x # \\n")]);
        check(r#"A="x\n\"y\" \\ \w""#, &[("A", "x\n\"y\" \\ \\w")]);
        check("A=\"one\ntwo\"\nB=3", &[("A", "one\ntwo"), ("B", "3")]);
        check("\u{feff}A=base64==", &[("A", "base64==")]);
        check("A=#nothing", &[("A", "")]);
    }

    #[test]
    fn what_is_no_line_is_refused_with_its_number() {
        for (text, line) in
            [("A=1\nB", ":2: "), ("1A=2", ":1: "), ("A='x", ":1: "), ("\nA=\"x\" y", ":2: ")]
        {
            let error = parse(Path::new("x.env"), text).expect_err(text).to_string();
            assert!(error.contains(&format!("x.env{line}")), "{error}");
        }
    }
}
