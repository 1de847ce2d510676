//! A follower in a process of its own, which writes down what it takes.

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use lifeboat_format::geometry::PageNo;
use lifeboat_wal::{Commit, CommitSink, FollowError, Position, SinkError, Start};

use super::proof::Proof;
use super::seq;
use crate::support::{attach, copy};

const PLACE: &str = "LIFEBOAT_TEST_CAPTOR";
// How the process says that it cannot go on where another ended.
const GAP: i32 = 9;

/// How a captor ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    Well,
    Gap,
}

/// The process, from outside.
pub(crate) struct Captor {
    path: PathBuf,
    out: PathBuf,
    /// Where it began.
    from: Option<Position>,
    child: Child,
}

impl Captor {
    /// Starts a new history: a copy of the file, and what is committed from
    /// before it was begun.
    pub(crate) fn begin(path: &Path, folder: &Path, app: &rusqlite::Connection) -> (Self, Proof) {
        let mut captor = Self::spawn(path, folder.join("captured"), None);
        captor.wait_for_attach();
        let base = copy(path);
        (captor, Proof::new(base, seq(app)))
    }

    fn spawn(path: &Path, out: PathBuf, from: Option<Position>) -> Self {
        File::create(&out).expect("creates");
        let resume = from.and_then(Position::to_bytes);
        let resume: String = resume.iter().flatten().map(|byte| format!("{byte:02x}")).collect();
        let place = format!("{}\n{}\n{resume}", path.display(), out.display());
        let child = Command::new(std::env::current_exe().expect("is known"))
            .args(["--ignored", "--exact", "stress::captor::process", "--nocapture"])
            .env(PLACE, place)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("starts");
        Self { path: path.to_owned(), out, from, child }
    }

    fn wait_for_attach(&mut self) {
        while std::fs::metadata(&self.out).map_or(0, |out| out.len()) == 0 {
            assert!(self.child.try_wait().expect("answers").is_none(), "the captor ended");
            std::thread::yield_now();
        }
    }

    /// In the middle of what it does.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("runs");
        self.child.wait().expect("ends");
    }

    /// Stopped by a signal while something happens, and continued.
    pub(crate) fn pause(&self, meanwhile: impl FnOnce()) {
        let signal = |name: &str| {
            let pid = self.child.id().to_string();
            Command::new("kill").args([name, &pid]).status().expect("runs")
        };
        signal("-STOP");
        meanwhile();
        signal("-CONT");
    }

    /// Takes over what the process wrote down, and has another go on where that
    /// ends; none if there is nothing to go on from.
    pub(crate) fn resume(mut self, proof: &mut Proof) -> Option<Self> {
        let code = self.child.wait().expect("ends").code();
        let position = self.replay(proof).unwrap_or(self.from);
        if code == Some(GAP) {
            return None;
        }
        let next = Self::spawn(&self.path, self.out.clone(), Some(position?));
        Some(next)
    }

    /// Stops it after everything is taken.
    pub(crate) fn finish(&mut self, proof: &mut Proof) -> Ended {
        drop(self.child.stdin.take());
        let code = self.child.wait().expect("ends").code();
        self.replay(proof);
        match code {
            Some(0) => Ended::Well,
            Some(GAP) => Ended::Gap,
            other => panic!("the captor ended with {other:?}"),
        }
    }

    /// What was written down whole; the place of its last commit, if there was
    /// one, and if it is one to go on from.
    fn replay(&self, proof: &mut Proof) -> Option<Option<Position>> {
        let bytes = std::fs::read(&self.out).expect("is there");
        let mut rest = bytes.strip_prefix(b"A").unwrap_or(&[]);
        let mut position = None;
        let word = |bytes: &[u8], at: usize| {
            u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
        };
        while rest.len() >= 9 {
            let (kind, a, b) = (rest[0], word(rest, 1), word(rest, 5));
            let len = if kind == b'P' { b as usize } else { Position::LEN };
            let Some(body) = rest.get(9..9 + len) else { break };
            rest = &rest[9 + len..];
            if kind == b'P' {
                proof.page(a, body.to_vec());
                continue;
            }
            let at = Position::from_bytes(body.try_into().expect("its length"));
            let salts = at.map_or([0; 8], |at| at.salts);
            proof.commit(a as usize, b, salts).unwrap_or_else(|e| panic!("{e}"));
            position = Some(at);
        }
        proof.forget();
        position
    }
}

struct ToFile(File, Vec<u8>);

impl CommitSink for ToFile {
    fn page(&mut self, page: PageNo, data: &[u8]) -> Result<(), SinkError> {
        self.1.push(b'P');
        self.1.extend_from_slice(&page.0.to_le_bytes());
        self.1.extend_from_slice(&(data.len() as u32).to_le_bytes());
        self.1.extend_from_slice(data);
        Ok(())
    }

    fn commit(&mut self, commit: &Commit) -> Result<(), SinkError> {
        self.1.push(b'C');
        self.1.extend_from_slice(&commit.page_size.bytes().to_le_bytes());
        self.1.extend_from_slice(&commit.page_count.to_le_bytes());
        // Zeros are no place: from there nobody can go on.
        let place = commit.position.to_bytes().unwrap_or([0; Position::LEN]);
        self.1.extend_from_slice(&place);
        self.0.write_all(&self.1)?;
        self.1.clear();
        Ok(())
    }
}

/// The process, from inside.
#[test]
#[ignore = "the other tests start it, in a process of its own"]
fn process() {
    let place = std::env::var(PLACE).expect("is started by a test");
    let mut lines = place.split('\n');
    let mut next = || lines.next().expect("three lines");
    let (path, out, resume) = (next(), next(), next());
    let digits = resume.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).expect("ASCII"));
    let bytes: Vec<u8> =
        digits.map(|pair| u8::from_str_radix(pair, 16).expect("hexadecimal")).collect();
    let start = match bytes.try_into() {
        Ok(bytes) => Start::Resume(Position::from_bytes(&bytes).expect("was stored")),
        Err(_) => Start::Fresh,
    };
    let follower = match attach(Path::new(path), start) {
        Err(FollowError::NotContinuous { .. }) => std::process::exit(GAP),
        other => other.expect("attaches"),
    };
    let mut file = File::options().append(true).open(out).expect("is there");
    file.write_all(b"A").expect("writes");
    let stop = follower.stop_handle();
    std::thread::spawn(move || {
        // Ends when whoever started this closes the pipe, or dies.
        let _ = std::io::stdin().read(&mut [0]);
        stop.stop();
    });
    match follower.run(&mut ToFile(file, Vec::new())) {
        Ok(_) => {}
        Err(FollowError::NotContinuous { .. }) if start != Start::Fresh => std::process::exit(GAP),
        Err(error) => panic!("{error:?}"),
    }
}
