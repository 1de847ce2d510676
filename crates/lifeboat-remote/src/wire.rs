//! How requests travel: one HTTP client a store, TLS by rustls with ring, time
//! limits that grow with what is sent, and a speed that is not exceeded.

#[cfg(feature = "aws-profiles")]
mod aws;
mod body;
mod later;
mod tls;

use std::sync::Arc;
use std::time::Duration;

use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse,
    HttpResponseBody, HttpService,
};
use object_store::{BackoffConfig, ClientConfigKey, ClientOptions, RetryConfig};
use tokio::time::Instant;

#[cfg(feature = "aws-profiles")]
pub(crate) use self::aws::aws_client;
use self::body::Body;
use crate::clock::StoreClock;
use crate::error::OpenError;
use crate::limit::TimeLimit;
use crate::options::RemoteOptions;
use crate::pace::Pacer;
use crate::remote::{Course, asked_to_wait};

/// A body of this size goes at once, and the next try costs little.
const SMALL: usize = 64 * 1024;

/// Retries are ours: two layers of them would multiply, and no budget hold.
pub(crate) fn no_retries() -> RetryConfig {
    RetryConfig {
        backoff: BackoffConfig::default(),
        max_retries: 0,
        retry_timeout: Duration::from_secs(60),
    }
}

/// Makes the clients of a store. All share a speed limit.
#[derive(Clone, Debug)]
pub(crate) struct Connector {
    tls: rustls::ClientConfig,
    proxy: Option<crate::options::Secret>,
    proxy_excludes: Option<String>,
    connect_timeout: Duration,
    limit: TimeLimit,
    up: Option<Arc<Pacer>>,
    down: Option<Arc<Pacer>>,
    clock: StoreClock,
}

impl Connector {
    pub(crate) fn new(options: &RemoteOptions) -> Result<Self, OpenError> {
        let pacer = |rate: Option<u64>| rate.map(|rate| Arc::new(Pacer::new(rate)));
        Ok(Self {
            tls: tls::config(options.ca_certificates.as_deref(), options.only_ca_certificates)?,
            proxy: options.proxy.clone(),
            proxy_excludes: options.proxy_excludes.clone(),
            connect_timeout: options.connect_timeout,
            limit: TimeLimit::new(options),
            up: pacer(options.max_upload_rate),
            down: pacer(options.max_download_rate),
            clock: StoreClock::default(),
        })
    }

    /// What the answers to its clients say of the store's clock.
    pub(crate) fn clock(&self) -> StoreClock {
        self.clock.clone()
    }

    /// A client of our own making. `allow_http` is for this client alone.
    pub(crate) fn client(
        &self,
        allow_http: bool,
        connect_timeout: Duration,
    ) -> Result<Wire, reqwest::Error> {
        let mut builder = reqwest::Client::builder()
            .tls_backend_preconfigured(self.tls.clone())
            .user_agent(concat!("lifeboat/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(connect_timeout)
            // A signature is for one host; and where a bucket is elsewhere, its
            // region is to be said, not followed.
            .redirect(reqwest::redirect::Policy::none())
            // reqwest repeats some requests of its own accord; ours are counted.
            .retry(reqwest::retry::never())
            .http1_only()
            .https_only(!allow_http);
        if let Some(proxy) = &self.proxy {
            let excludes = self.proxy_excludes.as_deref().and_then(reqwest::NoProxy::from_string);
            builder = builder.proxy(reqwest::Proxy::all(proxy.reveal())?.no_proxy(excludes));
        }
        Ok(Wire {
            client: builder.build()?,
            limit: self.limit,
            up: self.up.clone(),
            down: self.down.clone(),
            clock: self.clock.clone(),
        })
    }
}

impl HttpConnector for Connector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let allow_http = options
            .get_config_value(&ClientConfigKey::AllowHttp)
            .is_some_and(|value| value == "true");
        // The library asks the metadata address with a short limit.
        let theirs = options
            .get_config_value(&ClientConfigKey::ConnectTimeout)
            .is_some_and(|value| value == "1s" || value.starts_with("1 s"));
        let connect_timeout = if theirs {
            self.connect_timeout.min(Duration::from_secs(1))
        } else {
            self.connect_timeout
        };
        let wire = self.client(allow_http, connect_timeout).map_err(|source| {
            object_store::Error::Generic { store: "HTTP client", source: Box::new(source) }
        })?;
        Ok(HttpClient::new(wire))
    }
}

