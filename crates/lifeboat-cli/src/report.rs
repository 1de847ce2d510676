//! What is printed: tables and prose, or one JSON object a line.

mod json;
mod people;
mod restored;

use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::path::Path;
use std::time::Duration;

use lifeboat::remote::Fencing;
use lifeboat::repository::Snapshot;
use lifeboat::snapshot::Replaced;
use lifeboat::{
    BackupReport, Error, InPlaceReport, Merged, OneOfAll, RestoreReport, SalvageReport,
};

use crate::arguments::{Arguments, ProgressStyle, Refusal};
use crate::exit::Exit;
use crate::out::{errln, outln};
use crate::progress::Style;
use lifeboat::hint::About;

pub(crate) use people::causes;

/// Prints what a command did, in the form that was asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reporter {
    json: bool,
    quiet: bool,
    /// All that is said goes to the log, which is for programs.
    log: bool,
    progress: Style,
}

/// A backup, and what it took.
#[derive(Debug)]
pub(crate) struct Backed<'a> {
    pub(crate) report: &'a BackupReport,
    pub(crate) destination: &'a str,
    pub(crate) fallback_reason: Option<&'a str>,
    /// Nothing keeps another writer from undoing this.
    pub(crate) unfenced: bool,
    pub(crate) requests: u64,
    pub(crate) duration: Duration,
}

/// A restore, and what it took.
#[derive(Debug)]
pub(crate) struct Brought<'a> {
    pub(crate) report: &'a RestoreReport,
    pub(crate) name: &'a str,
    pub(crate) destination: &'a str,
    pub(crate) target: &'a Path,
    pub(crate) requests: u64,
    pub(crate) duration: Duration,
}

/// A restore in place, and what it took.
#[derive(Debug)]
pub(crate) struct BroughtInPlace<'a> {
    pub(crate) report: &'a InPlaceReport,
    pub(crate) name: &'a str,
    pub(crate) destination: &'a str,
    pub(crate) requests: u64,
    pub(crate) duration: Duration,
}

/// A restore that was taken back.
#[derive(Debug)]
pub(crate) struct Undone<'a> {
    pub(crate) aside: &'a Path,
    pub(crate) target: &'a Path,
    pub(crate) replaced: &'a Replaced,
    pub(crate) duration: Duration,
}

/// What was saved of a damaged snapshot.
#[derive(Debug)]
pub(crate) struct Saved<'a> {
    pub(crate) report: &'a SalvageReport,
    pub(crate) name: &'a str,
    pub(crate) destination: &'a str,
    pub(crate) target: &'a Path,
    pub(crate) requests: u64,
    pub(crate) duration: Duration,
    pub(crate) exit: Exit,
}

/// All databases of a repository, the worst first.
#[derive(Debug)]
pub(crate) struct AllBrought<'a> {
    pub(crate) all: &'a [(Exit, OneOfAll)],
    pub(crate) folder: &'a Path,
    pub(crate) destination: &'a str,
    pub(crate) requests: u64,
    pub(crate) duration: Duration,
    pub(crate) exit: Exit,
}

/// The snapshots of one database.
#[derive(Debug)]
pub(crate) struct Listed {
    pub(crate) name: String,
    pub(crate) merged: Merged,
    /// Why the policy keeps them, where there is one; by their ids.
    pub(crate) kept_because: BTreeMap<String, Vec<String>>,
}

impl Reporter {
    pub(crate) fn new(arguments: &Arguments) -> Self {
        let (json, log) = (arguments.json, arguments.logs_json());
        let progress = match arguments.progress {
            ProgressStyle::None => Style::None,
            _ if arguments.quiet || log => Style::None,
            ProgressStyle::Json => Style::Json,
            ProgressStyle::Plain => Style::Plain,
            ProgressStyle::Auto if json => Style::None,
            ProgressStyle::Auto if crate::text::colours_on_stderr() => Style::Bars,
            ProgressStyle::Auto => Style::Plain,
        };
        Self { json, quiet: arguments.quiet, log, progress }
    }

    pub(crate) fn progress(&self) -> Style {
        self.progress
    }

    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// Whether somebody looks on.
    pub(crate) fn is_for_a_person(&self) -> bool {
        self.prose() && std::io::stdout().is_terminal()
    }

    /// The last object, for programs; people have read it all.
    pub(crate) fn summary(&self, object: serde_json::Value) {
        self.told(object, &[]);
    }

    fn prose(&self) -> bool {
        !self.json && !self.quiet && !self.log
    }

    /// A command that is refused before it begins.
    pub(crate) fn refuse(&self, refusal: &Refusal) {
        if self.log {
            let code = refusal.exit.code();
            tracing::error!(code, hint = refusal.hint, data_is_safe = true, "{}", refusal.message);
        } else if self.json {
            json::error(refusal.exit, &refusal.message, Some(&refusal.hint), true);
        } else {
            people::refusal(&refusal.message, &refusal.hint);
        }
    }

