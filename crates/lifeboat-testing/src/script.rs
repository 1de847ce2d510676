//! A scripted store whose clients are remotes, as the repository wants them.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use lifeboat_remote::Remote;

pub use crate::store::{Call, Op, Outcome, Pause};

use crate::store::ScriptedStore;

/// A [`ScriptedStore`], and all that it can be told, where it is noon: its
/// clients are remotes, and all of them know it for one place.
#[derive(Clone, Debug)]
pub struct World {
    store: ScriptedStore,
    place: Arc<()>,
}

impl Deref for World {
    type Target = ScriptedStore;

    fn deref(&self) -> &ScriptedStore {
        &self.store
    }
}

impl World {
    /// An empty one, in memory; 2026-11-20 12:00 UTC.
    #[expect(clippy::new_without_default, reason = "a world is made on purpose")]
    pub fn new() -> Self {
        let store = ScriptedStore::new();
        store.advance(Duration::from_secs(2 * 3600));
        Self { store, place: Arc::new(()) }
    }

    /// A handle whose calls bear a name, and which takes the store for one that
    /// needs no probe.
    pub fn client(&self, name: &str) -> Remote {
        self.stranger(name).trusted()
    }

    /// A handle whose calls bear a name, and which does not know what the store
    /// does.
    pub fn stranger(&self, name: &str) -> Remote {
        let identity = format!("scripted://{:p}", Arc::as_ptr(&self.place));
        Remote::from_store(self.store.client(name), "scripted://").with_identity(identity)
    }

    /// Listings of this client show from now on what there is at this moment.
    pub async fn freeze_listings(&self, client: &str) {
        self.stale_listing(client).await;
    }

    /// All objects were put so long ago.
    pub async fn age_all(&self, age: Duration) {
        self.set_age("", age).await;
    }

    /// Changes the bytes of an object, behind everybody's back.
    pub async fn change(&self, key: &str, change: impl FnOnce(&mut Vec<u8>)) {
        self.corrupt(key, change).await;
    }

    /// The calls since the last time this was asked.
    pub fn take_calls(&self) -> Vec<Call> {
        let calls = self.calls();
        self.clear_calls();
        calls
    }
}
