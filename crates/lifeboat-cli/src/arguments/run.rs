//! What `run` and `health` take.

use std::ffi::OsString;

use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct RunArguments {
    /// Restore a configured database whose file is missing before anything starts; where there is
    /// no backup yet, go on without
    #[arg(long)]
    pub(crate) restore_if_missing: bool,

    /// The application to run: it gets the signals, its exit code is the exit code, and after its
    /// end everything is backed up once more
    #[arg(last = true, value_name = "COMMAND")]
    pub(crate) command: Vec<OsString>,
}

#[derive(Debug, Args)]
pub(crate) struct HealthArguments {
    /// The name of a database, or the path of its file [default: all]
    pub(crate) name: Option<String>,

    /// One line, and the exit codes of a Nagios plugin: 0 ok, 1 warning, 2 critical, 3 unknown
    #[arg(long, conflicts_with = "json")]
    pub(crate) nagios: bool,
}
