//! What takes longer than a request: it is begun, and goes on as a job.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;
use utoipa::IntoParams;

use super::extract::{Body, Database, Snapshot, confirmed, plain};
use crate::Shared;
use crate::admin::Watch;
use crate::jobs::{Outcome, Wanted};
use crate::model::{
    AuditEntry, BackUp, Check, Job, JobKind, JobState, Moment, Repair, Restore, RestorePlan,
    RestoreTo,
};
use crate::problem::{Problem, Refusals};
use crate::security::{Asker, Operator, Reader, Restorer};

/// A snapshot of a database.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "only described; the path is parsed more strictly")]
pub(super) struct Whole {
    /// The name in the repository.
    database: String,
    /// `latest`, an id, or a prefix of one that is unique.
    snapshot: String,
}

/// Notes what somebody did.
pub(super) fn noted(
    shared: &Shared,
    by: &Asker,
    action: &str,
    database: Option<&str>,
    snapshot: Option<&str>,
    outcome: &str,
    detail: Option<String>,
) {
    shared.audit.add(AuditEntry {
        at: Moment::now(),
        by: by.name.clone(),
        from: by.from.clone(),
        action: action.to_owned(),
        database: database.map(str::to_owned),
        snapshot_id: snapshot.map(str::to_owned),
        outcome: outcome.to_owned(),
        detail,
    });
}

/// Begins a job and answers 202 with it.
fn begin<F>(
    shared: &Shared,
    caller: &Asker,
    kind: JobKind,
    database: &str,
    snapshot: Option<&str>,
    cancellable: bool,
    work: impl FnOnce(Watch) -> F,
) -> Result<Response, Problem>
where
    F: Future<Output = Result<Outcome, Problem>> + Send + 'static,
{
    let wanted = Wanted {
        kind,
        database: database.to_owned(),
        snapshot_id: snapshot.map(str::to_owned),
        by: caller.name.clone(),
        cancellable,
    };
    let (after, asker) = (shared.clone(), caller.clone());
    let ended = move |job: &Job| {
        let outcome = match job.state {
            JobState::Cancelled => "cancelled",
            JobState::Failed => "failed",
            _ => "done",
        };
        let detail = job.error.as_ref().map(|error| error.message.clone());
        let snapshot = job.snapshot_id.as_deref();
        noted(&after, &asker, kind.name(), Some(&job.database), snapshot, outcome, detail);
    };
    let job = shared.jobs.begin(wanted, ended, work)?;
    noted(shared, caller, kind.name(), Some(database), snapshot, "begun", None);
    let place = HeaderValue::from_str(&format!("/api/v1/jobs/{}", job.id)).expect("an id is hex");
    let mut response = (StatusCode::ACCEPTED, Json(job)).into_response();
    response.headers_mut().insert(header::LOCATION, place);
    Ok(response)
}

/// Refuses where backups are disabled.
fn enabled(shared: &Shared) -> Result<(), Problem> {
    match shared.admin.disabled() {
        None => Ok(()),
        Some(disabled) => {
            let message = format!("backups are disabled: {}", disabled.reason);
            Err(Problem::conflict(7, message).with_hint(disabled.hint))
        }
    }
}

/// Back up
#[utoipa::path(post, path = "/api/v1/databases/{database}/backups", operation_id = "back_up", tag = "work",
    params(("database" = String, Path, description = "The name in the repository")),
    request_body = BackUp, security(("token" = []), ("session" = [])),
    responses((status = 202, description = "It runs", body = Job), Refusals))]
pub(super) async fn back_up(
    Operator(caller): Operator,
    State(shared): State<Shared>,
    Database(name): Database,
    Body(wanted): Body<BackUp>,
) -> Result<Response, Problem> {
    enabled(&shared)?;
    for text in wanted.tags.iter().flat_map(|(k, v)| [k, v]).chain(&wanted.description) {
        plain(text, 1000)?;
    }
    // A name that is not there is said at once.
    shared.admin.database(&name).await?;
    let admin = Arc::clone(&shared.admin);
    let cancellable = admin.can_cancel_backups();
    begin(&shared, &caller, JobKind::Backup, &name.clone(), None, cancellable, |watch| async move {
        admin.back_up(&name, &wanted, &watch).await.map(Outcome::Backup)
    })
}

/// What a restore would do
#[utoipa::path(post, path = "/api/v1/databases/{database}/snapshots/{snapshot}/restore/plan", operation_id = "plan_restore", tag = "work",
    params(Whole), request_body = Restore, security(("token" = []), ("session" = [])),
    responses((status = 200, description = "The plan; nothing was done", body = RestorePlan), Refusals))]
pub(super) async fn plan_restore(
    _: Restorer,
    State(shared): State<Shared>,
    Snapshot(name, id): Snapshot,
    Body(wanted): Body<Restore>,
) -> Result<Json<RestorePlan>, Problem> {
    file_name(&wanted)?;
    shared.admin.plan_restore(&name, &id, &wanted).await.map(Json)
}

/// Restore
///
/// In place, the database that is there is set aside, and a snapshot of it is taken first.
#[utoipa::path(post, path = "/api/v1/databases/{database}/snapshots/{snapshot}/restore", operation_id = "restore", tag = "work",
    params(Whole), request_body = Restore, security(("token" = []), ("session" = [])),
    responses((status = 202, description = "It runs", body = Job), Refusals))]
