//! What `run` and `health` take.

use std::ffi::OsString;

use clap::{Args, ValueEnum};

#[derive(Debug, Args)]
pub(crate) struct RunArguments {
    /// Restore a configured database whose file is missing before anything starts; where there is
    /// no backup yet, go on without
    #[arg(long)]
    pub(crate) restore_if_missing: bool,

    /// How the log on standard error is written: lines for people, or a JSON object a line with
    /// all that is said [default: text]
    #[arg(long, value_enum, value_name = "FORM")]
    pub(crate) log_format: Option<LogFormat>,

    /// The application to run: it gets the signals, its exit code is the exit code, and after its
    /// end everything is backed up once more
    #[arg(last = true, value_name = "COMMAND")]
    pub(crate) command: Vec<OsString>,
}

/// How a log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// Lines for people.
    Text,
    /// A JSON object a line.
    Json,
}

impl RunArguments {
    /// Whether the log is JSON: as was typed, else as the environment says.
    pub(crate) fn logs_json(&self) -> bool {
        let set = || std::env::var("LIFEBOAT_LOG_FORMAT").is_ok_and(|format| format == "json");
        self.log_format.map_or_else(set, |format| format == LogFormat::Json)
    }
}

#[derive(Debug, Args)]
pub(crate) struct HealthArguments {
    /// The name of a database, or the path of its file [default: all]
    pub(crate) name: Option<String>,

    /// One line, and the exit codes of a Nagios plugin: 0 ok, 1 warning, 2 critical, 3 unknown
    #[arg(long, conflicts_with = "json")]
    pub(crate) nagios: bool,
}
