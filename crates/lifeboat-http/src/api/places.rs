//! Destinations, settings, the audit log, and what happens.

use std::convert::Infallible;

use axum::Json;
use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures::Stream;
use serde::Deserialize;
use tokio::sync::broadcast::error::RecvError;
use utoipa::IntoParams;

use super::extract::Asked;
use crate::Shared;
use crate::model::{AuditList, DestinationList, SettingList};
use crate::problem::{Problem, Refusals};
use crate::security::{Reader, Restorer};

/// Destinations
#[utoipa::path(get, path = "/api/v1/destinations", operation_id = "destinations", tag = "places",
    security(("token" = []), ("session" = [])),
    responses((status = 200, description = "Each, and whether it works", body = DestinationList), Refusals))]
pub(super) async fn destinations(
    _: Reader,
    State(shared): State<Shared>,
) -> Result<Json<DestinationList>, Problem> {
    let destinations = shared.admin.destinations().await?;
    Ok(Json(DestinationList { destinations }))
}

/// Settings
///
/// Secrets are masked.
#[utoipa::path(get, path = "/api/v1/configuration", operation_id = "configuration", tag = "places",
    security(("token" = []), ("session" = [])),
    responses((status = 200, description = "What is set, and by whom", body = SettingList), Refusals))]
pub(super) async fn configuration(
    _: Restorer,
    State(shared): State<Shared>,
) -> Result<Json<SettingList>, Problem> {
    let settings = shared.admin.configuration().await?;
    Ok(Json(SettingList { settings }))
}

/// How much of the log is meant.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Last {
    /// How many entries at most; 100 if nothing is said.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u16>,
}

/// Who did what
#[utoipa::path(get, path = "/api/v1/audit", operation_id = "audit", tag = "places",
    params(Last), security(("token" = []), ("session" = [])),
    responses((status = 200, description = "The newest first", body = AuditList), Refusals))]
pub(super) async fn audit(
    _: Restorer,
    State(shared): State<Shared>,
    Asked(last): Asked<Last>,
) -> Result<Json<AuditList>, Problem> {
    let limit = last.limit.unwrap_or(100);
    if !(1..=1000).contains(&limit) {
        return Err(Problem::usage("limit is from 1 to 1000"));
    }
    Ok(Json(shared.audit.last(limit.into())))
}

/// What happens, as it happens
///
/// Server-sent events named `happening`, each with `at`, `database`, `what` and `message`.
#[utoipa::path(get, path = "/api/v1/events", operation_id = "events", tag = "places",
    security(("token" = []), ("session" = [])),
    responses((status = 200, description = "Events", body = crate::model::StreamedEvent, content_type = "text/event-stream"), Refusals))]
pub(super) async fn happenings(
    _: Reader,
    State(shared): State<Shared>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let receiver = shared.admin.happenings();
    let stream = futures::stream::unfold(receiver, |mut receiver| async move {
        loop {
            match receiver.recv().await {
                Ok(happening) => {
                    let event = Event::default().event("happening").json_data(happening).ok()?;
                    return Some((Ok(event), receiver));
                }
                // Who listens slowly looks again at what there is.
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return None,
            }
        }
    });
    Sse::new(stream).keep_alive(KeepAlive::default())
}
