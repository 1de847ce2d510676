//! `cargo xtask bench`: what backups cost, beside the other tools that are installed.
//!
//! One run, one machine, one database: what is compared was measured minutes
//! apart. Each tool is run as its users run it, with encryption where it has it.
//! Nothing is asserted here; what must hold is counted in the tests.

mod command;
mod databases;
mod lifeboat;
mod limits;
mod peers;
mod report;
mod writer;

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};

use crate::{build, process};
use command::Measured;
use databases::Database;
use report::{Report, Row};

/// What is measured.
struct Options {
    /// The sizes of the databases, in MiB.
    sizes: Vec<u64>,
    /// How many snapshots are listed and pruned.
    snapshots: Vec<u32>,
    /// Where the table goes: into docs, or only to the terminal.
    write: bool,
}

const USAGE: &str = "\
Usage: cargo xtask bench [--size MIB]… [--snapshots N]… [--no-peers] [--write]

Databases of 100 and 1,024 MiB, and 10 and 1,000 snapshots, unless others are
named. `--write` puts the table into docs/benchmarks.md and docs/benchmarks.json.";

/// Measures, and prints the table.
pub(crate) fn run(arguments: &[&str]) -> Result<()> {
    let (options, with_peers) = parse(arguments)?;
    let binary = build::release_binary()?;
    let bench = Bench { binary, folder: new_folder()? };
    let measured = bench.measure(&options, with_peers);
    // Gigabytes: nobody wants to keep them, whatever became of the run.
    let cleaned = std::fs::remove_dir_all(&bench.folder);
    let report = measured?;
    cleaned.with_context(|| format!("{} could not be removed", bench.folder.display()))?;
    println!("{}", report.markdown());
    if options.write { report.write(&process::root()?) } else { Ok(()) }
}

fn parse(arguments: &[&str]) -> Result<(Options, bool)> {
    let mut options = Options { sizes: vec![], snapshots: vec![], write: false };
    let mut with_peers = true;
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let mut number = || -> Result<u64> {
            let text = rest.next().with_context(|| format!("{argument} what?\n\n{USAGE}"))?;
            text.parse().with_context(|| format!("`{text}` is no number\n\n{USAGE}"))
        };
        match *argument {
            "--size" => options.sizes.push(number()?),
            "--snapshots" => options.snapshots.push(u32::try_from(number()?)?),
            "--no-peers" => with_peers = false,
            "--write" => options.write = true,
            other => bail!("`{other}` is not understood\n\n{USAGE}"),
        }
    }
    if options.sizes.is_empty() {
        options.sizes = vec![100, 1024];
    }
    if options.snapshots.is_empty() {
        options.snapshots = vec![10, 1000];
    }
    Ok((options, with_peers))
}

fn new_folder() -> Result<PathBuf> {
    let folder = std::env::temp_dir().join(format!("lifeboat-bench-{}", std::process::id()));
    std::fs::create_dir(&folder)
        .with_context(|| format!("the folder {} cannot be made", folder.display()))?;
    Ok(folder)
}

/// The binary, and where everything lies.
struct Bench {
    binary: PathBuf,
    folder: PathBuf,
}

impl Bench {
    fn measure(&self, options: &Options, with_peers: bool) -> Result<Report> {
        let mut report = Report::of_this_machine(&self.binary)?;
        for &size in &options.sizes {
            let folder = self.folder.join(format!("{size}"));
            std::fs::create_dir(&folder)?;
            say(&format!("a database of {size} MiB"));
            let database = Database::create(&folder.join("app.db"), size)?;
            report.limits(limits::measure(&folder, &database)?);
            lifeboat::measure(&self.binary, &folder, &database, &mut report)?;
            if with_peers {
                peers::measure(&folder, &database, &mut report)?;
            }
            writer::measure(&self.binary, &folder, &database, &mut report)?;
            std::fs::remove_dir_all(&folder)?;
        }
        for &count in &options.snapshots {
            lifeboat::many(&self.binary, &self.folder, count, &mut report)?;
        }
        Ok(report)
    }
}

/// Tells whoever waits what is going on.
fn say(what: &str) {
    eprintln!("  {what}");
}

/// A row of what was measured, told at once.
fn row<'r>(
    report: &'r mut Report,
    size: u64,
    who: &str,
    what: &str,
    measured: &Measured,
) -> &'r mut Row {
    eprintln!("    {who}, {what}: {:.2} s", measured.wall.as_secs_f64());
    report.row(size, who, what, measured)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_is_understood_or_refused() {
        let (options, with_peers) = parse(&[]).expect("defaults");
        assert_eq!((options.sizes, options.snapshots), (vec![100, 1024], vec![10, 1000]));
        assert!(with_peers && !options.write);
        let typed = ["--size", "4096", "--snapshots", "5", "--no-peers", "--write"];
        let (options, with_peers) = parse(&typed).expect("valid");
        assert_eq!((options.sizes, options.snapshots), (vec![4096], vec![5]));
        assert!(!with_peers && options.write);
        for wrong in [&["--size"][..], &["--size", "big"], &["--fast"]] {
            assert!(parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
