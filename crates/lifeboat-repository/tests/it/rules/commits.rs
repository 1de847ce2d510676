//! Commits, lost answers, copies, and what each costs (rules R3 to R5, R7).

use super::*;

/// R5: a cache that is newer than the store (the store was set back) decides
/// nothing.
#[tokio::test]
async fn a_cache_that_is_newer_than_the_store() {
    let world = World::new();
    let host = Host::new("a");
    let writer = host.create(world.client("W")).await;
    let first = Image::new(300);
    backup(&writer, &first).await;
    let second = next(&first, 3);
    backup(&writer, &second).await;
    for key in world.keys("records/00000000000000000002").await {
        world.remove(&key).await;
    }
    let error = writer.backup(second.clone(), options()).await.expect_err("set back");
    let rolled_back = matches!(
        error,
        BackupError::Write(WriteError::Read(ReadError::RolledBack {
            seen: RecordNo(2),
            newest: Some(RecordNo(1)),
        }))
    );
    assert!(rolled_back, "{error}");
    // Somebody says that it is meant: the cache of record 2 must not be used.
    let mut meant = options();
    meant.expect = Some(RecordNo(1));
    let report = writer.backup(second.clone(), meant).await.expect("backs up").report;
    assert_eq!((report.unchanged, report.pages_changed), (false, 1));
    check_restores(&writer, &LATEST, &second).await;
}

/// R4: the answer to the commit is lost; the record is there, once.
#[tokio::test]
async fn a_lost_answer_is_one_snapshot() {
    let world = World::new();
    let host = Host::new("a");
    let writer = host.create(world.client("W")).await;
    let image = Image::new(300);
    for key in ["records/", "packs/"] {
        world.lose_answer("W", Op::Put, key);
    }
    backup(&writer, &image).await;
    assert_eq!(world.keys("records/").await.len(), 1);
    assert_eq!(check_all_restore(&writer).await, 1);
}

/// R4, R6: the commit is applied, its answer is lost and so is the read that
/// would tell. The next run knows the record as its own and goes on.
#[tokio::test]
async fn a_commit_of_unknown_fate() {
    let world = World::new();
    let host = Host::new("a");
    let writer = host.create(world.client("W")).await;
    let first = Image::new(300);
    backup(&writer, &first).await;
    let second = next(&first, 3);
    world.lose_answer("W", Op::Put, "records/");
    world.fail("W", Op::Get, "records/00000000000000000002", 1);
    writer.backup(second.clone(), options()).await.expect_err("nobody knows");
    let third = next(&second, 4);
    let report = backup(&writer, &third).await;
    assert_eq!((report.number, report.pages_changed), (RecordNo(3), 1));
    assert_eq!(check_all_restore(&writer).await, 3);
}

/// Two processes of one installation back up at once: both end well.
#[tokio::test]
async fn two_writers_at_once() {
    let world = World::new();
    let host = Host::new("a");
    let one = host.create(world.client("W")).await;
    let other = client(&world, &host, "Z").await;
    let mut image = Image::new(300);
    backup(&one, &image).await;
    for round in 0..10 {
        let [mine, theirs] = [next(&image, round), next(&image, 100 + round)];
        let (a, b) = tokio::join!(
            one.backup(mine.clone(), options()),
            other.backup(theirs.clone(), options())
        );
        for result in [a, b] {
            let contention =
                matches!(result, Err(BackupError::Write(WriteError::Contention { .. })));
            assert!(result.is_ok() || contention, "{result:?}");
        }
        image = next(&theirs, 200);
    }
    check_all_restore(&one).await;
}

/// R7: a copy is a commit of its destination, with its own number.
#[tokio::test]
async fn copies_have_numbers_of_their_own() {
    let (primary, fallback) = (World::new(), World::new());
    let host = Host::new("a");
    let from = host.create(fallback.client("F")).await;
    let replica = from.repository().replicate(primary.client("P"), None).await.expect("replicates");
    let to = replica.database(name());
    let first = Image::new(300);
    backup(&to, &first).await;
    let mut image = first.clone();
    for page in 0..3 {
        image = next(&image, page);
        backup(&from, &image).await;
    }
    let snapshot = resolve(&from, &LATEST).await;
    let number = to.copy_from(&from, &snapshot, &Ownership::Refuse).await.expect("copies");
    assert_eq!(number, RecordNo(2));
    let again = to.copy_from(&from, &snapshot, &Ownership::Refuse).await.expect("is there");
    assert_eq!(again, number);
    let there = resolve(&to, &Selector::Prefix(snapshot.id().to_string())).await;
    assert_eq!(there.body(), snapshot.body());
    let (restored, _) = to
        .restore(&there, Restored::default(), &RestoreOptions::default())
        .await
        .expect("restores");
    assert!(restored.finish() == image.bytes);
    // A repository of its own is no destination of this one.
    let stranger = host.create(World::new().client("S")).await;
    let refused = stranger.copy_from(&from, &snapshot, &Ownership::Refuse).await;
    assert!(matches!(refused, Err(WriteError::OtherRepository { .. })));
    // The next backup there is compared with the copy.
    let report = backup(&to, &next(&image, 9)).await;
    assert_eq!(report.pages_changed, 1);
}

