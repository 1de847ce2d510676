//! The independent reader against repositories that this crate's encoders
//! wrote: whole ones, damaged ones, and ones of another time.

use std::fs::File;

use lifeboat_format::digest::Digest;
use tempfile::TempDir;

use crate::python::{self, Said};
use crate::repository::{Lie, Repository, Writer};

/// `pages` pages, of which every other one does not compress.
fn image(page_size: usize, pages: usize) -> Vec<u8> {
    let mut image = vec![0; page_size * pages];
    for page in 0..pages {
        write(&mut image, page_size, page, page as u64);
    }
    image
}

fn write(image: &mut [u8], page_size: usize, page: usize, seed: u64) {
    let mut state = (seed + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    for byte in &mut image[page * page_size..][..page_size] {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        *byte = if seed.is_multiple_of(2) { state as u8 } else { b'a' + (state % 3) as u8 };
    }
}

/// Two databases, with everything in them that a pack list can say.
fn repository() -> Repository {
    let mut repository = Repository::new();
    let mut app = Writer::new("app", 4096);
    let mut pages = image(4096, 400);
    app.take(&mut repository, &pages, &[]);
    write(&mut pages, 4096, 3, 1000);
    write(&mut pages, 4096, 399, 1001);
    app.take(&mut repository, &pages, &[]);
    app.pin_nothing(&repository);
    // Shrunk: packs hold blocks that the image no longer has.
    pages.truncate(170 * 4096);
    app.take(&mut repository, &pages, &[1]);
    pages.resize(201 * 4096, 0);
    write(&mut pages, 4096, 199, 1002);
    app.take(&mut repository, &pages, &[]);
    app.forget(&mut repository, 2);

    let mut small = Writer::new("a b/ü~", 1024);
    let mut pages = image(1024, 21);
    small.take(&mut repository, &pages, &[]);
    write(&mut pages, 1024, 20, 7);
    small.take(&mut repository, &pages, &[]);
    pages.truncate(18 * 1024);
    small.take(&mut repository, &pages, &[0]);
    repository
}

/// Restores, and gives the digest of the restored bytes.
fn restore(repository: &Repository, database: &str, snapshot: &str) -> (Said, Option<Digest>) {
    let dir = TempDir::new().expect("a temporary directory");
    let target = dir.path().join("restored.db");
    let said = python::run(&[
        "restore",
        path(repository),
        database,
        snapshot,
        target.to_str().expect("UTF-8"),
    ]);
    let restored = File::open(&target).ok().map(|file| {
        let mut hasher = blake3::Hasher::new();
        hasher.update_reader(file).expect("readable");
        Digest::from_bytes(*hasher.finalize().as_bytes())
    });
    let left = std::fs::read_dir(dir.path()).expect("readable").count();
    assert_eq!(left, usize::from(restored.is_some()), "{said:?}");
    (said, restored)
}

fn path(repository: &Repository) -> &str {
    repository.path().to_str().expect("UTF-8")
}

#[test]
fn every_snapshot_comes_back_to_the_byte() {
    let repository = repository();
    assert_eq!(repository.snapshots.len(), 6);
    for taken in &repository.snapshots {
        for wanted in [&taken.id, &taken.id[..18]] {
            let (said, restored) = restore(&repository, &taken.database, wanted);
            assert_eq!(said.code, 0, "{said:?}");
            assert_eq!(restored, Some(taken.image), "{}", taken.id);
        }
    }
    for database in ["app", "a b/ü~"] {
        let newest = repository.snapshots.iter().rfind(|taken| taken.database == database);
        let (_, restored) = restore(&repository, database, "latest");
        assert_eq!(restored, newest.map(|taken| taken.image));
        let said = python::run(&["verify", path(&repository), database]);
        assert_eq!((said.code, said.out.lines().count()), (0, 3), "{said:?}");
    }
}

#[test]
fn the_listing_names_what_there_is() {
    let repository = repository();
    let said = python::run(&["list", path(&repository)]);
    assert_eq!(said.code, 0, "{said:?}");
    let rows: Vec<serde_json::Value> =
        said.out.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(rows.len(), repository.snapshots.len());
    for taken in &repository.snapshots {
        let row = rows
            .iter()
            .find(|row| row["snapshot_id"] == *taken.id && row["database"] == *taken.database)
            .expect("listed");
        assert_eq!(row["size"], taken.size);
        assert_eq!(row["pages"], taken.pages);
        assert_eq!(row["number"], taken.number);
        assert!(row["taken_at"].as_str().is_some_and(|t| t.ends_with('Z')));
    }
    let said = python::run(&["list", path(&repository), "app"]);
    assert_eq!((said.code, said.out.lines().count()), (0, 3), "{said:?}");
}

#[test]
fn what_is_not_there_has_an_exit_code() {
    let repository = repository();
    let empty = TempDir::new().expect("a temporary directory");
    let said = python::run(&["list", empty.path().to_str().expect("UTF-8")]);
    assert_eq!(said.code, 10, "{said:?}");
    // The second is in the trash, the third begins like several.
    for wanted in ["20200101T000000Z", "20261120T120001Z", "20261120T"] {
        let (said, restored) = restore(&repository, "app", wanted);
        assert_eq!((said.code, restored), (7, None), "{said:?}");
    }
    let (said, _) = restore(&repository, "other", "latest");
    assert_eq!(said.code, 7, "{said:?}");
    assert_eq!(python::run(&["restore"]).code, 1);
}

#[test]
fn nothing_is_overwritten() {
    let repository = repository();
    for name in ["app.db", "app.db-journal", "app.db-wal"] {
        let dir = TempDir::new().expect("a temporary directory");
        let there = dir.path().join(name);
        std::fs::write(&there, "mine").expect("written");
        let target = dir.path().join("app.db");
        let target = target.to_str().expect("UTF-8");
        let said = python::run(&["restore", path(&repository), "app", "latest", target]);
        assert_eq!(said.code, 1, "{said:?}");
        assert!(said.err.contains(name), "{said:?}");
        assert_eq!(std::fs::read(&there).expect("still there"), b"mine");
    }
}

/// The database whose folder a key lies in; the first where it lies in none.
fn database_of(key: &str) -> &'static str {
    if key.contains("%C3%BC") { "a b/ü~" } else { "app" }
}

