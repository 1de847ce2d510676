//! What can go wrong when links are compared or mended.

use std::path::PathBuf;

use lifeboat_remote::RemoteError;
use lifeboat_remote::objects::ObjectError;
use lifeboat_sqlite::{BeginError, ConnectError, SqliteError};

/// Why links could not be compared or mended. Reads well after "failed to".
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LinksError {
    /// The database cannot be opened.
    #[error(transparent)]
    Open(#[from] ConnectError),
    /// The database cannot be read now.
    #[error("read {}", path.display())]
    Begin {
        /// The database.
        path: PathBuf,
        /// Why.
        #[source]
        source: BeginError,
    },
    /// SQLite refuses what a rule asks for.
    #[error("{doing} by the rule {rule:?} in {}", path.display())]
    Sqlite {
        /// What was tried.
        doing: &'static str,
        /// The rule.
        rule: String,
        /// The database.
        path: PathBuf,
        /// What SQLite says.
        #[source]
        source: SqliteError,
    },
    /// A rule does not say what is needed, or makes no sense.
    #[error("use the rule {rule:?}: {why}")]
    Rule {
        /// The rule.
        rule: String,
        /// What is wrong with it.
        why: String,
    },
    /// The store fails.
    #[error(transparent)]
    Store(#[from] RemoteError),
    /// An object cannot be copied.
    #[error(transparent)]
    Object(#[from] ObjectError),
    /// A temporary file cannot be used.
    #[error("use a temporary file in {}", path.display())]
    Scratch {
        /// The directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A list of keys cannot be read.
    #[error("read the list of keys")]
    List(#[source] std::io::Error),
    /// The store cannot be believed, so that nothing is changed.
    #[error("{doing}: {why}")]
    Doubtful {
        /// What was asked for.
        doing: &'static str,
        /// What speaks against it.
        why: String,
        /// Whether it is the store that did not answer as it should.
        storage: bool,
    },
    /// More is wrong than anybody said to expect.
    #[error("{doing}: {found} of {of} {what}{}", match expected { Some(n) => format!(", and {n} were expected"), None => String::new() })]
    Unexpected {
        /// What was asked for.
        doing: &'static str,
        /// How many there are.
        found: u64,
        /// Of how many.
        of: u64,
        /// What they are: "rows name missing objects".
        what: &'static str,
        /// How many somebody expected.
        expected: Option<u64>,
        /// The option that says how many are expected.
        option: &'static str,
    },
}

impl LinksError {
    /// Whether what was asked for makes no sense.
    pub fn is_usage(&self) -> bool {
        matches!(self, Self::Rule { .. })
    }

    /// Whether it is refused because more may be wrong than the links.
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::Doubtful { .. } | Self::Unexpected { .. })
    }

    /// Whether the store failed.
    pub fn is_storage(&self) -> bool {
        matches!(self, Self::Store(_) | Self::Object(_) | Self::Doubtful { storage: true, .. })
    }

    /// Whether the source is no database that can be used.
    pub fn is_source(&self) -> bool {
        matches!(
            self,
            Self::Open(ConnectError::Sqlite { .. })
                | Self::Begin { source: BeginError::NotADatabase(_), .. }
        )
    }

    pub(crate) fn rule(rule: &str, why: impl Into<String>) -> Self {
        Self::Rule { rule: rule.to_owned(), why: why.into() }
    }
}

/// An error and what it came of.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}
