//! A repository on one destination, and the databases in it.

use std::sync::Arc;

use lifeboat_crypto::{DataKey, Secret};
use lifeboat_format::digest::HashKey;
use lifeboat_format::hex;
use lifeboat_format::id::{DatabaseName, RepositoryId};
use lifeboat_format::info::RepositoryInfo;
use lifeboat_format::key::{self, DatabaseKeys};
use lifeboat_format::seal::{Home, Keyring};
use lifeboat_remote::{Created, Remote};

use crate::error::{KeyError, ReadError, WriteError};
use crate::keys::{self, Keys, SLOT_LIMIT};
use crate::local::{KeyMemory, Local, Memory, random};

/// Format objects are small; more is not one.
const FORMAT_LIMIT: u64 = 1024 * 1024;

/// A repository, opened on one destination. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Repository {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    remote: Remote,
    local: Local,
    info: RepositoryInfo,
    /// How many format objects there are.
    formats: u64,
    hash_key: HashKey,
    keys: Option<Keys>,
}

impl Repository {
    /// Opens the plain repository that lies in a store.
    pub async fn open(remote: Remote, local: Local) -> Result<Self, ReadError> {
        Self::open_with(remote, local, None).await
    }

    /// Opens the repository that lies in a store: a sealed one with a secret, a
    /// plain one without. Anything else is refused.
    pub async fn open_with(
        remote: Remote,
        local: Local,
        secret: Option<&Secret>,
    ) -> Result<Self, ReadError> {
        let infos = format_objects(&remote).await?;
        let place = || remote.shown().to_owned();
        let Some(info) = infos.last().cloned() else {
            return Err(ReadError::NoRepository { place: place() });
        };
        let memory = KeyMemory::of(&local, remote.identity(), info.repository);
        let seen = memory.read()?;
        let keys = match (info.block_hash_key().is_some(), secret) {
            // Else everything from now on would lie in the open.
            (true, _) if seen.is_some() => {
                return Err(KeyError::WasSealed { place: place() }.into());
            }
            (true, Some(_)) => return Err(KeyError::NotSealed { place: place() }.into()),
            (true, None) => None,
            (false, secret) => Some(keys::open(&remote, &infos, secret).await?),
        };
        if let Some(keys) = &keys {
            let found = keys.current().ordinal();
            if let Some(seen) = seen.filter(|seen| *seen > found) {
                return Err(KeyError::RolledBack { place: place(), seen, found }.into());
            }
            if seen != Some(found) {
                memory.write(found)?;
            }
        }
        let formats = infos.len() as u64;
        Ok(Self::of(remote, local, info, formats, keys))
    }

    fn of(
        remote: Remote,
        local: Local,
        info: RepositoryInfo,
        formats: u64,
        keys: Option<Keys>,
    ) -> Self {
        let hash_key = match &keys {
            Some(keys) => keys.hash_key(),
            None => info.block_hash_key().expect("a format object is refused without a key"),
        };
        Self { inner: Arc::new(Inner { remote, local, info, formats, hash_key, keys }) }
    }

    /// Makes a plain repository in a store, and opens it. If there is one
    /// already, that one is opened and left as it is.
    pub async fn create(remote: Remote, local: Local) -> Result<Self, WriteError> {
        Self::create_with(remote, local, None, "").await
    }

    /// Makes a repository in a store, sealed for a secret if there is one, and
    /// opens it. If there is one already, that one is opened and left as it is.
    ///
    /// Killed, there is no repository yet, and at most a slot of a data key that
    /// nothing names.
    pub async fn create_with(
        remote: Remote,
        local: Local,
        secret: Option<&Secret>,
        label: &str,
    ) -> Result<Self, WriteError> {
        match Self::open_with(remote.clone(), local.clone(), secret).await {
            Err(ReadError::NoRepository { .. }) => {}
            opened => return Ok(opened?),
        }
        let id = RepositoryId::from_bytes(random());
        let info = match secret {
            None => RepositoryInfo::plain(id, &HashKey::from_bytes(random()), local.now()),
            Some(secret) => {
                let key = DataKey::generate(*id.as_bytes());
                let holder = hex::encode(&random::<4>());
                keys::make_slot(&remote, &key, secret, label, &holder, local.now()).await?;
                RepositoryInfo::sealed(id, *key.id(), local.now())
            }
        };
        // Whether it was made or was there, what is there now counts.
        let _: Created = remote.create(&key::format(1), info.encode().into()).await?;
        Ok(Self::open_with(remote, local, secret).await?)
    }