#[test]
fn damage_and_loss_of_any_object_are_refused() {
    let keys = repository().keys();
    let workers = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for keys in keys.chunks(keys.len().div_ceil(workers)) {
            scope.spawn(|| {
                let repository = repository();
                keys.iter().for_each(|key| check_damage(&repository, key));
            });
        }
    });
}

/// Damages one object in several places, then removes it.
fn check_damage(repository: &Repository, key: &str) {
    let database = database_of(key);
    let file = repository.path().join(key);
    let good = std::fs::read(&file).expect("readable");
    for at in [0, 12, good.len() / 2, good.len() - 40, good.len() - 1] {
        let mut bad = good.clone();
        bad[at] ^= 0x20;
        std::fs::write(&file, &bad).expect("written");
        let said = python::run(&["verify", path(repository), database]);
        assert_eq!(said.code, 4, "{key} at {at}: {said:?}");
        assert!(said.err.contains(key), "{key}: {said:?}");
    }
    std::fs::remove_file(&file).expect("removed");
    let said = python::run(&["verify", path(repository), database]);
    let code = match key {
        "format/1" => 10,
        // That the newest record is gone cannot be seen in the repository.
        _ if newest_record(repository, key) => 0,
        _ => 4,
    };
    assert_eq!(said.code, code, "{key}: {said:?}");
    assert!(code != 4 || said.err.contains(key), "{key}: {said:?}");
    std::fs::write(&file, &good).expect("written");
}

/// Whether the removed record was the last of its log.
fn newest_record(repository: &Repository, key: &str) -> bool {
    key.split_once("/records/").is_some_and(|(folder, _)| {
        let folder = format!("{folder}/records/");
        let mut keys = repository.keys();
        keys.retain(|other| other.starts_with(&folder));
        keys.last().is_none_or(|last| last.as_str() < key)
    })
}

#[test]
fn a_damaged_restore_leaves_nothing() {
    let repository = repository();
    let newest = repository.snapshots.last().expect("some");
    for key in repository.keys() {
        if database_of(&key) != newest.database || !key.contains("/packs/") {
            continue;
        }
        let file = repository.path().join(&key);
        let good = std::fs::read(&file).expect("readable");
        std::fs::remove_file(&file).expect("removed");
        let (said, restored) = restore(&repository, &newest.database, "latest");
        let listed = said.code == 4 && said.err.contains(&key);
        assert!(restored.is_none() == listed, "{said:?}");
        std::fs::write(&file, &good).expect("written");
    }
}

