//! What an installation remembers of one database on one destination: the
//! highest record it saw, and the nonces of the records it tried to write.
//!
//! One small file each, replaced as a whole, under a lock that the processes of
//! an installation share. The file is written *before* a record is put, so that
//! a record of one's own is always recognised.

use std::fs::File;
use std::path::{Path, PathBuf};

use lifeboat_format::digest::Digest;
use lifeboat_format::hex;
use lifeboat_format::id::{DatabaseName, InstallationId, Nonce, RepositoryId};
use lifeboat_format::numbers::RecordNo;
use lifeboat_format::record::Record;
use serde::{Deserialize, Serialize};

use super::{Local, make_directory, random, short_name, sync_names_beside, write_durably};
use crate::error::LocalError;

/// How many nonces are kept. Only the newest can still meet a record that was
/// not seen yet.
const KEPT_NONCES: usize = 64;

/// The file that holds what is remembered of a database on one destination, and
/// the one that holds what counts on all of them.
#[derive(Clone, Debug)]
pub(crate) struct Memory {
    path: PathBuf,
    generation: PathBuf,
}

/// The file that remembers that a repository is sealed, and the newest data key
/// that was seen on one destination.
#[derive(Clone, Debug)]
pub(crate) struct KeyMemory {
    path: PathBuf,
}

/// The file that remembers which repository lay at a destination, and whether
/// it was sealed.
#[derive(Clone, Debug)]
pub(crate) struct PlaceMemory {
    path: PathBuf,
}

/// The repository that lay at a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SeenPlace {
    pub(crate) repository: RepositoryId,
    pub(crate) sealed: bool,
}

impl PlaceMemory {
    pub(crate) fn of(local: &Local, destination: &str) -> Self {
        Self { path: local.state_dir().join("seen").join("places").join(short_name(destination)) }
    }

    pub(crate) fn read(&self) -> Result<Option<SeenPlace>, LocalError> {
        let Some(text) = read_text(&self.path)? else {
            return Ok(None);
        };
        let seen = text.trim().split_once(' ').and_then(|(id, kind)| {
            let sealed = matches!(kind, "sealed");
            let repository = RepositoryId::from_bytes(hex::decode(id)?);
            if !sealed && kind != "plain" {
                return None;
            }
            Some(SeenPlace { repository, sealed })
        });
        let not_one = || std::io::Error::other("it is not an id and a word");
        seen.map(Some)
            .ok_or_else(|| LocalError::at("read the repository in", &self.path)(not_one()))
    }

    pub(crate) fn write(&self, seen: SeenPlace) -> Result<(), LocalError> {
        let kind = if seen.sealed { "sealed" } else { "plain" };
        replace(&self.path, &format!("{} {kind}", seen.repository))
    }
}

fn read_text(path: &Path) -> Result<Option<String>, LocalError> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(LocalError::at("read", path)(source)),
    }
}

/// Replaces a small file as a whole.
fn replace(path: &Path, text: &str) -> Result<(), LocalError> {
    let dir = path.parent().expect("the file lies in a folder");
    make_directory(dir)?;
    // No name of a database encodes to one with a blank.
    let draft = dir.join(format!("draft {}", hex::encode(&random::<4>())));
    write_durably(&draft, text.as_bytes())?;
    std::fs::rename(&draft, path).map_err(LocalError::at("write", path))?;
    sync_names_beside(path)
}

impl KeyMemory {
    pub(crate) fn of(local: &Local, destination: &str, repository: RepositoryId) -> Self {
        let folder = format!("{repository}-{}", short_name(destination));
        // No name of a database encodes to one with a blank.
        Self { path: local.state_dir().join("seen").join(folder).join("data key") }
    }

    pub(crate) fn read(&self) -> Result<Option<SeenKey>, LocalError> {
        let Some(text) = read_text(&self.path)? else {
            return Ok(None);
        };
        let seen = text.trim().split_once(' ').and_then(|(ordinal, id)| {
            Some(SeenKey { ordinal: ordinal.parse().ok()?, id: hex::decode(id)? })
        });
        let not_one = || std::io::Error::other("it is not a number and an id");
        seen.map(Some).ok_or_else(|| LocalError::at("read the data key in", &self.path)(not_one()))
    }

    pub(crate) fn write(&self, seen: SeenKey) -> Result<(), LocalError> {
        replace(&self.path, &format!("{} {}", seen.ordinal, hex::encode(&seen.id)))
    }
}

/// A data key that was in use. Its id as well as its number: who was shut out
/// of it can make another that bears any number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SeenKey {
    pub(crate) ordinal: u32,
    pub(crate) id: [u8; 16],
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
        let seen = local.state_dir().join("seen");
        let generation = seen.join("generations").join(format!("{repository}-{}", database.key()));
        Self { path: seen.join(folder).join(name), generation }
    }

    /// Forgets which records were seen at a destination that is empty, and stays
    /// the repository's. The nonces of one's own records stay.
    pub(crate) fn forget_records(
        local: &Local,
        destination: &str,
        repository: RepositoryId,
    ) -> Result<(), LocalError> {
        let seen = local.state_dir().join("seen");
        let folder = seen.join(format!("{repository}-{}", short_name(destination)));
        let entries = match std::fs::read_dir(&folder) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            entries => entries.map_err(LocalError::at("read", &folder))?,
        };
        for entry in entries {
            let path = entry.map_err(LocalError::at("read", &folder))?.path();
            if path.extension().is_some_and(|extension| extension == "json") {
                // Generations count everywhere.
                let memory = Self { path, generation: seen.join("generations") };
                memory.accept(None)?;
            }
        }
        Ok(())
    }

    /// The highest generation that was seen of the database, on any destination.
    pub(crate) fn generation(&self) -> Result<u64, LocalError> {
        let text = read_text(&self.generation)?.unwrap_or_default();
        // Without it snapshots of two destinations may become a fork; nothing worse.
        Ok(text.trim().parse().unwrap_or(0))
    }

    /// Remembers a generation. Two processes at once may leave the lower one,
    /// which the next record that is seen mends.
    fn saw_generation(&self, generation: u64) -> Result<(), LocalError> {
        if self.generation()? < generation {
            replace(&self.generation, &generation.to_string())?;
        }
        Ok(())
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
        self.saw_generation(record.envelope.state.generation)?;
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
        make_directory(dir)?;
        let lock_path = dir.join(".lock");
        let lock = File::create(&lock_path).map_err(LocalError::at("write", &lock_path))?;
        lock.lock().map_err(LocalError::at("lock", &lock_path))?;
        let mut seen = self.read()?;
        change(&mut seen);
        let bytes = serde_json::to_vec(&seen).expect("numbers and texts always serialise");
        let draft = self.path.with_extension("new");
        write_durably(&draft, &bytes)?;
        std::fs::rename(&draft, &self.path).map_err(LocalError::at("write", &self.path))?;
        sync_names_beside(&self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twins_and_fresh_starts() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let memory = Memory { path: dir.path().join("a/b.json"), generation: dir.path().join("g") };
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
