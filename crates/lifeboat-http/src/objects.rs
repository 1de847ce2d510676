//! Objects of a store, handed on: `GET` and `HEAD` of `/objects/{key}`.

use axum::Router;
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Extension, Path, State};
use axum::http::{HeaderMap, HeaderValue, Method, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;

use crate::Shared;
use crate::problem::Problem;
use crate::security::Caller;
use crate::stream::{answer, wanted};

pub(crate) fn router() -> Router<Shared> {
    Router::new().route("/objects/{*key}", get(object))
}

/// Kinds of content that a browser may show. Everything else is saved: a page of
/// somebody else must not run under this name.
const SHOWN: &[&str] = &[
    "image/png",
    "image/jpeg",
    "image/gif",
    "image/webp",
    "image/avif",
    "audio/",
    "video/",
    "application/pdf",
    "text/plain",
];

async fn object(
    State(shared): State<Shared>,
    key: Result<Path<String>, PathRejection>,
    method: Method,
    headers: HeaderMap,
    caller: Option<Extension<Caller>>,
) -> Result<Response, Problem> {
    // Who may not read does not learn which keys there are.
    if caller.is_none() && !shared.security.objects_are_public() {
        return Err(Problem::unknown_caller());
    }
    let nothing = || Problem::not_found("there is no object of this key");
    let Ok(Path(key)) = key else { return Err(nothing()) };
    let objects = shared.admin.objects().ok_or_else(nothing)?;
    if !shared.security.allows_object(&key) {
        return Err(nothing());
    }
    let facts = objects.stat(&key).await?.ok_or_else(nothing)?;
    let etag = facts.etag.as_deref().map(|tag| tag.trim_start_matches("W/").trim_matches('"'));
    let wanted = wanted(&headers, facts.size, etag, facts.modified);
    let (status, mut answered, range) = answer(&wanted, facts.size, etag);
    let mut put = |name, text: &str| {
        if let Ok(value) = HeaderValue::from_str(text) {
            answered.insert(name, value);
        }
    };
    let kind = facts.content_type.as_deref().unwrap_or("application/octet-stream");
    put(header::CONTENT_TYPE, kind);
    if let Some(modified) = facts.modified {
        put(header::LAST_MODIFIED, &httpdate::fmt_http_date(modified));
    }
    if !SHOWN.iter().any(|shown| kind.to_ascii_lowercase().starts_with(shown)) {
        put(header::CONTENT_DISPOSITION, "attachment");
    }
    let public = shared.security.objects_are_public();
    // Asked again each time, and then told "unchanged": cheap, and never stale.
    put(header::CACHE_CONTROL, if public { "public, no-cache" } else { "private, no-cache" });
    if public {
        put(header::HeaderName::from_static("cross-origin-resource-policy"), "cross-origin");
    }
    if method == Method::HEAD || range.is_empty() {
        return Ok((status, answered, Body::empty()).into_response());
    }
    let stream = objects.read(&key, &facts, range).await?;
    Ok((status, answered, Body::from_stream(stream)).into_response())
}
