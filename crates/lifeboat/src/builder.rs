//! One database and its destinations, in five lines.

use std::path::{Path, PathBuf};

use lifeboat_config::Role;
use lifeboat_repository::{Listing, LocalOptions, Secret, Selector};
use lifeboat_snapshot::default_name;

use crate::destination::{Destination, Missing};
use crate::destinations::{DestinationSettings, Destinations};
use crate::directories::Directories;
use crate::error::Error;
use crate::restore::{RestoreReport, RestoreSettings};
use crate::take::{BackupReport, BackupSettings};

/// A database and the destination of its backups.
#[derive(Clone, Debug)]
pub struct Lifeboat {
    path: PathBuf,
    settings: BackupSettings,
    destination: Destination,
    /// All of them, where there are several.
    several: Option<Destinations>,
}

/// Says which database goes where.
#[derive(Clone, Debug)]
#[must_use]
pub struct LifeboatBuilder {
    path: PathBuf,
    place: String,
    others: Vec<(Role, String)>,
    settings: BackupSettings,
    directories: Directories,
    missing: Missing,
    secret: Option<Secret>,
}

impl Lifeboat {
    /// Begins with the path of a database. By default its backups go to the
    /// directory `./backups`, which the first one makes.
    pub fn builder(database: impl Into<PathBuf>) -> LifeboatBuilder {
        LifeboatBuilder {
            path: database.into(),
            place: "./backups".to_owned(),
            others: Vec::new(),
            settings: BackupSettings::default(),
            directories: Directories::from_env(),
            missing: Missing::CreateIfLocal,
            secret: None,
        }
    }

    /// Takes a snapshot, unless nothing changed since the last.
    pub async fn backup(&self) -> Result<BackupReport, Error> {
        self.backup_with(&self.settings).await
    }

    /// Takes a snapshot with other settings than the builder's.
    pub async fn backup_with(&self, settings: &BackupSettings) -> Result<BackupReport, Error> {
        match &self.several {
            None => self.destination.backup(&self.path, settings).await,
            Some(several) => {
                let placed = several.backup(&self.path, settings, &[], Missing::CreateIfLocal);
                Ok(placed.await?.report)
            }
        }
    }

    /// The snapshots that there are, the oldest first.
    pub async fn snapshots(&self) -> Result<Listing, Error> {
        self.destination.snapshots(&self.name()).await
    }

    /// Restores a snapshot to a file that does not exist yet.
    pub async fn restore(
        &self,
        selector: &Selector,
        target: impl AsRef<Path>,
    ) -> Result<RestoreReport, Error> {
        let settings = RestoreSettings::default();
        if let Some(several) = &self.several {
            let (name, target) = (self.name(), target.as_ref());
            return Ok(several.restore(&name, selector, target, &settings, |_| ()).await?.report);
        }
        self.destination.restore(&self.name(), selector, target.as_ref(), &settings, |_| ()).await
    }

    /// The name of the database in the repository.
    pub fn name(&self) -> String {
        self.settings.name.clone().unwrap_or_else(|| default_name(&self.path))
    }

    /// All destinations, where there are several.
    pub fn destinations(&self) -> Option<&Destinations> {
        self.several.as_ref()
    }

    /// The destination, for all that it can do; of several, the one that worked
    /// when this was opened.
    pub fn destination(&self) -> &Destination {
        &self.destination
    }
}

impl LifeboatBuilder {
    /// A path or URL.
    pub fn destination(mut self, place: impl Into<String>) -> Self {
        self.place = place.into();
        self
    }

    /// A path or URL for when the destination does not work; may be called again.
    pub fn fallback(mut self, place: impl Into<String>) -> Self {
        self.others.push((Role::Fallback, place.into()));
        self
    }

    /// A path or URL that gets every snapshot as well; may be called again.
    pub fn mirror(mut self, place: impl Into<String>) -> Self {
        self.others.push((Role::Mirror, place.into()));
        self
    }

    /// The name of the database in the repository, instead of the stem of its
    /// file name.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.settings.name = Some(name.into());
        self
    }

    /// Where this installation keeps state and cache, instead of the usual
    /// directories.
    pub fn directories(mut self, directories: Directories) -> Self {
        self.directories = directories;
        self
    }

    /// What opens the repository, which is then encrypted; one that is made is
    /// made so. A plain repository is refused.
    pub fn secret(mut self, secret: Secret) -> Self {
        self.secret = Some(secret);
        self
    }

    /// What to do where there is no repository yet; by default one is made in a
    /// plain local directory.
    pub fn missing(mut self, missing: Missing) -> Self {
        self.missing = missing;
        self
    }

    /// Opens the destination. The database is not touched before the first
    /// backup.
    pub async fn open(self) -> Result<Lifeboat, Error> {
        let Self { path, place, others, settings, directories, missing, secret } = self;
        if others.is_empty() {
            let destination =
                Destination::open_with(&place, &directories, missing, secret.as_ref()).await?;
            return Ok(Lifeboat { path, settings, destination, several: None });
        }
        let mut members = vec![DestinationSettings::new(Role::Primary, place)];
        members.extend(others.into_iter().map(|(role, at)| DestinationSettings::new(role, at)));
        for member in &mut members {
            member.create = missing == Missing::CreateFirst || missing == Missing::Create;
        }
        let installation = LocalOptions::new(&directories.state, &directories.cache);
        let several = Destinations::new(members, installation, secret);
        let destination = several.choose(&[], missing).await?.destination;
        Ok(Lifeboat { path, settings, destination, several: Some(several) })
    }
}
