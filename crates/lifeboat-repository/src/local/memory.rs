//! What an installation remembers of one database on one destination: the
//! highest record it saw, and the nonces of the records it tried to write.
//!
//! One small file each, replaced as a whole, under a lock that the processes of
//! an installation share. The file is written *before* a record is put, so that
//! a record of one's own is always recognised.

use std::fs::File;
use std::path::PathBuf;

use lifeboat_format::digest::Digest;
use lifeboat_format::id::{DatabaseName, InstallationId, Nonce, RepositoryId};
use lifeboat_format::numbers::RecordNo;
use lifeboat_format::record::Record;
use serde::{Deserialize, Serialize};

use super::{Local, random, short_name, write_durably};
use crate::error::LocalError;

/// How many nonces are kept. Only the newest can still meet a record that was
/// not seen yet.
const KEPT_NONCES: usize = 64;

/// The file that holds what is remembered.
#[derive(Clone, Debug)]
pub(crate) struct Memory {
    path: PathBuf,
}

/// The file that remembers that a repository is sealed: the highest number of a
/// data key that was seen on one destination.
#[derive(Clone, Debug)]
pub(crate) struct KeyMemory {
    path: PathBuf,
}

impl KeyMemory {
    pub(crate) fn of(local: &Local, destination: &str, repository: RepositoryId) -> Self {
        let folder = format!("{repository}-{}", short_name(destination));
        // No name of a database encodes to one with a blank.
        Self { path: local.state_dir().join("seen").join(folder).join("data key") }
    }

    pub(crate) fn read(&self) -> Result<Option<u32>, LocalError> {
        let text = match std::fs::read_to_string(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(LocalError::at("read", &self.path)(source)),
        };
        let number = text.trim().parse().map_err(|error| {
            LocalError::at("read the number in", &self.path)(std::io::Error::other(error))
        })?;
        Ok(Some(number))
    }

    pub(crate) fn write(&self, ordinal: u32) -> Result<(), LocalError> {
        let dir = self.path.parent().expect("the file lies in a folder of its destination");
        std::fs::create_dir_all(dir).map_err(LocalError::at("make the directory", dir))?;
        let draft = dir.join(format!("data key {}", lifeboat_format::hex::encode(&random::<4>())));
        write_durably(&draft, ordinal.to_string().as_bytes())?;
        std::fs::rename(&draft, &self.path).map_err(LocalError::at("write", &self.path))
    }
}

/// What is remembered.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Remembered {
    /// The highest record seen, and the digest of its object.
    pub(crate) highest: Option<(RecordNo, Digest)>,
    /// The nonces of the records that were tried, oldest first.
    nonces: Vec<Nonce>,
    /// A record that bears the id of an installation and was not written by it.
    #[serde(default)]
    twin: Option<(InstallationId, RecordNo)>,
}

impl Remembered {
    /// The record that shows that this installation has a twin.
    pub(crate) fn twin_of(&self, installation: &InstallationId) -> Option<RecordNo> {
        self.twin.as_ref().filter(|(id, _)| id == installation).map(|(_, number)| *number)
    }

    /// Whether a record that bears this installation's id cannot be its own.
    /// Without any memory nothing can be said, and it is a fresh start.
    fn is_foreign(&self, number: RecordNo, nonce: Nonce) -> bool {
        let vouched = self.highest.is_some_and(|(highest, _)| number <= highest);
        let blank = self.highest.is_none() && self.nonces.is_empty();
        !vouched && !blank && !self.nonces.contains(&nonce)
    }
}

impl Memory {
    pub(crate) fn of(
        local: &Local,
        destination: &str,
        repository: RepositoryId,
        database: &DatabaseName,
    ) -> Self {
        let name = format!("{}.json", database.key());
        let folder = format!("{repository}-{}", short_name(destination));
        Self { path: local.state_dir().join("seen").join(folder).join(name) }
    }

    pub(crate) fn read(&self) -> Result<Remembered, LocalError> {
        match std::fs::read(&self.path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| {
                let doing = "read what was seen of a destination in";
                LocalError::at(doing, &self.path)(std::io::Error::other(error))
            }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Remembered::default()),
            Err(source) => Err(LocalError::at("read", &self.path)(source)),
        }
    }

    /// Remembers a nonce, before the record that bears it is put.
    pub(crate) fn will_write(&self, nonce: Nonce) -> Result<(), LocalError> {
        self.change(|seen| {
            seen.nonces.push(nonce);
            let surplus = seen.nonces.len().saturating_sub(KEPT_NONCES);
            seen.nonces.drain(..surplus);
        })
    }

    /// Remembers a record that was read and proven, and whether it shows that
    /// `installation` has a twin. Never goes back.
    pub(crate) fn saw(
        &self,
        record: &Record,
        installation: &InstallationId,
    ) -> Result<(), LocalError> {
        let number = record.number();
        if self.read()?.highest.is_some_and(|(highest, _)| highest >= number) {
            return Ok(());
        }
        self.change(|seen| {
            let own = record.envelope.writer == *installation;
            if own && seen.is_foreign(number, record.envelope.nonce) {
                seen.twin = Some((installation.clone(), number));
            }
            if seen.highest.is_none_or(|(highest, _)| highest < number) {
                seen.highest = Some((number, record.digest()));
            }
        })
    }

    /// Accepts that the newest record is a lower one: somebody said so.
    pub(crate) fn accept(&self, record: Option<(RecordNo, Digest)>) -> Result<(), LocalError> {
        self.change(|seen| seen.highest = record)
    }

    fn change(&self, change: impl FnOnce(&mut Remembered)) -> Result<(), LocalError> {
        let dir = self.path.parent().expect("the file lies in a folder of its destination");
        std::fs::create_dir_all(dir).map_err(LocalError::at("make the directory", dir))?;
        let lock_path = dir.join(".lock");
        let lock = File::create(&lock_path).map_err(LocalError::at("write", &lock_path))?;
        lock.lock().map_err(LocalError::at("lock", &lock_path))?;
        let mut seen = self.read()?;
        change(&mut seen);
        let bytes = serde_json::to_vec(&seen).expect("numbers and texts always serialise");
        let draft = self.path.with_extension("new");
        write_durably(&draft, &bytes)?;
        std::fs::rename(&draft, &self.path).map_err(LocalError::at("write", &self.path))?;
        #[cfg(unix)]
        File::open(dir).and_then(|dir| dir.sync_all()).map_err(LocalError::at("write", dir))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twins_and_fresh_starts() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let memory = Memory { path: dir.path().join("a/b.json") };
        let [mine, other] = [Nonce::from_bytes([1; 16]), Nonce::from_bytes([2; 16])];
        let foreign = |n, nonce| memory.read().expect("reads").is_foreign(RecordNo(n), nonce);
        assert!(!foreign(5, other), "no memory is a fresh start");
        memory.will_write(mine).expect("writes");
        assert!(!foreign(1, mine) && foreign(1, other));
        memory.accept(Some((RecordNo(3), Digest::of(b"3")))).expect("writes");
        assert!(!foreign(3, other) && foreign(4, other));
        for n in 0..100 {
            memory.will_write(Nonce::from_bytes([n; 16])).expect("writes");
        }
        assert_eq!(memory.read().expect("reads").nonces.len(), KEPT_NONCES);
    }
}
