//! `--env-file`: the variables of a file, for this command and all that it runs.
//!
//! The program starts itself anew with them, so that they count for everything
//! that reads the environment, stores and key commands included.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use lifeboat::config::env_file::parse;

use crate::arguments::Refusal;
use crate::exit::Exit;

/// Who has read the file: an id of a process, which a restart keeps and a child
/// has not.
const READ_BY: &str = "LIFEBOAT_ENV_FILE_READ_BY";

/// Starts this program anew with the variables of a file; a variable that is set
/// already counts more. Returns where that was done before.
pub(crate) fn enter(path: &Path) -> Result<(), Refusal> {
    let me = std::process::id().to_string();
    if std::env::var(READ_BY).is_ok_and(|by| by == me) {
        return Ok(());
    }
    let refuse = |message: String| Refusal {
        exit: Exit::Usage,
        message,
        hint: "--env-file names a file of lines NAME=value".into(),
    };
    let text = std::fs::read_to_string(path)
        .map_err(|error| refuse(format!("{} cannot be read: {error}", path.display())))?;
    let variables = parse(path, &text).map_err(|problem| refuse(problem.to_string()))?;
    let program = std::env::current_exe()
        .map_err(|error| refuse(format!("this program cannot be started anew: {error}")))?;
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let mut again = Command::new(program);
    again.args(std::env::args_os().skip(1)).env(READ_BY, me);
    again.envs(variables.into_iter().filter(|(name, _)| !is_set(name)));
    Err(refuse(format!("this program cannot be started anew: {}", again.exec())))
}
