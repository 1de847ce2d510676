//! A repository on one destination, and the databases in it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use lifeboat_crypto::{DataKey, Secret};
use lifeboat_format::digest::{Digest, HashKey};
use lifeboat_format::hex;
use lifeboat_format::id::{DatabaseName, RepositoryId};
use lifeboat_format::info::{RepositoryInfo, StoreFinding};
use lifeboat_format::key::{self, DatabaseKeys};
use lifeboat_format::numbers::RecordNo;
use lifeboat_format::object::ObjectKind;
use lifeboat_format::seal::{Home, Keyring};
use lifeboat_remote::{Created, Remote};

use crate::backup::MAX_TRIES;
use crate::elsewhere::Others;
use crate::error::{KeyError, LocalError, ReadError, WriteError};
use crate::keys::{self, Keys, SLOT_LIMIT};
use crate::local::{KeyMemory, Local, Memory, PlaceMemory, SeenKey, SeenPlace, random};
use crate::store::{claim_format, fencing_of, find_out};

/// Format objects are small; more is not one.
pub(crate) const FORMAT_LIMIT: u64 = 1024 * 1024;

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
    /// Every data key that they name, in their order.
    data_keys: Vec<[u8; 16]>,
    hash_key: HashKey,
    keys: Option<Keys>,
    /// What all format objects together say of the store.
    finding: Option<StoreFinding>,
    /// Whether somebody probed the store, here or before.
    asked: AtomicBool,
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
        let place_memory = PlaceMemory::of(&local, remote.identity());
        let was_here = place_memory.read()?;
        let Some(info) = infos.last().cloned() else {
            return Err(match was_here {
                Some(SeenPlace { repository, .. }) => {
                    ReadError::Vanished { place: place(), repository }
                }
                None => ReadError::NoRepository { place: place() },
            });
        };
        let finding = StoreFinding::of_all(&infos);
        if let Some(finding) = &finding {
            remote.learn(fencing_of(finding));
        }
        let memory = KeyMemory::of(&local, remote.identity(), info.repository);
        let seen = memory.read()?;
        let keys = match (info.block_hash_key().is_some(), secret) {
            // Else everything from now on would lie in the open.
            (true, _) if seen.is_some() || was_here.is_some_and(|seen| seen.sealed) => {
                return Err(KeyError::WasSealed { place: place() }.into());
            }
            (true, Some(_)) => return Err(KeyError::NotSealed { place: place() }.into()),
            (true, None) => None,
            (false, secret) => Some(keys::open(&remote, &infos, secret).await?),
        };
        if let Some(keys) = &keys {
            let current = keys.current();
            let now = SeenKey { ordinal: current.ordinal(), id: *current.id() };
            if let Some(seen) = seen {
                if seen.ordinal > now.ordinal {
                    let (seen, found) = (seen.ordinal, now.ordinal);
                    return Err(KeyError::RolledBack { place: place(), seen, found }.into());
                }
                if !keys.has(&seen.id) {
                    return Err(KeyError::Replaced { place: place(), seen: seen.ordinal }.into());
                }
            }
            if seen != Some(now) {
                memory.write(now)?;
            }
        }
        let is_here = SeenPlace { repository: info.repository, sealed: keys.is_some() };
        if was_here != Some(is_here) {
            if let Some(SeenPlace { repository, .. }) = was_here {
                let now = info.repository;
                tracing::warn!(place = place(), before = %repository, %now, "another repository");
            }
            place_memory.write(is_here)?;
        }
        let hash_key = match &keys {
            Some(keys) => keys.hash_key(),
            None => info.block_hash_key().expect("a format object is refused without a key"),
        };
        let formats = infos.len() as u64;
        let mut data_keys = Vec::new();
        for id in infos.iter().filter_map(RepositoryInfo::data_key) {
            if !data_keys.contains(&id) {
                data_keys.push(id);
            }
        }
        let asked = AtomicBool::new(finding.is_some());
        let inner =
            Inner { remote, local, info, formats, data_keys, hash_key, keys, finding, asked };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Makes a plain repository in a store, and opens it. If there is one
    /// already, that one is opened and left as it is.
    pub async fn create(remote: Remote, local: Local) -> Result<Self, WriteError> {
        Self::create_with(remote, local, None, "").await
    }

    /// Makes a repository in a store, sealed for a secret if there is one, and
    /// opens it. If there is one already, that one is opened and left as it is.
    /// One that was there before and is gone is forgotten.
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
            Err(ReadError::NoRepository { .. } | ReadError::Vanished { .. }) => {}
            opened => return Ok(opened?),
        }
        // With databases there, it is a repository that lost its first object; a
        // new one over it could read none of them.
        if !remote.folders("databases").await.map_err(ReadError::from)?.is_empty() {
            let (kind, key) = (ObjectKind::Format, key::format(1));
            return Err(ReadError::Missing { kind, key }.into());
        }
        let finding = find_out(&remote, &local).await?;
        let id = RepositoryId::from_bytes(random());
        let mut info = match secret {
            None => RepositoryInfo::plain(id, &HashKey::from_bytes(random()), local.now()),
            Some(secret) => {
                keys::check_label(label)?;
                let key = DataKey::generate(*id.as_bytes());
                let holder = hex::encode(&random::<4>());
                keys::make_slot(&remote, &key, secret, label, &holder, local.now()).await?;
                RepositoryInfo::sealed(id, *key.id(), local.now())
            }
        };
        info.store = finding;
        // Whether it was made or was there, what is there now counts.
        let _: Created = claim_format(&remote, 1, &info).await?;
        let made = Self::open_with(remote, local, secret).await?;
        made.sweep_leftovers().await;
        Ok(made)
    }

    /// Makes another store a destination of this repository, and opens it there.
    /// A store that holds another repository is refused. The slots are copied
    /// first: a repository never exists without them.
    ///
    /// What the other store does is found out there: what this one does says
    /// nothing about it. Where everything is gone from it that was there, that it
    /// had more is forgotten.
    pub async fn replicate(
        &self,
        remote: Remote,
        secret: Option<&Secret>,
    ) -> Result<Self, WriteError> {
        let there = format_objects(&remote).await?;
        self.check_is_this(&there, &remote)?;
        let empty = there.is_empty()
            && remote.folders(key::DATABASES).await.map_err(ReadError::from)?.is_empty();
        let finding = match StoreFinding::of_all(&there) {
            Some(finding) => {
                remote.learn(fencing_of(&finding));
                Some(finding)
            }
            None => find_out(&remote, self.local()).await?,
        };
        for key in self.keys().map(Keys::all).unwrap_or_default() {
            for slot in keys::slot_keys(self.remote(), *key.id()).await? {
                if let Some(object) = self.remote().get(&slot, SLOT_LIMIT).await? {
                    let _: Created = remote.create(&slot, object).await?;
                }
            }
        }
        if empty {
            // Whoever comes to an empty store knows that nothing is there.
            let repository = self.info().repository;
            Memory::forget_records(self.local(), remote.identity(), repository)?;
        }
        for info in format_objects(self.remote()).await? {
            self.replicate_format(&remote, info, finding.as_ref()).await?;
        }
        let replica = Self::open_with(remote, self.local().clone(), secret).await?;
        self.check_is_this(std::slice::from_ref(replica.info()), replica.remote())?;
        Ok(replica)
    }

    /// Appends a format object to those of another store, unless one there says
    /// the same of the repository.
    async fn replicate_format(
        &self,
        remote: &Remote,
        info: RepositoryInfo,
        finding: Option<&StoreFinding>,
    ) -> Result<(), WriteError> {
        let info = RepositoryInfo { store: finding.cloned(), ..info };
        for _ in 0..MAX_TRIES {
            let there = format_objects(remote).await?;
            self.check_is_this(&there, remote)?;
            if there.iter().any(|one| one.scheme == info.scheme) {
                return Ok(());
            }
            if claim_format(remote, there.len() as u64 + 1, &info).await? == Created::New {
                return Ok(());
            }
        }
        Err(WriteError::Contention { tries: MAX_TRIES })
    }

    fn check_is_this(&self, there: &[RepositoryInfo], remote: &Remote) -> Result<(), WriteError> {
        let wanted = self.info().repository;
        match there.iter().find(|info| info.repository != wanted) {
            None => Ok(()),
            Some(info) => {
                let (place, found) = (remote.shown().to_owned(), Some(info.repository));
                Err(WriteError::OtherRepository { place, wanted, found })
            }
        }
    }

    /// The repository that this installation saw last at the destination that is
    /// recognised so ([`Remote::identity`]).
    pub fn seen_at(local: &Local, identity: &str) -> Result<Option<RepositoryId>, LocalError> {
        Ok(PlaceMemory::of(local, identity).read()?.map(|seen| seen.repository))
    }

    /// The same repository, with its store asked in another way, such as with
    /// other limits.
    #[must_use]
    pub fn over(&self, change: impl FnOnce(Remote) -> Remote) -> Self {
        let inner = &*self.inner;
        let inner = Inner {
            remote: change(inner.remote.clone()),
            local: inner.local.clone(),
            info: inner.info.clone(),
            formats: inner.formats,
            data_keys: inner.data_keys.clone(),
            hash_key: inner.hash_key.clone(),
            keys: inner.keys.clone(),
            finding: inner.finding.clone(),
            asked: AtomicBool::new(inner.asked.load(Ordering::Relaxed)),
        };
        Self { inner: Arc::new(inner) }
    }

    /// How many format objects there were when it was opened.
    pub fn format_count(&self) -> u64 {
        self.inner.formats
    }

    /// Whether everything in it is encrypted.
    pub fn is_sealed(&self) -> bool {
        self.inner.keys.is_some()
    }

    /// The ids of all data keys that a sealed repository ever had, the oldest
    /// first, whether they were opened or not.
    pub(crate) fn data_keys(&self) -> Result<&[[u8; 16]], KeyError> {
        self.keys().map(|_| self.inner.data_keys.as_slice())
    }

    /// The data keys that were opened, in a sealed repository.
    pub(crate) fn keys(&self) -> Result<&Keys, KeyError> {
        self.inner.keys.as_ref().ok_or(KeyError::Plain)
    }

    /// What the repository is.
    pub fn info(&self) -> &RepositoryInfo {
        &self.inner.info
    }

    /// What the store was found to do when the repository was opened; none where
    /// nobody probed it.
    pub fn finding(&self) -> Option<&StoreFinding> {
        self.inner.finding.as_ref()
    }

    /// Whether nobody has probed the store yet; asked once, it is yes no more.
    pub(crate) fn is_to_be_probed(&self) -> bool {
        !self.remote().is_trusted() && !self.inner.asked.swap(true, Ordering::Relaxed)
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
        Database { repository: self.clone(), name, keys, others: Others::default() }
    }

    /// The names of the databases that have a folder here, sorted.
    pub async fn databases(&self) -> Result<Vec<DatabaseName>, ReadError> {
        let folders = self.remote().folders(key::DATABASES).await?;
        // A folder with a name that is none of ours is somebody else's.
        Ok(folders.iter().filter_map(|folder| DatabaseName::from_key(folder).ok()).collect())
    }
}

impl Repository {
    /// Fails where the repository lies no more: nothing is to be put there then.
    pub(crate) async fn check_is_there(&self) -> Result<(), ReadError> {
        if self.remote().size(&key::format(self.format_count())).await?.is_some() {
            return Ok(());
        }
        let (place, repository) = (self.remote().shown().to_owned(), self.info().repository);
        Err(ReadError::Vanished { place, repository })
    }
}

/// All format objects, proven, oldest first.
pub(crate) async fn format_objects(remote: &Remote) -> Result<Vec<RepositoryInfo>, ReadError> {
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
    /// The same database at other destinations, for whoever reads.
    pub(crate) others: Others,
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

    /// The newest record that this installation saw here, and its digest: the
    /// store is not asked.
    pub fn newest_seen(&self) -> Result<Option<(RecordNo, Digest)>, LocalError> {
        Ok(self.memory().read()?.highest)
    }

    pub(crate) fn memory(&self) -> Memory {
        let id = self.repository.info().repository;
        Memory::of(self.local(), self.remote().identity(), id, &self.name)
    }
}
