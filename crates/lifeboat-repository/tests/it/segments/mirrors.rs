//! The commit log on other destinations: same epochs, same numbers, same bytes.

use lifeboat_repository::{Database, NotCovered, Ownership, Repository, Selector};
use lifeboat_testing::script::World;

use super::moments::{after, image_of, record, refused, state};
use super::{Writer, next};
use crate::world::{Host, name};

async fn mirror_of(database: &Database, world: &World) -> Database {
    let repository: &Repository = database.repository();
    let made = repository.replicate(world.client("M"), None).await;
    made.expect("replicates").database(name())
}

async fn copy_all(from: &Database, to: &Database) {
    for snapshot in to.missed(from).await.expect("is told") {
        to.copy_from(from, &snapshot, &Ownership::Refuse).await.expect("copies");
    }
    to.copy_log_from(from, &Ownership::Refuse).await.expect("copies");
}

/// A mirror that gets everything restores everything; one that begins late what comes
/// after its first snapshot.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mirror_restores_every_moment() {
    let (one, two) = (World::new(), World::new());
    let host = Host::new("a");
    let database = host.create(one.client("W")).await;
    let mirror = mirror_of(&database, &two).await;
    let first = image_of(4096, 24);
    let mut writer = Writer::begin(&database, 1);
    writer.snapshot(&first).await;
    copy_all(&database, &mirror).await;
    let mut states = record(&mut writer, &first, 30, 12).await;
    copy_all(&database, &mirror).await;
    copy_all(&database, &mirror).await;
    // A gap at the source is one here.
    let commits = states.len() as u64 - 1;
    let mut gone_on = Writer::begin(&database, commits + 1);
    gone_on.now = writer.now;
    let base = next(&states[commits as usize], 1, 99);
    let mut based = base.clone();
    based.taken_at = writer.now + time::Duration::seconds(5);
    gone_on.now = based.taken_at;
    gone_on.snapshot(&based).await;
    let last = next(&base, 2, 100);
    gone_on.add(&[(&last, &[2])]).await;
    copy_all(&database, &mirror).await;
    states[commits as usize] = base.clone();
    states.push(last);
    for (n, image) in states.iter().enumerate() {
        assert!(state(&mirror, &after(n as u64)).await == image.bytes, "{n}");
    }
    for key in one.keys("log/").await {
        assert!(one.read(&key).await == two.read(&key).await, "{key}");
    }
    // Who comes late.
    let three = World::new();
    let late = mirror_of(&database, &three).await;
    let snapshots = database.snapshots(None).await.expect("lists").snapshots;
    let middle = snapshots[1].clone();
    let from = middle.body().log.expect("is placed").from.0;
    late.copy_from(&database, &middle, &Ownership::Refuse).await.expect("copies");
    late.copy_log_from(&database, &Ownership::Refuse).await.expect("copies");
    assert!(three.keys("log/").await.len() < one.keys("log/").await.len());
    for n in from..commits {
        assert!(state(&late, &after(n)).await == states[n as usize].bytes, "{n}");
    }
    assert_eq!(refused(&late, after(from - 1)).await.0, NotCovered::Before);
    copy_all(&database, &late).await;
    assert!(state(&late, &after(commits + 1)).await == states[commits as usize + 1].bytes);
    let at = Selector::At(based.taken_at);
    assert!(state(&late, &at).await == base.bytes);
}
