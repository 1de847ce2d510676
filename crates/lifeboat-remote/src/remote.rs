//! One store, and how its operations are carried out.

mod arriving;
mod attempt;
mod create;
mod directory;
mod list;
mod object;
mod read;

use std::path::Path as FilePath;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use object_store::ObjectStore;
use object_store::path::Path;
use tokio::sync::Semaphore;
use tokio::time::Instant;

pub(crate) use self::attempt::{Carried, Doing};
#[cfg(any(test, feature = "http-stores"))]
pub(crate) use self::attempt::{Course, asked_to_wait};
pub use self::create::Created;
pub use self::list::Listed;
pub(crate) use self::list::Pages;
pub(crate) use self::object::SentAs;

use crate::clock::StoreClock;
use crate::fencing::Known;
use crate::limit::TimeLimit;
#[cfg(feature = "aws")]
use crate::open::AboutBucket;
use crate::options::RemoteOptions;
use crate::pace::Pacer;
use crate::retry::RetryPolicy;
use crate::signing::Signing;
use crate::upload::Parts;

/// A store, opened.
///
/// Cheap to clone; clones share limits and counts. All operations are safe to
/// cancel: a cancelled read leaves nothing, a cancelled create leaves the object
/// whole or not at all.
///
/// A store elsewhere is asked again when a call fails that may succeed later,
/// until the budget of its [`RetryPolicy`] is used up. Stores that the caller
/// made, directories and memory are asked once. The store behind an operation
/// that retries or limits speed runs on tokio with its time driver.
#[derive(Clone, Debug)]
pub struct Remote {
    store: Arc<dyn ObjectStore>,
    shown: Arc<str>,
    identity: Arc<str>,
    requests: Arc<AtomicU64>,
    retry: Option<RetryPolicy>,
    limit: TimeLimit,
    permits: Option<Arc<Semaphore>>,
    concurrency: usize,
    up: Option<Arc<Pacer>>,
    down: Option<Arc<Pacer>>,
    attributes: bool,
    storage_class: Option<Arc<str>>,
    directory: Option<Arc<FilePath>>,
    parts: Option<Parts>,
    pages: Option<Pages>,
    fencing: Known,
    trusted: bool,
    #[cfg(feature = "aws")]
    bucket: Option<Arc<AboutBucket>>,
    signing: Option<Signing>,
    clock: StoreClock,
    /// When it was last said that this store is waited for.
    told: Arc<Mutex<Option<Instant>>>,
}

impl Remote {
    /// Uses a store that the caller made. `shown` is how people know it, and by
    /// default also how it is recognised from one run to the next. A repository
    /// that is made there probes it first, unless it is [`trusted`](Self::trusted).
    pub fn from_store(store: Arc<dyn ObjectStore>, shown: &str) -> Self {
        let options = RemoteOptions::default();
        Self {
            store,
            shown: shown.into(),
            identity: shown.into(),
            requests: Arc::default(),
            retry: None,
            limit: TimeLimit::new(&options),
            permits: None,
            concurrency: options.max_concurrency,
            up: None,
            down: None,
            attributes: false,
            storage_class: None,
            directory: None,
            parts: None,
            pages: None,
            fencing: Known::default(),
            trusted: false,
            #[cfg(feature = "aws")]
            bucket: None,
            signing: None,
            clock: StoreClock::default(),
            told: Arc::default(),
        }
    }

    /// The store is known to create an object once, and to list what there is:
    /// nobody needs to probe it.
    #[must_use]
    pub fn trusted(mut self) -> Self {
        self.trusted = true;
        self
    }

    /// Whether the store is known without a probe.
    pub fn is_trusted(&self) -> bool {
        self.trusted
    }

    /// Recognised under another text than the one that is shown.
    #[must_use]
    pub fn with_identity(mut self, identity: String) -> Self {
        self.identity = identity.into();
        self
    }

    /// Tries again when a call fails that may succeed later. Below this nothing
    /// else should.
    #[must_use]
    pub fn with_retry(mut self, policy: RetryPolicy) -> Self {
        self.retry = Some(policy);
        self
    }

    /// The same store, given up when an operation gets no further for so long.
    /// Means nothing for a store that is asked once.
    #[must_use]
    pub fn with_stall_timeout(mut self, stall: Option<Duration>) -> Self {
        self.retry = self.retry.map(|policy| RetryPolicy { stall, ..policy });
        self
    }

    /// The same store, given up when there is no connection for so long. Means
    /// nothing for a store that is asked once.
    #[must_use]
    pub fn with_connect_budget(mut self, unreachable: Option<Duration>) -> Self {
        self.retry = self.retry.map(|policy| RetryPolicy { unreachable, ..policy });
        self
    }

