//! What the settings say of keeping and proving, for each database.

use jiff::tz::TimeZone;
use lifeboat::Keeping;
use lifeboat::config::{Configuration, Retention};
use lifeboat::repository::CollectOptions;
use lifeboat::retention::Policy;

use super::Setup;
use crate::arguments::Refusal;
use crate::exit::Exit;
use crate::report::causes;
use crate::targets::name_of;

/// What is kept of a database.
#[derive(Debug)]
pub(crate) struct Kept {
    /// Without one everything is kept.
    pub(crate) policy: Option<Policy>,
    pub(crate) zone: TimeZone,
    /// What a collection spares.
    pub(crate) collect: CollectOptions,
}

/// The common policy, and those of the databases that have their own.
#[derive(Debug)]
pub(super) struct Keepings {
    common: Kept,
    /// By the number of the database in the settings.
    own: Vec<Option<Kept>>,
}

impl Keepings {
    /// Reads all of them, so that a mistake is told before anything happens.
    pub(super) fn read(configuration: &Configuration) -> Result<Self, Refusal> {
        let settings = configuration.settings();
        let read = |retention: Option<&Retention>, path: &str| {
            let keeping = Keeping::configured(retention).map_err(|error| {
                refusal(
                    configuration,
                    path,
                    error.setting(),
                    &format!("failed to {}", causes(&error)),
                )
            })?;
            let zone = match keeping.zone.as_deref() {
                None => TimeZone::system(),
                Some(name) => TimeZone::get(name).map_err(|_| {
                    let why = format!("{name:?} is no time zone of this system");
                    refusal(configuration, path, Some("timezone"), &why)
                })?,
            };
            Ok(Kept { policy: keeping.policy, zone, collect: keeping.collect })
        };
        let common = read(settings.retention.as_ref(), "retention")?;
        let mut own = Vec::new();
        for (at, database) in settings.databases.iter().enumerate() {
            let path = format!("database.{at}.retention");
            let retention = database.retention.as_ref();
            own.push(retention.map(|retention| read(Some(retention), &path)).transpose()?);
        }
        Ok(Self { common, own })
    }
}

fn refusal(configuration: &Configuration, path: &str, setting: Option<&str>, why: &str) -> Refusal {
    let path = setting.map_or_else(|| path.to_owned(), |setting| format!("{path}.{setting}"));
    Refusal {
        exit: Exit::Usage,
        message: format!("{}: {why}", configuration.place(&path)),
        hint: "docs/retention.md says what the rules are; nothing was forgotten".into(),
    }
}

impl Setup {
    /// What is kept of the database of a name in the repository. Where it is not
    /// known whether that has a policy of its own, none is taken for it.
    pub(crate) fn keeping(&self, name: &str) -> Result<&Kept, Refusal> {
        let found = self.databases()?;
        if let Some(database) = found.iter().find(|found| name_of(found) == name) {
            return Ok(self.keepings.own[database.index].as_ref().unwrap_or(&self.keepings.common));
        }
        // A file that a pattern found is gone, and with it the name.
        let databases = &self.configuration.settings().databases;
        let mut patterns = databases
            .iter()
            .zip(&self.keepings.own)
            .filter(|(database, own)| own.is_some() && database.path.contains(['*', '?', '[']));
        if let Some((pattern, _)) = patterns.next() {
            return Err(Refusal {
                exit: Exit::Usage,
                message: format!(
                    "no configured database is called {name:?}, but files that {} finds have a \
                     policy of their own, and it may be one that is gone",
                    pattern.path
                ),
                hint: "say what is kept: --keep-last 7, --keep-within 30d, --keep-preset".into(),
            });
        }
        Ok(&self.keepings.common)
    }

    /// What a collection of the database of a name spares: of one that is not
    /// known, whatever any policy spares.
    pub(crate) fn collecting(&self, name: &str) -> CollectOptions {
        if let Ok(keeping) = self.keeping(name) {
            return keeping.collect;
        }
        let all = self.keepings.own.iter().flatten().chain([&self.keepings.common]);
        all.map(|keeping| keeping.collect).fold(CollectOptions::default(), |a, b| {
            a.with_times(a.trash.max(b.trash), a.grace.max(b.grace))
                .with_floor(a.floor_snapshots.max(b.floor_snapshots), a.floor_age.max(b.floor_age))
        })
    }

    /// Statements that must each return 1 in the database of a name.
    pub(crate) fn assertions(&self, name: &str) -> Result<Vec<String>, Refusal> {
        let settings = self.configuration.settings();
        let found = self.databases()?;
        let own = found
            .iter()
            .find(|found| name_of(found) == name)
            .and_then(|found| settings.databases[found.index].drill.as_ref());
        let own = own.map(|drill| &drill.assert[..]).unwrap_or_default();
        Ok(settings.drill.assert.iter().chain(own).cloned().collect())
    }
}
