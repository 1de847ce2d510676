//! Every object of a repository on two destinations, damaged on one side: what was
//! backed up comes back all the same, and so does the object.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use lifeboat::config::Role;
use lifeboat::crypto::{RawKey, Secret};
use lifeboat::format::id::{InstallationId, SnapshotId};
use lifeboat::remote::RemoteOptions;
use lifeboat::repository::{
    CheckOptions, CollectOptions, Depth, HealExtent, LocalOptions, Selector, Share,
};
use lifeboat::{
    BackupSettings, Destination, DestinationSettings, Destinations, Missing, RestoreSettings,
};
use lifeboat_testing::databases::{one_row_a_page, overwrite};
use lifeboat_testing::servers::{ACCESS_KEY, REGION, S3Server, SECRET_KEY};

use crate::command::{Folder, same_bytes};

/// Two destinations with snapshots of all kinds, and how each snapshot looked.
struct Pair {
    folder: Folder,
    server: Option<S3Server>,
    secret: Option<Secret>,
    images: Vec<(SnapshotId, PathBuf)>,
}

/// How many snapshots there are.
const SNAPSHOTS: u64 = 15;

/// What is done to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Damage {
    Flipped,
    Deleted,
}

impl Pair {
    async fn new(sealed: bool, in_bucket: bool) -> Self {
        let folder = Folder::new();
        let server = in_bucket.then(|| S3Server::start("bucket"));
        let secret = sealed.then(|| Secret::Raw(RawKey::from_bytes([7; 32])));
        let mut pair = Self { folder, server, secret, images: Vec::new() };
        pair.fill().await;
        pair
    }

    /// Where the objects of the two sides lie on the disk.
    fn sides(&self) -> [PathBuf; 2] {
        let far = match &self.server {
            Some(server) => server.folder().join("far"),
            None => self.folder.path("far"),
        };
        [far, self.folder.path("near")]
    }

    fn members(&self) -> [DestinationSettings; 2] {
        let mut far = match &self.server {
            Some(_) => DestinationSettings::new(Role::Primary, "s3://bucket/far"),
            None => DestinationSettings::new(
                Role::Primary,
                self.folder.path("far").to_string_lossy().into_owned(),
            ),
        };
        if let Some(server) = &self.server {
            let mut options = RemoteOptions::default();
            options.endpoint = Some(server.url());
            options.allow_http = true;
            options.access_key_id = Some(ACCESS_KEY.into());
            options.secret_access_key = Some(lifeboat::remote::Secret::new(SECRET_KEY));
            options.region = Some(REGION.into());
            far.options = options;
        }
        far.create = true;
        let near = self.folder.path("near").to_string_lossy().into_owned();
        [far, DestinationSettings::new(Role::Mirror, near)]
    }

    fn installation(&self, name: &str) -> LocalOptions {
        let state = self.folder.path(&format!("{name}/state"));
        let mut options = LocalOptions::new(state, self.folder.path(&format!("{name}/cache")));
        options.installation_id = Some(InstallationId::new("test").expect("valid"));
        options
    }

    fn all(&self) -> Destinations {
        let members = self.members().to_vec();
        Destinations::new(members, self.installation("home"), self.secret.clone())
    }

    /// One side, for somebody who has never seen it.
    fn alone(&self, side: usize, name: &str) -> Destinations {
        let mut member = self.members()[side].clone();
        member.role = Role::Primary;
        Destinations::new(vec![member], self.installation(name), self.secret.clone())
    }

    async fn open(&self, side: usize, name: &str) -> Destination {
        let all = self.alone(side, name);
        all.choose(&[], Missing::Refuse).await.expect("opens").destination
    }

