//! A store on which a test decides what happens when: who waits, whose answer
//! is lost, who dies, which listing is stale. No clock but its own, no chance.
//!
//! One [`ScriptedStore`] is a world that any number of clients share. A rule
//! names a client, a kind of call and a part of the key, and holds for the next
//! matching call; **a key matches where it contains that part**, and the key of
//! a listing is its prefix with a slash at the end. Rules are used up in the
//! order in which they were made: a call takes at most one pause before it, one
//! fault and one pause after it, so these can be combined.
//!
//! ```
//! use lifeboat_testing::store::{Op, Outcome, ScriptedStore};
//! use object_store::{ObjectStoreExt, path::Path};
//!
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//! let world = ScriptedStore::new();
//! let (slow, quick) = (world.client("slow"), world.client("quick"));
//! let record = Path::from("records/1");
//!
//! let pause = world.pause("slow", Op::Put, "records/");
//! let (first, ()) = tokio::join!(slow.put(&record, "a".into()), async {
//!     pause.reached().await;
//!     quick.put(&record, "b".into()).await.expect("is let through");
//!     pause.release();
//! });
//! first?;
//! assert!(world.calls().iter().all(|call| call.outcome == Outcome::Ok));
//! # Ok::<(), object_store::Error>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod call;
mod client;
mod clock;
mod damage;
mod listing;
mod pause;
mod rule;
mod upload;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};

use object_store::ObjectStore;
use object_store::memory::InMemory;

pub use self::call::{Call, Op, Outcome};
pub use self::clock::START;
pub use self::pause::Pause;

use self::call::Calls;
use self::client::Client;
use self::clock::Clock;
use self::listing::Listing;
use self::rule::Rules;

/// The world that all clients share. Clones are the same world.
#[derive(Clone, Debug)]
pub struct ScriptedStore {
    inner: Arc<dyn ObjectStore>,
    /// The same, where it is in memory: that can be forked.
    memory: Option<Arc<InMemory>>,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    calls: Calls,
    rules: Rules,
    listings: BTreeMap<String, Listing>,
    clock: Clock,
    /// Conditions of puts are accepted and ignored.
    careless: bool,
    /// Clients of which every call waits until it is let go.
    gates: BTreeMap<String, Pause>,
    /// Folders that nobody reaches.
    down: BTreeSet<String>,
    /// What the next number of turns that a call waits for comes from.
    turns: Option<u64>,
}

impl ScriptedStore {
    /// An empty one, in memory.
    #[expect(clippy::new_without_default, reason = "a world is made on purpose")]
    pub fn new() -> Self {
        Self::in_memory(InMemory::new())
    }

    fn in_memory(memory: InMemory) -> Self {
        let memory = Arc::new(memory);
        Self { inner: memory.clone(), memory: Some(memory), state: Arc::default() }
    }

    /// Over another store. What lies there already counts as put at [`START`].
    pub fn over(inner: Arc<dyn ObjectStore>) -> Self {
        Self { inner, memory: None, state: Arc::default() }
    }

    /// Another world with the same objects, the same time, and listings that lie
    /// in the same way. What happens there does not happen here; rules, calls and
    /// deaths stay behind.
    ///
    /// # Panics
    ///
    /// Where the store is not in memory.
    #[must_use]
    pub fn fork(&self) -> Self {
        let memory = self.memory.as_ref().expect("only a world in memory is forked");
        let fork = Self::in_memory(memory.fork());
        {
            let (here, mut there) = (self.state(), fork.state());
            there.clock = here.clock.clone();
            there.listings.clone_from(&here.listings);
            (there.careless, there.turns) = (here.careless, here.turns);
        }
        fork
    }

    /// A handle whose calls bear a name: one for each actor of a test.
    pub fn client(&self, name: &str) -> Arc<dyn ObjectStore> {
        Arc::new(Client { world: self.clone(), name: name.to_owned() })
    }

    /// Every call since the start or the last [`Self::clear_calls`], in the
    /// order in which they arrived.
    pub fn calls(&self) -> Vec<Call> {
        self.state().calls.all()
    }

    /// How many of these calls were of one kind.
    pub fn count(&self, op: Op) -> usize {
        self.calls().iter().filter(|call| call.op == op).count()
    }

    /// The keys under which these calls created or overwrote something, also
    /// where the answer was lost.
    pub fn objects_put(&self) -> Vec<String> {
        let put = |call: &Call| {
            matches!(call.op, Op::Put | Op::Copy | Op::Complete)
                && matches!(call.outcome, Outcome::Ok | Outcome::Lost)
        };
        self.calls().into_iter().filter(put).map(|call| call.key).collect()
    }

    /// From now on "create it if it is not there" overwrites what is, without a
    /// word, as some stores do.
    pub fn ignore_conditions(&self) {
        self.state().careless = true;
    }

    /// Whether it does.
    pub(crate) fn is_careless(&self) -> bool {
        self.state().careless
    }

    /// From now on each call lets others go first, none to three times: calls that
    /// are made at once mix, in an order that follows from the seed.
    pub fn interleave(&self, seed: u64) {
        self.state().turns = Some(seed);
    }

    /// From now on every call of a client waits before anything becomes of it: each
    /// [`Pause::release`] lets one go. Rules that are made meanwhile hold for it.
    pub fn gate(&self, client: &str) -> Pause {
        let pause = Pause::new();
        self.state().gates.insert(client.to_owned(), pause.clone());
        pause
    }

    /// Nobody whose calls wait at a [gate](Self::gate) reaches this folder any more, or
    /// everybody does again: whoever only looks is not held up.
    pub fn set_down(&self, folder: &str, down: bool) {
        let state = &mut self.state();
        let folder = format!("{folder}/");
        let _ = if down { state.down.insert(folder) } else { state.down.remove(&folder) };
    }

    /// Forgets the calls so far.
    pub fn clear_calls(&self) {
        self.state().calls.clear();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics while holding it")
    }
}
