//! The HTTP client of messages: of its own, because they leave when stores are out.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use reqwest::{Client, Response, Url};
use rustls::ClientConfig;
use rustls_platform_verifier::Verifier;

use super::error::SendError;
use super::secret::Secret;

/// How long one attempt may take, in all.
pub(super) const LIMIT: Duration = Duration::from_secs(15);

/// A client that follows nothing: URLs are secrets, and signatures are for whoever
/// was named.
pub(super) fn client() -> Result<Client, SendError> {
    let unusable = |why: String| SendError::Setting { what: "TLS on this system".into(), why };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = Verifier::new(Arc::clone(&provider)).map_err(|e| unusable(e.to_string()))?;
    let tls = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| unusable(error.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    Client::builder()
        .tls_backend_preconfigured(tls)
        .user_agent(concat!("lifeboat/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .connect_timeout(LIMIT / 2)
        .timeout(LIMIT)
        .http1_only()
        // Messages are rare; no connection is held for the next.
        .pool_max_idle_per_host(0)
        .build()
        .map_err(|error| unusable(words(error)))
}

/// A URL that is a secret.
pub(super) async fn url(secret: &Secret) -> Result<Url, SendError> {
    let text = secret.read().await?;
    let fail = |why: &str| SendError::Setting { what: secret.name().to_owned(), why: why.into() };
    let url = Url::parse(text.trim()).map_err(|_| fail("it is no URL"))?;
    match url.scheme() {
        "https" | "http" => Ok(url),
        _ => Err(fail("it begins with neither https:// nor http://")),
    }
}

/// Success, or what the answer was.
pub(super) fn judge(answer: reqwest::Result<Response>) -> Result<(), SendError> {
    match answer {
        Ok(answer) if answer.status().is_success() => Ok(()),
        Ok(answer) if answer.status().is_redirection() => Err(SendError::Refused(format!(
            "{}: it is elsewhere; redirections are not followed",
            answer.status()
        ))),
        Ok(answer) => Err(SendError::Refused(answer.status().to_string())),
        Err(error) if error.is_timeout() => Err(SendError::TimedOut(LIMIT)),
        Err(error) => Err(SendError::Unreachable(words(error))),
    }
}

/// An error with its causes, and without the URL.
fn words(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut words = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_words = cause.to_string();
        if !words.contains(&cause_words) {
            words.push_str(": ");
            words.push_str(&cause_words);
        }
        source = cause.source();
    }
    words
}
