//! Restores that were interrupted, and go on.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use lifeboat_testing::databases::{one_row_a_page, overwrite};
use lifeboat_testing::servers::{Fault, Kind};
use serde_json::Value;

use crate::command::{Folder, same_bytes};
use crate::place::Place;

const MIB: u64 = 1024 * 1024;
/// How long one command may take.
const MOST: Duration = Duration::from_secs(20);

fn number(object: &Value, field: &str) -> u64 {
    object[field].as_u64().unwrap_or_else(|| panic!("no {field} in {object}"))
}

/// What an interrupted restore left beside a target.
fn left(folder: &Folder) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder.path(".")).expect("lists").flatten();
    let partial = |path: &PathBuf| path.to_string_lossy().ends_with(".partial");
    entries.map(|entry| entry.path()).filter(partial).collect()
}

/// A database of some 20 MiB in three packs, on a store behind a proxy.
fn large() -> (Folder, PathBuf) {
    of_pages(5000)
}

fn of_pages(pages: i64) -> (Folder, PathBuf) {
    let folder = Folder::at(Place::Faulty);
    let path = folder.path("app.db");
    drop(one_row_a_page(&path, "delete", pages, 1));
    folder.backup("app.db");
    (folder, path)
}

/// Lets so many answers pass, and then nothing. Of each pack that is the index, its
/// hashes where there is something to compare with, and then chunks of 4 MiB.
fn passes_some(folder: &Folder, answers: u32, then: Fault) {
    let wire = folder.store().proxy();
    wire.when(Kind::Get, "/packs/").times(answers, Fault::SlowDownload(u32::MAX));
    wire.when(Kind::Get, "/packs/").always(then);
    wire.forget_requests();
}

/// How many bytes of packs were asked for since the last time.
fn asked_for(folder: &Folder) -> u64 {
    let requests = folder.store().proxy().requests();
    let ranges = requests.iter().filter(|request| request.key.contains("/packs/"));
    ranges.filter_map(|request| request.range.clone()).map(|range| range.end - range.start).sum()
}

