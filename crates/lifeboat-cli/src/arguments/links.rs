//! What `lifeboat links` takes.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

/// The heading of the options for lists that somebody made.
const LIST: &str = "Keys from a list, instead of a database of the settings";

#[derive(Debug, Args)]
pub(crate) struct LinksArguments {
    #[command(subcommand)]
    pub(crate) command: LinksCommand,

    /// Print what was found as CSV, all of it
    #[arg(long, global = true)]
    pub(crate) csv: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum LinksCommand {
    /// Compare the objects that databases mention with what their buckets hold
    Check {
        /// Leave a test behind, an object and a row, by the rule's probe_insert: every later check
        /// says whether both are still there
        #[arg(long, conflicts_with = "keys")]
        create_test: bool,

        /// Take such tests away again
        #[arg(long, conflicts_with_all = ["create_test", "keys"])]
        remove_test: bool,

        #[command(flatten)]
        list: ListArguments,
    },
    /// Mend the rows whose object is missing, as on_broken says; without --apply only say so
    ///
    /// A snapshot is taken first, and each database is mended in one transaction. Rows of which the
    /// store does not say for certain that their object is missing are left alone.
    Fix {
        /// Do it
        #[arg(long, conflicts_with = "emit_sql")]
        apply: bool,

        /// Clean as well
        #[arg(long, conflicts_with_all = ["emit_sql", "keys"])]
        all: bool,

        /// Put missing objects back instead, from the other place of a rule (also) or from an earlier
        /// version that the bucket keeps; no row is touched
        #[arg(long, conflicts_with_all = ["all", "emit_sql", "keys"])]
        bring_back: bool,

        /// Print the statements that would do it, and do nothing
        #[arg(long)]
        emit_sql: bool,

        /// In whose words [default: sqlite; of a list: postgres]
        #[arg(long, value_name = "WHOSE", requires = "emit_sql")]
        dialect: Option<DialectName>,

        /// Go on although more than 10 % of the rows of a rule are broken: N in all
        #[arg(long, value_name = "N")]
        expect_broken: Option<u64>,

        /// With --all: go on although most objects are orphaned: N in all
        #[arg(long, value_name = "N", requires = "all")]
        expect_orphaned: Option<u64>,

        /// Without a snapshot before
        #[arg(long)]
        no_snapshot: bool,

        /// Answer questions with yes
        #[arg(long)]
        yes: bool,

        #[command(flatten)]
        list: ListArguments,
    },
    /// Move objects that no row mentions to quarantine; without --apply only say so
    Clean {
        /// Do it
        #[arg(long)]
        apply: bool,

        /// Fix as well
        #[arg(long, conflicts_with = "undo")]
        all: bool,

        /// Delete them for good instead, which is asked about
        #[arg(long, conflicts_with = "undo")]
        delete: bool,

        /// Go on although most objects are orphaned: N in all
        #[arg(long, value_name = "N")]
        expect_orphaned: Option<u64>,

        /// With --all: go on although more than 10 % of the rows of a rule are broken: N in all
        #[arg(long, value_name = "N", requires = "all")]
        expect_broken: Option<u64>,

        /// With --all: mend rows without a snapshot before
        #[arg(long, requires = "all")]
        no_snapshot: bool,

        /// Bring back what was moved to quarantine last, or under a name
        #[arg(long, value_name = "NAME", num_args = 0..=1, conflicts_with = "apply")]
        undo: Option<Option<String>>,

        /// Answer questions with yes
        #[arg(long)]
        yes: bool,
    },
}

/// A list of keys that somebody made.
#[derive(Debug, Args)]
pub(crate) struct ListArguments {
    /// A file with one value of the column a line, and after a tab what says which row it is; - is
    /// standard input
    #[arg(long, value_name = "FILE", requires = "store", help_heading = LIST)]
    pub(crate) keys: Option<PathBuf>,

    /// The bucket, with the prefix that the column leaves out
    #[arg(long, value_name = "URL", requires = "keys", help_heading = LIST)]
    pub(crate) store: Option<String>,

    /// The column that the list was made of
    #[arg(long, value_name = "TABLE.COLUMN", requires = "keys", help_heading = LIST)]
    pub(crate) column: Option<String>,

    /// The column that says which row it is
    #[arg(long, value_name = "COLUMN", requires = "column", help_heading = LIST)]
    pub(crate) id_column: Option<String>,

    /// delete, null, or a statement with :key, :value and the column of the id
    #[arg(long, value_name = "HOW", requires = "keys", help_heading = LIST)]
    pub(crate) on_broken: Option<String>,

    /// What the column leaves out at the beginning of each key
    #[arg(long, value_name = "TEXT", requires = "keys", help_heading = LIST)]
    pub(crate) key_prefix: Option<String>,

    /// The column holds URLs below this one; may be given several times
    #[arg(long, value_name = "URL", requires = "keys", help_heading = LIST)]
    pub(crate) url_base: Vec<String>,
}

/// In whose words statements are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum DialectName {
    Sqlite,
    Postgres,
    Mysql,
}
