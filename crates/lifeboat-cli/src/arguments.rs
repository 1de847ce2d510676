//! What can be typed.

mod backup;
mod elsewhere;
mod keep;
mod links;
mod notify;
mod object;
mod output;
mod prove;
#[cfg(test)]
mod reference;
mod restore;
mod run;

use std::path::PathBuf;
use std::sync::Arc;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};

use lifeboat::config::{Environment, Request};
use lifeboat::crypto::Secret;

use crate::exit::Exit;
use crate::secrets;
pub(crate) use backup::{BackupArguments, InitArguments};
use lifeboat::setup::{Disabled, Setup, SetupError};
pub(crate) use restore::RestoreArguments;
pub(crate) use run::{HealthArguments, RunArguments};

pub(crate) use elsewhere::{CopyArguments, ExportArguments};
pub(crate) use keep::{ForgetArguments, PickArguments, PruneArguments};
pub(crate) use links::{DialectName, LinksArguments, LinksCommand, ListArguments};
pub(crate) use notify::{ChannelName, NotifyCommand};
pub(crate) use object::{ObjectArguments, ObjectCommand, Which};
pub(crate) use prove::{CheckArguments, DiffArguments, DrillArguments, RepairArguments};

/// The heading of the options that every command takes.
const EVERYWHERE: &str = "For every command";

/// Backups of live SQLite databases that are proven to restore.
#[derive(Debug, Parser)]
#[command(
    name = "lifeboat",
    version,
    propagate_version = true,
    max_term_width = 100,
    after_help = "\
Examples:
  lifeboat backup app.db                       back up, into ./backups
  lifeboat snapshots                           what there is
  lifeboat restore app --target restored.db    the latest, proven page by page

Exit codes: 0 ok, 1 failed, 2 usage, 3 partly done, 4 damage found, 5 health warning,
6 health critical, 7 restore refused or nothing of that name or time, 10 no repository, 11 held by
another owner, 12 key missing or wrong, 13 storage unreachable, 14 done on a fallback, 15 the source
is not a usable SQLite database, 130 and 143 interrupted."
)]
pub(crate) struct Arguments {
    /// Directory or URL of the backups [default: ./backups] [env: LIFEBOAT_REPOSITORY]
    #[arg(short, long = "repo", value_name = "URL", global = true, help_heading = EVERYWHERE)]
    repo: Option<String>,

    /// The file of settings [default: lifeboat.toml here, else the user's, else the system's]
    /// [env: LIFEBOAT_CONFIG]
    #[arg(long, value_name = "FILE", global = true, help_heading = EVERYWHERE)]
    config: Option<PathBuf>,

    /// The section of it that holds the settings, as in tool.lifeboat, in the file of another
    /// program
    #[arg(long, value_name = "NAME", global = true, help_heading = EVERYWHERE)]
    config_section: Option<String>,

    /// A file of variables, as .env; those that are set already count more
    #[arg(long, value_name = "FILE", global = true, help_heading = EVERYWHERE)]
    pub(crate) env_file: Option<PathBuf>,

    /// The file that holds the key of an encrypted repository [env: LIFEBOAT_KEY_FILE]
    #[arg(long, value_name = "FILE", global = true, help_heading = EVERYWHERE)]
    key_file: Option<PathBuf>,

    /// Print one JSON object a line
    #[arg(long, global = true, help_heading = EVERYWHERE)]
    pub(crate) json: bool,

    /// Print errors only
    #[arg(short, long, global = true, help_heading = EVERYWHERE, conflicts_with = "verbose")]
    pub(crate) quiet: bool,

    /// Log more (up to -vvv)
    #[arg(short, long, global = true, help_heading = EVERYWHERE, action = ArgAction::Count)]
    pub(crate) verbose: u8,

    /// How progress is shown, on standard error (json: on standard output)
    #[arg(long, value_name = "HOW", global = true, help_heading = EVERYWHERE, default_value = "auto")]
    pub(crate) progress: ProgressStyle,

