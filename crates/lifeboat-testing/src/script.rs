//! A store on which a test decides what happens when: who waits, whose answer
//! is lost, who dies, which listing is stale. No clock, no chance.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use lifeboat_remote::Remote;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, ObjectStoreExt, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use tokio::sync::Semaphore;

/// When objects were put, unless a test gives them an age: 2026-11-20 12:00 UTC,
/// in seconds since 1970.
const NOON: i64 = 1_795_176_000;

/// Kinds of calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Op {
    /// Create or overwrite.
    Put,
    /// Read, whole or in part.
    Get,
    /// Look for.
    Head,
    /// List.
    List,
    /// Delete.
    Delete,
}

/// A call that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// By whom.
    pub client: String,
    /// Of which kind.
    pub op: Op,
    /// Of which object, or below which prefix.
    pub key: String,
}

/// The world that all clients share.
#[derive(Clone, Debug)]
pub struct World {
    inner: Arc<InMemory>,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    calls: Vec<Call>,
    rules: Vec<Rule>,
    stale: BTreeMap<String, Vec<ObjectMeta>>,
    /// How long ago each object was put, where a test says so.
    ages: BTreeMap<String, Duration>,
}

#[derive(Debug)]
struct Rule {
    client: String,
    op: Option<Op>,
    /// The key must contain this.
    key: String,
    /// So many matching calls pass first.
    skip: usize,
    times: usize,
    what: What,
}

#[derive(Clone, Debug)]
enum What {
    Pause(Pause),
    LoseAnswer,
    Fail,
}

/// A call that waits until it is let go.
#[derive(Clone, Debug)]
pub struct Pause {
    reached: Arc<Semaphore>,
    released: Arc<Semaphore>,
}

impl Pause {
    /// Waits until the call is there.
    pub async fn reached(&self) {
        self.reached.acquire().await.expect("never closed").forget();
    }

    /// Lets the call go.
    pub fn release(&self) {
        self.released.add_permits(1);
    }
}

impl World {
    /// An empty one, in memory.
    #[expect(clippy::new_without_default, reason = "a world is made on purpose")]
    pub fn new() -> Self {
        Self { inner: Arc::new(InMemory::new()), state: Arc::default() }
    }

    /// A handle whose calls bear a name.
    pub fn client(&self, name: &str) -> Remote {
        let store = Client { world: self.clone(), name: name.to_owned() };
        let identity = format!("scripted://{:p}", Arc::as_ptr(&self.state));
        Remote::from_store(Arc::new(store), "scripted://").with_identity(identity)
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().expect("never poisoned")
    }

    fn rule(&self, client: &str, op: Option<Op>, key: &str, skip: usize, times: usize, what: What) {
        let (client, key) = (client.to_owned(), key.to_owned());
        self.state().rules.push(Rule { client, op, key, skip, times, what });
    }

    /// The next matching call waits before it is applied.
    pub fn pause(&self, client: &str, op: Op, key: &str) -> Pause {
        let pause =
            Pause { reached: Arc::new(Semaphore::new(0)), released: Arc::new(Semaphore::new(0)) };
        self.rule(client, Some(op), key, 0, 1, What::Pause(pause.clone()));
        pause
    }

    /// The next matching call is applied, and its answer lost.
    pub fn lose_answer(&self, client: &str, op: Op, key: &str) {
        self.rule(client, Some(op), key, 0, 1, What::LoseAnswer);
    }

    /// So many matching calls fail without being applied.
    pub fn fail(&self, client: &str, op: Op, key: &str, times: usize) {
        self.rule(client, Some(op), key, 0, times, What::Fail);
    }

    /// After so many more calls that change the store nothing of this client is
    /// applied any more: its process is dead.
    pub fn crash_after(&self, client: &str, changes: usize) {
        self.rule(client, None, "", changes, usize::MAX, What::Fail);
    }

    /// The client lives again, and no rule holds for it.
    pub fn revive(&self, client: &str) {
        self.state().rules.retain(|rule| rule.client != client);
    }

    /// Listings of this client show from now on what there is at this moment.
    pub async fn freeze_listings(&self, client: &str) {
        let all = self.inner.list(None).try_collect::<Vec<_>>().await.expect("lists");
        self.state().stale.insert(client.to_owned(), all);
    }

    /// The keys that contain a text.
    pub async fn keys(&self, part: &str) -> Vec<String> {
        let all = self.inner.list(None).try_collect::<Vec<_>>().await.expect("lists");
        let keys = all.iter().map(|meta| meta.location.to_string());
        keys.filter(|key| key.contains(part)).collect()
    }

