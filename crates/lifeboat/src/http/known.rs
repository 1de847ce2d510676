//! What is known of the snapshots of a database, for as long as nothing happens.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use lifeboat_format::record::SnapshotBody;
use lifeboat_http::Problem;
use lifeboat_http::model::{Change, Point, SnapshotDetail, SnapshotInfo, TrashInfo};
use lifeboat_repository::{Selector, Snapshot};
use time::OffsetDateTime;

use super::ServiceAdmin;
use super::problem::explained;
use crate::destination::{Destination, Missing};
use crate::destinations::Merged;
use crate::error::Error;
use crate::hint::About;
use crate::keep::Inventory;
use crate::setup::Kept;

/// What others do to a repository is seen after this time.
const FRESH: Duration = Duration::from_secs(20);

/// Of how many databases the snapshots are remembered.
const REMEMBERED: usize = 64;

/// How many snapshots a chart shows.
const CHARTED: usize = 90;

/// The snapshots of a database.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// The newest first.
    pub(super) snapshots: Vec<SnapshotInfo>,
    bodies: Vec<SnapshotBody>,
    /// Every destination was asked, and has none.
    pub(super) empty: bool,
}

/// What is known of databases.
#[derive(Debug, Default)]
pub(super) struct Cache {
    known: Mutex<HashMap<String, (Instant, Arc<Known>)>>,
    /// How often something was forgotten: what was read before that is not kept.
    turn: AtomicU64,
}

impl Cache {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, (Instant, Arc<Known>)>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn forget(&self, database: &str) {
        let mut known = self.lock();
        self.turn.fetch_add(1, Ordering::Relaxed);
        known.remove(database);
    }

    pub(super) fn forget_all(&self) {
        let mut known = self.lock();
        self.turn.fetch_add(1, Ordering::Relaxed);
        known.clear();
    }

    fn turn(&self) -> u64 {
        self.turn.load(Ordering::Relaxed)
    }

    fn find(&self, database: &str) -> Option<Arc<Known>> {
        let known = self.lock();
        let (since, known) = known.get(database)?;
        (since.elapsed() < FRESH).then(|| Arc::clone(known))
    }

    fn keep(&self, database: &str, asked: Instant, turn: u64, known: &Arc<Known>) {
        let mut all = self.lock();
        if turn != self.turn() {
            return;
        }
        if all.len() >= REMEMBERED {
            all.retain(|_, (since, _)| since.elapsed() < FRESH);
        }
        if all.len() >= REMEMBERED {
            all.clear();
        }
        all.insert(database.to_owned(), (asked, Arc::clone(known)));
    }
}

impl ServiceAdmin {
    /// The snapshots of a database, on all destinations.
    pub(super) async fn known(&self, database: &str) -> Result<Arc<Known>, Problem> {
        if let Some(known) = self.cache.find(database) {
            return Ok(known);
        }
        let (asked, turn) = (Instant::now(), self.cache.turn());
        let watched = self.service.database(database).and_then(|one| one.watched());
        let watched = watched.map_err(explained(About::Reading))?;
        if self.service.disabled().is_some() {
            return Ok(Arc::new(Known { empty: true, ..Known::default() }));
        }
        let inventories = match self.service.destinations().inventories(database).await {
            Ok((inventories, _)) => inventories,
            Err(Error::NoRepository { .. }) => Vec::new(),
            Err(error) => return Err(explained(About::Reading)(error)),
        };
        let known = Arc::new(self.together(database, inventories, &watched.keeping));
        self.cache.keep(database, asked, turn, &known);
        Ok(known)
    }

    fn together(&self, name: &str, inventories: Vec<(String, Inventory)>, kept: &Kept) -> Known {
        let mut because: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (_, inventory) in &inventories {
            let reasons = kept_because(inventory, kept);
            for snapshot in &inventory.listing.snapshots {
                if let Some(reasons) = reasons.get(&snapshot.number().0) {
                    because.entry(snapshot.id().to_string()).or_insert_with(|| reasons.clone());
                }
            }
        }
        let merged = Merged::of(inventories);
        let names = self.names_of_places();
        let mut known = Known { empty: merged.snapshots.is_empty(), ..Known::default() };
        for one in merged.snapshots.iter().rev() {
            let body = one.snapshot.body();
            let id = one.snapshot.id().to_string();
            let place = |shown: &String| names.get(shown).unwrap_or(shown).clone();
            known.snapshots.push(SnapshotInfo {
                database: name.to_owned(),
                sequence: one.snapshot.number().0,
                generation: body.generation,
                taken_at: body.taken_at.into(),
                size: size(body),
                bytes_added: body.statistics.bytes_sent,
                pages_changed: body.statistics.pages_changed,
                trigger: trigger(body),
                tags: body.tags.clone(),
                description: body.description.clone(),
                kept_because: because.remove(&id).unwrap_or_default(),
                pinned: one.snapshot.is_pinned(),
                verified_at: one.proof.verified_at.map(Into::into),
                drilled_at: one.proof.drilled_at.map(Into::into),
                damage: one.proof.damage.clone(),
                destinations: one.places.iter().map(place).collect(),
                fork: merged.is_fork(one),
                snapshot_id: id,
            });
            known.bodies.push(body.clone());
        }
        known
    }

