//! Runs the built binary in a folder of its own.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

use crate::place::{Place, Store};

/// A folder with everything that a user has: databases, a repository, state
/// and cache.
pub(crate) struct Folder {
    dir: tempfile::TempDir,
    store: Option<Store>,
}

/// What the command did.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    /// The JSON objects on standard output.
    pub(crate) fn json(&self) -> Vec<Value> {
        let parse = |line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
        self.out.lines().map(parse).collect()
    }

    /// The last JSON object: the summary, or the error.
    pub(crate) fn last(&self) -> Value {
        self.json().pop().unwrap_or_else(|| panic!("no JSON: {self:?}"))
    }

    pub(crate) fn ok(self) -> Self {
        assert_eq!(self.code, 0, "{self:?}");
        self
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// The binary of the profile that the tests run in.
pub(crate) fn binary() -> PathBuf {
    let test = std::env::current_exe().expect("the test has a path");
    let target = test.parent().and_then(Path::parent).expect("tests run in target/PROFILE/deps");
    let binary = target.join("lifeboat");
    assert!(binary.is_file(), "{} is not built: cargo build -p lifeboat-cli", binary.display());
    binary
}

impl Folder {
    /// With a repository to be in the directory `backups`.
    pub(crate) fn new() -> Self {
        Self::without_repository(Place::Directory)
    }

    /// With a repository in a place; a directory becomes one by itself.
    pub(crate) fn at(place: Place) -> Self {
        let folder = Self::without_repository(place);
        if folder.store.is_some() {
            folder.run(&["init", "--no-encryption"]).ok();
        }
        folder
    }

    /// With nothing in the place yet.
    pub(crate) fn without_repository(place: Place) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        Self { dir, store: Store::open(place) }
    }

    /// With a repository to be in the directory `backups`, in a folder in memory
    /// where that can be had: for who looks at what is written, not at the disk.
    pub(crate) fn in_memory() -> Self {
        let shm = Path::new("/dev/shm");
        let dir = if shm.is_dir() { tempfile::tempdir_in(shm) } else { tempfile::tempdir() };
        Self { dir: dir.expect("a temporary directory"), store: None }
    }

    /// The store that the backups go to, if it is not a directory.
    pub(crate) fn store(&self) -> &Store {
        self.store.as_ref().expect("the place of this test is a store")
    }

    /// Where the objects of the repository are as files.
    pub(crate) fn repository(&self) -> PathBuf {
        self.store.as_ref().map_or_else(|| self.path("backups"), Store::folder)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A command of the binary, in this folder, with nothing from outside.
    pub(crate) fn command(&self) -> Command {
        let mut command = self.under(Command::new(binary()));
        if let Some(store) = &self.store {
            command.args(["-r", &store.url]);
        }
        command
    }

    /// The binary run by another program, such as a tracer.
    pub(crate) fn under(&self, mut command: Command) -> Command {
        self.surround(&mut command);
        command
    }

    /// Tells a command where it is.
    pub(crate) fn surround(&self, command: &mut Command) {
        command
            .current_dir(self.dir.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.dir.path())
            .env("TZ", "UTC")
            // Wherever the tests run: their folder may lie in memory.
            .env("LIFEBOAT_LOCAL_DISK", "lasts")
            .env("LIFEBOAT_STATE_DIR", self.path("state"))
            .env("LIFEBOAT_CACHE_DIR", self.path("cache"));
        if let Some(store) = &self.store {
            store.tell(command);
        }
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        self.command().args(arguments).output().expect("the binary runs").into()
    }

    /// Backs up and returns the summary.
    pub(crate) fn backup(&self, database: &str) -> Value {
        self.run(&["--json", "backup", database]).ok().last()
    }

    /// Restores a snapshot to a new file and returns its path.
    pub(crate) fn restore(&self, name: &str, snapshot: &str) -> PathBuf {
        let target = self.path(&format!("restored-{name}-{snapshot}.db"));
        let _ = std::fs::remove_file(&target);
        let target_text = target.to_str().expect("UTF-8");
        self.run(&["restore", name, snapshot, "--target", target_text, "--check"]).ok();
        target
    }

    /// Has the independent reader restore a snapshot, and returns the path.
    pub(crate) fn read_independently(&self, name: &str, snapshot: &str) -> PathBuf {
        let target = self.path(&format!("read-{name}-{snapshot}.db"));
        let _ = std::fs::remove_file(&target);
        let text = target.to_str().expect("UTF-8");
        let repository = self.repository();
        let repository = repository.to_str().expect("UTF-8");
        self.reader(&[], &["restore", repository, name, snapshot, text]).ok();
        target
    }

    /// Runs the independent reader, in this folder.
    pub(crate) fn reader(&self, variables: &[(&str, &str)], arguments: &[&str]) -> Ran {
        let reader = Path::new(env!("CARGO_MANIFEST_DIR")).join("reader/lifeboat_reader.py");
        let mut command = self.under(Command::new("python3"));
        command.envs(variables.iter().copied()).arg(reader).args(arguments);
        command.output().expect("python3 is installed").into()
    }

    /// The objects of the repository, sorted.
    pub(crate) fn objects(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut folders = vec![self.repository()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
                let path = entry.path();
                if path.is_dir() { folders.push(path) } else { found.push(path) }
            }
        }
        found.sort();
        found
    }

    /// The objects whose path contains a text.
    pub(crate) fn objects_of(&self, part: &str) -> Vec<PathBuf> {
        let has = |path: &PathBuf| path.to_string_lossy().contains(part);
        self.objects().into_iter().filter(has).collect()
    }
}

/// The tests run as root, whom no permission stops: the binary runs as nobody.
pub(crate) fn as_nobody(folder: &Folder, arguments: &[&str]) -> Ran {
    for path in ["", "."] {
        let _ = std::fs::set_permissions(folder.path(path), PermissionsExt::from_mode(0o755));
    }
    let copy = folder.path("lifeboat-copy");
    if !copy.exists() {
        std::fs::copy(binary(), &copy).expect("copies");
    }
    for own in ["state", "cache"] {
        let _ = std::fs::create_dir(folder.path(own));
        let mode = PermissionsExt::from_mode(0o777);
        std::fs::set_permissions(folder.path(own), mode).expect("is ours");
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(&copy).args(arguments);
    folder.under(command).output().expect("setpriv runs").into()
}

/// Whether two files have the same bytes.
pub(crate) fn same_bytes(a: &Path, b: &Path) -> bool {
    let read = |path: &Path| std::fs::read(path).unwrap_or_else(|e| panic!("{path:?}: {e}"));
    read(a) == read(b)
}
