//! What can go wrong with a store, in terms a caller can act on.

use std::path::PathBuf;

use crate::classify::{self, Said};
use crate::options::{OptionError, Provider};

type Source = Box<dyn std::error::Error + Send + Sync>;

/// Why a URL cannot be opened as a store.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The text is neither a path nor a URL of a scheme that is known.
    #[error(
        "open a URL of the scheme {scheme:?}; a path, s3://, r2://, gs://, az://, file:// and memory:// are known"
    )]
    UnknownScheme {
        /// The scheme of the URL.
        scheme: String,
    },
    /// The text begins like a URL but is none.
    #[error("understand the URL {url}")]
    NotAUrl {
        /// The text, without what may be secret.
        url: String,
        /// What the parser says.
        #[source]
        source: url::ParseError,
    },
    /// The URL names no bucket.
    #[error("find the name of a bucket in {url}; it is {}", if url.starts_with("r2:") { "r2://account/bucket/prefix" } else { "scheme://bucket/prefix, and another host is the option endpoint" })]
    NoBucket {
        /// The URL, without what may be secret.
        url: String,
    },
    /// The URL's path is not one that all stores take alike.
    #[error(
        "use the path of {url} as a prefix: letters, digits and -_.!*'()=+,@: are plain everywhere"
    )]
    Prefix {
        /// The URL, without what may be secret.
        url: String,
    },
    /// The URL holds a user name or password.
    #[error("take credentials from the URL {url}; use the environment or the configuration file")]
    SecretInUrl {
        /// The URL, without them.
        url: String,
    },
    /// The endpoint is plain http on another machine: whoever is between could
    /// read and change backups.
    #[error(
        "use {endpoint}, where nothing is encrypted on the way; use https, or where the network is yours say so with the option allow_http"
    )]
    PlainHttp {
        /// The endpoint, without what may be secret.
        endpoint: String,
    },
    /// An option is unknown, or has a value that makes no sense.
    #[error(transparent)]
    Option(OptionError),
    /// This program was built without this kind of store.
    #[error("open this kind of store ({provider:?}): the program was built without it")]
    NotBuilt {
        /// The kind of store.
        provider: Provider,
    },
    /// The local directory is not there.
    #[error("find the directory {}", path.display())]
    NoDirectory {
        /// Its path.
        path: PathBuf,
    },
    /// The local directory cannot be made or used.
    #[error("use the directory {}", path.display())]
    Directory {
        /// Its path.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// The certificates of one's own authority cannot be used.
    #[error("use the certificates in {}", path.display())]
    Certificates {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: Source,
    },
    /// Encrypted connections cannot be made, mostly because the system has no
    /// certificates (in containers the package `ca-certificates` brings them).
    #[error("set up encrypted connections; does this system have certificates (ca-certificates)?")]
    Tls(#[source] Source),
    /// The store refuses to be opened.
    #[error("open the store")]
    Store(#[source] Source),
}

impl OpenError {
    pub(crate) fn store(source: impl Into<Source>) -> Self {
        Self::Store(source.into())
    }

    /// Whether what was asked for makes no sense, as opposed to a store or
    /// machine that is not as it should be.
    pub fn is_usage(&self) -> bool {
        match self {
            Self::UnknownScheme { .. }
            | Self::NotAUrl { .. }
            | Self::NoBucket { .. }
            | Self::Prefix { .. }
            | Self::SecretInUrl { .. }
            | Self::PlainHttp { .. }
            | Self::Option(_)
            | Self::NotBuilt { .. }
            | Self::Certificates { .. } => true,
            Self::NoDirectory { .. } | Self::Directory { .. } | Self::Tls(_) | Self::Store(_) => {
                false
            }
        }
    }
}

/// Why an operation on a store failed. A missing object is no error: the
/// operations that read return an `Option`.
#[derive(Debug, thiserror::Error)]
#[error("{operation} {key}: {what}")]
pub struct RemoteError {
    /// What was tried, for people: `read`, `create`, …
    pub operation: &'static str,
    /// The key of the object, or the prefix.
    pub key: String,
    /// What kind of failure it is.
    pub what: Failure,
    /// What the store says.
    #[source]
    pub(crate) source: Option<Source>,
}

/// Kinds of failures. New kinds will come; whoever matches has a default.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// The store broke off or answered with an error of its own; the same call
    /// may succeed later. Of a write it is not known whether it happened.
    #[error("the storage does not answer as it should")]
    Unavailable,
    /// No connection: a name that is not known, a port where nobody listens, a
    /// network that is down. A write did not happen.
    #[error("the storage cannot be reached")]
    Unreachable,
    /// The other side's certificate is not one that is trusted.
    #[error("the storage's certificate is not trusted")]
    Untrusted,
    /// Nothing came within the time limit. Of a write it is not known whether it
    /// happened.
    #[error("the storage did not answer in time")]
    TimedOut,
    /// The store wants fewer requests.
    #[error("the storage asks for fewer requests")]
    Throttled,
    /// The store refuses these credentials or permissions.
    #[error("the storage refuses access")]
    Denied,
    /// There are no credentials, or they cannot be fetched.
    #[error("there are no credentials for the storage")]
    NoCredentials,
    /// The bucket or container is not there.
    #[error("there is no such bucket")]
    NoBucket,
    /// The bucket is in another region.
    #[error("the bucket is in another region")]
    WrongRegion,
    /// Others change the same object at this moment.
    #[error("others use the same object at this moment")]
    Conflict,
    /// The disk or the quota is full.
    #[error("there is no room left")]
    Full,
    /// The object has more bytes than it can have.
    #[error("the object is larger than it can be")]
    TooLarge,
    /// A local file that was to be stored cannot be read.
    #[error("the file to be stored cannot be read")]
    Local,
    /// The object is there, and not as it was sent.
    #[error("the object is not there as it was sent")]
    Incomplete,
    /// The store cannot do this at all, or the key is not one it takes.
    #[error("the storage cannot do this")]
    Unsupported,
    /// The store understands the request and refuses it.
    #[error("the storage refuses the request")]
    Refused,
}

impl Failure {
    /// Whether the same call may succeed later.
    pub fn is_transient(self) -> bool {
        match self {
            Self::Unavailable
            | Self::Unreachable
            | Self::TimedOut
            | Self::Throttled
            | Self::Incomplete
            | Self::Conflict => true,
            Self::Untrusted
            | Self::Denied
            | Self::NoCredentials
            | Self::NoBucket
            | Self::WrongRegion
            | Self::Full
            | Self::TooLarge
            | Self::Local
            | Self::Unsupported
            | Self::Refused => false,
        }
    }

    /// What a person can do about it.
    pub fn hint(self) -> &'static str {
        match self {
            Self::Unavailable => "try again; if it stays so, see the provider's status page",
            Self::Unreachable => "check the network, the option endpoint and the proxy",
            Self::Untrusted => {
                "where the storage has a certificate of your own authority, name its file in the option ca_certificates"
            }
            Self::TimedOut => {
                "check the network; on a slow line lower min_rate, or raise request_timeout, retry_budget or stall_timeout"
            }
            Self::Throttled => "lower max_concurrency, or try again later",
            Self::Denied => {
                "check the credentials, the clock of this machine, and that they may list, read, write and delete below the prefix"
            }
            Self::NoCredentials => {
                "set the provider's variables (AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AZURE_STORAGE_ACCOUNT_KEY, GOOGLE_APPLICATION_CREDENTIALS), or name a profile"
            }
            Self::NoBucket => "check its name and the endpoint; `init --create-bucket` makes one",
            Self::WrongRegion => "say where it is with the option region",
            Self::Conflict => "try again",
            Self::Full => "make room, or raise the quota",
            Self::TooLarge => "the object is not what it should be; check the repository",
            Self::Local => "see that the file is there, and that you may read it",
            Self::Incomplete => "try again",
            Self::Unsupported => "`storage probe` says what this storage can do",
            Self::Refused => "what the storage says stands above",
        }
    }
}

impl RemoteError {
    pub(crate) fn new(operation: &'static str, key: &str, source: object_store::Error) -> Self {
        let what = classify::failure(&source);
        let source: Source = match classify::said(&source) {
            Some(said) => {
                tracing::debug!(operation, key, error = %source, "the storage refuses");
                Box::<Said>::new(said)
            }
            None => Box::new(source),
        };
        Self { operation, key: key.to_owned(), what, source: Some(source) }
    }

    pub(crate) fn of(operation: &'static str, key: &str, what: Failure) -> Self {
        Self { operation, key: key.to_owned(), what, source: None }
    }

    pub(crate) fn local(operation: &'static str, key: &str, source: std::io::Error) -> Self {
        let source = Some(source.into());
        Self { operation, key: key.to_owned(), what: Failure::Local, source }
    }

    /// Whether the same call may succeed later.
    pub fn is_transient(&self) -> bool {
        self.what.is_transient()
    }

    /// What the store calls it, such as `AccessDenied`, if it says.
    pub fn code(&self) -> Option<&str> {
        let said = self.source.as_ref()?.downcast_ref::<Said>()?;
        Some(said.code())
    }

    /// What a person can do about it.
    pub fn hint(&self) -> &'static str {
        self.what.hint()
    }
}
