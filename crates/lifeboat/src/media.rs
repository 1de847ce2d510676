//! Files beside the database: the objects that its rows mention, kept with its
//! snapshots where a rule asks for that.
//!
//! Rows are read when the image was captured, so that whatever the image mentions
//! and nobody deleted meanwhile is there; a file that the snapshot before has, and
//! that the store says is the same, is not read again.

mod back;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::StreamExt as _;
use futures::future::BoxFuture;
use lifeboat_config as config;
use lifeboat_format::attached::AttachedFile;
use lifeboat_links::{Group, LinksError, Mentioned, Seen, Several};
use lifeboat_remote::Remote;
use lifeboat_remote::objects::{ObjectError, ObjectProvider as _, RemoteProvider};
use lifeboat_repository::{Attach, Attacher, FileFacts, Uploader, WriteError};
use tokio::sync::Semaphore;

use crate::error::{Error, causes_of};
use crate::links::{LinkedDatabase, StoreLinks, open_rules};

pub use back::{PutBack, put_back};

/// So many files are looked at before those that are new are copied.
const BATCH: usize = 64;
/// So many are copied at once.
const TOGETHER: usize = 12;
/// So much of them is in memory, in pieces of 64 KiB: what is read, and what is put.
const PIECE: u64 = 64 * 1024;
const PIECES: u32 = 384;
/// What one file takes at most of that: a part that is read, and one that is sealed.
const MOST: u64 = 8 * 1024 * 1024;
/// The memory for sorting, for each of rows and objects.
const SORTING: usize = 6 * 1024 * 1024;
/// After so many that a store did not hand out it is asked no more.
const GIVEN_UP: u64 = 16;
/// What the first snapshot waits for, in bytes. What is over is copied for the next,
/// which follows at once, and twice as much each time: whoever is killed has lost no
/// more than that.
const FIRST: u64 = 256 * 1024 * 1024;
const LAST: u64 = 4 * 1024 * 1024 * 1024;

/// What became of the files beside a database.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MediaReport {
    /// How many files the snapshot has.
    pub files: u64,
    /// Their sizes together.
    pub bytes: u64,
    /// How many of them were copied now.
    pub copied: u64,
    /// Their sizes together.
    pub bytes_copied: u64,
    /// Objects that rows mention and that are not there.
    pub missing: Several,
    /// Files that should be kept and could not be read now, with the reason of one.
    pub unread: Several,
    /// Rows that hold no key.
    pub unusable: Several,
    /// Files that wait for the next round.
    pub(crate) postponed: u64,
}

/// The rules about the files of one database, for a backup.
#[derive(Debug)]
pub struct Media {
    rules: Vec<config::Links>,
    database: LinkedDatabase,
    cache: PathBuf,
    limit: AtomicU64,
    report: Mutex<MediaReport>,
}

impl Media {
    /// What the rules ask to be kept of the database of this name, at a path; none
    /// where they ask for nothing. Temporary files are made below `cache`.
    pub fn of(rules: &[config::Links], name: &str, path: &Path, cache: &Path) -> Option<Self> {
        let wanted = |rule: &&config::Links| rule.backup && rule.database == name;
        let rules: Vec<config::Links> = rules.iter().filter(wanted).cloned().collect();
        (!rules.is_empty()).then(|| Self {
            rules,
            database: LinkedDatabase::new(name, path),
            cache: cache.to_owned(),
            limit: AtomicU64::new(FIRST),
            report: Mutex::default(),
        })
    }

    /// What came of the last round.
    pub fn report(&self) -> MediaReport {
        self.told().clone()
    }

    fn told(&self) -> MutexGuard<'_, MediaReport> {
        self.report.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has the next snapshot wait for all of them, because there is only one.
    pub(crate) fn all_at_once(&self) {
        self.limit.store(u64::MAX, Ordering::Relaxed);
    }

    /// Whether there is another round, which is larger.
    pub(crate) fn goes_on(&self) -> bool {
        let more = self.told().postponed > 0;
        let limit = self.limit.load(Ordering::Relaxed);
        self.limit.store(limit.saturating_mul(2).min(LAST.max(limit)), Ordering::Relaxed);
        more
    }

