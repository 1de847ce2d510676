//! Databases whose commits are followed: each has a keeper, which begins, goes on,
//! and begins anew.

mod session;

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lifeboat_agent::{Cause, FollowState, Following as FollowFacts, Job, What};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::plan::{ServicePlan, Watched};
use super::witness::{Happening, Progress};
use super::{Inner, Service};
use crate::continuous::asked::{self, Claim};
use crate::continuous::shared::{Shared, Waiting};
use crate::continuous::{Durable, enough_files};
use crate::error::{Error, causes_of};
use crate::hint::{About, hint, safety};
use session::{End, asked_to};

/// The pause before what failed is tried again: doubled from the first to the last.
const PAUSE: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(60);

/// What goes on for so long has begun well.
const WELL: Duration = Duration::from_secs(120);

/// Everybody who keeps a database followed.
#[derive(Default)]
pub(super) struct Keepers {
    all: Mutex<HashMap<String, Kept>>,
    questions: Mutex<Option<JoinHandle<()>>>,
    /// Those of which everything was stored when following ended.
    flushed: Mutex<BTreeSet<String>>,
}

struct Kept {
    shared: Arc<Shared>,
    watched: Arc<Watched>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Keepers {
    fn all(&self) -> std::sync::MutexGuard<'_, HashMap<String, Kept>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn flushed(&self) -> std::sync::MutexGuard<'_, BTreeSet<String>> {
        self.flushed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn of(&self, name: &str) -> Option<Arc<Shared>> {
        self.all().get(name).map(|kept| Arc::clone(&kept.shared))
    }
}

/// Keeps one database followed.
pub(super) struct Keeper {
    inner: Arc<Inner>,
    watched: Arc<Watched>,
    shared: Arc<Shared>,
    stop: watch::Receiver<bool>,
    /// Whether it is known, and was told, that it cannot be followed.
    told: Option<String>,
}

impl Service {
    /// Has those databases followed that the plan says, and no others.
    pub(super) fn follow_by(&self, plan: &ServicePlan) {
        let inner = &self.inner;
        let mut all = inner.keepers.all();
        inner.keepers.flushed().clear();
        let wanted = |name: &str| plan.followed().find(|one| one.name == name);
        all.retain(|name, kept| {
            let stays = wanted(name).is_some_and(|one| {
                let Watched { path, follow, destinations, .. } = &*kept.watched;
                (path, follow, destinations) == (&one.path, &one.follow, &one.destinations)
            });
            if !stays {
                kept.shared.for_good();
                let _ = kept.stop.send(true);
            }
            stays
        });
        let count = plan.followed().count();
        if count > 0
            && let Err(error) = enough_files(count)
        {
            for one in plan.followed() {
                let text = format!("failed to {error}; `ulimit -n` raises it");
                inner.tell(one, &Happening::Warning(&text));
            }
        }
        for one in plan.followed() {
            if all.contains_key(&one.name) {
                continue;
            }
            let follow = one.follow.unwrap_or_default();
            let (stop, stopped) = watch::channel(false);
            let shared = Arc::new(Shared::new(follow.spool.limit));
            let watched = Arc::new(one.clone());
            let keeper = Keeper {
                inner: Arc::clone(inner),
                watched: Arc::clone(&watched),
                shared: Arc::clone(&shared),
                stop: stopped,
                told: None,
            };
            let task = tokio::spawn(keeper.run());
            all.insert(one.name.clone(), Kept { shared, watched, stop, task });
        }
        let mut questions = inner.keepers.questions.lock().unwrap_or_else(PoisonError::into_inner);
        if !all.is_empty() && questions.is_none() {
            *questions = Some(tokio::spawn(self.clone().answer(plan.state.clone())));
        }
    }

    /// Ends all following: what was committed until now is handed over and, as far as
    /// `grace` lets it, stored; the rest waits on the disk for the next start.
    pub(super) async fn follow_no_more(&self, grace: Duration) {
        let all: Vec<_> = self.inner.keepers.all().drain().collect();
        for (_, kept) in &all {
            let _ = kept.stop.send(true);
        }
        let questions = &self.inner.keepers.questions;
        if let Some(task) = questions.lock().unwrap_or_else(PoisonError::into_inner).take() {
            task.abort();
        }
        let until = Instant::now() + grace;
        for (name, mut kept) in all {
            let was_followed = kept.shared.following() == FollowState::Following;
            if tokio::time::timeout_at(until, &mut kept.task).await.is_err() {
                kept.task.abort();
                let text = "commits wait on the disk; the next start stores them";
                self.inner.tell(&kept.watched, &Happening::Warning(text));
            } else if was_followed && kept.shared.is_flushed() {
                self.inner.keepers.flushed().insert(name);
            }
        }
    }

    /// As [`trigger_all`](Self::trigger_all), but for those whose last commit is stored
    /// since the service was shut down.
    pub async fn trigger_rest(&self) -> usize {
        let flushed = self.inner.keepers.flushed().clone();
        self.trigger_unless(|name| flushed.contains(name)).await
    }

    /// Comes back when all databases that are watched belong to other installations:
    /// nothing is left to be done here.
    pub async fn lost(&self) {
        let mut lost = self.inner.lost.subscribe();
        // It is held by what this is called on.
        let _ = lost.wait_for(|lost| *lost).await;
    }

    /// How the commits of a database are followed; none where they are not to be.
    pub fn following(&self, database: &str) -> Option<FollowFacts> {
        Some(self.inner.keepers.of(database)?.facts(self.inner.now()))
    }

    /// Waits until everything that was committed to a database before this call is
    /// stored at its primary destination. A fallback does not count: what lies there
    /// may be superseded by somebody who took over (rule R12).
    ///
    /// Of a database that is not followed, or cannot be, a snapshot is taken.
    pub async fn wait_durable(&self, database: &str) -> Result<Durable, Error> {
        let Some(shared) = self.inner.keepers.of(database) else {
            return self.durable_by_snapshot(database).await;
        };
        let mut changes = shared.changes();
        'asking: loop {
            changes.borrow_and_update();
            let Some(ticket) = shared.ask() else {
                match shared.following() {
                    FollowState::Beginning | FollowState::Following => {
                        if changes.changed().await.is_err() {
                            return self.durable_by_snapshot(database).await;
                        }
                    }
                    FollowState::Scanning(_) => return self.durable_by_snapshot(database).await,
                    FollowState::Stopped(why) => {
                        return Err(Error::NotFollowed { name: database.to_owned(), why });
                    }
                }
                continue;
            };
            loop {
                changes.borrow_and_update();
                match shared.is_stored(ticket) {
                    Waiting::Stored(durable) => return Ok(durable),
                    Waiting::NotYet => {}
                    Waiting::Other | Waiting::Not => continue 'asking,
                }
                if changes.changed().await.is_err() {
                    return self.durable_by_snapshot(database).await;
                }
            }
        }
    }

    async fn durable_by_snapshot(&self, database: &str) -> Result<Durable, Error> {
        let began = self.inner.now();
        let placed = self.trigger_with(database, crate::take::BackupSettings::default()).await?;
        match placed.fallback_reason {
            None => Ok(Durable { commit: 0, until: Some(began) }),
            Some(why) => Err(Error::NotFollowed { name: database.to_owned(), why }),
        }
    }

    /// Answers other processes that wait until what was committed is stored.
    async fn answer(self, state: std::path::PathBuf) {
        loop {
            tokio::time::sleep(asked::LOOK).await;
            for (path, name) in asked::questions(&state) {
                let (service, claimed) = (self.clone(), path.with_extension("heard"));
                // One of another process, which follows others, is left to it.
                if service.inner.keepers.of(&name).is_none()
                    || std::fs::rename(&path, &claimed).is_err()
                {
                    continue;
                }
                tokio::spawn(async move {
                    let stored = service.wait_durable(&name).await;
                    let stored = stored.map_err(|error| format!("failed to {}", causes_of(&error)));
                    if let Err(error) = asked::reply(&claimed, &stored) {
                        tracing::debug!("whoever asked for {name} is not answered: {error}");
                    }
                });
            }
        }
    }
}

impl Keeper {
    async fn run(mut self) {
        let mut pause = PAUSE;
        loop {
            let began = Instant::now();
            let end = self.attempt().await;
            self.shared.end();
            if began.elapsed() > WELL {
                pause = PAUSE;
            }
            match end {
                End::Stopped => return,
                End::Over(error) => return self.over(&error),
                End::Cannot(why) => self.cannot(&why).await,
                End::Gap(why) => {
                    tracing::warn!(database = self.watched.name, "following begins anew: {why}");
                    self.shared.is_now(FollowState::Beginning);
                }
                End::Later(error) => {
                    let why = format!("failed to {}", causes_of(&error));
                    tracing::warn!(database = self.watched.name, "following waits: {why}");
                    self.shared.is_now(FollowState::Scanning(why));
                }
            }
            if tokio::time::timeout(pause, asked_to(&mut self.stop)).await.is_ok() {
                return;
            }
            pause = (pause * 2).min(LONGEST);
        }
    }

