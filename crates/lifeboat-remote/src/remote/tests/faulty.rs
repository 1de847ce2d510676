//! Stores that fail as they are told.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use object_store::list::{PaginatedListOptions, PaginatedListResult, PaginatedListStore};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetRange, GetResult, GetResultPayload, ListResult,
    MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutMultipartOptions,
    PutOptions, PutPayload, PutResult, Result,
};

use crate::remote::attempt::asked_to_wait;

#[derive(Debug, Default)]
struct Orders {
    /// Errors of puts, and whether the object is there all the same.
    puts: VecDeque<(Error, bool)>,
    wait: Option<Duration>,
    no_conditions: bool,
    each_item: Duration,
    break_after: Option<usize>,
    cut_answers: Option<usize>,
    /// What was asked for of objects.
    asked: Vec<Option<GetRange>>,
}

/// A store in memory that fails as it is told.
#[derive(Debug, Default)]
pub(super) struct Faulty {
    inner: InMemory,
    orders: Mutex<Orders>,
}

impl Faulty {
    pub(super) async fn holding(keys: &[String]) -> Self {
        let faulty = Self::default();
        for key in keys {
            faulty.inner.put(&Path::from(key.as_str()), "x".into()).await.expect("puts");
        }
        faulty
    }

    fn orders(&self) -> MutexGuard<'_, Orders> {
        self.orders.lock().expect("no test has failed in it")
    }

    pub(super) fn fail_puts(&self, errors: impl IntoIterator<Item = Error>) {
        self.orders().puts.extend(errors.into_iter().map(|error| (error, false)));
    }

    pub(super) fn lose_answers(&self, errors: impl IntoIterator<Item = Error>) {
        self.orders().puts.extend(errors.into_iter().map(|error| (error, true)));
    }

    pub(super) fn ask_to_wait(&self, time: Duration) {
        self.orders().wait = Some(time);
    }

    pub(super) fn refuse_conditions(&self) {
        self.orders().no_conditions = true;
    }

    /// Listings and deletions take so long for each object.
    pub(super) fn each_item(&self, time: Duration) {
        self.orders().each_item = time;
    }

    /// Listings and deletions break off after so many objects.
    pub(super) fn break_after(&self, count: usize) {
        self.orders().break_after = Some(count);
    }

    /// Every answer breaks off after so many bytes.
    pub(super) fn cut_answers(&self, at: usize) {
        self.orders().cut_answers = Some(at);
    }

    /// The ranges that were asked for since the last time; 0..0 where it was the
    /// whole.
    pub(super) fn asked(&self) -> Vec<Range<u64>> {
        let asked = std::mem::take(&mut self.orders().asked);
        let range = |asked| match asked {
            Some(GetRange::Bounded(range)) => range,
            _ => 0..0,
        };
        asked.into_iter().map(range).collect()
    }

    pub(super) async fn is_empty(&self) -> bool {
        self.inner.list(None).next().await.is_none()
    }

    /// The stream, slowed down and broken off.
    fn marred<T: Send + 'static>(
        &self,
        stream: impl futures::Stream<Item = Result<T>> + Send + 'static,
    ) -> BoxStream<'static, Result<T>> {
        let (time, count) = {
            let orders = self.orders();
            (orders.each_item, orders.break_after)
        };
        let slow = stream.then(move |item| async move {
            tokio::time::sleep(time).await;
            item
        });
        match count {
            None => slow.boxed(),
            Some(count) => slow.take(count).chain(futures::stream::iter([Err(broken())])).boxed(),
        }
    }
}

fn broken() -> Error {
    Error::Generic { store: "faulty", source: "broken pipe".into() }
}

impl fmt::Display for Faulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("faulty")
    }
}

