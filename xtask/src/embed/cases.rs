//! The cases of `cargo xtask embed`, as data.

/// A program that embeds Lifeboat.
pub(super) struct Case {
    /// What `--with` calls it.
    pub(super) name: &'static str,
    /// The crate of ours that it uses.
    pub(super) library: &'static str,
    /// Lines for its `[dependencies]`, beside the library.
    pub(super) beside: &'static str,
    /// The body of its `main.rs`.
    pub(super) source: &'static str,
    pub(super) expected: Expected,
}

/// What should come of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expected {
    Works,
    /// Cargo refuses, for a reason that is not ours to mend. If it works one
    /// day, the case fails, so that the documentation is mended.
    CannotWork {
        because: &'static str,
        /// Part of what cargo says, so that another failure does not pass for this one.
        saying: &'static str,
    },
}

/// Programs that bring an SQLite of their own. Only one crate with
/// `links = "sqlite3"` may be in a build, so that all of them must agree on one
/// libsqlite3-sys; that is why our range of rusqlite is wide.
pub(super) const BESIDE_SQLITE: &[Case] = &[
    beside(
        "sqlx-0.9",
        "sqlx = { version = \"0.9\", default-features = false, features = [\"sqlite\"] }",
        "let _ = std::any::type_name::<sqlx::SqlitePool>();",
    ),
    beside(
        "sqlx-0.8",
        "sqlx = { version = \"0.8\", default-features = false, features = [\"sqlite\"] }",
        "let _ = std::any::type_name::<sqlx::SqlitePool>();",
    ),
    beside(
        "diesel-2.3",
        // As the guide of diesel recommends, so that no system library is needed.
        "diesel = { version = \"2.3\", default-features = false, features = [\"sqlite\"] }\n\
         libsqlite3-sys = { version = \"*\", features = [\"bundled\"] }",
        "let _ = std::any::type_name::<diesel::SqliteConnection>();",
    ),
    beside("rusqlite-0.32", "rusqlite = \"0.32\"", RUSQLITE),
    beside("rusqlite-0.35", "rusqlite = \"0.35\"", RUSQLITE),
    beside("rusqlite-0.37", "rusqlite = \"0.37\"", RUSQLITE),
    beside("rusqlite-0.41", "rusqlite = \"0.41\"", RUSQLITE),
    Case {
        expected: Expected::CannotWork {
            because: "our range begins at 0.32, and two crates cannot both link sqlite3",
            saying: "links to the native library `sqlite3`",
        },
        ..beside("rusqlite-0.31", "rusqlite = \"0.31\"", RUSQLITE)
    },
];

const RUSQLITE: &str =
    "let _ = rusqlite::Connection::open_in_memory().map(|connection| connection.is_autocommit());";

const fn beside(name: &'static str, beside: &'static str, source: &'static str) -> Case {
    Case { name, library: "lifeboat", beside, source, expected: Expected::Works }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_case_has_a_name_of_its_own() {
        let names: BTreeSet<&str> = BESIDE_SQLITE.iter().map(|case| case.name).collect();
        assert_eq!(names.len(), BESIDE_SQLITE.len());
    }
}
