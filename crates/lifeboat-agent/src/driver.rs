//! The planner in a runtime: timers, and whoever does the work.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use futures::stream::{FuturesUnordered, StreamExt as _};
use time::OffsetDateTime;
use tokio::sync::{mpsc, oneshot};

use crate::planner::{Job, Planner, Start};
use crate::schedule::Schedule;

/// Somebody who does what is started.
pub trait Work {
    /// Does it, and says whether it succeeded. Dropped, it must leave nothing
    /// that a later run does not clear away.
    fn run(&self, start: &Start) -> impl Future<Output = bool> + Send;
}

/// What time it is. The system's clock everywhere but in tests.
pub trait Clock {
    /// Now.
    fn now(&self) -> OffsetDateTime;
}

impl<C: Clock + ?Sized> Clock for std::sync::Arc<C> {
    fn now(&self) -> OffsetDateTime {
        (**self).now()
    }
}

/// The clock of the system.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> OffsetDateTime {
        OffsetDateTime::now_utc()
    }
}

/// A job that is to be planned.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Planned {
    /// The name of the database.
    pub database: String,
    /// What to do.
    pub job: Job,
    /// When.
    pub schedule: Schedule,
    /// When it was last done, as far as is known.
    pub last: Option<OffsetDateTime>,
}

impl Planned {
    /// A job, of which it is not known when it was last done.
    pub fn new(database: impl Into<String>, job: Job, schedule: Schedule) -> Self {
        Self { database: database.into(), job, schedule, last: None }
    }
}

/// Where questions and wishes are handed in while a [`Driver`] runs.
#[derive(Clone, Debug)]
pub struct Handle {
    wishes: mpsc::UnboundedSender<Wish>,
}

#[derive(Debug)]
enum Wish {
    Ask { database: String, job: Job, known: oneshot::Sender<bool> },
    Replace(Vec<Planned>),
    Next { database: String, job: Job, answer: oneshot::Sender<Option<OffsetDateTime>> },
    Failures { database: String, job: Job, answer: oneshot::Sender<u32> },
}

impl Handle {
    /// Has a job done at once, or once more when it has ended. False if nothing
    /// of that name is planned, or nobody is there any more.
    pub async fn ask(&self, database: &str, job: Job) -> bool {
        let (known, answer) = oneshot::channel();
        let database = database.to_owned();
        self.wishes.send(Wish::Ask { database, job, known }).is_ok()
            && answer.await.unwrap_or(false)
    }

    /// Plans these and nothing else from now on. What runs goes on to its end.
    pub fn replace(&self, planned: Vec<Planned>) {
        // Nobody there has nothing planned.
        let _ = self.wishes.send(Wish::Replace(planned));
    }

    /// When a job is due next; none while it runs.
    pub async fn next_run(&self, database: &str, job: Job) -> Option<OffsetDateTime> {
        let (answer, answered) = oneshot::channel();
        let database = database.to_owned();
        self.wishes.send(Wish::Next { database, job, answer }).ok()?;
        answered.await.ok().flatten()
    }

    /// How often a job failed since it last succeeded.
    pub async fn failures(&self, database: &str, job: Job) -> u32 {
        let (answer, answered) = oneshot::channel();
        let database = database.to_owned();
        if self.wishes.send(Wish::Failures { database, job, answer }).is_err() {
            return 0;
        }
        answered.await.unwrap_or(0)
    }
}

/// Has the work of a planner done as it becomes due.
#[derive(Debug)]
pub struct Driver<C = SystemClock> {
    planner: Planner,
    clock: C,
    wishes: mpsc::UnboundedReceiver<Wish>,
    planned: Vec<(String, Job)>,
}

/// No timer runs longer: a machine that slept, or whose clock was set, is
/// noticed within this time.
const NAP: Duration = Duration::from_secs(20);

impl Driver {
    /// A driver with the clock of the system, and where it is reached. At most so
    /// many backups run at once.
    pub fn new(limit: usize, seed: u64) -> (Self, Handle) {
        Self::with_clock(limit, seed, SystemClock)
    }
}

impl<C: Clock> Driver<C> {
    /// A driver with another clock.
    pub fn with_clock(limit: usize, seed: u64, clock: C) -> (Self, Handle) {
        let (sender, wishes) = mpsc::unbounded_channel();
        let planner = Planner::new(limit, seed);
        (Self { planner, clock, wishes, planned: Vec::new() }, Handle { wishes: sender })
    }

    /// Plans these and nothing else from now on.
    pub fn replace(&mut self, planned: Vec<Planned>) {
        let now = self.clock.now();
        let keys: Vec<(String, Job)> =
            planned.iter().map(|one| (one.database.clone(), one.job)).collect();
        for (database, job) in self.planned.iter().filter(|old| !keys.contains(old)) {
            self.planner.remove(database, *job);
        }
        for one in planned {
            self.planner.insert(&one.database, one.job, one.schedule, one.last, now);
        }
        self.planned = keys;
    }

    /// Has work done until `stop` comes true, and then waits for what runs, at
    /// most for `grace`; what runs longer is dropped. Returns how much was.
    pub async fn run<W: Work>(
        mut self,
        work: &W,
        stop: impl Future<Output = ()>,
        grace: Duration,
    ) -> usize {
        let mut stop = pin!(stop);
        let mut running = FuturesUnordered::new();
        loop {
            let now = self.clock.now();
            for start in self.planner.poll(now) {
                running.push(async move {
                    let succeeded = work.run(&start).await;
                    (start, succeeded)
                });
            }
            let wait =
                self.planner.wake_at().map(|at| at - now).map_or(NAP, |wait| {
                    Duration::try_from(wait).unwrap_or(Duration::ZERO).min(NAP)
                });
            tokio::select! {
                () = &mut stop => break,
                Some((start, succeeded)) = running.next() => self.ended(&start, succeeded),
                Some(wish) = self.wishes.recv() => self.fulfil(wish),
                () = tokio::time::sleep(wait) => {}
            }
        }
        let wind_down = async {
            while let Some((start, succeeded)) = running.next().await {
                self.ended(&start, succeeded);
            }
        };
        let _ = tokio::time::timeout(grace, wind_down).await;
        running.len()
    }

    fn ended(&mut self, start: &Start, succeeded: bool) {
        self.planner.finished(&start.database, start.job, succeeded, self.clock.now());
    }

    fn fulfil(&mut self, wish: Wish) {
        let now = self.clock.now();
        // Who no longer waits for an answer needs none.
        match wish {
            Wish::Ask { database, job, known } => {
                let _ = known.send(self.planner.ask(&database, job, now));
            }
            Wish::Replace(planned) => self.replace(planned),
            Wish::Next { database, job, answer } => {
                let _ = answer.send(self.planner.next_run(&database, job));
            }
            Wish::Failures { database, job, answer } => {
                let _ = answer.send(self.planner.failures(&database, job));
            }
        }
    }
}
