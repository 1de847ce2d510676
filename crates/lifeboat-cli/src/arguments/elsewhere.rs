//! What `lifeboat copy` and `lifeboat export` take.

use std::path::PathBuf;

use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct CopyArguments {
    /// The name of the database, or the path of its file
    #[arg(value_name = "NAME|PATH")]
    pub(crate) name: String,

    /// Directory or URL
    #[arg(long, value_name = "URL")]
    pub(crate) to: String,

    /// Make the repository there if there is none (a local directory is made anyway)
    #[arg(long)]
    pub(crate) init: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ExportArguments {
    /// The name of the database, or the path of its file
    #[arg(value_name = "NAME|PATH")]
    pub(crate) name: String,

    /// Which one: latest, latest~N, an id or the beginning of one [default: latest]
    pub(crate) snapshot: Option<String>,

    /// The file to make; it must not exist
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,

    /// As it is, for sqlite3 (the default)
    #[arg(long)]
    pub(crate) plain: bool,

    /// Compressed with zstd
    #[arg(long, conflicts_with = "plain")]
    pub(crate) zstd: bool,

    /// Compressed and encrypted, for `lifeboat decrypt`
    #[arg(long, conflicts_with_all = ["plain", "zstd"])]
    pub(crate) sealed: bool,
}
