//! A snapshot before an operation.

use std::fmt;
use std::future::Future;
use std::path::PathBuf;
use std::time::Duration;

use lifeboat_agent::Cause;
use lifeboat_format::id::SnapshotId;
use lifeboat_format::record::Trigger;
use lifeboat_repository::Selector;
use tokio::runtime::{Builder, Handle, RuntimeFlavor};

use super::WatchedDatabase;
use super::run::Asked;
use crate::error::{Error, causes_of};
use crate::in_place::{InPlaceReport, InPlaceSettings};
use crate::take::BackupSettings;

/// How long another run is waited for that may need this very thread to end.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why something that a snapshot goes before did not end well.
#[derive(Debug)]
#[non_exhaustive]
pub enum GuardedError<E> {
    /// There is no snapshot, and so it was not run.
    NotRun {
        /// The name of the database.
        database: String,
        /// What was to be run.
        description: String,
        /// Why there is no snapshot.
        source: Box<Error>,
    },
    /// It was run, and failed.
    Failed {
        /// The name of the database.
        database: String,
        /// What was run.
        description: String,
        /// The snapshot of the state before; none where backups are disabled.
        snapshot: Option<SnapshotId>,
        /// Its own error.
        source: E,
        /// Whether the database was put back.
        put_back: PutBack,
    },
}

/// Whether a database was put back after an operation failed.
#[derive(Debug)]
#[non_exhaustive]
pub enum PutBack {
    /// Nobody asked for it.
    NotAsked,
    /// It is what it was before.
    Done {
        /// Where what the operation left lies now.
        aside: Option<PathBuf>,
    },
    /// It is as the operation left it.
    Failed(Box<Error>),
}

impl<E> GuardedError<E> {
    /// The snapshot of the state before, if it came to that.
    pub fn snapshot(&self) -> Option<&SnapshotId> {
        match self {
            Self::NotRun { .. } => None,
            Self::Failed { snapshot, .. } => snapshot.as_ref(),
        }
    }
}

impl<E: fmt::Display> fmt::Display for GuardedError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotRun { database, description, .. } => {
                write!(f, "take a snapshot of {database} before {description:?}, which was not run")
            }
            Self::Failed { database, description, snapshot, put_back, .. } => {
                f.write_str(description)?;
                if let PutBack::Done { aside } = put_back {
                    f.write_str("; the database is what it was before")?;
                    return aside.as_ref().map_or(Ok(()), |aside| {
                        write!(f, ", and what it was then lies at {}", aside.display())
                    });
                }
                if let PutBack::Failed(error) = put_back {
                    write!(f, "; it was not put back: failed to {}", causes_of(error.as_ref()))?;
                }
                match snapshot {
                    Some(id) => write!(
                        f,
                        "; the state before is a snapshot: `lifeboat restore {database} {id} \
                         --in-place` brings it back"
                    ),
                    None => f.write_str("; backups are disabled, and there is no snapshot"),
                }
            }
        }
    }
}

impl<E: std::error::Error + 'static> std::error::Error for GuardedError<E> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::NotRun { source, .. } => Some(source.as_ref()),
            Self::Failed { source, .. } => Some(source),
        }
    }
}

impl WatchedDatabase {
    /// Takes a snapshot, says in it why, runs an operation and passes on what
    /// comes of it. Without a snapshot the operation is not run; where backups are
    /// disabled it is run without one.
    ///
    /// Nothing is put back where the operation fails: others may have written
    /// meanwhile. The error names the snapshot to restore.
    ///
    /// ```no_run
    /// # async fn example(backups: lifeboat::service::Service) -> Result<(), Box<dyn std::error::Error>> {
    /// # async fn delete_artist(_: i64) -> Result<u64, std::io::Error> { Ok(1) }
    /// let app = backups.database("app")?;
    /// let rows = app.with_snapshot("delete artist 42", delete_artist(42)).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// Cancelled, the operation is as far as it came.
    pub async fn with_snapshot<T, E>(
        &self,
        description: impl Into<String>,
        operation: impl Future<Output = Result<T, E>>,
    ) -> Result<T, GuardedError<E>> {
        let description = description.into();
        let snapshot = self.guard(self.snapshot_before(&description).await, &description)?;
        operation.await.map_err(|source| self.failed(description, snapshot, source))
    }

