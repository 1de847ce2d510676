//! Archives in the life of a repository: collected when nobody needs them,
//! copied byte for byte.

use std::time::Duration;

use lifeboat_format::record::Content;
use lifeboat_remote::Remote;
use lifeboat_repository::{CollectOptions, Database, Ownership, Selector};
use lifeboat_testing::script::{Op, World};

use crate::image::Image;
use crate::world::{Host, backup, check_all_restore, check_restores, name, options, resolve};

const LATEST: Selector = Selector::Latest(0);

async fn archive(database: &Database, image: &Image) -> String {
    let done = database.archive(image.clone(), options()).await.expect("archives");
    done.report.archive.expect("an archive has a name")
}

async fn stored(database: &Database) -> Vec<String> {
    let listed = database.repository().remote().list("databases/app/archives").await;
    listed.expect("lists").into_iter().map(|object| object.key).collect()
}

#[tokio::test]
async fn an_archive_lives_as_long_as_its_snapshot() {
    let host = Host::new("a");
    let database = host.create(World::new().client("W")).await;
    let image = Image::new(3000);
    archive(&database, &image).await;
    check_restores(&database, &LATEST, &image).await;
    let number = resolve(&database, &LATEST).await.number();
    backup(&database, &image.clone().later(1)).await;
    let at_once = CollectOptions::default()
        .with_times(Duration::ZERO, Duration::ZERO)
        .with_floor(0, Duration::ZERO);
    let collected = database.collect(at_once).await.expect("collects");
    assert_eq!(collected.deleted, [""; 0], "it is alive");
    database.forget(&[number]).await.expect("forgets");
    let collected = database.collect(at_once).await.expect("collects");
    assert_eq!(collected.dropped, [number]);
    assert_eq!(stored(&database).await, [""; 0]);
    assert_eq!(check_all_restore(&database).await, 1);
}

/// What goes up in parts is ended or given up: nobody sees parts, and somebody pays
/// for them.
#[tokio::test]
async fn parts_of_an_archive_that_failed_are_given_up() {
    let world = World::new();
    let host = Host::new("a");
    let database = host.create(world.client("W")).await;
    world.refuse("W", Op::Part, "archives/");
    database.archive(Image::new(3000), options()).await.expect_err("no part is taken");
    let calls = world.take_calls();
    let count = |op| calls.iter().filter(|call| call.op == op).count();
    assert_eq!((count(Op::Begin), count(Op::Abort)), (1, 1), "{calls:?}");
    assert_eq!(count(Op::Complete), 0);
    world.revive("W");
    assert_eq!(stored(&database).await, [""; 0]);
}

#[tokio::test]
async fn a_copy_of_an_archive_is_the_same_file() {
    let host = Host::new("a");
    let from = host.create(Remote::memory()).await;
    let image = Image::new(300);
    archive(&from, &image).await;
    let there = Remote::memory().with_identity("there".into());
    let to = from.repository().replicate(there, None).await.expect("replicates").database(name());
    let snapshot = resolve(&from, &LATEST).await;
    let number = to.copy_from(&from, &snapshot, &Ownership::Refuse).await.expect("copies");
    assert_eq!(to.copy_from(&from, &snapshot, &Ownership::Refuse).await.expect("is there"), number);
    assert_eq!(stored(&to).await, stored(&from).await);
    check_restores(&to, &LATEST, &image).await;
    let copied = resolve(&to, &LATEST).await;
    assert!(matches!(copied.body().content, Content::File { .. }));
}