    /// All objects were put so long ago.
    pub async fn age_all(&self, age: Duration) {
        for key in self.keys("").await {
            self.state().ages.insert(key, age);
        }
    }

    /// Takes an object away, behind everybody's back.
    pub async fn remove(&self, key: &str) {
        self.inner.delete(&Path::from(key)).await.expect("is there");
    }

    /// Changes the bytes of an object, behind everybody's back.
    pub async fn change(&self, key: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let path = Path::from(key);
        let bytes = self.inner.get(&path).await.expect("is there").bytes().await.expect("reads");
        let mut bytes = bytes.to_vec();
        change(&mut bytes);
        self.inner.put(&path, bytes.into()).await.expect("writes");
    }

    /// The calls since the last time this was asked.
    pub fn take_calls(&self) -> Vec<Call> {
        std::mem::take(&mut self.state().calls)
    }

    /// Notes a call, waits where it must, and says what becomes of it.
    async fn gate(&self, client: &str, op: Op, key: &str) -> Option<What> {
        let what = {
            let mut state = self.state();
            let call = Call { client: client.to_owned(), op, key: key.to_owned() };
            state.calls.push(call);
            let mut found = None;
            for rule in &mut state.rules {
                let changes = matches!(op, Op::Put | Op::Delete);
                let applies = rule.client == client
                    && rule.times > 0
                    && rule.op.map_or(changes, |wanted| wanted == op)
                    && key.contains(&rule.key);
                if !applies {
                    continue;
                }
                if rule.skip > 0 {
                    rule.skip -= 1;
                    continue;
                }
                rule.times -= 1;
                found = Some(rule.what.clone());
                break;
            }
            found
        };
        if let Some(What::Pause(pause)) = &what {
            pause.reached.add_permits(1);
            pause.released.acquire().await.expect("never closed").forget();
        }
        what
    }

    fn dated(&self, mut meta: ObjectMeta) -> ObjectMeta {
        let age = self.state().ages.get(meta.location.as_ref()).copied();
        let noon = chrono::DateTime::from_timestamp(NOON, 0);
        meta.last_modified = noon.expect("in range") - age.unwrap_or_default();
        meta
    }
}

#[derive(Debug)]
struct Client {
    world: World,
    name: String,
}

impl std::fmt::Display for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name)
    }
}

fn broken() -> Error {
    Error::Generic { store: "scripted", source: "the connection broke".into() }
}

impl Client {
    async fn call<T>(
        &self,
        op: Op,
        key: &str,
        apply: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        match self.world.gate(&self.name, op, key).await {
            Some(What::Fail) => Err(broken()),
            Some(What::LoseAnswer) => {
                let _ = apply.await;
                Err(broken())
            }
            Some(What::Pause(_)) | None => apply.await,
        }
    }
}

#[async_trait]
impl ObjectStore for Client {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        opts: PutOptions,
    ) -> Result<PutResult> {
        let apply = self.world.inner.put_opts(location, payload, opts);
        self.call(Op::Put, location.as_ref(), apply).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        opts: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.world.inner.put_multipart_opts(location, opts).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let op = if options.head { Op::Head } else { Op::Get };
        let apply = self.world.inner.get_opts(location, options);
        let mut got = self.call(op, location.as_ref(), apply).await?;
        got.meta = self.world.dated(got.meta);
        Ok(got)
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        let client = Self { world: self.world.clone(), name: self.name.clone() };
        let client = Arc::new(client);
        locations
            .then(move |location| {
                let client = Arc::clone(&client);
                async move {
                    let location = location?;
                    let apply = client.world.inner.delete(&location);
                    client.call(Op::Delete, location.as_ref(), apply).await?;
                    Ok(location)
                }
            })
            .boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let client = Self { world: self.world.clone(), name: self.name.clone() };
        let prefix = prefix.cloned();
        let listing = async move {
            let key = prefix.as_ref().map(ToString::to_string).unwrap_or_default();
            let fresh = client.world.inner.list(prefix.as_ref()).try_collect::<Vec<_>>();
            let fresh = client.call(Op::List, &key, fresh).await?;
            let stale = client.world.state().stale.get(&client.name).cloned();
            let shown = stale.map_or(fresh, |all| {
                all.into_iter().filter(|m| m.location.as_ref().starts_with(&key)).collect()
            });
            let dated = shown.into_iter().map(move |meta| Ok(client.world.dated(meta)));
            Ok::<_, Error>(futures::stream::iter(dated))
        };
        futures::stream::once(listing).try_flatten().boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let key = prefix.map(ToString::to_string).unwrap_or_default();
        self.call(Op::List, &key, self.world.inner.list_with_delimiter(prefix)).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.world.inner.copy_opts(from, to, options).await
    }
}
