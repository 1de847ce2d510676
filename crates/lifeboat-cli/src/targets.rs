//! Which databases are meant: files, or names that the settings know.

use std::path::{Path, PathBuf};

use lifeboat::config::FoundDatabase;
use lifeboat::snapshot::default_name;

use crate::arguments::{BackupArguments, Refusal};
use crate::exit::Exit;
use crate::setup::Setup;

/// A database that is to be backed up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) path: PathBuf,
    pub(crate) name: String,
    /// The places that it goes to, by name; all if there are none.
    pub(crate) places: Vec<String>,
    /// Which of the configured databases it is.
    pub(crate) index: Option<usize>,
}

/// The databases that a backup is about.
pub(crate) fn of(backup: &BackupArguments, setup: &Setup) -> Result<Vec<Target>, Refusal> {
    let mut targets = named(&backup.databases, setup)?;
    if targets.is_empty() {
        return Err(none(!setup.configuration.settings().databases.is_empty()));
    }
    if let Some(name) = &backup.name {
        targets.iter_mut().for_each(|target| target.name.clone_from(name));
    }
    two_of_one_name(&targets)?;
    Ok(targets)
}

/// The databases that were typed, or all that are configured.
pub(crate) fn named(typed: &[PathBuf], setup: &Setup) -> Result<Vec<Target>, Refusal> {
    let known = setup.databases()?;
    let target = |found: &FoundDatabase| Target {
        path: found.path.clone(),
        name: name_of(found),
        places: places_of(found, setup),
        index: Some(found.index),
    };
    let targets: Vec<Target> = if typed.is_empty() {
        known.iter().map(target).collect()
    } else {
        typed
            .iter()
            .map(|typed| match find(typed, &known, setup) {
                Some(found) => target(found),
                None => Target {
                    path: typed.clone(),
                    name: default_name(typed),
                    places: vec![],
                    index: None,
                },
            })
            .collect()
    };
    Ok(targets)
}

/// The places of a database. Where one repository is named instead of all
/// destinations, it is the place of every database.
fn places_of(found: &FoundDatabase, setup: &Setup) -> Vec<String> {
    let settings = setup.configuration.settings();
    match settings.repository {
        Some(_) => Vec::new(),
        None => settings.databases[found.index].destinations.clone(),
    }
}

/// All databases that are configured.
pub(crate) fn configured(setup: &Setup) -> Result<Vec<Target>, Refusal> {
    let targets = named(&[], setup)?;
    two_of_one_name(&targets)?;
    Ok(targets)
}

/// The name of a database that is known by its path, else that of its file.
pub(crate) fn name_of_path(path: &Path, setup: &Setup) -> String {
    let known = setup.databases().unwrap_or_default();
    let same = known.iter().find(|found| same_file(&found.path, path, setup));
    same.map_or_else(|| default_name(path), name_of)
}

/// Whether this names a database in MotherDuck, which is no file.
pub(crate) fn is_motherduck(path: &Path) -> bool {
    let text = path.to_string_lossy();
    text.starts_with("md:") || text.starts_with("motherduck:")
}

pub(crate) fn name_of(found: &FoundDatabase) -> String {
    found.name.clone().unwrap_or_else(|| default_name(&found.path))
}

/// A file counts before a name: whoever means the name has no such file.
fn find<'a>(typed: &Path, known: &'a [FoundDatabase], setup: &Setup) -> Option<&'a FoundDatabase> {
    let by_path = known.iter().find(|found| same_file(&found.path, typed, setup));
    let named = |found: &&FoundDatabase| typed.to_str() == Some(name_of(found).as_str());
    by_path.or_else(|| known.iter().find(named).filter(|_| !typed.exists()))
}

fn same_file(a: &Path, b: &Path, setup: &Setup) -> bool {
    let here = setup.environment.directory();
    let real = |path: &Path| {
        let path = here.join(path);
        path.canonicalize().unwrap_or(path)
    };
    real(a) == real(b)
}

fn none(configured: bool) -> Refusal {
    let message = if configured {
        "no file fits the patterns of the configured databases"
    } else {
        "no database was named, and none is configured"
    };
    Refusal {
        exit: Exit::Usage,
        message: message.into(),
        hint: "name a file, as in `lifeboat backup app.db`, or configure [[database]]".into(),
    }
}

/// Two databases of one name would take turns in one history.
fn two_of_one_name(targets: &[Target]) -> Result<(), Refusal> {
    for (at, target) in targets.iter().enumerate() {
        if let Some(other) = targets[..at].iter().find(|other| other.name == target.name) {
            return Err(Refusal {
                exit: Exit::Usage,
                message: format!(
                    "{} and {} would both be named {:?}",
                    other.path.display(),
                    target.path.display(),
                    target.name
                ),
                hint: "back them up one at a time, with --as, or name them in [[database]]".into(),
            });
        }
    }
    Ok(())
}
