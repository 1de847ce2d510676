//! The log of `strace`, read as what was done to the files of one folder.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Component, Path, PathBuf};

/// Everything by which files and their names change, and what says which file a
/// descriptor is.
pub(super) const CALLS: &str = "trace=open,openat,creat,close,write,pwrite64,writev,pwritev,\
    pwritev2,ftruncate,truncate,fallocate,fsync,fdatasync,link,linkat,rename,renameat,renameat2,\
    unlink,unlinkat,rmdir,mkdir,mkdirat,symlink,symlinkat,copy_file_range,sendfile,dup,dup2,dup3,\
    fcntl,lseek,chdir,read,mmap";

/// One call that changed something, or made it safe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Event {
    Create(String),
    Write(String, u64, Vec<u8>),
    Truncate(String, u64),
    /// Of a file or of a folder.
    Sync(String),
    Link(String, String),
    Rename(String, String),
    Unlink(String),
    Mkdir(String),
    Rmdir(String),
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Create(path) => write!(f, "create {path}"),
            Self::Write(path, at, bytes) => write!(f, "write {path} {at}+{}", bytes.len()),
            Self::Truncate(path, len) => write!(f, "truncate {path} {len}"),
            Self::Sync(path) => write!(f, "sync {path}"),
            Self::Link(from, to) => write!(f, "link {from} {to}"),
            Self::Rename(from, to) => write!(f, "rename {from} {to}"),
            Self::Unlink(path) => write!(f, "unlink {path}"),
            Self::Mkdir(path) => write!(f, "mkdir {path}"),
            Self::Rmdir(path) => write!(f, "rmdir {path}"),
        }
    }
}

/// A descriptor of a file in the folder.
#[derive(Clone, Debug)]
struct Open {
    path: String,
    at: u64,
    append: bool,
}

struct Reader<'a> {
    folder: &'a Path,
    open: BTreeMap<i64, Open>,
    /// How long each file is, as far as it was seen to grow: where appending goes.
    lengths: BTreeMap<String, u64>,
    events: Vec<Event>,
}

/// What was done to the files of a folder, in the order in which it ended.
pub(super) fn events(log: &str, folder: &Path) -> Vec<Event> {
    let (open, lengths, events) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
    let mut reader = Reader { folder, open, lengths, events };
    let mut begun: BTreeMap<&str, String> = BTreeMap::new();
    for line in log.lines() {
        let Some((thread, rest)) = line.split_once(char::is_whitespace) else { continue };
        let rest = rest.trim_start();
        if let Some(first) = rest.strip_suffix("<unfinished ...>") {
            begun.insert(thread, first.trim_end().to_owned());
            continue;
        }
        let whole = match rest.strip_prefix("<... ") {
            Some(resumed) => {
                let Some((_, end)) = resumed.split_once("resumed>") else { continue };
                begun.remove(thread).unwrap_or_default() + end
            }
            None => rest.to_owned(),
        };
        reader.call(&whole);
    }
    reader.events
}

