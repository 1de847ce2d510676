//! One store and all rules about it: only together they say what is orphaned.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use lifeboat_remote::Remote;

use crate::error::LinksError;
use crate::mention::Mentions;
use crate::sort::{Entry, Sorted, Sorter};

/// How links are compared.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// Where temporary files are made; it must be there, and private.
    pub scratch: PathBuf,
    /// The memory for sorting, in bytes.
    pub memory: usize,
    /// Objects that are younger count as about to be mentioned.
    pub grace: Duration,
    /// The time, in seconds since 1970.
    pub now: i64,
    /// The folder of the store to which orphaned objects are moved.
    pub quarantine: String,
}

impl Options {
    /// The usual ones.
    pub fn new(scratch: impl Into<PathBuf>, now: i64) -> Self {
        Self {
            scratch: scratch.into(),
            memory: 12 * 1024 * 1024,
            grace: Duration::from_secs(24 * 3600),
            now,
            quarantine: ".lifeboat/quarantine".to_owned(),
        }
    }

    /// Whether something that was put at a time is younger than the grace.
    pub(crate) fn is_young(&self, modified: i64) -> bool {
        let grace = i64::try_from(self.grace.as_secs()).unwrap_or(i64::MAX);
        self.now.saturating_sub(modified) < grace
    }

    pub(crate) fn scratch(&self, source: std::io::Error) -> LinksError {
        LinksError::Scratch { path: self.scratch.clone(), source }
    }
}

/// A store, and whoever mentions objects in it.
#[derive(Clone)]
pub struct Group {
    pub(crate) store: Remote,
    pub(crate) sources: Vec<Arc<dyn Mentions>>,
    pub(crate) options: Options,
}

impl Group {
    /// All rules about a store, in the order of their positions.
    pub fn new(store: Remote, sources: Vec<Arc<dyn Mentions>>, options: Options) -> Self {
        Self { store, sources, options }
    }

    /// The store.
    pub fn store(&self) -> &Remote {
        &self.store
    }

    /// Whoever mentions objects in it.
    pub fn sources(&self) -> &[Arc<dyn Mentions>] {
        &self.sources
    }

    pub(crate) fn sorter(&self) -> Sorter {
        Sorter::new(&self.options.scratch, self.options.memory)
    }
}

/// Sorted entries, with the present one at hand.
pub(crate) struct Cursor {
    sorted: Sorted,
    pub(crate) entry: Entry,
    pub(crate) there: bool,
}

impl Cursor {
    pub(crate) fn new(sorted: Sorted) -> std::io::Result<Self> {
        let mut cursor = Self { sorted, entry: Entry::default(), there: true };
        cursor.advance()?;
        Ok(cursor)
    }

    pub(crate) fn advance(&mut self) -> std::io::Result<()> {
        self.there = self.sorted.advance(&mut self.entry)?;
        Ok(())
    }

    /// Passes over all entries with the present key.
    pub(crate) fn next_key(&mut self) -> std::io::Result<()> {
        let key = self.entry.key.clone();
        while self.there && self.entry.key == key {
            self.advance()?;
        }
        Ok(())
    }

    pub(crate) fn key(&self) -> Option<&[u8]> {
        self.there.then_some(&self.entry.key)
    }
}