/// Begins a restore and kills it when it has asked for more than it gets.
fn killed(folder: &Folder, answers: u32, arguments: &[&str]) {
    passes_some(folder, answers, Fault::Hang);
    let mut child = folder.command().args(arguments).spawn().expect("runs");
    let wire = folder.store().proxy();
    let start = Instant::now();
    let asked = || wire.requests().iter().filter(|r| r.key.contains("/packs/")).count();
    // Two chunks are under way at a time, one waits, one is being written: with three
    // before them, the first is on the disk.
    while asked() < answers as usize + 2 {
        assert!(start.elapsed() < MOST, "{} requests", asked());
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().expect("it is ours");
    child.wait().expect("it is ours");
    wire.heal();
    wire.forget_requests();
}

/// The restore that goes on fetches what is missing, and little more: whole
/// frames, and the hashes to compare with.
fn goes_on(folder: &Folder, arguments: &[&str], wanted: &Path) {
    let target = folder.path("new.db");
    let before = left(folder);
    assert_eq!(before.len(), 1, "{before:?}");
    let planned = folder.run(&[arguments, &["--dry-run"]].concat()).ok().last();
    assert_eq!((left(folder), planned["resumes"].clone()), (before, true.into()));
    folder.store().proxy().forget_requests();
    let done = folder.run(arguments).ok().last();
    let asked = asked_for(folder);
    assert!(same_bytes(&target, wanted));
    assert!(left(folder).is_empty());
    assert_eq!(done["resumed"], true);
    assert_eq!(planned["bytes_kept"], done["bytes_kept"]);
    assert_eq!(planned["bytes_to_fetch"], done["bytes_fetched"]);
    let (size, kept) = (number(&done, "size"), number(&done, "bytes_kept"));
    let fetched = number(&done, "bytes_fetched");
    eprintln!("of {size} bytes {kept} were there, {fetched} fetched, {asked} asked for");
    assert!(kept >= 3 * MIB, "{done}");
    // What was being written when it was killed can be part of a frame, and what the
    // other snapshot has otherwise needs a frame for each page.
    assert!(fetched + kept <= size + size / 50 + 6 * 256 * 1024, "{done}");
    // Of up to eight packs the index, and 16 bytes for each block, dead ones included.
    assert!(asked <= fetched + 8 * (64 * 1024) + 32 * size / 4096, "{asked} asked for: {done}");
}

const RESTORE: [&str; 5] = ["--json", "restore", "app", "--target", "new.db"];

#[test]
fn a_restore_that_was_killed_goes_on() {
    let (folder, path) = large();
    killed(&folder, 6, &RESTORE);
    assert!(!folder.path("new.db").exists());
    goes_on(&folder, &RESTORE, &path);
}

/// Killed again and again, and on the way to an older snapshot as well.
#[test]
fn a_restore_that_was_killed_twice_goes_on_with_another_snapshot() {
    let (folder, path) = of_pages(8000);
    let mut connection = one_row_a_page_again(&path);
    let old = folder.path("old.db");
    std::fs::copy(&path, &old).expect("copies");
    overwrite(&mut connection, 4, 2);
    folder.backup("app.db");
    let packs = folder.objects_of("/packs/").len() as u32;
    // Three chunks of eight; then one or two more, once the hashes were compared.
    for answers in [packs + 3, 2 * packs + 1] {
        killed(&folder, answers, &RESTORE);
        assert!(!folder.path("new.db").exists());
    }
    let older = ["--json", "restore", "app", "latest~1", "--target", "new.db"];
    goes_on(&folder, &older, &old);
}

fn one_row_a_page_again(path: &Path) -> rusqlite::Connection {
    rusqlite::Connection::open(path).expect("opens")
}

/// Over a file that is there, and that stays until the end.
#[test]
fn over_a_file_that_is_there() {
    let (folder, path) = large();
    std::fs::write(folder.path("new.db"), b"my diary").expect("writes");
    let forced = [&RESTORE[..], &["--force"]].concat();
    killed(&folder, 9, &forced);
    assert_eq!(std::fs::read(folder.path("new.db")).expect("there"), b"my diary");
    goes_on(&folder, &forced, &path);
}

/// Where the database at the target has part of it, what was left counts as
/// well.
#[test]
fn over_a_database_that_has_part_of_it() {
    let (folder, path) = of_pages(8000);
    let target = folder.path("new.db");
    std::fs::copy(&path, &target).expect("copies");
    let mut connection = one_row_a_page_again(&path);
    overwrite(&mut connection, 6000, 2);
    let packs = number(&folder.backup("app.db"), "packs_listed") as u32;
    let forced = [&RESTORE[..], &["--force"]].concat();
    // Of six chunks and more, three.
    killed(&folder, 2 * packs + 3, &forced);
    goes_on(&folder, &forced, &path);
}

/// A store that goes away in the middle: what was fetched is kept, and said to be.
/// A store that is not even there later takes nothing of it away.
#[test]
fn a_restore_whose_store_goes_away_goes_on() {
    let (folder, path) = large();
    passes_some(&folder, 6, Fault::Refuse(503, "SlowDown"));
    let start = Instant::now();
    let ran = folder.run(&RESTORE[1..]);
    assert!(start.elapsed() < MOST, "{:?}", start.elapsed());
    assert_eq!(ran.code, 13, "{ran:?}");
    assert!(ran.err.contains("what was fetched is kept in"), "{}", ran.err);
    assert!(!folder.path("new.db").exists());
    let wire = folder.store().proxy();
    wire.heal();
    wire.when(Kind::Any, "").always(Fault::Refuse(403, "AccessDenied"));
    assert_eq!(folder.run(&RESTORE).code, 13);
    wire.heal();
    goes_on(&folder, &RESTORE, &path);
    // People are told as well.
    std::fs::remove_file(folder.path("new.db")).expect("removes");
    killed(&folder, 6, &RESTORE);
    let said = folder.run(&RESTORE[1..]).ok().out;
    assert!(said.contains("resumed, ") && said.contains("MiB were there"), "{said}");
}

/// What cannot be had because it is damaged is not kept: the next restore will be
/// another one.
#[test]
fn damage_leaves_nothing() {
    let (folder, _) = large();
    let pack = folder.objects_of("/packs/").pop().expect("a pack");
    let mut bytes = std::fs::read(&pack).expect("reads");
    bytes[100_000] ^= 1;
    std::fs::write(&pack, bytes).expect("writes");
    assert_eq!(folder.run(&RESTORE).code, 4);
    assert!(left(&folder).is_empty(), "{:?}", left(&folder));
}
