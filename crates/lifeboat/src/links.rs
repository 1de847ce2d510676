//! The objects that databases mention, compared with the buckets that hold them,
//! as settings say. What is compared and mended, and how, is `lifeboat_links`,
//! which is re-exported here; backups come in here.

mod audit;
mod fixing;
mod settings;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use lifeboat_config::Settings;
pub use lifeboat_links::*;
use lifeboat_remote::{Remote, RemoteOptions, is_local_path, without_secrets};
use time::OffsetDateTime;

use crate::directories::Directories;
use crate::error::Error;

pub use audit::{Audited, audit};
pub use fixing::{Fixed, Safeguard};

/// All rules of the settings, by the stores that they are about.
#[derive(Clone)]
pub struct Links {
    stores: Vec<StoreLinks>,
}

/// A store, and the rules about it.
#[derive(Clone)]
#[non_exhaustive]
pub struct StoreLinks {
    /// What to show people.
    pub shown: String,
    /// The rules, in the order of their positions.
    pub rules: Vec<RuleOf>,
    /// Where they are compared.
    pub group: Group,
    /// Another place that may have what is missing.
    pub also: Option<Remote>,
}

/// A rule, and which database it is about.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RuleOf {
    /// What people call it.
    pub name: String,
    /// The name of the database in the repository; none for a list.
    pub database: Option<String>,
    /// Where it lies.
    pub path: Option<PathBuf>,
    /// The destinations it goes to, by name; all if there are none.
    pub destinations: Vec<String>,
}

/// A database that rules may be about.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LinkedDatabase {
    /// Its name in the repository.
    pub name: String,
    /// Its path.
    pub path: PathBuf,
    /// The destinations it goes to, by name; all if there are none.
    pub destinations: Vec<String>,
}

impl LinkedDatabase {
    /// A database that goes to all destinations.
    pub fn new(name: impl Into<String>, path: impl Into<PathBuf>) -> Self {
        Self { name: name.into(), path: path.into(), destinations: Vec::new() }
    }

    /// A database that goes to these destinations.
    #[must_use]
    pub fn with_destinations(mut self, names: Vec<String>) -> Self {
        self.destinations = names;
        self
    }
}

/// A list of keys that somebody made, and what it is about.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct ListOfKeys {
    /// What is done with rows whose object is missing.
    pub on_broken: Option<String>,
    /// The table and column that the list was made of.
    pub column: Option<String>,
    /// The column that says which row it is.
    pub id: Option<String>,
    /// How the keys stand in it.
    pub form: Form,
}

impl Links {
    /// Opens databases and stores, and looks whether the rules fit. All databases
    /// must be among these that rules are about: only together they say what is
    /// orphaned.
    pub async fn open(
        settings: &Settings,
        databases: &[LinkedDatabase],
        directories: &Directories,
    ) -> Result<Self, Error> {
        open_rules(&settings.links, databases, &directories.cache).await
    }

    /// For a list of keys instead of a database.
    pub async fn of_list(
        list: ListOfKeys,
        mut keys: impl std::io::Read + Send + 'static,
        url: &str,
        options: RemoteOptions,
        directories: &Directories,
    ) -> Result<Self, Error> {
        let scratch = scratch(&directories.cache)?;
        let store = open_store(url, options)?;
        blocking(move || {
            let mut rule = Rule::default();
            rule.name = "the list".to_owned();
            if let Some(text) = &list.column {
                let column = Column::parse(text).ok_or_else(|| LinksError::Rule {
                    rule: rule.name.clone(),
                    why: format!("{text:?} names no table: a column is written table.column"),
                })?;
                rule.origin = Origin::Columns(vec![column]);
            }
            rule.form = list.form;
            rule.on_broken = list.on_broken.as_deref().map(OnBroken::parse);
            let mentions = ListMentions::take(&mut keys, &scratch, rule, list.id, 0)?;
            let group = Group::new(store, vec![Arc::new(mentions)], options_of(&scratch));
            let rule = RuleOf {
                name: "the list".to_owned(),
                database: None,
                path: None,
                destinations: Vec::new(),
            };
            let shown = group.store().shown().to_owned();
            Ok(Self { stores: vec![StoreLinks { shown, rules: vec![rule], group, also: None }] })
        })
        .await
    }

    /// The stores, each with its rules.
    pub fn stores(&self) -> &[StoreLinks] {
        &self.stores
    }
}

impl StoreLinks {
    /// Compares both sides; changes nothing.
    pub async fn check(&self) -> Result<Checked, Error> {
        let group = self.group.clone();
        Ok(off_thread(async move { group.check().await }).await?)
    }

