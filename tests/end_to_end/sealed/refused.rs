//! A key that is missing, wrong or unclear: exit 12, and nothing is written.

use lifeboat::format::hex;
use lifeboat::format::info::{RepositoryInfo, Scheme};

use super::*;

const COMMANDS: [&[&str]; 12] = [
    &["backup", "app.db"],
    &["backup", "app.db", "--init"],
    &["snapshots"],
    &["restore", "app", "--target", "new.db"],
    &["init"],
    &["key", "list"],
    &["key", "add", "--new-key-file", "new-key"],
    &["key", "remove", "first"],
    &["key", "rotate", "--new-key-file", "new-key"],
    &["key", "rotate", "--data-key"],
    &["key", "kit", "--new-key"],
    &["key", "kit", "-o", "sheet"],
];

/// Runs every command, and checks that each is refused and nothing appears.
fn check(folder: &Folder, variables: &[(&str, &str)], code: i32, words: &str) {
    let before = contents(folder);
    for command in COMMANDS {
        let ran = run(folder, variables, command);
        let context = format!("{command:?} with {variables:?}: {ran:?}");
        assert_eq!(ran.code, code, "{context}");
        assert!(ran.err.contains(words), "no {words:?}: {context}");
        assert!(ran.err.contains("HINT:"), "no hint: {context}");
        for (_, value) in variables.iter().filter(|(name, _)| !name.contains("FILE")) {
            let is_secret = !value.is_empty() && !value.contains(' ');
            assert!(!is_secret || !ran.err.contains(value), "a secret is shown: {context}");
        }
        let json = run(folder, variables, &[&["--json"], command].concat()).last();
        assert_eq!((&json["message_type"], &json["code"]), (&"error".into(), &code.into()));
        assert!(contents(folder) == before, "something was written: {context}");
    }
}

fn sealed() -> Folder {
    let folder = with_database();
    with_key(&folder, &["backup", "app.db"]).ok();
    std::fs::write(folder.path("key"), KEY).expect("writes");
    std::fs::write(folder.path("empty"), "\n").expect("writes");
    folder
}

#[test]
fn no_key_or_a_wrong_one() {
    let folder = sealed();
    let check = |variables: &[_], words| check(&folder, variables, 12, words);
    check(&[], "it is encrypted, and no key or passphrase was given");
    check(&[("LIFEBOAT_KEY", "")], "no key or passphrase was given");
    check(&[("LIFEBOAT_KEY", OTHER_KEY)], "with the key or passphrase that was given");
    check(&[("LIFEBOAT_PASSPHRASE", "some other")], "with the key or passphrase that was given");
    with_key(&folder, &["restore", "app", "--target", "new.db"]).ok();
}

/// On a machine that never ran Lifeboat, not even its own directories appear.
#[test]
fn a_wrong_one_on_a_new_machine() {
    let folder = sealed();
    for dir in ["state", "cache"] {
        std::fs::remove_dir_all(folder.path(dir)).expect("removes");
    }
    let words = "with the key or passphrase that was given";
    check(&folder, &[("LIFEBOAT_KEY", OTHER_KEY)], 12, words);
    check(&folder, &[], 12, "no key or passphrase was given");
}

/// Whoever writes `LIFEBOAT_KEY="$(cat missing)"` meant to encrypt.
#[test]
fn an_empty_variable_makes_no_plain_repository() {
    for name in ["LIFEBOAT_KEY", "LIFEBOAT_KEY_FILE", "LIFEBOAT_PASSPHRASE_COMMAND"] {
        let folder = with_database();
        let before = contents(&folder);
        for command in [&["backup", "app.db"][..], &["init"]] {
            let ran = run(&folder, &[(name, "")], command);
            assert_eq!(ran.code, 12, "{ran:?}");
            assert!(ran.err.contains(&format!("{name} is empty")), "{ran:?}");
            assert!(contents(&folder) == before, "something was written");
        }
        // It counts as unset where nothing is decided by it.
        run(&folder, &[(name, "")], &["init", "--no-encryption"]).ok();
        let ran = run(&folder, &[(name, "")], &["backup", "app.db"]).ok();
        assert!(!ran.out.contains("new repository"), "{ran:?}");
    }
    let folder = with_database();
    let ran = folder.run(&["backup", "app.db"]).ok();
    assert!(ran.out.contains("./backups is a new repository, not encrypted"), "{ran:?}");
}

/// A repository that is gone is not begun anew, in the open or otherwise, by a
/// backup; and none of another id takes its place.
#[test]
fn a_repository_that_vanished() {
    let folder = sealed();
    std::fs::rename(folder.path("backups"), folder.path("elsewhere")).expect("moves");
    let before = contents(&folder);
    for variables in [&[("LIFEBOAT_KEY", KEY)][..], &[]] {
        let ran = run(&folder, variables, &["backup", "app.db"]);
        assert_eq!(ran.code, 10, "{ran:?}");
        assert!(ran.err.contains("it was there before"), "{ran:?}");
        assert!(contents(&folder) == before, "something was written");
    }
    // A plain one, made elsewhere, is put in its place.
    folder.run(&["-r", "./plain", "backup", "app.db"]).ok();
    std::fs::rename(folder.path("plain"), folder.path("backups")).expect("moves");
    check(&folder, &[], 4, "it was encrypted before");
    std::fs::remove_dir_all(folder.path("backups")).expect("removes");
    // Somebody may want to begin anew.
    with_key(&folder, &["init"]).ok();
    with_key(&folder, &["backup", "app.db"]).ok();
}

