//! What an installation keeps on its own machine: its id, what it remembers of
//! each destination, and caches that save work.
//!
//! State must last, because it tells a destination that was rolled back from
//! one that was not. The cache may be deleted at any time.

mod journal;
mod memory;
mod scratch;
mod table;

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use lifeboat_format::digest::Digest;
use lifeboat_format::hex;
use lifeboat_format::id::InstallationId;
use time::OffsetDateTime;

use crate::error::LocalError;

pub(crate) use journal::{Journal, Leftover, Plan};
pub(crate) use memory::{KeyMemory, Memory, PlaceMemory, SeenKey, SeenPlace};
pub use scratch::Scratch;
pub(crate) use table::{FinishedTable, Footer, RawTable, Row, TableReader, TableWriter};

/// Tells the time. Injected, so that tests do not wait for it.
pub type Clock = Arc<dyn Fn() -> OffsetDateTime + Send + Sync>;

/// Where an installation keeps its state and its cache.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LocalOptions {
    /// The directory for what must last; made if it is not there.
    pub state_dir: PathBuf,
    /// The directory for what may be deleted; made if it is not there.
    pub cache_dir: PathBuf,
    /// The id to use instead of the stored one, for containers that keep no
    /// state.
    pub installation_id: Option<InstallationId>,
}

impl LocalOptions {
    /// Keeps state and cache in these directories.
    pub fn new(state_dir: impl Into<PathBuf>, cache_dir: impl Into<PathBuf>) -> Self {
        Self { state_dir: state_dir.into(), cache_dir: cache_dir.into(), installation_id: None }
    }
}

/// An installation of Lifeboat on a machine.
#[derive(Clone)]
pub struct Local {
    installation: Arc<OnceLock<InstallationId>>,
    state_dir: PathBuf,
    cache_dir: PathBuf,
    clock: Clock,
}

impl std::fmt::Debug for Local {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Local")
            .field("installation", &self.installation)
            .field("state_dir", &self.state_dir)
            .field("cache_dir", &self.cache_dir)
            .finish_non_exhaustive()
    }
}

impl Local {
    /// Opens an installation. Nothing is written before something is kept: a
    /// command that is refused leaves no directory behind.
    pub fn open(options: LocalOptions) -> Self {
        let LocalOptions { state_dir, cache_dir, installation_id } = options;
        let installation = installation_id.map_or_else(OnceLock::new, OnceLock::from);
        let clock: Clock = Arc::new(OffsetDateTime::now_utc);
        Self { installation: Arc::new(installation), state_dir, cache_dir, clock }
    }

    /// The same installation with another clock.
    #[must_use]
    pub fn with_clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// The id under which it writes. Drawn at random and stored when it is
    /// asked for the first time.
    pub fn installation(&self) -> Result<&InstallationId, LocalError> {
        if let Some(id) = self.installation.get() {
            return Ok(id);
        }
        make_directory(&self.state_dir)?;
        let id = stored_id(&self.state_dir.join("installation-id"))?;
        Ok(self.installation.get_or_init(|| id))
    }

    /// The directory for what may be deleted, made if it is not there.
    pub fn cache_dir(&self) -> Result<&Path, LocalError> {
        make_directory(&self.cache_dir)?;
        Ok(&self.cache_dir)
    }

    pub(crate) fn state_dir(&self) -> &Path {
        &self.state_dir
    }

    /// A folder for temporary files, removed when it is dropped; what a killed
    /// run left is removed by the next.
    pub fn scratch(&self) -> Result<Scratch, LocalError> {
        Scratch::new(self.cache_dir()?)
    }

    /// The time, by the clock of this installation.
    pub fn now(&self) -> OffsetDateTime {
        (self.clock)()
    }
}

fn make_directory(dir: &Path) -> Result<(), LocalError> {
    lifeboat_remote::make_directory(dir).map_err(LocalError::at("make the directory", dir))
}

/// Reads the id from its file, or makes it. Two processes that start at once
/// agree, because only one link to the file succeeds.
fn stored_id(path: &Path) -> Result<InstallationId, LocalError> {
    for _ in 0..2 {
        match std::fs::read_to_string(path) {
            Ok(text) => {
                return InstallationId::new(text.trim()).map_err(|_| LocalError {
                    doing: "read the installation id in",
                    path: path.to_owned(),
                    source: std::io::Error::from(std::io::ErrorKind::InvalidData),
                });
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(source) => return Err(LocalError::at("read", path)(source)),
        }
        let id = hex::encode(&random::<16>());
        let draft = path.with_extension(format!("{}.new", hex::encode(&random::<4>())));
        write_durably(&draft, id.as_bytes())?;
        // Fails where another process was first; its id is read in the next round.
        let linked = std::fs::hard_link(&draft, path);
        let _ = std::fs::remove_file(&draft);
        match linked {
            // Objects will bear the id: it must not be gone when the power comes back.
            Ok(()) => sync_names_beside(path)?,
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(source) => return Err(LocalError::at("write", path)(source)),
        }
    }
    Err(LocalError::at("read", path)(std::io::Error::from(std::io::ErrorKind::NotFound)))
}

/// Writes a file and waits until it is on disk.
pub(crate) fn write_durably(path: &Path, bytes: &[u8]) -> Result<(), LocalError> {
    use std::io::Write;
    let mut file = std::fs::File::create(path).map_err(LocalError::at("write", path))?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(LocalError::at("write", path))
}

/// Waits until the name of a file is on disk.
pub(crate) fn sync_names_beside(path: &Path) -> Result<(), LocalError> {
    let dir = path.parent().expect("a file lies in a folder");
    lifeboat_remote::sync_directory(dir).map_err(LocalError::at("write", dir))
}

/// A short name for something whose own name may be long or strange.
pub(crate) fn short_name(text: &str) -> String {
    hex::encode(&Digest::of(text.as_bytes()).as_bytes()[..8])
}

/// 8 hexadecimal digits drawn at random, for the name of a temporary file.
pub fn random_hex() -> String {
    hex::encode(&random::<4>())
}

/// Bytes drawn at random from the system.
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the system has randomness");
    bytes
}
