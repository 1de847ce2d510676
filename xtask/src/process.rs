//! Running other programs, and passing on how they ended.

use std::fmt;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, Result, bail};

/// A program ended with a failure, having said itself why.
#[derive(Debug)]
pub(crate) struct Failed {
    what: String,
    code: u8,
}

impl fmt::Display for Failed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "`{}` failed (exit code {})", self.what, self.code)
    }
}

impl std::error::Error for Failed {}

/// The exit code of the program that failed, or 1 where the fault is our own.
pub(crate) fn exit_code_of(error: &anyhow::Error) -> ExitCode {
    let failed = error.chain().find_map(|cause| cause.downcast_ref::<Failed>());
    ExitCode::from(failed.map_or(1, |failed| failed.code))
}

/// The folder of the workspace, whatever folder the command was typed in.
pub(crate) fn root() -> Result<PathBuf> {
    let manifest = std::env::var_os("CARGO_MANIFEST_DIR")
        .context("xtask runs under cargo: type `cargo xtask`, not the path of the binary")?;
    let mut root = PathBuf::from(manifest);
    root.pop();
    Ok(root)
}

/// The cargo that started us.
///
/// `cargo run` tells its child about the package that it runs. Some build
/// scripts ask to run again when those variables change, so a cargo that
/// inherited them would rebuild half the tree at every change of command.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            command.env_remove(&name);
        }
    }
    command.args(arguments);
    command
}

/// Runs a command with our own output; its failure becomes ours.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command
        .stdin(Stdio::null())
        .status()
        .with_context(|| format!("`{}` could not be started", display(command)))?;
    if status.success() {
        return Ok(());
    }
    // A child ended by a signal has no code: 1, and its own last words, must do.
    let code = status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1);
    Err(Failed { what: display(command), code: code.max(1) }.into())
}

/// Runs a command and returns what it printed on standard output.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("`{}` could not be started", display(command)))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("`{}` failed: {}", display(command), said.trim());
    }
    String::from_utf8(output.stdout)
        .with_context(|| format!("`{}` printed something that is not text", display(command)))
}

/// Whether a program is there and answers to the given arguments.
pub(crate) fn answers(program: &str, arguments: &[&str]) -> bool {
    Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// The command as a person would type it.
fn display(command: &Command) -> String {
    let program = PathBuf::from(command.get_program());
    let name = program.file_name().map(|name| name.to_string_lossy().into_owned());
    let mut words = vec![name.unwrap_or_default()];
    words.extend(command.get_args().map(|word| word.to_string_lossy().into_owned()));
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_of_the_failing_program_is_found_below_other_causes() {
        let error = anyhow::Error::from(Failed { what: "x".into(), code: 101 }).context("outer");
        assert_eq!(exit_code_of(&error), ExitCode::from(101));
        assert_eq!(exit_code_of(&anyhow::anyhow!("ours")), ExitCode::from(1));
    }

    #[test]
    fn a_failure_carries_the_code() {
        let error = run(Command::new("sh").args(["-c", "exit 7"])).expect_err("it exits with 7");
        assert_eq!(exit_code_of(&error), ExitCode::from(7));
        assert!(format!("{error}").contains("exit code 7"), "{error}");
    }

    #[test]
    fn a_missing_program_is_no_answer() {
        assert!(!answers("lifeboat-no-such-program", &[]));
        assert!(answers("sh", &["-c", "true"]));
    }
}
