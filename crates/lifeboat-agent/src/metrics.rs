//! Figures of what happens, for Prometheus and whatever reads its format.
//!
//! [`Metrics`] counts; with the feature `metrics` it also prints. Names are in
//! `docs/monitoring.md`.

#[cfg(feature = "metrics")]
mod process;
#[cfg(feature = "metrics")]
mod render;
mod state;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use time::OffsetDateTime;

use crate::event::Event;
use crate::health::Following;
use state::State;

/// So many databases have figures of their own.
const MOST_DATABASES: usize = 1000;

/// What was counted; clones count together.
#[derive(Clone, Debug)]
pub struct Metrics {
    state: Arc<Mutex<State>>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// The type of what [`render`](Self::render) returns, for `Content-Type`.
    pub const CONTENT_TYPE: &'static str =
        "application/openmetrics-text; version=1.0.0; charset=utf-8";

    /// Nothing counted yet.
    pub fn new() -> Self {
        Self::with_limit(MOST_DATABASES)
    }

    /// At most so many databases have figures of their own; sums are over all.
    pub fn with_limit(most: usize) -> Self {
        Self { state: Arc::new(Mutex::new(State::new(most, OffsetDateTime::now_utc()))) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A database that is watched, of which nothing was heard yet.
    pub fn insert(&self, database: &str) {
        self.state().databases.entry(database.to_owned()).or_default();
    }

    /// Forgets databases that are no longer there.
    pub fn retain(&self, is_there: impl Fn(&str) -> bool) {
        self.state().retain(is_there);
    }

    /// Takes note of what happened.
    pub fn hear(&self, event: &Event) {
        self.state().hear(event);
    }

    /// When a database is backed up next; not known while it is.
    pub fn next_run(&self, database: &str, at: Option<OffsetDateTime>) {
        if let Some(database) = self.state().databases.get_mut(database) {
            database.next_run = at;
        }
    }

    /// How the commits of a database are followed; none where they are not to be.
    pub fn following(&self, database: &str, following: Option<Following>) {
        if let Some(database) = self.state().databases.get_mut(database) {
            database.following = following;
        }
    }

    /// A way that messages go.
    pub fn channel(&self, name: &'static str) {
        self.state().channels.entry(name).or_default();
    }

    /// A message was sent, or was not.
    pub fn sent(&self, channel: &'static str, arrived: bool) {
        let mut state = self.state();
        let counts = state.channels.entry(channel).or_default();
        if arrived {
            counts.sent += 1;
        } else {
            counts.failed += 1;
        }
    }

    /// So many events were not heard.
    pub fn missed(&self, events: u64) {
        self.state().missed += events;
    }

    /// All figures, as text; nothing without the feature `metrics`.
    pub(crate) fn text(&self) -> Option<String> {
        #[cfg(feature = "metrics")]
        return Some(render::classic(&self.render()));
        #[cfg(not(feature = "metrics"))]
        return None;
    }

    /// All figures in the text format of OpenMetrics.
    #[cfg(feature = "metrics")]
    pub fn render(&self) -> String {
        render::render(self.clone())
    }

    /// All figures in the older text format of Prometheus, which node_exporter's
    /// textfile collector reads.
    #[cfg(feature = "metrics")]
    pub fn render_classic(&self) -> String {
        render::classic(&self.render())
    }
}
