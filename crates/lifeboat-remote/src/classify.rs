//! What a store's error means. The library keeps status and body of an answer to
//! itself, so they are read from what it prints; the tests hold it to the form.

use std::error::Error as StdError;
use std::fmt;

use object_store::Error;

use crate::error::Failure;

/// What a store says in its answer, without the rest of the XML.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Said {
    status: Option<u16>,
    code: String,
    message: String,
}

impl Said {
    pub(crate) fn code(&self) -> &str {
        &self.code
    }
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.code)?;
        if let Some(status) = self.status {
            write!(f, " ({status})")?;
        }
        if !self.message.is_empty() {
            write!(f, ": {}", self.message)?;
        }
        Ok(())
    }
}

impl StdError for Said {}

/// Credentials could not be had from where AWS's own tools look.
#[cfg(feature = "aws-profiles")]
#[derive(Debug, thiserror::Error)]
#[error("find credentials")]
pub(crate) struct CredentialsFailed {
    what: Failure,
    #[source]
    source: Box<dyn StdError + Send + Sync>,
}

#[cfg(feature = "aws-profiles")]
impl CredentialsFailed {
    pub(crate) fn new(error: aws_credential_types::provider::error::CredentialsError) -> Self {
        use aws_credential_types::provider::error::CredentialsError as Kind;
        let what = match &error {
            Kind::ProviderTimedOut(_) => Failure::TimedOut,
            Kind::CredentialsNotLoaded(_) | Kind::InvalidConfiguration(_) => Failure::NoCredentials,
            _ => over_http(&error)
                .or_else(|| by_code(&code_in(&chain(&error))?))
                .unwrap_or(Failure::NoCredentials),
        };
        Self { what, source: error.into() }
    }

    pub(crate) fn setting_up(source: Box<dyn StdError + Send + Sync>) -> Self {
        Self { what: Failure::NoCredentials, source }
    }
}

/// `…code: "AccessDenied", message: …`, as the library of AWS prints it.
#[cfg(feature = "aws-profiles")]
fn code_in(text: &str) -> Option<String> {
    let (_, after) = text.split_once("code: \"").or_else(|| text.split_once("code: Some(\""))?;
    Some(after.split_once('"')?.0.to_owned())
}

/// What kind of failure it is.
pub(crate) fn failure(error: &Error) -> Failure {
    #[cfg(feature = "aws-profiles")]
    if let Some(failed) = causes(error).find_map(|cause| cause.downcast_ref::<CredentialsFailed>())
    {
        return failed.what;
    }
    if let Some(failure) = transport(error) {
        return failure;
    }
    let text = chain(error);
    let status = status(&text);
    let code = said(error).map(|said| said.code).unwrap_or_default();
    by_code(&code).or_else(|| by_status(status, &text)).unwrap_or(match error {
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => Failure::Denied,
        Error::NotSupported { .. }
        | Error::NotImplemented { .. }
        | Error::InvalidPath { .. }
        | Error::UnknownConfigurationKey { .. } => Failure::Unsupported,
        Error::AlreadyExists { .. } | Error::Precondition { .. } => Failure::Conflict,
        _ if is_full(error) => Failure::Full,
        _ => by_words(&text).unwrap_or(Failure::Unavailable),
    })
}

/// What the store says, if it says something.
pub(crate) fn said(error: &Error) -> Option<Said> {
    let text = chain(error);
    let tag = |name: &str| {
        let (_, after) = text.split_once(&format!("<{name}>"))?;
        let (value, _) = after.split_once("</")?;
        let line: String = value.split_whitespace().collect::<Vec<_>>().join(" ");
        Some(line.chars().take(300).collect::<String>())
    };
    let code = tag("Code")?;
    Some(Said { status: status(&text), code, message: tag("Message").unwrap_or_default() })
}

/// Whether "not found" is said of the bucket and not of the object.
pub(crate) fn is_no_bucket(error: &Error) -> bool {
    said(error).is_some_and(|said| by_code(&said.code) == Some(Failure::NoBucket))
}

