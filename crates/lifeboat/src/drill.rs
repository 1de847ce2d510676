//! Drills: a snapshot is restored to scratch, and put to the test.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use lifeboat_format::check::{Assertion, CheckKind, CheckResult, Drill, Finding};
use lifeboat_format::digest::HashKey;
use lifeboat_format::numbers::RecordNo;
use lifeboat_repository::{
    Database, Progress, RestoreError, RestoreOptions, Scratch, Selector, Snapshot,
};
use lifeboat_snapshot::{ProveError, ProvenFile, StageError, StagedFile};
use lifeboat_sqlite::{Answer, PrivateDatabase};

use crate::destination::Destination;
use crate::error::Error;

/// How a drill is made.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct DrillSettings {
    /// Statements that must each return 1.
    pub assertions: Vec<String>,
    /// The newest record that is meant, where it is not the highest seen.
    pub expect: Option<u64>,
    /// Who listens.
    pub progress: Option<Arc<dyn Progress>>,
}

impl std::fmt::Debug for DrillSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DrillSettings")
            .field("assertions", &self.assertions)
            .finish_non_exhaustive()
    }
}

/// What a drill showed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DrillReport {
    /// The receipt.
    pub drill: Drill,
    /// What was stored, with who drilled and when.
    pub result: CheckResult,
    /// The key of what was stored; none if the store refuses to keep it.
    pub key: Option<String>,
    /// How many bytes were fetched.
    pub bytes_fetched: u64,
}

/// A snapshot that was restored to scratch, and proven to be what was backed up.
pub(crate) struct Rehearsed {
    pub(crate) file: ProvenFile,
    pub(crate) bytes_fetched: u64,
    _scratch: Scratch,
}

impl Destination {
    /// Restores a snapshot to the cache directory, has SQLite check it, runs the
    /// assertions, and stores what came of it. `announce` is told which snapshot
    /// it is.
    ///
    /// A database that fails a test is no error but a result. Damage is an
    /// error, and stored as a finding. Cancelled or killed, nothing is stored.
    pub async fn drill(
        &self,
        name: &str,
        selector: &Selector,
        settings: &DrillSettings,
        announce: impl FnOnce(&Snapshot),
    ) -> Result<DrillReport, Error> {
        let database = self.database(name)?;
        let expect = settings.expect.map(RecordNo);
        let snapshot = database.resolve(selector, expect).await?;
        announce(&snapshot);
        let newest = database.snapshots(expect).await?.newest.unwrap_or(snapshot.number());
        let mut result = database.begin_check(CheckKind::Drill, newest)?;
        result.snapshots = std::iter::once(snapshot.number()).collect();
        let started = Instant::now();
        let rehearsed = match rehearse(&database, &snapshot, settings.progress.clone()).await {
            Ok(rehearsed) => rehearsed,
            Err(error) => {
                if let Some(finding) = finding(&error, &snapshot) {
                    result.findings.push(finding);
                    result.finished_at = self.repository().local().now();
                    // What was found is the error, whether it can be stored or not.
                    if let Err(error) = database.record_check_if_allowed(&result).await {
                        tracing::warn!(%error, "the result cannot be stored");
                    }
                }
                return Err(error);
            }
        };
        let restore_ms = milliseconds(started);
        let assertions = settings.assertions.clone();
        let path = rehearsed.file.path().to_owned();
        let work = tokio::task::spawn_blocking(move || test(&path, &assertions));
        let tested = match work.await {
            Ok(tested) => tested?,
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        };
        let body = snapshot.body();
        let drill = Drill {
            snapshot: snapshot.number(),
            snapshot_id: snapshot.id().clone(),
            taken_at: body.taken_at,
            image_digest: body.image_digest,
            size: u64::from(body.page_size) * u64::from(body.page_count),
            restore_ms,
            duration_ms: milliseconds(started),
            integrity: tested.integrity,
            foreign_keys: tested.foreign_keys,
            assertions: tested.assertions,
        };
        let bytes_fetched = rehearsed.bytes_fetched;
        drop(rehearsed);
        result.finished_at = self.repository().local().now();
        result.bytes_read = bytes_fetched;
        result.drill = Some(drill.clone());
        let key = database.record_check_if_allowed(&result).await?;
        Ok(DrillReport { drill, result, key, bytes_fetched })
    }
}

fn milliseconds(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// Restores a snapshot to scratch and proves it.
pub(crate) async fn rehearse(
    database: &Database,
    snapshot: &Snapshot,
    progress: Option<Arc<dyn Progress>>,
) -> Result<Rehearsed, Error> {
    let scratch = database.repository().local().scratch()?;
    let staged = StagedFile::create(&scratch.path().join("drill.db"))?;
    let mut options = RestoreOptions::default();
    options.progress = progress;
    // Beside a program that serves, memory counts more than requests.
    options.piece = Some(1024 * 1024);
    let (staged, report) = database.restore(snapshot, staged, &options).await?;
    let key: HashKey = database.repository().hash_key().clone();
    let digest = snapshot.body().image_digest;
    let work = tokio::task::spawn_blocking(move || staged.prove(&key, &digest));
    let file = match work.await {
        Ok(proven) => proven?,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    };
    Ok(Rehearsed { file, bytes_fetched: report.bytes_fetched, _scratch: scratch })
}

/// Damage in the words of a finding.
fn finding(error: &Error, snapshot: &Snapshot) -> Option<Finding> {
    use lifeboat_repository::ReadError;
    let snapshots = std::iter::once(snapshot.number()).collect();
    let below = |key: &str| key.splitn(3, '/').nth(2).unwrap_or(key).to_owned();
    let (object, what) = match error {
        Error::Restore(RestoreError::Read(ReadError::Unusable { key, source }))
            if source.is_damage() =>
        {
            (below(key), source.to_string())
        }
        Error::Restore(RestoreError::Read(ReadError::Missing { kind, key })) => {
            (below(key), format!("{kind} is missing"))
        }
        Error::Restore(RestoreError::<StageError>::Incomplete { .. })
        | Error::Prove(ProveError::Size { .. } | ProveError::Digest { .. }) => {
            (format!("records/{:020}", snapshot.number().0), error.to_string())
        }
        _ => return None,
    };
    Some(Finding { object, what, snapshots })
}

#[derive(Default)]
struct Tested {
    integrity: Vec<String>,
    foreign_keys: Vec<String>,
    assertions: Vec<Assertion>,
}

/// More findings than anybody reads.
const FINDINGS: usize = 100;

/// SQLite's own checks, and the assertions; blocking.
fn test(path: &Path, assertions: &[String]) -> Result<Tested, Error> {
    let database = PrivateDatabase::open(path)?;
    let words = |findings: Vec<lifeboat_sqlite::Finding>| {
        findings.iter().map(ToString::to_string).collect()
    };
    Ok(Tested {
        integrity: words(database.integrity_check(FINDINGS)?),
        foreign_keys: words(database.foreign_key_check(FINDINGS)?),
        assertions: assertions
            .iter()
            .map(|sql| {
                let returned = match database.ask(sql) {
                    Answer::One => None,
                    Answer::Other(words) => Some(words),
                };
                Assertion { sql: sql.clone(), holds: returned.is_none(), returned }
            })
            .collect(),
    })
}
