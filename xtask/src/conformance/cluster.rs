//! Three Garage nodes that hold everything twice over, of which some die while a
//! backup runs.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::recipes::{GARAGE_KEYS, garage_program, garage_settings};
use super::running::{Running, free_address};
use crate::{build, process};

const NODES: usize = 3;
/// A node that no request goes to directly; and the one beside it.
const KILLED: usize = 2;
const NEXT: usize = 1;

/// The size of the database, in MiB: so large that a backup has a middle.
const MIB: u64 = 96;

/// How long a step of the story may take.
const PATIENCE: Duration = Duration::from_secs(300);

fn settings_of(folder: &Path, node: usize) -> PathBuf {
    folder.join(format!("node-{node}.toml"))
}

fn serve(server: &Path, folder: &Path, node: usize) -> Command {
    let mut command = Command::new(server);
    command.arg("-c").arg(settings_of(folder, node)).arg("server");
    command
}

/// Starts the nodes and tells them of each other.
pub(super) fn start() -> Result<Running> {
    let (server, version) = garage_program()?;
    let mut store = Running::new("garage-cluster")?;
    let folder = store.folder().to_owned();
    let mut addresses: Vec<(SocketAddr, SocketAddr)> = Vec::new();
    for node in 0..NODES {
        let (s3, rpc, admin) = (free_address()?, free_address()?, free_address()?);
        fs::write(settings_of(&folder, node), garage_settings(node, NODES, s3, rpc, admin))?;
        store.start(&mut serve(&server, &folder, node), s3)?;
        addresses.push((s3, rpc));
    }
    let tell = |node: usize, arguments: &[&str]| {
        let mut command = Command::new(&server);
        command.arg("-c").arg(settings_of(&folder, node)).args(arguments).current_dir(&folder);
        process::output(&mut command)
    };
    let mut ids = Vec::new();
    for (node, (_, rpc)) in addresses.iter().enumerate() {
        let told = tell(node, &["node", "id", "-q"])?;
        let id = told.trim().split('@').next().unwrap_or_default().to_owned();
        tell(0, &["node", "connect", &format!("{id}@{rpc}")])?;
        ids.push(id);
    }
    for (node, id) in ids.iter().enumerate() {
        tell(0, &["layout", "assign", "-z", &format!("dc{node}"), "-c", "2G", id])?;
    }
    tell(0, &["layout", "apply", "--version", "1"])?;
    let [key, secret] = GARAGE_KEYS;
    tell(0, &["key", "import", "--yes", "-n", "lifeboat", key, secret])?;
    tell(0, &["bucket", "create", "bucket"])?;
    tell(0, &["bucket", "allow", "--read", "--write", "--owner", "bucket", "--key", key])?;
    store.what = format!("Garage {version}, three nodes");
    store.reached_by_s3(addresses[0].0, "garage", GARAGE_KEYS);
    Ok(store)
}

/// What happens while nodes die, and what must come of it. Returns what to print.
pub(super) fn story(store: &mut Running) -> Result<Vec<String>> {
    let folder = store.folder().join("story");
    fs::create_dir(&folder)?;
    let host = Host { folder, binary: build::debug_binary()?, environment: environment(store) };
    let mut said = Vec::new();
    host.database(1)?;
    host.run(&["init", "--no-encryption"], 0)?;

    // One node of three dies in the middle, and comes back before the end.
    let mut backup = host.start(&["backup", "app.db"])?;
    let data = store.folder().join("data-0");
    reaches(&data, MIB / 4, &mut backup)?;
    store.end(KILLED)?;
    reaches(&data, MIB / 2, &mut backup)?;
    store.start_again(KILLED)?;
    let status = backup.wait()?;
    ensure!(status.success(), "the backup during which a node died: {status}");
    said.push("a node killed in the middle of a backup, and brought back: done, exit 0".to_owned());
    host.holds("app.db", &["restore", "app"])?;
    said.push("its snapshot, restored: byte for byte what was backed up".to_owned());

    // The node that was away stays away, and a backup and a restore go on without it.
    store.end(KILLED)?;
    host.database(2)?;
    host.run(&["backup", "app.db"], 0)?;
    host.holds("app.db", &["restore", "app"])?;
    said.push("one node away: backup and restore, exit 0".to_owned());

    // Two of three: nothing can be promised, and nothing is.
    store.end(NEXT)?;
    host.database(3)?;
    host.run(&["backup", "app.db"], 13)?;
    host.run(&["restore", "app", "--target", "none.db"], 13)?;
    ensure!(!host.folder.join("none.db").exists(), "a restore from a third of a cluster");
    said.push("two nodes away: exit 13, and no file".to_owned());
    store.start_again(NEXT)?;
    store.start_again(KILLED)?;
    host.run_until(&["backup", "app.db"], 0)?;
    host.holds("app.db", &["restore", "app"])?;
    host.run(&["check", "--read-data"], 0)?;
    said.push("all back: the next backup goes on, and every byte of every snapshot is read".into());
    Ok(said)
}

