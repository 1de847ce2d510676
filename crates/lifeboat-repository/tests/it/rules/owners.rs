//! Who may write (rule R6).

use super::*;

/// R6: who was superseded while it uploaded has lost, and says so.
#[tokio::test]
async fn an_old_owner_wakes_after_a_take_over() {
    let world = World::new();
    let (old, new) = (Host::new("old"), Host::new("new"));
    let writer = old.create(world.client("W")).await;
    let first = Image::new(300);
    backup(&writer, &first).await;

    let pause = world.pause("W", Op::Put, "records/");
    let sleeper = tokio::spawn({
        // Taken later than the successor's: nothing but the owner stops it.
        let (writer, image) = (writer.clone(), next(&first, 3).later(10));
        async move { writer.backup(image, options()).await }
    });
    pause.reached().await;
    let successor = client(&world, &new, "T").await;
    let second = next(&first, 4);
    let refused = successor.backup(second.clone(), options()).await.expect_err("held");
    let BackupError::Write(WriteError::HeldByOther { number, .. }) = refused else {
        panic!("{refused}");
    };
    let mut taking = options();
    taking.ownership = Ownership::TakeOver(number);
    successor.backup(second.clone(), taking.clone()).await.expect("takes over");
    pause.release();
    let error = sleeper.await.expect("ends").expect_err("superseded");
    assert!(matches!(error, BackupError::Write(WriteError::HeldByOther { .. })), "{error}");
    check_restores(&successor, &LATEST, &second).await;
    // The same words do not work twice.
    let error = writer.backup(second, taking).await.expect_err("used up");
    assert!(matches!(error, BackupError::Write(WriteError::HeldByOther { .. })), "{error}");
}

/// R6: an owner that restarts after a take-over finds out before it uploads.
#[tokio::test]
async fn a_restarted_owner_sends_nothing() {
    let world = World::new();
    let (old, new) = (Host::new("old"), Host::new("new"));
    let writer = old.create(world.client("W")).await;
    let first = Image::new(300);
    backup(&writer, &first).await;
    let mut adopting = options();
    adopting.ownership = Ownership::Adopt;
    let successor = client(&world, &new, "T").await;
    successor.backup(next(&first, 3), adopting).await.expect("takes over");
    world.take_calls();
    let error = writer.backup(next(&first, 4), options()).await.expect_err("superseded");
    assert!(matches!(error, BackupError::Write(WriteError::HeldByOther { .. })), "{error}");
    assert!(world.take_calls().iter().all(|call| call.op != Op::Put), "nothing was sent");
}

/// R6: a cloned machine has the id, and not the memory.
#[tokio::test]
async fn a_twin_is_stopped() {
    let world = World::new();
    let (one, twin) = (Host::new("same"), Host::new("same"));
    let writer = one.create(world.client("W")).await;
    let first = Image::new(300);
    backup(&writer, &first).await;
    // The clone remembers what the original knew when it was cloned.
    let clone = client(&world, &twin, "T").await;
    clone.snapshots(None).await.expect("lists");
    let second = next(&first, 3);
    backup(&writer, &second).await;
    let error = clone.backup(next(&first, 4), options()).await.expect_err("a twin");
    let BackupError::Write(WriteError::Twin { number: RecordNo(2) }) = error else {
        panic!("{error}");
    };
}

/// A destination whose history was written anew, with as many records: it is
/// not the one that was seen before.
#[tokio::test]
async fn a_history_that_was_replaced() {
    let world = World::new();
    let (host, stranger) = (Host::new("a"), Host::new("a"));
    let writer = host.create(world.client("W")).await;
    let first = Image::new(30);
    backup(&writer, &first).await;
    backup(&writer, &next(&first, 1)).await;
    for key in world.keys("records/").await {
        world.remove(&key).await;
    }
    let other = client(&world, &stranger, "S").await;
    for page in 2..5 {
        backup(&other, &next(&first, page)).await;
    }
    let error = writer.backup(next(&first, 9), options()).await.expect_err("another history");
    let replaced = ReadError::Replaced { number: RecordNo(2) }.to_string();
    assert_eq!(error.to_string(), replaced);
}

/// A machine that was set back to last week, state and cache and all, while the
/// destination went on (hole and stale cache): it is told from itself, and what
/// is newer stays.
#[tokio::test]
async fn a_machine_that_was_set_back() {
    let world = World::new();
    let host = Host::new("a");
    let writer = host.create(world.client("W")).await;
    let first = Image::new(300);
    backup(&writer, &first).await;
    let old = tempfile::tempdir().expect("a temporary directory");
    let copy = |from: &std::path::Path, to: &std::path::Path| {
        let copied = std::process::Command::new("cp").arg("-rT").arg(from).arg(to).status();
        assert!(copied.expect("cp runs").success());
    };
    copy(host.dir.path(), old.path());
    let second = next(&first, 1);
    backup(&writer, &second).await;
    let third = next(&second, 2);
    backup(&writer, &third).await;
    writer.forget(&[RecordNo(2)]).await.expect("forgets");
    host.advance(DAY);
    writer.collect(at_once()).await.expect("collects");
    let records = world.keys("records/").await;

    std::fs::remove_dir_all(host.dir.path().join("state")).expect("removes");
    copy(old.path(), host.dir.path());
    let error = writer.backup(next(&first, 7), options()).await.expect_err("is set back");
    assert!(matches!(error, BackupError::Write(WriteError::Twin { .. })), "{error}");
    assert_eq!(world.keys("records/").await, records);
    check_restores(&writer, &LATEST, &third).await;
}