    /// An error that ends a command, or a part of one.
    pub(crate) fn error(&self, doing: &str, error: &Error, about: About) -> Exit {
        let exit = Exit::of(error.kind());
        let hint = lifeboat::hint::hint(error);
        let (safe, words) = lifeboat::hint::safety(error, about);
        let message = people::chain(doing, error);
        if self.log {
            tracing::error!(code = exit.code(), hint, data_is_safe = safe, "{message}");
        } else if self.json {
            json::error(exit, &message, hint.as_deref(), safe);
        } else {
            people::error(&message, hint.as_deref(), words);
        }
        exit
    }

    /// A signal ended the command.
    pub(crate) fn interrupted(&self, exit: Exit) {
        let message = "interrupted; what was stored is whole, and the next run goes on from there";
        if self.json {
            json::error(exit, message, None, true);
        } else {
            errln!("{message}");
        }
    }

    /// Something to know that stops nothing.
    pub(crate) fn warn(&self, text: &str) {
        if self.log {
            tracing::warn!("{text}");
        } else if self.json {
            json::line("warning", serde_json::json!({ "message": text }));
        } else if !self.quiet {
            people::warn(text);
        }
    }

    /// A line for the log.
    pub(crate) fn note(&self, text: &str) {
        if self.prose() {
            errln!("{text}");
        } else {
            tracing::info!("{text}");
        }
    }

    /// Something to know that is no trouble.
    pub(crate) fn say(&self, text: &str) {
        if self.prose() {
            outln!("{text}");
        } else if self.log {
            tracing::info!("{text}");
        }
    }

    /// A repository was made, or was there.
    pub(crate) fn initialised(&self, place: &str, id: &str, sealed: bool, fencing: Fencing) {
        if self.json {
            let fencing = crate::commands::storage::fencing(fencing);
            json::line(
                "summary",
                serde_json::json!({
                    "destination": place,
                    "repository": id,
                    "encrypted": sealed,
                    "fencing": fencing,
                }),
            );
            return;
        }
        let how = if sealed { "encrypted" } else { "not encrypted" };
        self.say(&format!("the repository {id} at {place} is ready, {how}"));
        if sealed {
            self.say("without its key nobody can restore: `lifeboat key kit` prints it for a safe");
        }
    }

    /// One object for programs, or lines for people.
    pub(crate) fn told(&self, object: serde_json::Value, lines: &[String]) {
        if self.json {
            json::line("summary", object);
        } else {
            for line in lines {
                outln!("{line}");
            }
        }
    }

    /// As [`told`](Self::told), for what must arrive: it exists nowhere else.
    pub(crate) fn hand_over(&self, object: serde_json::Value, text: &str) -> std::io::Result<()> {
        use std::io::Write as _;
        let mut out = std::io::stdout().lock();
        match self.json {
            true => writeln!(out, "{}", json::text("summary", object))?,
            false => writeln!(out, "{text}")?,
        }
        out.flush()
    }

    /// One of several things: an object for programs, or a line for people.
    pub(crate) fn found(&self, kind: &str, object: serde_json::Value, line: &str) {
        if self.log {
            tracing::info!(kind, details = %object, "{line}");
        } else if self.json {
            json::line(kind, object);
        } else {
            self.say(line);
        }
    }

    /// One thing that the doctor looked at.
    pub(crate) fn diagnosed(&self, finding: &lifeboat::doctor::Finding) {
        if self.json {
            json::line("finding", json::diagnosis(finding));
        } else if !self.quiet || finding.level != lifeboat::doctor::Level::Ok {
            people::diagnosis(finding);
        }
    }

    /// One database was backed up.
    pub(crate) fn backed_up(&self, done: &Backed<'_>) {
        if self.log {
            tracing::info!(
                database = done.report.name,
                snapshot_id = %done.report.snapshot_id,
                sequence = done.report.number.0,
                destination = done.destination,
                fallback_reason = done.fallback_reason,
                pages_changed = done.report.pages_changed,
                bytes_sent = done.report.bytes_sent,
                duration_seconds = done.duration.as_secs_f64(),
                "backed up"
            );
        } else if self.json {
            json::line("backup", json::backup(done));
        } else if !self.quiet {
            people::backup(done);
        }
    }

    /// All databases were backed up, or as many as could be.
    pub(crate) fn all_backed_up(&self, done: &[serde_json::Value], failed: usize, exit: Exit) {
        if self.json {
            json::line("summary", json::sum(done, failed, exit));
        }
    }

    /// The form in which a backup enters the summary.
    pub(crate) fn tally(&self, done: &Backed<'_>) -> serde_json::Value {
        json::backup(done)
    }

    /// The snapshots of all databases that were asked for.
    pub(crate) fn snapshots(&self, all: &[Listed], destination: &str, exit: Exit) {
        if self.json {
            json::snapshots(all, destination, exit);
        } else {
            people::snapshots(all, destination);
        }
    }

    /// What is about to be restored.
    pub(crate) fn will_restore(&self, name: &str, snapshot: &Snapshot) {
        if self.prose() {
            people::will_restore(name, snapshot);
        }
    }

    /// A database was restored.
    pub(crate) fn restored(&self, done: &Brought<'_>) {
        if self.json {
            json::line("summary", json::restore(done));
        } else if !self.quiet {
            people::restored(done);
            if let Some(replaced) = &done.report.replaced {
                self.say_replaced(replaced);
            }
        }
    }
}
