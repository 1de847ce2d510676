//! Runs the blocks of a page in order, in one shell, in a home of its own.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use lifeboat_testing::databases::open;

use super::before;
use super::blocks::{self, Block, Kind, Step};
use super::shape::differs;
use crate::command::{Folder, binary};

/// A page, and what a reader of it has before the first command.
pub(super) struct Page {
    name: String,
    folder: Folder,
    variables: Vec<(String, String)>,
    /// What stands in the page, and what is run in its place.
    instead: Vec<(String, String)>,
}

/// A process that is ended with the test, and all that it began.
struct Group(Child);

impl Drop for Group {
    fn drop(&mut self) {
        // Its number is that of the group, which it began itself.
        let group = format!("-{}", self.0.id());
        let mut kill = Command::new("kill");
        // Most often nothing is left of it.
        let _ = kill.args(["-s", "KILL", "--", &group]).stderr(Stdio::null()).status();
        let _ = self.0.wait();
    }
}

/// A store that others wrote, for the pages on S3.
pub(super) struct Moto {
    address: String,
    _process: Group,
}

impl Moto {
    pub(super) fn start(buckets: &[&str]) -> Self {
        let address = format!("127.0.0.1:{}", free_port());
        let mut command = Command::new("python3");
        command.args(["-m", "moto.server", "-H", "127.0.0.1", "-p"]);
        command.arg(address.rsplit(':').next().expect("has a port"));
        command.stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        let mut process = Group(command.spawn().expect("python3 is installed"));
        while TcpStream::connect(&address).is_err() {
            let ended = process.0.try_wait().expect("can be asked");
            assert!(ended.is_none(), "moto ended; install it: pip install 'moto[server]'");
            std::thread::yield_now();
        }
        let moto = Self { address, _process: process };
        for bucket in buckets {
            moto.make(bucket);
        }
        moto
    }

    fn make(&self, bucket: &str) {
        let mut stream = TcpStream::connect(&self.address).expect("it listens");
        let request = format!(
            "PUT /{bucket} HTTP/1.1\r\nHost: {}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
            self.address
        );
        stream.write_all(request.as_bytes()).expect("it takes requests");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers");
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

pub(super) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("binds");
    listener.local_addr().expect("has one").port()
}

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("is in the workspace").to_owned()
}

/// Every page whose blocks are run, by its path from the root.
pub(super) fn all() -> Vec<String> {
    let mut all = vec!["README.md".to_owned(), "CONTRIBUTING.md".to_owned()];
    for entry in fs::read_dir(root().join("docs")).expect("is there").flatten() {
        let name = entry.file_name().into_string().expect("is text");
        if name.ends_with(".md") {
            all.push(format!("docs/{name}"));
        }
    }
    all.sort();
    all
}

pub(super) fn blocks(name: &str) -> Vec<Block> {
    blocks::of(&fs::read_to_string(root().join(name)).expect("the page is there"))
}

impl Page {
    pub(super) fn new(name: &str) -> Self {
        let folder = Folder::new();
        let bin = folder.path("bin");
        fs::create_dir_all(&bin).expect("is made");
        std::os::unix::fs::symlink(binary(), bin.join("lifeboat")).expect("is linked");
        let application = open(&folder.path("app.db"), "wal");
        application
            .execute_batch(
                "CREATE TABLE note(id INTEGER PRIMARY KEY, text, lost);
                 CREATE INDEX note_text ON note(text);
                 WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
                 INSERT INTO note(text) SELECT hex(randomblob(40)) FROM n;",
            )
            .expect("writes");
        let etc = folder.path("etc").to_string_lossy().into_owned();
        fs::create_dir_all(&etc).expect("is made");
        for name in ["http-token", "operate-token", "read-token"] {
            fs::write(folder.path("etc").join(name), format!("{name}-of-a-test")).expect("writes");
        }
        let mut instead = vec![("/etc/lifeboat".into(), etc), ("=…".into(), "=made-up".into())];
        let own = before::instead(name).iter();
        instead.extend(own.map(|(stands, runs)| (stands.to_string(), runs.to_string())));
        let variables = vec![("AWS_EC2_METADATA_DISABLED".into(), "true".into())];
        Self { name: name.to_owned(), folder, variables, instead }
    }

    /// The variables of those who use a store, and that store for those of the page.
    pub(super) fn with_store(mut self, moto: &Moto, stores: &[&str]) -> Self {
        for (name, value) in [("AWS_ENDPOINT_URL", moto.url().as_str()), ("AWS_ALLOW_HTTP", "true")]
        {
            self.variables.push((name.to_owned(), value.to_owned()));
        }
        for store in stores {
            self = self.instead(store, &moto.url());
        }
        self
    }

    pub(super) fn instead(mut self, stands: &str, runs: &str) -> Self {
        self.instead.push((stands.to_owned(), runs.to_owned()));
        self
    }

    fn translated(&self, text: &str) -> String {
        let replace = |text: String, (stands, runs): &(String, String)| text.replace(stands, runs);
        self.instead.iter().fold(text.to_owned(), replace)
    }

    /// Runs everything; what does not do as the page says is listed.
    pub(super) fn troubles(&self) -> Vec<String> {
        let blocks = blocks(&self.name);
        let mut troubles = self.run_steps(&blocks);
        for block in &blocks {
            if let Err(why) = self.check(block) {
                troubles.push(format!("{}:{}: {why}", self.name, block.line));
            }
        }
        troubles
    }

    fn expected(&self, step: &Step) -> Vec<String> {
        step.prints.iter().map(|line| self.translated(line)).collect()
    }

