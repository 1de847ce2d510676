//! Each trouble has its own exit code, its own words and a hint.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use lifeboat_testing::databases::open;
use lifeboat_testing::writer::Other;

use crate::command::{Folder, Ran, as_nobody, binary};
use crate::place::{Place, in_every_folder, in_every_place};

in_every_place!(
    an_existing_target_and_stale_sidecars,
    nothing_of_that_name_or_time,
    one_name_for_two_databases
);
in_every_folder!(
    a_missing_pack,
    a_flipped_byte_anywhere,
    a_truncated_object,
    a_newer_format,
    a_damaged_newest_record,
    a_destination_that_was_set_back
);

fn with_database(place: Place) -> Folder {
    let folder = Folder::at(place);
    open(&folder.path("app.db"), "delete")
        .execute_batch("CREATE TABLE t(a); INSERT INTO t VALUES(randomblob(200000))")
        .expect("writes");
    folder
}

fn backed_up(place: Place) -> Folder {
    let folder = with_database(place);
    folder.backup("app.db");
    folder
}

/// Checks the exit code, and that words and a hint are there.
fn check(ran: &Ran, code: i32, words: &str) {
    assert_eq!(ran.code, code, "{ran:?}");
    assert!(ran.err.contains(words), "no {words:?} in {}", ran.err);
    assert!(ran.err.contains("HINT:"), "no hint in {}", ran.err);
}

fn restore(folder: &Folder) -> Ran {
    folder.run(&["restore", "app", "--target", "new.db"])
}

fn change(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = std::fs::read(path).expect("reads");
    change(&mut bytes);
    std::fs::write(path, bytes).expect("writes");
}

fn a_missing_pack(place: Place) {
    let folder = backed_up(place);
    std::fs::remove_file(&folder.objects_of("/packs/")[0]).expect("removes");
    check(&restore(&folder), 4, "find pack databases/app/packs/");
    assert!(!folder.path("new.db").exists());
}

fn a_flipped_byte_anywhere(place: Place) {
    for kind in ["/packs/", "/records/", "/format/"] {
        let folder = backed_up(place);
        let object = folder.objects_of(kind)[0].clone();
        let len = std::fs::metadata(&object).expect("is there").len() as usize;
        for at in [20, len / 2, len - 2] {
            change(&object, |bytes| bytes[at] ^= 0x20);
            let ran = restore(&folder);
            assert_eq!(ran.code, 4, "{kind} {at}: {ran:?}");
            assert!(!folder.path("new.db").exists(), "{kind} {at}");
            change(&object, |bytes| bytes[at] ^= 0x20);
        }
        restore(&folder).ok();
    }
}

fn a_truncated_object(place: Place) {
    for kind in ["/packs/", "/records/"] {
        for keep in [0, 1, 100] {
            let folder = backed_up(place);
            change(&folder.objects_of(kind)[0], |bytes| bytes.truncate(keep));
            let ran = restore(&folder);
            assert_eq!(ran.code, 4, "{kind} {keep}: {ran:?}");
            assert!(!folder.path("new.db").exists());
        }
    }
}

fn a_newer_format(place: Place) {
    for kind in ["/format/", "/records/"] {
        let folder = backed_up(place);
        change(&folder.objects_of(kind)[0], |bytes| {
            bytes[9] = 9;
            bytes[10] = 9;
        });
        check(&restore(&folder), 1, "of format 9");
        let ran = folder.run(&["backup", "app.db"]);
        check(&ran, 1, "of format 9");
    }
}

fn an_existing_target_and_stale_sidecars(place: Place) {
    let folder = backed_up(place);
    std::fs::write(folder.path("new.db"), "mine").expect("writes");
    check(&restore(&folder), 7, "which exists");
    assert_eq!(std::fs::read(folder.path("new.db")).expect("reads"), b"mine");
    std::fs::remove_file(folder.path("new.db")).expect("removes");
    for sidecar in ["new.db-wal", "new.db-shm", "new.db-journal"] {
        std::fs::write(folder.path(sidecar), "old").expect("writes");
        check(&restore(&folder), 7, sidecar);
        std::fs::remove_file(folder.path(sidecar)).expect("removes");
    }
    restore(&folder).ok();
}

#[test]
fn no_usable_database() {
    let folder = Folder::new();
    check(&folder.run(&["backup", "none.db"]), 15, "find the database none.db");
    std::fs::write(folder.path("empty.db"), "").expect("writes");
    check(&folder.run(&["backup", "empty.db"]), 15, "empty file");
    std::fs::write(folder.path("junk.db"), [7; 9000]).expect("writes");
    check(&folder.run(&["backup", "junk.db"]), 15, "not a SQLite database");
    check(&folder.run(&["backup", "."]), 15, "directory");
    assert!(!folder.path("backups").exists(), "nothing was made for nothing");
    let error = folder.run(&["--json", "backup", "none.db"]).last();
    assert_eq!((&error["message_type"], &error["code"]), (&"error".into(), &15.into()));
    assert_eq!(error["data_is_safe"], true);
}