fn environment(store: &Running) -> Vec<(&'static str, String)> {
    let mut environment = store.environment.clone();
    environment.push(("LIFEBOAT_REPOSITORY", format!("{}/story?retry_budget=30s", store.url)));
    environment
}

/// Whoever backs up, with a folder of their own.
struct Host {
    folder: PathBuf,
    binary: PathBuf,
    environment: Vec<(&'static str, String)>,
}

impl Host {
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        command.args(arguments).current_dir(&self.folder).env_clear().stdin(Stdio::null());
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("HOME", &self.folder).envs(self.environment.iter().map(|(k, v)| (k, v)));
        command.env("LIFEBOAT_STATE_DIR", self.folder.join("state"));
        command.env("LIFEBOAT_CACHE_DIR", self.folder.join("cache"));
        command.env("LIFEBOAT_LOCAL_DISK", "lasts");
        command
    }

    fn start(&self, arguments: &[&str]) -> Result<Child> {
        eprintln!("  $ lifeboat {}", arguments.join(" "));
        self.command(arguments).spawn().context("the binary could not be started")
    }

    /// Runs a command, which ends with this code.
    fn run(&self, arguments: &[&str], code: i32) -> Result<()> {
        let status = self.start(arguments)?.wait()?;
        ensure!(status.code() == Some(code), "{}: {status}, not {code}", arguments.join(" "));
        Ok(())
    }

    /// Again and again, while the nodes find each other.
    fn run_until(&self, arguments: &[&str], code: i32) -> Result<()> {
        let start = Instant::now();
        while let Err(error) = self.run(arguments, code) {
            ensure!(start.elapsed() < PATIENCE, "{error}");
            std::thread::sleep(Duration::from_secs(1));
        }
        Ok(())
    }

    /// Rows that cannot be compressed, other ones for each version.
    fn database(&self, version: u64) -> Result<()> {
        const SCRIPT: &str = "import random, sqlite3, sys
version, mib = int(sys.argv[1]), int(sys.argv[2])
random.seed(version)
database = sqlite3.connect('app.db')
database.execute('CREATE TABLE IF NOT EXISTS page(id INTEGER PRIMARY KEY, content BLOB)')
count = mib * 256 if version == 1 else 2000
rows = ((n, random.randbytes(4000)) for n in range(count))
database.executemany('INSERT OR REPLACE INTO page VALUES(?, ?)', rows)
database.commit()";
        let arguments = [SCRIPT.to_owned(), version.to_string(), MIB.to_string()];
        let mut python = Command::new("python3");
        process::run(python.arg("-c").args(arguments).current_dir(&self.folder))
    }

    /// Restores to a new file, by a machine that knows nothing of it, and compares.
    fn holds(&self, original: &str, arguments: &[&str]) -> Result<()> {
        let target = self.folder.join("restored.db");
        if target.exists() {
            fs::remove_file(&target)?;
        }
        fs::remove_dir_all(self.folder.join("cache"))?;
        self.run(&[arguments, &["--target", "restored.db"]].concat(), 0)?;
        let same = fs::read(&target)? == fs::read(self.folder.join(original))?;
        ensure!(same, "what was restored is not what was backed up");
        Ok(())
    }
}

/// Waits until a node holds so many MiB, while the backup still runs.
fn reaches(data: &Path, mib: u64, backup: &mut Child) -> Result<()> {
    let start = Instant::now();
    while size_below(data) < mib << 20 {
        if let Some(status) = backup.try_wait()? {
            bail!("the backup ended before its middle: {status}");
        }
        ensure!(start.elapsed() < PATIENCE, "the backup does not get on");
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// Files come and go while the node works.
fn size_below(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.file_type() {
            Ok(kind) if kind.is_dir() => size_below(&entry.path()),
            _ => entry.metadata().map_or(0, |data| data.len()),
        })
        .sum()
}
