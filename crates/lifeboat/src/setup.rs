//! What settings mean: places, databases, directories, keys, and what is kept;
//! read once.
//!
//! ```no_run
//! use lifeboat::config::{Environment, Request};
//! use lifeboat::setup::Setup;
//!
//! let setup = Setup::load(&Request::default(), Environment::of_process())?;
//! let destinations = setup.destinations(setup.secret()?.as_ref());
//! # Ok::<(), lifeboat::setup::SetupError>(())
//! ```

mod check;
mod error;
mod expected;
mod keeping;
mod places;
mod schedule;
mod secret;
mod targets;

use std::path::{Path, PathBuf};

use lifeboat_config::{
    Configuration, Environment, FoundDatabase, Platform, Request, Role, Spot, TakeOver, Verdict,
    verdict,
};
use lifeboat_format::id::InstallationId;
use lifeboat_remote::{RemoteOptions, is_local_path};
use lifeboat_repository::LocalOptions;

use crate::directories::Directories;
use crate::take::Compression;
use keeping::Keepings;

pub use error::SetupError;
pub use keeping::Kept;
pub use secret::{SecretKind, SecretSource, read_secret};
pub(crate) use targets::is_motherduck;
pub use targets::{Target, two_of_one_name};

/// The repository where none is named.
pub const DEFAULT_REPOSITORY: &str = "./backups";

/// Settings, and the environment that they come from.
#[derive(Debug)]
pub struct Setup {
    environment: Environment,
    configuration: Configuration,
    places: Vec<Place>,
    mirrors: Vec<Place>,
    installation_id: Option<InstallationId>,
    keepings: Keepings,
}

/// Somewhere backups go.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Place {
    /// What the settings call it, where there are several.
    pub name: String,
    /// Its part among the others.
    pub role: Role,
    /// A path or URL.
    pub url: String,
    /// Whether the first backup makes the repository, as in a local directory.
    pub create: bool,
    /// How many snapshots of each database stay there.
    pub max_snapshots: Option<u32>,
    /// Which of the configured destinations it is.
    section: Option<usize>,
    /// How the store is reached.
    pub options: RemoteOptions,
}

impl Place {
    /// The one place that there is.
    fn at(url: &str) -> Self {
        Self {
            name: url.to_owned(),
            role: Role::Primary,
            url: url.to_owned(),
            create: false,
            max_snapshots: None,
            section: None,
            options: RemoteOptions::default(),
        }
    }

    /// Whether it is a plain local directory.
    pub fn is_local(&self) -> bool {
        is_local_path(&self.url)
    }
}

/// Why there are no backups here.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Disabled {
    /// Why.
    pub reason: String,
    /// What to do about it.
    pub hint: String,
}

impl Disabled {
    /// For this reason; the hint says what to do about it.
    pub fn new(reason: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { reason: reason.into(), hint: hint.into() }
    }
}

impl Setup {
    /// Reads everything that is set, and refuses what makes no sense.
    pub fn load(request: &Request, environment: Environment) -> Result<Self, SetupError> {
        let configuration = Configuration::load(request, &environment)?;
        let (places, mirrors) = read_places(&configuration)?;
        let installation_id = installation_id(&configuration)?;
        check::all(&configuration)?;
        let keepings = Keepings::read(&configuration)?;
        let mut setup =
            Self { environment, configuration, places, mirrors, installation_id, keepings };
        setup.places.extend(setup.usual_fallback());
        Ok(setup)
    }

    /// The settings, and where each comes from.
    pub fn configuration(&self) -> &Configuration {
        &self.configuration
    }

    /// The environment that they come from.
    pub fn environment(&self) -> &Environment {
        &self.environment
    }

    /// Whether databases of other installations are taken over.
    pub fn adopts(&self) -> bool {
        self.configuration.settings().take_over == TakeOver::Always
    }

    /// How much work is put into making backups small.
    pub fn compression(&self) -> Compression {
        use lifeboat_config::Compression as Set;
        match self.configuration.settings().compression {
            Set::Fast => Compression::Fast,
            Set::Small => Compression::Small,
            _ => Compression::Balanced,
        }
    }

    /// The usual directory, where the one place that is set is a bucket, and the
    /// directory is there and lasts. Who typed the place means that one alone.
    fn usual_fallback(&self) -> Option<Place> {
        let [only] = &self.places[..] else { return None };
        let set = self.configuration.settings().repository.is_some();
        if !set || self.place_was_typed() || only.is_local() {
            return None;
        }
        let path = self.environment.directory().join(DEFAULT_REPOSITORY);
        let lasts = || {
            let local_disk = self.configuration.settings().local_disk;
            let spots = [Spot::of(&path)];
            !matches!(verdict(&self.environment, local_disk, &[], &spots), Verdict::Vanishes { .. })
        };
        (path.is_dir() && lasts())
            .then(|| Place { role: Role::Fallback, ..Place::at(DEFAULT_REPOSITORY) })
    }

