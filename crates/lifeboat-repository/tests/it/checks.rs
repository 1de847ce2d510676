//! Verification: whatever is wrong is found by name, with the snapshots that it
//! hits; and nothing is called verified that was not read.

mod damage;
mod known;
mod shares;

use std::collections::BTreeSet;

use lifeboat_format::numbers::RecordNo;
use lifeboat_repository::{
    CheckOptions, CheckReport, CollectOptions, Database, Depth, RawKey, Repository, Secret, Share,
};
use lifeboat_testing::script::World;

use crate::image::Image;
use crate::model::reference::closure;
use crate::world::{Host, name, options};

const ALL: Depth = Depth::Data(Share::All);

fn secret() -> Secret {
    Secret::Raw(RawKey::from_bytes([1; 32]))
}

/// A repository with every kind of object: snapshots of pages and of one file,
/// one of them in the trash, lists, repairs, results of checks; and where no key
/// is needed to make them, attachments.
struct Whole {
    world: World,
    sealed: bool,
    _host: Host,
    database: Database,
}

/// Snapshots of pages in a [`Whole`].
const PAGES: u64 = 30;
/// The record that puts one into the trash, after two archives.
const FORGET: u64 = PAGES + 3;
/// The snapshot with attachments, in a plain repository.
const ATTACHED: u64 = PAGES + 4;

/// Fills a database with every kind of object.
async fn fill(world: &World, database: &Database, seed: u64) {
    let mut image = Image::new(70);
    for n in 0..PAGES {
        image.write(2 * n as u32, seed + n);
        image = image.later(1);
        database.backup(image.clone(), options()).await.expect("backs up");
    }
    for n in 0..2 {
        image.write(69, seed + 100 + n);
        image = image.later(1);
        database.archive(image.clone(), options()).await.expect("archives");
    }
    database.forget(&[RecordNo(3)]).await.expect("forgets");
    // Two packs of which nothing is lost, each mended.
    let folder = format!("databases/{}", database.name().key());
    let repair = async |apply: bool| {
        let live = Some(image.clone());
        database.repair(live, apply, CollectOptions::default()).await.expect("repairs").1
    };
    let mut mended = 0;
    for key in world.keys(&format!("{folder}/packs/")).await {
        let flip = || world.change(&key, |bytes| bytes[150] ^= 1);
        flip().await;
        let planned = repair(false).await;
        if planned.findings.is_empty() || !planned.is_mended() {
            flip().await;
            continue;
        }
        repair(true).await;
        mended += 1;
        if mended == 2 {
            break;
        }
    }
    assert_eq!(mended, 2);
}

/// Adds a snapshot with two attachments, as a later version might.
async fn attach(world: &World, database: &Database) {
    use lifeboat_format::digest::Digest;
    use lifeboat_format::id::{Nonce, SnapshotId};
    use lifeboat_format::record::{
        Attachment, Latest, Record, RecordKind, RecordPlace, body_text, encode,
    };
    use lifeboat_format::seal::Home;

    let folder = format!("databases/{}", database.name().key());
    let repository = database.repository().info().repository;
    let home = Home { repository, database: database.name(), keys: None };
    let remote = world.client("attaches");
    let read = async |number: u64| {
        let key = format!("{folder}/records/{number:020}");
        let object = remote.get(&key, u64::MAX).await.expect("reads").expect("is there");
        let place = RecordPlace { home, number: RecordNo(number) };
        Record::decode(&object, place).expect("is whole")
    };
    let (newest, of_pages) = (read(FORGET).await, read(PAGES).await);
    let mut body = of_pages.body.clone().expect("is a snapshot");
    for n in 0..2u8 {
        let bytes = vec![n; 300];
        let id = format!("{n:032x}");
        let (media_type, digest) = ("text/plain".to_owned(), Digest::of(&bytes));
        body.attachments.push(Attachment { id: id.clone(), media_type, size: 300, digest });
        let key = format!("{folder}/attachments/{id}");
        let _ = remote.create(&key, bytes.into()).await.expect("creates");
    }
    body.snapshot_id = SnapshotId::new(body.taken_at, [7; 4]);
    let mut envelope = newest.envelope.clone();
    envelope.number = RecordNo(ATTACHED);
    envelope.kind = RecordKind::Snapshot;
    envelope.nonce = Nonce::from_bytes([7; 16]);
    envelope.previous = Some(newest.digest());
    envelope.subject = Default::default();
    envelope.packs = of_pages.envelope.packs.clone();
    envelope.state.generation += 1;
    body.generation = envelope.state.generation;
    envelope.state.alive.insert(envelope.number);
    let generation = body.generation;
    envelope.state.latest = Some(Latest { number: envelope.number, generation });
    let object = encode(envelope, Some(&body_text(&body)), None);
    let key = format!("{folder}/records/{ATTACHED:020}");
    let _ = remote.create(&key, object.into()).await.expect("creates");
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
        if sealed {
            let second = Secret::Raw(RawKey::from_bytes([2; 32]));
            repository.add_secret(&second, "second").await.expect("adds");
        }
        let database = repository.database(name());
        fill(&world, &database, 1_000_000).await;
        if !sealed {
            attach(&world, &database).await;
        }
        let whole = Self { world, sealed, _host: host, database };
        let report = whole.database.check(&CheckOptions::of_depth(ALL)).await.expect("checks");
        assert_eq!(report.result.findings, []);
        let alive = PAGES + 1 + u64::from(!sealed);
        assert_eq!(report.verified.len(), alive, "all but the one in the trash");
        for part in ["/lists/", "/archives/", "/repairs/", "/checks/", "/packs/", "/records/"] {
            assert!(whole.world.keys(part).await.len() >= 2, "{part}");
        }
        whole
    }

    fn newest(&self) -> u64 {
        if self.sealed { FORGET } else { ATTACHED }
    }

    /// The packs that were mended, each with the one that has its content now.
    async fn mended(&self) -> Vec<(String, String)> {
        use lifeboat_format::repair::{healed_id, parse_key};

        let packs = self.world.keys("databases/app/packs/").await;
        let of = |id: String| packs.iter().find(|key| key.contains(&id)).cloned();
        let mut mended = Vec::new();
        for key in self.world.keys("databases/app/repairs/").await {
            let (pack, k) = parse_key(relative(&key)).expect("is the key of a repair");
            let both = of(pack.to_string()).zip(of(healed_id(pack, k).to_string()));
            mended.push(both.expect("both are there"));
        }
        mended
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
        let mended = self.mended().await;
        if mended.iter().any(|(damaged, _)| damaged == key) {
            return BTreeSet::new();
        }
        let heals = mended.iter().find(|(_, healed)| healed == key);
        let named = heals.map_or(key, |(damaged, _)| damaged);
        let mut numbers = BTreeSet::new();
        for number in (1..=self.newest()).filter(|number| *number != FORGET) {
            let remote = self.world.client("model");
            let keys = closure(&remote, &self.database, RecordNo(number));
            if keys.await.iter().any(|needed| needed == named) {
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
