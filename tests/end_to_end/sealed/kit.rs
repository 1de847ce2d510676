//! The sheet for the safe brings a database back on a bare machine.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use crate::command::{binary, same_bytes};

use super::*;

/// The lines of a sheet that are to be typed: two exports, and the commands.
fn typed(sheet: &str) -> (String, Vec<String>) {
    let lines = |start: &str| -> Vec<String> {
        sheet
            .lines()
            .filter_map(|line| line.strip_prefix("   ").filter(|line| line.starts_with(start)))
            .map(str::to_owned)
            .collect()
    };
    let exports = lines("export ");
    assert_eq!(exports.len(), 2, "{sheet}");
    (exports.join("\n"), lines("lifeboat "))
}

/// What somebody types on another machine: no state, no cache, no variables.
fn on_a_bare_machine(script: &str) -> (tempfile::TempDir, Ran) {
    let machine = tempfile::tempdir().expect("a temporary directory");
    let bin = binary().parent().expect("lies in a directory").to_owned();
    let path = format!("{}:/usr/bin:/bin", bin.display());
    let mut shell = Command::new("/bin/sh");
    shell.args(["-e", "-c", script]).current_dir(machine.path()).env_clear();
    let ran = shell.env("PATH", path).env("HOME", machine.path()).output().expect("runs");
    (machine, ran.into())
}

/// Types the whole sheet, and checks that the database comes back.
fn check(folder: &Folder, sheet: &str, database: &str) {
    let (exports, commands) = typed(sheet);
    assert_eq!(commands.len(), 2, "{sheet}");
    let (machine, ran) = on_a_bare_machine(&format!("{exports}\n{}", commands.join("\n")));
    ran.ok();
    assert!(same_bytes(&machine.path().join("restored.db"), &folder.path(database)));
}

#[test]
fn what_is_typed_from_the_sheet() {
    let folder = with_database();
    with_key(&folder, &["backup", "app.db"]).ok();
    let sheet = with_key(&folder, &["key", "kit"]).ok().out;
    check(&folder, &sheet, "app.db");
    for line in ["LIFEBOAT RECOVERY SHEET", "databases    app", "█"] {
        assert!(sheet.contains(line), "{sheet}");
    }
    let id = with_key(&folder, &["--json", "key", "list"]).ok().last()["keys"][0]["id"].clone();
    assert!(sheet.contains(id.as_str().expect("is text")), "{sheet}");
}

/// Names that mean something to a shell.
#[test]
fn names_that_need_quotes() {
    let folder = with_database();
    let place = folder.path("it's \"here\" $HOME");
    std::fs::create_dir(&place).expect("makes");
    let place = place.to_str().expect("is text");
    with_key(&folder, &["-r", place, "backup", "app.db", "--as", "my app's; $(db)"]).ok();
    let sheet = with_key(&folder, &["-r", place, "key", "kit"]).ok().out;
    check(&folder, &sheet, "app.db");
}

/// With a key of its own, the sheet can be made worthless on its own.
#[test]
fn a_key_of_its_own() {
    let folder = with_database();
    with_key(&folder, &["backup", "app.db"]).ok();
    let sheet = with_key(&folder, &["key", "kit", "--new-key"]).ok().out;
    assert!(!sheet.contains(KEY), "{sheet}");
    check(&folder, &sheet, "app.db");
    with_key(&folder, &["key", "remove", "kit"]).ok();
    let (exports, commands) = typed(&sheet);
    let (_machine, ran) = on_a_bare_machine(&format!("{exports}\n{}", commands[1]));
    assert_eq!(ran.code, 12, "{ran:?}");
    with_key(&folder, &["snapshots"]).ok();
}