    fn run_steps(&self, blocks: &[Block]) -> Vec<String> {
        let steps: Vec<(usize, Step)> = blocks
            .iter()
            .flat_map(|block| block.steps().into_iter().map(|step| (block.line, step)))
            .collect();
        if steps.is_empty() {
            return Vec::new();
        }
        self.run_shell(&steps);
        let read = |at: usize, what: &str| {
            fs::read_to_string(self.folder.path(&format!("steps/{at}.{what}"))).unwrap_or_default()
        };
        let mut troubles = Vec::new();
        if !self.folder.path("steps/0.code").exists() {
            let why = fs::read_to_string(self.folder.path("steps/before.err")).unwrap_or_default();
            return vec![format!("{}: what comes before it failed: {why}", self.name)];
        }
        for (at, (line, step)) in steps.iter().enumerate() {
            let (code, printed) = (read(at, "code"), read(at, "out"));
            let place = format!("{}:{line}: {}", self.name, step.command);
            if code != step.code.to_string() {
                troubles.push(format!("{place}\nexit code {code}, not {}: {printed}", step.code));
                continue;
            }
            let home = self.folder.path("").to_string_lossy().trim_end_matches('/').to_owned();
            if !step.prints.is_empty()
                && let Some(missing) = differs(&self.expected(step), &printed, &home)
            {
                troubles.push(format!("{place}\nshall print: {missing}\nprints:\n{printed}"));
            }
        }
        troubles
    }

    fn run_shell(&self, steps: &[(usize, Step)]) {
        fs::create_dir_all(self.folder.path("steps")).expect("is made");
        let first = self.translated(before::before(&self.name));
        let mut script = format!("exec 2> steps/before.err\nset -e\n{first}\nset +e\n");
        for (at, (_, step)) in steps.iter().enumerate() {
            let command = self.translated(&step.command);
            let (file, wait) = (format!("$HOME/steps/{at}"), wait(&command));
            if step.terminal {
                let path = self.folder.path(&format!("steps/{at}.sh"));
                fs::write(path, &command).expect("writes");
                script += &format!(
                    "NO_COLOR=1 script -qec \"bash {file}.sh 2>/dev/null\" /dev/null > {file}.out\n"
                );
            } else {
                script += &format!("{{\n{command}\n}} > {file}.out 2>&1 < /dev/null\n");
            }
            script += &format!("printf %s $? > {file}.code\n{wait}");
        }
        fs::write(self.folder.path("steps/all.sh"), script).expect("writes");
        let path = std::env::var("PATH").unwrap_or_default();
        let mut shell = self.folder.under(Command::new("bash"));
        shell.arg(self.folder.path("steps/all.sh")).process_group(0);
        shell.env("READER", root().join("tests/reader"));
        shell.env("PATH", format!("{}:{path}", self.folder.path("bin").display()));
        shell.envs(self.variables.iter().map(|(name, value)| (name, value)));
        // Beside the databases, as anybody would have them.
        let quiet = shell.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut group = Group(quiet.spawn().expect("bash is there"));
        group.0.wait().expect("ends");
    }

    fn check(&self, block: &Block) -> Result<(), String> {
        let text = self.translated(&block.text);
        match &block.kind {
            Kind::Settings => {
                fs::write(self.folder.path("page.toml"), &text).expect("writes");
                let ran = self.folder.run(&["--config", "page.toml", "config", "check"]);
                if ran.code == 0 { Ok(()) } else { Err(ran.err) }
            }
            Kind::Excerpt(path) => {
                let whole = root().join(path);
                let whole = fs::read_to_string(&whole)
                    .map_err(|error| format!("{}: {error}", whole.display()))?;
                let bare = |line: &str| {
                    // The examples in documentation are compiled as well.
                    let line = line.trim();
                    let line =
                        line.strip_prefix("//!").or(line.strip_prefix("///")).unwrap_or(line);
                    line.trim().to_owned()
                };
                let mut lines = whole.lines().map(bare);
                let wanted = block.text.lines().map(str::trim).filter(|line| !line.is_empty());
                for line in wanted {
                    if !lines.any(|there| there == line) {
                        return Err(format!("{path} does not have, in this order: {line}"));
                    }
                }
                Ok(())
            }
            // One, or one after the other.
            Kind::Json => serde_json::Deserializer::from_str(&block.text)
                .into_iter::<serde_json::Value>()
                .try_for_each(|value| value.map(drop))
                .map_err(|error| error.to_string()),
            Kind::Python => {
                let program = "import ast, sys; ast.parse(sys.argv[1])";
                let ran = Command::new("python3").args(["-c", program, &block.text]).output();
                let ran = ran.expect("python3 is installed");
                let why = String::from_utf8_lossy(&ran.stderr).into_owned();
                if ran.status.success() { Ok(()) } else { Err(why) }
            }
            Kind::Text => {
                let typed = |line: &&str| {
                    let line = line.trim_start();
                    line.starts_with("$ ") || line.starts_with("lifeboat ")
                };
                match block.text.lines().find(typed) {
                    Some(line) => Err(format!("{line}\nis a command in a block that is not run")),
                    None => Ok(()),
                }
            }
            Kind::NotRun(reason) if reason.is_empty() => Err("it is not run, and why?".into()),
            Kind::NotRun(_) | Kind::Commands | Kind::Transcript { .. } => Ok(()),
        }
    }
}

/// A server that is left running in the background is waited for, before it is used.
fn wait(command: &str) -> String {
    if !command.trim_end().ends_with('&') {
        return String::new();
    }
    let mut words = command.split_whitespace();
    let port = words.by_ref().find(|word| *word == "-p").and_then(|_| words.next());
    let Some(port) = port else { return String::new() };
    format!("until (exec 3<>/dev/tcp/127.0.0.1/{port}) 2>/dev/null; do sleep 0.1; done\n")
}
