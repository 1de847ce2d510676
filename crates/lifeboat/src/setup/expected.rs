//! What the settings expect of a database, and when somebody should worry.

use std::time::Duration;

use lifeboat_agent::Limits;

use super::{Setup, Target};
use crate::health::Expected;

impl Setup {
    /// When to worry.
    pub fn limits(&self) -> Limits {
        let configured = &self.configuration.settings().health;
        let long = |duration: Option<Duration>| duration.and_then(|it| it.try_into().ok());
        Limits {
            warn_age: long(configured.warn_age),
            max_age: long(configured.max_age),
            max_verify_age: long(configured.max_verify_age),
            max_drill_age: long(configured.max_drill_age),
            min_free_space: configured.min_free_space,
            ..Limits::default()
        }
    }

    /// What is expected of a database: much of one that is configured, less of one
    /// that is only stored.
    pub fn expected(&self, name: &str, target: Option<&Target>) -> Expected {
        let mut expected = Expected::new(name);
        let settings = self.configuration.settings();
        let Some(target) = target else { return expected };
        if let Ok(schedule) = self.schedule(target) {
            expected = expected.by(&schedule);
        }
        expected.path = Some(self.environment.directory().join(&target.path));
        expected.places.clone_from(&target.places);
        let own = target.index.and_then(|at| settings.databases[at].retention.as_ref());
        expected.max_bytes = own.or(settings.retention.as_ref()).and_then(|keep| keep.max_bytes);
        expected
    }
}