/// Labels that others could write do nothing to a terminal.
#[test]
fn labels_are_shown_as_they_are() {
    let folder = sealed();
    let add = |label: &str| {
        with_key(&folder, &["key", "add", "--new-key-file", "new-key", "--label", label])
    };
    let ran = add("\u{1b}[31mred");
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.err.contains("a line of at most 200 characters"), "{ran:?}");
    let long = add(&"x".repeat(100_000));
    assert_eq!(long.code, 2, "{long:?}");
    with_key(&folder, &["key", "list"]).ok();
    with_key(&folder, &["backup", "app.db", "--description", "a\u{1b}[31mb"]).ok();
    let listed = with_key(&folder, &["snapshots"]).ok();
    assert!(!listed.out.contains('\u{1b}'), "{listed:?}");
}

#[test]
fn what_holds_no_key() {
    let folder = sealed();
    let check = |variables: &[_], words| check(&folder, variables, 12, words);
    check(&[("LIFEBOAT_KEY", "c2hvcnQ=")], "LIFEBOAT_KEY holds no key");
    check(&[("LIFEBOAT_KEY", &KEY[..40])], "LIFEBOAT_KEY holds no key");
    check(&[("LIFEBOAT_KEY", "!not-base64!")], "LIFEBOAT_KEY holds no key");
    check(&[("LIFEBOAT_KEY_FILE", "empty")], "there is nothing in empty");
    check(&[("LIFEBOAT_KEY_FILE", "none")], "the key file none cannot be read");
    check(&[("LIFEBOAT_KEY_COMMAND", "exit 3")], "LIFEBOAT_KEY_COMMAND failed");
    check(&[("LIFEBOAT_KEY_COMMAND", "cat key; exit 1")], "LIFEBOAT_KEY_COMMAND failed");
    check(&[("LIFEBOAT_KEY_COMMAND", "true")], "there is nothing in LIFEBOAT_KEY_COMMAND");
    check(&[("LIFEBOAT_PASSPHRASE_FILE", "empty")], "there is nothing in empty");
    with_key(&folder, &["snapshots"]).ok();
}

#[test]
fn several_keys_at_once() {
    let folder = sealed();
    let check = |variables: &[_], words| check(&folder, variables, 2, words);
    check(
        &[("LIFEBOAT_KEY", KEY), ("LIFEBOAT_KEY_FILE", "key")],
        "LIFEBOAT_KEY and LIFEBOAT_KEY_FILE are both set",
    );
    let both = [("LIFEBOAT_KEY_FILE", "key"), ("LIFEBOAT_KEY_COMMAND", "cat key")];
    check(&both, "LIFEBOAT_KEY_FILE and LIFEBOAT_KEY_COMMAND are both set");
    let both = [("LIFEBOAT_KEY", KEY), ("LIFEBOAT_PASSPHRASE", PASSPHRASE)];
    check(&both, "LIFEBOAT_KEY and LIFEBOAT_PASSPHRASE are both set");
    // Each alone is right, and the command line is stronger than the rest.
    for variable in [("LIFEBOAT_KEY_FILE", "key"), ("LIFEBOAT_KEY_COMMAND", "cat key")] {
        run(&folder, &[variable], &["snapshots"]).ok();
    }
    run(&folder, &[("LIFEBOAT_KEY", OTHER_KEY)], &["--key-file", "key", "snapshots"]).ok();
}

#[test]
fn a_key_for_a_plain_repository() {
    let folder = with_database();
    folder.backup("app.db");
    check(&folder, &[("LIFEBOAT_KEY", KEY)], 12, "the repository there is not encrypted");
    let before = contents(&folder);
    for command in &COMMANDS[5..] {
        let ran = folder.run(command);
        assert_eq!(ran.code, 12, "{ran:?}");
        assert!(ran.err.contains("the repository is not encrypted"), "{ran:?}");
        assert!(contents(&folder) == before, "{command:?} wrote something");
    }
}

/// The format object of an encrypted repository, replaced by a plain one: who
/// saw it before is not taken in, with the key or without.
#[test]
fn a_plain_repository_in_its_place() {
    let folder = sealed();
    let object = folder.path("backups/format/1");
    let whole = std::fs::read(&object).expect("reads");
    let mut info = RepositoryInfo::decode(&whole).expect("is whole");
    info.scheme = Scheme::Plain { block_hash_key: hex::encode(&[7; 32]) };
    std::fs::write(&object, info.encode()).expect("writes");
    for variables in [&[("LIFEBOAT_KEY", KEY)][..], &[]] {
        check(&folder, variables, 4, "it was encrypted before");
    }
    // Who never saw it has the key to be warned by.
    std::fs::remove_dir_all(folder.path("state")).expect("removes");
    check(&folder, &[("LIFEBOAT_KEY", KEY)], 12, "the repository there is not encrypted");
    std::fs::write(&object, whole).expect("writes");
    with_key(&folder, &["restore", "app", "--target", "new.db"]).ok();
}

#[test]
fn elsewhere_nothing_is_made_in_the_open() {
    let folder = with_database();
    for command in [&["init"][..], &["backup", "app.db", "--init"]] {
        let ran = folder.run(&[&["-r", "s3://bucket/place"], command].concat());
        assert_eq!(ran.code, 12, "{ran:?}");
        assert!(ran.err.contains("no key to encrypt with"), "{ran:?}");
    }
}
