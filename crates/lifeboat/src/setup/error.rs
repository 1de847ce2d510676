//! What is wrong with settings.

use std::fmt;

use lifeboat_config::Problems;

use crate::error::ErrorKind;

/// Settings that cannot be gone by. Nothing was done.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SetupError {
    /// Whether it is about the settings or about the key.
    pub kind: ErrorKind,
    /// Where it is, and what is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: String,
}

impl SetupError {
    /// Settings make no sense.
    pub(crate) fn usage(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { kind: ErrorKind::Usage, message: message.into(), hint: hint.into() }
    }

    /// There is no key, or none that can be used.
    pub(crate) fn key(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { kind: ErrorKind::Key, message: message.into(), hint: hint.into() }
    }
}

impl fmt::Display for SetupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for SetupError {}

impl From<Problems> for SetupError {
    fn from(problems: Problems) -> Self {
        let hint =
            "mend what is named, or leave it out; docs/lifeboat.example.toml has every setting";
        match problems.about_the_key() {
            true => Self::key(problems.to_string(), hint),
            false => Self::usage(problems.to_string(), hint),
        }
    }
}
