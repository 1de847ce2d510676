//! What a service is to do: which databases, where to, when, and what is kept.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use lifeboat_agent::{Job, Limits, Planned, Schedule};
use lifeboat_repository::Secret;

use crate::continuous::Continuous;
use crate::destinations::Destinations;
use crate::error::Error;
use crate::health::Expected;
use crate::setup::{Disabled, Kept, Setup, SetupError, Target, is_motherduck};
use crate::take::Compression;

/// How many backups run at once.
pub(super) const AT_ONCE: usize = 2;

/// A database that is watched, and how.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Watched {
    /// Its name in the repository.
    pub name: String,
    /// Its file.
    pub path: PathBuf,
    /// The destinations that it goes to, by name; all if there are none.
    pub destinations: Vec<String>,
    /// When it is backed up.
    pub schedule: Schedule,
    /// What is kept of it.
    pub keeping: Arc<Kept>,
    /// How its backups are put to the test.
    pub drills: Arc<Drills>,
    /// How its commits are followed; none where snapshots are enough.
    pub follow: Option<Continuous>,
}

/// How backups of a database are put to the test.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Drills {
    /// The time between two; none if that is left to others.
    pub every: Option<Duration>,
    /// Statements that must each return 1.
    pub assertions: Vec<String>,
}

impl Default for Drills {
    fn default() -> Self {
        Self { every: Some(super::upkeep::MONTH), assertions: Vec::new() }
    }
}

impl Watched {
    /// A database, backed up by a schedule, of which everything is kept.
    pub fn new(name: impl Into<String>, path: impl Into<PathBuf>, schedule: Schedule) -> Self {
        Self {
            name: name.into(),
            path: path.into(),
            destinations: Vec::new(),
            schedule,
            keeping: Arc::default(),
            drills: Arc::default(),
            follow: None,
        }
    }

    /// What is expected of its backups.
    pub(super) fn expected(&self) -> Expected {
        let mut expected = Expected::new(&self.name).by(&self.schedule);
        expected.path = Some(self.path.clone());
        expected.places.clone_from(&self.destinations);
        expected.max_bytes =
            self.keeping.policy.as_ref().and_then(|policy| policy.rules().max_bytes);
        expected
    }

    /// Why it cannot be backed up, whatever is done about it.
    pub(super) fn out_of_reach(&self) -> Option<Error> {
        is_motherduck(&self.path).then(|| Error::Disabled {
            reason: format!(
                "{} is a database in MotherDuck, not a file on this machine",
                self.path.display()
            ),
            hint: "only MotherDuck can make backups of it".into(),
        })
    }
}

/// What a service is to do.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ServicePlan {
    /// The databases, by name; no two have the same.
    pub databases: Vec<Watched>,
    /// Where backups go.
    pub destinations: Destinations,
    /// Whether databases of other installations are taken over.
    pub adopt: bool,
    /// How much work is put into making backups small.
    pub compression: Compression,
    /// When to worry.
    pub limits: Limits,
    /// Why there are no backups here, if so.
    pub disabled: Option<Disabled>,
    /// What runs around each backup.
    #[cfg(feature = "commands")]
    pub hooks: lifeboat_agent::Hooks,
    /// How many backups run at once.
    pub at_once: usize,
    /// Where it is noted when upkeep was last done.
    pub state: PathBuf,
    /// What finds databases that come later.
    pub(super) setup: Option<Arc<Setup>>,
}

impl ServicePlan {
    /// One for these destinations; no database yet.
    pub fn new(destinations: Destinations, state: impl Into<PathBuf>) -> Self {
        Self {
            databases: Vec::new(),
            destinations,
            adopt: false,
            compression: Compression::default(),
            limits: Limits::default(),
            disabled: None,
            #[cfg(feature = "commands")]
            hooks: lifeboat_agent::Hooks::default(),
            at_once: AT_ONCE,
            state: state.into(),
            setup: None,
        }
    }

    /// What settings say. The secret is what opens the repository.
    pub fn of(setup: Arc<Setup>, secret: Option<&Secret>) -> Result<Self, SetupError> {
        let settings = setup.configuration().settings();
        if settings.databases.is_empty() {
            return Err(SetupError::usage(
                "no database is configured",
                "name it in lifeboat.toml: [[database]] with path = \"app.db\"",
            ));
        }
        let paths: Vec<PathBuf> =
            settings.databases.iter().map(|database| (&database.path).into()).collect();
        Ok(Self {
            databases: watched(&setup)?,
            destinations: setup.destinations(secret),
            adopt: setup.adopts(),
            compression: setup.compression(),
            limits: setup.limits(),
            disabled: setup.disabled(&paths),
            #[cfg(feature = "commands")]
            hooks: crate::notify::hooks(settings),
            at_once: AT_ONCE,
            state: setup.directories().state,
            setup: Some(setup),
        })
    }

    /// Databases that patterns find now and that are not known yet.
    pub(super) fn newcomers(&self) -> Result<Vec<Watched>, SetupError> {
        let Some(setup) = &self.setup else { return Ok(Vec::new()) };
        let mut found = watched(setup)?;
        found.retain(|one| !self.databases.iter().any(|known| known.name == one.name));
        Ok(found)
    }

    /// The databases whose commits are followed.
    pub(super) fn followed(&self) -> impl Iterator<Item = &Watched> {
        let here = self.disabled.is_none();
        let all = self.databases.iter().filter(move |one| here && one.follow.is_some());
        all.filter(|one| one.out_of_reach().is_none())
    }

    /// The jobs of all databases.
    pub(super) fn jobs(&self, now: time::OffsetDateTime) -> Vec<Planned> {
        if self.disabled.is_some() {
            return Vec::new();
        }
        let mut jobs = Vec::new();
        let returns = self.destinations.settings().count() > 1;
        for one in self.databases.iter().filter(|one| one.out_of_reach().is_none()) {
            // Following begins with a snapshot of its own.
            let schedule = one.schedule.clone();
            let schedule = if one.follow.is_some() { schedule.with_start(false) } else { schedule };
            jobs.push(Planned::new(&one.name, Job::Backup, schedule));
            super::upkeep::plan(one, &self.state, returns, now, &mut jobs);
        }
        jobs
    }
}

/// The databases that settings name, as they are found now.
fn watched(setup: &Setup) -> Result<Vec<Watched>, SetupError> {
    let mut known: HashMap<Option<usize>, Watched> = HashMap::new();
    let mut all = Vec::new();
    for target in setup.targets()? {
        let Target { path, name, places, index } = target.clone();
        let like = match known.get(&index) {
            Some(like) => like.clone(),
            None => known.entry(index).or_insert(first(setup, &target)?).clone(),
        };
        all.push(Watched { name, path, destinations: places, ..like });
    }
    Ok(all)
}

/// What all databases of one section have in common.
fn first(setup: &Setup, target: &Target) -> Result<Watched, SetupError> {
    let schedule = setup.schedule(target)?;
    let mut like = Watched::new(&target.name, &target.path, schedule);
    if let Some(index) = target.index {
        like.keeping = Arc::clone(setup.kept(index));
        like.drills = Arc::new(setup.drills(index));
        like.follow = setup.follow(index);
    }
    Ok(like)
}
