//! What has destroyed other people's backups, the tests that keep it out of here, and
//! how each of them was seen to fail.

mod people;
mod sqlite;
mod stores;

use super::Break;

/// A failure that tools of this field have shipped.
pub(super) struct Hazard {
    pub(super) number: u8,
    /// What happens.
    pub(super) what: &'static str,
    /// The tests, of which the first says most.
    pub(super) tests: &'static [&'static str],
    /// How to take its guard out.
    pub(super) guard: Break,
}

impl Hazard {
    /// The line of docs/reliability.md.
    pub(super) fn row(&self) -> String {
        let tests: Vec<String> = self.tests.iter().map(|test| format!("`{test}`")).collect();
        let Self { number, what, guard, .. } = self;
        format!("| {number} | {what} | {} | {} |", tests.join(", "), guard.what)
    }
}

const fn hazard(
    number: u8,
    what: &'static str,
    tests: &'static [&'static str],
    guard: Break,
) -> Hazard {
    Hazard { number, what, tests, guard }
}

/// The package, the test, the file, and what becomes of a line of it.
const fn without(
    (package, test): (&'static str, &'static str),
    file: &'static str,
    (from, to): (&'static str, &'static str),
    what: &'static str,
) -> Break {
    Break { what, file, from, to, package, test }
}

const SNAPSHOT: &str = "lifeboat-snapshot";
const SQLITE: &str = "lifeboat-sqlite";
const FORMAT: &str = "lifeboat-format";
const REPOSITORY: &str = "lifeboat-repository";
const REMOTE: &str = "lifeboat-remote";
const WAL: &str = "lifeboat-wal";
const AGENT: &str = "lifeboat-agent";
const CONFIG: &str = "lifeboat-config";
/// Runs the binary, which is built before.
pub(super) const END_TO_END: &str = "lifeboat-end-to-end";

/// All of them, in their order.
pub(super) fn all() -> impl Iterator<Item = &'static Hazard> {
    [sqlite::ALL, stores::ALL, people::ALL].into_iter().flatten()
}
