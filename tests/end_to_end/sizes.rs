//! What a backup sends, counted on a store that counts.

use lifeboat::format::id::InstallationId;
use lifeboat::repository::{Local, LocalOptions, Selector};
use lifeboat::{BackupSettings, Destination, Missing, RestoreSettings};
use lifeboat_testing::databases::{one_row_a_page, overwrite};
use lifeboat_testing::script::{Op, World};

use crate::command::{Folder, same_bytes};

async fn destination(folder: &Folder, world: &World) -> Destination {
    let mut options = LocalOptions::new(folder.path("state"), folder.path("cache"));
    options.installation_id = Some(InstallationId::new("test").expect("valid"));
    let local = Local::open(options);
    Destination::on(world.client("W"), local, false, Missing::Create).await.expect("opens")
}

#[tokio::test(flavor = "multi_thread")]
async fn one_per_cent_of_256_mib() {
    let folder = Folder::new();
    let path = folder.path("app.db");
    let mut connection = one_row_a_page(&path, "delete", 65_000, 1);
    let world = World::new();
    let lifeboat = destination(&folder, &world).await;
    let settings = BackupSettings::default();
    lifeboat.backup(&path, &settings).await.expect("backs up");
    let puts = |calls: &[lifeboat_testing::script::Call]| {
        calls.iter().filter(|call| call.op == Op::Put).count()
    };
    let lists = |calls: &[lifeboat_testing::script::Call]| {
        calls.iter().filter(|call| call.op == Op::List).count()
    };
    let calls = world.take_calls();
    // Whoever makes a repository looks whether databases lie there already.
    assert!(lists(&calls) <= 2, "who was never here looks for a gap in the log, once");

    let changed = overwrite(&mut connection, 650, 2);
    let report = lifeboat.backup(&path, &settings).await.expect("backs up");
    let calls = world.take_calls();
    let ratio = report.bytes_sent as f64 / (changed as f64 * 4096.0);
    assert!(ratio <= 1.03, "sent {ratio:.4} times the changed pages");
    assert!(puts(&calls) <= 3 && report.objects_written <= 3, "{calls:?}");
    assert_eq!(lists(&calls), 0, "no LIST on the data path");

    let unchanged = lifeboat.backup(&path, &settings).await.expect("backs up");
    assert!(unchanged.unchanged && unchanged.bytes_read == 0, "recognised without a page");
    std::fs::remove_dir_all(folder.path("cache")).expect("the cache may go at any time");
    std::fs::create_dir(folder.path("cache")).expect("makes");
    let scanned = lifeboat.backup(&path, &settings).await.expect("backs up");
    assert!(scanned.unchanged);
    assert!(scanned.bytes_read >= 65_000 * 4096, "without the cache everything is read");
    let calls = world.take_calls();
    assert_eq!(puts(&calls), 0, "unchanged is nothing sent");
    assert_eq!(lists(&calls), 1, "who lost the cache asks what checks have found, once");

    let target = folder.path("restored.db");
    let settings = RestoreSettings::default();
    lifeboat
        .restore("app", &Selector::Latest(0), &target, &settings, |_| ())
        .await
        .expect("restores");
    let calls = world.take_calls();
    assert!(lists(&calls) <= 1, "whoever reads looks for a gap in the log, once");
    assert!(same_bytes(&target, &path));
}
