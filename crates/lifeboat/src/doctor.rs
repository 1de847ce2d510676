//! Whether backups can work here: what is looked at, and what to do about it.
//!
//! Each part is looked at for itself, so that one that is broken hides no other.
//! Nothing stays behind: what is written to a place as a test is deleted again,
//! and a directory that is not there is not made.

mod backups;
mod database;
mod machine;
mod place;
mod protection;

pub use backups::{Ages, backups};
pub use database::database;
pub use machine::{descriptors, directory, space};
pub use place::{PlaceProbe, answers, open_to_all, place};
pub use protection::protection;

/// How bad something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Level {
    /// As it should be.
    Ok,
    /// Backups work; something else may not, or not for long.
    Warning,
    /// Backups or restores do not work, or others can read them.
    Problem,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// How bad it is.
    pub level: Level,
    /// What was looked at, in a word or two.
    pub about: String,
    /// What was found.
    pub text: String,
    /// What mends it, to be copied.
    pub fix: Option<String>,
}

impl Finding {
    /// Something that is as it should be.
    pub fn ok(about: impl Into<String>, text: impl Into<String>) -> Self {
        Self { level: Level::Ok, about: about.into(), text: text.into(), fix: None }
    }

    /// Something that is not.
    pub fn bad(
        level: Level,
        about: impl Into<String>,
        text: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        let fix = Some(fix.into());
        Self { level, about: about.into(), text: text.into(), fix }
    }
}

/// An error and its causes, as one line.
pub(crate) fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let words = cause.to_string();
        if !text.ends_with(&words) {
            text = format!("{text}: {words}");
        }
        next = cause.source();
    }
    text
}

/// A version of SQLite as people write it.
fn version(number: u32) -> String {
    format!("{}.{}.{}", number / 1_000_000, number / 1000 % 1000, number % 1000)
}

/// A number of bytes as people read it.
fn bytes(number: u64) -> String {
    let mut value = number as f64;
    let mut unit = "bytes";
    for next in ["KiB", "MiB", "GiB", "TiB", "PiB"] {
        if value < 1024.0 {
            break;
        }
        (value, unit) = (value / 1024.0, next);
    }
    if unit == "bytes" { format!("{number} bytes") } else { format!("{value:.1} {unit}") }
}
