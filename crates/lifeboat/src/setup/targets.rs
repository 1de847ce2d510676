//! Which databases are meant: files, or names that the settings know.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use lifeboat_config::FoundDatabase;
use lifeboat_snapshot::default_name;

use super::{Setup, SetupError};

/// A database that is to be backed up.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Target {
    /// Its file.
    pub path: PathBuf,
    /// Its name in the repository.
    pub name: String,
    /// The places that it goes to, by name; all if there are none.
    pub places: Vec<String>,
    /// Which of the configured databases it is.
    pub index: Option<usize>,
}

impl Target {
    /// Whether this names a database in MotherDuck, which is no file.
    pub fn is_motherduck(&self) -> bool {
        is_motherduck(&self.path)
    }
}

impl Setup {
    /// The databases that were typed, or all that are configured.
    pub fn named(&self, typed: &[PathBuf]) -> Result<Vec<Target>, SetupError> {
        let known = self.databases()?;
        if typed.is_empty() {
            return Ok(known.iter().map(|found| self.target(found)).collect());
        }
        let targets = typed.iter().map(|typed| match self.find(typed, &known) {
            Some(found) => self.target(found),
            None => Target {
                path: typed.clone(),
                name: default_name(typed),
                places: vec![],
                index: None,
            },
        });
        Ok(targets.collect())
    }

    /// All databases that are configured; two of one name are refused.
    pub fn targets(&self) -> Result<Vec<Target>, SetupError> {
        let targets = self.named(&[])?;
        two_of_one_name(&targets)?;
        Ok(targets)
    }

    /// The name of a database that is known by its path, else that of its file.
    pub fn name_of_path(&self, path: &Path) -> String {
        let known = self.databases().unwrap_or_default();
        let same = known.iter().find(|found| self.same_file(&found.path, path));
        same.map_or_else(|| default_name(path), name_of)
    }

    fn target(&self, found: &FoundDatabase) -> Target {
        Target {
            path: found.path.clone(),
            name: name_of(found),
            places: self.places_of(found),
            index: Some(found.index),
        }
    }

    /// The places of a database. Where one repository is named instead of all
    /// destinations, it is the place of every database.
    fn places_of(&self, found: &FoundDatabase) -> Vec<String> {
        let settings = self.configuration.settings();
        match settings.repository {
            Some(_) => Vec::new(),
            None => settings.databases[found.index].destinations.clone(),
        }
    }

    /// A file counts before a name: whoever means the name has no such file.
    fn find<'a>(&self, typed: &Path, known: &'a [FoundDatabase]) -> Option<&'a FoundDatabase> {
        let by_path = known.iter().find(|found| self.same_file(&found.path, typed));
        let named = |found: &&FoundDatabase| typed.to_str() == Some(name_of(found).as_str());
        by_path.or_else(|| known.iter().find(named).filter(|_| !typed.exists()))
    }

    fn same_file(&self, a: &Path, b: &Path) -> bool {
        let here = self.environment.directory();
        let real = |path: &Path| {
            let path = here.join(path);
            path.canonicalize().unwrap_or(path)
        };
        real(a) == real(b)
    }
}

pub(crate) fn is_motherduck(path: &Path) -> bool {
    let text = path.to_string_lossy();
    text.starts_with("md:") || text.starts_with("motherduck:")
}

pub(crate) fn name_of(found: &FoundDatabase) -> String {
    found.name.clone().unwrap_or_else(|| default_name(&found.path))
}

/// Two databases of one name would take turns in one history.
pub fn two_of_one_name(targets: &[Target]) -> Result<(), SetupError> {
    let mut known: HashMap<&str, &Target> = HashMap::with_capacity(targets.len());
    for target in targets {
        if let Some(other) = known.insert(&target.name, target) {
            return Err(SetupError::usage(
                format!(
                    "{} and {} would both be named {:?}",
                    other.path.display(),
                    target.path.display(),
                    target.name
                ),
                "back them up one at a time, with --as, or name them in [[database]]",
            ));
        }
    }
    Ok(())
}
