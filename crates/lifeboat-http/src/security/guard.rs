//! What every request passes before anything looks at it.

use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::{Caller, Known, Peer};
use crate::Shared;
use crate::problem::Problem;

/// The largest body that is taken.
const BODY: usize = 64 * 1024;

/// How long a body may take to arrive.
const PATIENCE: Duration = Duration::from_secs(15);

/// The header that the page sends with what changes something. A foreign site
/// cannot send it without being asked first, and is refused then.
const PAGE: HeaderName = HeaderName::from_static("x-lifeboat-page");

/// Refuses what should not be there, says who asks, and reads the body.
pub(crate) async fn guard(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    let Ok(_permit) = shared.requests.clone().try_acquire_owned() else {
        return Problem::too_many("too many requests at once").into_response();
    };
    match admit(&shared, request).await {
        Ok(request) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

async fn admit(shared: &Shared, request: Request) -> Result<Request, Problem> {
    let (mut parts, body) = request.into_parts();
    let now = Instant::now();
    let peer = parts.extensions.get::<Peer>().copied();
    // Without an address all share one: an application mounts it behind its own.
    let address = peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |Peer(peer)| peer.ip());
    if !shared.limits.request(address, now) {
        return Err(Problem::too_many("too many requests from this address"));
    }
    shape(&parts.headers)?;
    let host = host(&parts.headers, &parts.uri)?;
    if !shared.security.allows_host(&host) {
        let message = "this name is not one that this interface is reached under";
        return Err(Problem::forbidden(message)
            .with_hint("add it to http.hosts in the settings, or use the address"));
    }
    let changes = !matches!(parts.method, Method::GET | Method::HEAD | Method::OPTIONS);
    if changes {
        same_site(&parts.headers, &host)?;
    }
    if let Some((caller, known)) = who(shared, &parts, address, now)? {
        let by_cookie =
            matches!(known, Known::Session(_) | Known::Otherwise) && from_a_browser(&parts.headers);
        if changes && by_cookie && !parts.headers.contains_key(&PAGE) {
            return Err(Problem::forbidden("the header X-Lifeboat-Page is missing")
                .with_hint("scripts send a token instead of a cookie"));
        }
        parts.extensions.insert(caller);
        parts.extensions.insert(known);
    }
    let body = if changes {
        let read = tokio::time::timeout(PATIENCE, to_bytes(body, BODY)).await;
        let read = read.map_err(|_| Problem::usage("the body did not arrive in time"))?;
        read.map_err(|_| {
            Problem::usage("the body is larger than 64 KiB")
                .with_status(StatusCode::PAYLOAD_TOO_LARGE)
        })?
    } else {
        // Nobody reads one; it is not waited for either.
        bytes::Bytes::new()
    };
    Ok(Request::from_parts(parts, Body::from(body)))
}

/// Refuses what two readers would understand in two ways.
fn shape(headers: &HeaderMap) -> Result<(), Problem> {
    let many = |name: HeaderName| headers.get_all(name).iter().count() > 1;
    // The server has dropped a length beside it by now. No body here is so long that
    // its length is not known before.
    if headers.contains_key(header::TRANSFER_ENCODING) {
        return Err(Problem::usage("a body has a Content-Length here, and no Transfer-Encoding"));
    }
    if many(header::HOST)
        || many(header::CONTENT_LENGTH)
        || many(header::AUTHORIZATION)
        || many(header::ORIGIN)
    {
        return Err(Problem::usage("a header is there twice, or contradicts another"));
    }
    Ok(())
}

fn host(headers: &HeaderMap, uri: &Uri) -> Result<String, Problem> {
    let named = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let in_line = uri.authority().map(axum::http::uri::Authority::as_str);
    match (named, in_line) {
        (Some(named), Some(line)) if !named.eq_ignore_ascii_case(line) => {
            Err(Problem::usage("the request names two hosts"))
        }
        (Some(host), _) | (None, Some(host)) => Ok(host.to_owned()),
        (None, None) => Err(Problem::usage("the request names no host")),
    }
}

/// Whoever changes something comes from here, or is no browser.
fn same_site(headers: &HeaderMap, host: &str) -> Result<(), Problem> {
    let text = |name: &HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let foreign = || Problem::forbidden("the request comes from another site");
    if let Some(origin) = text(&header::ORIGIN) {
        let from = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
        if !from.is_some_and(|from| from.eq_ignore_ascii_case(host)) {
            return Err(foreign());
        }
    }
    match text(&HeaderName::from_static("sec-fetch-site")) {
        None | Some("same-origin" | "none") => Ok(()),
        Some(_) => Err(foreign()),
    }
}

/// Browsers say so with everything that changes something.
fn from_a_browser(headers: &HeaderMap) -> bool {
    let signs = ["origin", "sec-fetch-site", "sec-fetch-mode", "cookie"];
    signs.iter().any(|sign| headers.contains_key(*sign))
}

/// Who asks, if that is said at all.
fn who(
    shared: &Shared,
    parts: &axum::http::request::Parts,
    address: IpAddr,
    now: Instant,
) -> Result<Option<(Caller, Known)>, Problem> {
    if let Some(caller) = parts.extensions.get::<Caller>() {
        return Ok(Some((caller.clone(), Known::Otherwise)));
    }
    let security = &shared.security;
    if let Some(shown) = parts.headers.get(header::AUTHORIZATION) {
        let shown = shown.to_str().unwrap_or_default();
        let token = shown.split_once(' ').filter(|(way, _)| way.eq_ignore_ascii_case("bearer"));
        let caller = token.and_then(|(_, token)| security.sign_in(token.trim()));
        // Whoever shows a wrong one is not taken for somebody without one.
        return match caller {
            Some(caller) => Ok(Some((caller, Known::Token))),
            None => Err(wrong_token(shared, address, now)),
        };
    }
    if let Some((id, caller)) = shared.sessions.find(&parts.headers) {
        return Ok(Some((caller, Known::Session(id))));
    }
    if let Some(proxy) = &security.proxy {
        let named = parts.headers.get_all(&proxy.header).iter().collect::<Vec<_>>();
        let trusted =
            proxy.addresses.iter().any(|one| one.to_canonical() == address.to_canonical());
        if let ([name], true) = (named.as_slice(), trusted) {
            let name = name.to_str().unwrap_or_default().trim();
            if !name.is_empty() && name.len() <= 200 {
                let caller = Caller { name: format!("proxy:{name}"), role: proxy.role };
                return Ok(Some((caller, Known::Otherwise)));
            }
        }
    }
    let here = security.without_token.filter(|_| from_this_machine(parts));
    Ok(here.map(|role| (Caller { name: "this machine".into(), role }, Known::Otherwise)))
}

/// What is said of a token that is not known. Whoever shows one too often is told to
/// wait; whoever shows one that is known is let in whatever others try from there: an
/// address may be that of a proxy for everybody.
pub(crate) fn wrong_token(shared: &Shared, address: IpAddr, now: Instant) -> Problem {
    if !shared.limits.may_try(address, now) {
        return Problem::too_many("too many tokens that are not known");
    }
    shared.limits.failed(address, now);
    Problem::unknown_caller()
}

/// What a proxy of this machine hands on comes from anywhere.
fn from_this_machine(parts: &axum::http::request::Parts) -> bool {
    let handed_on = ["forwarded", "x-forwarded-for", "x-real-ip", "via", "x-forwarded-host"];
    let peer = parts.extensions.get::<Peer>();
    peer.is_some_and(|peer| peer.0.ip().to_canonical().is_loopback())
        && !handed_on.iter().any(|name| parts.headers.contains_key(*name))
}

/// Only what comes from here is run or shown, and nobody shows it inside of
/// something else.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
     connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'self'";

/// Adds the headers that every answer has.
pub(crate) async fn headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    let mut put = |name: &'static str, value: &'static str| {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    };
    put("content-security-policy", POLICY);
    put("x-content-type-options", "nosniff");
    put("x-frame-options", "DENY");
    put("referrer-policy", "same-origin");
    put("cross-origin-opener-policy", "same-origin");
    put("cross-origin-resource-policy", "same-origin");
    put("permissions-policy", "camera=(), geolocation=(), microphone=()");
    put("cache-control", "no-store");
    response
}
