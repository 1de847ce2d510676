//! The page: a few files by hand, inside of the binary.

use axum::Router;
use axum::extract::rejection::PathRejection;
use axum::extract::{OriginalUri, Path};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;

use crate::Shared;
use crate::problem::Problem;

/// A file of the page.
struct Asset {
    name: &'static str,
    kind: &'static str,
    text: &'static str,
}

const SCRIPT: &str = "text/javascript; charset=utf-8";

macro_rules! assets {
    ($($name:literal: $kind:expr;)*) => {
        const ASSETS: &[Asset] = &[
            $(Asset { name: $name, kind: $kind, text: include_str!(concat!("../assets/", $name)) },)*
        ];
    };
}

assets! {
    "page.css": "text/css; charset=utf-8";
    "icon.svg": "image/svg+xml";
    "app.js": SCRIPT;
    "api.js": SCRIPT;
    "chart.js": SCRIPT;
    "dialogs.js": SCRIPT;
    "dom.js": SCRIPT;
    "jobs.js": SCRIPT;
    "snapshot.js": SCRIPT;
    "views.js": SCRIPT;
    "words.js": SCRIPT;
}

const PAGE: &str = include_str!("../assets/index.html");

pub(crate) fn router() -> Router<Shared> {
    Router::new().route("/", get(page)).route("/assets/{name}", get(asset))
}

/// The page. It finds everything else from where it is mounted.
async fn page(OriginalUri(original): OriginalUri, uri: Uri) -> Response {
    let whole = original.path();
    // Nested, what is left of the path is "/" or nothing.
    let base = whole.strip_suffix(uri.path()).unwrap_or(whole).trim_end_matches('/');
    let html = PAGE.replace("<base href=\"/\">", &format!("<base href=\"{}/\">", escaped(base)));
    ([(header::CONTENT_TYPE, "text/html; charset=utf-8")], html).into_response()
}

fn escaped(path: &str) -> String {
    let plain =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '-' | '_' | '.' | '~' | '%');
    path.chars().filter(|c| plain(*c)).collect()
}

async fn asset(
    name: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let name = name.map_or_else(|_| String::new(), |Path(name)| name);
    let found = ASSETS.iter().find(|asset| asset.name == name);
    let asset = found.ok_or_else(|| Problem::not_found("there is nothing under this path"))?;
    // They change with the version, or with a build of it.
    let tag = format!("\"{}-{:x}\"", env!("CARGO_PKG_VERSION"), checksum(asset.text));
    let same = headers.get(header::IF_NONE_MATCH).is_some_and(|known| known == tag.as_str());
    let status = if same { StatusCode::NOT_MODIFIED } else { StatusCode::OK };
    let body = if same { "" } else { asset.text };
    let mut response = (status, body).into_response();
    let answered = response.headers_mut();
    answered.insert(header::CONTENT_TYPE, HeaderValue::from_static(asset.kind));
    answered.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    answered.insert(header::ETAG, HeaderValue::from_str(&tag).expect("hex and digits"));
    Ok(response)
}

/// FNV-1a: only to tell one build from another.
fn checksum(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |sum, byte| {
        (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
