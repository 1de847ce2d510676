//! Snapshots: looking at them, pinning, forgetting and bringing back.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;

use super::extract::{Asked, Body, Database, Snapshot, confirmed};
use super::work::{Whole, noted};
use crate::Shared;
use crate::model::{
    Change, Changed, Confirmed, Moment, SnapshotDetail, SnapshotInfo, SnapshotPage, TrashList,
};
use crate::problem::{Problem, Refusals};
use crate::security::{Asker, Operator, Reader, Restorer, Role};

/// Which snapshots are meant.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Filter {
    /// How many at most; 100 if nothing is said.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u16>,
    /// Only those older than this one: the `next` of the page before.
    #[param(max_length = 64)]
    before: Option<String>,
    /// Only those with this trigger.
    #[param(max_length = 40)]
    trigger: Option<String>,
    /// Only those with this tag: a name, or a name and its value as `name=value`.
    #[param(max_length = 300)]
    tag: Option<String>,
    /// Only those taken at this time or later.
    #[param(value_type = Option<Moment>)]
    since: Option<Moment>,
    /// Only those taken at this time or earlier.
    #[param(value_type = Option<Moment>)]
    until: Option<Moment>,
    /// Only those that are pinned, or are not.
    pinned: Option<bool>,
}

impl Filter {
    fn takes(&self, one: &SnapshotInfo) -> bool {
        let tagged = |tag: &String| match tag.split_once('=') {
            Some((name, value)) => one.tags.get(name).is_some_and(|has| has == value),
            None => one.tags.contains_key(tag),
        };
        self.trigger.as_ref().is_none_or(|trigger| *trigger == one.trigger)
            && self.tag.as_ref().is_none_or(tagged)
            && self.since.is_none_or(|since| one.taken_at >= since)
            && self.until.is_none_or(|until| one.taken_at <= until)
            && self.pinned.is_none_or(|pinned| one.pinned == pinned)
    }
}

/// Snapshots of a database
#[utoipa::path(get, path = "/api/v1/databases/{database}/snapshots", operation_id = "snapshots", tag = "snapshots",
    params(("database" = String, Path, description = "The name in the repository"), Filter),
    security(("token" = []), ("session" = [])),
    responses((status = 200, description = "A page of them, the newest first", body = SnapshotPage), Refusals))]
pub(super) async fn page(
    _: Reader,
    State(shared): State<Shared>,
    Database(name): Database,
    Asked(filter): Asked<Filter>,
) -> Result<Json<SnapshotPage>, Problem> {
    let limit = usize::from(filter.limit.unwrap_or(100));
    if !(1..=500).contains(&limit) {
        return Err(Problem::usage("limit is from 1 to 500"));
    }
    let mut all = shared.admin.snapshots(&name).await?;
    all.retain(|one| filter.takes(one));
    let total = all.len() as u64;
    let first = match &filter.before {
        None => 0,
        Some(before) => match all.iter().position(|one| one.snapshot_id == *before) {
            Some(at) => at + 1,
            None => return Err(Problem::not_found("there is no such snapshot to go on from")),
        },
    };
    let snapshots: Vec<SnapshotInfo> = all.iter().skip(first).take(limit).cloned().collect();
    let more = first + snapshots.len() < all.len();
    let next = snapshots.last().filter(|_| more).map(|last| last.snapshot_id.clone());
    Ok(Json(SnapshotPage { snapshots, total, next }))
}

/// One snapshot
#[utoipa::path(get, path = "/api/v1/databases/{database}/snapshots/{snapshot}", operation_id = "snapshot", tag = "snapshots",
    params(Whole), security(("token" = []), ("session" = [])),
    responses((status = 200, description = "All that is known of it", body = SnapshotDetail), Refusals))]
pub(super) async fn one(
    Reader(caller): Reader,
    State(shared): State<Shared>,
    Snapshot(name, id): Snapshot,
) -> Result<Json<SnapshotDetail>, Problem> {
    let mut detail = shared.admin.snapshot(&name, &id).await?;
    if caller.role < Role::Restore {
        detail.origin = None;
    }
    Ok(Json(detail))
}