/// What S3, Azure and GCS call it.
fn by_code(code: &str) -> Option<Failure> {
    Some(match code {
        "NoSuchBucket" | "ContainerNotFound" => Failure::NoBucket,
        "PermanentRedirect"
        | "AuthorizationHeaderMalformed"
        | "TemporaryRedirect"
        | "IllegalLocationConstraintException" => Failure::WrongRegion,
        "SlowDown"
        | "SlowDownRead"
        | "SlowDownWrite"
        | "Throttling"
        | "ThrottlingException"
        | "TooManyRequests"
        | "RequestLimitExceeded"
        | "ServerBusy"
        | "TooManyRequestsException" => Failure::Throttled,
        "AccessDenied"
        | "InvalidAccessKeyId"
        | "SignatureDoesNotMatch"
        | "ExpiredToken"
        | "InvalidToken"
        | "RequestTimeTooSkewed"
        | "AuthenticationFailed"
        | "AccountProblem"
        | "AuthorizationFailure"
        | "AuthorizationPermissionMismatch"
        | "NoSuchKeyId"
        | "InsufficientAccountPermissions"
        | "AllAccessDisabled" => Failure::Denied,
        "ConditionalRequestConflict" | "OperationAborted" => Failure::Conflict,
        "QuotaExceeded"
        | "InsufficientStorage"
        | "EntityTooLargeForQuota"
        | "XMinioStorageFull" => Failure::Full,
        "NotImplemented" => Failure::Unsupported,
        "RequestTimeout" => Failure::TimedOut,
        _ => return None,
    })
}

fn by_status(status: Option<u16>, text: &str) -> Option<Failure> {
    if text.contains("redirect without LOCATION") {
        return Some(Failure::WrongRegion);
    }
    Some(match status? {
        301 | 307 | 308 => Failure::WrongRegion,
        401 | 403 => Failure::Denied,
        408 => Failure::TimedOut,
        409 | 412 => Failure::Conflict,
        413 => Failure::TooLarge,
        429 => Failure::Throttled,
        501 => Failure::Unsupported,
        503 => Failure::Throttled,
        507 => Failure::Full,
        500..600 => Failure::Unavailable,
        400..500 => Failure::Refused,
        _ => return None,
    })
}

/// What the libraries say when credentials cannot be had. Keys and URLs stand in
/// the same text, but have no spaces in them: only phrases are looked for.
fn by_words(text: &str) -> Option<Failure> {
    const PHRASES: &[&str] = &[
        "performing token request",
        "getting token response",
        "service account file",
        "federated token file",
        "az account get-access-token",
        "performing CreateSession request",
    ];
    PHRASES.iter().any(|words| text.contains(words)).then_some(Failure::NoCredentials)
}

/// Whether a request went to where machines ask for credentials. Only the host
/// counts; a bucket or key may be called anything.
#[cfg(feature = "http-stores")]
fn is_for_credentials(text: &str) -> bool {
    text.split_whitespace().filter_map(|word| url::Url::parse(word).ok()).any(|url| {
        let link_local = |host: &str| host.starts_with("169.254.") || host == "[fd00:ec2::254]";
        url.host_str().is_some_and(|host| link_local(host) || host == "metadata.google.internal")
    })
}

#[cfg(feature = "http-stores")]
fn transport(error: &Error) -> Option<Failure> {
    if causes(error).any(|cause| cause.is::<crate::wire::OtherRegion>()) {
        return Some(Failure::WrongRegion);
    }
    let failure = over_http(error)?;
    // The library fetches credentials with the same client: who asks the
    // metadata address has none.
    if is_for_credentials(&chain(error)) {
        return Some(Failure::NoCredentials);
    }
    Some(failure)
}

/// What became of a request that had no answer.
#[cfg(feature = "http-stores")]
fn over_http(error: &(dyn StdError + 'static)) -> Option<Failure> {
    use object_store::client::{HttpError, HttpErrorKind};
    let http = causes(error).find_map(|cause| cause.downcast_ref::<HttpError>())?;
    let text = chain(http);
    if ["certificate", "UnknownIssuer", "CaUsedAsEndEntity"].iter().any(|w| text.contains(w)) {
        return Some(Failure::Untrusted);
    }
    Some(match http.kind() {
        HttpErrorKind::Connect => Failure::Unreachable,
        HttpErrorKind::Timeout => Failure::TimedOut,
        _ => Failure::Unavailable,
    })
}

#[cfg(not(feature = "http-stores"))]
fn transport(_: &Error) -> Option<Failure> {
    None
}

fn is_full(error: &Error) -> bool {
    use std::io::ErrorKind::{QuotaExceeded, StorageFull};
    let io = causes(error).find_map(|cause| cause.downcast_ref::<std::io::Error>());
    io.is_some_and(|io| matches!(io.kind(), StorageFull | QuotaExceeded))
}

fn causes<'a>(
    error: &'a (dyn StdError + 'static),
) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    let mut next = Some(error);
    std::iter::from_fn(move || {
        let error = next?;
        next = error.source();
        Some(error)
    })
}

