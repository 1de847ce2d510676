//! The agent inside a program: it backs databases up by itself, does their upkeep,
//! and says how they are.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use lifeboat::service::Service;
//!
//! # async fn example() -> Result<(), lifeboat::Error> {
//! let backups = Service::builder()
//!     .database("app.db")
//!     .destination("./backups")
//!     .every(Duration::from_secs(15 * 60))
//!     .start()?;
//! // … the application …
//! backups.shutdown().await;
//! # Ok(())
//! # }
//! ```
//!
//! A [`Service`] is made by a [`ServiceBuilder`], or from settings, the same that
//! `lifeboat run` goes by. It is a handle that is cheap to clone; all that can be
//! asked of it can be asked before it is started as well, and after it was shut
//! down: only the schedule needs it to run.
//!
//! One backup of a database runs at a time, whoever asked for it. A database that
//! waits for its turn has no connection, no descriptor, and a few KiB of memory.

mod around;
mod builder;
mod database;
mod follow;
mod guard;
mod health;
mod plan;
mod run;
mod schedule;
mod status;
mod upkeep;
mod witness;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, Weak};

use lifeboat_agent::{Clock, Event, Job, What};
use lifeboat_config::Role;
use time::OffsetDateTime;
use tokio::sync::{Semaphore, broadcast, watch};

use crate::destinations::{DestinationSettings, Destinations, Merged, ReadAs, Whole};
use crate::error::{Error, ErrorKind};
use crate::in_place::{InPlaceReport, InPlaceSettings, Place};
use crate::restore::{RestoreReport, RestoreSettings};
use crate::take::{BackupReport, BackupSettings};
use crate::{Destination, Missing, Placed};
use lifeboat_repository::{ResolveError, Selector};

pub use builder::ServiceBuilder;
pub use database::WatchedDatabase;
pub use guard::{GuardedError, PutBack};
pub use health::Judged;
pub use plan::{Drills, ServicePlan, Watched};
pub use status::Status;
pub use witness::{Happening, Progress, Witness};

/// So many events wait for a subscriber that is slow; older ones are lost to it,
/// and it is told how many.
const WAITING: usize = 1024;

/// Backs databases up by itself, and is asked about them. Cheap to clone; clones
/// are the same service.
#[derive(Clone)]
pub struct Service {
    inner: Arc<Inner>,
}

/// What was found where a database should be when a program begins.
#[derive(Debug)]
#[non_exhaustive]
pub enum FirstStart {
    /// It is there, and was not touched.
    Present,
    /// It was missing, and is restored.
    Restored(Box<Whole<RestoreReport>>),
    /// It is missing, and no backup was ever made of it.
    NoBackupYet,
}

struct Inner {
    plan: RwLock<Arc<ServicePlan>>,
    by_name: RwLock<Arc<BTreeMap<String, Arc<Watched>>>>,
    clock: Arc<dyn Clock + Send + Sync>,
    witness: Arc<dyn Witness>,
    events: broadcast::Sender<Event>,
    /// One for each backup that may run.
    slots: Arc<Semaphore>,
    /// Held by the one run of a database.
    runs: Mutex<HashMap<String, Weak<tokio::sync::Mutex<()>>>>,
    known: Mutex<HashMap<String, Status>>,
    running: Mutex<Option<schedule::Running>>,
    keepers: follow::Keepers,
    /// Every database that is watched belongs to another installation now.
    lost: watch::Sender<bool>,
}

/// What a piece of upkeep did.
#[derive(Debug, Default)]
struct Done {
    summary: String,
    /// It is to be tried again soon, because of this.
    trouble: Option<String>,
    /// It was done, and found this.
    damage: Option<String>,
}

impl Done {
    fn saying(summary: String) -> Self {
        Self { summary, ..Self::default() }
    }

    fn damage(what: String) -> Self {
        Self { damage: Some(what), ..Self::default() }
    }
}

impl Service {
    /// Begins with nothing: databases and destinations are named one by one.
    pub fn builder() -> ServiceBuilder {
        ServiceBuilder::default()
    }

    /// Goes by a plan, such as that of settings.
    pub fn new(plan: ServicePlan) -> Self {
        Self::with(plan, Arc::new(lifeboat_agent::SystemClock), Arc::new(witness::Nobody))
    }

    /// As [`new`](Self::new), with another clock, and somebody who sees everything.
    pub fn with(
        plan: ServicePlan,
        clock: Arc<dyn Clock + Send + Sync>,
        witness: Arc<dyn Witness>,
    ) -> Self {
        let (events, _) = broadcast::channel(WAITING);
        let by_name = by_name(&plan);
        let inner = Inner {
            slots: Arc::new(Semaphore::new(plan.at_once.max(1))),
            plan: RwLock::new(Arc::new(plan)),
            by_name: RwLock::new(Arc::new(by_name)),
            clock,
            witness,
            events,
            runs: Mutex::default(),
            known: Mutex::default(),
            running: Mutex::default(),
            keepers: follow::Keepers::default(),
            lost: watch::Sender::new(false),
        };
        Self { inner: Arc::new(inner) }
    }