    /// Backs up several states, as packs and as an archive, and does whatever else
    /// leaves objects behind.
    async fn fill(&mut self) {
        let path = self.folder.path("app.db");
        let mut connection = one_row_a_page(&path, "delete", 100, 1);
        let all = self.all();
        // So many that the packs need a list.
        for seed in 2..2 + SNAPSHOTS {
            let mut settings = BackupSettings::default();
            settings.archive = seed == 4;
            let placed =
                all.backup(&path, &settings, &[], Missing::Create).await.expect("backs up");
            if [2, 4, SNAPSHOTS + 1].contains(&seed) {
                let image = self.folder.path(&format!("image-{seed}.db"));
                std::fs::copy(&path, &image).expect("copies");
                self.images.push((placed.report.stored.snapshot_id.clone(), image));
            }
            overwrite(&mut connection, 2, seed);
        }
        assert!(all.sync(None, false).await.expect("syncs").troubles.is_empty());
        for side in [0, 1] {
            let destination = self.open(side, "home").await;
            if self.secret.is_some() {
                let other = Secret::Raw(RawKey::from_bytes([8; 32]));
                destination.repository().add_secret(&other, "another").await.expect("adds");
            }
            let database = destination.database("app").expect("valid");
            let listing = database.snapshots(None).await.expect("lists");
            let number = |at: usize| listing.snapshots[at].number();
            database.forget(&[number(1)]).await.expect("forgets");
            database.undelete(&[number(1)]).await.expect("brings back");
            // What the newest record did is lost with it.
            database.pin(&[number(0)]).await.expect("pins");
            let latest = listing.snapshots.last().expect("there are some");
            let at = latest.body().taken_at;
            database.beat(at, latest.number(), latest.id()).await.expect("beats");
            if side == 0 {
                self.heal_a_pack(side).await;
            }
            let checked = database.check(&everything()).await.expect("checks");
            assert!(checked.is_ok(), "{side}: {:?}", checked.result.findings);
        }
        drop(connection);
        for name in ["home", "far", "near"] {
            let from = if name == "far" { self.sides()[0].clone() } else { self.folder.path(name) };
            copy_tree(&from, &self.folder.path(&format!("kept/{name}")));
        }
    }

    /// Damages a pack of one side and has it healed from the live database alone, so
    /// that there is a repair.
    async fn heal_a_pack(&self, side: usize) {
        let mut packs = files(&self.sides()[side].join("databases/app/packs"));
        packs.sort_by_key(|path| std::fs::metadata(path).map_or(0, |data| data.len()));
        damage(packs.last().expect("there are packs"), Damage::Flipped);
        let destination = self.open(side, "home").await;
        let live = self.images[0].1.clone();
        let options = CollectOptions::default();
        let repaired = destination.repair("app", Some(&live), true, options).await.expect("mends");
        assert!(repaired.is_mended(), "{:?}", repaired.left);
    }

    /// All as it was before anything was damaged.
    fn reset(&self) {
        for name in ["home", "far", "near"] {
            let to = if name == "far" { self.sides()[0].clone() } else { self.folder.path(name) };
            std::fs::remove_dir_all(&to).expect("removes");
            copy_tree(&self.folder.path(&format!("kept/{name}")), &to);
        }
        let _ = std::fs::remove_dir_all(self.folder.path("stranger"));
    }

    async fn restore_each(&self, from: &Destinations) -> Result<(), String> {
        for (id, image) in &self.images {
            let target = self.folder.path("restored.db");
            let _ = std::fs::remove_file(&target);
            let exactly = Selector::Prefix(id.as_str().to_owned());
            let settings = RestoreSettings::default();
            let done = from.restore("app", &exactly, &target, &settings, |_| ()).await;
            let done = done.map_err(|error| format!("restore of {id}: {error:?}"))?;
            if done.report.snapshot_id != *id || !same_bytes(&target, image) {
                return Err(format!("{id} is another database"));
            }
        }
        Ok(())
    }

    /// Damages one object on one side, restores, heals, and looks at both sides.
    async fn check(&self, side: usize, object: &Path, damaged: Damage) -> Result<(), String> {
        self.reset();
        damage(&self.sides()[side].join(object), damaged);
        self.restore_each(&self.all()).await?;
        let healed = self.all().heal("app", &HealExtent::All, false).await;
        let healed = healed.map_err(|error| format!("heal: {error:?}"))?;
        if !healed.is_whole() {
            return Err(format!("left: {healed:?}"));
        }
        // Who was there, who has never been, and what the other side has become.
        for (side, name) in [(side, "home"), (side, "stranger"), (1 - side, "home")] {
            let clean = self.is_clean(side, name).await;
            clean.map_err(|what| format!("{side} {name}: {what}: {healed:?}"))?;
        }
        self.restore_each(&self.alone(side, "stranger")).await?;
        // And the next backup goes on from there.
        let path = self.folder.path("app.db");
        let settings = BackupSettings::default();
        let placed = self.all().backup(&path, &settings, &[], Missing::Refuse).await;
        let placed = placed.map_err(|error| format!("backup: {error:?}"))?;
        match placed.fallback_reason {
            Some(reason) => Err(format!("backup: {reason}")),
            None => Ok(()),
        }
    }

