//! Who does what is due: the commands that a person would type.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use lifeboat::agent::{Cause, Job, Start, Work};
use lifeboat::format::record::Trigger;
use lifeboat::repository::{CheckOptions, Depth, Share};
use lifeboat::{Error, Inventory, Missing};
use time::{Duration, OffsetDateTime};

use crate::arguments::Arguments;
use crate::commands::backup;
use crate::exit::Exit;
use crate::report::Reporter;
use crate::text::several;
use lifeboat::hint::About;
use lifeboat::setup::Kept;
use lifeboat::setup::Target;

/// Heartbeats are at least this far apart.
const BEAT: Duration = Duration::HOUR;

/// A part of the data in a hundred that is read each day: all of it in a month.
const DAILY_SHARE: f64 = 3.5;

/// Does what is due.
pub(super) struct Worker {
    state: RwLock<State>,
    reporter: Reporter,
    beats: Mutex<BTreeMap<String, OffsetDateTime>>,
}

struct State {
    arguments: Arc<Arguments>,
    targets: Arc<BTreeMap<String, Target>>,
}

impl Worker {
    pub(super) fn new(arguments: Arc<Arguments>, targets: Vec<Target>, reporter: Reporter) -> Self {
        let state = RwLock::new(State { arguments, targets: Arc::new(by_name(targets)) });
        Self { state, reporter, beats: Mutex::default() }
    }

    /// Goes by other settings from the next job on.
    pub(super) fn replace(&self, arguments: Arc<Arguments>, targets: Vec<Target>) {
        let targets = Arc::new(by_name(targets));
        *self.state.write().unwrap_or_else(PoisonError::into_inner) = State { arguments, targets };
    }

    pub(super) fn count(&self) -> String {
        several(self.settings().1.len() as u64, "database")
    }

    /// Once more, one after the other.
    pub(super) async fn back_up_all(&self) {
        let (arguments, targets) = self.settings();
        for target in targets.values() {
            self.back_up(&arguments, target, Trigger::Scheduled).await;
        }
    }

    fn settings(&self) -> (Arc<Arguments>, Arc<BTreeMap<String, Target>>) {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        (Arc::clone(&state.arguments), Arc::clone(&state.targets))
    }

    async fn back_up(&self, arguments: &Arguments, target: &Target, trigger: Trigger) -> bool {
        let began = OffsetDateTime::now_utc();
        let done = backup::unattended(arguments, &self.reporter, target, trigger).await;
        let (report, destination) = match done {
            Ok(done) => done,
            Err(exit) => return exit == Exit::Ok,
        };
        if report.unchanged && self.beat_is_due(&target.name, began) {
            // The state is proven to be there; that nobody is told is no failure.
            if let Err(error) = destination.beat(began, &report).await {
                let why = crate::report::causes(&error);
                self.reporter
                    .warn(&format!("{}: failed to say that it is watched: {why}", target.name));
                self.beats().remove(&target.name);
            }
        }
        true
    }

    fn beat_is_due(&self, name: &str, now: OffsetDateTime) -> bool {
        let mut beats = self.beats();
        let due = beats.get(name).is_none_or(|last| now - *last >= BEAT || now < *last);
        if due {
            beats.insert(name.to_owned(), now);
        }
        due
    }

    fn beats(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, OffsetDateTime>> {
        self.beats.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets what the policy of the settings does not keep, drops what was in the
    /// trash long enough, and deletes what nobody needs.
    async fn prune(&self, arguments: &Arguments, target: &Target) -> Result<(), Error> {
        let chosen = super::super::choose(arguments, Missing::Refuse, &target.places).await?;
        let (destination, name) = (&chosen.destination, target.name.as_str());
        let setup = arguments.setup();
        if let Ok(Kept { policy: Some(policy), zone, .. }) = setup.keeping(name)
            && is_readable(&destination.inventory(name, None).await?)
        {
            let plan = destination.forget_by(name, policy, zone).await?;
            let gone = plan.forgotten().count() as u64;
            if gone > 0 {
                let snapshots = several(gone, "snapshot");
                self.reporter.say(&format!("{name}: {snapshots} forgotten by the policy"));
            }
        }
        let database = destination.database(name)?;
        let report = database.collect(setup.collecting(name)).await?;
        database.sweep_heartbeats().await?;
        if !report.deleted.is_empty() {
            let objects = several(report.deleted.len() as u64, "object");
            self.reporter.say(&format!("{name}: {objects} that nothing needs deleted"));
        }
        Ok(())
    }

    /// Reads the next share of the data.
    async fn check(&self, arguments: &Arguments, target: &Target) -> Result<(), Error> {
        let chosen = super::super::choose(arguments, Missing::Refuse, &target.places).await?;
        let database = chosen.destination.database(&target.name)?;
        let options = CheckOptions::of_depth(Depth::Data(Share::Percent(DAILY_SHARE)));
        let report = database.check(&options).await?;
        for finding in &report.result.findings {
            let (object, what) = (&finding.object, &finding.what);
            self.reporter.warn(&format!(
                "{}: {object}: {what}; `lifeboat repair` says what can be done",
                target.name
            ));
        }
        Ok(())
    }
}

impl Work for Worker {
    async fn run(&self, start: &Start) -> bool {
        let (arguments, targets) = self.settings();
        // Gone from the settings since it was planned.
        let Some(target) = targets.get(&start.database) else { return true };
        let database = start.database.as_str();
        tracing::info!(database, job = %start.job, "{}", start.cause);
        let trigger = match start.cause {
            Cause::Start => Trigger::Startup,
            Cause::Asked => Trigger::Manual,
            _ => Trigger::Scheduled,
        };
        let done = match start.job {
            Job::Backup => return self.back_up(&arguments, target, trigger).await,
            Job::Prune => self.prune(&arguments, target).await,
            Job::Check => self.check(&arguments, target).await,
            _ => Ok(()),
        };
        match done {
            Ok(()) => true,
            // There is nothing yet of which anything could be kept.
            Err(Error::NoRepository { .. }) => true,
            // Upkeep that fails is a warning: the backups count.
            Err(error) => {
                let doing = format!("{database}: {}", start.job);
                self.reporter.error(&doing, &error, About::Reading);
                false
            }
        }
    }
}

/// Of what cannot be read nobody knows whether it is needed more than the rest.
fn is_readable(inventory: &Inventory) -> bool {
    inventory.listing.broken.is_empty() && inventory.listing.burnt.is_empty()
}

fn by_name(targets: Vec<Target>) -> BTreeMap<String, Target> {
    targets.into_iter().map(|target| (target.name.clone(), target)).collect()
}
