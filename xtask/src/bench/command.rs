//! Runs a command and says what it took: time, processor, memory.

use std::ffi::OsStr;
use std::io::{Read as _, Seek as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use wait4::Wait4 as _;

/// What a command took.
#[derive(Clone, Debug)]
pub(super) struct Measured {
    /// From start to end.
    pub(super) wall: Duration,
    /// On all processors together, in the program and in the system for it.
    pub(super) cpu: Duration,
    /// The most bytes of memory that it had at once.
    pub(super) peak: u64,
    /// What it printed.
    pub(super) output: String,
}

impl Measured {
    /// The last line of its output that is an object of JSON.
    pub(super) fn summary(&self) -> Result<Value> {
        let objects = self.output.lines().rev().filter_map(|line| serde_json::from_str(line).ok());
        objects
            .into_iter()
            .find(Value::is_object)
            .with_context(|| format!("no JSON in: {}", self.output))
    }
}

/// Runs a command to its end; a failure is ours.
pub(super) fn run(command: &mut Command) -> Result<Measured> {
    let words: Vec<_> = std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(OsStr::to_string_lossy)
        .map(|word| word.into_owned())
        .collect();
    // A file, not a pipe: nobody need read it meanwhile.
    let mut output = tempfile::tempfile()?;
    let mut errors = tempfile::tempfile()?;
    command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(errors.try_clone()?);
    let start = Instant::now();
    let child = command.spawn().with_context(|| format!("`{}` did not start", words[0]))?;
    let used = child.wait4()?;
    let wall = start.elapsed();
    let mut text = String::new();
    output.rewind()?;
    output.read_to_string(&mut text)?;
    if !used.status.success() {
        errors.rewind()?;
        errors.read_to_string(&mut text)?;
        bail!("`{}` failed: {}", words.join(" "), text.trim());
    }
    let usage = used.rusage;
    Ok(Measured { wall, cpu: usage.utime + usage.stime, peak: usage.maxrss, output: text })
}

/// Runs a line of shell in a folder.
pub(super) fn shell(folder: &Path, line: &str) -> Result<Measured> {
    run(Command::new("sh").current_dir(folder).args(["-c", line]))
}

/// The bytes of all files below a path.
pub(super) fn bytes_below(path: &Path) -> Result<u64> {
    if path.is_file() {
        return Ok(path.metadata()?.len());
    }
    let mut bytes = 0;
    for entry in std::fs::read_dir(path)? {
        bytes += bytes_below(&entry?.path())?;
    }
    Ok(bytes)
}
