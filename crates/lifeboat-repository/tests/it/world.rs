//! A repository to test in: a store, and installations that use it.

use std::path::Path;
use std::sync::Arc;
use std::sync::Mutex;

use lifeboat_format::id::{DatabaseName, InstallationId};
use lifeboat_remote::Remote;
use lifeboat_repository::{
    BackupOptions, BackupReport, Database, Local, LocalOptions, Repository, RestoreOptions,
    Selector, Snapshot,
};
use time::OffsetDateTime;

use crate::image::{Image, NOON, Restored};

/// An installation, with directories of its own and a clock that stands.
pub(crate) struct Host {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) clock: Arc<Mutex<OffsetDateTime>>,
    pub(crate) local: Local,
}

impl Host {
    pub(crate) fn new(id: &str) -> Self {
        let dir = directory();
        let clock = Arc::new(Mutex::new(NOON));
        let local = Self::local(dir.path(), id, &clock);
        Self { dir, clock, local }
    }

    fn local(dir: &std::path::Path, id: &str, clock: &Arc<Mutex<OffsetDateTime>>) -> Local {
        let mut options = LocalOptions::new(dir.join("state"), dir.join("cache"));
        options.installation_id = Some(InstallationId::new(id).expect("valid"));
        let clock = Arc::clone(clock);
        Local::open(options).with_clock(Arc::new(move || *clock.lock().expect("never poisoned")))
    }

    /// Another one with the same id, memory, cache and time: what it does changes
    /// nothing here.
    pub(crate) fn fork(&self) -> Self {
        let dir = directory();
        copy_folder(self.dir.path(), dir.path());
        let clock = Arc::new(Mutex::new(*self.clock.lock().expect("never poisoned")));
        let id = self.local.installation().expect("was given").to_string();
        let local = Self::local(dir.path(), &id, &clock);
        Self { dir, clock, local }
    }

    pub(crate) fn advance(&self, by: std::time::Duration) {
        *self.clock.lock().expect("never poisoned") += by;
    }

    /// Forgets the cache, as anybody may at any time.
    pub(crate) fn drop_cache(&self) {
        let cache = self.dir.path().join("cache");
        std::fs::remove_dir_all(&cache).expect("removes");
        std::fs::create_dir_all(&cache).expect("makes");
    }

    pub(crate) async fn create(&self, remote: Remote) -> Database {
        let repository = Repository::create(remote, self.local.clone()).await.expect("creates");
        repository.database(name())
    }

    pub(crate) async fn open(&self, remote: Remote) -> Database {
        let repository = Repository::open(remote, self.local.clone()).await.expect("opens");
        repository.database(name())
    }
}

fn copy_folder(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).expect("lists").flatten() {
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() {
            std::fs::create_dir_all(&to).expect("makes");
            copy_folder(&from, &to);
        } else {
            std::fs::copy(&from, &to).expect("copies");
        }
    }
}

/// A temporary directory, in memory where that can be had: that state survives a
/// loss of power is not what these tests are about, and they would wait for the
/// disk most of their time.
pub(crate) fn directory() -> tempfile::TempDir {
    let shm = std::path::Path::new("/dev/shm");
    let dir = if shm.is_dir() { tempfile::tempdir_in(shm) } else { tempfile::tempdir() };
    dir.expect("a temporary directory")
}

pub(crate) fn name() -> DatabaseName {
    DatabaseName::new("app").expect("valid")
}

pub(crate) fn options() -> BackupOptions {
    let mut options = BackupOptions::new("/srv/app.db");
    options.level = 1;
    options
}

/// Backs an image up, and proves that what was made restores.
pub(crate) async fn backup(database: &Database, image: &Image) -> BackupReport {
    let report = database
        .backup(image.clone(), options())
        .await
        .map(|backup| backup.report)
        .expect("backs up");
    let selector = Selector::Prefix(report.snapshot_id.to_string());
    check_restores(database, &selector, image).await;
    report
}

pub(crate) async fn resolve(database: &Database, selector: &Selector) -> Snapshot {
    database.resolve(selector, None).await.expect("is there")
}

/// Checks that a snapshot restores to exactly an image.
pub(crate) async fn check_restores(database: &Database, selector: &Selector, image: &Image) {
    let snapshot = resolve(database, selector).await;
    let (restored, _) = database
        .restore(&snapshot, Restored::default(), &RestoreOptions::default())
        .await
        .expect("restores");
    assert!(restored.finish() == image.bytes, "{selector} restores to another image");
    let digest = image.digest(database.repository().hash_key());
    assert_eq!(snapshot.body().image_digest, digest);
}

/// Checks that every living snapshot restores to an image with its digest.
pub(crate) async fn check_all_restore(database: &Database) -> usize {
    let listing = database.snapshots(None).await.expect("lists");
    assert!(listing.broken.is_empty(), "{:?}", listing.broken);
    for snapshot in &listing.snapshots {
        let (restored, report) = database
            .restore(snapshot, Restored::default(), &RestoreOptions::default())
            .await
            .expect("restores");
        let mut image = Image::new(0);
        image.page_size = report.geometry.page_size().bytes();
        image.bytes = restored.finish();
        let digest = image.digest(database.repository().hash_key());
        assert_eq!(digest, snapshot.body().image_digest, "snapshot {}", snapshot.id());
    }
    listing.snapshots.len()
}
