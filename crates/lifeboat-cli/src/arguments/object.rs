//! What `lifeboat object` takes.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

use crate::text::parse_duration;

/// The heading of the options that every one of these commands takes.
const WHERE: &str = "Where objects lie";

#[derive(Debug, Args)]
pub(crate) struct ObjectArguments {
    /// Directory or URL [default: objects.primary, else the bucket of AWS_S3_BUCKET_NAME]
    #[arg(long, value_name = "[NAME=]URL", global = true, help_heading = WHERE)]
    pub(crate) primary: Option<String>,

    /// Directory or URL for when the primary fails [default: objects.fallback]
    #[arg(long, value_name = "[NAME=]URL", global = true, help_heading = WHERE)]
    pub(crate) fallback: Option<String>,

    #[command(subcommand)]
    pub(crate) command: ObjectCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ObjectCommand {
    /// Store a file, and print its placement: keep that in your database
    Put {
        /// The file
        file: PathBuf,
        /// Its key; each object has its own
        // `--key` of all commands has the usual name already.
        #[arg(id = "object_key", value_name = "KEY")]
        key: String,
        /// What kind of content it is, such as image/jpeg
        #[arg(long, value_name = "TYPE")]
        content_type: Option<String>,
        /// A name and a value to keep beside it; may be given several times
        #[arg(long = "meta", value_name = "K=V", value_parser = super::backup::tag)]
        metadata: Vec<(String, String)>,
        /// Replace what lies under the key
        #[arg(long)]
        replace: bool,
    },
    /// Read an object to a file
    Get {
        #[command(flatten)]
        which: Which,
        /// The file to make; it must not exist
        #[arg(short, long, value_name = "FILE")]
        output: PathBuf,
    },
    /// Delete an object, on all sides
    Rm {
        #[command(flatten)]
        which: Which,
    },
    /// Show where an object lies, and what is known of it
    Stat {
        #[command(flatten)]
        which: Which,
    },
    /// Print a URL that lets anybody read an object: the public one, else a signed one
    Url {
        #[command(flatten)]
        which: Which,
        /// How long a signed one is valid
        #[arg(long, value_name = "TIME", default_value = "1h", value_parser = parse_duration)]
        valid: Duration,
    },
    /// Move an object to another provider, and print its new placement
    ///
    /// The copy is read back and compared before the original is removed. Placements from before
    /// stay good: what is not where they say is found on the other side.
    Migrate {
        #[command(flatten)]
        which: Which,
        /// The provider, by its name
        #[arg(long, value_name = "NAME")]
        to: String,
        /// Keep the original
        #[arg(long)]
        keep: bool,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Which {
    /// Its key
    #[arg(id = "object_key", value_name = "KEY")]
    pub(crate) key: String,
    /// The provider that its placement names [default: the primary]
    #[arg(long, value_name = "NAME")]
    pub(crate) provider: Option<String>,
}