    /// A session, if no other process of this installation has one.
    async fn attempt(&mut self) -> End {
        let state = self.inner.plan().state.clone();
        let claim = match Claim::new(&state, &self.watched.name) {
            Ok(Some(claim)) => claim,
            Ok(None) => {
                return End::Cannot("another process of this installation follows it".into());
            }
            Err(source) => {
                return End::Later(Error::Path { path: asked::directory(&state), source });
            }
        };
        let end = self.session().await;
        drop(claim);
        end
    }

    /// It is backed up at the interval, and once now: nothing else would soon.
    async fn cannot(&mut self, why: &str) {
        self.shared.is_now(FollowState::Scanning(why.to_owned()));
        if self.told.as_deref() == Some(why) {
            return;
        }
        let is_first = self.told.replace(why.to_owned()).is_none();
        self.inner.tell(&self.watched, &Happening::Following(Progress::Scanning { why }));
        if is_first && self.watched.path.exists() {
            // What fails is told, and tried again at the interval.
            let settings = crate::take::BackupSettings {
                trigger: lifeboat_format::record::Trigger::Startup,
                ..Default::default()
            };
            let _ = self.inner.back_up(&self.watched, settings, Cause::Start).await;
        }
    }

    /// Nobody but a person can make it go on.
    fn over(&self, error: &Error) {
        let why = format!("failed to {}", causes_of(error));
        self.shared.is_now(FollowState::Stopped(why.clone()));
        self.inner.tell(&self.watched, &Happening::Failed { job: Job::Follow, error });
        let (hint, safe) = (hint(error), safety(error, About::Backup).0);
        self.inner.note_failure(&self.watched.name, Job::Follow, why, hint, safe, Instant::now());
        if self.inner.lost_to_others() {
            self.inner.lost.send_replace(true);
        }
    }

