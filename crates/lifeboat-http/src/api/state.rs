//! For those who watch programs: alive, ready, metrics.

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::Shared;
use crate::problem::{Problem, Refusals};
use crate::security::Reader;

/// That it is there.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Alive {
    /// `ok`.
    status: &'static str,
}

/// Whether it is there
///
/// Answers everybody, and says nothing else.
#[utoipa::path(get, path = "/healthz", operation_id = "healthz", tag = "state",
    responses((status = 200, description = "It is", body = Alive), Refusals))]
pub(super) async fn alive() -> Json<Alive> {
    Json(Alive { status: "ok" })
}

/// Whether it takes requests
///
/// Answers everybody. Whether backups are well is another question: see health.
#[utoipa::path(get, path = "/readyz", operation_id = "readyz", tag = "state",
    responses((status = 200, description = "It does", body = Alive), Refusals))]
pub(super) async fn ready() -> Json<Alive> {
    Json(Alive { status: "ok" })
}

/// Metrics for Prometheus
#[utoipa::path(get, path = "/metrics", operation_id = "metrics", tag = "state",
    security(("token" = []), ("session" = [])),
    responses((status = 200, description = "Metrics", body = String, content_type = "text/plain"), Refusals))]
pub(super) async fn metrics(_: Reader, State(shared): State<Shared>) -> Result<Response, Problem> {
    match shared.admin.metrics().await {
        Some(text) => {
            let kind = "text/plain; version=0.0.4; charset=utf-8";
            Ok(([(header::CONTENT_TYPE, kind)], text).into_response())
        }
        None => Err(Problem::not_found("there are no metrics")),
    }
}
