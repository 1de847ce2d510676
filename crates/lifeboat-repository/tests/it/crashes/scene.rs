//! What is there before an operation: a sealed repository with a past, at two
//! places.

use std::collections::{BTreeMap, BTreeSet};

use lifeboat_format::id::{DatabaseName, SnapshotId};
use lifeboat_format::numbers::RecordNo;
use lifeboat_remote::Fencing;
use lifeboat_repository::{Database, Ownership, RawKey, ReadError, Repository, Secret};
use lifeboat_testing::script::World;

use super::operation::Operation;
use crate::image::Image;
use crate::rules::DAY;
use crate::world::{Host, name, options};

/// The two destinations: folders of one store, so that calls to both are counted
/// together.
pub(super) const PRIMARY: &str = "primary";
pub(super) const FALLBACK: &str = "fallback";

/// Stands in every page and wherever a person may have written something.
pub(super) const CANARY: &[u8] = b"the canary sings in the clear";

/// The bytes of the key with this number.
pub(super) fn key_bytes(number: u8) -> [u8; 32] {
    let at = |at: usize| (at as u8).wrapping_mul(11).wrapping_add(number.wrapping_mul(37)) ^ 0x5c;
    std::array::from_fn(at)
}

pub(super) fn secret(number: u8) -> Secret {
    Secret::Raw(RawKey::from_bytes(key_bytes(number)))
}

/// An image with the canary in one more page.
pub(super) fn with_page(image: &Image, page: u32, seed: u64) -> Image {
    let mut image = image.clone().later(1);
    image.write(page, 7_000_000 + seed);
    let at = page as usize * image.page_size as usize + 64;
    image.bytes[at..at + CANARY.len()].copy_from_slice(CANARY);
    image
}

pub(super) struct Scene {
    pub(super) operation: Operation,
    pub(super) fencing: Fencing,
    pub(super) world: World,
    pub(super) host: Host,
    /// The installation that comes from elsewhere: another one, or a twin.
    pub(super) other: Host,
    /// Every image that was ever backed up or will be, by what a snapshot of it is
    /// called where that is known.
    pub(super) known: BTreeMap<SnapshotId, Image>,
    /// Where each of these snapshots lies: alive, or in the trash.
    pub(super) at_primary: Vec<SnapshotId>,
    pub(super) at_fallback: Vec<SnapshotId>,
    pub(super) trash: Vec<SnapshotId>,
    /// The image as it was backed up last, what is backed up next, and what somebody
    /// else backs up in between.
    pub(super) last: Image,
    pub(super) next: Image,
    pub(super) between: Image,
    /// What is backed up after everything: something that was never there.
    pub(super) after: Image,
    /// The keys of all objects.
    pub(super) keys: BTreeSet<String>,
    pub(super) newest: RecordNo,
}

pub(super) async fn open(
    world: &World,
    host: &Host,
    client: &str,
    place: &str,
    secret: &Secret,
) -> Result<Database, ReadError> {
    let remote = world.folder(client, place);
    let opened = Repository::open_with(remote, host.local.clone(), Some(secret)).await;
    Ok(opened?.database(name()))
}

pub(super) fn other_name() -> DatabaseName {
    DatabaseName::new("new").expect("valid")
}

impl Scene {
    pub(super) async fn of(operation: Operation, fencing: Fencing) -> Self {
        let world = World::new();
        if fencing == Fencing::Rounds {
            world.ignore_conditions();
        }
        let host = Host::new("a");
        let mut image = Image::new(0);
        let pages = if operation.needs_many() { 100 } else { 12 };
        image.resize(pages);
        for page in 0..pages {
            image = with_page(&image, page, u64::from(page));
        }
        let mut scene = Self {
            operation,
            fencing,
            world,
            other: Host::new("b"),
            host,
            known: BTreeMap::new(),
            at_primary: Vec::new(),
            at_fallback: Vec::new(),
            trash: Vec::new(),
            last: image.clone(),
            next: image.clone(),
            between: image.clone(),
            after: image,
            keys: BTreeSet::new(),
            newest: RecordNo(0),
        };
        if operation != Operation::Init {
            scene.live().await;
        }
        scene.after = with_page(&with_page(&scene.next, 9, 2000), 10, 2001);
        scene.keys = scene.world.keys("").await.into_iter().collect();
        scene.host.advance(DAY);
        scene.world.advance(DAY);
        scene
    }

