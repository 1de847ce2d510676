//! `cargo xtask hazards [NUMBER…]`: breaks the code at each guard and sees its test fail.
//!
//! What has destroyed other people's backups is a list, and each line of it has a guard
//! in the code and a test of that guard. A test that cannot fail guards nothing. So here
//! each guard is taken out of a copy of the workspace, one after the other, and its test
//! must turn red; with the guard, it must be green.

mod table;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};

use crate::process;
use table::{Hazard, all};

/// How to take a guard out.
struct Break {
    /// What no longer happens, in words.
    what: &'static str,
    /// The file that is changed.
    file: &'static str,
    /// What stands there, once, and what stands there instead.
    from: &'static str,
    to: &'static str,
    /// The package whose test turns red, and that test.
    package: &'static str,
    test: &'static str,
}

/// Breaks the guards of these hazards, or of all; or prints the table.
pub(crate) fn run(wanted: &[&str]) -> Result<()> {
    if wanted == ["--table"] {
        all().for_each(|hazard| println!("{}", hazard.row()));
        return Ok(());
    }
    let mut numbers = Vec::new();
    for word in wanted {
        numbers.push(word.parse::<u8>().with_context(|| format!("`{word}` is no number"))?);
    }
    let chosen = |hazard: &&Hazard| numbers.is_empty() || numbers.contains(&hazard.number);
    let hazards: Vec<&Hazard> = all().filter(chosen).collect();
    ensure!(!hazards.is_empty(), "there is no such hazard");
    let copy = Copy::make()?;
    let (mut seen, mut blind) = (0, Vec::new());
    for hazard in hazards {
        let guard = &hazard.guard;
        let start = Instant::now();
        let verdict = copy.try_out(guard)?;
        let seconds = start.elapsed().as_secs();
        println!(
            "{:>3}  {verdict:?}  {}  ({seconds} s): {}",
            hazard.number, guard.test, guard.what
        );
        if verdict == Verdict::Red {
            seen += 1;
        } else {
            blind.push(hazard.number.to_string());
        }
    }
    println!("{seen} guards taken out and seen to be missed");
    if blind.is_empty() {
        return Ok(());
    }
    bail!("not as it should be: hazards {}", blind.join(", "))
}

/// What became of a test when its guard was gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// It failed, and passes with the guard.
    Red,
    /// It passed: it guards nothing.
    Green,
    /// It does not even pass with the guard, or there is no such test.
    Broken,
    /// Without the guard the code does not compile.
    DoesNotCompile,
}

/// The workspace, in a folder of its own with builds of its own.
struct Copy {
    root: PathBuf,
    target: PathBuf,
}

impl Copy {
    fn make() -> Result<Self> {
        let root = process::root()?;
        let work = root.join("target/hazards");
        let copy = Self { root: work.join("tree"), target: work.join("target") };
        let mut git = Command::new("git");
        git.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
        let listed = process::output(git.current_dir(&root))?;
        for path in listed.split('\0').filter(|path| !path.is_empty() && root.join(path).is_file())
        {
            copy.put(path, &std::fs::read(root.join(path))?)?;
        }
        Ok(copy)
    }

    /// Writes a file where it is another, so that nothing is compiled for nothing.
    fn put(&self, path: &str, bytes: &[u8]) -> Result<()> {
        let to = self.root.join(path);
        if std::fs::read(&to).is_ok_and(|there| there == bytes) {
            return Ok(());
        }
        std::fs::create_dir_all(to.parent().unwrap_or(Path::new(".")))?;
        std::fs::write(&to, bytes).with_context(|| format!("{path} cannot be written"))
    }

    fn try_out(&self, guard: &Break) -> Result<Verdict> {
        let good = std::fs::read_to_string(self.root.join(guard.file))
            .with_context(|| format!("{} is not there", guard.file))?;
        let bad = without(&good, guard)?;
        if self.test(guard)? != Some(true) {
            return Ok(Verdict::Broken);
        }
        self.put(guard.file, bad.as_bytes())?;
        let broken = self.test(guard);
        self.put(guard.file, good.as_bytes())?;
        Ok(match broken? {
            Some(true) => Verdict::Green,
            Some(false) => Verdict::Red,
            None => Verdict::DoesNotCompile,
        })
    }

    fn cargo(&self, arguments: &[&str]) -> Command {
        let mut command = process::cargo(arguments);
        command.env("CARGO_TARGET_DIR", &self.target).current_dir(&self.root);
        command
    }

    /// Whether the test passes; nothing where it does not compile or is not there.
    fn test(&self, guard: &Break) -> Result<Option<bool>> {
        if guard.package == table::END_TO_END && !self.cargo(&["build"]).status()?.success() {
            return Ok(None);
        }
        let package = ["test", "--package", guard.package, "--lib", "--tests"];
        let mut command = self.cargo(&package);
        command.args(["--no-fail-fast", "--", guard.test]).stdin(Stdio::null());
        let output = command.output().context("cargo could not be started")?;
        let said = String::from_utf8_lossy(&output.stdout);
        Ok(verdict_of(&said).map(|passed| passed && output.status.success()))
    }
}

/// The file without its guard.
fn without(good: &str, guard: &Break) -> Result<String> {
    let count = good.matches(guard.from).count();
    ensure!(count == 1, "{} has `{}` {count} times, not once", guard.file, guard.from);
    Ok(good.replace(guard.from, guard.to))
}

/// Whether every test that ran passed; nothing if none ran.
fn verdict_of(said: &str) -> Option<bool> {
    let mut verdict = None;
    for line in said.lines().filter(|line| line.starts_with("test ")) {
        match line.rsplit_once(" ... ").map(|(_, word)| word.trim()) {
            Some("ok") => verdict = verdict.or(Some(true)),
            Some(word) if word.starts_with("FAILED") => verdict = Some(false),
            _ => {}
        }
    }
    verdict
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::named::names_in;

    #[test]
    fn verdicts() {
        assert_eq!(verdict_of("running 0 tests\n"), None);
        assert_eq!(verdict_of("test a::b ... ok\ntest c ... ignored\n"), Some(true));
        assert_eq!(verdict_of("test a::b ... FAILED\ntest c ... ok\n"), Some(false));
    }

    /// A guard that moved is found here, and not when somebody looks next.
    #[test]
    fn every_guard_is_where_the_table_says() {
        let root = process::root().expect("the test runs under cargo");
        for hazard in all() {
            let guard = &hazard.guard;
            let text = std::fs::read_to_string(root.join(guard.file)).expect("is there");
            without(&text, guard).unwrap_or_else(|error| panic!("{}: {error}", hazard.number));
            let last = |name: &str| name.rsplit("::").next().map(str::to_owned);
            let named = hazard.tests.iter().any(|test| last(test) == last(guard.test));
            assert!(named, "{}: {} is not among its tests", hazard.number, guard.test);
        }
    }

    /// docs/reliability.md has a row for each hazard, with its tests and its guard.
    #[test]
    fn the_documentation_has_the_table() {
        let root = process::root().expect("the test runs under cargo");
        let text = std::fs::read_to_string(root.join("docs/reliability.md")).expect("is there");
        for (index, hazard) in all().enumerate() {
            assert_eq!(usize::from(hazard.number), index + 1, "each hazard once, in order");
            let row = hazard.row();
            assert!(text.lines().any(|line| line == row), "no such line:\n{row}");
            assert!(names_in(&row).count() >= hazard.tests.len(), "{row}");
        }
    }
}