    /// The databases that are watched, by name.
    pub fn databases(&self) -> Vec<Arc<Watched>> {
        self.inner.by_name().values().cloned().collect()
    }

    /// One of them, for all that can be asked of it.
    pub fn database(&self, name: &str) -> Result<WatchedDatabase, Error> {
        self.inner.watched(name)?;
        Ok(WatchedDatabase::new(self.clone(), name))
    }

    /// Where backups go.
    pub fn destinations(&self) -> Destinations {
        self.inner.plan().destinations.clone()
    }

    /// When to worry.
    pub fn limits(&self) -> lifeboat_agent::Limits {
        self.inner.plan().limits.clone()
    }

    /// Why there are no backups here, if so.
    pub fn disabled(&self) -> Option<crate::setup::Disabled> {
        self.inner.plan().disabled.clone()
    }

    /// Backs a database up now, or when the run that is under way has ended, and
    /// waits for it.
    ///
    /// Cancelled, it leaves at most packs that no record names.
    pub async fn trigger(&self, database: &str) -> Result<BackupReport, Error> {
        let placed = self.trigger_with(database, BackupSettings::default()).await?;
        Ok(placed.report)
    }

    /// As [`trigger`](Self::trigger), as these settings say; the name is that of
    /// the database, whatever stands there.
    pub async fn trigger_with(
        &self,
        database: &str,
        settings: BackupSettings,
    ) -> Result<Placed, Error> {
        let watched = self.inner.watched(database)?;
        self.inner.back_up(&watched, settings, lifeboat_agent::Cause::Asked).await
    }

    /// Backs all databases up, one after the other; what fails is an event.
    /// Returns how many failed.
    pub async fn trigger_all(&self) -> usize {
        self.trigger_unless(|_| false).await
    }

    async fn trigger_unless(&self, is_spared: impl Fn(&str) -> bool) -> usize {
        let mut failed = 0;
        for watched in self.databases().iter().filter(|one| !is_spared(&one.name)) {
            let settings = BackupSettings {
                trigger: lifeboat_format::record::Trigger::Scheduled,
                ..BackupSettings::default()
            };
            let done = self.inner.back_up(watched, settings, lifeboat_agent::Cause::Asked).await;
            failed +=
                usize::from(done.is_err_and(|error| !matches!(error, Error::Disabled { .. })));
        }
        failed
    }

    /// The snapshots of a database on all destinations, the oldest first; none
    /// where backups are disabled, or none was ever made.
    pub async fn snapshots(&self, database: &str) -> Result<Merged, Error> {
        let plan = self.inner.plan();
        if plan.disabled.is_some() {
            return Ok(Merged::default());
        }
        match plan.destinations.inventory(database).await {
            Ok((merged, _)) => Ok(merged),
            Err(Error::NoRepository { .. }) => Ok(Merged::default()),
            Err(error) => Err(error),
        }
    }

    /// Restores a snapshot to a file, which must not exist unless that is forced.
    ///
    /// Cancelled or killed, the target is what it was.
    pub async fn restore(
        &self,
        database: &str,
        selector: &Selector,
        target: impl AsRef<std::path::Path>,
        settings: &RestoreSettings,
    ) -> Result<Whole<RestoreReport>, Error> {
        let plan = self.inner.enabled()?;
        plan.destinations.restore(database, selector, target.as_ref(), settings, |_| ()).await
    }

    /// Restores a snapshot over the database, which may be in use; what is there
    /// is set aside. No backup of it runs meanwhile.
    ///
    /// Cancelled or killed at any point, there is one whole database: the old one
    /// or the new one.
    pub async fn restore_in_place(
        &self,
        database: &str,
        selector: &Selector,
        settings: &InPlaceSettings,
    ) -> Result<InPlaceReport, Error> {
        let asked = run::Asked::usual(lifeboat_agent::Cause::Asked);
        self.put_in_place(database, selector, settings, asked).await
    }

    async fn put_in_place(
        &self,
        database: &str,
        selector: &Selector,
        settings: &InPlaceSettings,
        asked: run::Asked,
    ) -> Result<InPlaceReport, Error> {
        let plan = self.inner.enabled()?;
        let watched = self.inner.watched(database)?;
        let lock = self.inner.run_of(database);
        let _alone = asked.turn(database, lock.lock()).await?;
        let destinations = asked.destinations.as_ref().unwrap_or(&plan.destinations);
        let place = &Place::Its(watched.path.clone());
        let job = |holder: Destination, exactly: Selector| async move {
            holder.restore_in_place(database, &exactly, place, settings, |_, _| ()).await
        };
        let whole = destinations.first_whole(database, selector, ReadAs::HelpedInPlace, job);
        Ok(whole.await?.report)
    }

