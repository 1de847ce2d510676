//! What is in paths, queries and bodies, parsed once.

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use serde::de::DeserializeOwned;

use crate::problem::Problem;

/// The name of a database, with the form of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Database(pub(crate) String);

/// The name of a database, and a snapshot: `latest`, `latest~N`, an id, or a prefix
/// of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Snapshot(pub(crate) String, pub(crate) String);

/// The id of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct JobId(pub(crate) String);

/// Names are as the repository has them: percent-encoded where they have to be.
fn database(name: &str) -> Result<String, Problem> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b'%');
    let fits = (1..=300).contains(&name.len()) && name.bytes().all(fits);
    if !fits || matches!(name, "." | "..") {
        return Err(Problem::not_found("there is no database of this name"));
    }
    Ok(name.to_owned())
}

fn snapshot(id: &str) -> Result<String, Problem> {
    // An id, a prefix of one, `latest`, `latest~1`.
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'~');
    if !(1..=64).contains(&id.len()) || !id.bytes().all(fits) {
        return Err(Problem::not_found("there is no snapshot of this id"));
    }
    Ok(id.to_owned())
}

async fn path<T: DeserializeOwned + Send, S: Send + Sync>(
    parts: &mut Parts,
    state: &S,
) -> Result<T, Problem> {
    let Path(found) = Path::<T>::from_request_parts(parts, state)
        .await
        .map_err(|_| Problem::not_found("there is nothing under this path"))?;
    Ok(found)
}

impl<S: Send + Sync> FromRequestParts<S> for Database {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let name: String = path(parts, state).await?;
        database(&name).map(Self)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Snapshot {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let (name, id): (String, String) = path(parts, state).await?;
        Ok(Self(database(&name)?, snapshot(&id)?))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for JobId {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let id: String = path(parts, state).await?;
        Ok(Self(id))
    }
}

/// A query whose every name is known.
pub(crate) struct Asked<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Query::<T>::from_request_parts(parts, state).await {
            Ok(Query(asked)) => Ok(Self(asked)),
            Err(error) => {
                // What the library says in front of the reason is about itself.
                let text = error.body_text();
                let why = text.split_once(": ").map_or(text.as_str(), |(_, why)| why);
                Err(Problem::usage(format!("the query is not what is expected: {why}")))
            }
        }
    }
}

/// A body of JSON. An empty one is the default, where there is one.
pub(crate) struct Body<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let kind = request.headers().get(header::CONTENT_TYPE).cloned();
        let bytes = Bytes::from_request(request, state)
            .await
            .map_err(|_| Problem::usage("the body cannot be read"))?;
        let kind = kind.as_ref().map(|kind| kind.to_str().unwrap_or_default());
        let is_json = kind.is_some_and(|kind| {
            let essence = kind.split(';').next().unwrap_or_default().trim();
            essence.eq_ignore_ascii_case("application/json")
        });
        let text: &[u8] = match (bytes.is_empty(), is_json) {
            (true, _) => b"{}",
            (false, true) => &bytes,
            (false, false) => {
                return Err(Problem::usage("the body must be application/json")
                    .with_status(StatusCode::UNSUPPORTED_MEDIA_TYPE));
            }
        };
        serde_json::from_slice(text)
            .map(Self)
            .map_err(|error| Problem::usage(format!("the body is not what is expected: {error}")))
    }
}

/// Whoever changes what cannot be brought back types the name of the database.
pub(crate) fn confirmed(typed: Option<&str>, database: &str) -> Result<(), Problem> {
    if typed == Some(database) {
        return Ok(());
    }
    Err(Problem::usage("the name of the database is not confirmed")
        .with_hint("put its name, as typed by a person, into \"confirm\""))
}

/// A text that people wrote, without what would end a line.
pub(crate) fn plain(text: &str, most: usize) -> Result<(), Problem> {
    if text.chars().count() > most || text.chars().any(char::is_control) {
        return Err(Problem::usage(format!(
            "a text is longer than {most}, or has control characters"
        )));
    }
    Ok(())
}
