//! A service behind the admin interface: the API and the page of [`lifeboat_http`].
//!
//! ```no_run
//! use lifeboat::http::{AdminOptions, Interface, Role, Security, ServiceAdmin};
//!
//! # fn example(service: lifeboat::service::Service) -> Result<(), Box<dyn std::error::Error>> {
//! let admin = ServiceAdmin::new(service, AdminOptions::new("/var/lib/app/restored"));
//! let security = Security::by_application().token(Role::Restore, &std::env::var("PAGE_TOKEN")?)?;
//! // A router of axum, to be nested into that of the application.
//! let backups = Interface::new(admin, security).router();
//! # Ok(())
//! # }
//! ```

mod events;
mod handed_on;
mod known;
mod places;
mod problem;
mod proofs;
mod restores;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use async_trait::async_trait;
use futures::stream::{self, StreamExt as _};
use lifeboat_agent::Metrics;
use lifeboat_http::model::{
    BackUp, BackupResult, Change, CheckResult, DatabaseInfo, DestinationInfo, Disabled,
    DrillResult, Happening, HealthInfo, RepairResult, Restore, RestorePlan, RestoreResult,
    SettingInfo, SnapshotDetail, SnapshotInfo, TablesResult, TrashInfo,
};
pub use lifeboat_http::*;
use tokio::sync::broadcast;

use crate::hint::About;
use crate::objects::FallbackStore;
use crate::service::{Judged, Service};
use crate::setup::Setup;
use crate::take::BackupSettings;
use known::Cache;
use problem::explained;

/// So many databases are looked at together.
const TOGETHER: usize = 8;

/// What an interface over a service is allowed and shown.
#[derive(Debug)]
#[non_exhaustive]
pub struct AdminOptions {
    /// Where new files of restores go. It is made when it is needed.
    pub restore_dir: PathBuf,
    /// The settings, where they are to be seen.
    pub setup: Option<Arc<Setup>>,
    /// The store whose objects are handed on.
    pub objects: Option<FallbackStore>,
    /// The figures that somebody else counts; without them it counts by itself.
    pub metrics: Option<Metrics>,
}

impl AdminOptions {
    /// With this directory for new files, and nothing else.
    pub fn new(restore_dir: impl Into<PathBuf>) -> Self {
        Self { restore_dir: restore_dir.into(), setup: None, objects: None, metrics: None }
    }
}

/// A service as the interface sees it.
pub struct ServiceAdmin {
    service: Service,
    restore_dir: PathBuf,
    setup: Option<Arc<Setup>>,
    objects: Option<Arc<dyn Objects>>,
    cache: Arc<Cache>,
    happenings: broadcast::Sender<Happening>,
    metrics: Metrics,
    /// Whether nobody else says when the next backup is.
    counts: bool,
    /// Rows that were counted, the newest last.
    tables: Mutex<Vec<(String, Arc<proofs::Counted>)>>,
}

impl ServiceAdmin {
    /// Over a service. What it tells is listened to, in a task of its own, for as
    /// long as the service is there; so this needs a runtime.
    pub fn new(service: Service, options: AdminOptions) -> Arc<Self> {
        let cache = Arc::new(Cache::default());
        let counts = options.metrics.is_none();
        let metrics = options.metrics.unwrap_or_default();
        let count = counts.then(|| metrics.clone());
        let happenings = events::forward(&service, Arc::clone(&cache), count);
        Arc::new(Self {
            service,
            restore_dir: options.restore_dir,
            setup: options.setup,
            objects: options.objects.map(handed_on::of),
            cache,
            happenings,
            metrics,
            counts,
            tables: Mutex::default(),
        })
    }

    /// Says that a database is to be looked at anew.
    fn changed(&self, database: &str) {
        self.cache.forget(database);
    }

    async fn judged(&self, judged: Judged) -> HealthInfo {
        let next = self.service.next_run(&judged.database).await;
        events::health(&judged, next)
    }

    fn counted(&self) -> std::sync::MutexGuard<'_, Vec<(String, Arc<proofs::Counted>)>> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for ServiceAdmin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServiceAdmin").field("service", &self.service).finish_non_exhaustive()
    }
}

#[async_trait]
impl Admin for ServiceAdmin {
    fn disabled(&self) -> Option<Disabled> {
        let disabled = self.service.disabled()?;
        Some(Disabled { reason: disabled.reason, hint: disabled.hint })
    }

    async fn databases(&self) -> Result<Vec<DatabaseInfo>, Problem> {
        let names = self.service.databases().into_iter().map(|one| one.name.clone());
        let looks = names.map(|name| async move { self.database(&name).await });
        let all: Vec<_> = stream::iter(looks).buffered(TOGETHER).collect().await;
        // One that is gone since is not there.
        all.into_iter().filter(|one| !matches!(one, Err(p) if p.status() == 404)).collect()
    }

