//! Jobs: how far they are, their end, and files that wait to be fetched.

use std::convert::Infallible;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, Method};
use axum::response::Response;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures::Stream;

use super::extract::JobId;
use super::work::noted;
use crate::Shared;
use crate::model::{Job, JobList, JobState};
use crate::problem::{Problem, Refusals};
use crate::security::{Asker, Operator, Reader, Restorer, Role};
use crate::stream;

fn unknown() -> Problem {
    Problem::not_found("there is no job of this id")
        .with_hint("jobs are forgotten when there are many, and with a restart")
}

/// Where files of the host lie is for those who may restore.
fn seen_by(caller: &Asker, mut job: Job) -> Job {
    if caller.role < Role::Restore {
        job.download = None;
        if let Some(restore) = &mut job.restore {
            restore.set_aside = None;
            restore.undo = None;
            restore.target = String::new();
        }
    }
    job
}

/// Jobs
#[utoipa::path(get, path = "/api/v1/jobs", operation_id = "jobs", tag = "jobs",
    security(("token" = []), ("session" = [])),
    responses((status = 200, description = "Those that run, and the last that ended", body = JobList), Refusals))]
pub(super) async fn all(Reader(caller): Reader, State(shared): State<Shared>) -> Json<JobList> {
    let jobs = shared.jobs.all().into_iter().map(|job| seen_by(&caller, job)).collect();
    Json(JobList { jobs })
}

/// One job
#[utoipa::path(get, path = "/api/v1/jobs/{job}", operation_id = "job", tag = "jobs",
    params(("job" = String, Path, description = "Its id")),
    security(("token" = []), ("session" = [])),
    responses((status = 200, description = "How far it is", body = Job), Refusals))]
pub(super) async fn one(
    Reader(caller): Reader,
    State(shared): State<Shared>,
    JobId(id): JobId,
) -> Result<Json<Job>, Problem> {
    let job = shared.jobs.find(&id).ok_or_else(unknown)?;
    Ok(Json(seen_by(&caller, job)))
}

/// Cancel a job
///
/// Where that does no harm; what was stored until then is used by the next one.
#[utoipa::path(delete, path = "/api/v1/jobs/{job}", operation_id = "cancel_job", tag = "jobs",
    params(("job" = String, Path, description = "Its id")),
    security(("token" = []), ("session" = [])),
    responses((status = 200, description = "It is cancelled", body = Job), Refusals))]
pub(super) async fn cancel(
    Operator(caller): Operator,
    State(shared): State<Shared>,
    JobId(id): JobId,
) -> Result<Json<Job>, Problem> {
    let job = shared.jobs.cancel(&id).ok_or_else(unknown)??;
    noted(&shared, &caller, "cancel", Some(&job.database), None, "done", None);
    Ok(Json(seen_by(&caller, job)))
}

/// A job as it goes on
///
/// Server-sent events named `job`, each the whole job as JSON; the last one is of its end.
#[utoipa::path(get, path = "/api/v1/jobs/{job}/events", operation_id = "job_events", tag = "jobs",
    params(("job" = String, Path, description = "Its id")),
    security(("token" = []), ("session" = [])),
    responses((status = 200, description = "Events", body = crate::model::StreamedEvent, content_type = "text/event-stream"), Refusals))]
pub(super) async fn events(
    Reader(caller): Reader,
    State(shared): State<Shared>,
    JobId(id): JobId,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    let watch = shared.jobs.watch(&id).ok_or_else(unknown)?;
    let stream = futures::stream::unfold(Some((watch, true)), move |state| {
        let caller = caller.clone();
        async move {
            let (mut watch, first) = state?;
            if !first {
                // A page need not be told more often.
                tokio::time::sleep(Duration::from_millis(150)).await;
                watch.changed().await.ok()?;
            }
            let job = watch.borrow_and_update().clone();
            let ended = job.state != JobState::Running;
            let event = Event::default().event("job").json_data(seen_by(&caller, job)).ok()?;
            Some((Ok(event), (!ended).then_some((watch, false))))
        }
    });
    Ok(Sse::new(stream).keep_alive(KeepAlive::default()))
}

/// The file of a download
///
/// With ranges, so that a download that was cut goes on.
#[utoipa::path(get, path = "/api/v1/jobs/{job}/file", operation_id = "job_file", tag = "jobs",
    params(("job" = String, Path, description = "The id of a job that prepared a download")),
    security(("token" = []), ("session" = [])),
    responses(
        (status = 200, description = "The database", body = Vec<u8>, content_type = "application/vnd.sqlite3"),
        (status = 206, description = "A part of it", body = Vec<u8>, content_type = "application/vnd.sqlite3"),
        (status = 304, description = "It is what the caller has"),
        (status = 412, description = "It is not what the caller has"),
        (status = 416, description = "It is shorter than that"),
        Refusals))]
pub(super) async fn file(
    Restorer(caller): Restorer,
    State(shared): State<Shared>,
    JobId(id): JobId,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (job, file) = shared.jobs.file(&id).ok_or_else(|| {
        Problem::not_found("there is no file of this job any more")
            .with_hint("prepare the download again")
    })?;
    if method == Method::GET {
        let snapshot = Some(file.snapshot_id.as_str());
        noted(&shared, &caller, "fetch", Some(&job.database), snapshot, "begun", None);
    }
    let name = format!("{}_{}.db", job.database, file.snapshot_id);
    stream::file(&method, &headers, &file, &name)
}
