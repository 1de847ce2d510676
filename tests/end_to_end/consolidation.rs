//! Snapshots stay cheap: two hundred backups of the built binary.

use std::time::Duration;

use lifeboat::repository::CollectOptions;
use lifeboat::{Destination, Directories, Missing};
use lifeboat_testing::databases::{one_row_a_page, overwrite};

use crate::command::{Folder, same_bytes};

const ROUNDS: u64 = 200;
const ROWS: i64 = 1500;

async fn two_hundred_backups(journal_mode: &str) {
    let folder = Folder::new();
    let path = folder.path("app.db");
    let mut connection = one_row_a_page(&path, journal_mode, ROWS, 1);
    folder.backup("app.db");
    let (mut changed, mut sent, mut pages, mut longest) = (0, 0, 0, 0);
    let mut copies = Vec::new();
    for round in 1..=ROUNDS {
        if round == 150 {
            connection.execute_batch("DELETE FROM page WHERE id % 5 = 0").expect("deletes");
            connection.execute_batch("VACUUM").expect("vacuums");
        } else {
            overwrite(&mut connection, 12, 1000 + round);
        }
        let keep = round % 40 == 0 || round == 150;
        if keep && journal_mode == "wal" {
            let checkpoint = "PRAGMA wal_checkpoint(TRUNCATE)";
            connection.query_row(checkpoint, [], |_| Ok(())).expect("works");
        }
        let summary = folder.backup("app.db");
        let number = |field: &str| summary[field].as_u64().expect("a number");
        assert!(number("pages_resent") <= 15 * number("pages_changed") + 512, "{summary}");
        longest = longest.max(number("packs_listed"));
        pages = number("pages_total");
        if round == 150 {
            assert_eq!(summary["vacuumed"], true, "{summary}");
            assert!(number("packs_listed") < 5, "nothing old is left: {summary}");
        } else {
            changed += number("pages_changed");
            sent += number("bytes_sent");
        }
        if keep {
            let copy = folder.path(&format!("copy-{round}"));
            std::fs::copy(&path, &copy).expect("nobody writes");
            copies.push((summary["snapshot_id"].as_str().expect("an id").to_owned(), copy));
        }
    }
    // All objects, records and lists included.
    let amplification = sent as f64 / (changed as f64 * 4096.0);
    assert!(amplification <= 3.0, "{journal_mode}: {amplification:.2} times the change");
    assert!(longest <= 45, "{journal_mode}: {longest} packs listed");
    for (id, copy) in &copies {
        assert!(same_bytes(&folder.restore("app", id), copy), "{journal_mode}: {id}");
        assert!(same_bytes(&folder.read_independently("app", id), copy), "{journal_mode}: {id}");
    }

    // What the newest snapshot alone needs.
    let directories = Directories { state: folder.path("state"), cache: folder.path("cache") };
    let place = folder.path("backups").to_string_lossy().into_owned();
    let lifeboat = Destination::open(&place, &directories, Missing::Refuse).await.expect("opens");
    let database = lifeboat.database("app").expect("a good name");
    let listing = database.snapshots(None).await.expect("lists");
    let mut old: Vec<_> = listing.snapshots.iter().map(|snapshot| snapshot.number()).collect();
    old.pop();
    database.forget(&old).await.expect("forgets");
    let now = Duration::ZERO;
    let options = CollectOptions::default().with_times(now, now).with_floor(1, now);
    database.collect(options).await.expect("collects");
    let packs = folder.objects_of("/packs/");
    let size: u64 = packs.iter().map(|p| p.metadata().expect("is there").len()).sum();
    let space = size as f64 / (pages as f64 * 4096.0);
    assert!(space <= 1.7, "{journal_mode}: {space:.2} times the database");
    let (id, copy) = copies.last().expect("some");
    assert!(same_bytes(&folder.restore("app", id), copy), "{journal_mode}");
    assert!(same_bytes(&folder.read_independently("app", id), copy), "{journal_mode}");
}

#[tokio::test]
async fn two_hundred_backups_in_wal_mode() {
    two_hundred_backups("wal").await;
}

#[tokio::test]
async fn two_hundred_backups_in_rollback_mode() {
    two_hundred_backups("delete").await;
}
