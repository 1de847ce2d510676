//! Who asks; signing in and out on the page.

use axum::Json;
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::extract::Body;
use crate::Shared;
use crate::model::{AuditEntry, Moment, SessionInfo, SignIn};
use crate::problem::{Problem, Refusals};
use crate::security::{Caller, Known, Peer, wrong_token};

fn info(shared: &Shared, caller: Option<&Caller>, sign_out: bool) -> SessionInfo {
    SessionInfo {
        by: caller.map(|caller| caller.name.clone()),
        role: caller.map(|caller| caller.role),
        sign_in: shared.security.has_tokens(),
        sign_out,
        disabled: caller.and_then(|_| shared.admin.disabled()),
        version: caller.map(|_| env!("CARGO_PKG_VERSION").to_owned()),
    }
}

/// Who asks
///
/// Answers everybody: a page must be able to find out that it has to ask for a token.
#[utoipa::path(get, path = "/api/v1/session", operation_id = "session", tag = "session",
    responses((status = 200, description = "Who asks", body = SessionInfo), Refusals))]
pub(super) async fn who(
    State(shared): State<Shared>,
    caller: Option<Extension<Caller>>,
    known: Option<Extension<Known>>,
) -> Json<SessionInfo> {
    let caller = caller.map(|Extension(caller)| caller);
    let session = matches!(known, Some(Extension(Known::Session(_))));
    Json(info(&shared, caller.as_ref(), session))
}

/// Sign in
///
/// Shows a token once and gets a cookie for it, for twelve hours.
#[utoipa::path(post, path = "/api/v1/session", operation_id = "sign_in", tag = "session",
    request_body = SignIn,
    responses((status = 200, description = "Signed in", body = SessionInfo), Refusals))]
pub(super) async fn sign_in(
    State(shared): State<Shared>,
    peer: Option<Extension<Peer>>,
    headers: HeaderMap,
    Body(wanted): Body<SignIn>,
) -> Result<Response, Problem> {
    let now = std::time::Instant::now();
    let peer = peer.map(|Extension(Peer(peer))| peer);
    let address = peer.map_or(std::net::Ipv4Addr::UNSPECIFIED.into(), |peer| peer.ip());
    let entry = |by: &str, outcome: &str| AuditEntry {
        at: Moment::now(),
        by: by.to_owned(),
        from: peer.map(|peer| peer.ip().to_string()),
        action: "sign in".into(),
        database: None,
        snapshot_id: None,
        outcome: outcome.into(),
        detail: None,
    };
    let Some(caller) = shared.security.sign_in(wanted.token.trim()) else {
        shared.audit.add(entry("unknown", "refused"));
        return Err(wrong_token(&shared, address, now));
    };
    shared.audit.add(entry(&caller.name, "done"));
    let origin = headers.get(header::ORIGIN).and_then(|origin| origin.to_str().ok());
    let secure = origin.is_some_and(|origin| origin.starts_with("https://"));
    let info = info(&shared, Some(&caller), true);
    let cookie = shared.sessions.begin(caller, secure);
    Ok(with_cookie(Json(info), &cookie))
}

/// Sign out
#[utoipa::path(delete, path = "/api/v1/session", operation_id = "sign_out", tag = "session",
    responses((status = 204, description = "Signed out"), Refusals))]
pub(super) async fn sign_out(
    State(shared): State<Shared>,
    known: Option<Extension<Known>>,
) -> Response {
    match known {
        Some(Extension(Known::Session(id))) => {
            with_cookie(StatusCode::NO_CONTENT, &shared.sessions.end(&id))
        }
        _ => StatusCode::NO_CONTENT.into_response(),
    }
}

fn with_cookie(answer: impl IntoResponse, cookie: &str) -> Response {
    let mut response = answer.into_response();
    let cookie = HeaderValue::from_str(cookie).expect("hex and names of attributes");
    response.headers_mut().insert(header::SET_COOKIE, cookie);
    response
}