impl Reader<'_> {
    fn call(&mut self, call: &str) {
        let Some((name, rest)) = call.split_once('(') else { return };
        let Some((arguments, result)) = rest.rsplit_once(" = ") else { return };
        let Some(arguments) = arguments.trim_end().strip_suffix(')') else { return };
        let result = result.split_whitespace().next().unwrap_or_default();
        // Of a call that never came back nobody knows; of one that failed nothing is left.
        let Ok(result) = result.parse::<i64>() else { return };
        if result < 0 {
            return;
        }
        self.done(name, &split(arguments), result);
    }

    fn done(&mut self, name: &str, arguments: &[&str], result: i64) {
        let number = |at: usize| arguments.get(at).and_then(|text| text.parse::<i64>().ok());
        let fd = number(0).unwrap_or(-1);
        match name {
            "open" | "creat" => self.opened(arguments[0], arguments.get(1), result),
            "openat" => self.opened(arguments[1], arguments.get(2), result),
            "close" => drop(self.open.remove(&fd)),
            "dup" | "dup2" | "dup3" => self.duplicated(fd, result),
            "fcntl" if arguments[1].contains("DUPFD") => self.duplicated(fd, result),
            "lseek" => self.moved_to(fd, result as u64),
            "read" => self.moved_by(fd, result as u64),
            "write" => self.written(fd, None, &bytes(arguments[1]), result),
            "pwrite64" => {
                self.written(fd, number(3), &bytes(arguments[1]), result);
            }
            "writev" | "pwritev" | "pwritev2" => {
                let at = if name == "writev" { None } else { number(3) };
                let all: Vec<u8> = parts(arguments[1]).concat();
                self.written(fd, at, &all, result);
            }
            "ftruncate" => self.truncated(fd, number(1).unwrap_or_default() as u64),
            "truncate" => {
                if let Some(path) = self.path(arguments[0]) {
                    self.events.push(Event::Truncate(path, number(1).unwrap_or_default() as u64));
                }
            }
            "fallocate" => self.allocated(fd, arguments),
            "fsync" | "fdatasync" => {
                if let Some(open) = self.open.get(&fd) {
                    self.events.push(Event::Sync(open.path.clone()));
                }
            }
            "copy_file_range" | "sendfile" => self.is_not_ours(name, fd, number(2)),
            "mmap" => self.mapped(arguments),
            _ => self.renamed(name, arguments),
        }
    }

    fn renamed(&mut self, name: &str, arguments: &[&str]) {
        let at = |at: usize| arguments.get(at).and_then(|text| self.path(text));
        let event = match name {
            "link" => two(at(0), at(1), Event::Link),
            "linkat" => two(at(1), at(3), Event::Link),
            "rename" => two(at(0), at(1), Event::Rename),
            "renameat" | "renameat2" => two(at(1), at(3), Event::Rename),
            "unlink" => at(0).map(Event::Unlink),
            "unlinkat" if arguments[2].contains("REMOVEDIR") => at(1).map(Event::Rmdir),
            "unlinkat" => at(1).map(Event::Unlink),
            "rmdir" => at(0).map(Event::Rmdir),
            "mkdir" => at(0).map(Event::Mkdir),
            "mkdirat" => at(1).map(Event::Mkdir),
            "symlink" | "symlinkat" => panic!("{name} is not recorded"),
            _ => None,
        };
        if let Some(Event::Rename(from, to)) = &event {
            // Descriptors follow the file.
            for open in self.open.values_mut().filter(|open| open.path == *from) {
                open.path.clone_from(to);
            }
        }
        self.events.extend(event);
    }

    fn opened(&mut self, path: &str, flags: Option<&&str>, fd: i64) {
        self.open.remove(&fd);
        let flags = flags.copied().unwrap_or("O_CREAT|O_TRUNC");
        // It has no name, and nobody finds it after the power went.
        if flags.contains("O_TMPFILE") {
            return;
        }
        let Some(path) = self.path(path) else { return };
        if flags.contains("O_CREAT") {
            self.events.push(Event::Create(path.clone()));
        }
        if flags.contains("O_TRUNC") {
            self.lengths.insert(path.clone(), 0);
            self.events.push(Event::Truncate(path.clone(), 0));
        }
        let append = flags.contains("O_APPEND");
        self.open.insert(fd, Open { path, at: 0, append });
    }

    fn duplicated(&mut self, fd: i64, copy: i64) {
        match self.open.get(&fd).cloned() {
            Some(open) => drop(self.open.insert(copy, open)),
            None => drop(self.open.remove(&copy)),
        }
    }

    fn moved_to(&mut self, fd: i64, at: u64) {
        if let Some(open) = self.open.get_mut(&fd) {
            open.at = at;
        }
    }

    fn moved_by(&mut self, fd: i64, count: u64) {
        if let Some(open) = self.open.get_mut(&fd) {
            open.at += count;
        }
    }

    fn written(&mut self, fd: i64, at: Option<i64>, bytes: &[u8], result: i64) {
        let Some(open) = self.open.get_mut(&fd) else { return };
        let written = &bytes[..result as usize];
        let length = self.lengths.entry(open.path.clone()).or_default();
        let place = match at {
            Some(at) => at as u64,
            None if open.append => *length,
            None => open.at,
        };
        let end = place + written.len() as u64;
        if at.is_none() {
            open.at = end;
        }
        *length = end.max(*length);
        self.events.push(Event::Write(open.path.clone(), place, written.to_vec()));
    }

    fn truncated(&mut self, fd: i64, len: u64) {
        let Some(open) = self.open.get(&fd) else { return };
        self.lengths.insert(open.path.clone(), len);
        self.events.push(Event::Truncate(open.path.clone(), len));
    }

    fn allocated(&mut self, fd: i64, arguments: &[&str]) {
        let Some(open) = self.open.get(&fd) else { return };
        let number = |at: usize| arguments[at].parse::<u64>().unwrap_or_default();
        let end = number(2) + number(3);
        // With a mode the length may stay as it is; without one it grows.
        if arguments[1] == "0" && end > self.lengths.get(&open.path).copied().unwrap_or_default() {
            self.truncated(fd, end);
        }
    }

    fn is_not_ours(&self, name: &str, first: i64, second: Option<i64>) {
        let ours =
            [Some(first), second].into_iter().flatten().any(|fd| self.open.contains_key(&fd));
        assert!(!ours, "{name} is not recorded");
    }

    /// What is written through a mapping is not seen here. SQLite maps its
    /// wal-index, which nobody needs after the power went.
    fn mapped(&self, arguments: &[&str]) {
        let writes = arguments.get(2).is_some_and(|how| how.contains("PROT_WRITE"))
            && arguments.get(3).is_some_and(|how| how.contains("MAP_SHARED"));
        let fd = arguments.get(4).and_then(|fd| fd.parse().ok()).unwrap_or(-1);
        if let Some(open) = self.open.get(&fd).filter(|_| writes) {
            assert!(open.path.ends_with("-shm"), "{} is written through a mapping", open.path);
        }
    }

    /// Relative to the folder; none for what lies elsewhere.
    fn path(&self, quoted: &str) -> Option<String> {
        let bytes = bytes(quoted);
        let text = String::from_utf8(bytes).expect("tests name files in UTF-8");
        let mut clean = PathBuf::new();
        for part in self.folder.join(text).components() {
            match part {
                Component::CurDir => {}
                Component::ParentDir => drop(clean.pop()),
                part => clean.push(part),
            }
        }
        let below = clean.strip_prefix(self.folder).ok()?;
        Some(below.to_str().expect("was UTF-8").to_owned())
    }
}

