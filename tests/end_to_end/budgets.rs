//! What a page costs, counted in instructions of the processor, which are the same
//! on an idle machine and on a busy one. Requests and bytes have their budgets in
//! `requests` and `sizes`, memory in `memory`.

use std::process::Command;

use lifeboat_testing::databases;

use crate::command::{Folder, Ran, binary, same_bytes};

/// Instructions for each page of 4 KiB that is compressed to a third, with the
/// binary of the tests: a third above what was counted when they were written down.
/// docs/benchmarks.md says what they are made of.
const BUDGETS: [(&str, u64); 4] = [
    ("first backup", 170_000),
    ("compared, nothing changed", 45_000),
    ("restore", 265_000),
    ("check of all data", 265_000),
];

/// Nobody's key but this test's.
const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// Sizes that differ by so many pages: what a start costs drops out.
const PAGES: [i64; 2] = [500, 1_500];

/// Counts the instructions of a command, all threads together.
fn instructions(folder: &Folder, arguments: &[&str]) -> u64 {
    let mut command = folder.under(Command::new("valgrind"));
    command.env("LIFEBOAT_KEY", KEY);
    command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]);
    command.arg(binary()).args(arguments).args(["--progress", "none"]);
    let ran = Ran::from(command.output().expect("valgrind is installed")).ok();
    let line = ran.err.lines().rev().find_map(|line| line.split_once("Collected : "));
    line.expect("callgrind says what it counted").1.trim().parse().expect("a number")
}

/// What each command takes with a database of so many pages.
fn counted(pages: i64) -> [u64; 4] {
    let folder = Folder::new();
    let path = folder.path("app.db");
    let connection = databases::open(&path, "wal");
    connection
        .execute_batch(&format!(
            "PRAGMA synchronous=off; CREATE TABLE page(id INTEGER PRIMARY KEY, content BLOB);
             WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT {pages})
             INSERT INTO page SELECT i, hex(randomblob(600)) || hex(zeroblob(1400)) FROM n;
             PRAGMA wal_checkpoint(TRUNCATE);"
        ))
        .expect("fills it");
    drop(connection);
    let first = instructions(&folder, &["backup", "app.db"]);
    std::fs::remove_dir_all(folder.path("cache")).expect("the cache may go at any time");
    let compared = instructions(&folder, &["backup", "app.db"]);
    let target = folder.path("out.db");
    let target_text = target.to_str().expect("UTF-8");
    let restore = instructions(&folder, &["restore", "app", "--target", target_text]);
    assert!(same_bytes(&target, &path));
    let check = instructions(&folder, &["check", "--read-data"]);
    [first, compared, restore, check]
}

#[test]
fn of_instructions_are_kept() {
    let [few, many] = PAGES.map(counted);
    let pages = (PAGES[1] - PAGES[0]) as u64;
    for (at, (what, budget)) in BUDGETS.iter().enumerate() {
        let each = many[at].saturating_sub(few[at]) / pages;
        eprintln!("{what}: {each} instructions a page");
        assert!(each <= *budget, "{what}: {each} instructions a page, more than {budget}");
    }
}