/// One HTTP client.
#[derive(Clone, Debug)]
pub(crate) struct Wire {
    client: reqwest::Client,
    limit: TimeLimit,
    up: Option<Arc<Pacer>>,
    down: Option<Arc<Pacer>>,
    clock: StoreClock,
}

#[derive(Debug, thiserror::Error)]
#[error("nothing came within {} s", .0.as_secs())]
pub(crate) struct Elapsed(pub(crate) Duration);

/// Amazon says where a bucket is; the library does not pass it on.
#[derive(Debug, thiserror::Error)]
#[error("it is in {0}")]
pub(crate) struct OtherRegion(pub(crate) String);

#[async_trait::async_trait]
impl HttpService for Wire {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let (parts, body) = request.into_parts();
        let url = parts
            .uri
            .to_string()
            .parse()
            .map_err(|error: url::ParseError| HttpError::new(HttpErrorKind::Unknown, error))?;
        let mut request = reqwest::Request::new(parts.method, url);
        *request.headers_mut() = parts.headers;
        let (course, len) = (Course::current(), body.content_length());
        let quiet = course.as_ref().and_then(|course| course.quiet());
        let mut limit = self.limit.of(len as u64);
        if let Some(quiet) = quiet.filter(|_| len <= SMALL) {
            limit = limit.min(quiet);
        }
        *request.body_mut() = Some(match (&self.up, body.as_bytes()) {
            (None, Some(bytes)) if course.is_none() || len <= SMALL => bytes.clone().into(),
            _ => {
                let body = Body::new(body, self.up.clone(), None);
                reqwest::Body::wrap(body.telling(course.clone(), None))
            }
        });
        let answer = tokio::time::timeout(limit, self.client.execute(request)).await;
        let answer: http::Response<reqwest::Body> = match answer {
            Ok(Ok(answer)) => answer.into(),
            Ok(Err(error)) => return Err(failure(error)),
            Err(_) => return Err(HttpError::new(HttpErrorKind::Timeout, Elapsed(limit))),
        };
        let (parts, body) = answer.into_parts();
        if let Some(date) =
            parts.headers.get(http::header::DATE).and_then(|date| date.to_str().ok())
        {
            self.clock.heard(date, std::time::SystemTime::now());
        }
        if let Some(time) = later::asked(parts.status, &parts.headers) {
            asked_to_wait(time);
        }
        if parts.status.is_redirection()
            && let Some(region) = parts.headers.get("x-amz-bucket-region")
        {
            let region = String::from_utf8_lossy(region.as_bytes()).into_owned();
            return Err(HttpError::new(HttpErrorKind::Unknown, OtherRegion(region)));
        }
        let length = parts.headers.get(http::header::CONTENT_LENGTH);
        let length = length.and_then(|text| text.to_str().ok()?.parse().ok()).unwrap_or(0);
        let limit = self.limit.of(length);
        let until = Some((Instant::now() + limit, limit));
        let body = Body::new(Answer(body), self.down.clone(), until).telling(course, quiet);
        let body = HttpResponseBody::new(body);
        Ok(HttpResponse::from_parts(parts, body))
    }
}

/// The body of an answer, with errors the library understands.
struct Answer(reqwest::Body);

impl http_body::Body for Answer {
    type Data = bytes::Bytes;
    type Error = HttpError;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Self::Data>, Self::Error>>> {
        let polled = std::pin::Pin::new(&mut self.0).poll_frame(context);
        polled.map(|frame| frame.map(|frame| frame.map_err(failure)))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.0.size_hint()
    }
}

/// What a failed request says about whether it may have arrived.
fn failure(error: reqwest::Error) -> HttpError {
    let kind = if error.is_timeout() {
        HttpErrorKind::Timeout
    } else if error.is_connect() {
        HttpErrorKind::Connect
    } else if error.is_decode() {
        HttpErrorKind::Decode
    } else {
        HttpErrorKind::Interrupted
    };
    // The URL may hold a signature.
    HttpError::new(kind, error.without_url())
}
