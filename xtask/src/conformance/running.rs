//! A store that was started for us: its processes, its folder, how to reach it.

use std::fs::File;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::process;

/// How long a store may take until it answers.
const PATIENCE: Duration = Duration::from_secs(60);

/// A store, running. Dropping it ends exactly the processes that were started
/// for it, and removes its folder.
#[derive(Debug)]
pub(crate) struct Running {
    /// Its name and version.
    pub(crate) what: String,
    /// Where a bucket lies, as the command takes it.
    pub(crate) url: String,
    /// What the command needs to know to reach it.
    pub(crate) environment: Vec<(&'static str, String)>,
    processes: Vec<Process>,
    folder: PathBuf,
}

/// A program of a store, and how it was started.
#[derive(Debug)]
struct Process {
    command: Command,
    address: SocketAddr,
    log: PathBuf,
    child: Child,
}

impl Process {
    fn wait_until_it_listens(&mut self) -> Result<()> {
        let program = self.command.get_program().to_string_lossy().into_owned();
        let start = Instant::now();
        while TcpStream::connect(self.address).is_err() {
            if let Some(status) = self.child.try_wait()? {
                let said = std::fs::read_to_string(&self.log).unwrap_or_default();
                bail!("{program} ended with {status}: {}", said.trim());
            }
            ensure!(start.elapsed() < PATIENCE, "{program} does not listen at {}", self.address);
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }
}

impl Running {
    /// Nothing runs yet; there is a folder for what will.
    pub(crate) fn new(name: &str) -> Result<Self> {
        let folder = std::env::temp_dir().join(format!("lifeboat-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).context("no folder for the store can be made")?;
        let (what, url) = (name.to_owned(), String::new());
        Ok(Self { what, url, environment: Vec::new(), processes: Vec::new(), folder })
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Starts a program of the store and waits until it listens there. The command is
    /// kept, for when it is to start again, and another is left in its place.
    pub(crate) fn start(&mut self, command: &mut Command, address: SocketAddr) -> Result<()> {
        let mut command = std::mem::replace(command, Command::new("false"));
        let log = self.folder.join(format!("log-{}", self.processes.len()));
        let child = spawn(&mut command, &self.folder, &log)?;
        self.processes.push(Process { command, address, log, child });
        self.processes.last_mut().context("one was just started")?.wait_until_it_listens()
    }

    /// Ends one of its programs as a crash does, in the order in which they started.
    pub(super) fn end(&mut self, number: usize) -> Result<()> {
        let child = &mut self.processes.get_mut(number).context("no such program")?.child;
        child.kill()?;
        child.wait()?;
        Ok(())
    }

    /// Starts a program again that has ended.
    pub(super) fn start_again(&mut self, number: usize) -> Result<()> {
        let process = self.processes.get_mut(number).context("no such program")?;
        process.child = spawn(&mut process.command, &self.folder, &process.log)?;
        process.wait_until_it_listens()
    }

    /// How the command reaches an S3 server.
    pub(crate) fn reached_by_s3(&mut self, address: SocketAddr, region: &str, keys: [&str; 2]) {
        self.url = "s3://bucket".to_owned();
        self.environment = vec![
            ("AWS_ENDPOINT_URL", format!("http://{address}")),
            ("AWS_ALLOW_HTTP", "true".to_owned()),
            ("AWS_REGION", region.to_owned()),
            ("AWS_ACCESS_KEY_ID", keys[0].to_owned()),
            ("AWS_SECRET_ACCESS_KEY", keys[1].to_owned()),
        ];
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        for Process { child, .. } in self.processes.iter_mut().rev() {
            // One that has ended by itself is no trouble, and neither is a
            // folder that stays in the temporary directory.
            let _ = child.kill();
            let _ = child.wait();
        }
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn spawn(command: &mut Command, folder: &Path, log: &Path) -> Result<Child> {
    let file = File::options().create(true).append(true).open(log).context("no log can be made")?;
    command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file).current_dir(folder);
    let program = command.get_program().to_string_lossy().into_owned();
    command.spawn().with_context(|| format!("{program} could not be started"))
}

/// An address of this machine that is free now.
pub(crate) fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?)
}

/// Makes the bucket, with Python's standard library.
pub(crate) fn make_bucket(arguments: &[&str]) -> Result<()> {
    const SCRIPT: &str = include_str!("make_bucket.py");
    process::run(Command::new("python3").args(["-c", SCRIPT]).args(arguments))
}

/// Finds a program; where it is missing, gets it as a person would, and says so.
pub(crate) fn program(name: &str, get: &str) -> Result<PathBuf> {
    if let Some(found) = find(name) {
        return Ok(found);
    }
    eprintln!("{name} is not there: {get}");
    let tools = tools()?;
    std::fs::create_dir_all(&tools)?;
    let got = process::run(Command::new("sh").args(["-c", get]).current_dir(&tools));
    got.with_context(|| format!("{name} cannot be had here; where it can, `{get}` gets it"))?;
    find(name).with_context(|| format!("`{get}` went well, and there is still no {name}"))
}

fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    if let Ok(tools) = tools() {
        folders.extend([tools.join("node_modules/.bin"), tools.join("bin")]);
    }
    folders.into_iter().map(|folder| folder.join(name)).find(|path| path.is_file())
}

/// Where programs go that are installed for this: below the build's own folder,
/// so that they stay for the next time and go with it.
fn tools() -> Result<PathBuf> {
    Ok(process::root()?.join("target/conformance"))
}
