//! Work that goes on when whoever asked for it goes away.

use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::AbortHandle;

use crate::admin::{Fetched, Step, Watch};
use crate::model::{
    BackupResult, CheckResult, DownloadResult, DrillResult, Job, JobKind, JobState, Moment,
    ProgressInfo, RepairResult, RestoreResult, TablesResult,
};
use crate::problem::Problem;
use crate::random;

/// How many run at once.
const AT_ONCE: usize = 8;

/// How many that ended are remembered.
const REMEMBERED: usize = 200;

/// How long a file for a download is kept, and how many at once.
const FILE_AGE: Duration = Duration::from_secs(3600);
const FILES: usize = 4;

/// What a job came to.
pub(crate) enum Outcome {
    Backup(BackupResult),
    Restore(RestoreResult),
    Download(Fetched),
    Tables(TablesResult),
    Check(CheckResult),
    Drill(DrillResult),
    Repair(RepairResult),
}

/// What a job is begun with.
pub(crate) struct Wanted {
    pub(crate) kind: JobKind,
    pub(crate) database: String,
    pub(crate) snapshot_id: Option<String>,
    pub(crate) by: String,
    pub(crate) cancellable: bool,
}

/// All jobs. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Jobs {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    entries: HashMap<String, Entry>,
    /// The oldest first.
    order: VecDeque<String>,
}

struct Entry {
    state: watch::Sender<Job>,
    task: Option<AbortHandle>,
    file: Option<(Arc<Fetched>, Instant)>,
}

/// Says how a job ended, also when it was dropped.
type Ended = Box<dyn FnOnce(&Job) + Send>;

impl Jobs {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a job.
    ///
    /// # Errors
    ///
    /// Too many run already, or too many files wait to be downloaded.
    pub(crate) fn begin<F>(
        &self,
        wanted: Wanted,
        ended: impl FnOnce(&Job) + Send + 'static,
        work: impl FnOnce(Watch) -> F,
    ) -> Result<Job, Problem>
    where
        F: Future<Output = Result<Outcome, Problem>> + Send + 'static,
    {
        let job = Job {
            id: random::id(),
            kind: wanted.kind,
            database: wanted.database,
            snapshot_id: wanted.snapshot_id,
            by: wanted.by,
            state: JobState::Running,
            cancellable: wanted.cancellable,
            started_at: Moment::now(),
            finished_at: None,
            progress: None,
            error: None,
            backup: None,
            restore: None,
            download: None,
            tables: None,
            check: None,
            drill: None,
            repair: None,
        };
        let id = job.id.clone();
        let mut inner = self.lock();
        inner.sweep();
        if inner.running() >= AT_ONCE {
            return Err(Problem::too_many(format!("{AT_ONCE} jobs run already")));
        }
        if wanted.kind == JobKind::Download {
            inner.make_room_for_a_file();
        }
        let state = watch::Sender::new(job.clone());
        let listener = state.clone();
        let work = work(Watch::new(move |step| tell(&listener, step)));
        let guard = Guard { jobs: self.clone(), id: id.clone(), ended: Some(Box::new(ended)) };
        let entry = Entry { state, task: None, file: None };
        inner.entries.insert(id.clone(), entry);
        inner.order.push_back(id.clone());
        let task = tokio::spawn(async move {
            let mut guard = guard;
            let outcome = work.await;
            guard.end(Some(outcome));
        });
        if let Some(entry) = inner.entries.get_mut(&id) {
            entry.task = Some(task.abort_handle());
        }
        Ok(job)
    }

    /// A job by its id.
    pub(crate) fn find(&self, id: &str) -> Option<Job> {
        self.lock().entries.get(id).map(|entry| entry.state.borrow().clone())
    }

    /// All of them, the newest first.
    pub(crate) fn all(&self) -> Vec<Job> {
        let inner = self.lock();
        let newest = inner.order.iter().rev();
        newest.filter_map(|id| Some(inner.entries.get(id)?.state.borrow().clone())).collect()
    }

    /// What is done with a database now.
    pub(crate) fn running_of(&self, database: &str) -> Option<JobKind> {
        let runs = |job: &Job| job.state == JobState::Running && job.database == database;
        self.all().into_iter().find(runs).map(|job| job.kind)
    }

    /// Whoever wants to see it go on.
    pub(crate) fn watch(&self, id: &str) -> Option<watch::Receiver<Job>> {
        self.lock().entries.get(id).map(|entry| entry.state.subscribe())
    }