    /// The trash of the first destination that works.
    pub(super) async fn trashed(&self, database: &str) -> Result<Vec<TrashInfo>, Problem> {
        let watched = self.service.database(database).and_then(|one| one.watched());
        let watched = watched.map_err(explained(About::Reading))?;
        let look = async {
            let (places, names) = (self.service.destinations(), &watched.destinations);
            let destination = places.choose(names, Missing::Refuse).await?.destination;
            Ok(destination.database(database)?.trashed().await?)
        };
        let mut trash = match look.await {
            Ok(trash) => trash,
            Err(Error::NoRepository { .. }) => return Ok(Vec::new()),
            Err(error) => return Err(explained(About::Reading)(error)),
        };
        trash.reverse();
        let stays = watched.keeping.collect.trash;
        let info = |one: &lifeboat_repository::TrashedSnapshot| {
            let snapshot = one.snapshot.as_ref()?;
            Some(TrashInfo {
                database: database.to_owned(),
                snapshot_id: snapshot.id().to_string(),
                sequence: one.trashed.number.0,
                taken_at: snapshot.body().taken_at.into(),
                forgotten_at: one.trashed.since.into(),
                until: Some((one.trashed.since + stays).into()),
                size: size(snapshot.body()),
            })
        };
        Ok(trash.iter().filter_map(info).collect())
    }

    /// Changes a snapshot wherever it lies. The first destination counts; of the
    /// others, those that do not answer are told in the log.
    pub(super) async fn change_one(
        &self,
        database: &str,
        snapshot: &str,
        change: Change,
    ) -> Result<String, Problem> {
        let id = match change {
            Change::Undelete => self.find_in_trash(database, snapshot).await?,
            _ => self.known(database).await?.detail(snapshot)?.snapshot.snapshot_id,
        };
        let pinned =
            Change::Forget == change && self.known(database).await?.detail(&id)?.snapshot.pinned;
        if pinned {
            let message = "the snapshot is pinned, and is not forgotten";
            return Err(Problem::conflict(7, message).with_hint("unpin it first"));
        }
        let places = self.service.destinations();
        let (opened, mut causes) =
            places.open_for_reading().await.map_err(explained(About::Reading))?;
        let mut done = false;
        let mut failed = None;
        for (_, destination) in &opened {
            match change_at(destination, database, &id, change).await {
                Ok(had) => done |= had,
                Err(error) => {
                    tracing::warn!("{}: {} of {id}: {error}", destination.shown(), change.name());
                    failed = failed.or(Some(error));
                }
            }
        }
        match (failed, causes.pop()) {
            _ if done => Ok(id),
            (Some(error), _) => Err(explained(About::Reading)(error)),
            // Who did not answer may have it.
            (None, Some(cause)) => Err(explained(About::Reading)(*cause.error)),
            (None, None) => Err(Problem::not_found("there is no such snapshot")),
        }
    }

    async fn find_in_trash(&self, database: &str, snapshot: &str) -> Result<String, Problem> {
        let trash = self.trashed(database).await?;
        let found = trash.iter().filter(|one| one.snapshot_id.starts_with(snapshot));
        match found.collect::<Vec<_>>()[..] {
            [one] => Ok(one.snapshot_id.clone()),
            [] => Err(Problem::not_found("there is no such snapshot in the trash")),
            _ => Err(Problem::usage("several snapshots begin like this")),
        }
    }
}

