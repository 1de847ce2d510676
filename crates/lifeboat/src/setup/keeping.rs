//! What the settings say of keeping and proving, for each database.

use std::sync::Arc;

use jiff::tz::TimeZone;
use lifeboat_config::{Configuration, FoundDatabase, Mode, Retention};
use lifeboat_repository::CollectOptions;
use lifeboat_retention::Policy;

use super::targets::name_of;
use super::{Place, Setup, SetupError};
use crate::continuous::Continuous;
use crate::error::causes_of;
use crate::keep::Keeping;
use crate::service::Drills;

/// What is kept of a database.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Kept {
    /// Without one everything is kept.
    pub policy: Option<Policy>,
    /// Where hours, days and weeks begin.
    pub zone: TimeZone,
    /// What a collection spares.
    pub collect: CollectOptions,
}

impl Default for Kept {
    fn default() -> Self {
        Self { policy: None, zone: TimeZone::system(), collect: CollectOptions::default() }
    }
}

impl Kept {
    /// What a policy keeps, by the calendar of the local zone.
    pub fn by(policy: Policy) -> Self {
        Self { policy: Some(policy), ..Self::default() }
    }
}

/// The common policy, and those of the databases that have their own.
#[derive(Debug)]
pub(super) struct Keepings {
    common: Arc<Kept>,
    /// By the number of the database in the settings.
    own: Vec<Option<Arc<Kept>>>,
    /// By the number of the destination in the settings.
    destinations: Vec<Option<Arc<Kept>>>,
}

impl Keepings {
    /// Reads all of them, so that a mistake is told before anything happens.
    pub(super) fn read(configuration: &Configuration) -> Result<Self, SetupError> {
        let settings = configuration.settings();
        let read = |retention: Option<&Retention>, path: &str| -> Result<Arc<Kept>, SetupError> {
            let keeping = Keeping::configured(retention).map_err(|error| {
                refusal(
                    configuration,
                    path,
                    error.setting(),
                    &format!("failed to {}", causes_of(&error)),
                )
            })?;
            let zone = match keeping.zone.as_deref() {
                None => TimeZone::system(),
                Some(name) => TimeZone::get(name).map_err(|_| {
                    let why = format!("{name:?} is no time zone of this system");
                    refusal(configuration, path, Some("timezone"), &why)
                })?,
            };
            let log = settings.continuous.keep.unwrap_or(Continuous::default().keep);
            let collect = keeping.collect.with_log(log);
            Ok(Arc::new(Kept { policy: keeping.policy, zone, collect }))
        };
        let common = read(settings.retention.as_ref(), "retention")?;
        let mut own = Vec::new();
        for (at, database) in settings.databases.iter().enumerate() {
            let path = format!("database.{at}.retention");
            let retention = database.retention.as_ref();
            own.push(retention.map(|retention| read(Some(retention), &path)).transpose()?);
        }
        let mut destinations = Vec::new();
        for (at, destination) in settings.destinations.iter().enumerate() {
            let path = format!("destination.{at}.retention");
            let retention = destination.retention.as_ref();
            destinations.push(retention.map(|one| read(Some(one), &path)).transpose()?);
        }
        Ok(Self { common, own, destinations })
    }
}

fn refusal(
    configuration: &Configuration,
    path: &str,
    setting: Option<&str>,
    why: &str,
) -> SetupError {
    let path = setting.map_or_else(|| path.to_owned(), |setting| format!("{path}.{setting}"));
    SetupError::usage(
        format!("{}: {why}", configuration.place(&path)),
        "docs/retention.md says what the rules are; nothing was forgotten",
    )
}

impl Setup {
    /// What is kept of one of the configured databases.
    pub(crate) fn kept(&self, index: usize) -> &Arc<Kept> {
        self.keepings.own[index].as_ref().unwrap_or(&self.keepings.common)
    }

    /// What is kept of the database of a name in the repository. Where it is not
    /// known whether that has a policy of its own, none is taken for it.
    pub fn keeping(&self, name: &str) -> Result<&Kept, SetupError> {
        let found = self.databases()?;
        if let Some(database) = found.iter().find(|found| name_of(found) == name) {
            return Ok(self.kept(database.index));
        }
        // A file that a pattern found is gone, and with it the name.
        let databases = &self.configuration.settings().databases;
        let mut patterns = databases
            .iter()
            .zip(&self.keepings.own)
            .filter(|(database, own)| own.is_some() && database.path.contains(['*', '?', '[']));
        if let Some((pattern, _)) = patterns.next() {
            return Err(SetupError::usage(
                format!(
                    "no configured database is called {name:?}, but files that {} finds have a \
                     policy of their own, and it may be one that is gone",
                    pattern.path
                ),
                "say what is kept: --keep-last 7, --keep-within 30d, --keep-preset",
            ));
        }
        Ok(&self.keepings.common)
    }

    /// What is kept at a place, where it has rules of its own.
    pub(super) fn keeping_at(&self, place: &Place) -> Option<&Arc<Kept>> {
        self.keepings.destinations.get(place.section?)?.as_ref()
    }

    /// What a collection of the database of a name spares: of one that is not
    /// known, whatever any policy spares.
    pub fn collecting(&self, name: &str) -> CollectOptions {
        if let Ok(keeping) = self.keeping(name) {
            return keeping.collect;
        }
        let all = self.keepings.own.iter().flatten().chain([&self.keepings.common]);
        all.map(|keeping| keeping.collect).fold(CollectOptions::default(), |a, b| {
            a.with_times(a.trash.max(b.trash), a.grace.max(b.grace))
                .with_floor(a.floor_snapshots.max(b.floor_snapshots), a.floor_age.max(b.floor_age))
                .with_log(a.log.max(b.log))
        })
    }

    /// Statements that must each return 1 in the database of a name.
    pub fn assertions(&self, name: &str) -> Result<Vec<String>, SetupError> {
        let found = self.databases()?;
        Ok(self.asserted(found.iter().find(|found| name_of(found) == name)))
    }

    /// Statements that must each return 1 in a database that was found.
    pub(crate) fn asserted(&self, found: Option<&FoundDatabase>) -> Vec<String> {
        let settings = self.configuration.settings();
        let own = found.and_then(|found| settings.databases[found.index].drill.as_ref());
        let own = own.map(|drill| &drill.assert[..]).unwrap_or_default();
        settings.drill.assert.iter().chain(own).cloned().collect()
    }

    /// How the commits of one of the configured databases are followed, if they are.
    pub(crate) fn follow(&self, index: usize) -> Option<Continuous> {
        let settings = self.configuration.settings();
        if settings.databases[index].mode != Mode::Continuous {
            return None;
        }
        let (set, mut follow) = (&settings.continuous, Continuous::default());
        follow.interval = set.interval.unwrap_or(follow.interval);
        follow.spool.limit = set.spool.unwrap_or(follow.spool.limit);
        follow.keep = set.keep.unwrap_or(follow.keep);
        Some(follow)
    }

    /// How backups of one of the configured databases are put to the test.
    pub(crate) fn drills(&self, index: usize) -> Drills {
        let settings = self.configuration.settings();
        let own = settings.databases[index].drill.as_ref();
        let (common, mut drills) = (&settings.drill, Drills::default());
        let enabled = own.and_then(|own| own.enabled).or(common.enabled).unwrap_or(true);
        let every = own.and_then(|own| own.every).or(common.every).or(drills.every);
        drills.every = every.filter(|_| enabled);
        let own = own.map(|own| &own.assert[..]).unwrap_or_default();
        drills.assertions = common.assert.iter().chain(own).cloned().collect();
        drills
    }
}
