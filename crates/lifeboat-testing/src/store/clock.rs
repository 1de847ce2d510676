//! The time of the world, which passes when a test says so.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use object_store::ObjectMeta;

use super::ScriptedStore;

/// When a world begins, in seconds since 1970: 2026-11-20 10:00 UTC.
pub const START: i64 = 1_795_168_800;

#[derive(Clone, Debug)]
pub(super) struct Clock {
    now: DateTime<Utc>,
    put: BTreeMap<String, DateTime<Utc>>,
}

impl Default for Clock {
    fn default() -> Self {
        Self { now: start(), put: BTreeMap::new() }
    }
}

fn start() -> DateTime<Utc> {
    DateTime::from_timestamp(START, 0).expect("in range")
}

impl Clock {
    pub(super) fn put(&mut self, key: &str) {
        self.put.insert(key.to_owned(), self.now);
    }

    /// With the time of this world instead of that of the store below.
    pub(super) fn dated(&self, mut meta: ObjectMeta) -> ObjectMeta {
        let put = self.put.get(meta.location.as_ref()).copied();
        meta.last_modified = put.unwrap_or_else(start);
        meta
    }
}

impl ScriptedStore {
    /// What time it is: objects put now bear it as their time of change.
    pub fn now(&self) -> DateTime<Utc> {
        self.state().clock.now
    }

    /// Time passes.
    pub fn advance(&self, by: Duration) {
        self.state().clock.now += by;
    }

    /// All objects whose keys contain a text were put so long ago.
    pub async fn set_age(&self, key: &str, age: Duration) {
        let keys = self.keys(key).await;
        let clock = &mut self.state().clock;
        let put = clock.now - age;
        clock.put.extend(keys.into_iter().map(|key| (key, put)));
    }
}