#[test]
fn what_permissions_forbid() {
    let folder = with_database(Place::Directory);
    let secret = folder.path("secret");
    std::fs::create_dir(&secret).expect("makes");
    std::fs::copy(folder.path("app.db"), secret.join("app.db")).expect("copies");
    std::fs::set_permissions(&secret, PermissionsExt::from_mode(0o700)).expect("is ours");
    check(&as_nobody(&folder, &["backup", "secret/app.db"]), 15, "permissions forbid");

    folder.backup("app.db");
    let repository = folder.path("backups");
    std::fs::set_permissions(&repository, PermissionsExt::from_mode(0o755)).expect("is ours");
    for own in ["state", "cache"] {
        std::fs::remove_dir_all(folder.path(own)).expect("removes");
    }
    let ran = as_nobody(&folder, &["backup", "app.db", "--as", "other"]);
    check(&ran, 13, "create databases/other/");
}

#[test]
fn an_application_in_exclusive_mode() {
    let folder = backed_up(Place::Directory);
    let _holder = Other::holding(&folder.path("app.db"), "exclusive");
    check(&folder.run(&["backup", "app.db"]), 1, "holds it exclusively");
}

#[test]
fn a_hot_journal_is_rolled_back_and_said() {
    let folder = Folder::new();
    let path = folder.path("app.db");
    let writer = Other::writing(&path, "delete");
    writer.wait_for_commits(5);
    writer.kill();
    Other::spilling(&path, "delete").kill();
    let journal = folder.path("app.db-journal");
    assert!(journal.metadata().expect("was left").len() > 0);
    let ran = folder.run(&["backup", "app.db"]).ok();
    assert!(ran.out.contains("rolled its journal back"), "{ran:?}");
    let restored = folder.restore("app", "latest");
    lifeboat_testing::writer::commit_shown(&restored).expect("is one commit");
}

fn nothing_of_that_name_or_time(place: Place) {
    let folder = backed_up(place);
    check(&folder.run(&["restore", "other", "--target", "new.db"]), 7, "find snapshots of other");
    for snapshot in ["latest~1", "19990101T000000Z"] {
        let ran = folder.run(&["restore", "app", snapshot, "--target", "new.db"]);
        check(&ran, 7, "find a snapshot");
    }
    let ran = folder.run(&["restore", "app", "--at", "1999-01-01", "--target", "new.db"]);
    check(&ran, 7, "or before");
    let ran = folder.run(&["restore", "app", "--at", "soon", "--target", "new.db"]);
    check(&ran, 2, "is not a time");
    let ran = folder.run(&["restore", "app", "the-last", "--target", "new.db"]);
    check(&ran, 2, "is not a snapshot");
    let nothing = Folder::without_repository(place);
    check(&nothing.run(&["snapshots"]), 10, "find a repository");
}

#[test]
fn an_unknown_scheme() {
    check(&Folder::new().run(&["-r", "gopher://x/y", "snapshots"]), 2, "gopher");
}

#[test]
fn secrets_are_never_arguments_and_never_ignored() {
    let folder = backed_up(Place::Directory);
    let ran = folder.run(&["--key", "c2VjcmV0LWNhbmFyeQ==", "snapshots"]);
    check(&ran, 2, "never an argument");
    assert!(!ran.err.contains("c2VjcmV0"), "a secret in {ran:?}");
    let ran: Ran = folder
        .command()
        .env("LIFEBOAT_KEY", "c2VjcmV0LWNhbmFyeQ==")
        .args(["backup", "app.db"])
        .output()
        .expect("runs")
        .into();
    check(&ran, 12, "holds no key");
    assert!(!ran.err.contains("c2VjcmV0"), "a secret in {ran:?}");
}

fn one_name_for_two_databases(place: Place) {
    let folder = backed_up(place);
    std::fs::create_dir(folder.path("other")).expect("makes");
    std::fs::copy(folder.path("app.db"), folder.path("other/app.db")).expect("copies");
    check(&folder.run(&["backup", "other/app.db"]), 2, "whose snapshots were taken of");
    check(&folder.run(&["backup", "app.db", "other/app.db"]), 2, "would both be named");
    folder.run(&["backup", "other/app.db", "--as", "other"]).ok();
    folder.run(&["backup", "other/app.db", "--take-over", "1"]).ok();
}

