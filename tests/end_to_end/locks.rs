//! POSIX locks vanish when any descriptor of the file is closed in the process
//! that holds them: every public call runs while this process holds one, and
//! another process must never get in.

use lifeboat::repository::Selector;
use lifeboat::{BackupSettings, Directories, Lifeboat};
use lifeboat_testing::databases::open;
use lifeboat_testing::writer::may_write;

use crate::command::Folder;

async fn check(journal_mode: &str) {
    let folder = Folder::new();
    let path = folder.path("app.db");
    let connection = open(&path, journal_mode);
    connection
        .execute_batch("CREATE TABLE t(a); INSERT INTO t VALUES(randomblob(100000))")
        .expect("writes");
    assert!(may_write(&path));
    connection.execute_batch("BEGIN IMMEDIATE").expect("holds RESERVED");
    let held = |after: &str| assert!(!may_write(&path), "{journal_mode}: lock lost after {after}");
    held("nothing");

    let directories = Directories { state: folder.path("state"), cache: folder.path("cache") };
    let place = folder.path("backups").to_string_lossy().into_owned();
    let lifeboat = Lifeboat::builder(&path)
        .destination(place)
        .directories(directories)
        .open()
        .await
        .expect("opens");
    held("open");
    lifeboat.backup().await.expect("backs up");
    held("backup");
    let mut settings = BackupSettings::default();
    settings.full = true;
    settings.explain = true;
    lifeboat.backup_with(&settings).await.expect("backs up");
    held("backup --full --explain");
    lifeboat.backup().await.expect("is unchanged");
    held("an unchanged backup");
    lifeboat.snapshots().await.expect("lists");
    held("snapshots");
    lifeboat.restore(&Selector::Latest(0), folder.path("new.db")).await.expect("restores");
    held("restore");
    lifeboat.restore(&Selector::Latest(0), &path).await.expect_err("the target exists");
    held("a refused restore over the database itself");
    drop(lifeboat);
    held("everything was dropped");
    connection.execute_batch("ROLLBACK").expect("ends");
    assert!(may_write(&path));
}

#[tokio::test(flavor = "multi_thread")]
async fn in_wal_mode() {
    check("wal").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_rollback_mode() {
    check("delete").await;
}
