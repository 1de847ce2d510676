//! The API: its routes, and the document that describes them.

mod databases;
mod extract;
mod jobs;
mod places;
mod session;
mod simple;
mod snapshots;
mod state;
mod work;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{Info, OpenApi, OpenApiBuilder};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Shared;
use crate::problem::Problem;
use crate::security::Reader;

/// The description of the API, as `/api/v1/openapi.json` has it.
pub fn openapi() -> OpenApi {
    let (_, document) = router().split_for_parts();
    document
}

pub(crate) fn router() -> OpenApiRouter<Shared> {
    OpenApiRouter::with_openapi(beginning())
        .routes(routes!(session::who, session::sign_in, session::sign_out))
        .routes(routes!(databases::all))
        .routes(routes!(databases::one))
        .routes(routes!(databases::health))
        .routes(routes!(snapshots::page))
        .routes(routes!(snapshots::one))
        .routes(routes!(snapshots::trash))
        .routes(routes!(snapshots::forget))
        .routes(routes!(snapshots::undelete))
        .routes(routes!(snapshots::pin))
        .routes(routes!(snapshots::unpin))
        .routes(routes!(work::back_up))
        .routes(routes!(work::plan_restore))
        .routes(routes!(work::restore))
        .routes(routes!(work::download))
        .routes(routes!(work::tables))
        .routes(routes!(work::check))
        .routes(routes!(work::drill))
        .routes(routes!(work::repair))
        .routes(routes!(jobs::all))
        .routes(routes!(jobs::one, jobs::cancel))
        .routes(routes!(jobs::events))
        .routes(routes!(jobs::file))
        .routes(routes!(places::destinations))
        .routes(routes!(places::configuration))
        .routes(routes!(places::audit))
        .routes(routes!(places::happenings))
        .routes(routes!(simple::back_up))
        .routes(routes!(simple::list))
        .routes(routes!(simple::health))
        .routes(routes!(state::alive))
        .routes(routes!(state::ready))
        .routes(routes!(state::metrics))
        .route("/api/v1/openapi.json", axum::routing::get(document))
}

fn beginning() -> OpenApi {
    let mut info = Info::new("Lifeboat", env!("CARGO_PKG_VERSION"));
    info.description = Some(
        "Backups of SQLite databases that are proven to restore. Fields may be added, never \
         changed or taken away. Times are RFC 3339 in UTC, sizes are bytes."
            .into(),
    );
    let mut document = OpenApiBuilder::new().info(info).build();
    let components = document.components.get_or_insert_default();
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
    components.add_security_scheme("token", SecurityScheme::Http(bearer));
    let cookie = ApiKey::Cookie(ApiKeyValue::new("lifeboat_session"));
    components.add_security_scheme("session", SecurityScheme::ApiKey(cookie));
    document
}

async fn document(_: Reader, State(_): State<Shared>) -> Json<OpenApi> {
    Json(openapi())
}

pub(crate) async fn nothing_there() -> Problem {
    Problem::not_found("there is nothing under this path")
}

pub(crate) async fn no_such_method() -> Problem {
    Problem::usage("this path does not take this method")
        .with_status(StatusCode::METHOD_NOT_ALLOWED)
}