    async fn take(&self, attacher: &mut Attacher) -> Result<(), WriteError> {
        let (copied, bytes_copied) = {
            let told = self.told();
            (told.copied, told.bytes_copied)
        };
        *self.told() = MediaReport { copied, bytes_copied, ..MediaReport::default() };
        let opened = open_rules(&self.rules, std::slice::from_ref(&self.database), &self.cache);
        let links = match opened.await {
            Ok(links) => links,
            Err(error) => {
                self.unread(|| format!("failed to {}", causes_of(&error)));
                attacher.keep_as_before();
                return Ok(());
            }
        };
        let mut stores = links.stores().to_vec();
        stores.sort_by(|one, other| one.shown.cmp(&other.shown));
        let mut spent = 0;
        for store in &stores {
            self.take_store(store, attacher, &mut spent).await?;
        }
        Ok(())
    }

    fn unread(&self, example: impl FnOnce() -> String) {
        self.told().unread.count_one(example);
    }

    async fn take_store(
        &self,
        store: &StoreLinks,
        attacher: &mut Attacher,
        spent: &mut u64,
    ) -> Result<(), WriteError> {
        let group = store.group.clone().with_memory(SORTING);
        let mut mentioned = match mentioned(group.clone()).await {
            Ok(mentioned) => mentioned,
            Err(error) => {
                self.unread(|| format!("failed to {}", causes_of(&Error::Links(error))));
                attacher.leave();
                while let Some(file) = attacher.next_of(&store.shown).await? {
                    self.count(&file);
                    attacher.push(file).await?;
                }
                return Ok(());
            }
        };
        self.told().unusable = mentioned.unusable.clone();
        if let Some(why) = &mentioned.unlisted {
            tracing::info!("{} is not listed: {why}", store.shown);
        }
        let copier = Copier {
            store: &store.shown,
            from: RemoteProvider::new("store", group.store().clone()),
            uploader: attacher.uploader(),
            room: Arc::new(Semaphore::new(PIECES as usize)),
        };
        let mut refused = 0;
        loop {
            let batch = self.batch(&mut mentioned, store, attacher, spent, refused).await?;
            if batch.is_empty() {
                return Ok(());
            }
            let copies = batch.into_iter().map(|one| copier.copy(one));
            let mut copies = futures::stream::iter(copies).buffered(TOGETHER);
            while let Some(copied) = copies.next().await {
                let file = match copied? {
                    Came::Known(file) => Some(file),
                    Came::Copied(file) => {
                        let mut told = self.told();
                        told.copied += 1;
                        told.bytes_copied += file.size;
                        Some(file)
                    }
                    Came::Postponed(old) => {
                        self.told().postponed += 1;
                        attacher.leave();
                        old
                    }
                    Came::Missing(key, old) => {
                        self.told().missing.count_one(|| key);
                        old
                    }
                    Came::Unread(why, old) => {
                        refused += 1;
                        self.unread(|| why);
                        attacher.leave();
                        old
                    }
                };
                if let Some(file) = file {
                    self.count(&file);
                    attacher.push(file).await?;
                }
            }
        }
    }

    fn count(&self, file: &AttachedFile) {
        let mut told = self.told();
        told.files += 1;
        told.bytes += file.size;
    }

    /// The next files, and what is to be done with each.
    async fn batch(
        &self,
        mentioned: &mut Mentioned,
        store: &StoreLinks,
        attacher: &mut Attacher,
        spent: &mut u64,
        refused: u64,
    ) -> Result<Vec<Wanted>, WriteError> {
        let limit = self.limit.load(Ordering::Relaxed);
        let mut batch = Vec::new();
        while batch.len() < BATCH {
            let (key, seen) = match mentioned.advance() {
                Ok(Some(next)) => next,
                Ok(None) => break,
                Err(error) => {
                    // Our own temporary file: what was read so far is what there is.
                    self.unread(|| causes_of(&Error::Links(error)).to_string());
                    attacher.leave();
                    break;
                }
            };
            let old = attacher.before(&store.shown, &key).await?;
            let known = old.as_ref().is_some_and(|old| is_same(old, seen.as_ref()));
            let todo = if known {
                Todo::Keep
            } else if *spent >= limit {
                Todo::Postpone
            } else if refused >= GIVEN_UP {
                Todo::GiveUp
            } else {
                *spent += seen.as_ref().map_or(PIECE, |seen| seen.size.max(PIECE));
                Todo::Copy
            };
            batch.push(Wanted { key, seen, old, todo });
        }
        Ok(batch)
    }
}

impl Attach for Media {
    fn attach<'a>(&'a self, attacher: &'a mut Attacher) -> BoxFuture<'a, Result<(), WriteError>> {
        Box::pin(self.take(attacher))
    }
}

