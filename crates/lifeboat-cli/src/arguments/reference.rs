//! docs/commands.md is made of what can be typed, and compared with it.

use std::path::PathBuf;

use clap::{Arg, Command, CommandFactory};

use super::{Arguments, EVERYWHERE};

const BEGINNING: &str = "\
# Commands

`lifeboat [OPTIONS] COMMAND`. `lifeboat help COMMAND` and `man lifeboat-COMMAND` say the same at more
length; what a command ends with is in [Troubleshooting](troubleshooting.md#by-exit-code), what `--json`
prints in [JSON](json.md). This page is made of the program, and a test compares the two.

A `SNAPSHOT` is `latest`, `latest~N`, an id, or the beginning of one. A `TIME` is RFC 3339, or local time as in
`2026-11-20 14:00`, `yesterday 14:00`, `10 minutes ago`. Options that ask for a *record* take its number.
";

fn page() -> String {
    let mut command = Arguments::command();
    command.build();
    let mut page = BEGINNING.to_owned();
    page += "\n## For every command\n";
    page += &table(command.get_arguments().filter(|arg| is_everywhere(arg)));
    for sub in command.get_subcommands() {
        commands(sub, "##", &mut page);
    }
    page
}

fn commands(command: &Command, heading: &str, page: &mut String) {
    if command.get_name() == "help" {
        return;
    }
    let name = command.get_bin_name().unwrap_or(command.get_name());
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    *page += &format!("\n{heading} {name}\n\n{about}.\n");
    if command.has_subcommands() {
        for sub in command.get_subcommands() {
            commands(sub, "###", page);
        }
        return;
    }
    let usage = command.clone().render_usage().to_string();
    let usage = usage.trim_start_matches("Usage: ").replace(" [OPTIONS]", "");
    *page += &format!("\n`{}`\n", usage.split_whitespace().collect::<Vec<_>>().join(" "));
    *page += &table(command.get_arguments().filter(|arg| !is_everywhere(arg)));
}

fn is_everywhere(arg: &Arg) -> bool {
    arg.get_help_heading() == Some(EVERYWHERE)
}

fn table<'a>(all: impl Iterator<Item = &'a Arg>) -> String {
    let is_told =
        |arg: &&Arg| !arg.is_hide_set() && !matches!(arg.get_id().as_str(), "help" | "version");
    let mut rows: Vec<String> = all.filter(is_told).map(row).collect();
    if !rows.is_empty() {
        rows.insert(0, "\n| | |\n|---|---|\n".to_owned());
    }
    rows.concat()
}

fn row(arg: &Arg) -> String {
    let values = || {
        let names = arg.get_value_names().unwrap_or_default();
        names.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(" ")
    };
    let takes = arg.get_action().takes_values();
    let mut typed = match (arg.get_short(), arg.get_long()) {
        (Some(short), Some(long)) => format!("-{short}, --{long}"),
        (None, Some(long)) => format!("--{long}"),
        (Some(short), None) => format!("-{short}"),
        (None, None) => values(),
    };
    if takes && !arg.is_positional() {
        typed += &format!(" {}", values());
    }
    let mut what = arg.get_help().map(ToString::to_string).unwrap_or_default();
    let possible: Vec<String> =
        arg.get_possible_values().iter().map(|value| format!("`{}`", value.get_name())).collect();
    if takes && !possible.is_empty() {
        what += &format!(": {}", possible.join(", "));
    }
    for default in arg.get_default_values().iter().filter(|text| takes && !text.is_empty()) {
        what += &format!(" [default: {}]", default.to_string_lossy());
    }
    format!("| `{}` | {} |\n", typed.replace('|', "\\|"), what.replace('|', "\\|"))
}

/// Whoever changes what can be typed makes the page anew, with the other texts:
/// `INSTA_UPDATE=always cargo nextest run --workspace -E 'test(help_texts)'`.
#[test]
fn help_texts_are_documented() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/commands.md");
    let page = page();
    if std::env::var("INSTA_UPDATE").is_ok_and(|value| value == "always") {
        std::fs::write(&path, &page).expect("is written");
    }
    let there = std::fs::read_to_string(&path).expect("is there");
    let same = there.lines().zip(page.lines()).find(|(there, is)| there != is);
    assert_eq!(same, None, "docs/commands.md says the left, the program the right");
    assert_eq!(there.lines().count(), page.lines().count(), "docs/commands.md has other lines");
}

/// Each way for a command to end has an entry.
#[test]
fn exit_codes_are_documented() {
    use crate::exit::Exit;

    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/troubleshooting.md");
    let page = std::fs::read_to_string(path).expect("is there");
    let help = Arguments::command().render_long_help().to_string();
    let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
    for exit in Exit::KNOWN {
        let code = exit.code();
        let begins = |line: &str| {
            line.strip_prefix("### Exit code ").is_some_and(|rest| {
                let codes = rest.split(':').next().unwrap_or_default();
                codes.split(", ").any(|one| one == code.to_string())
            })
        };
        assert!(code == 0 || page.lines().any(begins), "docs/troubleshooting.md: exit code {code}");
        let is_listed = [", ", ": ", "critical, ", "and "]
            .iter()
            .any(|before| help.contains(&format!("{before}{code} ")));
        assert!(is_listed, "lifeboat --help does not list {code}: {help}");
    }
}