fn chain(error: &(dyn StdError + 'static)) -> String {
    causes(error).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// `…status code: 403 Forbidden: …`
fn status(text: &str) -> Option<u16> {
    let (_, after) = text.split_once("status code: ")?;
    after.get(..3)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn generic(text: &str) -> Error {
        Error::Generic { store: "S3", source: text.to_owned().into() }
    }

    fn answered(status: &str, body: &str) -> Error {
        generic(&format!(
            "Error performing PUT http://h/b/k in 2ms - Server returned non-2xx status code: {status}: {body}"
        ))
    }

    #[test]
    fn kinds_of_failures() {
        let check = |status: &str, body: &str, expected: Failure| {
            assert_eq!(failure(&answered(status, body)), expected, "{status} {body}");
        };
        let code = |code: &str| format!("<Error><Code>{code}</Code><Message>m</Message></Error>");
        check("404 Not Found", &code("NoSuchBucket"), Failure::NoBucket);
        check("404 Not Found", &code("ContainerNotFound"), Failure::NoBucket);
        check("403 Forbidden", &code("SignatureDoesNotMatch"), Failure::Denied);
        check("403 Forbidden", "", Failure::Denied);
        check("400 Bad Request", &code("AuthorizationHeaderMalformed"), Failure::WrongRegion);
        check("301 Moved Permanently", "", Failure::WrongRegion);
        check("503 Slow Down", &code("SlowDown"), Failure::Throttled);
        check("429 Too Many Requests", "", Failure::Throttled);
        check("409 Conflict", &code("ConditionalRequestConflict"), Failure::Conflict);
        check("500 Internal Server Error", &code("InternalError"), Failure::Unavailable);
        check("400 Bad Request", &code("InvalidArgument"), Failure::Refused);
        check("507 Insufficient Storage", "", Failure::Full);
    }

    #[test]
    fn what_a_bucket_or_key_is_called_means_nothing() {
        for name in
            ["credentials", "Credentials", "Metadata", "CredentialsError", "metadata.google"]
        {
            let text =
                format!("Error performing GET http://h/{name}/{name}/k in 2ms - broken pipe");
            assert_eq!(failure(&generic(&text)), Failure::Unavailable, "{name}");
        }
        let text = "Error performing token request: connection refused";
        assert_eq!(failure(&generic(text)), Failure::NoCredentials);
    }

    #[cfg(feature = "http-stores")]
    #[test]
    fn who_asks_the_metadata_address_has_no_credentials() {
        let at = |url: &str| is_for_credentials(&format!("Error performing PUT {url} in 1s - x"));
        assert!(at("http://169.254.169.254/latest/api/token"));
        assert!(at("http://metadata.google.internal/computeMetadata/v1/"));
        assert!(!at("https://b.s3.amazonaws.com/169.254.169.254/metadata.google"));
        assert!(!at("https://169-254.example/169.254."));
    }

    #[test]
    fn a_full_disk_is_said() {
        let source = Box::new(std::io::Error::from(std::io::ErrorKind::StorageFull));
        assert_eq!(failure(&Error::Generic { store: "local", source }), Failure::Full);
    }

    #[test]
    fn the_store_is_quoted_in_short() {
        let body = "<?xml version=\"1.0\"?>\n<Error><Code>AccessDenied</Code>\n<Message>Not\n you</Message><AWSAccessKeyId>AKIA</AWSAccessKeyId></Error>";
        let said = said(&answered("403 Forbidden", body)).expect("it says something");
        assert_eq!(said.to_string(), "AccessDenied (403): Not you");
        assert_eq!(super::said(&generic("connection reset")), None);
    }
}
