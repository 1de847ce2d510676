//! A destination: a repository in a store, opened by an installation.

use std::path::Path;
use std::sync::Arc;

use lifeboat_format::id::DatabaseName;
use lifeboat_remote::{
    OpenError, Remote, RemoteOptions, directory_identity, is_local_path, without_secrets,
};
use lifeboat_repository::{
    Database, Listing, Local, LocalOptions, ReadError, Repository, Secret, Selector, Snapshot,
};

use crate::directories::Directories;
use crate::error::Error;

/// What the first key of a repository is called.
const FIRST_LABEL: &str = "first";

/// What to do where there is no repository yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Missing {
    /// It is an error.
    #[default]
    Refuse,
    /// Make one in a plain local directory, unless there was one before;
    /// elsewhere it is an error.
    CreateIfLocal,
    /// Make one, unless there was one before.
    CreateFirst,
    /// Make one, also where one was before and is gone.
    Create,
}

impl Missing {
    pub(crate) fn creates(self, is_local: bool) -> bool {
        match self {
            Self::Refuse => false,
            Self::CreateIfLocal => is_local,
            Self::CreateFirst | Self::Create => true,
        }
    }
}

/// The directory that a path or `file://` URL names.
fn local_directory(place: &str) -> &Path {
    Path::new(place.strip_prefix("file://").unwrap_or(place))
}

/// A directory that is not there: perhaps the disk that it is on is not mounted.
fn no_directory(place: &str, local: &Local) -> Error {
    let shown = place.to_owned();
    match Repository::seen_at(local, &directory_identity(place)) {
        Ok(None) => Error::NoRepository { place: shown },
        Ok(Some(repository)) => ReadError::Vanished { place: shown, repository }.into(),
        Err(error) => error.into(),
    }
}

/// A repository on one destination. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Destination {
    repository: Repository,
    is_local: bool,
    is_new: bool,
    is_adopted: bool,
    /// Others of the same repository, for whoever reads.
    others: Arc<[Destination]>,
}

impl Destination {
    /// Opens the plain repository at a path or URL.
    pub async fn open(
        place: &str,
        directories: &Directories,
        missing: Missing,
    ) -> Result<Self, Error> {
        Self::open_with(place, directories, missing, None).await
    }

    /// Opens the repository at a path or URL: a sealed one with a secret, a
    /// plain one without. One that is made is sealed if there is a secret.
    pub async fn open_with(
        place: &str,
        directories: &Directories,
        missing: Missing,
        secret: Option<&Secret>,
    ) -> Result<Self, Error> {
        let options = LocalOptions::new(&directories.state, &directories.cache);
        Self::open_as(place, RemoteOptions::default(), options, missing, secret).await
    }

    /// As [`open_with`](Self::open_with), with options of the store and for an
    /// installation that may bring its own id.
    pub async fn open_as(
        place: &str,
        options: RemoteOptions,
        installation: LocalOptions,
        missing: Missing,
        secret: Option<&Secret>,
    ) -> Result<Self, Error> {
        let is_local = is_local_path(place);
        let create = missing.creates(is_local);
        let is_new = create && is_local && !local_directory(place).exists();
        let local = Local::open(installation);
        let opened = if create {
            Remote::open_or_create_with(place, options)
        } else {
            Remote::open_with(place, options)
        };
        let remote = opened.map_err(|source| match source {
            OpenError::NoDirectory { .. } => no_directory(place, &local),
            source => Error::Destination { place: without_secrets(place), source },
        })?;
        let opened = Self::on_with(remote, local, is_local, missing, secret).await;
        if opened.is_err() && is_new {
            // Whoever is refused leaves nothing behind.
            let _ = std::fs::remove_dir(local_directory(place));
        }
        opened
    }

    /// Opens the plain repository in a store that the caller opened.
    pub async fn on(
        remote: Remote,
        local: Local,
        is_local: bool,
        missing: Missing,
    ) -> Result<Self, Error> {
        Self::on_with(remote, local, is_local, missing, None).await
    }

    /// As [`on`](Self::on), for a sealed repository where there is a secret.
    pub async fn on_with(
        remote: Remote,
        local: Local,
        is_local: bool,
        missing: Missing,
        secret: Option<&Secret>,
    ) -> Result<Self, Error> {
        let create = missing.creates(is_local);
        let opened = Repository::open_with(remote.clone(), local.clone(), secret).await;
        let is_new = opened.is_err();
        let repository = match opened {
            Ok(repository) => repository,
            Err(ReadError::NoRepository { .. }) if create => {
                Repository::create_with(remote, local, secret, FIRST_LABEL).await?
            }
            // A disk that is not mounted looks like this: only who asks for a new
            // one gets one.
            Err(ReadError::Vanished { .. }) if missing == Missing::Create => {
                Repository::create_with(remote, local, secret, FIRST_LABEL).await?
            }
            Err(ReadError::NoRepository { place }) => return Err(Error::NoRepository { place }),
            Err(error) => return Err(error.into()),
        };
        Ok(Self { repository, is_local, is_new, is_adopted: false, others: Arc::default() })
    }

    /// The same one, with its store asked in another way.
    pub(crate) fn over(&self, change: impl FnOnce(Remote) -> Remote) -> Self {
        Self { repository: self.repository.over(change), ..self.clone() }
    }

    /// One that was just made a destination of a repository.
    pub(crate) fn adopted(repository: Repository, is_local: bool) -> Self {
        Self { repository, is_local, is_new: true, is_adopted: true, others: Arc::default() }
    }

    /// This destination; what of it is damaged or gone is read from others of the
    /// same repository.
    #[must_use]
    pub fn with_others(mut self, others: impl IntoIterator<Item = Self>) -> Self {
        self.others = others.into_iter().collect();
        self
    }

    /// The repository.
    pub fn repository(&self) -> &Repository {
        &self.repository
    }

    /// Whether it lies in a plain local directory.
    pub fn is_local(&self) -> bool {
        self.is_local
    }

    /// Whether the repository was made when this was opened.
    pub fn is_new(&self) -> bool {
        self.is_new
    }

    /// Whether it was made a destination of a repository that others have, when this
    /// was opened.
    pub fn is_adopted(&self) -> bool {
        self.is_adopted
    }

    /// What to show people.
    pub fn shown(&self) -> &str {
        self.repository.remote().shown()
    }

    /// A database here, whether it has snapshots or not.
    pub fn database(&self, name: &str) -> Result<Database, Error> {
        let name = DatabaseName::new(name)
            .map_err(|source| Error::Name { name: name.to_owned(), source })?;
        Ok(self.of_name(name))
    }

    pub(crate) fn of_name(&self, name: DatabaseName) -> Database {
        let others = self.others.iter().map(|other| other.repository.database(name.clone()));
        let others: Vec<Database> = others.collect();
        self.repository.database(name).with_others(others)
    }

    /// The names of the databases here, sorted.
    pub async fn databases(&self) -> Result<Vec<DatabaseName>, Error> {
        Ok(self.repository.databases().await?)
    }

    /// The snapshots of one database.
    pub async fn snapshots(&self, name: &str) -> Result<Listing, Error> {
        Ok(self.database(name)?.snapshots(None).await?)
    }

    /// The snapshot that is meant.
    pub async fn resolve(&self, name: &str, selector: &Selector) -> Result<Snapshot, Error> {
        Ok(self.database(name)?.resolve(selector, None).await?)
    }
}
