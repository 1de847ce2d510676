//! Files that commands make.

use std::path::Path;

use super::{Command, KeyCommand, Refusal};
use crate::exit::Exit;

/// Refuses "-" as the name of a file. Elsewhere it means standard output, and a
/// database is proven as a file before anybody reads it.
pub(super) fn check(command: &Command) -> Result<(), Refusal> {
    let output = match command {
        Command::Export(export) => Some(export.output.as_path()),
        Command::Decrypt { output, .. } => Some(output.as_path()),
        Command::Restore(restore) => restore.target.as_deref(),
        Command::Key(KeyCommand::Kit { output, .. }) => output.as_deref(),
        _ => None,
    };
    if output != Some(Path::new("-")) {
        return Ok(());
    }
    let hint = match command {
        Command::Key(_) => "without -o the sheet is printed; ./- is a file of this name",
        _ => "name a file, and `cat` it afterwards; ./- is a file of this name",
    };
    Err(Refusal {
        exit: Exit::Usage,
        message: "failed to write to standard output: what is written is proven as a file first"
            .into(),
        hint: hint.into(),
    })
}
