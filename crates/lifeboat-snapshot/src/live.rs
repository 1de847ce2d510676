//! A live database, attached to and read without being changed.

use std::path::{Path, PathBuf};

use lifeboat_format::digest::HashKey;
use lifeboat_format::source::{
    CaptureError, CapturedImage, ChangeSink, Fingerprint, KnownBlocks, PageSource,
};
use lifeboat_sqlite::{
    Access, Connection, JournalMode, MIN_SAFE_VERSION, ReadTransaction, WalIndexError,
};

use crate::error::{CaptureFailure, Fault, OpenError};
use crate::header::Header;
use crate::identity::{Identity, Touch};
use crate::notice::{Notice, note};
use crate::options::OpenOptions;
use crate::{fingerprint, journal, rollback_capture, wal_capture};

// How often a capture begins anew because the database changed its form.
const ATTEMPTS: u32 = 4;

/// A live database. While it is attached, applications can read, write and
/// checkpoint, but neither leave WAL mode nor take the database exclusively;
/// drop it to detach.
pub struct LiveDatabase {
    connection: Connection,
    path: PathBuf,
    identity: Identity,
    options: OpenOptions,
    notices: Vec<Notice>,
}

impl LiveDatabase {
    /// Attaches to the database at `path`, which must exist, and looks at it
    /// once.
    pub fn open(path: &Path, options: &OpenOptions) -> Result<Self, OpenError> {
        let metadata = std::fs::metadata(path).map_err(|e| OpenError::from_io(path, e))?;
        if metadata.is_dir() {
            return Err(OpenError::IsDirectory { path: path.to_owned() });
        }
        if metadata.len() == 0 {
            return Err(OpenError::Empty { path: path.to_owned() });
        }
        let path = std::fs::canonicalize(path).map_err(|e| OpenError::from_io(path, e))?;
        let connection = Connection::open(&path, options.busy_timeout)
            .map_err(|e| OpenError::from_connect(&path, e))?;
        let touch = Touch::of(&path).map_err(|e| OpenError::from_io(&path, e))?;
        let mut database = Self {
            connection,
            path,
            identity: touch.identity,
            options: options.clone(),
            notices: Vec::new(),
        };
        if database.connection.access() == Access::ReadOnly {
            note(&mut database.notices, Notice::ReadOnly);
        }
        let version = lifeboat_sqlite::library_version();
        if version < MIN_SAFE_VERSION {
            note(&mut database.notices, Notice::OldLibrary { version });
        }
        let first_look = database
            .begin()
            .and_then(|(read, _)| Ok((read.journal_mode()?, Header::read(&read.main_file()?)?)));
        match first_look {
            Ok((mode, header)) => database.note_writer(mode, &header),
            Err(fault) => return Err(OpenError::FirstRead(fault.failure(&database.path))),
        }
        Ok(database)
    }

    /// The canonical path of the database.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What was noticed so far, each once; a capture may add to it.
    pub fn notices(&self) -> &[Notice] {
        &self.notices
    }

    /// Begins a read transaction on what is still the file that was opened.
    pub(crate) fn begin(&mut self) -> Result<(ReadTransaction<'_>, Touch), Fault> {
        self.must_be_the_same()?;
        let hot = journal::is_hot(&self.connection)?;
        let journal = self.connection.sidecar("-journal");
        let read = match self.connection.begin_read() {
            Ok(read) => read,
            Err(lifeboat_sqlite::BeginError::Sqlite(e)) if hot => return Err(Fault::HotJournal(e)),
            Err(e) => return Err(Fault::Begin(e)),
        };
        if hot && !journal::has_content(&journal) {
            note(&mut self.notices, Notice::HotJournalRolledBack);
        }
        let touch = Touch::of(&self.path).map_err(Fault::Io)?;
        Ok((read, touch))
    }

    /// Nothing was read of a file that was put in place of the one opened.
    fn must_be_the_same(&self) -> Result<(), Fault> {
        let moved = match Touch::of(&self.path) {
            Ok(touch) => touch.identity != self.identity,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => true,
            Err(e) => return Err(Fault::Io(e)),
        };
        if moved || self.connection.has_moved()? {
            return Err(Fault::Replaced);
        }
        Ok(())
    }

    fn note_writer(&mut self, mode: JournalMode, header: &Header) {
        let version = header.written_by();
        if mode == JournalMode::Wal && (1..MIN_SAFE_VERSION).contains(&version) {
            note(&mut self.notices, Notice::WrittenByOldLibrary { version });
        }
    }

    fn present_fingerprint(&mut self) -> Result<Option<Fingerprint>, Fault> {
        let (read, touch) = self.begin()?;
        match read.journal_mode()? {
            JournalMode::Rollback => rollback_capture::fingerprint(&read, &touch).map(Some),
            JournalMode::Wal => match read.wal_position() {
                Ok(position) => Ok(fingerprint::of_wal(&touch, &position.header)),
                // Not to be told is no failure: a capture reads everything.
                Err(WalIndexError::Unsteady) => Ok(None),
                Err(e) => Err(Fault::WalIndex(e)),
            },
        }
    }

    fn try_capture(
        &mut self,
        key: &HashKey,
        known: &mut dyn KnownBlocks,
        sink: &mut dyn ChangeSink,
    ) -> Result<CapturedImage, Fault> {
        for attempt in 1..=ATTEMPTS {
            let options = self.options.clone();
            let (read, touch) = self.begin()?;
            let mode = read.journal_mode()?;
            let done = match mode {
                JournalMode::Wal => {
                    let done = wal_capture::capture(&read, touch, key, known, sink);
                    drop(read);
                    match done {
                        // The header was left half written by a killed writer:
                        // the next transaction mends it. The sink has not been
                        // called yet.
                        Err(Fault::WalIndex(WalIndexError::Unsteady)) if attempt < ATTEMPTS => None,
                        done => Some(done?),
                    }
                }
                JournalMode::Rollback => {
                    drop(read);
                    rollback_capture::capture(
                        self,
                        options.slice,
                        options.spool_dir.as_deref(),
                        key,
                        known,
                        sink,
                    )?
                }
            };
            let Some((captured, header)) = done else {
                continue;
            };
            self.must_be_the_same()?;
            self.note_writer(mode, &header);
            return Ok(captured);
        }
        Err(Fault::Unsteady)
    }
}

impl rollback_capture::Host for LiveDatabase {
    fn begin(&mut self) -> Result<(ReadTransaction<'_>, Touch), Fault> {
        LiveDatabase::begin(self)
    }
}

impl PageSource for LiveDatabase {
    type Error = CaptureFailure;

    fn fingerprint(&mut self) -> Result<Option<Fingerprint>, CaptureFailure> {
        self.present_fingerprint().map_err(|fault| fault.failure(&self.path))
    }

    /// In WAL mode writers go on at their usual speed. In rollback journal
    /// modes they wait for at most a slice ([`OpenOptions::slice`]) at a time,
    /// and once, if somebody wrote meanwhile, for some 250 ms for each
    /// GiB of the database.
    fn capture(
        &mut self,
        key: &HashKey,
        known: &mut dyn KnownBlocks,
        sink: &mut dyn ChangeSink,
    ) -> Result<CapturedImage, CaptureError<CaptureFailure>> {
        self.try_capture(key, known, sink).map_err(|fault| fault.at(&self.path))
    }
}
