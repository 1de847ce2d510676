//! Verification: whatever is wrong is found by name, with the snapshots that it
//! hits; and nothing is called verified that was not read.

mod damage;
mod shares;

use std::collections::BTreeSet;

use lifeboat_format::numbers::RecordNo;
use lifeboat_repository::{
    CheckOptions, CheckReport, Database, Depth, RawKey, Repository, Secret, Share,
};
use lifeboat_testing::script::World;

use crate::image::Image;
use crate::world::{Host, name, options};

const ALL: Depth = Depth::Data(Share::All);

fn secret() -> Secret {
    Secret::Raw(RawKey::from_bytes([1; 32]))
}

/// A repository with every kind of object: snapshots of pages and of one file,
/// one of them in the trash, a list, a result of a check.
struct Whole {
    world: World,
    sealed: bool,
    _host: Host,
    database: Database,
}

impl Whole {
    async fn new(sealed: bool) -> Self {
        let world = World::new();
        let host = Host::new("a");
        let secret = sealed.then(secret);
        let made = Repository::create_with(
            world.client("W"),
            host.local.clone(),
            secret.as_ref(),
            "first",
        );
        let repository = made.await.expect("creates");
        let database = repository.database(name());
        let mut image = Image::new(70);
        for n in 0..16 {
            image.write(n * 3, 1_000_000 + u64::from(n));
            image = image.later(1);
            database.backup(image.clone(), options()).await.expect("backs up");
        }
        image = image.later(1);
        database.archive(image, options()).await.expect("archives");
        database.forget(&[RecordNo(3)]).await.expect("forgets");
        let whole = Self { world, sealed, _host: host, database };
        let report = whole.database.check(&CheckOptions::of_depth(ALL)).await.expect("checks");
        assert_eq!(report.result.findings, []);
        assert_eq!(report.verified.len(), 16, "all but the one in the trash");
        assert!(!whole.world.keys("/lists/").await.is_empty(), "there is a list");
        whole
    }

    /// What somebody finds who comes with nothing but the key.
    async fn check(&self, depth: Depth) -> Result<CheckReport, String> {
        let host = Host::new("reader");
        let secret = self.sealed.then(secret);
        let remote = self.world.client("R");
        let opened = Repository::open_with(remote, host.local.clone(), secret.as_ref()).await;
        let repository = opened.map_err(|error| text(&error))?;
        let keys = repository.check_keys().await.map_err(|error| text(&error))?;
        let database = repository.database(name());
        let checked = database.check(&CheckOptions::of_depth(depth)).await;
        let mut report = checked.map_err(|error| text(&error))?;
        // What was found is not to be found in the next run.
        self.world.remove(report.key.as_deref().expect("was stored")).await;
        report.result.findings.extend(keys);
        Ok(report)
    }

    async fn bytes(&self, key: &str) -> Vec<u8> {
        let object = self.world.client("look").get(key, u64::MAX).await.expect("reads");
        object.unwrap_or_else(|| panic!("no {key}")).to_vec()
    }

    async fn set(&self, key: &str, bytes: &[u8]) {
        self.world.change(key, |now| *now = bytes.to_vec()).await;
    }

    /// The snapshots that need an object, worked out without the code under
    /// test; only where it can be read without a key.
    async fn needed_by(&self, key: &str) -> BTreeSet<u64> {
        let mut numbers = BTreeSet::new();
        for number in 1..=17 {
            let keys =
                crate::model::reference::closure(&self.world, &self.database, RecordNo(number));
            if keys.await.iter().any(|needed| needed == key) {
                numbers.insert(number);
            }
        }
        numbers
    }
}

/// How findings name an object: below its database, or from the root.
fn relative(key: &str) -> &str {
    key.strip_prefix("databases/app/").unwrap_or(key)
}

/// Whether an object is among what was found, with exactly these snapshots.
fn names(found: &Result<CheckReport, String>, key: &str, hit: Option<&BTreeSet<u64>>) -> bool {
    match found {
        // The repository does not open, or its log does not: the error says why.
        Err(error) => error.contains(key),
        Ok(report) => report.result.findings.iter().any(|finding| {
            let numbers: BTreeSet<u64> = finding.snapshots.iter().map(|number| number.0).collect();
            finding.object == relative(key) && hit.is_none_or(|hit| *hit == numbers)
        }),
    }
}

fn text(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}