    /// Makes another store a destination of this repository, and opens it there.
    /// A store that holds another repository is refused. The slots are copied
    /// first: a repository never exists without them.
    pub async fn replicate(
        &self,
        remote: Remote,
        secret: Option<&Secret>,
    ) -> Result<Self, WriteError> {
        let infos = format_objects(&remote).await?;
        let foreign = infos.iter().any(|info| info.repository != self.info().repository);
        if foreign {
            return Err(WriteError::OtherRepository { place: remote.shown().to_owned() });
        }
        for key in self.keys().map(Keys::all).unwrap_or_default() {
            for slot in keys::slot_keys(self.remote(), *key.id()).await? {
                if let Some(object) = self.remote().get(&slot, SLOT_LIMIT).await? {
                    let _: Created = remote.create(&slot, object).await?;
                }
            }
        }
        for k in 1..=self.format_count() {
            let key = key::format(k);
            let object = self.remote().get(&key, FORMAT_LIMIT).await?;
            let object = object.ok_or_else(|| ReadError::Missing {
                kind: lifeboat_format::object::ObjectKind::Format,
                key: key.clone(),
            })?;
            let _: Created = remote.create(&key, object).await?;
        }
        let replica = Self::open_with(remote, self.local().clone(), secret).await?;
        if replica.info().repository != self.info().repository {
            let place = replica.remote().shown().to_owned();
            return Err(WriteError::OtherRepository { place });
        }
        Ok(replica)
    }

    /// How many format objects there were when it was opened.
    pub(crate) fn format_count(&self) -> u64 {
        self.inner.formats
    }

    /// Whether everything in it is encrypted.
    pub fn is_sealed(&self) -> bool {
        self.inner.keys.is_some()
    }

    /// The data keys, in a sealed repository.
    pub(crate) fn keys(&self) -> Result<&Keys, KeyError> {
        self.inner.keys.as_ref().ok_or(KeyError::Plain)
    }

    /// What the repository is.
    pub fn info(&self) -> &RepositoryInfo {
        &self.inner.info
    }

    /// The store it lies in.
    pub fn remote(&self) -> &Remote {
        &self.inner.remote
    }

    /// The installation that opened it.
    pub fn local(&self) -> &Local {
        &self.inner.local
    }

    /// The key of the block hashes.
    pub fn hash_key(&self) -> &HashKey {
        &self.inner.hash_key
    }

    /// A database of this repository, whether it has snapshots or not.
    pub fn database(&self, name: DatabaseName) -> Database {
        let keys = DatabaseKeys::new(&name);
        Database { repository: self.clone(), name, keys }
    }

    /// The names of the databases that have a folder here, sorted.
    pub async fn databases(&self) -> Result<Vec<DatabaseName>, ReadError> {
        let folders = self.remote().folders(key::DATABASES).await?;
        // A folder with a name that is none of ours is somebody else's.
        Ok(folders.iter().filter_map(|folder| DatabaseName::from_key(folder).ok()).collect())
    }
}

/// All format objects, proven, oldest first.
async fn format_objects(remote: &Remote) -> Result<Vec<RepositoryInfo>, ReadError> {
    let mut infos = Vec::new();
    for k in 1.. {
        let key = key::format(k);
        let Some(object) = remote.get(&key, FORMAT_LIMIT).await? else {
            break;
        };
        infos.push(RepositoryInfo::decode(&object).map_err(ReadError::unusable(key))?);
    }
    Ok(infos)
}

/// One database in a repository on one destination. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Database {
    pub(crate) repository: Repository,
    pub(crate) name: DatabaseName,
    pub(crate) keys: DatabaseKeys,
}

impl Database {
    /// Its name.
    pub fn name(&self) -> &DatabaseName {
        &self.name
    }

    /// The repository it belongs to.
    pub fn repository(&self) -> &Repository {
        &self.repository
    }

    pub(crate) fn remote(&self) -> &Remote {
        self.repository.remote()
    }

    pub(crate) fn local(&self) -> &Local {
        self.repository.local()
    }

    /// What its objects are sealed for, and with.
    pub(crate) fn home(&self) -> Home<'_> {
        Home {
            repository: self.repository.info().repository,
            database: &self.name,
            keys: self.keyring(),
        }
    }

    pub(crate) fn keyring(&self) -> Option<&dyn Keyring> {
        self.repository.inner.keys.as_ref().map(|keys| keys as &dyn Keyring)
    }

    pub(crate) fn memory(&self) -> Memory {
        let id = self.repository.info().repository;
        Memory::of(self.local(), self.remote().identity(), id, &self.name)
    }
}