    /// The places of backups, mirrors left out: the first that works counts.
    pub fn places(&self) -> &[Place] {
        &self.places
    }

    /// The places that get every snapshot as well.
    pub fn mirrors(&self) -> &[Place] {
        &self.mirrors
    }

    /// Where state and cache are.
    pub fn directories(&self) -> Directories {
        let settings = self.configuration.settings();
        let mut directories = Directories::of(&self.environment);
        if let Some(state) = &settings.state_dir {
            directories.state.clone_from(state);
        }
        if let Some(cache) = &settings.cache_dir {
            directories.cache.clone_from(cache);
        }
        directories
    }

    /// This installation, with the id that the settings give it.
    pub fn installation(&self) -> LocalOptions {
        let directories = self.directories();
        let mut options = LocalOptions::new(directories.state, directories.cache);
        options.installation_id.clone_from(&self.installation_id);
        options
    }

    /// The files that the settings name, as they are found now.
    pub fn databases(&self) -> Result<Vec<FoundDatabase>, SetupError> {
        let found = self.configuration.databases(self.environment.directory());
        found.map_err(|problem| {
            SetupError::usage(problem.to_string(), "a pattern is such as data/*/app.db")
        })
    }

    /// What is known of the disk on which local places lie. Only places count:
    /// a database that vanishes is one more reason to back it up elsewhere.
    pub fn verdict(&self, databases: &[PathBuf]) -> Verdict {
        let local = self.places.iter().filter(|place| place.is_local());
        let spots: Vec<Spot> = local
            .map(|place| {
                let path = place.url.strip_prefix("file://").unwrap_or(&place.url);
                Spot::of(&self.environment.directory().join(path))
            })
            .collect();
        let databases: Vec<&Path> = databases.iter().map(PathBuf::as_path).collect();
        verdict(&self.environment, self.configuration.settings().local_disk, &databases, &spots)
    }

    /// Why there are no backups here, if so.
    pub fn disabled(&self, databases: &[PathBuf]) -> Option<Disabled> {
        if let Some(reason) = self.configuration.switched_off() {
            return Some(Disabled::new(reason, "switch them on there"));
        }
        if self.places.iter().any(|place| !place.is_local()) {
            return None;
        }
        match self.verdict(databases) {
            // What a file system looks like is no proof, and whoever types a
            // place means it.
            Verdict::Vanishes { platform: None, reason } if self.place_was_typed() => {
                tracing::warn!("{reason}; LIFEBOAT_LOCAL_DISK=lasts says that this is known");
                None
            }
            Verdict::Vanishes { platform, reason } => {
                Some(Disabled::new(reason, elsewhere(platform)))
            }
            _ => None,
        }
    }

    fn place_was_typed(&self) -> bool {
        use lifeboat_config::Place::Argument;
        matches!(self.configuration.place("repository"), Argument(_))
    }
}

fn installation_id(configuration: &Configuration) -> Result<Option<InstallationId>, SetupError> {
    let Some(text) = &configuration.settings().installation_id else { return Ok(None) };
    let parsed = InstallationId::new(text).map_err(|error| {
        SetupError::usage(
            format!("{}: installation_id: {error}", configuration.place("installation_id")),
            "it is 1 to 64 letters, digits and .-_, the same for no other installation",
        )
    });
    parsed.map(Some)
}

fn elsewhere(platform: Option<Platform>) -> String {
    let volume = match platform {
        Some(platform) if platform.has_volumes() => ", or a mounted volume",
        _ => "",
    };
    format!(
        "name a bucket{volume}, with -r, LIFEBOAT_REPOSITORY or [[destination]]; \
         LIFEBOAT_LOCAL_DISK=lasts (or DATABASE_MODE=local) backs up to the local disk all the same"
    )
}

/// The places of backups, the primary first, and the mirrors.
fn read_places(configuration: &Configuration) -> Result<(Vec<Place>, Vec<Place>), SetupError> {
    let settings = configuration.settings();
    if let Some(url) = &settings.repository {
        return Ok((vec![Place::at(url)], vec![]));
    }
    if settings.destinations.is_empty() {
        return Ok((vec![Place::at(DEFAULT_REPOSITORY)], vec![]));
    }
    let mut places = Vec::new();
    for (at, destination) in settings.destinations.iter().enumerate() {
        let path = format!("destination.{at}");
        let options = check::options(configuration, &path, &destination.options)?;
        check::url(configuration, &format!("{path}.url"), &destination.url, &options)?;
        places.push(Place {
            name: destination.name.clone(),
            role: destination.role,
            url: destination.url.clone(),
            create: destination.create,
            max_snapshots: destination.max_snapshots,
            section: Some(at),
            options,
        });
    }
    // The primary first, the fallbacks in their order.
    places.sort_by_key(|place| place.role != Role::Primary);
    Ok(places.into_iter().partition(|place| place.role != Role::Mirror))
}
