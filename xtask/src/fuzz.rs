//! `cargo xtask fuzz`: libFuzzer looks for bytes at which a decoder breaks a rule.
//!
//! It works with any compiler and no tool but a C++ compiler: the instrumentation is
//! asked for by flags that cargo-fuzz uses as well.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use crate::process;

/// What libFuzzer needs to see which branches were taken.
const FLAGS: &str = "--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
                     -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
                     -Cllvm-args=-sanitizer-coverage-pc-table \
                     -Cllvm-args=-sanitizer-coverage-trace-compares";

/// The most that one allocation and the whole process may take, in MiB: a decoder that
/// believes a length shows here.
const MOST: [&str; 2] = ["-malloc_limit_mb=128", "-rss_limit_mb=1024"];

/// What was asked for.
#[derive(Debug, PartialEq)]
struct Request {
    minutes: f64,
    only: Option<String>,
}

/// Builds the targets, and runs each for its share of the time.
pub(crate) fn run(arguments: &[&str]) -> Result<()> {
    let request = read(arguments)?;
    let root = process::root()?;
    let work = root.join("target/fuzz");
    let seeds = work.join("seeds");
    let mut test = process::cargo(&["test", "--package", "lifeboat-fuzz", "--test", "decoders"]);
    test.args(["--", "--exact", "seeds_are_there"]).current_dir(&root);
    process::run(test.env("LIFEBOAT_TEST_SEEDS", &seeds))?;
    let mut targets = Vec::new();
    for entry in std::fs::read_dir(&seeds)? {
        targets.push(entry?.file_name().to_string_lossy().into_owned());
    }
    targets.sort();
    targets.retain(|target| request.only.as_ref().is_none_or(|only| only == target));
    ensure!(!targets.is_empty(), "there is no such target; without --target all are run");
    let binary = build(&root, &work)?;
    let seconds = (request.minutes * 60.0 / targets.len() as f64).max(1.0) as u64;
    let (mut executions, mut broken) = (0, Vec::new());
    for target in &targets {
        let done = one(&binary, &work, target, seconds)?;
        println!("{:>12}  {target}{}", done.executions, if done.broke { ": BROKEN" } else { "" });
        executions += done.executions;
        if done.broke {
            broken.push(target.clone());
        }
    }
    println!("{executions:>12}  executions of {} targets, {seconds} s each", targets.len());
    if broken.is_empty() {
        return Ok(());
    }
    let found = work.join("found");
    bail!("broken: {}; the bytes lie in {}", broken.join(", "), found.display())
}

fn read(arguments: &[&str]) -> Result<Request> {
    let mut request = Request { minutes: 5.0, only: None };
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let value = rest.next().with_context(|| format!("what follows {argument}?"))?;
        match *argument {
            "--minutes" => {
                let minutes = value.parse().ok().filter(|minutes| *minutes > 0.0);
                request.minutes = minutes.with_context(|| format!("`{value}` is no time"))?;
            }
            "--target" => request.only = Some((*value).to_owned()),
            other => bail!("`{other}` is not understood; there are --minutes and --target"),
        }
    }
    Ok(request)
}

fn build(root: &Path, work: &Path) -> Result<PathBuf> {
    let host = process::output(Command::new("rustc").arg("-vV"))?;
    let host = host.lines().find_map(|line| line.strip_prefix("host: "));
    let host = host.context("rustc does not say for what it compiles")?;
    // With a target named, build scripts and macros are compiled without the flags.
    let mut cargo = process::cargo(&["build", "--release", "--locked", "--target", host]);
    cargo.current_dir(root.join("fuzz/libfuzzer")).env("RUSTFLAGS", FLAGS);
    process::run(cargo.env("CARGO_TARGET_DIR", work.join("build")))?;
    Ok(work.join("build").join(host).join("release/lifeboat-libfuzzer"))
}

/// What came of one target.
struct Done {
    executions: u64,
    broke: bool,
}

fn one(binary: &Path, work: &Path, target: &str, seconds: u64) -> Result<Done> {
    let (corpus, found) = (work.join("corpus").join(target), work.join("found"));
    std::fs::create_dir_all(&corpus)?;
    std::fs::create_dir_all(&found)?;
    let prefix = format!("-artifact_prefix={}/{target}-", found.display());
    let mut command = Command::new(binary);
    command.arg(&corpus).arg(work.join("seeds").join(target)).args(MOST).arg(prefix);
    command.args([&format!("-max_total_time={seconds}"), "-timeout=10", "-print_final_stats=1"]);
    command.arg("-max_len=65536");
    command.env("LIFEBOAT_FUZZ_TARGET", target).stdin(Stdio::null());
    let output = command.output().context("the fuzzer could not be started")?;
    let said = String::from_utf8_lossy(&output.stderr);
    let broke = !output.status.success();
    if broke {
        let mut end: Vec<&str> = said.lines().rev().take(30).collect();
        end.reverse();
        eprintln!("{}", end.join("\n"));
    }
    Ok(Done { executions: executions(&said), broke })
}

/// How often the target ran: libFuzzer's last statistics, or its last line of progress.
fn executions(said: &str) -> u64 {
    let last = said.lines().rev().find_map(|line| {
        let text = line.strip_prefix("stat::number_of_executed_units:").map(str::trim);
        text.or_else(|| line.strip_prefix('#')?.split_whitespace().next())
    });
    last.and_then(|text| text.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed() {
        let typed = read(&["--minutes", "0.5", "--target", "pack"]).expect("is understood");
        assert_eq!(typed, Request { minutes: 0.5, only: Some("pack".into()) });
        for bad in [&["--minutes"][..], &["--minutes", "0"], &["--minutes", "x"], &["-x", "1"]] {
            assert!(read(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn executions_are_found() {
        let whole = "#2\tINITED\n#4096\tpulse\nstat::number_of_executed_units: 5000\nx";
        assert_eq!(executions(whole), 5000);
        assert_eq!(executions("#2\tINITED cov: 3\n#4096\tNEW\nthread panicked"), 4096);
        assert_eq!(executions(""), 0);
    }
}