    /// The name under which what is moved to quarantine now can be brought back: to be
    /// told before anything is moved.
    pub async fn next_run(&self) -> Result<String, Error> {
        Ok(self.group.name_of_run(stamp()).await?)
    }

    /// Moves orphaned objects to quarantine, under a name, or deletes them.
    ///
    /// Killed, each object is in its place, in quarantine or in both, and can be
    /// brought back under that name.
    pub async fn clean(
        &self,
        checked: Checked,
        removal: Removal,
        run: &str,
    ) -> Result<(CleanReport, Checked), Error> {
        let (group, run) = (self.group.clone(), run.to_owned());
        let cleaned = off_thread(async move {
            let mut checked = checked;
            let report = group.clean(&mut checked, removal, &run).await?;
            Ok::<_, LinksError>((report, checked))
        });
        Ok(cleaned.await?)
    }

    /// Brings objects back from quarantine: what was moved there last, or under
    /// this name.
    pub async fn bring_back(&self, run: Option<&str>) -> Result<Option<BackReport>, Error> {
        Ok(self.group.bring_back(run).await?)
    }

    /// Puts missing objects back, from the other place or an earlier version; without
    /// `apply` it only looks.
    pub async fn recover(
        &self,
        checked: Checked,
        apply: bool,
    ) -> Result<(RecoverReport, Checked), Error> {
        let (group, also) = (self.group.clone(), self.also.clone());
        let recovered = off_thread(async move {
            let mut checked = checked;
            let report = group.recover(&mut checked, also.as_ref(), apply).await?;
            Ok::<_, LinksError>((report, checked))
        });
        Ok(recovered.await?)
    }

    /// Leaves a test of the first rule that can have one. Returns its key.
    pub async fn create_test(&self) -> Result<Option<String>, Error> {
        let group = self.group.clone();
        let created = off_thread(async move {
            let can = |source: &&Arc<dyn Mentions>| source.rule().probe_insert.is_some();
            let source = group.sources().iter().find(can).and_then(|source| source.database());
            match source {
                Some(database) => database.create_test(group.store(), &stamp()).await.map(Some),
                None => Ok(None),
            }
        });
        Ok(created.await?)
    }

    /// Takes the tests away that a comparison found.
    pub async fn remove_tests(&self, checked: &Checked) -> Result<(), Error> {
        let (group, probes) = (self.group.clone(), checked.probes.clone());
        Ok(off_thread(async move { group.remove_tests(&probes).await }).await?)
    }
}

/// Opens what some rules are about.
pub(crate) async fn open_rules(
    rules: &[lifeboat_config::Links],
    databases: &[LinkedDatabase],
    cache: &Path,
) -> Result<Links, Error> {
    let scratch = scratch(cache)?;
    let (rules, databases) = (rules.to_owned(), databases.to_owned());
    blocking(move || settings::open(&rules, &databases, &scratch)).await
}

/// The store that a rule is about.
pub(crate) fn store_of(rule: &lifeboat_config::Links) -> Result<Remote, Error> {
    open_store(&rule.url, settings::options(&rule.url, &rule.options)?)
}

/// Where temporary files are, for nobody else to read.
fn scratch(cache: &Path) -> Result<PathBuf, Error> {
    let path = cache.join("links");
    let made = std::fs::create_dir_all(&path).and_then(|()| {
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700))?;
        }
        Ok(())
    });
    match made {
        Ok(()) => Ok(path),
        Err(source) => Err(Error::Path { path, source }),
    }
}

fn options_of(scratch: &Path) -> Options {
    Options::new(scratch, OffsetDateTime::now_utc().unix_timestamp())
}

/// A store of objects. A directory that is not there is no empty store.
fn open_store(url: &str, options: RemoteOptions) -> Result<Remote, Error> {
    Remote::open_with(url, options)
        .map_err(|source| Error::Destination { place: without_secrets(url), source })
}

/// The time as it stands in names: `20261120T101530Z`.
fn stamp() -> String {
    let format = time::macros::format_description!("[year][month][day]T[hour][minute][second]Z");
    OffsetDateTime::now_utc().format(&format).expect("a time of our calendar has these parts")
}

/// What stands for a place: two texts may name one directory.
fn place_of(url: &str, store: &Remote) -> String {
    match is_local_path(url) {
        true => {
            let path = url.strip_prefix("file://").unwrap_or(url);
            let path = std::fs::canonicalize(path).unwrap_or_else(|_| path.into());
            path.to_string_lossy().into_owned()
        }
        false => store.identity().to_owned(),
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

/// Runs what blocks and waits for a store by turns, where it may block.
async fn off_thread<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> T {
    let runtime = tokio::runtime::Handle::current();
    match tokio::task::spawn_blocking(move || runtime.block_on(work)).await {
        Ok(done) => done,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}
