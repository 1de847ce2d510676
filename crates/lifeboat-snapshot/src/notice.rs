//! What a person should know of a database that was read all the same.

use std::fmt;

/// Something noticed while a database was opened or captured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Notice {
    /// A writer had died in the middle of a commit, and SQLite undid what it
    /// had begun, as the next application to open the database would have.
    HotJournalRolledBack,
    /// The SQLite library of this program is older than the fix of the
    /// WAL-reset bug.
    OldLibrary {
        /// Its `SQLITE_VERSION_NUMBER`.
        version: u32,
    },
    /// The database is in WAL mode, and a library older than the fix of the
    /// WAL-reset bug was the last to write to it.
    WrittenByOldLibrary {
        /// Its `SQLITE_VERSION_NUMBER`.
        version: u32,
    },
    /// The file did not permit writing, so that SQLite could not have rolled
    /// back a hot journal.
    ReadOnly,
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::HotJournalRolledBack => {
                f.write_str("a writer died during a commit; SQLite rolled its journal back")
            }
            Self::OldLibrary { version } => write!(
                f,
                "this program runs SQLite {}; before 3.51.3, checkpoints could lose pages",
                Version(version)
            ),
            Self::WrittenByOldLibrary { version } => write!(
                f,
                "the database was last written by SQLite {}; before 3.51.3, checkpoints could \
                 lose pages",
                Version(version)
            ),
            Self::ReadOnly => f.write_str("the database could be opened for reading alone"),
        }
    }
}

struct Version(u32);

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(n) = *self;
        write!(f, "{}.{}.{}", n / 1_000_000, n / 1000 % 1000, n % 1000)
    }
}

/// Adds a notice, once.
pub(crate) fn note(notices: &mut Vec<Notice>, notice: Notice) {
    if !notices.contains(&notice) {
        notices.push(notice);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_spelt_as_people_know_them() {
        let notice = Notice::OldLibrary { version: 3_040_001 };
        assert!(notice.to_string().contains("SQLite 3.40.1;"), "{notice}");
    }
}