    /// Whether a side by itself is whole, every byte.
    async fn is_clean(&self, side: usize, name: &str) -> Result<(), String> {
        let all = self.alone(side, name);
        let chosen = all.choose(&[], Missing::Refuse).await;
        let destination = chosen.map_err(|error| format!("open: {error:?}"))?.destination;
        let database = destination.database("app").expect("valid");
        let checked = database.check(&everything()).await;
        let checked = checked.map_err(|error| format!("check: {error:?}"))?;
        let mut found = checked.result.findings;
        found.extend(destination.repository().check_keys().await.expect("checks"));
        if !found.is_empty() {
            return Err(format!("{found:?}"));
        }
        match checked.verified.len() {
            SNAPSHOTS => Ok(()),
            some => Err(format!("{some} snapshots")),
        }
    }
}

fn everything() -> CheckOptions {
    CheckOptions::of_depth(Depth::Data(Share::All))
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let paths = entries.map(|entry| entry.path());
    let mut found: Vec<PathBuf> =
        paths.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect();
    found.sort();
    found
}

fn copy_tree(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("makes a directory");
    for file in files(from) {
        let target = to.join(file.strip_prefix(from).expect("lies below"));
        std::fs::create_dir_all(target.parent().expect("has one")).expect("makes a directory");
        std::fs::copy(&file, target).expect("copies");
    }
}

fn damage(path: &Path, how: Damage) {
    match how {
        Damage::Deleted => std::fs::remove_file(path).expect("removes"),
        Damage::Flipped => {
            let mut bytes = std::fs::read(path).expect("reads");
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            std::fs::write(path, bytes).expect("writes");
        }
    }
}

/// The folder that an object lies in, below the root or below its database.
fn kind(object: &Path) -> String {
    let text = object.to_string_lossy();
    let text = text.strip_prefix("databases/app/").unwrap_or(&text);
    text.split('/').next().unwrap_or_default().to_owned()
}

/// One of so many parts of all objects: several tests share them, so that they run
/// beside each other.
async fn every_object(sealed: bool, in_bucket: bool, part: usize) {
    let pair = Pair::new(sealed, in_bucket).await;
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let mut objects: Vec<(usize, PathBuf)> = Vec::new();
    for (side, root) in pair.sides().into_iter().enumerate() {
        for object in files(&root) {
            let object = object.strip_prefix(&root).expect("lies below").to_owned();
            *counts.entry(kind(&object)).or_default() += 1;
            objects.push((side, object));
        }
    }
    println!("sealed {sealed}, in a bucket {in_bucket}: {counts:?}");
    let mut kinds =
        vec!["archives", "checks", "format", "heartbeats", "lists", "packs", "records", "repairs"];
    if sealed {
        kinds.insert(4, "keys");
    }
    assert_eq!(counts.keys().collect::<Vec<_>>(), kinds, "a kind is left out: {counts:?}");
    let (mut failed, mut done) = (Vec::new(), 0);
    for (side, object) in objects.iter().skip(part).step_by(PARTS) {
        for damaged in [Damage::Flipped, Damage::Deleted] {
            done += 1;
            if let Err(what) = pair.check(*side, object, damaged).await {
                failed.push(format!("{side} {damaged:?} {}: {what}", object.display()));
            }
        }
    }
    let what = if sealed { "sealed" } else { "plain" };
    println!("damaged: one of two destinations, {what}: {done}");
    assert!(failed.is_empty(), "{} failed:\n{}", failed.len(), failed.join("\n"));
}

/// In how many parts all objects are looked at.
const PARTS: usize = 4;

macro_rules! parts {
    ($name:ident, $sealed:expr, $in_bucket:expr) => {
        mod $name {
            use super::*;

            #[tokio::test(flavor = "multi_thread")]
            async fn first_part() {
                every_object($sealed, $in_bucket, 0).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn second_part() {
                every_object($sealed, $in_bucket, 1).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn third_part() {
                every_object($sealed, $in_bucket, 2).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn fourth_part() {
                every_object($sealed, $in_bucket, 3).await;
            }
        }
    };
}

parts!(two_directories, false, false);
parts!(two_directories_sealed, true, false);
parts!(a_bucket_and_a_directory, false, true);
parts!(a_bucket_and_a_directory_sealed, true, true);