pub(super) async fn restore(
    Restorer(caller): Restorer,
    State(shared): State<Shared>,
    Snapshot(name, id): Snapshot,
    Body(wanted): Body<Restore>,
) -> Result<Response, Problem> {
    file_name(&wanted)?;
    let in_place = wanted.to == RestoreTo::InPlace;
    if in_place {
        confirmed(wanted.confirm.as_deref(), &name)?;
    }
    let id = shared.admin.snapshot(&name, &id).await?.snapshot.snapshot_id;
    let admin = Arc::clone(&shared.admin);
    // A restore in place is never left half-way: its last part is not to be dropped.
    let (database, snapshot) = (name.clone(), id.clone());
    begin(
        &shared,
        &caller,
        JobKind::Restore,
        &database,
        Some(&snapshot),
        !in_place,
        |watch| async move { admin.restore(&name, &id, &wanted, &watch).await.map(Outcome::Restore) },
    )
}

/// No path, no hidden file, nothing that another program would take for its own.
fn file_name(wanted: &Restore) -> Result<(), Problem> {
    let Some(name) = &wanted.file_name else { return Ok(()) };
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    let begins = name.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric() || b == b'_');
    if wanted.to == RestoreTo::InPlace {
        return Err(Problem::usage("a restore in place has no file name"));
    }
    let sidecar = ["-wal", "-shm", "-journal"].iter().any(|end| name.ends_with(end));
    if !begins || name.len() > 120 || !name.bytes().all(fits) || name.contains("..") || sidecar {
        return Err(Problem::usage("this is not the name of a file that could be made")
            .with_hint("letters, digits, \".\", \"_\" and \"-\", without a directory"));
    }
    Ok(())
}

/// Prepare a download
///
/// When the job has ended, `download.url` has the file, for an hour.
#[utoipa::path(post, path = "/api/v1/databases/{database}/snapshots/{snapshot}/download", operation_id = "download", tag = "work",
    params(Whole), security(("token" = []), ("session" = [])),
    responses((status = 202, description = "It runs", body = Job), Refusals))]
pub(super) async fn download(
    Restorer(caller): Restorer,
    State(shared): State<Shared>,
    Snapshot(name, id): Snapshot,
) -> Result<Response, Problem> {
    let id = shared.admin.snapshot(&name, &id).await?.snapshot.snapshot_id;
    let admin = Arc::clone(&shared.admin);
    let (database, snapshot) = (name.clone(), id.clone());
    begin(
        &shared,
        &caller,
        JobKind::Download,
        &database,
        Some(&snapshot),
        true,
        |watch| async move { admin.fetch(&name, &id, &watch).await.map(Outcome::Download) },
    )
}

/// Count the rows of a snapshot, and of the one before it
#[utoipa::path(post, path = "/api/v1/databases/{database}/snapshots/{snapshot}/tables", operation_id = "tables", tag = "work",
    params(Whole), security(("token" = []), ("session" = [])),
    responses((status = 202, description = "It runs", body = Job), Refusals))]
pub(super) async fn tables(
    Reader(caller): Reader,
    State(shared): State<Shared>,
    Snapshot(name, id): Snapshot,
) -> Result<Response, Problem> {
    let id = shared.admin.snapshot(&name, &id).await?.snapshot.snapshot_id;
    let admin = Arc::clone(&shared.admin);
    let (database, snapshot) = (name.clone(), id.clone());
    begin(&shared, &caller, JobKind::Tables, &database, Some(&snapshot), true, |watch| async move {
        admin.tables(&name, &id, &watch).await.map(Outcome::Tables)
    })
}

/// Check what is stored
#[utoipa::path(post, path = "/api/v1/databases/{database}/check", operation_id = "check", tag = "work",
    params(("database" = String, Path, description = "The name in the repository")),
    request_body = Check, security(("token" = []), ("session" = [])),
    responses((status = 202, description = "It runs", body = Job), Refusals))]
pub(super) async fn check(
    Operator(caller): Operator,
    State(shared): State<Shared>,
    Database(name): Database,
    Body(wanted): Body<Check>,
) -> Result<Response, Problem> {
    shared.admin.database(&name).await?;
    let admin = Arc::clone(&shared.admin);
    begin(&shared, &caller, JobKind::Check, &name.clone(), None, true, |watch| async move {
        admin.check(&name, wanted.read_data, &watch).await.map(Outcome::Check)
    })
}

/// Drill a restore
///
/// The latest snapshot is restored to scratch, proven, and tested with what the settings ask for.
#[utoipa::path(post, path = "/api/v1/databases/{database}/drill", operation_id = "drill", tag = "work",
    params(("database" = String, Path, description = "The name in the repository")),
    security(("token" = []), ("session" = [])),
    responses((status = 202, description = "It runs", body = Job), Refusals))]
pub(super) async fn drill(
    Operator(caller): Operator,
    State(shared): State<Shared>,
    Database(name): Database,
) -> Result<Response, Problem> {
    shared.admin.database(&name).await?;
    let admin = Arc::clone(&shared.admin);
    begin(&shared, &caller, JobKind::Drill, &name.clone(), None, true, |watch| async move {
        admin.drill(&name, &watch).await.map(Outcome::Drill)
    })
}

/// Repair, or say what a repair would do
#[utoipa::path(post, path = "/api/v1/databases/{database}/repair", operation_id = "repair", tag = "work",
    params(("database" = String, Path, description = "The name in the repository")),
    request_body = Repair, security(("token" = []), ("session" = [])),
    responses((status = 202, description = "It runs", body = Job), Refusals))]
pub(super) async fn repair(
    Restorer(caller): Restorer,
    State(shared): State<Shared>,
    Database(name): Database,
    Body(wanted): Body<Repair>,
) -> Result<Response, Problem> {
    if wanted.apply {
        confirmed(wanted.confirm.as_deref(), &name)?;
    }
    shared.admin.database(&name).await?;
    let admin = Arc::clone(&shared.admin);
    begin(&shared, &caller, JobKind::Repair, &name.clone(), None, true, |watch| async move {
        admin.repair(&name, wanted.apply, &watch).await.map(Outcome::Repair)
    })
}