#[test]
fn numbers_whose_records_were_damaged_are_passed_over() {
    let mut repository = Repository::new();
    let mut app = Writer::new("app", 4096);
    app.take(&mut repository, &image(4096, 3), &[]);
    app.burn(&repository);
    let refused = python::run(&["restore", path(&repository), "app", "latest", "nowhere"]);
    assert_eq!(refused.code, 4, "it might have been a newer snapshot");
    app.take(&mut repository, &image(4096, 4), &[]);
    for taken in &repository.snapshots {
        let (said, restored) = restore(&repository, "app", &taken.id);
        assert_eq!(restored, Some(taken.image), "{said:?}");
    }
    let said = python::run(&["verify", path(&repository), "app"]);
    assert_eq!(said.code, 0, "{said:?}");
}

#[test]
fn digests_that_do_not_fit_each_other_are_refused() {
    for (lie, words) in [
        (Lie::Previous, "chain"),
        (Lie::PacksDigest, "pack ids"),
        (Lie::ImageDigest, "image digest"),
        (Lie::BlockHash, "block hash"),
        (Lie::BlockBytes, "block hash"),
        (Lie::BlockLeftOut, "2 of 3 blocks"),
    ] {
        let mut repository = Repository::new();
        let mut app = Writer::new("app", 4096);
        app.pin_nothing(&repository);
        app.lie = Some(lie);
        app.take(&mut repository, &image(4096, 3), &[]);
        let said = python::run(&["verify", path(&repository), "app"]);
        assert_eq!(said.code, 4, "{lie:?}: {said:?}");
        assert!(said.err.contains(words), "{lie:?}: {said:?}");
        if lie != Lie::Previous {
            let (said, restored) = restore(&repository, "app", "latest");
            assert_eq!((said.code, restored), (4, None), "{lie:?}: {said:?}");
        }
    }
}

#[test]
fn newer_and_sealed_objects_are_refused_by_name() {
    let repository = repository();
    for key in repository.keys() {
        let (database, file) = (database_of(&key), repository.path().join(&key));
        let good = std::fs::read(&file).expect("readable");
        for (bytes, code, words) in
            [([3, 2, 0, 16], 1, "needs a reader of format 2"), ([1, 1, 1, 96], 12, "is encrypted")]
        {
            let mut other = good.clone();
            other[9..13].copy_from_slice(&bytes);
            std::fs::write(&file, &other).expect("written");
            let said = python::run(&["verify", path(&repository), database]);
            assert_eq!(said.code, code, "{key}: {said:?}");
            assert!(said.err.contains(words), "{said:?}");
            assert!(said.err.contains(&key), "{said:?}");
        }
        std::fs::write(&file, &good).expect("written");
    }
}

#[test]
fn an_empty_image_is_an_empty_file() {
    let mut repository = Repository::new();
    Writer::new("app", 4096).take(&mut repository, &[], &[]);
    let (said, restored) = restore(&repository, "app", "latest");
    assert_eq!(restored, Some(Digest::of(b"")), "{said:?}");
}

#[test]
fn the_lock_page_comes_back_as_zeros() {
    // 1 GiB of blocks that are all alike, but for a few around the lock page.
    for page_size in [65_536, 2048] {
        let pages = (1 << 30) / page_size + 40;
        let mut image = vec![0; pages * page_size];
        let lock = (1 << 30) / page_size;
        for page in [0, lock - 1, lock, lock + 1, pages - 1] {
            write(&mut image, page_size, page, page as u64 + 1);
        }
        let mut repository = Repository::new();
        Writer::new("app", page_size as u32).take(&mut repository, &image, &[]);
        let (said, restored) = restore(&repository, "app", "latest");
        image[lock * page_size..][..page_size].fill(0);
        assert_eq!(restored, Some(Digest::of(&image)), "{said:?}");
    }
}

#[test]
fn the_reader_stays_short_and_independent() {
    for text in python::reader_texts() {
        assert!(text.lines().count() <= 300, "{}", text.lines().count());
        assert!(text.lines().all(|line| line.len() <= 100));
        assert!(!text.contains("subprocess") && !text.contains("ctypes"));
    }
}
