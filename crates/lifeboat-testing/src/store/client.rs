//! One actor's handle: every call is noted, and meets its fate.

use async_trait::async_trait;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetRange, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, ObjectStoreExt, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult,
    Result,
};

use super::listing::folded;
use super::rule::Fault;
use super::upload::Upload;
use super::{Call, Op, Outcome, ScriptedStore};

#[derive(Clone, Debug)]
pub(super) struct Client {
    pub(super) world: ScriptedStore,
    pub(super) name: String,
}

impl std::fmt::Display for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "scripted for {}", self.name)
    }
}

/// What a client asks for.
pub(super) struct Asked<'a> {
    pub(super) op: Op,
    pub(super) key: &'a str,
    pub(super) range: Option<GetRange>,
    pub(super) sent: usize,
}

impl<'a> Asked<'a> {
    pub(super) fn new(op: Op, key: &'a Path) -> Self {
        Self { op, key: key.as_ref(), range: None, sent: 0 }
    }
}

fn broken() -> Error {
    Error::Generic { store: "scripted", source: "the connection broke".into() }
}

impl Client {
    /// Notes a call, holds it up where it must wait, and applies it or not.
    /// `received` says how many bytes of content an answer brings.
    pub(super) async fn call<T>(
        &self,
        asked: Asked<'_>,
        apply: impl Future<Output = Result<T>>,
        received: impl FnOnce(&T) -> u64,
    ) -> Result<T> {
        let Asked { op, key, range, sent } = asked;
        let gate = self.world.state().gates.get(&self.name).cloned();
        if let Some(gate) = gate {
            gate.wait().await;
        }
        let (number, fate) = {
            let mut state = self.world.state();
            let (client, key_noted) = (self.name.clone(), key.to_owned());
            let (outcome, bytes) = (Outcome::Pending, sent as u64);
            let call = Call { client, op, key: key_noted, range, outcome, bytes };
            let number = state.calls.begin(call);
            let slash = if op == Op::List { "/" } else { "" };
            (number, state.rules.fate(&self.name, op, &format!("{key}{slash}")))
        };
        if let Some(pause) = &fate.before {
            pause.wait().await;
        }
        self.let_others_go_first().await;
        let dead = self.is_dead() && !fate.last;
        let refusal = match fate.fault {
            Some(Fault::Fail) => Some(broken()),
            _ if dead || self.is_down(key) => Some(broken()),
            Some(Fault::Refuse) => Some(Error::PermissionDenied {
                path: key.to_owned(),
                source: "refused by the script".into(),
            }),
            Some(Fault::LoseAnswer) | None => None,
        };
        if let Some(error) = refusal {
            self.world.state().calls.end(number, Outcome::Error, 0);
            return Err(error);
        }

        let result = apply.await;
        let mut lost = fate.fault == Some(Fault::LoseAnswer) || fate.last;
        self.applied(number, op, key, &result, lost, received);
        if let Some(pause) = &fate.after {
            pause.wait().await;
            if self.is_dead() && !lost {
                lost = true;
                let outcome = if result.is_ok() { Outcome::Lost } else { Outcome::of(&result) };
                self.world.state().calls.end(number, outcome, 0);
            }
        }
        if lost { Err(broken()) } else { result }
    }

    fn applied<T>(
        &self,
        number: u64,
        op: Op,
        key: &str,
        result: &Result<T>,
        lost: bool,
        received: impl FnOnce(&T) -> u64,
    ) {
        let mut state = self.world.state();
        if result.is_ok() && op.changes() && op != Op::Delete {
            state.clock.put(key);
        }
        let outcome = match Outcome::of(result) {
            Outcome::Ok if lost => Outcome::Lost,
            outcome => outcome,
        };
        state.calls.end(number, outcome, result.as_ref().map_or(0, received));
    }

    async fn let_others_go_first(&self) {
        let turns = {
            let mut state = self.world.state();
            let Some(seed) = state.turns.as_mut() else { return };
            // Knuth's numbers for a linear congruential generator; the high bits are good.
            *seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            *seed >> 62
        };
        for _ in 0..turns {
            let mut waited = false;
            std::future::poll_fn(|context| {
                if std::mem::replace(&mut waited, true) {
                    return std::task::Poll::Ready(());
                }
                context.waker().wake_by_ref();
                std::task::Poll::Pending
            })
            .await;
        }
    }

    fn is_dead(&self) -> bool {
        self.world.state().rules.is_dead(&self.name)
    }

    fn is_down(&self, key: &str) -> bool {
        let state = self.world.state();
        let reaches = |folder: &String| key.starts_with(folder) || *folder == format!("{key}/");
        state.gates.contains_key(&self.name) && state.down.iter().any(reaches)
    }

    async fn listed(&self, prefix: Option<&Path>) -> Result<Vec<ObjectMeta>> {
        let key = prefix.cloned().unwrap_or_default();
        self.call(Asked::new(Op::List, &key), self.shown(prefix), |_| 0).await
    }
}

#[async_trait]
impl ObjectStore for Client {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        mut opts: PutOptions,
    ) -> Result<PutResult> {
        if self.world.state().careless && opts.mode == PutMode::Create {
            opts.mode = PutMode::Overwrite;
        }
        let asked = Asked { sent: payload.content_length(), ..Asked::new(Op::Put, location) };
        self.call(asked, self.world.inner.put_opts(location, payload, opts), |_| 0).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        opts: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let apply = self.world.inner.put_multipart_opts(location, opts);
        let inner = self.call(Asked::new(Op::Begin, location), apply, |_| 0).await?;
        Ok(Box::new(Upload::new(self.clone(), location.clone(), inner)))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let op = if options.head { Op::Head } else { Op::Get };
        let asked = Asked { range: options.range.clone(), ..Asked::new(op, location) };
        // Conditions on times are about the times of this world.
        let mut below = options.clone();
        (below.if_modified_since, below.if_unmodified_since) = (None, None);
        let apply = async {
            let mut got = self.world.inner.get_opts(location, below).await?;
            got.meta = self.world.state().clock.dated(got.meta);
            options.check_preconditions(&got.meta)?;
            Ok(got)
        };
        let received =
            |got: &GetResult| if options.head { 0 } else { got.range.end - got.range.start };
        self.call(asked, apply, received).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        let client = self.clone();
        let delete = move |location: Result<Path>| {
            let client = client.clone();
            async move {
                let location = location?;
                let apply = client.world.inner.delete(&location);
                client.call(Asked::new(Op::Delete, &location), apply, |()| 0).await?;
                Ok(location)
            }
        };
        locations.then(delete).boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let (client, prefix) = (self.clone(), prefix.cloned());
        let listing = async move {
            let listed = client.listed(prefix.as_ref()).await?;
            Ok::<_, Error>(futures::stream::iter(listed.into_iter().map(Ok)))
        };
        futures::stream::once(listing).try_flatten().boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        Ok(folded(self.listed(prefix).await?, prefix))
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        let apply = self.world.inner.copy_opts(from, to, options);
        self.call(Asked::new(Op::Copy, to), apply, |()| 0).await
    }
}
