//! As many keys as anybody has, in the memory that few take.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use futures::StreamExt;
use futures::stream::BoxStream;
use lifeboat_links::{Column, DatabaseMentions, Group, Options, Origin, Rule};
use lifeboat_remote::Remote;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

/// Rows whose object is missing, and objects without a row.
const BROKEN: u64 = 300;
const ORPHANED: u64 = 200;

/// A store that makes up its listing, in no order, and holds nothing else.
#[derive(Debug)]
struct MadeUp {
    objects: u64,
    lists: AtomicUsize,
}

impl std::fmt::Display for MadeUp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("made up")
    }
}

/// The key of a number; numbers beside each other are far from each other.
fn key(n: u64) -> String {
    let scattered = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    format!("uploads/{:02x}/{scattered:016x}.jpg", scattered >> 56)
}

fn none() -> Error {
    Error::NotImplemented { operation: "this".into(), implementer: "made up".into() }
}

#[async_trait::async_trait]
impl ObjectStore for MadeUp {
    async fn put_opts(&self, _: &Path, _: PutPayload, _: PutOptions) -> Result<PutResult> {
        Err(none())
    }

    async fn put_multipart_opts(
        &self,
        _: &Path,
        _: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        Err(none())
    }

    async fn get_opts(&self, location: &Path, _: GetOptions) -> Result<GetResult> {
        Err(Error::NotFound { path: location.to_string(), source: "as the test wants it".into() })
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        locations.map(|_| Err(none())).boxed()
    }

    fn list(&self, _: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.lists.fetch_add(1, Ordering::SeqCst);
        let meta = |n| {
            Ok(ObjectMeta {
                location: Path::from(key(n)),
                last_modified: Default::default(),
                size: 5,
                e_tag: Some("\"900150983cd24fb0d6963f7d28e17f72\"".into()),
                version: None,
            })
        };
        futures::stream::iter((0..self.objects).map(meta)).boxed()
    }

    async fn list_with_delimiter(&self, _: Option<&Path>) -> Result<ListResult> {
        Err(none())
    }

    async fn copy_opts(&self, _: &Path, _: &Path, _: CopyOptions) -> Result<()> {
        Err(none())
    }
}

/// Compares so many healthy rows and objects, and returns seconds and the peak of
/// the resident memory in KiB.
async fn compare(healthy: u64, memory: Option<usize>) -> (f64, u64) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("app.db");
    let mut connection = rusqlite::Connection::open(&path).expect("opens");
    connection
        .execute_batch(
            "PRAGMA synchronous=OFF; CREATE TABLE docs(id INTEGER PRIMARY KEY, file TEXT)",
        )
        .expect("makes it");
    let write = connection.transaction().expect("begins");
    {
        let mut insert = write.prepare("INSERT INTO docs(file) VALUES(?1)").expect("compiles");
        let objects = healthy + ORPHANED;
        for n in (0..healthy).rev().chain(objects..objects + BROKEN) {
            insert.execute([key(n)]).expect("inserts");
        }
    }
    write.commit().expect("commits");
    drop(connection);
    let store = Arc::new(MadeUp { objects: healthy + ORPHANED, lists: AtomicUsize::new(0) });
    let mut rule = Rule::default();
    rule.origin = Origin::Columns(vec![Column::parse("docs.file").expect("a column")]);
    let source = DatabaseMentions::open(&path, rule, 0).expect("opens");
    let mut options = Options::new(folder.path(), 1_790_000_000);
    options.memory = memory.unwrap_or(options.memory);
    let remote = Remote::from_store(store.clone(), "made up");
    let group = Group::new(remote, vec![Arc::new(source)], options);
    let started = Instant::now();
    let checked = group.check().await.expect("is compared");
    let seconds = started.elapsed().as_secs_f64();
    let all = checked.all();
    assert_eq!((all.healthy, all.broken), (healthy, BROKEN));
    assert_eq!((checked.orphaned, checked.objects), (ORPHANED, healthy + ORPHANED));
    assert_eq!(checked.findings.len(), BROKEN + ORPHANED);
    assert_eq!(store.lists.load(Ordering::SeqCst), 1);
    (seconds, peak())
}

fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("this is Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("is told");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

#[tokio::test]
async fn a_hundred_thousand_keys_a_side() {
    // In runs of a few thousand, as ten million are with the usual memory.
    let (_, peak) = compare(100_000, Some(256 * 1024)).await;
    assert!(peak < 64 * 1024, "{peak} KiB");
}

/// By hand, in the release profile: `cargo test --release -p lifeboat-links
/// ten_million -- --ignored --nocapture`.
#[tokio::test]
#[ignore = "takes minutes and some gigabytes of disk; docs/benchmarks.md has the figures"]
async fn ten_million_keys_a_side() {
    for healthy in [1_000_000, 5_000_000, 10_000_000] {
        let (seconds, peak) = compare(healthy, None).await;
        // Where the time is linear, these are the same.
        let rate = healthy as f64 / seconds;
        println!(
            "{healthy} keys a side: {seconds:.1} s, {rate:.0} keys/s, {} MiB at most",
            peak / 1024
        );
        assert!(peak < 64 * 1024, "{peak} KiB");
    }
}