fn two(
    from: Option<String>,
    to: Option<String>,
    event: fn(String, String) -> Event,
) -> Option<Event> {
    match (from, to) {
        (Some(from), Some(to)) => Some(event(from, to)),
        (None, None) => None,
        (from, to) => panic!("{from:?} and {to:?}: one of them is in another folder"),
    }
}

/// The arguments of a call: separated by commas that are in no string and no bracket.
fn split(arguments: &str) -> Vec<&str> {
    let (mut parts, mut depth, mut quoted, mut begin) = (Vec::new(), 0, false, 0);
    for (at, byte) in arguments.bytes().enumerate() {
        match byte {
            b'"' => quoted = !quoted,
            b'[' | b'{' if !quoted => depth += 1,
            b']' | b'}' if !quoted => depth -= 1,
            b',' if !quoted && depth == 0 => {
                parts.push(arguments[begin..at].trim());
                begin = at + 1;
            }
            _ => {}
        }
    }
    parts.push(arguments[begin..].trim());
    parts
}

/// The bytes of a string in which every byte is written as `\x..`.
fn bytes(quoted: &str) -> Vec<u8> {
    assert!(!quoted.ends_with("..."), "strace cut a string off");
    let inner = quoted.trim_matches('"');
    let hex = inner.split("\\x").skip(1);
    hex.map(|two| u8::from_str_radix(two, 16).expect("two digits")).collect()
}

/// The bytes of each part of what was written at once.
fn parts(vector: &str) -> Vec<Vec<u8>> {
    let parts = vector.split("iov_base=").skip(1);
    parts.map(|part| bytes(part.split(", iov_len").next().unwrap_or_default())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_read() {
        let log = r#"7  openat(AT_FDCWD, "\x61", O_RDWR|O_CREAT|O_EXCL, 0666) = 3
7  write(3, "\x01\x02", 2 <unfinished ...>
8  mkdir("\x2f\x66\x2f\x64", 0777) = 0
7  <... write resumed>) = 2
7  pwritev(3, [{iov_base="\x03", iov_len=1}, {iov_base="\x04\x05", iov_len=2}], 2, 9) = 3
7  fsync(3) = 0
7  renameat(AT_FDCWD, "\x61", AT_FDCWD, "\x62") = 0
7  write(3, "\x06", 1) = 1
7  unlink("\x63") = -1 ENOENT (No such file or directory)
7  close(3) = 0
7  openat(AT_FDCWD, "\x2f\x65\x74\x63", O_RDONLY) = 3
7  write(3, "\x06", 1) = 1
7  rename("\x62", "\x61 <unfinished ...>
7  +++ killed by SIGKILL +++
"#;
        let told: Vec<String> =
            events(log, Path::new("/f")).iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                "create a",
                "mkdir d",
                "write a 0+2",
                "write a 9+3",
                "sync a",
                "rename a b",
                "write b 2+1"
            ]
        );
    }
}
