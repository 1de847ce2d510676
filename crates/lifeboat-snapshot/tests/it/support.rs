//! What the tests share: a Python with its own SQLite, an image in memory, and
//! tests that run again in a process of their own.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use lifeboat_format::digest::{BlockHash, Digest, GroupHash, HashKey, ImageDigester};
use lifeboat_format::geometry::{BlockNo, Geometry, GroupNo};
use lifeboat_format::source::{
    CaptureError, CapturedImage, ChangeSink, KnownBlocks, PageSource, ScannedGroup, Stopped,
};
use lifeboat_snapshot::{CaptureFailure, LiveDatabase, OpenOptions};

const REPL: &str = r#"
import sys, sqlite3, os, zlib, random
def connect(path, mode=None, timeout=0):
    db = sqlite3.connect(path, isolation_level=None, timeout=timeout)
    if mode: db.execute(f"PRAGMA journal_mode={mode}").fetchone()
    db.execute("PRAGMA wal_autocheckpoint=0")
    db.execute("PRAGMA synchronous=OFF")
    return db
def dump(db, out):
    open(out, "wb").write(db.serialize())
    db.close()
space = globals()
for line in sys.stdin:
    space["r"] = ""
    try:
        exec(line.rstrip("\n").replace("\x1f", "\n"), space)
        print("ok " + str(space["r"]), flush=True)
    except Exception as e:
        print("err " + str(e), flush=True)
"#;

/// A Python process that runs what it is told, one piece after the other.
/// Killed (SIGKILL) when dropped.
pub(crate) struct Python {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Python {
    pub(crate) fn new() -> Self {
        let mut child = Command::new("python3")
            .args(["-c", REPL])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 is installed");
        let input = child.stdin.take().expect("piped");
        let output = BufReader::new(child.stdout.take().expect("piped"));
        Self { child, input, output }
    }

    /// Starts a piece that need not end.
    pub(crate) fn start(&mut self, code: &str) {
        writeln!(self.input, "{}", code.replace('\n', "\x1f")).expect("python listens");
    }

    /// A line that it printed.
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("python answers");
        line.trim_end().to_owned()
    }

    /// Runs a piece and answers with what it left in `r`, or its exception.
    pub(crate) fn attempt(&mut self, code: &str) -> Result<String, String> {
        self.start(code);
        let line = self.line();
        match line.split_once(' ') {
            Some(("ok", r)) => Ok(r.to_owned()),
            _ if line == "ok" => Ok(String::new()),
            _ => Err(line),
        }
    }

    #[track_caller]
    pub(crate) fn run(&mut self, code: &str) -> String {
        self.attempt(code).unwrap_or_else(|e| panic!("python: {e}\n{code}"))
    }

