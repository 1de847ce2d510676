//! What a command goes by: settings, places and directories, read once.

mod check;
mod keeping;

use std::path::{Path, PathBuf};

use lifeboat::Directories;
use lifeboat::config::{
    Configuration, Environment, FoundDatabase, Platform, Request, Role, Spot, Verdict, verdict,
};
use lifeboat::format::id::InstallationId;
use lifeboat::remote::{RemoteOptions, is_local_path};
use lifeboat::repository::LocalOptions;

use crate::arguments::Refusal;
use crate::exit::Exit;
use keeping::Keepings;
pub(crate) use keeping::Kept;

/// The repository where none is named.
pub(crate) const DEFAULT_REPOSITORY: &str = "./backups";

/// Settings, and the environment that they come from.
#[derive(Debug)]
pub(crate) struct Setup {
    pub(crate) environment: Environment,
    pub(crate) configuration: Configuration,
    places: Vec<Place>,
    mirrors: Vec<Place>,
    installation_id: Option<InstallationId>,
    keepings: Keepings,
}

/// Somewhere backups go.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// What the settings call it, where there are several.
    pub(crate) name: String,
    pub(crate) role: Role,
    pub(crate) url: String,
    /// Whether the first backup makes the repository, as in a local directory.
    pub(crate) create: bool,
    pub(crate) max_snapshots: Option<u32>,
    /// How the store is reached.
    pub(crate) options: RemoteOptions,
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
            options: RemoteOptions::default(),
        }
    }

    pub(crate) fn is_local(&self) -> bool {
        is_local_path(&self.url)
    }
}

/// Why there are no backups here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Disabled {
    pub(crate) reason: String,
    pub(crate) hint: String,
}

impl Setup {
    /// Reads everything.
    pub(crate) fn load(request: &Request) -> Result<Self, Refusal> {
        let environment = Environment::of_process();
        let configuration = Configuration::load(request, &environment).map_err(|problems| {
            let about_the_key = problems.about_the_key();
            Refusal {
                exit: if about_the_key { Exit::Key } else { Exit::Usage },
                message: problems.to_string(),
                hint: "mend what is named, or leave it out; docs/lifeboat.example.toml has every setting"
                    .into(),
            }
        })?;
        let (places, mirrors) = places(&configuration)?;
        let installation_id = installation_id(&configuration)?;
        check::all(&configuration)?;
        let keepings = Keepings::read(&configuration)?;
        let mut setup =
            Self { environment, configuration, places, mirrors, installation_id, keepings };
        setup.places.extend(setup.usual_fallback());
        Ok(setup)
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
    pub(crate) fn places(&self) -> &[Place] {
        &self.places
    }

    /// The places that get every snapshot as well.
    pub(crate) fn mirrors(&self) -> &[Place] {
        &self.mirrors
    }

    /// Where state and cache are.
    pub(crate) fn directories(&self) -> Directories {
        let settings = self.configuration.settings();
        let mut directories = Directories::from_env();
        if let Some(state) = &settings.state_dir {
            directories.state.clone_from(state);
        }
        if let Some(cache) = &settings.cache_dir {
            directories.cache.clone_from(cache);
        }
        directories
    }

    /// This installation, with the id that the settings give it.
    pub(crate) fn installation(&self) -> LocalOptions {
        let directories = self.directories();
        let mut options = LocalOptions::new(directories.state, directories.cache);
        options.installation_id.clone_from(&self.installation_id);
        options
    }

    /// The databases that the settings name.
    pub(crate) fn databases(&self) -> Result<Vec<FoundDatabase>, Refusal> {
        self.configuration.databases(self.environment.directory()).map_err(|problem| Refusal {
            exit: Exit::Usage,
            message: problem.to_string(),
            hint: "a pattern is such as data/*/app.db".into(),
        })
    }

    /// What is known of the disk on which local places lie. Only places count:
    /// a database that vanishes is one more reason to back it up elsewhere.
    pub(crate) fn verdict(&self, databases: &[PathBuf]) -> Verdict {
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
    pub(crate) fn disabled(&self, databases: &[PathBuf]) -> Option<Disabled> {
        if let Some(reason) = self.configuration.switched_off() {
            let hint = "switch them on there".to_owned();
            return Some(Disabled { reason, hint });
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
                Some(Disabled { reason, hint: elsewhere(platform) })
            }
            _ => None,
        }
    }

    fn place_was_typed(&self) -> bool {
        use lifeboat::config::Place::Argument;
        matches!(self.configuration.place("repository"), Argument(_))
    }
}

fn installation_id(configuration: &Configuration) -> Result<Option<InstallationId>, Refusal> {
    let Some(text) = &configuration.settings().installation_id else { return Ok(None) };
    let parsed = InstallationId::new(text).map_err(|error| Refusal {
        exit: Exit::Usage,
        message: format!("{}: installation_id: {error}", configuration.place("installation_id")),
        hint: "it is 1 to 64 letters, digits and .-_, the same for no other installation".into(),
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
fn places(configuration: &Configuration) -> Result<(Vec<Place>, Vec<Place>), Refusal> {
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
            options,
        });
    }
    // The primary first, the fallbacks in their order.
    places.sort_by_key(|place| place.role != Role::Primary);
    Ok(places.into_iter().partition(|place| place.role != Role::Mirror))
}
