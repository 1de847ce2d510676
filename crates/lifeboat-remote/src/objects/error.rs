//! What can go wrong with objects on several providers.

use std::fmt;
use std::path::PathBuf;

use crate::error::{Failure, RemoteError};

type Source = Box<dyn std::error::Error + Send + Sync>;

/// What one provider said.
#[derive(Debug)]
#[non_exhaustive]
pub struct Cause {
    /// Its name.
    pub provider: String,
    /// What went wrong there.
    pub error: ObjectError,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.provider, self.error)?;
        let mut source = std::error::Error::source(&self.error);
        while let Some(error) = source {
            write!(f, ": {error}")?;
            source = error.source();
        }
        Ok(())
    }
}

/// Why an operation on an object failed. Reads well after "failed to".
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ObjectError {
    /// A store failed.
    #[error(transparent)]
    Store(#[from] RemoteError),
    /// A provider that is no store of ours failed.
    #[error("{operation} {key}")]
    Provider {
        /// What was tried.
        operation: &'static str,
        /// The key of the object.
        key: String,
        /// Why.
        #[source]
        source: Source,
    },
    /// Another object lies under this key. It was not touched.
    #[error("create {key} at {provider}: another object lies there")]
    Exists {
        /// The provider.
        provider: String,
        /// The key.
        key: String,
    },
    /// No provider has the object.
    #[error("find {key}; asked were {}", asked.join(", "))]
    Missing {
        /// The key.
        key: String,
        /// The providers that were asked, and answered.
        asked: Vec<String>,
    },
    /// A placement names a provider that is not there.
    #[error("find the provider {provider:?} of {key}; there are {}", known.join(", "))]
    UnknownProvider {
        /// The provider.
        provider: String,
        /// The key of the object.
        key: String,
        /// The ones that there are.
        known: Vec<String>,
    },
    /// All providers that could have done it failed.
    #[error("{operation} {key}: {}", list(causes))]
    Everywhere {
        /// What was tried.
        operation: &'static str,
        /// The key of the object.
        key: String,
        /// What each of them said.
        causes: Vec<Cause>,
    },
    /// An object could not be deleted everywhere.
    #[error("delete {key} everywhere; it may still lie there: {}", list(causes))]
    Undeleted {
        /// The key of the object.
        key: String,
        /// What the providers said that failed.
        causes: Vec<Cause>,
    },
    /// The content that was to be stored cannot be read.
    #[error("read {}", path.display())]
    Content {
        /// Its file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file that an object is read to cannot be written.
    #[error("write {}", path.display())]
    Target {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The content that was to be stored is not as long as was said.
    #[error("read the content of {key}: it has not the {expected} bytes that it began with")]
    Length {
        /// The key of the object.
        key: String,
        /// How many there should be.
        expected: u64,
    },
    /// An object is larger than the caller takes.
    #[error("read {key}: it has more than {limit} bytes")]
    TooLarge {
        /// The key of the object.
        key: String,
        /// What the caller takes.
        limit: u64,
    },
    /// The object was replaced while it was read.
    #[error("read {key} at {provider}: it was replaced meanwhile")]
    Changed {
        /// The provider.
        provider: String,
        /// The key.
        key: String,
    },
    /// What was copied is not what was read. The original was not touched.
    #[error("prove the copy of {key} at {provider}: it differs from the original")]
    Differs {
        /// The provider that holds the copy.
        provider: String,
        /// The key.
        key: String,
    },
    /// The key is not one that all stores take alike.
    #[error(
        "use {key:?} as a key: names between single slashes, none of them . or .., not beginning with .lifeboat"
    )]
    Key {
        /// The key.
        key: String,
    },
    /// Metadata that not all stores keep alike.
    #[error(
        "keep the metadata {name:?}: names are a to z, 0 to 9 and _, beginning with a letter, and values plain ASCII"
    )]
    Metadata {
        /// Its name.
        name: String,
    },
    /// Providers that cannot be told apart, or none at all.
    #[error("use these providers: there must be one at least, and each has a name of its own")]
    Providers,
    /// Nothing can be reached under a URL there.
    #[error("make a URL for {key}: {provider} signs none, and has no public address")]
    NoUrl {
        /// The provider.
        provider: String,
        /// The key.
        key: String,
    },
}

fn list(causes: &[Cause]) -> String {
    causes.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

impl ObjectError {
    /// For providers that are no store of ours.
    pub fn provider(operation: &'static str, key: &str, source: impl Into<Source>) -> Self {
        Self::Provider { operation, key: key.to_owned(), source: source.into() }
    }

    /// Whether another provider may do better: not where the request itself is
    /// at fault, or what was to be stored.
    pub fn is_of_the_provider(&self) -> bool {
        match self {
            Self::Store(error) => error.what != Failure::Local,
            Self::Provider { .. }
            | Self::Everywhere { .. }
            | Self::Missing { .. }
            | Self::Changed { .. }
            | Self::NoUrl { .. } => true,
            Self::Exists { .. }
            | Self::UnknownProvider { .. }
            | Self::Undeleted { .. }
            | Self::Content { .. }
            | Self::Target { .. }
            | Self::Length { .. }
            | Self::TooLarge { .. }
            | Self::Differs { .. }
            | Self::Key { .. }
            | Self::Metadata { .. }
            | Self::Providers => false,
        }
    }

    /// Whether what was asked for makes no sense.
    pub fn is_usage(&self) -> bool {
        matches!(
            self,
            Self::UnknownProvider { .. }
                | Self::Content { .. }
                | Self::Key { .. }
                | Self::Metadata { .. }
                | Self::Providers
                | Self::NoUrl { .. }
        )
    }
}