    async fn database(&self, database: &str) -> Result<DatabaseInfo, Problem> {
        let known = self.known(database).await;
        let judged = self.service.health(database).await.map_err(explained(About::Reading))?;
        let watched = self.service.database(database).and_then(|one| one.watched());
        let watched = watched.map_err(explained(About::Reading))?;
        // A destination that is out makes the database no less visible.
        let known = match known {
            Ok(known) => known,
            Err(problem) if problem.status() == 502 => Arc::default(),
            Err(problem) => return Err(problem),
        };
        let running = self.service.status(database).running.first().map(ToString::to_string);
        let facts = judged.facts.clone();
        let mut health = self.judged(judged).await;
        let latest = known.snapshots.first();
        if latest.is_none() && known.empty {
            // Never is no news, with the first backup still to come.
            health.last_backup = None;
        }
        Ok(DatabaseInfo {
            database: database.to_owned(),
            health,
            running,
            snapshots: known.snapshots.len() as u64,
            size: latest.map(|one| one.size),
            stored_bytes: known.snapshots.iter().map(|one| one.bytes_added).sum(),
            latest: latest.map(|one| one.snapshot_id.clone()),
            verified_at: facts.verified_at.map(Into::into),
            drilled_at: facts.drilled_at.map(Into::into),
            destinations: latest.map(|one| one.destinations.clone()).unwrap_or_default(),
            schedule: Some(events::schedule(&watched.schedule)),
            history: known.history(),
        })
    }

    async fn health(&self) -> Result<Vec<HealthInfo>, Problem> {
        let all = self.service.health_all().await;
        let looks = all.into_iter().map(|judged| self.judged(judged));
        Ok(stream::iter(looks).buffered(TOGETHER).collect().await)
    }

    async fn snapshots(&self, database: &str) -> Result<Vec<SnapshotInfo>, Problem> {
        Ok(self.known(database).await?.snapshots.clone())
    }

    async fn trash(&self, database: &str) -> Result<Vec<TrashInfo>, Problem> {
        self.trashed(database).await
    }

    async fn snapshot(&self, database: &str, snapshot: &str) -> Result<SnapshotDetail, Problem> {
        self.known(database).await?.detail(snapshot)
    }

    async fn tables(
        &self,
        database: &str,
        snapshot: &str,
        watch: &Watch,
    ) -> Result<TablesResult, Problem> {
        self.count_tables(database, snapshot, watch).await
    }

    async fn back_up(
        &self,
        database: &str,
        wanted: &BackUp,
        watch: &Watch,
    ) -> Result<BackupResult, Problem> {
        let started = Instant::now();
        let settings = BackupSettings {
            description: wanted.description.clone(),
            tags: wanted.tags.clone(),
            // What somebody wrote is not lost because nothing changed.
            always: wanted.description.is_some() || !wanted.tags.is_empty(),
            progress: Some(events::progress(watch, "reading and sending")),
            ..BackupSettings::default()
        };
        let placed = self.service.trigger_with(database, settings).await;
        self.changed(database);
        let placed = placed.map_err(explained(About::Backup))?;
        let report = &placed.report;
        Ok(BackupResult {
            database: report.name.clone(),
            snapshot_id: report.snapshot_id.to_string(),
            sequence: report.number.0,
            destination: self.name_of_place(placed.position),
            unchanged: report.unchanged,
            fallback_reason: placed.fallback_reason.clone(),
            pages_total: u64::from(report.geometry.page_count()),
            pages_changed: report.pages_changed,
            bytes_read: report.bytes_read,
            bytes_sent: report.bytes_sent,
            duration_seconds: started.elapsed().as_secs_f64(),
        })
    }

    fn can_cancel_backups(&self) -> bool {
        // Only the one that was asked for is dropped; packs that no record names
        // are used by the next.
        true
    }

    async fn plan_restore(
        &self,
        database: &str,
        snapshot: &str,
        wanted: &Restore,
    ) -> Result<RestorePlan, Problem> {
        self.plan(database, snapshot, wanted).await
    }

    async fn restore(
        &self,
        database: &str,
        snapshot: &str,
        wanted: &Restore,
        watch: &Watch,
    ) -> Result<RestoreResult, Problem> {
        let done = self.bring_back(database, snapshot, wanted, watch).await;
        self.changed(database);
        done
    }

    async fn fetch(
        &self,
        database: &str,
        snapshot: &str,
        watch: &Watch,
    ) -> Result<Fetched, Problem> {
        self.to_scratch(database, snapshot, watch).await
    }

    async fn change(
        &self,
        database: &str,
        snapshot: &str,
        change: Change,
    ) -> Result<String, Problem> {
        let done = self.change_one(database, snapshot, change).await;
        self.changed(database);
        done
    }

    async fn check(
        &self,
        database: &str,
        read_data: bool,
        watch: &Watch,
    ) -> Result<CheckResult, Problem> {
        let done = self.check_one(database, read_data, watch).await;
        self.changed(database);
        done
    }

    async fn drill(&self, database: &str, watch: &Watch) -> Result<DrillResult, Problem> {
        let done = self.drill_one(database, watch).await;
        self.changed(database);
        done
    }

    async fn repair(
        &self,
        database: &str,
        apply: bool,
        watch: &Watch,
    ) -> Result<RepairResult, Problem> {
        let done = self.repair_one(database, apply, watch).await;
        self.changed(database);
        done
    }

    async fn destinations(&self) -> Result<Vec<DestinationInfo>, Problem> {
        Ok(self.places().await)
    }

    async fn configuration(&self) -> Result<Vec<SettingInfo>, Problem> {
        Ok(self.settings())
    }

    fn happenings(&self) -> broadcast::Receiver<Happening> {
        self.happenings.subscribe()
    }

    async fn metrics(&self) -> Option<String> {
        if self.counts {
            for watched in self.service.databases() {
                let next = self.service.next_run(&watched.name).await;
                self.metrics.insert(&watched.name);
                self.metrics.next_run(&watched.name, next);
            }
        }
        Some(self.metrics.render_classic())
    }

    fn objects(&self) -> Option<Arc<dyn Objects>> {
        self.objects.clone()
    }
}
