//! Two destinations that are damaged: every command takes what it reads from
//! wherever it is whole, and `repair` makes both whole again.

use std::path::Path;

use lifeboat_testing::databases::one_row_a_page;

use crate::command::{Folder, same_bytes};
use crate::destinations::{files, mirrored};

fn flip(path: &Path) {
    let mut bytes = std::fs::read(path).expect("reads");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(path, bytes).expect("writes");
}

/// Every command that reads snapshots takes each object from where it is whole.
/// Returns how often that was said.
fn read_by_all(folder: &Folder) -> usize {
    let mut detours = 0;
    let (app, restored) = (folder.path("app.db"), folder.path("restored.db"));
    let target = ["--target", "restored.db"];
    let fresh = || drop(std::fs::remove_file(&restored));
    for form in [&["--check"][..], &["--salvage"]] {
        fresh();
        let ran = folder.run(&[&["restore", "app"], &target[..], form].concat()).ok();
        assert!(same_bytes(&restored, &app), "{form:?} {ran:?}");
        detours += usize::from(ran.err.contains("repair --apply"));
    }
    drop(one_row_a_page(&folder.path("other.db"), "delete", 50, 9));
    folder.run(&["restore", "app", "--in-place", "--target", "other.db"]).ok();
    assert!(same_bytes(&folder.path("other.db"), &app));
    fresh();
    folder.run(&[&["restore", "app", "--dry-run"], &target[..]].concat()).ok();
    let all = folder.path("all");
    let _ = std::fs::remove_dir_all(&all);
    folder.run(&["restore", "--all", "--into", "all"]).ok();
    assert!(same_bytes(&all.join("app.db"), &app));
    for form in ["--plain", "--zstd"] {
        fresh();
        folder.run(&["export", "app", "-o", "restored.db", form]).ok();
    }
    folder.run(&["diff", "app", "latest~3", "latest"]).ok();
    detours
}

/// Each pack is damaged on one of the two.
#[test]
fn two_places_that_are_damaged_differently_are_one_whole() {
    let mut detours = 0;
    for first in [0, 1] {
        let folder = mirrored();
        for (nth, side) in ["far", "near"].into_iter().enumerate() {
            // Their names begin with ids, so that both sides have them in one order.
            let packs = files(&folder.path(side).join("databases/app/packs"));
            let half = packs.iter().enumerate().filter(|(at, _)| (at + first) % 2 == nth);
            half.for_each(|(_, path)| flip(path));
        }
        detours += read_by_all(&folder);
        // Neither of them is one by itself: there is a snapshot that needs both halves.
        assert_eq!(folder.run(&["drill", "app", "latest~1"]).code, 4);
        let repaired = folder.run(&["--json", "repair", "app", "--apply"]).ok();
        let rows = repaired.json();
        let back = rows.iter().filter_map(|row| row["put_back"].as_array()).map(Vec::len);
        assert!(back.sum::<usize>() >= 2, "{repaired:?}");
        for side in ["far", "near"] {
            folder.run(&["-r", side, "check", "app", "--read-data"]).ok();
        }
        folder.run(&["drill", "app"]).ok();
    }
    assert!(detours > 0, "something was read elsewhere");
}

/// The newest record of one side is gone or damaged: all is read from the other, and
/// written again where it was.
#[test]
fn records_of_one_side() {
    for (what, gone) in [("flipped", false), ("deleted", true)] {
        let folder = mirrored();
        let objects = files(&folder.path("far/databases/app/records"));
        let object = objects.last().expect("there are some");
        if gone {
            std::fs::remove_file(object).expect("removes");
        } else {
            flip(object);
        }
        assert!(read_by_all(&folder) > 0, "{what} {gone}");
        let drilled = folder.run(&["drill", "app"]);
        assert_eq!(drilled.code, 4, "{what} {gone} {drilled:?}");
        let ran = folder.run(&["repair", "app", "--apply"]).ok();
        folder.run(&["-r", "far", "check", "app", "--read-data"]).ok();
        folder.run(&["drill", "app"]).ok();
        let restored = folder.path("restored.db");
        let _ = std::fs::remove_file(&restored);
        folder.run(&["-r", "far", "restore", "app", "--target", "restored.db"]).ok();
        assert!(same_bytes(&restored, &folder.path("app.db")), "{what} {gone} {ran:?}");
        // Whoever reads the format from its description finds all of it whole as well.
        let far = folder.path("far").to_string_lossy().into_owned();
        folder.reader(&[], &["verify", &far, "app"]).ok();
    }
}