    /// Restores a database whose file is not there, before the program opens it.
    ///
    /// Where no backup was ever made the program begins with nothing, as on its
    /// first day. An error says that backups may be there and cannot be had: a
    /// program that went on would begin with an empty database.
    ///
    /// Cancelled or killed, there is no file yet.
    pub async fn restore_if_missing(&self, database: &str) -> Result<FirstStart, Error> {
        let watched = self.inner.watched(database)?;
        let plan = self.inner.plan();
        if watched.path.exists() {
            return Ok(FirstStart::Present);
        }
        if plan.disabled.is_some() {
            return Ok(FirstStart::NoBackupYet);
        }
        let (latest, settings) = (Selector::Latest(0), RestoreSettings::default());
        let path = &watched.path;
        let restore = || plan.destinations.restore(database, &latest, path, &settings, |_| ());
        let mut restored = restore().await;
        if restored.as_ref().is_err_and(is_nothing_there) {
            surely_first_day(&plan.destinations, &watched.destinations).await?;
            // Asked again, places that could not be opened before say whether records
            // were seen there that are gone.
            restored = restore().await;
        }
        match restored {
            Ok(restored) => Ok(FirstStart::Restored(Box::new(restored))),
            Err(error) if is_nothing_there(&error) => Ok(FirstStart::NoBackupYet),
            Err(error) => Err(error),
        }
    }

    /// What is known of a database from this service's own work.
    pub fn status(&self, database: &str) -> Status {
        self.inner.known().get(database).cloned().unwrap_or_default()
    }

    /// What happens from now on. Who is slow loses the oldest events, and is told
    /// how many.
    pub fn subscribe(&self) -> broadcast::Receiver<Event> {
        self.inner.events.subscribe()
    }
}

/// Whether all that could be asked have nothing.
fn is_nothing_there(error: &Error) -> bool {
    let no_snapshots = matches!(error, Error::Resolve(ResolveError::NoSnapshots { .. }));
    no_snapshots || error.kind() == ErrorKind::NoRepository
}

/// Refuses to take it for the first day where a repository was before and is gone,
/// such as on a disk that is not mounted, and where none may be begun: a bucket
/// without one is a mistake in its name as likely.
async fn surely_first_day(destinations: &Destinations, names: &[String]) -> Result<(), Error> {
    let meant = |place: &&DestinationSettings| {
        place.role != Role::Mirror && (names.is_empty() || names.contains(&place.name))
    };
    for place in destinations.settings().filter(meant) {
        let name = std::slice::from_ref(&place.name);
        match destinations.choose(name, Missing::CreateIfLocal).await {
            Ok(_) => {}
            Err(Error::NoRepository { .. })
                if place.role == Role::Fallback || place.begins_anew() => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn by_name(plan: &ServicePlan) -> BTreeMap<String, Arc<Watched>> {
    plan.databases.iter().map(|one| (one.name.clone(), Arc::new(one.clone()))).collect()
}

impl Inner {
    fn plan(&self) -> Arc<ServicePlan> {
        Arc::clone(&self.plan.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn by_name(&self) -> Arc<BTreeMap<String, Arc<Watched>>> {
        Arc::clone(&self.by_name.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn now(&self) -> OffsetDateTime {
        self.clock.now()
    }

    fn known(&self) -> MutexGuard<'_, HashMap<String, Status>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The plan, unless backups are disabled.
    fn enabled(&self) -> Result<Arc<ServicePlan>, Error> {
        let plan = self.plan();
        match &plan.disabled {
            None => Ok(plan),
            Some(disabled) => Err(Error::Disabled {
                reason: disabled.reason.clone(),
                hint: disabled.hint.clone(),
            }),
        }
    }

    fn watched(&self, name: &str) -> Result<Arc<Watched>, Error> {
        let all = self.by_name();
        all.get(name).cloned().ok_or_else(|| Error::Unwatched {
            name: name.to_owned(),
            known: all.keys().take(10).cloned().collect(),
        })
    }

    /// What the one run of a database holds.
    fn run_of(&self, name: &str) -> Arc<tokio::sync::Mutex<()>> {
        let mut runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(run) = runs.get(name).and_then(Weak::upgrade) {
            return run;
        }
        // Of thousands of databases few run at once.
        runs.retain(|_, run| run.strong_count() > 0);
        let run = Arc::default();
        runs.insert(name.to_owned(), Arc::downgrade(&run));
        run
    }

    fn tell(&self, watched: &Watched, happening: &Happening<'_>) {
        self.witness.saw(watched, happening);
    }

    fn emit(&self, name: &str, what: What) {
        // Nobody need listen.
        let _ = self.events.send(Event::of(name, self.now(), what));
    }
}

impl std::fmt::Debug for Service {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let plan = self.inner.plan();
        f.debug_struct("Service")
            .field("databases", &plan.databases.len())
            .field("disabled", &plan.disabled)
            .finish_non_exhaustive()
    }
}

/// Which work is upkeep.
fn is_upkeep(job: Job) -> bool {
    job != Job::Backup
}
