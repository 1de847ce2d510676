//! Settings from files, variables and the command line, as programs get them.

mod errors;
mod example;
mod family;
mod layers;
mod shown;
mod whereabouts;

use std::path::Path;

use lifeboat_config::{Configuration, Environment, Problems, Request};

/// A folder with a file or none, an environment, and what is typed.
pub(crate) struct World {
    dir: tempfile::TempDir,
    environment: Environment,
    request: Request,
}

impl World {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        // Nothing of the machine that the test runs on.
        let environment = Environment::in_directory(dir.path())
            .with("HOME", &dir.path().join("home").to_string_lossy())
            .with("XDG_CONFIG_DIRS", &dir.path().join("system").to_string_lossy());
        Self { dir, environment, request: Request::default() }
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn file(self, name: &str, text: &str) -> Self {
        let path = self.dir.path().join(name);
        std::fs::create_dir_all(path.parent().expect("is in the folder")).expect("is made");
        std::fs::write(path, text).expect("is written");
        self
    }

    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.environment = self.environment.with(name, value);
        self
    }

    pub(crate) fn all(mut self, variables: &[(&str, &str)]) -> Self {
        for (name, value) in variables {
            self = self.with(name, value);
        }
        self
    }

    pub(crate) fn typed(mut self, change: impl FnOnce(&mut Request)) -> Self {
        change(&mut self.request);
        self
    }

    pub(crate) fn load(&self) -> Result<Configuration, Problems> {
        Configuration::load(&self.request, &self.environment)
    }

    pub(crate) fn ok(&self) -> Configuration {
        self.load().unwrap_or_else(|problems| panic!("{problems}"))
    }

    /// What is wrong, a line each.
    pub(crate) fn refused(&self) -> String {
        self.load().map(|_| ()).expect_err("something is wrong").to_string()
    }
}