/// Changes a snapshot at one destination; false if it does not have it.
async fn change_at(
    destination: &Destination,
    name: &str,
    id: &str,
    change: Change,
) -> Result<bool, Error> {
    let database = destination.database(name)?;
    let number = if change == Change::Undelete {
        let trash = database.trashed().await?;
        let is_it = |snapshot: &Snapshot| snapshot.id().as_str() == id;
        let found = trash.iter().find(|one| one.snapshot.as_ref().is_some_and(is_it));
        found.map(|one| one.trashed.number)
    } else {
        match database.resolve(&Selector::Prefix(id.to_owned()), None).await {
            Ok(snapshot) => Some(snapshot.number()),
            Err(
                lifeboat_repository::ResolveError::NotFound { .. }
                | lifeboat_repository::ResolveError::NoSnapshots { .. },
            ) => None,
            Err(error) => return Err(error.into()),
        }
    };
    let Some(number) = number else { return Ok(false) };
    match change {
        Change::Forget => database.forget(&[number]).await?,
        Change::Undelete => database.undelete(&[number]).await?,
        Change::Pin => database.pin(&[number]).await?,
        Change::Unpin => database.unpin(&[number]).await?,
    }
    Ok(true)
}

impl Known {
    /// One of them: `latest`, an id, or a prefix of one that is unique.
    pub(super) fn detail(&self, asked: &str) -> Result<SnapshotDetail, Problem> {
        let fits = |one: &SnapshotInfo| one.snapshot_id.starts_with(asked);
        let back = match asked.strip_prefix("latest") {
            Some("") => Some(0),
            Some(back) => back.strip_prefix('~').and_then(|back| back.parse::<usize>().ok()),
            None => None,
        };
        let at = if let Some(back) = back {
            (back < self.snapshots.len()).then_some(back)
        } else {
            let mut found = (0..self.snapshots.len()).filter(|at| fits(&self.snapshots[*at]));
            let first = found.next();
            if found.next().is_some() {
                return Err(Problem::usage("several snapshots begin like this"));
            }
            first
        };
        let at = at.ok_or_else(|| Problem::not_found("there is no such snapshot"))?;
        let id = |at: Option<usize>| {
            at.and_then(|at| self.snapshots.get(at)).map(|one| one.snapshot_id.clone())
        };
        let body = &self.bodies[at];
        Ok(SnapshotDetail {
            snapshot: self.snapshots[at].clone(),
            origin: Some(body.origin.clone()),
            page_size: body.page_size.into(),
            page_count: body.page_count.into(),
            image_digest: body.image_digest.to_string(),
            bytes_read: body.statistics.bytes_read,
            facts: facts(body),
            previous: id(at.checked_add(1)),
            next: id(at.checked_sub(1)),
        })
    }

    /// For a chart, the oldest first.
    pub(super) fn history(&self) -> Vec<Point> {
        let points = self.snapshots.iter().take(CHARTED).rev();
        points
            .map(|one| Point {
                taken_at: one.taken_at,
                size: one.size,
                bytes_added: one.bytes_added,
            })
            .collect()
    }
}

fn size(body: &SnapshotBody) -> u64 {
    u64::from(body.page_size) * u64::from(body.page_count)
}

fn trigger(body: &SnapshotBody) -> String {
    use lifeboat_format::record::Trigger;
    match body.trigger {
        Trigger::Manual => "manual",
        Trigger::Scheduled => "scheduled",
        Trigger::BeforeOperation => "before-operation",
        Trigger::Safety => "safety",
        Trigger::Startup => "startup",
        _ => "other",
    }
    .to_owned()
}

/// What SQLite says of itself, as far as people ask for it.
fn facts(body: &SnapshotBody) -> BTreeMap<String, String> {
    let sqlite = &body.sqlite;
    let encoding = match sqlite.text_encoding {
        2 => "UTF-16le",
        3 => "UTF-16be",
        _ => "UTF-8",
    };
    let version =
        |number: u32| format!("{}.{}.{}", number / 1_000_000, number / 1000 % 1000, number % 1000);
    let all = [
        ("journal mode", sqlite.journal.clone()),
        ("user version", sqlite.user_version.to_string()),
        ("free pages", sqlite.free_pages.to_string()),
        ("text encoding", encoding.to_owned()),
        ("written by SQLite", version(sqlite.written_by)),
    ];
    all.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// Why the policy keeps each snapshot, by its number.
fn kept_because(inventory: &Inventory, kept: &Kept) -> BTreeMap<u64, Vec<String>> {
    let Some(policy) = &kept.policy else { return BTreeMap::new() };
    match inventory.plan(policy, OffsetDateTime::now_utc(), &kept.zone) {
        Ok(plan) => plan
            .kept()
            .map(|one| (one.number, one.reasons.iter().map(ToString::to_string).collect()))
            .collect(),
        Err(error) => {
            tracing::warn!("what is kept cannot be said: {error}");
            BTreeMap::new()
        }
    }
}
