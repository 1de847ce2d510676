//! Adding, replacing and removing secrets, and new data keys: what it costs,
//! and who can read what.

use lifeboat_repository::{KeyError, Opens, SlotHolder, WriteError};

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
    repository.replace_secret(&raw(1), &raw(2), "new").await.expect("replaces");
    let replaced = world.take_calls();
    let reopened = open(world.client("W"), &host, &raw(2)).await.expect("opens");
    world.take_calls();
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
    let id = repository.add_secret(&passphrase("two"), "second").await.expect("adds").holder;
    for secret in [raw(1), passphrase("two")] {
        let again = repository.add_secret(&secret, "again").await.expect("looks");
        assert!(!again.missing, "{again:?}");
    }
    assert_eq!(repository.slot_holders().await.expect("lists").len(), 2);
    let error = repository.remove_holder("third").await.expect_err("nobody");
    assert!(matches!(error, WriteError::Read(ReadError::Key(KeyError::NoSuchHolder { .. }))));
    repository.remove_holder("first").await.expect("removes");
    assert!(matches!(refusal(&world, &raw(1)).await, KeyError::Wrong { .. }));
    let rest = open(world.client("W"), &host, &passphrase("two")).await.expect("opens");
    assert!(last(rest.remove_holder(&id).await.expect_err("the only one")));

    // One that opens only what is written now is not enough to be the last.
    let newest = rest.begin_data_key(&passphrase("two"), true).await.expect("begins");
    let holders = newest.slot_holders().await.expect("lists");
    assert_eq!((holders.len(), holders[0].opens), (1, Opens::Everything));
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
        let opens: Vec<(&str, Opens)> =
            holders.iter().map(|holder| (holder.label.as_str(), holder.opens)).collect();
        let second = if only_for { Opens::OnlyThePast } else { Opens::Everything };
        assert!(opens.contains(&("first", Opens::Everything)), "{opens:?}");
        assert!(opens.contains(&("second", second)), "{opens:?}");
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

        // Let in again, the second reads everything, and is still one holder.
        if only_for {
            next.add_secret(&raw(2), "second again").await.expect("adds");
            let holders = next.slot_holders().await.expect("lists");
            let mut opens: Vec<(&str, Opens)> =
                holders.iter().map(|holder| (holder.label.as_str(), holder.opens)).collect();
            opens.sort_by_key(|(label, _)| *label);
            let everything = Opens::Everything;
            assert_eq!(opens, [("first", everything), ("second again", everything)]);
            assert_eq!(complaints(&world, Some(&raw(2)), "app", &images).await, [""; 0]);
        }
    }
}

/// Replacing is refused before anything is written, or goes all the way; and
/// who was shut out counts as one holder, whatever it still has.
#[tokio::test]
async fn replacing_by_what_is_there() {
    let world = World::new();
    let host = Host::new("a");
    let repository = make(&world, &host, &raw(1)).await;
    repository.add_secret(&raw(2), "second").await.expect("adds");
    let next = repository.begin_data_key(&raw(1), true).await.expect("begins");

    world.take_calls();
    let same = next.replace_secret(&raw(1), &raw(1), "again").await.expect_err("is the same");
    assert!(matches!(same, WriteError::Read(ReadError::Key(KeyError::AlreadyThere))));
    assert!(world.take_calls().iter().all(|call| call.op != Op::Put && call.op != Op::Delete));

    let (holder, removed) =
        next.replace_secret(&raw(1), &raw(2), "").await.expect("lets the second in");
    assert_eq!(removed.expect("the first").label, "first");
    let rest = open(world.client("W"), &host, &raw(2)).await.expect("opens");
    let holders = rest.slot_holders().await.expect("lists");
    assert_eq!(holders.len(), 1);
    assert_eq!((&holders[0].id, holders[0].opens), (&holder, Opens::Everything));
    assert!(matches!(refusal(&world, &raw(1)).await, KeyError::Wrong { .. }));
}

/// Removing the only holder that opens the past is refused, also by somebody
/// whose own key does not open it.
#[tokio::test]
async fn the_past_keeps_a_holder() {
    let world = World::new();
    let host = Host::new("a");
    let repository = make(&world, &host, &raw(1)).await;
    let next = repository.begin_data_key(&raw(1), true).await.expect("begins");
    // A slot for the newest data key alone, as a killed run may leave it.
    next.add_secret(&raw(2), "half").await.expect("adds");
    let half = next.holder_of(&raw(2)).await.expect("looks").expect("is there");
    for slot in half.slots.iter().filter(|slot| slot.data_key != newest_data_key(&half)) {
        world.remove(&slot.key).await;
    }
    let halves = open(world.client("W"), &host, &raw(2)).await.expect("opens");
    let holders = halves.slot_holders().await.expect("lists");
    let opens = |label: &str| {
        holders.iter().find(|holder| holder.label == label).map(|holder| holder.opens)
    };
    assert_eq!(opens("half"), Some(Opens::NotAllOfThePast));
    assert_eq!(opens("first"), Some(Opens::Everything));
    let error = halves.remove_holder("first").await.expect_err("nobody else opens the past");
    assert!(matches!(error, WriteError::Read(ReadError::Key(KeyError::LastHolder))));
    let error = halves.replace_secret(&raw(2), &raw(3), "").await.expect_err("opens a part");
    assert!(matches!(error, WriteError::Read(ReadError::Key(KeyError::PartOnly))));
}

/// The data key whose slot was made last.
fn newest_data_key(holder: &SlotHolder) -> [u8; 16] {
    holder.slots.last().expect("has slots").data_key
}

/// A label that would make a slot too large to be read is refused.
#[tokio::test]
async fn labels_are_short_lines() {
    let world = World::new();
    let repository = make(&world, &Host::new("a"), &raw(1)).await;
    for label in ["x".repeat(201), "a\nb".to_owned(), "\u{1b}[31m".to_owned()] {
        let error = repository.add_secret(&raw(2), &label).await.expect_err("is refused");
        assert!(matches!(error, WriteError::Read(ReadError::Key(KeyError::Label))));
    }
    repository.add_secret(&raw(2), &"ö".repeat(200)).await.expect("adds");
    assert_eq!(repository.slot_holders().await.expect("lists").len(), 2);
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