    /// The way of the states is lost: those before and after can be restored.
    fn gap(&self, why: &str) {
        let gaps = self.shared.gap();
        tracing::warn!(database = self.watched.name, gaps, "a gap: {why}");
        self.inner.tell(&self.watched, &Happening::Following(Progress::Gap { why }));
        self.inner.note_failure(
            &self.watched.name,
            Job::Follow,
            format!("failed to keep every commit: {why}"),
            Some("the states before and after can be restored; those between cannot".into()),
            true,
            Instant::now(),
        );
    }

    /// It is followed now.
    fn begun(&mut self, resumed: bool, commit: u64) {
        self.told = None;
        self.shared.is_now(FollowState::Following);
        let progress = Progress::Began { resumed, next: commit };
        self.inner.tell(&self.watched, &Happening::Following(progress));
        let mut known = self.inner.known();
        let status = known.entry(self.watched.name.clone()).or_default();
        let failed = status.failures.remove(&Job::Follow).is_some();
        drop(known);
        if failed {
            let summary = format!("commits are followed again, from number {commit} on");
            let took = Duration::ZERO;
            self.inner.emit(&self.watched.name, What::Done { job: Job::Follow, took, summary });
        }
    }
}

impl Inner {
    /// Whether every database that is watched is followed no more, because another
    /// installation has it.
    fn lost_to_others(&self) -> bool {
        let all = self.by_name();
        let stopped = |name: &String| {
            let shared = self.keepers.of(name);
            shared.is_some_and(|one| matches!(one.following(), FollowState::Stopped(_)))
        };
        !all.is_empty() && all.keys().all(stopped)
    }
}
