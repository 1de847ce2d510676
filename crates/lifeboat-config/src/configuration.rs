//! From files, environment and command line to settings.

use std::path::{Path, PathBuf};

use crate::check::check;
use crate::contradiction;
use crate::environment::Environment;
use crate::family::{self, Derived};
use crate::file::{self, Ours};
use crate::layers::{self, Layer, Merged};
use crate::node::{Node, Raw, TableBuilder};
use crate::problem::{Place, Problem, Problems, What};
use crate::schema::ROOT;
use crate::settings::Settings;
use crate::show::{self, Shown};
use crate::variables;

/// What the command line says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Request {
    /// The file to read, instead of the usual one.
    pub file: Option<PathBuf>,
    /// The section of it that is ours.
    pub section: Option<String>,
    /// The repository.
    pub repository: Option<String>,
    /// The file with the key.
    pub key_file: Option<PathBuf>,
}

/// Settings, and where each comes from.
#[derive(Debug)]
pub struct Configuration {
    file: Option<PathBuf>,
    merged: Merged,
    derived: Derived,
}

impl Configuration {
    /// Reads everything. All that is wrong is told at once.
    pub fn load(request: &Request, environment: &Environment) -> Result<Self, Problems> {
        let mut problems = Vec::new();
        let named =
            request.file.clone().or_else(|| environment.get("LIFEBOAT_CONFIG").map(Into::into));
        let section =
            request.section.as_deref().or_else(|| environment.get("LIFEBOAT_CONFIG_SECTION"));
        if named.is_none() && section.is_some() {
            let what =
                What::Contradiction("a section is of a file: name the file with --config".into());
            return Err(Problem { place: Place::Argument("--config-section"), what }.into());
        }
        let file = named.or_else(|| file::find(environment));
        let ours = match &file {
            Some(path) => Ours::read(path, section, environment, &mut problems)?,
            None => Ours::default(),
        };
        let base = file.as_deref().and_then(Path::parent).filter(|base| is_elsewhere(base));
        let mut upper = Vec::new();
        if let Some(native) = &ours.native {
            upper.push(Layer::new("file", check(native, ROOT, base), &mut problems));
        }
        let variables = variables::layer(environment, &mut problems);
        upper.push(Layer::new("environment", check(&variables, ROOT, None), &mut problems));
        let typed = typed(request);
        upper.push(Layer::new("command line", check(&typed, ROOT, None), &mut problems));

        let says_where = |layer: &Layer| {
            layer.place("repository").is_some() || layer.place("destination").is_some()
        };
        let said = upper.iter().any(says_where);
        let derived = family::derive(environment, &ours, said, &mut problems);
        let mut all =
            vec![Layer::new("default", check(&layers::defaults(), ROOT, None), &mut problems)];
        for table in [&derived.place, &derived.key].into_iter().flatten() {
            all.push(Layer::new("other programs", check(table, ROOT, None), &mut problems));
        }
        all.append(&mut upper);
        if !problems.is_empty() {
            return Err(Problems(problems));
        }
        let merged = Merged::of(all)?;
        let problems = contradiction::find(&merged);
        if !problems.is_empty() {
            return Err(Problems(problems));
        }
        Ok(Self { file, merged, derived })
    }

    /// The settings.
    pub fn settings(&self) -> &Settings {
        &self.merged.settings
    }

    /// The file that was read.
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// Where a setting comes from, by its dotted path; items of lists by their
    /// number, counted from 0.
    pub fn place(&self, path: &str) -> &Place {
        self.merged.place(path)
    }

    /// What is worth a line in the log.
    pub fn notices(&self) -> &[String] {
        &self.derived.notices
    }

    /// Why backups go elsewhere than was wanted, where that is known already.
    pub fn fallback_reason(&self) -> Option<&str> {
        self.derived.fallback_reason.as_deref()
    }

    /// Why there are to be no backups, if so.
    pub fn switched_off(&self) -> Option<String> {
        if self.settings().enabled {
            return None;
        }
        let place = self.place("enabled");
        Some(self.derived.disabled.clone().unwrap_or_else(|| format!("enabled is false ({place})")))
    }

    /// All that is set, for people: secrets are masked.
    pub fn shown(&self) -> Vec<Shown> {
        show::all(&self.merged)
    }
}

fn typed(request: &Request) -> Node {
    let mut table = TableBuilder::default();
    if let Some(repository) = request.repository.as_ref().filter(|text| !text.is_empty()) {
        table.put("repository", Node::text(&Place::Argument("--repo"), repository));
    }
    if let Some(path) = &request.key_file {
        let place = Place::Argument("--key-file");
        let path = Raw::Loose(path.to_string_lossy().into_owned());
        table.put_at(&["encryption", "key_file"], Node::new(&place, path));
    }
    table.build(&Place::Default)
}

/// Whether a file lies elsewhere than in the working directory.
fn is_elsewhere(base: &Path) -> bool {
    !(base.as_os_str().is_empty() || base == Path::new("."))
}
