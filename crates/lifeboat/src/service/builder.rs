//! A service in a few lines of code, without settings.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use lifeboat_agent::{Clock, Limits, Schedule, SystemClock};
use lifeboat_config::{Environment, Request, Role};
use lifeboat_repository::{LocalOptions, Secret};
use lifeboat_snapshot::default_name;

use super::Service;
use super::plan::{AT_ONCE, Drills, ServicePlan, Watched};
use super::witness::{Nobody, Witness};
use crate::continuous::Continuous;
use crate::destinations::{DestinationSettings, Destinations};
use crate::directories::Directories;
use crate::error::Error;
use crate::setup::{DEFAULT_REPOSITORY, Disabled, Kept, Setup, SetupError};

/// Where nothing else is said.
const EVERY: Duration = Duration::from_secs(3600);

/// Says which databases a service watches, where their backups go, and when.
#[must_use]
pub struct ServiceBuilder {
    databases: Vec<(Option<String>, PathBuf)>,
    destinations: Vec<DestinationSettings>,
    secret: Option<Secret>,
    directories: Option<Directories>,
    every: Duration,
    schedule: Option<Schedule>,
    kept: Kept,
    drills: Drills,
    follow: Option<Continuous>,
    limits: Limits,
    disabled: Option<Disabled>,
    at_once: usize,
    clock: Arc<dyn Clock + Send + Sync>,
    witness: Arc<dyn Witness>,
}

impl Default for ServiceBuilder {
    fn default() -> Self {
        Self {
            databases: Vec::new(),
            destinations: Vec::new(),
            secret: None,
            directories: None,
            every: EVERY,
            schedule: None,
            kept: Kept::default(),
            drills: Drills::default(),
            follow: None,
            limits: Limits::default(),
            disabled: None,
            at_once: AT_ONCE,
            clock: Arc::new(SystemClock),
            witness: Arc::new(Nobody),
        }
    }
}

impl ServiceBuilder {
    /// The path of a database, which is named like its file; may be called again.
    pub fn database(mut self, path: impl Into<PathBuf>) -> Self {
        self.databases.push((None, path.into()));
        self
    }

    /// A database with another name in the repository.
    pub fn database_as(mut self, name: impl Into<String>, path: impl Into<PathBuf>) -> Self {
        self.databases.push((Some(name.into()), path.into()));
        self
    }

    /// A path or URL that backups go to; without one it is `./backups`.
    pub fn destination(self, place: impl Into<String>) -> Self {
        self.place(DestinationSettings::new(Role::Primary, place))
    }

    /// A path or URL for when the destination does not work; may be called again.
    pub fn fallback(self, place: impl Into<String>) -> Self {
        self.place(DestinationSettings::new(Role::Fallback, place))
    }

    /// A path or URL that gets every snapshot as well; may be called again.
    pub fn mirror(self, place: impl Into<String>) -> Self {
        self.place(DestinationSettings::new(Role::Mirror, place))
    }

    /// A destination with all that can be said of it.
    pub fn place(mut self, place: DestinationSettings) -> Self {
        self.destinations.push(place);
        self
    }

    /// What opens the repository, which is then encrypted.
    pub fn secret(mut self, secret: Secret) -> Self {
        self.secret = Some(secret);
        self
    }

    /// Where state and cache lie, instead of the usual directories.
    pub fn directories(mut self, directories: Directories) -> Self {
        self.directories = Some(directories);
        self
    }

    /// The time between two backups: an hour where nothing is said.
    pub fn every(mut self, interval: Duration) -> Self {
        (self.every, self.schedule) = (interval, None);
        self
    }

    /// When backups are made, such as by a line of cron.
    pub fn schedule(mut self, schedule: Schedule) -> Self {
        self.schedule = Some(schedule);
        self
    }

    /// What is kept; everything where nothing is said.
    pub fn keep(mut self, kept: Kept) -> Self {
        self.kept = kept;
        self
    }

    /// When backups are put to the test, and how; once a month where nothing is said.
    pub fn drills(mut self, drills: Drills) -> Self {
        self.drills = drills;
        self
    }

    /// Every commit is backed up as it comes, and snapshots are taken by the schedule.
    pub fn continuous(mut self, how: Continuous) -> Self {
        self.follow = Some(how);
        self
    }

    /// When to worry.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Makes no backups, for this reason. All else works: listing is empty, and what
    /// would be preceded by a snapshot only runs.
    pub fn disabled(mut self, reason: impl Into<String>) -> Self {
        self.disabled = Some(Disabled::new(reason, "switch them on where the program is set up"));
        self
    }

    /// How many backups run at once; two where nothing is said.
    pub fn at_once(mut self, count: usize) -> Self {
        self.at_once = count;
        self
    }

    /// Another clock than the system's.
    pub fn clock(mut self, clock: Arc<dyn Clock + Send + Sync>) -> Self {
        self.clock = clock;
        self
    }

    /// Somebody who sees everything that happens.
    pub fn witness(mut self, witness: Arc<dyn Witness>) -> Self {
        self.witness = witness;
        self
    }

    /// The service, which does nothing by itself yet. No database and no destination
    /// is touched.
    pub fn build(self) -> Result<Service, Error> {
        let interval = || Schedule::every(self.every);
        let schedule = self.schedule.clone().map_or_else(interval, Ok).map_err(|error| {
            SetupError::usage(format!("failed to {error}"), "an interval is such as 15 minutes")
        })?;
        let mut databases: Vec<Watched> = Vec::new();
        let (kept, drills) = (Arc::new(self.kept), Arc::new(self.drills));
        for (name, path) in self.databases {
            let name = name.unwrap_or_else(|| default_name(&path));
            if databases.iter().any(|other| other.name == name) {
                return Err(Error::from(SetupError::usage(
                    format!("two databases would be named {name:?}"),
                    "give one of them another name",
                )));
            }
            let mut one = Watched::new(name, path, schedule.clone());
            one.keeping = Arc::clone(&kept);
            one.drills = Arc::clone(&drills);
            one.follow = self.follow;
            databases.push(one);
        }
        let mut members = self.destinations;
        if members.is_empty() {
            members.push(DestinationSettings::new(Role::Primary, DEFAULT_REPOSITORY));
        }
        // The primary first, the fallbacks in their order, the mirrors last.
        members.sort_by_key(|member| match member.role {
            Role::Primary => 0,
            Role::Fallback => 1,
            _ => 2,
        });
        let directories = self.directories.unwrap_or_else(Directories::from_env);
        let installation = LocalOptions::new(&directories.state, &directories.cache);
        let destinations = Destinations::new(members, installation, self.secret);
        let mut plan = ServicePlan::new(destinations, directories.state);
        plan.databases = databases;
        plan.limits = self.limits;
        plan.disabled = self.disabled;
        plan.at_once = self.at_once;
        Ok(Service::with(plan, self.clock, self.witness))
    }

    /// The service, started.
    ///
    /// # Panics
    ///
    /// Outside a runtime of tokio.
    pub fn start(self) -> Result<Service, Error> {
        let service = self.build()?;
        service.start();
        Ok(service)
    }
}

impl Service {
    /// Goes by the settings that the command would go by here: `lifeboat.toml` and
    /// the environment.
    pub fn from_settings() -> Result<Self, Error> {
        let setup = Arc::new(Setup::load(&Request::default(), Environment::of_process())?);
        let secret = setup.secret()?;
        Ok(Self::new(ServicePlan::of(setup, secret.as_ref())?))
    }
}