    /// The store keeps a content type beside the bytes. A local directory does
    /// not, and refuses one.
    #[must_use]
    pub fn with_attributes(mut self) -> Self {
        self.attributes = true;
        self
    }

    /// Bounds concurrency and, for stores without a wire of ours, speed.
    pub(crate) fn with_limits(mut self, options: &RemoteOptions) -> Self {
        let pacer = |rate: Option<u64>| rate.map(|rate| Arc::new(Pacer::new(rate)));
        self.permits = Some(Arc::new(Semaphore::new(options.max_concurrency)));
        self.concurrency = options.max_concurrency;
        self.up = pacer(options.max_upload_rate);
        self.down = pacer(options.max_download_rate);
        self.limit = TimeLimit::new(options);
        self
    }

    /// A store behind our own wire, which keeps to the speed.
    #[cfg(feature = "http-stores")]
    pub(crate) fn over_http(self, options: &RemoteOptions) -> Self {
        let unpaced = self.with_limits(options).with_attributes();
        Self {
            up: None,
            down: None,
            retry: Some(RetryPolicy {
                stall: options.stall_timeout,
                unreachable: options.connect_budget,
                ..RetryPolicy::within(options.retry_budget)
            }),
            storage_class: options.storage_class.as_deref().map(Into::into),
            ..unpaced
        }
    }

    /// Large objects go up in parts that can be sent again one by one.
    #[cfg(feature = "http-stores")]
    pub(crate) fn with_parts(mut self, parts: Parts) -> Self {
        self.parts = Some(parts);
        self
    }

    /// Listings go on with the page at which they failed.
    #[cfg(any(test, feature = "http-stores"))]
    pub(crate) fn with_pages(mut self, pages: Pages) -> Self {
        self.pages = Some(pages);
        self
    }

    /// A bucket that can be asked about itself.
    #[cfg(feature = "aws")]
    pub(crate) fn with_bucket(mut self, bucket: AboutBucket) -> Self {
        self.bucket = Some(Arc::new(bucket));
        self
    }

    #[cfg(feature = "aws")]
    pub(crate) fn bucket(&self) -> Option<&AboutBucket> {
        self.bucket.as_deref()
    }

    /// The answers of the store say what time it is there.
    #[cfg(feature = "http-stores")]
    pub(crate) fn with_clock(mut self, clock: StoreClock) -> Self {
        self.clock = clock;
        self
    }

    /// URLs of objects can be signed.
    #[cfg(feature = "http-stores")]
    pub(crate) fn with_signing(mut self, signing: Signing) -> Self {
        self.signing = Some(signing);
        self
    }

    pub(crate) fn parts(&self) -> Option<&Parts> {
        self.parts.as_ref()
    }

    /// A store in a directory of this machine.
    pub(crate) fn in_directory(mut self, path: &FilePath) -> Self {
        self.directory = Some(path.into());
        self
    }

    /// What to show people; never holds a secret.
    pub fn shown(&self) -> &str {
        &self.shown
    }

    /// What recognises this store from one run to the next.
    pub fn identity(&self) -> &str {
        &self.identity
    }

    /// How many requests this store and its clones were asked for; each page of a
    /// listing counts, and each further attempt counts again. A deletion of many
    /// objects counts as one, and so does a listing of a store that is not asked
    /// page by page.
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// By how many seconds the clock of the store is ahead of this machine's, by
    /// its last answer; none where there was no answer, or none that says.
    pub fn clock_ahead(&self) -> Option<i64> {
        self.clock.ahead()
    }

    /// How many requests may be under way at once.
    pub fn concurrency(&self) -> usize {
        self.concurrency
    }

    pub(crate) fn known_fencing(&self) -> &Known {
        &self.fencing
    }

    /// The same store without a bound on what is under way at once, so that who
    /// races really races.
    pub(crate) fn at_once(&self) -> Self {
        Self { permits: None, ..self.clone() }
    }

    pub(crate) fn retry_policy(&self) -> Option<RetryPolicy> {
        self.retry
    }

    pub(crate) fn count(&self) -> &dyn ObjectStore {
        self.requests.fetch_add(1, Ordering::Relaxed);
        &*self.store
    }
}

/// Keys are made by us of characters that every store takes; what is
/// percent-encoded in them stays as it is.
pub(crate) fn path(key: &str) -> Path {
    Path::parse(key).unwrap_or_else(|_| Path::from(key))
}

/// Whether a text is a key that all operations take as it stands: names between
/// single slashes. Any other would be looked for under another key.
pub fn is_plain_key(key: &str) -> bool {
    let has_control = key.contains(|c: char| c.is_control());
    !has_control
        && !key.is_empty()
        && key.len() <= 1024
        && Path::parse(key).is_ok_and(|parsed| parsed.as_ref() == key)
}

#[cfg(test)]
mod tests;
