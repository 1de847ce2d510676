//! What can be typed after `lifeboat restore`.

use std::path::PathBuf;

use clap::Args;

/// Which database, which snapshot, and where to.
#[derive(Debug, Args)]
pub(crate) struct RestoreArguments {
    /// The name of the database, or the path of its file
    #[arg(value_name = "NAME|PATH", required_unless_present_any = ["all", "undo"])]
    pub(crate) name: Option<String>,

    /// Which one: latest, latest~N, an id or the beginning of one [default: latest]
    #[arg(conflicts_with = "at")]
    pub(crate) snapshot: Option<String>,

    /// The file to make; it must not exist, unless --force or --in-place says otherwise
    #[arg(
        long,
        value_name = "FILE",
        required_unless_present_any = ["in_place", "all", "undo"]
    )]
    pub(crate) target: Option<PathBuf>,

    /// Replace the database that the snapshot was taken of, which may be in use
    ///
    /// A snapshot of what is there is taken first, where that is possible, and the old database is
    /// set aside beside the new one; the last line says how to take it all back. Refused if the
    /// snapshot was taken of another path, unless --target names the file. The latest snapshot is
    /// the latest that is not such a safety snapshot itself.
    #[arg(long)]
    pub(crate) in_place: bool,

    /// The newest taken at this time or before, as in 2026-11-20T10:15:00Z,
    /// "2026-11-20 10:15" (local time), "yesterday 14:00", "10 minutes ago"
    #[arg(long, value_name = "TIME")]
    pub(crate) at: Option<String>,

    /// Only if record N is the newest
    #[arg(long, value_name = "N", conflicts_with_all = ["all", "undo"])]
    pub(crate) expect: Option<u64>,

    /// Replace what is at the target; it is set aside, once the new file is proven
    #[arg(long, conflicts_with_all = ["in_place", "undo"])]
    pub(crate) force: bool,

    /// Have SQLite check the file before it appears: integrity_check and foreign_key_check
    /// (with --in-place it always does)
    #[arg(long, conflicts_with_all = ["in_place", "undo", "salvage"])]
    pub(crate) check: bool,

    /// With --in-place: do without these checks
    #[arg(long, requires = "in_place")]
    pub(crate) no_check: bool,

    /// Only say which snapshot it would be, its age, and what restoring it would take
    #[arg(long, conflicts_with_all = ["all", "undo", "salvage"])]
    pub(crate) dry_run: bool,

    /// With several destinations: afterwards put back, on each of them, what is damaged or gone there
    /// and whole on another
    #[arg(long, conflicts_with_all = ["in_place", "all", "undo", "salvage", "dry_run"])]
    pub(crate) heal: bool,

    /// Of a damaged snapshot, restore what proves itself, and name what is lost
    #[arg(long, conflicts_with_all = ["in_place", "all", "undo", "force"])]
    pub(crate) salvage: bool,

    /// Afterwards look for every object that the database mentions ([[links]]), not only for some
    #[arg(long, conflicts_with_all = ["all", "undo", "salvage", "dry_run", "no_links"])]
    pub(crate) links: bool,

    /// Do not look for objects that the database mentions
    #[arg(long)]
    pub(crate) no_links: bool,

    /// Afterwards put back the files that the snapshot has beside the database (backup = true in
    /// [[links]]), where they are missing; nothing is overwritten
    #[arg(long, conflicts_with_all = ["all", "undo", "salvage", "dry_run"])]
    pub(crate) media: bool,

    /// The same, to another path or URL: all of them
    #[arg(long, value_name = "PLACE", conflicts_with_all = ["media", "all", "undo", "salvage", "dry_run"])]
    pub(crate) media_to: Option<String>,

    /// Every database of the repository
    #[arg(
        long,
        requires = "into",
        conflicts_with_all = ["name", "snapshot", "target", "in_place", "undo"]
    )]
    pub(crate) all: bool,

    /// With --all: the directory, which gets one file a database. Run again, it goes on where it was
    #[arg(long, value_name = "DIR", requires = "all")]
    pub(crate) into: Option<PathBuf>,

    /// Bring back a database that a restore set aside; needs no repository
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with_all = ["name", "snapshot", "target", "in_place", "at"]
    )]
    pub(crate) undo: Option<PathBuf>,
}
