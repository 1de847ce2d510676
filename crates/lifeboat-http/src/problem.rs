//! What a caller is told when something is refused or fails.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::{IntoResponses, ToSchema};

/// Why something was not done. Paths of the host are taken out of its texts
/// before anybody sees them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", body.message)]
pub struct Problem {
    status: StatusCode,
    body: Box<ErrorBody>,
}

/// An error, as a command has it in JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Error)]
pub struct ErrorBody {
    /// The exit code that the command would end with.
    pub code: u8,
    /// What failed and why.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// Whether everything that was stored before is as it was.
    pub data_is_safe: bool,
}

impl Problem {
    fn new(status: StatusCode, code: u8, message: impl AsRef<str>) -> Self {
        let message = without_paths(message.as_ref());
        let body = ErrorBody { code, message, hint: None, data_is_safe: true };
        Self { status, body: Box::new(body) }
    }

    /// What was asked for makes no sense.
    pub fn usage(message: impl AsRef<str>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, 2, message)
    }

    /// There is nothing of that name.
    pub fn not_found(message: impl AsRef<str>) -> Self {
        Self::new(StatusCode::NOT_FOUND, 7, message)
    }

    /// What is there does not allow it.
    pub fn conflict(code: u8, message: impl AsRef<str>) -> Self {
        Self::new(StatusCode::CONFLICT, code, message)
    }

    /// Nobody has said who asks.
    pub fn unknown_caller() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, 2, "this needs a token")
            .with_hint("send it as \"Authorization: Bearer TOKEN\", or sign in on the page")
    }

    /// Who asks may not do this.
    pub fn forbidden(message: impl AsRef<str>) -> Self {
        Self::new(StatusCode::FORBIDDEN, 2, message)
    }

    /// Too much at once.
    pub fn too_many(message: impl AsRef<str>) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, 1, message)
            .with_hint("wait a moment and try again")
    }

    /// The storage cannot be reached or written.
    pub fn storage(message: impl AsRef<str>) -> Self {
        Self::new(StatusCode::BAD_GATEWAY, 13, message)
    }

    /// It failed, for a reason that lies here and has an exit code.
    pub fn failed(code: u8, message: impl AsRef<str>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, code, message)
    }

    /// With another status.
    pub(crate) fn with_status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// With what to do about it.
    #[must_use]
    pub fn with_hint(mut self, hint: impl AsRef<str>) -> Self {
        self.body.hint = Some(without_paths(hint.as_ref()));
        self
    }

    /// What was stored before may not be as it was.
    #[must_use]
    pub fn data_may_be_hurt(mut self) -> Self {
        self.body.data_is_safe = false;
        self
    }

    /// The status of the answer.
    pub fn status(&self) -> u16 {
        self.status.as_u16()
    }

    /// What the answer holds.
    pub fn body(&self) -> &ErrorBody {
        &self.body
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.status, axum::Json(*self.body)).into_response();
        let headers = response.headers_mut();
        match self.status {
            StatusCode::UNAUTHORIZED => {
                let how = HeaderValue::from_static("Bearer realm=\"lifeboat\"");
                headers.insert(header::WWW_AUTHENTICATE, how);
            }
            StatusCode::TOO_MANY_REQUESTS => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("2"));
            }
            _ => {}
        }
        response
    }
}

/// What any call may be refused with.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only described, never made")]
pub(crate) enum Refusals {
    /// What was asked for makes no sense.
    #[response(status = 400)]
    Usage(ErrorBody),
    /// No token, or none that is known.
    #[response(status = 401)]
    UnknownCaller(ErrorBody),
    /// The role does not allow it, or the request comes from another site.
    #[response(status = 403)]
    Forbidden(ErrorBody),
    /// There is nothing of that name.
    #[response(status = 404)]
    NotFound(ErrorBody),
    /// What is there does not allow it.
    #[response(status = 409)]
    Conflict(ErrorBody),
    /// The body is too large.
    #[response(status = 413)]
    TooLarge(ErrorBody),
    /// The body is no JSON, by its own account.
    #[response(status = 415)]
    MediaType(ErrorBody),
    /// Too many requests, or too many jobs.
    #[response(status = 429)]
    TooMany(ErrorBody),
    /// It failed here.
    #[response(status = 500)]
    Failed(ErrorBody),
    /// The storage cannot be reached or written.
    #[response(status = 502)]
    Storage(ErrorBody),
}

/// A text without paths of the host: of each, the last name is left.
pub fn without_paths(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let mut before = ' ';
    while let Some(next) = rest.chars().next() {
        if let Some(after) = rest.strip_prefix("file://") {
            rest = after;
            before = ' ';
            continue;
        }
        let follows = rest.chars().nth(1).is_some_and(|c| !c.is_whitespace());
        let begins_one = next == '/' && !is_of_a_word(before) && follows;
        if !begins_one {
            out.push(next);
            before = next;
            rest = &rest[next.len_utf8()..];
            continue;
        }
        // In quotes a path may hold blanks; elsewhere it ends at one.
        let quote = matches!(before, '"' | '\'' | '`').then_some(before);
        let ends = |c: char| match quote {
            Some(quote) => c == quote,
            None => c.is_whitespace() || matches!(c, '"' | '\'' | '`' | ',' | ';' | ')' | '>'),
        };
        let path = &rest[..rest.find(ends).unwrap_or(rest.len())];
        let trimmed = path.trim_end_matches([':', '.', '/']);
        let name = trimmed.rsplit('/').next().unwrap_or_default();
        out.push('…');
        if !name.is_empty() {
            out.push('/');
            out.push_str(name);
        }
        out.push_str(path[trimmed.len()..].trim_start_matches('/'));
        before = 'x';
        rest = &rest[path.len()..];
    }
    out
}

/// Whether a slash after this is inside something, such as a URL or "and/or".
fn is_of_a_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '/' | ':' | '.' | '-' | '_' | '~' | '…' | '%')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_the_host_are_taken_out() {
        let check = |text: &str, expected: &str| assert_eq!(without_paths(text), expected);
        check("use /srv/app/data/app.db: denied", "use …/app.db: denied");
        check("open \"/home/me/my data/app.db\": gone", "open \"…/app.db\": gone");
        check("open the destination file:///var/b: no", "open the destination …/b: no");
        check("restore over /a/b, because /c/d", "restore over …/b, because …/d");
        check("(/etc/lifeboat/key)", "(…/key)");
        check("s3://bucket/a/b and/or https://x/y", "s3://bucket/a/b and/or https://x/y");
        check("databases/app/records/1 is gone", "databases/app/records/1 is gone");
        check("a / b", "a / b");
        check("=/etc/passwd", "=…/passwd");
        check("read /var/lib/.", "read …/lib.");
    }
}
