//! What can go wrong with a store, in terms a caller can act on.

use std::path::PathBuf;

/// Why a URL cannot be opened as a store.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The text is neither a path nor a URL of a scheme that is known.
    #[error("open a URL of the scheme {scheme:?}; a path, file:// and memory:// are known")]
    UnknownScheme {
        /// The scheme of the URL.
        scheme: String,
    },
    /// The text begins like a URL but is none.
    #[error("understand the URL {url}")]
    NotAUrl {
        /// The text.
        url: String,
        /// What the parser says.
        #[source]
        source: url::ParseError,
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
    /// The store refuses to be opened.
    #[error("open the store")]
    Store(#[source] object_store::Error),
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
    pub(crate) source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// Kinds of failures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// The store cannot be reached, or broke off; the same call may succeed
    /// later. Of a write it is not known whether it happened.
    #[error("the storage does not answer as it should")]
    Unavailable,
    /// The store refuses these credentials or permissions.
    #[error("the storage refuses access")]
    Denied,
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
}

impl RemoteError {
    pub(crate) fn new(operation: &'static str, key: &str, source: object_store::Error) -> Self {
        use object_store::Error as E;
        let what = match &source {
            E::PermissionDenied { .. } | E::Unauthenticated { .. } => Failure::Denied,
            E::NotSupported { .. }
            | E::NotImplemented { .. }
            | E::InvalidPath { .. }
            | E::UnknownConfigurationKey { .. } => Failure::Unsupported,
            _ => Failure::Unavailable,
        };
        Self { operation, key: key.to_owned(), what, source: Some(Box::new(source)) }
    }

    pub(crate) fn local(operation: &'static str, key: &str, source: std::io::Error) -> Self {
        let source = Some(source.into());
        Self { operation, key: key.to_owned(), what: Failure::Local, source }
    }

    /// Whether the same call may succeed later.
    pub fn is_transient(&self) -> bool {
        match self.what {
            Failure::Unavailable | Failure::Incomplete => true,
            Failure::Denied | Failure::TooLarge | Failure::Local | Failure::Unsupported => false,
        }
    }
}
