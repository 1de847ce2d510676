//! What `init` and `backup` take.

use std::path::PathBuf;

use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct InitArguments {
    /// Which of several destinations, by its name in the settings [default: the first]
    #[arg(value_name = "DESTINATION")]
    pub(crate) destination: Option<String>,

    /// Make the bucket first, if there is none; only its owner can read it
    #[arg(long)]
    pub(crate) create_bucket: bool,

    /// Do without encryption (in a local directory that is the default)
    #[arg(long)]
    pub(crate) no_encryption: bool,
}

#[derive(Debug, Default, Args)]
pub(crate) struct BackupArguments {
    /// The database files, or names of configured ones [default: all that are configured]
    #[arg(value_name = "DATABASE")]
    pub(crate) databases: Vec<PathBuf>,

    /// The name in the repository [default: the file name without its extension]
    #[arg(long = "as", value_name = "NAME")]
    pub(crate) name: Option<String>,

    /// A tag; may be given several times
    #[arg(long = "tag", value_name = "K=V", value_parser = tag)]
    pub(crate) tags: Vec<(String, String)>,

    /// What to remember of this snapshot
    #[arg(long, value_name = "TEXT")]
    pub(crate) description: Option<String>,

    /// Send every page, whatever is there already
    #[arg(long)]
    pub(crate) full: bool,

    /// Store the snapshot as one file, which in an unencrypted repository sqlite3 opens as it is
    #[arg(long, conflicts_with_all = ["full", "explain"])]
    pub(crate) archive: bool,

    /// Say which tables the changed pages belong to
    #[arg(long)]
    pub(crate) explain: bool,

    /// Make the repository if there is none (a local directory is made anyway)
    #[arg(long)]
    pub(crate) init: bool,

    /// Take the database over, if record N is still the newest
    #[arg(long, value_name = "N")]
    pub(crate) take_over: Option<u64>,

    /// Accept record N as the newest, though a newer one was seen before
    #[arg(long, value_name = "N")]
    pub(crate) expect: Option<u64>,
}

pub(super) fn tag(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("a tag is NAME=VALUE".to_owned()),
    }
}