    /// The past: two data keys, packs and an archive, one pinned, one forgotten, one
    /// that never ended, and at the fallback what the primary missed.
    async fn live(&mut self) {
        let (world, host) = (self.world.clone(), self.host.local.clone());
        let remote = |place: &str| world.folder("past", place);
        let first = secret(1);
        let made = Repository::create_with(remote(PRIMARY), host, Some(&first), "first").await;
        let mut primary = made.expect("creates");
        primary.add_secret(&secret(3), "other").await.expect("adds");
        self.back_up(&primary.database(name()), PRIMARY, 1).await;
        self.back_up(&primary.database(name()), PRIMARY, 1).await;
        primary = primary.begin_data_key(&first, false).await.expect("begins");
        let database = primary.database(name());
        self.archive(&database, PRIMARY).await;
        self.back_up(&database, PRIMARY, 1).await;
        if self.operation.needs_many() {
            self.ripen(&database).await;
        }
        if self.operation == Operation::TwinBackup {
            self.other = self.host.fork();
        }
        if !self.operation.needs_many() {
            self.back_up(&database, PRIMARY, 1).await;
        }
        database.pin(&[RecordNo(2)]).await.expect("pins");
        database.forget(&[RecordNo(1), RecordNo(4)]).await.expect("forgets");
        self.trash = vec![self.at_primary[0].clone(), self.at_primary[3].clone()];
        // What was put by somebody who died.
        world.crash_after("past", 1);
        let unfinished = with_page(&self.last, 5, 99);
        database.backup(unfinished, options()).await.expect_err("dies");
        world.revive("past");
        if self.operation != Operation::Replicate {
            let replica = primary.replicate(remote(FALLBACK), Some(&first)).await;
            let fallback = replica.expect("replicates").database(name());
            if self.operation.is_of_a_damaged_store() {
                for snapshot in fallback.missed(&database).await.expect("looks") {
                    let copied = fallback.copy_from(&database, &snapshot, &Ownership::Refuse).await;
                    copied.expect("copies");
                    self.at_fallback.push(snapshot.id().clone());
                }
            } else {
                self.back_up(&fallback, FALLBACK, 2).await;
                self.archive(&fallback, FALLBACK).await;
            }
        }
        let listing = database.snapshots(None).await.expect("lists");
        self.newest = listing.newest.expect("there are some");
        self.next = with_page(&self.last, 7, 1000);
        self.between = with_page(&self.last, 8, 1001);
        self.next.taken_at = self.between.taken_at + time::Duration::MINUTE;
        self.damage().await;
        if self.operation.has_no_cache() {
            self.host.drop_cache();
        }
    }

    /// The machine that runs the operation, as it is before.
    pub(super) fn actor(&self) -> Host {
        let other = self.operation.is_of_another();
        if other { self.other.fork() } else { self.host.fork() }
    }

    /// Backs up until the next backup is one that sends pages again.
    async fn ripen(&mut self, database: &Database) {
        for _ in 0..40 {
            self.back_up(database, PRIMARY, 1).await;
            let (world, host) = (self.world.fork(), self.host.fork());
            let there = open(&world, &host, "past", PRIMARY, &secret(1)).await.expect("opens");
            let next = with_page(&self.last, 7, 1000);
            let next = there.backup(next, options()).await.expect("backs up");
            if next.report.pages_resent > 0 {
                return;
            }
        }
        panic!("no backup consolidates");
    }

    async fn back_up(&mut self, database: &Database, place: &str, pages: u32) {
        let seed = self.known.len() as u64;
        let all = self.last.geometry().page_count();
        for page in 0..pages {
            self.last = with_page(&self.last, (3 * seed as u32 + page) % all, 100 + seed);
        }
        let done = database.backup(self.last.clone(), options()).await.expect("backs up");
        self.note(done.report.snapshot_id, place);
    }

    async fn archive(&mut self, database: &Database, place: &str) {
        self.last = with_page(&self.last, 3, 50 + self.known.len() as u64);
        let done = database.archive(self.last.clone(), options()).await.expect("archives");
        self.note(done.report.snapshot_id, place);
    }

    fn note(&mut self, id: SnapshotId, place: &str) {
        match place {
            PRIMARY => self.at_primary.push(id.clone()),
            _ => self.at_fallback.push(id.clone()),
        }
        self.known.insert(id, self.last.clone());
    }

    /// What a repair or a healing is for.
    async fn damage(&mut self) {
        if !self.operation.is_of_a_damaged_store() {
            return;
        }
        let mut packs: Vec<(usize, String)> = Vec::new();
        for key in self.world.keys("/packs/").await {
            if key.starts_with(PRIMARY) {
                packs.push((self.world.object(&key).await.len(), key));
            }
        }
        packs.sort();
        let (len, key) = packs.pop().expect("there is one");
        self.world.change(&key, |bytes| bytes[len / 2] ^= 1).await;
        if self.operation == Operation::HealLog {
            let record = format!("{PRIMARY}/databases/app/records/{:020}", 3);
            self.world.change(&record, |bytes| bytes[100] ^= 1).await;
        }
    }
}
