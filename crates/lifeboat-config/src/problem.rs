//! What is wrong with a configuration, and where.

use std::fmt;
use std::path::{Path, PathBuf};

/// Where a setting comes from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Place {
    /// An option of the command line.
    Argument(&'static str),
    /// A variable of the environment.
    Variable(String),
    /// A file.
    File {
        /// Its path.
        path: PathBuf,
        /// The line, counted from 1, where one line is meant.
        line: Option<usize>,
    },
    /// Nobody set it.
    Default,
}

impl Place {
    pub(crate) fn in_file(path: &Path, line: usize) -> Self {
        Self::File { path: path.to_owned(), line: Some(line) }
    }

    pub(crate) fn file(path: &Path) -> Self {
        Self::File { path: path.to_owned(), line: None }
    }

    pub(crate) fn variable(name: &str) -> Self {
        Self::Variable(name.to_owned())
    }

    /// Whether nobody set it.
    pub fn is_default(&self) -> bool {
        *self == Self::Default
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Argument(name) => f.write_str(name),
            Self::Variable(name) => f.write_str(name),
            Self::File { path, line: Some(line) } => write!(f, "{}:{line}", path.display()),
            Self::File { path, line: None } => write!(f, "{}", path.display()),
            Self::Default => f.write_str("default"),
        }
    }
}

/// One thing that is wrong. Values are not repeated: they may be secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub place: Place,
    /// What.
    pub what: What,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.what)
    }
}

impl std::error::Error for Problem {}

/// Kinds of problems.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum What {
    /// There is no such setting.
    #[error("there is no setting {key}{}", did_you_mean(nearest.as_deref()))]
    Unknown {
        /// What was written, with its section.
        key: String,
        /// The known one that is nearest, if one is near.
        nearest: Option<String>,
    },
    /// A value is of another type, or not one that the setting takes.
    #[error("{key} is {expected}, not {found}")]
    Value {
        /// The setting.
        key: String,
        /// What it takes.
        expected: String,
        /// What stands there.
        found: String,
    },
    /// Fields of cron that name a day which no month has.
    #[error("{key} names a day that never comes, as 31 February does; no backup would be made")]
    NeverComes {
        /// The setting.
        key: String,
    },
    /// A setting without which others mean nothing.
    #[error("{key} is missing: {why}")]
    Missing {
        /// The setting.
        key: String,
        /// What it is for.
        why: String,
    },
    /// Settings that exclude each other, or one that cannot be meant.
    #[error("{0}")]
    Contradiction(String),
    /// Two ways to the key, or a key that cannot be meant.
    #[error("{0}")]
    Key(String),
    /// A text names a variable that is not set.
    #[error("${{{name}}} in {key} is not set")]
    Unset {
        /// The setting.
        key: String,
        /// The variable.
        name: String,
    },
    /// `${` without its end, or without a name.
    #[error("{key} has a ${{ that is not ${{NAME}} or ${{NAME:-default}}; $${{ stands for ${{")]
    Substitution {
        /// The setting.
        key: String,
    },
    /// The file is not TOML.
    #[error("this is not TOML: {why}")]
    Syntax {
        /// What the parser says.
        why: String,
    },
    /// A line of a file of variables.
    #[error("{why}")]
    Line {
        /// What it should be.
        why: String,
    },
    /// A file cannot be read.
    #[error("cannot be read: {why}")]
    Unreadable {
        /// What the system says.
        why: String,
    },
    /// There is no such section in the file.
    #[error("there is no section [{section}]")]
    NoSection {
        /// Its name.
        section: String,
    },
}

fn did_you_mean(nearest: Option<&str>) -> String {
    nearest.map(|nearest| format!("; did you mean {nearest}?")).unwrap_or_default()
}

/// All that is wrong with a configuration; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl Problems {
    /// Whether it is all about the key.
    pub fn about_the_key(&self) -> bool {
        self.0.iter().all(|problem| matches!(problem.what, What::Key(_)))
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self(vec![problem])
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, problem) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}