/// Of the other keys nobody knows whether somebody has them still.
#[test]
fn the_key_in_use_is_not_removed() {
    let folder = with_database();
    with_key(&folder, &["backup", "app.db"]).ok();
    let before = contents(&folder);
    let ran = with_key(&folder, &["key", "remove", "first"]);
    assert_eq!(ran.code, 2, "it is the last: {ran:?}");
    let new = [("LIFEBOAT_KEY", KEY), ("LIFEBOAT_NEW_PASSPHRASE", PASSPHRASE)];
    run(&folder, &new, &["key", "add"]).ok();
    assert!(contents(&folder) != before);
    let ran = with_key(&folder, &["key", "remove", "first"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.err.contains("which is the key in use"), "{ran:?}");
    with_key(&folder, &["snapshots"]).ok();
    // Whoever has the other one may.
    run(&folder, &[("LIFEBOAT_PASSPHRASE", PASSPHRASE)], &["key", "remove", "first"]).ok();
    assert_eq!(with_key(&folder, &["snapshots"]).code, 12);
}

/// The line break at the end of a secret's file is no part of a passphrase, however
/// it comes: who types it on the night opens what a variable made.
#[test]
fn a_passphrase_with_a_line_break() {
    let folder = with_database();
    let broken = format!("{PASSPHRASE}\n");
    run(&folder, &[("LIFEBOAT_PASSPHRASE", &broken)], &["backup", "app.db"]).ok();
    run(&folder, &[("LIFEBOAT_PASSPHRASE", PASSPHRASE)], &["snapshots"]).ok();
    std::fs::write(folder.path("words"), &broken).expect("writes");
    run(&folder, &[("LIFEBOAT_PASSPHRASE_FILE", "words")], &["snapshots"]).ok();
    run(&folder, &[("LIFEBOAT_PASSPHRASE", &broken)], &["snapshots"]).ok();
    let other = format!("another {broken}");
    let new = [("LIFEBOAT_PASSPHRASE", PASSPHRASE), ("LIFEBOAT_NEW_PASSPHRASE", other.as_str())];
    run(&folder, &new, &["key", "add"]).ok();
    run(&folder, &[("LIFEBOAT_PASSPHRASE", other.trim())], &["snapshots"]).ok();
}

/// What can be found by trying is said, wherever it begins to protect something.
#[test]
fn short_passphrases_are_warned_of() {
    let short = [("LIFEBOAT_PASSPHRASE", "hush!")];
    let words = "the passphrase has 5 characters";
    for command in [&["init"][..], &["backup", "app.db"]] {
        let folder = with_database();
        let ran = run(&folder, &short, command).ok();
        assert!(ran.err.contains(words) && !ran.err.contains("hush!"), "{ran:?}");
        let ran = run(&folder, &short, &["backup", "app.db"]).ok();
        assert!(!ran.err.contains(words), "once is enough: {ran:?}");
    }
    let folder = with_database();
    let ran = run(&folder, &[("LIFEBOAT_PASSPHRASE", PASSPHRASE)], &["backup", "app.db"]).ok();
    assert!(!ran.err.contains("the passphrase has"), "{ran:?}");
    let new = [("LIFEBOAT_PASSPHRASE", PASSPHRASE), ("LIFEBOAT_NEW_PASSPHRASE", "hush!")];
    for command in [&["key", "add"][..], &["key", "rotate"]] {
        let ran = run(&folder, &new, command);
        assert!(ran.err.contains(words), "{ran:?}");
    }
}

#[test]
fn a_sheet_in_a_file() {
    let folder = with_database();
    with_key(&folder, &["backup", "app.db"]).ok();
    with_key(&folder, &["key", "kit", "-o", "sheet"]).ok();
    let path = folder.path("sheet");
    let mode = std::fs::metadata(&path).expect("is there").permissions().mode();
    assert_eq!(mode & 0o7777, 0o600);
    check(&folder, &std::fs::read_to_string(&path).expect("is text"), "app.db");

    // Refused, with no key added that stands nowhere.
    let before = contents(&folder);
    for more in [&[][..], &["--new-key"]] {
        let ran = with_key(&folder, &[&["key", "kit", "-o", "sheet"], more].concat());
        assert_eq!(ran.code, 1, "{ran:?}");
        assert!(ran.err.contains("sheet cannot be written"), "{ran:?}");
        assert!(contents(&folder) == before, "something was written");
    }
}

/// What cannot be printed is an error, and leaves no key that nobody has.
#[test]
fn output_that_goes_nowhere() {
    let folder = with_database();
    with_key(&folder, &["backup", "app.db"]).ok();
    let before = contents(&folder);
    for arguments in [&["key", "generate"][..], &["key", "kit"], &["key", "kit", "--new-key"]] {
        let mut command = folder.command();
        let full = std::fs::File::options().write(true).open("/dev/full").expect("opens");
        command.env("LIFEBOAT_KEY", KEY).args(arguments).stdout(full);
        let ran = Ran::from(command.output().expect("runs"));
        assert_eq!(ran.code, 1, "{arguments:?}: {ran:?}");
        assert!(ran.err.contains("failed to print"), "{ran:?}");
        assert!(contents(&folder) == before, "{arguments:?} left something");
    }
}

/// With a passphrase the sheet shows none: it is written there by hand.
#[test]
fn a_sheet_for_a_passphrase() {
    let folder = with_database();
    let words = [("LIFEBOAT_PASSPHRASE", PASSPHRASE)];
    run(&folder, &words, &["backup", "app.db"]).ok();
    let sheet = run(&folder, &words, &["key", "kit"]).ok().out;
    assert!(!sheet.contains(PASSPHRASE), "{sheet}");
    let blank = sheet.lines().find(|line| line.contains("LIFEBOAT_PASSPHRASE='"));
    let blank = blank.and_then(|line| line.split('\'').nth(1)).expect("a place to write");
    check(&folder, &sheet.replace(blank, PASSPHRASE), "app.db");
}