    /// Drops a job half-way.
    pub(crate) fn cancel(&self, id: &str) -> Option<Result<Job, Problem>> {
        let inner = self.lock();
        let entry = inner.entries.get(id)?;
        let job = entry.state.borrow().clone();
        if job.state != JobState::Running {
            return Some(Err(Problem::conflict(1, "it has ended already")));
        }
        if !job.cancellable {
            let message = "this cannot be cancelled half-way";
            return Some(Err(Problem::conflict(7, message)
                .with_hint("wait for its end; nothing needs to keep the page open")));
        }
        if let Some(task) = &entry.task {
            // The guard says that it ended, once the task is dropped.
            task.abort();
        }
        let mut job = job;
        job.state = JobState::Cancelled;
        Some(Ok(job))
    }

    /// The file of a download.
    pub(crate) fn file(&self, id: &str) -> Option<(Job, Arc<Fetched>)> {
        let mut inner = self.lock();
        inner.sweep();
        let entry = inner.entries.get(id)?;
        let (file, _) = entry.file.as_ref()?;
        Some((entry.state.borrow().clone(), Arc::clone(file)))
    }
}

fn tell(state: &watch::Sender<Job>, step: Step) {
    state.send_modify(|job| {
        let progress = job.progress.get_or_insert_default();
        match step {
            Step::Phase(phase, total) => {
                *progress = ProgressInfo { phase: phase.to_owned(), done: 0, total };
            }
            Step::Done(more) => {
                let most = progress.total.unwrap_or(u64::MAX);
                progress.done = progress.done.saturating_add(more).min(most);
            }
        }
    });
}

impl Inner {
    fn running(&self) -> usize {
        let states = self.entries.values().map(|entry| entry.state.borrow().state);
        states.filter(|state| *state == JobState::Running).count()
    }

    /// Forgets the oldest that ended, and files that nobody fetched.
    fn sweep(&mut self) {
        for entry in self.entries.values_mut() {
            if entry.file.as_ref().is_some_and(|(_, since)| since.elapsed() > FILE_AGE) {
                entry.drop_file();
            }
        }
        while self.order.len() > REMEMBERED {
            let ended = |id: &String| {
                self.entries.get(id).is_none_or(|e| e.state.borrow().state != JobState::Running)
            };
            let Some(at) = self.order.iter().position(ended) else { return };
            let gone = self.order.remove(at);
            gone.and_then(|id| self.entries.remove(&id));
        }
    }

    /// Drops the files that have been there longest.
    fn make_room_for_a_file(&mut self) {
        let mut files: Vec<_> = self
            .entries
            .iter()
            .filter_map(|(id, entry)| Some((entry.file.as_ref()?.1, id.clone())))
            .collect();
        files.sort();
        let surplus = (files.len() + 1).saturating_sub(FILES);
        for (_, id) in files.into_iter().take(surplus) {
            if let Some(entry) = self.entries.get_mut(&id) {
                entry.drop_file();
            }
        }
    }
}

impl Entry {
    /// Whoever reads it reads on; it is gone then.
    fn drop_file(&mut self) {
        self.file = None;
        self.state.send_modify(|job| job.download = None);
    }
}

/// Says that a job ended, whether it ended, was dropped or panicked.
struct Guard {
    jobs: Jobs,
    id: String,
    ended: Option<Ended>,
}

impl Guard {
    fn end(&mut self, outcome: Option<Result<Outcome, Problem>>) {
        let Some(ended) = self.ended.take() else { return };
        let mut inner = self.jobs.lock();
        let Some(entry) = inner.entries.get_mut(&self.id) else { return };
        let Entry { state, file, .. } = entry;
        let id = &self.id;
        state.send_modify(|job| {
            job.finished_at = Some(Moment::now());
            job.cancellable = false;
            job.state = JobState::Done;
            match outcome {
                None if std::thread::panicking() => {
                    let message = "it ended for a reason that nobody foresaw";
                    job.state = JobState::Failed;
                    job.error = Some(Problem::failed(1, message).body().clone());
                }
                None => job.state = JobState::Cancelled,
                Some(Err(problem)) => {
                    job.state = JobState::Failed;
                    job.error = Some(problem.body().clone());
                }
                Some(Ok(Outcome::Backup(result))) => job.backup = Some(result),
                Some(Ok(Outcome::Restore(result))) => job.restore = Some(result),
                Some(Ok(Outcome::Tables(result))) => job.tables = Some(result),
                Some(Ok(Outcome::Check(result))) => job.check = Some(result),
                Some(Ok(Outcome::Drill(result))) => job.drill = Some(result),
                Some(Ok(Outcome::Repair(result))) => job.repair = Some(result),
                Some(Ok(Outcome::Download(fetched))) => {
                    job.download = Some(DownloadResult {
                        snapshot_id: fetched.snapshot_id.clone(),
                        url: format!("api/v1/jobs/{id}/file"),
                        file_name: format!("{}_{}.db", job.database, fetched.snapshot_id),
                        size: fetched.size,
                    });
                    *file = Some((Arc::new(fetched), Instant::now()));
                }
            }
        });
        let job = state.borrow().clone();
        drop(inner);
        ended(&job);
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.end(None);
    }
}
