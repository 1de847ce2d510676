//! Databases and how they are.

use axum::Json;
use axum::extract::State;

use super::extract::Database;
use crate::Shared;
use crate::model::{DatabaseInfo, DatabaseList, HealthInfo, HealthList, Level};
use crate::problem::{Problem, Refusals};
use crate::security::Reader;

/// Databases
#[utoipa::path(get, path = "/api/v1/databases", operation_id = "databases", tag = "databases",
    security(("token" = []), ("session" = [])),
    responses((status = 200, description = "All of them", body = DatabaseList), Refusals))]
pub(super) async fn all(
    _: Reader,
    State(shared): State<Shared>,
) -> Result<Json<DatabaseList>, Problem> {
    let disabled = shared.admin.disabled();
    let mut databases =
        if disabled.is_some() { Vec::new() } else { shared.admin.databases().await? };
    for database in &mut databases {
        running(&shared, database);
    }
    Ok(Json(DatabaseList { disabled, databases }))
}

fn running(shared: &Shared, database: &mut DatabaseInfo) {
    if database.running.is_none() {
        let job = shared.jobs.running_of(&database.database);
        database.running = job.map(|kind| kind.name().to_owned());
    }
}

/// One database
#[utoipa::path(get, path = "/api/v1/databases/{database}", operation_id = "database", tag = "databases",
    params(("database" = String, Path, description = "The name in the repository")),
    security(("token" = []), ("session" = [])),
    responses((status = 200, description = "It", body = DatabaseInfo), Refusals))]
pub(super) async fn one(
    _: Reader,
    State(shared): State<Shared>,
    Database(name): Database,
) -> Result<Json<DatabaseInfo>, Problem> {
    let mut database = shared.admin.database(&name).await?;
    running(&shared, &mut database);
    Ok(Json(database))
}

/// Health of all databases
#[utoipa::path(get, path = "/api/v1/health", operation_id = "health", tag = "databases",
    security(("token" = []), ("session" = [])),
    responses((status = 200, description = "Each, the worst first", body = HealthList), Refusals))]
pub(super) async fn health(
    _: Reader,
    State(shared): State<Shared>,
) -> Result<Json<HealthList>, Problem> {
    let databases = shared.admin.health().await?;
    Ok(Json(HealthList { status: worst(&shared, &databases), databases }))
}

/// The worst of all. Where backups are disabled nothing is healthy.
pub(super) fn worst(shared: &Shared, databases: &[HealthInfo]) -> Level {
    let least = if shared.admin.disabled().is_some() { Level::Warning } else { Level::Healthy };
    databases.iter().map(|one| one.status).max().unwrap_or(least).max(least)
}