fn a_damaged_newest_record(place: Place) {
    let folder = backed_up(place);
    open(&folder.path("app.db"), "delete").execute_batch("DELETE FROM t").expect("writes");
    folder.backup("app.db");
    change(&folder.objects_of("/records/")[1], |bytes| bytes[50] ^= 1);
    check(&restore(&folder), 4, "newest record");
    let listed = folder.run(&["snapshots"]);
    assert_eq!(listed.code, 4, "{listed:?}");
    let again = folder.run(&["backup", "app.db"]);
    assert_eq!(again.code, 4, "done, and an alarm: {again:?}");
    restore(&folder).ok();
}

/// A destination that was set back is noticed, and accepted only by its number.
fn a_destination_that_was_set_back(place: Place) {
    let folder = backed_up(place);
    let backups = folder.repository().join("databases/app");
    let old = folder.path("old");
    let copy = |from: &Path, to: &Path| {
        let _ = std::fs::remove_dir_all(to);
        let copied = std::process::Command::new("cp").arg("-r").arg(from).arg(to).status();
        assert!(copied.expect("cp runs").success());
    };
    copy(&backups, &old);
    open(&folder.path("app.db"), "delete").execute_batch("DELETE FROM t").expect("writes");
    folder.backup("app.db");
    copy(&old, &backups);
    for command in [&["backup", "app.db"][..], &["snapshots"], &["restore", "app", "--target", "n"]]
    {
        check(&folder.run(command), 4, "but record 2 was seen there before");
    }
    folder.run(&["snapshots", "app", "--expect", "1"]).ok();
    folder.run(&["backup", "app.db"]).ok();
    std::fs::remove_dir_all(&backups).expect("removes");
    check(&folder.run(&["backup", "app.db"]), 4, "--expect 0");
    folder.run(&["backup", "app.db", "--expect", "0"]).ok();
    restore(&folder).ok();
}

/// Who reads only the first line ends nothing half-way.
#[test]
fn a_reader_that_goes_away() {
    let folder = backed_up(Place::Directory);
    let script = format!("'{}' snapshots | true; echo ${{PIPESTATUS[0]}}", binary().display());
    let mut shell = std::process::Command::new("bash");
    shell.args(["-c", &script]);
    let ran = Ran::from(folder.under(shell).output().expect("bash runs"));
    assert_eq!((ran.out.as_str(), ran.err.as_str()), ("0\n", ""));
}

/// Whoever meets an exit code finds what it means.
#[test]
fn every_exit_code_has_an_entry() {
    let text = include_str!("../../docs/troubleshooting.md");
    let folder = Folder::new();
    let help = folder.run(&["--help"]).ok().out;
    let list = help.split("Exit codes:").nth(1).expect("help lists them");
    let codes: Vec<&str> = list
        .split([',', ' ', '\n'])
        .filter(|word| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit()))
        .filter(|code| *code != "0")
        .collect();
    assert!(codes.len() > 10, "{codes:?}");
    for code in codes {
        let has = text.lines().any(|line| {
            line.strip_prefix("### Exit code ").is_some_and(|rest| {
                let numbers = rest.split(':').next().expect("there is one");
                numbers.split(", ").any(|number| number == code)
            })
        });
        assert!(has, "{code}");
    }
}

/// A repository that lost its first object is not begun anew over its databases.
#[test]
fn the_first_object_is_gone() {
    let folder = Folder::new();
    open(&folder.path("app.db"), "delete").execute_batch("CREATE TABLE t(a)").expect("writes");
    folder.backup("app.db");
    std::fs::remove_file(folder.path("backups/format/1")).expect("removes");
    for arguments in [&["init"][..], &["backup", "app.db", "--init"]] {
        let ran = folder.run(arguments);
        assert_eq!(ran.code, 4, "{arguments:?}: {ran:?}");
        assert!(ran.err.contains("format/1") && ran.err.contains("put the folder format/"));
        assert!(!folder.path("backups/format/1").exists());
    }
}

/// What is refused because it stands where everybody sees it is not shown again.
#[test]
fn secrets_in_urls_are_not_repeated() {
    let folder = Folder::new();
    for url in [
        "s3://bucket/p?secret_access_key=TOPSECRET",
        "s3://bucket/p?secret_acess_key=TOPSECRET",
        "s3://user:TOPSECRET@bucket/p",
        "az://container/p?sas_token=TOPSECRET",
        "s3://bucket/p?endpoint=http://user:TOPSECRET@127.0.0.1:1",
    ] {
        for command in [&["snapshots"][..], &["--json", "snapshots"], &["init"], &["doctor"]] {
            let ran = folder.run(&[&["-r", url], command].concat());
            assert_ne!(ran.code, 0, "{url} {command:?}");
            let said = format!("{}{}", ran.out, ran.err);
            assert!(!said.contains("TOPSECRET"), "{url} {command:?}: {said}");
        }
    }
    let ran = folder.run(&["-r", "s3:bucket/p", "snapshots"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(!folder.path("s3:bucket").exists());
}
