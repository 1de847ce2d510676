//! The simple forms, for programs that had them before.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;

use super::databases::worst;
use super::extract::Asked;
use super::work::noted;
use crate::Shared;
use crate::admin::Watch;
use crate::model::{BackUp, Moment, SimpleBackup, SimpleHealth, SimpleList, SimpleObject};
use crate::problem::{Problem, Refusals};
use crate::security::{Operator, Reader};

/// Which database is meant.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    /// The name in the repository; needed where there are several.
    #[param(max_length = 300)]
    database: Option<String>,
}

impl Which {
    async fn name(self, shared: &Shared) -> Result<String, Problem> {
        let all = shared.admin.databases().await?;
        match self.database {
            Some(name) if all.iter().any(|one| one.database == name) => Ok(name),
            Some(_) => Err(Problem::not_found("there is no database of this name")),
            None => match all.as_slice() {
                [only] => Ok(only.database.clone()),
                [] => Err(Problem::not_found("there is no database")),
                _ => Err(Problem::usage("there are several databases")
                    .with_hint("say which one, with ?database=NAME")),
            },
        }
    }
}

fn key(database: &str, sequence: u64) -> String {
    format!("databases/{database}/records/{sequence:020}")
}

/// Back up, and wait for it
#[utoipa::path(post, path = "/api/admin/backup", operation_id = "simple_back_up", tag = "simple",
    params(Which), security(("token" = []), ("session" = [])),
    responses((status = 200, description = "It was made", body = SimpleBackup), Refusals))]
pub(super) async fn back_up(
    Operator(caller): Operator,
    State(shared): State<Shared>,
    Asked(which): Asked<Which>,
) -> Result<Json<SimpleBackup>, Problem> {
    if let Some(disabled) = shared.admin.disabled() {
        let message = format!("backups are disabled: {}", disabled.reason);
        return Err(Problem::conflict(7, message).with_hint(disabled.hint));
    }
    let name = which.name(&shared).await?;
    let admin = Arc::clone(&shared.admin);
    let database = name.clone();
    // Who goes away does not stop it.
    let work = tokio::spawn(async move {
        admin.back_up(&database, &BackUp::default(), &Watch::nobody()).await
    });
    let made = match work.await {
        Ok(made) => made,
        Err(_) => Err(Problem::failed(1, "it ended for a reason that nobody foresaw")),
    };
    let outcome = if made.is_ok() { "done" } else { "failed" };
    noted(&shared, &caller, "backup", Some(&name), None, outcome, None);
    let made = made?;
    let taken_at = match shared.admin.snapshot(&name, &made.snapshot_id).await {
        Ok(detail) => detail.snapshot.taken_at,
        Err(_) => Moment::now(),
    };
    let key = key(&name, made.sequence);
    Ok(Json(SimpleBackup { success: true, key, timestamp: taken_at }))
}

/// Backups
#[utoipa::path(get, path = "/api/admin/backups", operation_id = "simple_backups", tag = "simple",
    params(Which), security(("token" = []), ("session" = [])),
    responses((status = 200, description = "The newest first", body = SimpleList), Refusals))]
pub(super) async fn list(
    _: Reader,
    State(shared): State<Shared>,
    Asked(which): Asked<Which>,
) -> Result<Json<SimpleList>, Problem> {
    if shared.admin.disabled().is_some() {
        return Ok(Json(SimpleList { backups: Vec::new() }));
    }
    let name = which.name(&shared).await?;
    let snapshots = shared.admin.snapshots(&name).await?;
    let object = |one: &crate::model::SnapshotInfo| SimpleObject {
        key: key(&name, one.sequence),
        size: one.size,
        last_modified: one.taken_at,
    };
    Ok(Json(SimpleList { backups: snapshots.iter().map(object).collect() }))
}

/// How the backups are
#[utoipa::path(get, path = "/api/admin/backup/health", operation_id = "simple_health", tag = "simple",
    params(Which), security(("token" = []), ("session" = [])),
    responses((status = 200, description = "The worst of all, or one", body = SimpleHealth), Refusals))]
pub(super) async fn health(
    _: Reader,
    State(shared): State<Shared>,
    Asked(which): Asked<Which>,
) -> Result<Json<SimpleHealth>, Problem> {
    let mut all = shared.admin.health().await?;
    if let Some(name) = which.database {
        all.retain(|one| one.database == name);
        if all.is_empty() {
            return Err(Problem::not_found("there is no database of this name"));
        }
    }
    Ok(Json(SimpleHealth {
        status: worst(&shared, &all),
        // Of several the oldest: that much would be lost.
        last_backup: all.iter().map(|one| one.last_backup).min().flatten(),
        next_scheduled: all.iter().filter_map(|one| one.next_scheduled).min(),
    }))
}