    /// Refused: the list of processes would show it
    #[arg(long, global = true, hide = true, value_name = "KEY")]
    key: Option<String>,

    /// What opens an encrypted repository, where that is configured.
    #[arg(skip)]
    pub(crate) secret: Option<Secret>,

    /// The settings, for commands that go by any.
    #[arg(skip)]
    setup: Option<Arc<Setup>>,

    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a repository
    Init(InitArguments),
    /// Back up databases while they are in use
    Backup(BackupArguments),
    /// Show what snapshots there are
    #[command(alias = "list")]
    Snapshots(SnapshotsArguments),
    /// Bring a database back: to a new file, over the one in use, or all of them
    Restore(RestoreArguments),
    /// Write a snapshot to a single file
    Export(ExportArguments),
    /// Open a single file with its key and nothing else
    Decrypt {
        /// The file
        file: PathBuf,
        /// The database to make; it must not exist
        #[arg(short, long, value_name = "FILE")]
        output: PathBuf,
    },
    /// Take over the backups of another tool: files called <PREFIX><name>_<YYYYMMDD>_<HHMMSS>.db
    Import {
        /// A path or URL, up to and including the fixed part of the names
        prefix: String,
        /// The name in the repository [default: the one in the file names]
        #[arg(long = "as", value_name = "NAME")]
        name: Option<String>,
        /// Only say what would be imported
        #[arg(long)]
        dry_run: bool,
    },
    /// Read what is stored, and say what is wrong with it
    Check(CheckArguments),
    /// Restore to scratch, and have SQLite and your own statements test it
    Drill(DrillArguments),
    /// Mend what is damaged, as far as that is possible; without --apply only say so
    Repair(RepairArguments),
    /// Move snapshots to the trash: those named, or those that no rule keeps
    Forget(ForgetArguments),
    /// Bring snapshots back from the trash
    Undelete(PickArguments),
    /// Protect snapshots from being forgotten
    Pin(PickArguments),
    /// End that protection
    Unpin(PickArguments),
    /// Drop what was in the trash long enough, and delete what no snapshot needs
    Prune(PruneArguments),
    /// Show what differs between two snapshots: pages, tables, rows, schema
    Diff(DiffArguments),
    /// Show what snapshots cost, and what forgetting them would free
    Stats {
        /// The name of a database, or the path of its file [default: all]
        name: Option<String>,
    },
    /// Show how the backups of every database are
    Status,
    /// Back up by the schedule until told to stop; with a command, for as long as that runs
    Run(RunArguments),
    /// Say whether the backups are healthy, and why not
    Health(HealthArguments),
    /// Try whether messages of the agent arrive
    #[command(subcommand)]
    Notify(NotifyCommand),
    /// Make, list, add, remove and change keys; print a sheet for the safe
    #[command(subcommand)]
    Key(KeyCommand),
    /// Copy the snapshots of a database to another place
    Copy(CopyArguments),
    /// Bring all destinations to the same snapshots: home from fallbacks, and to mirrors
    Sync {
        /// The name of a database, or the path of its file [default: all]
        name: Option<String>,
        /// Wait for destinations that do not answer
        #[arg(long)]
        wait: bool,
    },
    /// Keep any object (a photo, a video) on a primary store or, when that fails, a fallback
    Object(ObjectArguments),
    /// Compare the objects that databases mention with what their buckets hold, and mend both
    Links(LinksArguments),
    /// Look whether backups can work here, and say what would mend what does not
    Doctor {
        /// The database files, or names of configured ones [default: all that are configured]
        #[arg(value_name = "DATABASE")]
        databases: Vec<PathBuf>,
    },
    /// Find out what a storage really does
    #[command(subcommand)]
    Storage(StorageCommand),
    /// Show and check the settings
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Print a completion script
    Completions {
        /// For which shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page, or write that of every command to a directory
    Man {
        /// Write all of them there, as lifeboat.1, lifeboat-backup.1 and so on
        #[arg(long, value_name = "DIR")]
        into: Option<PathBuf>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct SnapshotsArguments {
    /// The name of a database, or the path of its file [default: all]
    pub(crate) name: Option<String>,

    /// Accept record N as the newest, though a newer one was seen before
    #[arg(long, value_name = "N", requires = "name")]
    pub(crate) expect: Option<u64>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// Print a new key; whoever loses it loses the backups
    Generate,
    /// Show which keys and passphrases open the repository
    List,
    /// Let another key or passphrase open the repository
    ///
    /// The new one is read from LIFEBOAT_NEW_KEY or LIFEBOAT_NEW_PASSPHRASE (or …_FILE, or
    /// …_COMMAND), or from a file named here.
    Add(NewSecretArguments),
    /// End the access of a key or passphrase
    Remove {
        /// The id that `key list` shows, or its beginning, or the label
        #[arg(value_name = "ID|LABEL")]
        id: String,
    },
    /// Replace the key or passphrase in use by another, or begin a new data key
    ///
    /// Takes seconds however large the repository is: what is stored is not touched. The new one
    /// is read as by `key add`.
    Rotate(RotateArguments),
    /// Print a sheet for the safe: all that a restore on a bare machine needs
    Kit {
        /// Write it to this file, which must not exist
        #[arg(short, value_name = "FILE")]
        output: Option<PathBuf>,
        /// Add a key of its own for the sheet, so that it can be removed on its own
        #[arg(long)]
        new_key: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum StorageCommand {
    /// Try out what a storage does when several write at once, list, read and delete
    ///
    /// Works below probes/ and leaves nothing there, unless deletes are refused. Some three hundred
    /// small requests.
    Probe {
        /// The storage: a directory or URL [default: the repository]
        #[arg(value_name = "URL")]
        url: Option<String>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Show what is set; secrets are masked
    Show {
        /// Say where each setting comes from
        #[arg(long)]
        origin: bool,
    },
    /// Check the settings without doing anything
    Check,
}

#[derive(Debug, Args)]
pub(crate) struct NewSecretArguments {
    /// The file that holds the new key
    #[arg(long, value_name = "FILE", conflicts_with = "new_passphrase_file")]
    pub(crate) new_key_file: Option<PathBuf>,

    /// The file that holds the new passphrase
    #[arg(long, value_name = "FILE")]
    pub(crate) new_passphrase_file: Option<PathBuf>,

    /// What to call it
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub(crate) label: String,
}

#[derive(Debug, Args)]
pub(crate) struct RotateArguments {
    #[command(flatten)]
    pub(crate) new: NewSecretArguments,

    /// Begin a new data key instead: what is written from now on is sealed with it
    #[arg(long, conflicts_with_all = ["new_key_file", "new_passphrase_file", "label"])]
    pub(crate) data_key: bool,

    /// With --data-key: only the key in use opens the new data key; the others do not
    #[arg(long, requires = "data_key")]
    pub(crate) only_this_key: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProgressStyle {
    /// Bars on a terminal, else plain
    Auto,
    /// One line a phase
    Plain,
    /// Status objects
    Json,
    /// Nothing
    None,
}

/// A command that is refused before it begins.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) exit: Exit,
    pub(crate) message: String,
    pub(crate) hint: String,
}

impl From<SetupError> for Refusal {
    fn from(error: SetupError) -> Self {
        let SetupError { kind, message, hint, .. } = error;
        Self { exit: Exit::of(kind), message, hint }
    }
}

impl Arguments {
    /// The repository, or the first of several.
    pub(crate) fn repository(&self) -> &str {
        &self.setup().places()[0].url
    }

    /// The settings.
    pub(crate) fn setup(&self) -> &Arc<Setup> {
        self.setup.as_ref().expect("commands that go by settings are prepared")
    }

    /// Whether there are settings that are understood.
    pub(crate) fn has_setup(&self) -> bool {
        self.setup.is_some()
    }

    /// Why there are no backups here, if so.
    pub(crate) fn disabled(&self) -> Option<Disabled> {
        let setup = self.setup.as_ref()?;
        let mut databases = match &self.command {
            Command::Backup(backup) => backup.databases.clone(),
            Command::Doctor { databases } => databases.clone(),
            _ => Vec::new(),
        };
        let settings = setup.configuration().settings();
        databases.extend(settings.databases.iter().map(|database| (&database.path).into()));
        setup.disabled(&databases)
    }

    /// Whether what happens goes to a log for programs.
    pub(crate) fn logs_json(&self) -> bool {
        matches!(&self.command, Command::Run(run) if run.logs_json())
    }

    /// What was typed at the start, with the settings as they are now.
    pub(crate) fn again() -> Result<Self, Refusal> {
        let mut arguments = Self::parse();
        arguments.prepare()?;
        Ok(arguments)
    }

    /// Reads settings and key, and refuses what must not go on.
    pub(crate) fn prepare(&mut self) -> Result<(), Refusal> {
        if self.key.is_some() {
            return Err(Refusal {
                exit: Exit::Usage,
                message: "a key is never an argument: the list of processes would show it".into(),
                hint: "set LIFEBOAT_KEY instead, and consider this key known to others".into(),
            });
        }
        output::check(&self.command)?;
        let needs_nothing = matches!(
            self.command,
            Command::Completions { .. } | Command::Man { .. } | Command::Key(KeyCommand::Generate)
        );
        if needs_nothing {
            return Ok(());
        }
        let mut request = Request::default();
        request.file.clone_from(&self.config);
        request.section.clone_from(&self.config_section);
        request.repository.clone_from(&self.repo);
        request.key_file.clone_from(&self.key_file);
        let setup = self.setup.insert(Arc::new(Setup::load(&request, Environment::of_process())?));
        // The doctor has a line of its own for the key.
        let does_without = matches!(
            self.command,
            Command::Config(ConfigCommand::Show { .. })
                | Command::Doctor { .. }
                | Command::Notify(_)
                | Command::Storage(_)
                | Command::Object(_)
        );
        if !does_without {
            self.secret = setup.secret()?;
        }
        let makes_a_plain_one = match &self.command {
            Command::Init(init) => !init.no_encryption,
            Command::Backup(backup) => backup.init,
            _ => false,
        };
        let place = &setup.places()[0];
        // To do without was said already.
        let is_off = setup.configuration().settings().encryption.enabled == Some(false);
        if makes_a_plain_one && self.secret.is_none() && !is_off && !place.is_local() {
            return Err(secrets::no_key(&lifeboat::remote::without_secrets(&place.url)));
        }
        let makes_one = match &self.command {
            Command::Init(init) => !init.no_encryption,
            Command::Backup(_) | Command::Import { dry_run: false, .. } => true,
            _ => false,
        };
        let would_be_plain =
            makes_one && self.secret.is_none() && !is_off && !has_repository(&place.url);
        if let Some(variable) = secrets::empty_one().filter(|_| would_be_plain) {
            return Err(secrets::empty_key(&variable));
        }
        Ok(())
    }
}

/// Whether a repository lies in a local directory already.
fn has_repository(place: &str) -> bool {
    let directory = place.strip_prefix("file://").unwrap_or(place);
    std::path::Path::new(directory).join("format/1").exists()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn help_texts() {
        let mut command = Arguments::command().term_width(100);
        let mut all = command.render_long_help().to_string();
        for name in [
            "init",
            "backup",
            "snapshots",
            "restore",
            "export",
            "decrypt",
            "import",
            "notify",
            "key",
            "config",
            "copy",
            "sync",
            "check",
            "drill",
            "repair",
            "forget",
            "undelete",
            "prune",
            "diff",
            "object",
            "links",
            "stats",
            "status",
            "run",
            "health",
            "storage",
        ] {
            let sub = command.find_subcommand_mut(name).expect("exists").clone();
            let sub = sub.bin_name(format!("lifeboat {name}"));
            all.push_str(&format!(
                "\n=== {name} ===\n{}",
                { sub }.term_width(100).render_long_help()
            ));
        }
        insta::assert_snapshot!(all);
    }
}
