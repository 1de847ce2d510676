//! The schedule of a service: when it runs by itself, and how it ends.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use lifeboat_agent::{Clock, Driver, Handle, Job, Start, What, Work};
use time::OffsetDateTime;
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;

use super::plan::ServicePlan;
use super::witness::Happening;
use super::{Inner, Service, by_name};

/// How long is waited for what runs when the end is asked for. Service managers
/// and containers wait 10 to 90 seconds before they kill.
const GRACE: Duration = Duration::from_secs(8);

/// How often it is looked for databases that patterns find.
const LOOK: Duration = Duration::from_secs(60);

/// A schedule that runs.
pub(super) struct Running {
    handle: Handle,
    stop: oneshot::Sender<()>,
    /// Returns how much was interrupted.
    task: JoinHandle<usize>,
    looks: JoinHandle<()>,
}

impl Service {
    /// Has databases backed up by their schedules from now on. Called again it
    /// does nothing more.
    ///
    /// # Panics
    ///
    /// Outside a runtime of tokio.
    pub fn start(&self) {
        let mut running = self.inner.running.lock().unwrap_or_else(PoisonError::into_inner);
        if running.is_some() {
            return;
        }
        let plan = self.inner.plan();
        self.inner.tell_disabled(&plan);
        let clock: Arc<dyn Clock + Send + Sync> = Arc::clone(&self.inner.clock);
        let (mut driver, handle) = Driver::with_clock(plan.at_once, seed(), clock);
        driver.replace(plan.jobs(self.inner.now()));
        let (stop, stopped) = oneshot::channel();
        let worker = Worker(Arc::clone(&self.inner));
        let task = tokio::spawn(async move {
            let until = async {
                // Also when the service is gone.
                let _ = stopped.await;
            };
            driver.run(&worker, until, GRACE).await
        });
        let looks = tokio::spawn(self.clone().look_for_newcomers());
        self.follow_by(&plan);
        *running = Some(Running { handle, stop, task, looks });
    }

    /// Ends the schedule, and waits for what runs, for eight seconds at most.
    /// Returns how much was interrupted then: that costs nothing but time later.
    /// What is asked for still works.
    pub async fn shutdown(&self) -> usize {
        let running = self.inner.running.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(Running { stop, task, looks, .. }) = running else { return 0 };
        looks.abort();
        let _ = stop.send(());
        // It keeps the limit itself; one that panicked has ended.
        let (interrupted, ()) = tokio::join!(task, self.follow_no_more(GRACE));
        interrupted.unwrap_or(0)
    }

    /// Goes by another plan from the next run on, whole or not at all. What runs
    /// goes on to its end.
    pub fn reload(&self, plan: ServicePlan) {
        let inner = &self.inner;
        inner.tell_disabled(&plan);
        let jobs = plan.jobs(inner.now());
        let names = Arc::new(by_name(&plan));
        // What is known of those that are gone is not needed any more.
        inner.known().retain(|name, _| names.contains_key(name));
        *inner.by_name.write().unwrap_or_else(PoisonError::into_inner) = names;
        *inner.plan.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(plan);
        if let Some(handle) = self.handle() {
            handle.replace(jobs);
            self.follow_by(&inner.plan());
        }
    }

    /// Has work done at once that is planned, such as a drill, or once more when it
    /// has ended. False if it is not planned, or the service does not run.
    pub async fn ask(&self, database: &str, job: Job) -> bool {
        match self.handle() {
            Some(handle) => handle.ask(database, job).await,
            None => false,
        }
    }

    /// When a database is backed up next by its schedule; none while it is, and where
    /// the service does not run.
    pub async fn next_run(&self, database: &str) -> Option<OffsetDateTime> {
        self.next_of(database, Job::Backup).await
    }

    /// As [`next_run`](Self::next_run), of any kind of work.
    pub async fn next_of(&self, database: &str, job: Job) -> Option<OffsetDateTime> {
        self.handle()?.next_run(database, job).await
    }

    /// Whether the schedule runs.
    pub fn is_running(&self) -> bool {
        self.handle().is_some()
    }

    fn handle(&self) -> Option<Handle> {
        let running = self.inner.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.as_ref().map(|running| running.handle.clone())
    }

    /// Looks for databases that patterns find and that were not there before. Those
    /// that are gone stay, until the settings are read anew: somebody should hear of
    /// a file that is lost.
    async fn look_for_newcomers(self) {
        loop {
            tokio::time::sleep(LOOK).await;
            let plan = self.inner.plan();
            let looked = tokio::task::spawn_blocking({
                let plan = Arc::clone(&plan);
                move || plan.newcomers()
            });
            match looked.await {
                Ok(Ok(found)) if found.is_empty() => {}
                // Read anew meanwhile: what was found is known by now.
                Ok(Ok(_)) if !Arc::ptr_eq(&plan, &self.inner.plan()) => {}
                Ok(Ok(found)) => {
                    let mut plan = ServicePlan::clone(&plan);
                    plan.databases.extend(found);
                    self.reload(plan);
                }
                Ok(Err(error)) => tracing::warn!("{error}"),
                Err(error) => tracing::warn!("failed to look for databases: {error}"),
            }
        }
    }
}

impl Inner {
    fn tell_disabled(&self, plan: &ServicePlan) {
        let disabled = |reason: &str, hint: &str| What::Disabled {
            reason: reason.to_owned(),
            hint: hint.to_owned(),
        };
        if let Some(why) = &plan.disabled {
            let what = disabled(&why.reason, &why.hint);
            // Nobody need listen.
            let _ = self.events.send(lifeboat_agent::Event::general(self.now(), what));
            return;
        }
        for one in &plan.databases {
            if let Some(crate::Error::Disabled { reason, hint }) = one.out_of_reach() {
                self.tell(one, &Happening::Warning(&format!("{reason}: {hint}")));
                self.emit(&one.name, disabled(&reason, &hint));
            }
        }
    }
}

/// Does what is due, each in a task of its own: what panics there is a failure, and
/// not the end of all others.
struct Worker(Arc<Inner>);

impl Work for Worker {
    async fn run(&self, start: &Start) -> bool {
        let clock = Instant::now();
        // Dropped, it ends what it holds.
        let mut task = JoinSet::new();
        let (inner, due) = (Arc::clone(&self.0), start.clone());
        task.spawn(async move { inner.due(&due).await });
        match task.join_next().await {
            Some(Ok(succeeded)) => succeeded,
            None => true,
            Some(Err(_)) => {
                let text = "failed to go on: this is a mistake in lifeboat".to_owned();
                self.0.note_failure(&start.database, start.job, text, None, true, clock);
                false
            }
        }
    }
}

/// Different on every machine and at every start; nothing secret.
fn seed() -> u64 {
    use std::hash::{BuildHasher as _, Hasher as _};
    std::collections::hash_map::RandomState::new().build_hasher().finish()
}
