//! The environment of a process, as a value.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The variables and the working directory of a process, as a value: what
/// follows from them is a function that a test can call.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Environment {
    variables: BTreeMap<String, String>,
    not_text: BTreeSet<String>,
    directory: PathBuf,
}

impl Environment {
    /// That of this process.
    pub fn of_process() -> Self {
        let mut environment = Self::in_directory(std::env::current_dir().unwrap_or_default());
        for (name, value) in std::env::vars_os() {
            // A name that is not text is none that anybody here asks for.
            let Ok(name) = name.into_string() else { continue };
            match value.into_string() {
                Ok(value) => drop(environment.variables.insert(name, value)),
                Err(_) => drop(environment.not_text.insert(name)),
            }
        }
        environment
    }

    /// One without variables.
    pub fn in_directory(directory: impl Into<PathBuf>) -> Self {
        Self { directory: directory.into(), ..Self::default() }
    }

    /// This one with another variable.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.variables.insert(name.to_owned(), value.to_owned());
        self
    }

    /// A variable. One that is set but empty counts as unset.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The variables that are set and not empty, by name.
    pub fn variables(&self) -> impl Iterator<Item = (&str, &str)> {
        let all = self.variables.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        all.filter(|(_, value)| !value.is_empty())
    }

    /// Variables whose value is not text.
    pub fn not_text(&self) -> impl Iterator<Item = &str> {
        self.not_text.iter().map(String::as_str)
    }

    /// The working directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Whether a variable says yes. What it says is read as people write it:
    /// `1`, `true`, `yes`, `on`, in any case; anything else is no.
    pub fn says_yes(&self, name: &str) -> bool {
        self.get(name).and_then(crate::units::flag).unwrap_or(false)
    }
}

/// Values may be secrets.
impl std::fmt::Debug for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<&String> = self.variables.keys().collect();
        f.debug_struct("Environment").field("names", &names).field("in", &self.directory).finish()
    }
}
