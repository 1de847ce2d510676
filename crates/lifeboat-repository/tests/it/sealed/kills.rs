//! Killed at any call, whoever could open a repository still can.

use std::future::Future;

use super::*;

#[derive(Clone, Copy, Debug)]
enum What {
    Add,
    AddPassphrase,
    Replace,
    Begin { only_for: bool },
}

async fn run(world: &World, host: &Host, what: What) -> bool {
    let client = || world.client("W");
    let Ok(repository) = open(client(), host, &raw(1)).await else {
        return false;
    };
    match what {
        What::Add => repository.add_secret(&raw(2), "new").await.is_ok(),
        What::AddPassphrase => repository.add_secret(&passphrase("new"), "new").await.is_ok(),
        What::Begin { only_for } => repository.begin_data_key(&raw(1), only_for).await.is_ok(),
        What::Replace => repository.replace_secret(&raw(1), &raw(2), "new").await.is_ok(),
    }
}

/// Kills the client at each of its calls in turn, before or after it is
/// applied, and looks who can read.
async fn check(what: What, applied: bool) {
    let mut kills = 0;
    loop {
        let world = World::new();
        let host = Host::new("a");
        let first = make(&world, &host, &raw(1)).await;
        let images = fill(&named(&first, "app"), &Image::new(2), 1).await;
        first.begin_data_key(&raw(1), false).await.expect("begins");
        kills += 1;
        match applied {
            true => world.crash_at_applied("W", kills),
            false => world.crash_at("W", kills),
        }
        let done = run(&world, &host, what).await;
        world.revive("W");
        let context = format!("{what:?}, applied {applied}, call {kills}");
        let reads = async |secret: &Secret| {
            complaints(&world, Some(secret), "app", &images).await.is_empty()
        };
        let old = reads(&raw(1)).await;
        match what {
            What::Replace => {
                // The old one goes when the new one has been seen to open all.
                assert!(old || reads(&raw(2)).await, "{context}: locked out");
                assert!(!done || !old, "{context}: the old one still opens");
            }
            _ => assert!(old, "{context}: the old one opens no longer"),
        }
        // The same machine goes on as well, and so does the same command.
        let mine = if old { raw(1) } else { raw(2) };
        let opened = open(world.client("W"), &host, &mine).await;
        opened.unwrap_or_else(|error| panic!("{context}: {error}"));
        if done {
            break;
        }
        if old {
            assert!(run(&world, &host, what).await, "{context}: not again");
            if matches!(what, What::Add | What::Replace) {
                assert!(reads(&raw(2)).await, "{context}: again mends nothing");
            }
        }
    }
    assert!(kills > 4, "{what:?} made only {kills} calls");
}

/// Both ways to die.
async fn both<F: Future<Output = ()>>(check: impl Fn(bool) -> F) {
    check(false).await;
    check(true).await;
}

#[tokio::test]
async fn adding() {
    both(|applied| check(What::Add, applied)).await;
}

#[tokio::test]
async fn adding_a_passphrase() {
    both(|applied| check(What::AddPassphrase, applied)).await;
}

#[tokio::test]
async fn replacing() {
    both(|applied| check(What::Replace, applied)).await;
}

#[tokio::test]
async fn beginning_a_data_key() {
    both(|applied| check(What::Begin { only_for: false }, applied)).await;
}

#[tokio::test]
async fn beginning_a_data_key_for_one_alone() {
    both(|applied| check(What::Begin { only_for: true }, applied)).await;
}