    /// As [`with_snapshot`](Self::with_snapshot), for code that blocks: inside and
    /// outside of a runtime.
    ///
    /// In a runtime of one thread, which this holds up, a backup of the same database
    /// that is under way cannot end: after ten seconds that is the error, and the
    /// operation is not run.
    pub fn with_snapshot_blocking<T, E>(
        &self,
        description: impl Into<String>,
        operation: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, GuardedError<E>> {
        let description = description.into();
        let snapshot = self.guard(self.snapshot_before_blocking(&description), &description)?;
        operation().map_err(|source| self.failed(description, snapshot, source))
    }

    /// As [`with_snapshot_blocking`](Self::with_snapshot_blocking), and puts the
    /// database back where the operation fails. For that the program hands in its only
    /// connection, of whatever kind: it is lent to the operation, comes back where that
    /// succeeds, and is closed by dropping it where it fails.
    ///
    /// The database is put back only where it is known that nobody else has it open
    /// then; else, such as in a container, where that cannot be seen, the error says so
    /// and names the snapshot. What the operation left is set aside whole.
    ///
    /// Killed at any point, there is one whole database: as the operation left it, or as
    /// it was before.
    pub fn with_snapshot_or_back<C, T, E>(
        &self,
        description: impl Into<String>,
        mut connection: C,
        operation: impl FnOnce(&mut C) -> Result<T, E>,
    ) -> Result<(C, T), GuardedError<E>> {
        let description = description.into();
        let snapshot = self.guard(self.snapshot_before_blocking(&description), &description)?;
        let source = match operation(&mut connection) {
            Ok(done) => return Ok((connection, done)),
            Err(source) => source,
        };
        drop(connection);
        let put_back = match &snapshot {
            None => PutBack::NotAsked,
            Some(id) => match self.put_back(id) {
                Ok(report) => PutBack::Done { aside: report.replaced.aside },
                Err(error) => PutBack::Failed(Box::new(error)),
            },
        };
        let database = self.name().to_owned();
        Err(GuardedError::Failed { database, description, snapshot, source, put_back })
    }

    fn put_back(&self, id: &SnapshotId) -> Result<InPlaceReport, Error> {
        let exactly = Selector::Prefix(id.as_str().to_owned());
        let settings = InPlaceSettings { alone: true, ..InPlaceSettings::default() };
        let (exactly, settings) = (&exactly, &settings);
        self.block_on(|asked| async move {
            self.service().put_in_place(self.name(), exactly, settings, asked).await
        })
    }

    /// Takes a snapshot before something, and says in it before what, also where
    /// nothing changed since the last. None where backups are disabled.
    ///
    /// Cancelled, it leaves at most packs that no record names.
    pub async fn snapshot_before(&self, what: &str) -> Result<Option<SnapshotId>, Error> {
        self.take_before(what, Asked::usual(Cause::Asked)).await
    }

    /// As [`snapshot_before`](Self::snapshot_before), for code that blocks.
    pub fn snapshot_before_blocking(&self, what: &str) -> Result<Option<SnapshotId>, Error> {
        self.block_on(|asked| self.take_before(what, asked))
    }

    /// Waits for something, inside or outside of a runtime.
    fn block_on<T: Send, F: Future<Output = Result<T, Error>>>(
        &self,
        work: impl FnOnce(Asked) -> F + Send,
    ) -> Result<T, Error> {
        let several = |handle: &Handle| handle.runtime_flavor() == RuntimeFlavor::MultiThread;
        if let Some(handle) = Handle::try_current().ok().filter(several) {
            let working = work(Asked::usual(Cause::Asked));
            return tokio::task::block_in_place(|| handle.block_on(working));
        }
        // A thread of its own, because a runtime cannot be entered in another.
        let alone = || {
            let runtime = Builder::new_current_thread().enable_all().build();
            let runtime = runtime.map_err(|source| Error::Runtime { source })?;
            // Connections belong to the runtime that opened them.
            let asked = Asked {
                patience: Some(PATIENCE),
                destinations: Some(self.service().destinations().afresh()),
                ..Asked::usual(Cause::Asked)
            };
            runtime.block_on(work(asked))
        };
        match std::thread::scope(|scope| scope.spawn(alone).join()) {
            Ok(done) => done,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }

    async fn take_before(&self, what: &str, asked: Asked) -> Result<Option<SnapshotId>, Error> {
        let inner = &self.service().inner;
        let watched = self.watched()?;
        let settings = BackupSettings {
            trigger: Trigger::BeforeOperation,
            description: Some(what.to_owned()),
            always: true,
            ..BackupSettings::default()
        };
        match inner.back_up_as(&watched, settings, asked).await {
            Ok(placed) => Ok(Some(placed.report.stored.snapshot_id)),
            Err(Error::Disabled { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn guard<E>(
        &self,
        taken: Result<Option<SnapshotId>, Error>,
        description: &str,
    ) -> Result<Option<SnapshotId>, GuardedError<E>> {
        taken.map_err(|error| {
            tracing::warn!("{description:?} is not run: failed to {}", causes_of(&error));
            GuardedError::NotRun {
                database: self.name().to_owned(),
                description: description.to_owned(),
                source: Box::new(error),
            }
        })
    }

    fn failed<E>(
        &self,
        description: String,
        snapshot: Option<SnapshotId>,
        source: E,
    ) -> GuardedError<E> {
        let database = self.name().to_owned();
        let put_back = PutBack::NotAsked;
        GuardedError::Failed { database, description, snapshot, source, put_back }
    }
}
