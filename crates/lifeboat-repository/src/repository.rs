//! A repository on one destination, and the databases in it.

use std::sync::Arc;

use lifeboat_format::digest::HashKey;
use lifeboat_format::id::{DatabaseName, RepositoryId};
use lifeboat_format::info::RepositoryInfo;
use lifeboat_format::key::{self, DatabaseKeys};
use lifeboat_format::object::{DecodeError, ObjectKind};
use lifeboat_remote::{Created, Remote};

use crate::error::{ReadError, WriteError};
use crate::local::{Local, Memory, random};

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
    hash_key: HashKey,
}

impl Repository {
    /// Opens the repository that lies in a store.
    pub async fn open(remote: Remote, local: Local) -> Result<Self, ReadError> {
        let mut newest = None;
        for k in 1.. {
            let key = key::format(k);
            let Some(object) = remote.get(&key, FORMAT_LIMIT).await? else {
                break;
            };
            newest = Some(RepositoryInfo::decode(&object).map_err(ReadError::unusable(key))?);
        }
        let Some(info) = newest else {
            return Err(ReadError::NoRepository { place: remote.shown().to_owned() });
        };
        let Some(hash_key) = info.block_hash_key() else {
            let sealed = DecodeError::Sealed { kind: ObjectKind::Format };
            return Err(ReadError::unusable(key::format(1))(sealed));
        };
        Ok(Self { inner: Arc::new(Inner { remote, local, info, hash_key }) })
    }

    /// Makes a plain repository in a store, and opens it. If there is one
    /// already, that one is opened and left as it is.
    pub async fn create(remote: Remote, local: Local) -> Result<Self, WriteError> {
        let id = RepositoryId::from_bytes(random());
        let hash_key = HashKey::from_bytes(random());
        let info = RepositoryInfo::plain(id, &hash_key, local.now());
        match remote.create(&key::format(1), info.encode().into()).await? {
            Created::New => Ok(Self { inner: Arc::new(Inner { remote, local, info, hash_key }) }),
            Created::Exists => Ok(Self::open(remote, local).await?),
        }
    }

    /// Makes another store a destination of this repository, and opens it there.
    /// A store that holds another repository is refused.
    pub async fn replicate(&self, remote: Remote) -> Result<Self, WriteError> {
        let object = self.info().encode();
        // Whether it was made or was there, what is there now counts.
        let _: Created = remote.create(&key::format(1), object.into()).await?;
        let replica = Self::open(remote, self.local().clone()).await?;
        if replica.info().repository != self.info().repository {
            let place = replica.remote().shown().to_owned();
            return Err(WriteError::OtherRepository { place });
        }
        Ok(replica)
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

    pub(crate) fn memory(&self) -> Memory {
        let id = self.repository.info().repository;
        Memory::of(self.local(), self.remote().identity(), id, &self.name)
    }
}
