//! Adding, replacing and removing secrets, and new data keys: what it costs,
//! and who can read what.

use lifeboat_repository::{KeyError, WriteError};

use super::*;

async fn refusal(world: &World, secret: &Secret) -> KeyError {
    match open(world.client("W"), &Host::new("x"), secret).await {
        Err(ReadError::Key(error)) => error,
        other => panic!("{other:?}"),
    }
}

/// The calls that replacing a secret and beginning a data key take, in a
/// repository with so many snapshots.
async fn cost(snapshots: u32) -> (usize, usize) {
    let world = World::new();
    let host = Host::new("a");
    let repository = make(&world, &host, &raw(1)).await;
    let images = fill(&named(&repository, "app"), &Image::new(2), snapshots).await;
    assert_eq!(world.keys("/records/").await.len(), snapshots as usize);

    world.take_calls();
    let old = repository.holder_of(&raw(1)).await.expect("looks").expect("is there");
    repository.add_secret(&raw(2), "new").await.expect("adds");
    let reopened = open(world.client("W"), &host, &raw(2)).await.expect("opens");
    reopened.remove_holder(&old.id).await.expect("removes");
    let replaced = world.take_calls();
    let next = reopened.begin_data_key(&raw(2), false).await.expect("begins");
    let begun = world.take_calls();
    let touched = replaced.iter().chain(&begun).filter(|call| !call.key.starts_with("keys/"));
    for call in touched {
        assert!(call.key.starts_with("format/") && call.op != Op::Delete, "{call:?}");
    }
    assert!(matches!(refusal(&world, &raw(1)).await, KeyError::Wrong { .. }));
    let latest = &images[images.len() - 1];
    check_restores(&named(&next, "app"), &LATEST, latest).await;
    (replaced.len(), begun.len())
}

/// Nothing that was sealed is looked at, let alone written again.
#[tokio::test]
async fn replacing_a_secret_costs_the_same_for_one_snapshot_and_for_a_thousand() {
    let (few, many) = (cost(1).await, cost(1000).await);
    assert_eq!(few, many);
    assert!(few.0 <= 24 && few.1 <= 12, "{few:?}");
}

#[tokio::test]
async fn the_last_holder_stays() {
    let world = World::new();
    let host = Host::new("a");
    let repository = make(&world, &host, &raw(1)).await;
    let last = |error| matches!(error, WriteError::Read(ReadError::Key(KeyError::LastHolder)));
    let error = repository.remove_holder("first").await.expect_err("the only one");
    assert!(last(error));
    let id = repository.add_secret(&passphrase("two"), "second").await.expect("adds");
    let again = repository.add_secret(&raw(1), "again").await.expect_err("is there");
    assert!(matches!(again, WriteError::Read(ReadError::Key(KeyError::AlreadyThere))));
    let error = repository.remove_holder("third").await.expect_err("nobody");
    assert!(matches!(error, WriteError::Read(ReadError::Key(KeyError::NoSuchHolder { .. }))));
    repository.remove_holder("first").await.expect("removes");
    assert!(matches!(refusal(&world, &raw(1)).await, KeyError::Wrong { .. }));
    let rest = open(world.client("W"), &host, &passphrase("two")).await.expect("opens");
    assert!(last(rest.remove_holder(&id).await.expect_err("the only one")));

    // One that opens only what is written now is not enough to be the last.
    let newest = rest.begin_data_key(&passphrase("two"), true).await.expect("begins");
    let holders = newest.slot_holders().await.expect("lists");
    assert_eq!((holders.len(), holders[0].opens_newest), (1, true));
    assert!(last(newest.remove_holder(&id).await.expect_err("the only one")));
}

/// Everybody who could read reads on, or one alone does.
#[tokio::test]
async fn who_reads_after_a_new_data_key() {
    for only_for in [false, true] {
        let world = World::new();
        let host = Host::new("a");
        let repository = make(&world, &host, &raw(1)).await;
        let mut images = fill(&named(&repository, "app"), &Image::new(3), 2).await;
        repository.add_secret(&raw(2), "second").await.expect("adds");
        let next = repository.begin_data_key(&raw(1), only_for).await.expect("begins");
        let mut third = images[1].clone().later(1);
        third.write(0, 7);
        named(&next, "app").backup(third.clone(), options()).await.expect("backs up");
        images.push(third);

        assert_eq!(complaints(&world, Some(&raw(1)), "app", &images).await, [""; 0]);
        let holders = next.slot_holders().await.expect("lists");
        let opens: Vec<(&str, bool)> =
            holders.iter().map(|holder| (holder.label.as_str(), holder.opens_newest)).collect();
        assert!(opens.contains(&("first", true)) && opens.contains(&("second", !only_for)));
        let second = complaints(&world, Some(&raw(2)), "app", &images).await;
        match only_for {
            false => assert_eq!(second, [""; 0]),
            true => assert!(second[0].contains("open scripted://"), "{second:?}"),
        }
        // Objects of both data keys are told apart by their headers.
        let records = world.keys("/records/").await;
        let key_of = async |at: usize| bytes_of(&world, &records[at]).await[16..32].to_vec();
        assert_eq!(key_of(0).await, key_of(1).await);
        assert_ne!(key_of(1).await, key_of(2).await);

        // Let in again, the second reads everything.
        if only_for {
            next.add_secret(&raw(2), "second again").await.expect("adds");
            assert_eq!(complaints(&world, Some(&raw(2)), "app", &images).await, [""; 0]);
        }
    }
}

/// A destination whose newest format object was taken away is noticed.
#[tokio::test]
async fn a_data_key_that_was_taken_back() {
    let world = World::new();
    let host = Host::new("a");
    let repository = make(&world, &host, &raw(1)).await;
    repository.begin_data_key(&raw(1), false).await.expect("begins");
    world.remove("format/2").await;
    let error = open(world.client("W"), &host, &raw(1)).await.expect_err("set back");
    assert!(error.is_damage() && error.to_string().contains("number 2 was seen"), "{error}");
}

/// Who was shut out and can still write cannot bring a data key of their own
/// in, whatever number it bears, past anybody who saw the one in use.
#[tokio::test]
async fn a_data_key_of_somebody_who_was_shut_out() {
    let world = World::new();
    let host = Host::new("a");
    let repository = make(&world, &host, &raw(1)).await;
    repository.add_secret(&raw(2), "second").await.expect("adds");
    // The second keeps what it opened, to go on from there.
    let evil_host = Host::new("b");
    let evil = open(world.client("evil"), &evil_host, &raw(2)).await.expect("opens");
    repository.begin_data_key(&raw(1), true).await.expect("begins");
    assert!(matches!(refusal(&world, &raw(2)).await, KeyError::Wrong { .. }));

    world.remove("format/2").await;
    evil.begin_data_key(&raw(2), false).await.expect("writes");
    let error = open(world.client("W"), &host, &raw(1)).await.expect_err("not the one in use");
    assert!(error.is_damage() && error.to_string().contains("data key number 2"), "{error}");
}