/// R7: a copy that dies anywhere goes on where it was: whatever was put before is
/// not put again, unless a record has condemned it meanwhile.
#[tokio::test]
async fn a_copy_that_is_interrupted_goes_on() {
    let world = World::new();
    let host = Host::new("a");
    let from = host.create(world.client("F")).await;
    let mut image = Image::new(300);
    backup(&from, &image).await;
    for page in 0..3 {
        image = next(&image, page);
        backup(&from, &image).await;
    }
    let snapshot = resolve(&from, &LATEST).await;
    // At each change: four packs, and the record. Then with everything condemned.
    for changes in 0..5 {
        let there = World::new();
        let replica = from.repository().replicate(there.client("T"), None).await;
        let to = replica.expect("replicates").database(name());
        there.clear_calls();
        there.crash_after("T", changes);
        to.copy_from(&from, &snapshot, &Ownership::Refuse).await.expect_err("is dead");
        there.revive("T");
        let put = || there.objects_put().iter().filter(|key| key.contains("packs/")).count();
        assert_eq!(put(), changes.min(4));
        let to = client(&there, &host, "T").await;
        to.copy_from(&from, &snapshot, &Ownership::Refuse).await.expect("copies");
        assert_eq!(put(), 4, "killed after {changes} changes");
        assert_eq!(there.keys("packs/").await.len(), 4, "and no garbage");
        check_all_restore(&to).await;
    }
    let there = World::new();
    let replica = from.repository().replicate(there.client("T"), None).await;
    let to = replica.expect("replicates").database(name());
    there.crash_after("T", 2);
    to.copy_from(&from, &snapshot, &Ownership::Refuse).await.expect_err("is dead");
    there.revive("T");
    let to = client(&there, &host, "T").await;
    let other = next(&image, 200);
    backup(&to, &other).await;
    to.collect(at_once()).await.expect("collects");
    assert_eq!(there.keys("packs/").await.len(), 1, "what nothing names is gone");
    to.copy_from(&from, &snapshot, &Ownership::Refuse).await.expect("copies");
    assert_eq!(check_all_restore(&to).await, 2);
}

/// What each operation costs in calls.
#[tokio::test]
async fn calls_are_counted() {
    let world = World::new();
    let host = Host::new("a");
    let writer = host.create(world.client("W")).await;
    let image = Image::new(300);
    backup(&writer, &image).await;
    let second = next(&image, 3);
    world.take_calls();
    writer.backup(second.clone(), options()).await.expect("backs up");
    let calls: Vec<Op> = world.take_calls().iter().map(|call| call.op).collect();
    assert_eq!(calls, [Op::Get, Op::Head, Op::Get, Op::Put, Op::Put]);
    writer.backup(second, options()).await.expect("unchanged");
    let calls: Vec<Op> = world.take_calls().iter().map(|call| call.op).collect();
    assert_eq!(calls, [Op::Get, Op::Head, Op::Get]);
}

/// An image that is older than one that was committed meanwhile does not become
/// the latest: another is taken.
#[tokio::test]
async fn an_overtaken_image_is_taken_again() {
    let world = World::new();
    let host = Host::new("a");
    let writer = host.create(world.client("W")).await;
    let first = Image::new(300);
    backup(&writer, &first).await;
    let old = next(&first, 3);
    let pause = world.pause("W", Op::Put, "records/");
    let slow = tokio::spawn({
        let (writer, old) = (writer.clone(), old.clone());
        async move { writer.backup(old, options()).await }
    });
    pause.reached().await;
    let newer = next(&next(&first, 4), 5);
    backup(&client(&world, &host, "Z").await, &newer).await;
    pause.release();
    let done = slow.await.expect("ends").expect("backs up");
    assert_eq!(done.source.captures, 2, "what was captured first is older than the latest");
    assert_eq!(check_all_restore(&writer).await, 3);
}
