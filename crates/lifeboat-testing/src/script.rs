//! A scripted store whose clients are remotes, as the repository wants them.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use lifeboat_remote::Remote;
use object_store::prefix::PrefixStore;

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

    /// Another world with the same objects, at the same time and place
    /// ([`ScriptedStore::fork`]).
    #[must_use]
    pub fn fork(&self) -> Self {
        Self { store: self.store.fork(), place: Arc::clone(&self.place) }
    }

    /// A handle on a folder, which is a place of its own: one client may use
    /// several, and its calls are counted together. Where the store does not
    /// honour conditions ([`ScriptedStore::ignore_conditions`]), it is to be found
    /// out; else no probe is needed.
    pub fn folder(&self, client: &str, folder: &str) -> Remote {
        let identity = format!("scripted://{:p}/{folder}", Arc::as_ptr(&self.place));
        let store = PrefixStore::new(self.store.client(client), folder);
        let remote = Remote::from_store(Arc::new(store), folder).with_identity(identity);
        if self.store.is_careless() { remote } else { remote.trusted() }
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