/// Reads rows where that may block.
async fn mentioned(group: Group) -> Result<Mentioned, LinksError> {
    let runtime = tokio::runtime::Handle::current();
    match tokio::task::spawn_blocking(move || runtime.block_on(group.mentioned())).await {
        Ok(done) => done,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

/// Whether an object still is the one that was copied, as far as the store says. One
/// that the listing does not show may be gone: what was copied stays.
fn is_same(old: &AttachedFile, seen: Option<&Seen>) -> bool {
    let Some(seen) = seen else { return true };
    if old.size != seen.size {
        return false;
    }
    match (&old.etag, &seen.etag) {
        (Some(old), Some(seen)) => old == seen,
        // Some stores round parts of seconds, some cut them off.
        _ => old.modified.is_some_and(|old| old.abs_diff(seen.modified) <= 1),
    }
}

/// A file, and what is to be done with it.
struct Wanted {
    key: String,
    seen: Option<Seen>,
    old: Option<AttachedFile>,
    todo: Todo,
}

enum Todo {
    Keep,
    Copy,
    Postpone,
    GiveUp,
}

/// What came of it, with what the snapshot before has.
enum Came {
    Known(AttachedFile),
    Copied(AttachedFile),
    Postponed(Option<AttachedFile>),
    Missing(String, Option<AttachedFile>),
    Unread(String, Option<AttachedFile>),
}

struct Copier<'a> {
    store: &'a str,
    from: RemoteProvider,
    uploader: Uploader,
    room: Arc<Semaphore>,
}

impl Copier<'_> {
    async fn copy(&self, wanted: Wanted) -> Result<Came, WriteError> {
        let Wanted { key, seen, old, todo } = wanted;
        match todo {
            Todo::Keep => {
                if let Some(old) = old {
                    return Ok(Came::Known(old));
                }
            }
            Todo::Postpone => return Ok(Came::Postponed(old)),
            Todo::GiveUp => {
                let why = format!("{key} was not asked for, since the store does not answer");
                return Ok(Came::Unread(why, old));
            }
            Todo::Copy => {}
        }
        let size = seen.as_ref().map_or(MOST, |seen| seen.size * 2).clamp(PIECE, MOST * 2);
        let pieces = u32::try_from(size / PIECE).unwrap_or(PIECES).clamp(1, PIECES);
        let _room = self.room.acquire_many(pieces).await.expect("it is never closed");
        // One that is replaced while it is read is read once more.
        for again in [true, false] {
            match self.copy_once(&key, seen.as_ref()).await? {
                Ok(Some(file)) => return Ok(Came::Copied(file)),
                Ok(None) => return Ok(Came::Missing(key, old)),
                Err(ObjectError::Changed { .. }) if again => {}
                Err(error) => {
                    let why = format!("failed to {}", causes_of(&Error::Object(error)));
                    return Ok(Came::Unread(why, old));
                }
            }
        }
        unreachable!("the second time ends it")
    }

    async fn copy_once(
        &self,
        key: &str,
        seen: Option<&Seen>,
    ) -> Result<Result<Option<AttachedFile>, ObjectError>, WriteError> {
        let object = match self.from.get(key).await {
            Ok(Some(object)) => object,
            Ok(None) => return Ok(Ok(None)),
            Err(error) => return Ok(Err(error)),
        };
        let facts = FileFacts {
            store: self.store.to_owned(),
            key: key.to_owned(),
            modified: seen.map(|seen| seen.modified),
            etag: object.info.etag.clone().or_else(|| seen.and_then(|seen| seen.etag.clone())),
            content_type: object.info.content_type.clone(),
        };
        let size = object.info.size;
        let put = self.uploader.put(facts, object.into_chunks()).await?;
        Ok(match put {
            Ok(file) if file.size != size => {
                Err(ObjectError::Length { key: key.to_owned(), expected: size })
            }
            put => put.map(Some),
        })
    }
}

/// The store that a rule is about, by the name that people are shown.
pub(crate) fn stores_of(
    rules: &[config::Links],
    name: &str,
) -> Result<Vec<(String, Remote)>, Error> {
    let mut stores: Vec<(String, Remote)> = Vec::new();
    for rule in rules.iter().filter(|rule| rule.database == name) {
        let store = crate::links::store_of(rule)?;
        if stores.iter().all(|(shown, _)| shown != store.shown()) {
            stores.push((store.shown().to_owned(), store));
        }
    }
    Ok(stores)
}
