//! Sealed repositories: who opens them, and what becomes of objects that were
//! changed, swapped or brought from elsewhere.

mod damage;
mod kills;
mod places;
mod slots;

use lifeboat_format::id::DatabaseName;
use lifeboat_remote::Remote;
use lifeboat_repository::{
    Database, Passphrase, RawKey, ReadError, Repository, RestoreOptions, Secret, Selector,
};
use lifeboat_testing::script::{Op, World};

use crate::image::{Image, Restored};
use crate::world::{Host, check_restores, options};

const LATEST: Selector = Selector::Latest(0);

/// A key that is as good as any.
fn raw(byte: u8) -> Secret {
    Secret::Raw(RawKey::from_bytes([byte; 32]))
}

fn passphrase(text: &str) -> Secret {
    Secret::Passphrase(Passphrase::new(text).expect("not empty"))
}

fn named(repository: &Repository, name: &str) -> Database {
    repository.database(DatabaseName::new(name).expect("valid"))
}

async fn make(world: &World, host: &Host, secret: &Secret) -> Repository {
    let made =
        Repository::create_with(world.client("W"), host.local.clone(), Some(secret), "first");
    made.await.expect("creates")
}

async fn open(remote: Remote, host: &Host, secret: &Secret) -> Result<Repository, ReadError> {
    Repository::open_with(remote, host.local.clone(), Some(secret)).await
}

/// Backs up `count` images, each with another page changed.
async fn fill(database: &Database, first: &Image, count: u32) -> Vec<Image> {
    let mut images = vec![first.clone()];
    while images.len() < count as usize {
        let mut next = images[images.len() - 1].clone().later(1);
        let pages = next.bytes.len() / 4096;
        next.write((images.len() % pages) as u32, 1_000_000 + images.len() as u64);
        images.push(next);
    }
    for image in &images {
        database.backup(image.clone(), options()).await.expect("backs up");
    }
    images
}

/// An error with its causes.
fn text(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}

/// What is wrong with a database, for somebody who comes with nothing but the
/// secret: all that the listing says, else the first that a restore does. Empty
/// only if all `images` come back as they were.
async fn complaints(
    world: &World,
    secret: Option<&Secret>,
    name: &str,
    images: &[Image],
) -> Vec<String> {
    let host = Host::new("reader");
    let opened = Repository::open_with(world.client("R"), host.local.clone(), secret).await;
    let repository = match opened {
        Ok(repository) => repository,
        Err(error) => return vec![text(&error)],
    };
    let database = named(&repository, name);
    let listing = match database.snapshots(None).await {
        Ok(listing) => listing,
        Err(error) => return vec![text(&error)],
    };
    let mut found: Vec<String> = listing
        .broken
        .iter()
        .map(|(number, error)| format!("record {number}: {}", text(error)))
        .chain(listing.burnt.iter().map(|number| format!("records/{:020}: damaged", number.0)))
        .collect();
    if listing.snapshots.len() + found.len() != images.len() {
        found.push(format!("only {} snapshots of {}", listing.snapshots.len(), images.len()));
    }
    if !found.is_empty() {
        return found;
    }
    for snapshot in &listing.snapshots {
        let restored =
            database.restore(snapshot, Restored::default(), &RestoreOptions::default()).await;
        match restored {
            Ok((restored, _)) => {
                let image = &images[snapshot.number().0 as usize - 1];
                // Never silently something else.
                assert!(restored.finish() == image.bytes, "{} is another image", snapshot.id());
            }
            Err(error) => return vec![text(&error)],
        }
    }
    found
}

async fn bytes_of(world: &World, key: &str) -> Vec<u8> {
    let object = world.client("look").get(key, u64::MAX).await.expect("reads");
    object.unwrap_or_else(|| panic!("no {key}")).to_vec()
}

async fn set(world: &World, key: &str, bytes: &[u8]) {
    world.change(key, |now| *now = bytes.to_vec()).await;
}

/// Sets the digest at the end of a control object right, as somebody would who
/// means ill.
fn mend_digest(object: &mut [u8]) {
    let at = object.len() - 32;
    let digest = lifeboat_format::digest::Digest::of(&object[..at]);
    object[at..].copy_from_slice(digest.as_bytes());
}