/// The trash of a database
#[utoipa::path(get, path = "/api/v1/databases/{database}/trash", operation_id = "trash", tag = "snapshots",
    params(("database" = String, Path, description = "The name in the repository")),
    security(("token" = []), ("session" = [])),
    responses((status = 200, description = "What was forgotten and can be brought back", body = TrashList), Refusals))]
pub(super) async fn trash(
    _: Reader,
    State(shared): State<Shared>,
    Database(name): Database,
) -> Result<Json<TrashList>, Problem> {
    let snapshots = shared.admin.trash(&name).await?;
    Ok(Json(TrashList { snapshots }))
}

/// Forget a snapshot
///
/// It goes to the trash, and can be brought back for as long as the settings say.
#[utoipa::path(post, path = "/api/v1/databases/{database}/snapshots/{snapshot}/forget", operation_id = "forget", tag = "snapshots",
    params(Whole), request_body = Confirmed, security(("token" = []), ("session" = [])),
    responses((status = 200, description = "It is in the trash", body = Changed), Refusals))]
pub(super) async fn forget(
    Restorer(caller): Restorer,
    State(shared): State<Shared>,
    Snapshot(name, id): Snapshot,
    Body(wanted): Body<Confirmed>,
) -> Result<Json<Changed>, Problem> {
    confirmed(Some(&wanted.confirm), &name)?;
    change(&shared, &caller, name, &id, Change::Forget).await
}

/// Bring a snapshot back from the trash
#[utoipa::path(post, path = "/api/v1/databases/{database}/snapshots/{snapshot}/undelete", operation_id = "undelete", tag = "snapshots",
    params(Whole), security(("token" = []), ("session" = [])),
    responses((status = 200, description = "It is back", body = Changed), Refusals))]
pub(super) async fn undelete(
    Operator(caller): Operator,
    State(shared): State<Shared>,
    Snapshot(name, id): Snapshot,
) -> Result<Json<Changed>, Problem> {
    change(&shared, &caller, name, &id, Change::Undelete).await
}

/// Pin a snapshot
///
/// No policy forgets it then.
#[utoipa::path(post, path = "/api/v1/databases/{database}/snapshots/{snapshot}/pin", operation_id = "pin", tag = "snapshots",
    params(Whole), security(("token" = []), ("session" = [])),
    responses((status = 200, description = "It is pinned", body = Changed), Refusals))]
pub(super) async fn pin(
    Operator(caller): Operator,
    State(shared): State<Shared>,
    Snapshot(name, id): Snapshot,
) -> Result<Json<Changed>, Problem> {
    change(&shared, &caller, name, &id, Change::Pin).await
}

/// Unpin a snapshot
#[utoipa::path(post, path = "/api/v1/databases/{database}/snapshots/{snapshot}/unpin", operation_id = "unpin", tag = "snapshots",
    params(Whole), security(("token" = []), ("session" = [])),
    responses((status = 200, description = "It is not pinned", body = Changed), Refusals))]
pub(super) async fn unpin(
    Operator(caller): Operator,
    State(shared): State<Shared>,
    Snapshot(name, id): Snapshot,
) -> Result<Json<Changed>, Problem> {
    change(&shared, &caller, name, &id, Change::Unpin).await
}

async fn change(
    shared: &Shared,
    by: &Asker,
    database: String,
    snapshot: &str,
    change: Change,
) -> Result<Json<Changed>, Problem> {
    let admin = std::sync::Arc::clone(&shared.admin);
    let (name, id) = (database.clone(), snapshot.to_owned());
    // It ends as it would, when whoever asked goes away.
    let work = tokio::spawn(async move { admin.change(&name, &id, change).await });
    let changed = match work.await {
        Ok(changed) => changed,
        Err(_) => Err(Problem::failed(1, "it ended for a reason that nobody foresaw")),
    };
    let outcome = if changed.is_ok() { "done" } else { "failed" };
    let detail = changed.as_ref().err().map(|problem| problem.body().message.clone());
    noted(shared, by, change.name(), Some(&database), Some(snapshot), outcome, detail);
    let command = change.name().to_owned();
    changed.map(|snapshot_id| Json(Changed { database, command, snapshot_id }))
}