    /// The image that a second connection sees, by `sqlite3_serialize`.
    pub(crate) fn image(&mut self, path: &Path) -> Vec<u8> {
        let out = with_suffix(path, ".dump");
        self.run(&format!("dump(connect({path:?}), {out:?})"));
        let image = std::fs::read(&out).expect("was written");
        std::fs::remove_file(out).expect("was written");
        image
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

pub(crate) fn key() -> HashKey {
    HashKey::from_bytes([7; 32])
}

/// An image that was captured, with its hashes: what is known at the next
/// capture.
#[derive(Clone, Default)]
pub(crate) struct Image {
    pub(crate) geometry: Option<Geometry>,
    pub(crate) hashes: Vec<BlockHash>,
    pub(crate) groups: Vec<GroupHash>,
    bytes: Vec<u8>,
}

impl Image {
    /// The bytes that SQLite would see.
    pub(crate) fn file(&self) -> &[u8] {
        let size = self.geometry.map_or(0, Geometry::file_size);
        &self.bytes[..size as usize]
    }

    pub(crate) fn digest(&self) -> Digest {
        let mut digester = ImageDigester::default();
        self.hashes.iter().for_each(|&hash| digester.push(hash));
        digester.finish()
    }
}

impl KnownBlocks for Image {
    fn geometry(&self) -> Option<Geometry> {
        self.geometry
    }

    fn group(&mut self, group: GroupNo, hashes: &mut Vec<BlockHash>) -> Result<GroupHash, Stopped> {
        let geometry = self.geometry.expect("only asked if something is known");
        hashes.clear();
        let (first, count) = geometry.blocks_of(group);
        if count == 0 {
            return Ok(GroupHash::UNKNOWN);
        }
        hashes.extend_from_slice(&self.hashes[first.0 as usize..][..count as usize]);
        Ok(self.groups[group.0 as usize])
    }
}

/// Builds the new image out of the old one and what is said to have changed.
#[derive(Default)]
pub(crate) struct Builder {
    pub(crate) image: Image,
    pub(crate) changed: Vec<BlockNo>,
    pub(crate) begun: bool,
    /// Called at every poll, with whether the image was announced.
    pub(crate) poll: Option<Box<dyn Fn() + Send>>,
}

impl ChangeSink for Builder {
    fn begin(&mut self, geometry: Geometry) -> Result<(), Stopped> {
        assert!(!self.begun, "begin is called once");
        self.begun = true;
        let blocks = geometry.block_count() as usize;
        self.image.bytes.resize(blocks * geometry.block_size() as usize, 0);
        self.image.geometry = Some(geometry);
        self.image.hashes.clear();
        self.image.groups.clear();
        Ok(())
    }

    fn group(&mut self, group: &ScannedGroup<'_>) -> Result<(), Stopped> {
        let geometry = self.image.geometry.expect("begun");
        let size = geometry.block_size() as usize;
        assert_eq!(group.first.0 as usize, self.image.hashes.len(), "in order, without gaps");
        assert_eq!(group.data.len(), group.changed.len() * size);
        for (block, data) in group.changed.iter().zip(group.data.chunks_exact(size)) {
            self.image.bytes[block.0 as usize * size..][..size].copy_from_slice(data);
        }
        self.changed.extend_from_slice(group.changed);
        self.image.hashes.extend_from_slice(group.hashes);
        self.image.groups.push(group.group_hash);
        let at = group.first.0 as usize * size;
        let bytes = &self.image.bytes[at..at + group.hashes.len() * size];
        // The hashes are those of the image as built: nothing that changed
        // was left out.
        assert_eq!(group.group_hash, GroupHash::of(&key(), bytes));
        for (hash, block) in group.hashes.iter().zip(bytes.chunks_exact(size)) {
            assert_eq!(*hash, BlockHash::of(&key(), block));
        }
        Ok(())
    }

    fn keep_going(&self) -> Result<(), Stopped> {
        if let Some(poll) = &self.poll {
            poll();
        }
        Ok(())
    }
}

pub(crate) struct Captured {
    pub(crate) image: Image,
    pub(crate) changed: Vec<BlockNo>,
    pub(crate) facts: CapturedImage,
}

pub(crate) fn try_capture(
    database: &mut LiveDatabase,
    known: &Image,
) -> Result<Captured, CaptureFailure> {
    let builder = Builder { image: known.clone(), ..Builder::default() };
    match capture_with(database, known, builder) {
        Ok((builder, facts)) => {
            assert_eq!(Some(facts.geometry), builder.image.geometry);
            Ok(Captured { image: builder.image, changed: builder.changed, facts })
        }
        Err(CaptureError::Source(failure)) => Err(failure),
        Err(CaptureError::Stopped) => panic!("nobody stopped it"),
    }
}

pub(crate) fn capture_with(
    database: &mut LiveDatabase,
    known: &Image,
    mut sink: Builder,
) -> Result<(Builder, CapturedImage), CaptureError<CaptureFailure>> {
    if known.geometry.map(Geometry::block_size).is_none() {
        sink.image = Image::default();
    }
    let facts = database.capture(&key(), &mut known.clone(), &mut sink)?;
    assert_eq!(sink.image.groups.len(), facts.geometry.group_count() as usize);
    Ok((sink, facts))
}

#[track_caller]
pub(crate) fn capture(database: &mut LiveDatabase, known: &Image) -> Captured {
    try_capture(database, known).unwrap_or_else(|e| panic!("captures: {e:?}"))
}

#[track_caller]
pub(crate) fn open(path: &Path) -> LiveDatabase {
    LiveDatabase::open(path, &OpenOptions::default()).unwrap_or_else(|e| panic!("opens: {e:?}"))
}

/// One capture of everything, on its own.
#[track_caller]
pub(crate) fn image_of(path: &Path) -> Image {
    capture(&mut open(path), &Image::default()).image
}

#[track_caller]
pub(crate) fn same(found: &[u8], expected: &[u8], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}: size");
    if let Some(at) = found.iter().zip(expected).position(|(a, b)| a != b) {
        panic!("{what}: differs at byte {at}");
    }
}

pub(crate) fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

pub(crate) fn listing(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = std::fs::read_dir(folder)
        .expect("is there")
        .map(|entry| entry.expect("is there").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

const CHILD: &str = "LIFEBOAT_TEST_CHILD";

/// The argument of a test that runs again in a process of its own.
pub(crate) fn child_argument() -> Option<PathBuf> {
    std::env::var_os(CHILD).map(PathBuf::from)
}

/// Runs a test again, alone, with an argument; as a user without privileges if
/// asked to and possible.
pub(crate) fn in_child(test: &str, argument: &Path, unprivileged: bool) -> std::process::Output {
    let exe = std::env::current_exe().expect("has a name");
    let place = folder();
    let mut command = if unprivileged && is_root() {
        // The build's folder may be closed to others.
        let copy = place.path().join("tests");
        std::fs::copy(exe, &copy).expect("copies");
        set_mode(place.path(), 0o755);
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(copy);
        command
    } else {
        Command::new(exe)
    };
    command
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(CHILD, argument)
        .output()
        .expect("runs")
}

#[track_caller]
pub(crate) fn must_pass(output: &std::process::Output) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success() && out.contains("1 passed"), "{out}\n{err}");
}

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self").is_ok_and(|metadata| metadata.uid() == 0)
}

pub(crate) fn set_mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("ours");
}
