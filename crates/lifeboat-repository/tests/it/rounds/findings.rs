//! What a store does is found out, written down, and believed of that store alone.

use lifeboat_format::info::{RepositoryInfo, StoreCreates, StoreFinding, StoreListings};
use lifeboat_repository::{Ownership, ReadError};

use super::*;

/// The findings of the format objects, oldest first.
async fn findings(world: &World) -> Vec<Option<StoreFinding>> {
    let mut found = Vec::new();
    for k in 1..=world.keys("format/").await.len() {
        let object = world.read(&format!("format/{k}")).await;
        found.push(RepositoryInfo::decode(&object).expect("is one").store);
    }
    found
}

fn facts(finding: &Option<StoreFinding>) -> Option<(StoreCreates, StoreListings)> {
    finding.as_ref().map(|finding| (finding.creates, finding.listings))
}

const GOOD: Option<(StoreCreates, StoreListings)> =
    Some((StoreCreates::Once, StoreListings::Consistent));
const CARELESS: Option<(StoreCreates, StoreListings)> =
    Some((StoreCreates::Ignored, StoreListings::Consistent));

#[tokio::test]
async fn a_store_is_probed_where_a_repository_is_made() {
    let world = World::new();
    let good = Host::new("a").create(world.stranger("W")).await;
    assert_eq!(good.repository().fencing(), Fencing::Create);
    let found = findings(&world).await;
    assert_eq!(found.iter().map(facts).collect::<Vec<_>>(), [GOOD]);
    assert!(found[0].as_ref().is_some_and(|finding| finding.deletes));

    let (world, host, _) = careless().await;
    let found = findings(&world).await;
    assert_eq!(found.iter().map(facts).collect::<Vec<_>>(), [CARELESS]);
    // Who opens it believes what is written, whatever it thought of the store.
    let opened = host.open(world.client("R")).await;
    assert_eq!(opened.repository().fencing(), Fencing::Rounds);
}

/// Listings that are stale as well leave nothing to agree by.
#[tokio::test]
async fn a_store_without_anything_is_unfenced() {
    let world = World::new();
    world.ignore_conditions();
    world.stale_listing("W").await;
    let host = Host::new("a");
    let writer = host.create(world.stranger("W")).await;
    assert_eq!(writer.repository().fencing(), Fencing::Nothing);
    world.fresh_listing("W");
    let first = Image::new(300);
    backup(&writer, &first).await;
    backup(&writer, &next(&first, 3)).await;
    assert_eq!(check_all_restore(&writer).await, 2);
    assert_eq!(world.keys("/rounds/").await, [""; 0]);
    // It stays so when listings look better.
    let found =
        writer.repository().probe_store().await.expect("probes").expect("is no trusted one");
    assert_eq!(facts(&Some(found)), Some((StoreCreates::Ignored, StoreListings::Stale)));
    assert_eq!(findings(&world).await.len(), 1, "nothing new");
}

/// Whoever may not delete is told, and what a probe left is swept by a later one.
#[tokio::test]
async fn leftovers_are_swept_later() {
    let world = World::new();
    world.refuse("W", Op::Delete, "probes/");
    let writer = Host::new("a").create(world.stranger("W")).await;
    let found = writer.repository().info().store.clone().expect("was probed");
    assert!(!found.deletes);
    assert!(!world.keys("probes/").await.is_empty());
    world.revive("W");
    writer.repository().probe_store().await.expect("probes");
    assert!(!world.keys("probes/").await.is_empty(), "they may belong to another probe");
    world.advance(std::time::Duration::from_secs(2 * 3600));
    writer.repository().probe_store().await.expect("probes");
    assert_eq!(world.keys("probes/").await, [""; 0]);
}

/// A store that says "access denied" of what is missing holds no log.
#[tokio::test]
async fn an_unfit_store_is_refused() {
    let world = World::new();
    world.refuse("W", Op::Get, "never-put");
    let host = Host::new("a");
    let made = Repository::create(world.stranger("W"), host.local.clone()).await;
    assert!(matches!(made, Err(WriteError::Unfit { .. })), "{made:?}");
    assert_eq!(world.keys("format/").await, [""; 0]);
}

/// A repository that somebody copied to a store without asking us is probed by the
/// first backup there; one that cannot be probed is backed up to all the same.
#[tokio::test]
async fn the_first_backup_probes_where_nobody_did() {
    let world = World::new();
    let host = Host::new("a");
    let first = Image::new(300);
    backup(&host.create(world.client("W")).await, &first).await;
    world.ignore_conditions();
    world.fail("X", Op::Put, "probes/", 1);
    let unlucky = host.open(world.stranger("X")).await;
    let second = next(&first, 3);
    backup(&unlucky, &second).await;
    assert_eq!(findings(&world).await.len(), 1);
    let writer = host.open(world.stranger("Z")).await;
    backup(&writer, &next(&second, 4)).await;
    assert_eq!(findings(&world).await.iter().map(facts).collect::<Vec<_>>(), [None, CARELESS]);
    let marks = world.keys("/rounds/00000000000000000003/").await;
    assert!(!marks.is_empty(), "it was heeded at once");
    assert_eq!(check_all_restore(&writer).await, 3);
}

/// Who takes over does not rely on what another found.
#[tokio::test]
async fn a_take_over_probes() {
    let world = World::new();
    let (before, after) = (Host::new("a"), Host::new("b"));
    let first = Image::new(300);
    backup(&before.create(world.stranger("W")).await, &first).await;
    world.ignore_conditions();
    let taker = after.open(world.stranger("Z")).await;
    assert_eq!(taker.repository().fencing(), Fencing::Create, "nobody knows better yet");
    let mut taking = options();
    taking.ownership = Ownership::TakeOver(RecordNo(1));
    taker.backup(next(&first, 3), taking).await.expect("takes over");
    assert_eq!(taker.repository().fencing(), Fencing::Rounds);
    let found = findings(&world).await;
    assert_eq!(found.iter().map(facts).collect::<Vec<_>>(), [GOOD, CARELESS]);
    assert!(world.keys("/rounds/").await.iter().any(|key| key.contains("00000000000000000002")));
    assert_eq!(check_all_restore(&taker).await, 2);
}

/// What one store does says nothing about another.
#[tokio::test]
async fn a_copy_of_a_repository_has_a_finding_of_its_own() {
    let (bad, host, from) = careless().await;
    let image = Image::new(300);
    backup(&from, &image).await;
    let good = World::new();
    let to = from.repository().replicate(good.stranger("P"), None).await.expect("replicates");
    assert_eq!(to.fencing(), Fencing::Create);
    assert_eq!(findings(&good).await.iter().map(facts).collect::<Vec<_>>(), [GOOD]);
    assert_eq!(to.info().repository, from.repository().info().repository);
    // And the other way; and once more, which changes nothing.
    let other = World::new();
    other.ignore_conditions();
    for _ in 0..2 {
        let back = to.replicate(other.stranger("Q"), None).await.expect("replicates");
        assert_eq!(back.fencing(), Fencing::Rounds);
        assert_eq!(findings(&other).await.iter().map(facts).collect::<Vec<_>>(), [CARELESS]);
    }
    assert_eq!(findings(&bad).await.len(), 1);
    let stranger = host.create(World::new().client("S")).await;
    let refused = from.repository().replicate(stranger.repository().remote().clone(), None).await;
    assert!(matches!(refused, Err(WriteError::OtherRepository { .. })));
    let none = Repository::open(World::new().client("N"), host.local.clone()).await;
    assert!(matches!(none, Err(ReadError::NoRepository { .. })));
}