#[async_trait::async_trait]
impl ObjectStore for Faulty {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> Result<PutResult> {
        let (order, wait) = {
            let mut orders = self.orders();
            if orders.no_conditions && options.mode != PutMode::Overwrite {
                let operation = "conditional put".to_owned();
                return Err(Error::NotImplemented { operation, implementer: "faulty".to_owned() });
            }
            (orders.puts.pop_front(), orders.wait)
        };
        let Some((error, stored)) = order else {
            return self.inner.put_opts(location, payload, options).await;
        };
        if stored {
            self.inner.put_opts(location, payload, options).await?;
        }
        if let Some(time) = wait {
            asked_to_wait(time);
        }
        Err(error)
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let cut = {
            let mut orders = self.orders();
            orders.asked.push(options.range.clone());
            orders.cut_answers
        };
        let got = self.inner.get_opts(location, options).await?;
        let (meta, range) = (got.meta.clone(), got.range.clone());
        let (attributes, extensions) = (got.attributes.clone(), got.extensions.clone());
        let bytes = got.bytes().await?;
        let parts = match cut {
            Some(at) if at < bytes.len() => vec![Ok(bytes.slice(..at)), Err(broken())],
            _ => vec![Ok(bytes)],
        };
        let payload = GetResultPayload::Stream(futures::stream::iter(parts).boxed());
        Ok(GetResult { payload, meta, range, attributes, extensions })
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        // Broken off before they are deleted: what is not asked for stays.
        self.inner.delete_stream(self.marred(locations))
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.marred(self.inner.list(prefix))
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

/// Listings in pages, each of which takes its time and fails so often before it
/// comes.
#[derive(Debug)]
pub(super) struct Book {
    objects: Vec<ObjectMeta>,
    len: usize,
    time: Duration,
    failures: u32,
    failed: Mutex<HashMap<(bool, usize), u32>>,
}

impl Book {
    /// Holds keys below the prefix `p`, and one beside it.
    pub(super) async fn new(
        keys: &[String],
        len: usize,
        time: Duration,
        failures: u32,
    ) -> Arc<Self> {
        let store = InMemory::new();
        for key in keys {
            store.put(&Path::from(format!("p/{key}")), "x".into()).await.expect("puts");
        }
        store.put(&Path::from("p2/a/0000"), "x".into()).await.expect("puts");
        let objects = store.list(None).try_collect().await.expect("lists");
        Arc::new(Self { objects, len, time, failures, failed: Mutex::default() })
    }
}

#[async_trait::async_trait]
impl PaginatedListStore for Book {
    async fn list_paginated(
        &self,
        prefix: Option<&str>,
        options: PaginatedListOptions,
    ) -> Result<PaginatedListResult> {
        tokio::time::sleep(self.time).await;
        let prefix = prefix.unwrap_or_default();
        let begin: usize = options.page_token.as_deref().map_or(0, |t| t.parse().expect("ours"));
        {
            let mut failed = self.failed.lock().expect("no test has failed in it");
            let failed = failed.entry((options.offset.is_some(), begin)).or_default();
            if *failed < self.failures {
                *failed += 1;
                return Err(broken());
            }
        }
        // As some stores do: from the offset on, itself included.
        let offset = options.offset.unwrap_or_default();
        let wanted: Vec<&ObjectMeta> = self
            .objects
            .iter()
            .filter(|meta| meta.location.as_ref().starts_with(prefix))
            .filter(|meta| meta.location.as_ref() >= offset.as_str())
            .collect();
        let end = (begin + self.len).min(wanted.len());
        let page = &wanted[begin..end];
        let (mut objects, mut common_prefixes) = (Vec::new(), Vec::new());
        for meta in page {
            match meta.location.as_ref()[prefix.len()..].split_once('/') {
                Some((folder, _)) if options.delimiter.is_some() => {
                    common_prefixes.push(Path::from(format!("{prefix}{folder}")));
                }
                _ => objects.push((*meta).clone()),
            }
        }
        let result = ListResult { common_prefixes, objects, extensions: Default::default() };
        let page_token = (end < wanted.len()).then(|| end.to_string());
        Ok(PaginatedListResult { result, page_token })
    }
}
