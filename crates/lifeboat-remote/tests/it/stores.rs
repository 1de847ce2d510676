//! Stores that do less than they should, and what is found out about them.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures::StreamExt;
use futures::stream::BoxStream;
use lifeboat_remote::conformance::{Options, Outcome, run};
use lifeboat_remote::{Creates, Deletes, Fencing, Listings, ProbeOptions, Remote};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, ObjectStoreExt, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult,
    Result,
};

/// What is wrong with a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    None,
    /// It looks whether an object is there, and puts it later.
    Racy,
    /// It overwrites.
    Ignores,
    /// It does not take conditions.
    Refuses,
    /// It overwrites, and does not list what was put last.
    IgnoresAndLags,
    /// It gives back something else from a range.
    WrongRanges,
    /// It lists a thousand objects and no more.
    ShortListings,
}

#[derive(Debug)]
struct Faulty {
    inner: InMemory,
    fault: Fault,
}

impl std::fmt::Display for Faulty {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.fault)
    }
}

#[async_trait::async_trait]
impl ObjectStore for Faulty {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        mut opts: PutOptions,
    ) -> Result<PutResult> {
        if opts.mode == PutMode::Create {
            match self.fault {
                Fault::Racy => {
                    let found = self.inner.head(location).await;
                    tokio::task::yield_now().await;
                    if found.is_err() {
                        opts.mode = PutMode::Overwrite;
                    }
                }
                Fault::Ignores | Fault::IgnoresAndLags => opts.mode = PutMode::Overwrite,
                Fault::Refuses => {
                    return Err(Error::NotImplemented {
                        operation: "a condition".to_owned(),
                        implementer: "this store".to_owned(),
                    });
                }
                _ => {}
            }
        }
        self.inner.put_opts(location, payload, opts).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        opts: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(location, opts).await
    }

    async fn get_opts(&self, location: &Path, mut options: GetOptions) -> Result<GetResult> {
        if self.fault == Fault::WrongRanges {
            options.range = None;
        }
        self.inner.get_opts(location, options).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let listing = self.inner.list(prefix);
        match self.fault {
            Fault::ShortListings => listing.take(1000).boxed(),
            Fault::IgnoresAndLags => listing.skip(1).boxed(),
            _ => listing,
        }
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

fn with(fault: Fault) -> Remote {
    let store = Faulty { inner: InMemory::new(), fault };
    Remote::from_store(Arc::new(store), "faulty://")
}

#[tokio::test]
async fn what_a_probe_finds() {
    let check = async |fault: Fault, creates, listings, fencing| {
        let remote = with(fault);
        let probed = remote.probe(ProbeOptions::new(SystemTime::now())).await.expect("answers");
        let found = (probed.creates, probed.listings, probed.fencing());
        assert_eq!(found, (creates, listings, fencing), "{fault:?}");
        assert_eq!(probed.is_usable(), fault != Fault::WrongRanges, "{fault:?}");
        assert_eq!(probed.deletes, Deletes::Done, "{fault:?}");
        if listings == Listings::Consistent {
            assert_eq!(remote.list("").await.expect("lists"), [], "{fault:?}: a probe sweeps");
            let apart = probed.clock_ahead.expect("it was listed");
            assert!(apart.abs() <= 5, "{apart} s: the clock is this machine's");
        }
    };
    let (good, stale) = (Listings::Consistent, Listings::Stale);
    check(Fault::None, Creates::Once, good, Fencing::Create).await;
    check(Fault::Racy, Creates::Racy, good, Fencing::Rounds).await;
    check(Fault::Ignores, Creates::Ignored, good, Fencing::Rounds).await;
    check(Fault::Refuses, Creates::Refused, good, Fencing::Rounds).await;
    check(Fault::IgnoresAndLags, Creates::Ignored, stale, Fencing::Nothing).await;
    check(Fault::WrongRanges, Creates::Once, good, Fencing::Create).await;
}

#[tokio::test]
async fn a_clock_is_compared() {
    let later = SystemTime::now() + Duration::from_secs(3600);
    let probed = Remote::memory().probe(ProbeOptions::new(later)).await.expect("answers");
    let behind = probed.clock_ahead.expect("it was listed");
    assert!((-3605..=-3595).contains(&behind), "{behind}");
}

/// The points of the list that do not hold, and whether the store conforms.
async fn broken(remote: &Remote) -> (Vec<&'static str>, bool) {
    let report = run(remote, &Options::new(SystemTime::now())).await;
    let held = |outcome: &Outcome| matches!(outcome, Outcome::Held);
    let points = report.points.iter().filter(|point| !held(&point.outcome));
    (points.map(|point| point.name).collect(), report.conforms())
}

#[tokio::test]
async fn the_list_and_who_keeps_it() {
    assert_eq!(broken(&Remote::memory()).await, (vec![], true));
    assert_eq!(broken(&with(Fault::None)).await, (vec![], true));
    let once = "an object is created once, also where several try at once";
    for fault in [Fault::Racy, Fault::Ignores, Fault::Refuses] {
        assert_eq!(broken(&with(fault)).await, (vec![once], true), "{fault:?}");
    }
    let (points, conforms) = broken(&with(Fault::ShortListings)).await;
    assert!(!conforms && points.contains(&"a listing of several pages shows every object once"));
    let (points, conforms) = broken(&with(Fault::WrongRanges)).await;
    assert!(!conforms && points.contains(&"what was put is given back, whole and in ranges"));
    let (points, conforms) = broken(&with(Fault::IgnoresAndLags)).await;
    assert!(!conforms && points.contains(&once));
}

#[tokio::test]
async fn a_directory_keeps_the_list() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let remote = Remote::open(dir.path().to_str().expect("UTF-8")).expect("opens");
    let report = run(&remote, &Options::new(SystemTime::now()).with_many(40)).await;
    let held = report.points.iter().all(|point| matches!(point.outcome, Outcome::Held));
    assert!(held && report.conforms(), "{report}");
}
