//! What a store must do to hold backups, as a list that any store can be held to.
//!
//! ```
//! use lifeboat_remote::Remote;
//! use lifeboat_remote::conformance::{Options, run};
//!
//! # let runtime = tokio::runtime::Builder::new_current_thread().build()?;
//! # runtime.block_on(async {
//! let report = run(&Remote::memory(), &Options::new(std::time::SystemTime::now())).await;
//! assert!(report.conforms(), "{report}");
//! # });
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod contents;
mod folders;
mod writers;

use std::fmt;
use std::time::SystemTime;

use crate::error::RemoteError;
use crate::random;
use crate::remote::Remote;

/// Below which everything is put, and swept.
const FOLDER: &str = "conformance";

/// How a store is held to the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Options {
    /// How many objects make a long listing: more than 1,000, which is a page on
    /// most stores.
    pub many: usize,
    /// The size of a large object in bytes: 16 MiB, the largest that is put in one
    /// request.
    pub large: usize,
    /// How many writers agree in rounds at once.
    pub writers: usize,
    /// The time on this machine.
    pub now: SystemTime,
}

impl Options {
    /// The usual.
    pub fn new(now: SystemTime) -> Self {
        Self { many: 1005, large: 16 * 1024 * 1024, writers: 4, now }
    }

    /// With another number of objects in the long listing, where each costs a flush
    /// of a disk.
    #[must_use]
    pub fn with_many(mut self, many: usize) -> Self {
        self.many = many;
        self
    }
}

/// What came of one point of the list.
#[derive(Debug)]
#[non_exhaustive]
pub enum Outcome {
    /// It holds.
    Held,
    /// It does not, and Lifeboat does without: how.
    DoneWithout(&'static str),
    /// It does not: what happened instead.
    Broken(String),
    /// The store failed before it was known.
    Failed(RemoteError),
}

/// One point of the list.
#[derive(Debug)]
#[non_exhaustive]
pub struct Point {
    /// What a store must do.
    pub name: &'static str,
    /// What came of it.
    pub outcome: Outcome,
}

/// All points, in the order of the list.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Report {
    /// Each of them.
    pub points: Vec<Point>,
}

impl Report {
    /// Whether backups can lie in the store: nothing is broken, and nothing
    /// failed.
    pub fn conforms(&self) -> bool {
        self.points
            .iter()
            .all(|point| matches!(point.outcome, Outcome::Held | Outcome::DoneWithout(_)))
    }

    fn add(&mut self, name: &'static str, outcome: Outcome) {
        self.points.push(Point { name, outcome });
    }

    /// Adds what a check says: nothing, or what happened instead.
    fn checked(&mut self, name: &'static str, said: Result<Option<String>, RemoteError>) {
        self.add(
            name,
            match said {
                Ok(None) => Outcome::Held,
                Ok(Some(instead)) => Outcome::Broken(instead),
                Err(error) => Outcome::Failed(error),
            },
        );
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Point { name, outcome } in &self.points {
            match outcome {
                Outcome::Held => writeln!(f, "held     {name}")?,
                Outcome::DoneWithout(how) => writeln!(f, "without  {name}: {how}")?,
                Outcome::Broken(instead) => writeln!(f, "BROKEN   {name}: {instead}")?,
                Outcome::Failed(error) => writeln!(f, "FAILED   {name}: {error}")?,
            }
        }
        Ok(())
    }
}

/// Holds a store to the list.
///
/// Works below `conformance/` and `probes/` and sweeps there. Cancelled, or where
/// deletes are refused, it leaves objects there. The remote and its clones have
/// [learned](Remote::learn) afterwards what keeps writers apart.
pub async fn run(remote: &Remote, options: &Options) -> Report {
    let mut report = Report::default();
    let word = match random::token() {
        Ok(word) => word,
        Err(error) => {
            report.add("a random name can be drawn", Outcome::Failed(error));
            return report;
        }
    };
    let run = Run { remote, folder: format!("{FOLDER}/{word}"), options };
    run.writers(&mut report).await;
    run.contents(&mut report).await;
    run.folders(&mut report).await;
    report
}

struct Run<'a> {
    remote: &'a Remote,
    folder: String,
    options: &'a Options,
}

impl Run<'_> {
    fn key(&self, name: impl fmt::Display) -> String {
        format!("{}/{name}", self.folder)
    }
}
