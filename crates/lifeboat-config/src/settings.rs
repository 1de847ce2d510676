//! The settings, after all layers.

mod continuous;
mod notify;

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Deserializer};

use crate::cron::Cron;
pub use continuous::{Continuous, Mode};
pub use notify::{Event, Hooks, Mail, MailTls, Metrics, Notify, Ping};

/// A text that is never shown.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct SecretText(String);

impl SecretText {
    /// The text itself.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// Everything that can be set.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Settings {
    /// The one place of backups, where there are no `destinations`.
    pub repository: Option<String>,
    /// Whether backups are made at all.
    pub enabled: bool,
    /// What is known of the local disk.
    pub local_disk: LocalDisk,
    /// The id of this installation, where no state directory lasts.
    pub installation_id: Option<String>,
    /// Whether databases of other installations are taken over.
    pub take_over: TakeOver,
    /// What compression is for.
    pub compression: Compression,
    /// Where state is kept.
    pub state_dir: Option<PathBuf>,
    /// Where the cache is.
    pub cache_dir: Option<PathBuf>,
    /// The exit code of a backup that went to a fallback.
    pub fallback_exit: u32,
    /// The databases.
    #[serde(rename = "database", default)]
    pub databases: Vec<Database>,
    /// The destinations.
    #[serde(rename = "destination", default)]
    pub destinations: Vec<Destination>,
    /// What opens the repositories.
    #[serde(default)]
    pub encryption: Encryption,
    /// When backups are made.
    #[serde(default)]
    pub schedule: Schedule,
    /// What is kept.
    pub retention: Option<Retention>,
    /// What a drill must show.
    #[serde(default)]
    pub drill: Drill,
    /// How commits are followed.
    #[serde(default)]
    pub continuous: Continuous,
    /// When to worry.
    #[serde(default)]
    pub health: Health,
    /// Whom to tell.
    #[serde(default)]
    pub notify: Notify,
    /// What runs around a backup.
    #[serde(default)]
    pub hooks: Hooks,
    /// Figures.
    #[serde(default)]
    pub metrics: Metrics,
    /// The web page.
    #[serde(default)]
    pub http: Http,
    /// Columns that name objects of a bucket.
    #[serde(default)]
    pub links: Vec<Links>,
    /// Where any object lies: photos and the like.
    #[serde(default)]
    pub objects: Objects,
}

/// What is known of the local disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum LocalDisk {
    /// Look where this runs.
    Auto,
    /// It lasts, whatever it looks like.
    Lasts,
    /// It is gone after a restart.
    Vanishes,
}

/// Whether databases of other installations are taken over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum TakeOver {
    /// Only where a command says so.
    Never,
    /// Always: for single containers without a disk.
    Always,
}

/// What compression is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Compression {
    /// To be done soon.
    Fast,
    /// Little time for most of what can be saved.
    Balanced,
    /// To store and send as little as can be.
    Small,
}

/// One database, or several that a pattern finds.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Database {
    /// Its name in the repository, or a template such as `{parent}-{stem}`.
    pub name: Option<String>,
    /// Its path, or a pattern such as `data/*/app.db`.
    pub path: String,
    /// Whether every commit is backed up, or snapshots alone.
    #[serde(default)]
    pub mode: Mode,
    /// The destinations it goes to, by name; all if there are none.
    #[serde(default)]
    pub destinations: Vec<String>,
    /// Its own schedule, instead of the common one.
    pub schedule: Option<Schedule>,
    /// Its own retention, instead of the common one.
    pub retention: Option<Retention>,
    /// What a drill of it must show besides.
    pub drill: Option<Drill>,
}

/// A place for backups.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Destination {
    /// What people call it.
    pub name: String,
    /// Its part among the others.
    #[serde(default)]
    pub role: Role,
    /// A path or URL.
    pub url: String,
    /// Whether a first backup makes the repository. In a local directory it
    /// always does.
    #[serde(default)]
    pub create: bool,
    /// How many snapshots of each database stay there; more are forgotten, the
    /// oldest first, after a backup.
    pub max_snapshots: Option<u32>,
    /// What is kept there, instead of the common retention, after a backup.
    pub retention: Option<Retention>,
    /// How the store is reached, by names that the store knows.
    #[serde(default)]
    pub options: Options,
}

/// Names and values; the values may be secrets.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Options(pub BTreeMap<String, String>);

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// The part of a destination among others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Role {
    /// The first choice.
    #[default]
    Primary,
    /// For when the primary does not work.
    Fallback,
    /// Gets every snapshot as well.
    Mirror,
}

/// What opens the repositories. At most one of the six is set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Encryption {
    /// Whether there must be a key. Where nothing is said, one is used if it is
    /// there.
    pub enabled: Option<bool>,
    /// The key.
    pub key: Option<SecretText>,
    /// The file that holds it.
    pub key_file: Option<PathBuf>,
    /// The command that prints it.
    pub key_command: Option<String>,
    /// The passphrase.
    pub passphrase: Option<SecretText>,
    /// The file that holds it.
    pub passphrase_file: Option<PathBuf>,
    /// The command that prints it.
    pub passphrase_command: Option<String>,
}

/// When backups are made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Schedule {
    /// The time between two.
    #[serde(default, deserialize_with = "millis")]
    pub every: Option<Duration>,
    /// Five fields of cron.
    pub cron: Option<Cron>,
    /// The zone of `cron`, by its name in the database of zones.
    pub timezone: Option<String>,
    /// A delay drawn anew each time, at most this long; shorter than `every`.
    #[serde(default, deserialize_with = "millis")]
    pub jitter: Option<Duration>,
    /// One at the start as well.
    pub on_start: Option<bool>,
}

/// What is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Retention {
    /// So many of the newest.
    pub keep_last: Option<u32>,
    /// One of each of so many hours.
    pub keep_hourly: Option<u32>,
    /// One of each of so many days.
    pub keep_daily: Option<u32>,
    /// One of each of so many weeks.
    pub keep_weekly: Option<u32>,
    /// One of each of so many months.
    pub keep_monthly: Option<u32>,
    /// One of each of so many years.
    pub keep_yearly: Option<u32>,
    /// Whatever it was within this time, such as `7d` or `2y5m7d3h`. Whoever
    /// keeps knows what that means; so with the other times.
    pub keep_within: Option<String>,
    /// One of each hour within this time.
    pub keep_within_hourly: Option<String>,
    /// One of each day within this time.
    pub keep_within_daily: Option<String>,
    /// One of each week within this time.
    pub keep_within_weekly: Option<String>,
    /// One of each month within this time.
    pub keep_within_monthly: Option<String>,
    /// One of each year within this time.
    pub keep_within_yearly: Option<String>,
    /// All with one of these tags.
    #[serde(default)]
    pub keep_tag: Vec<String>,
    /// The rules that most people need, instead of any other.
    #[serde(default)]
    pub keep_preset: bool,
    /// The oldest go until the rest was sent in so many bytes.
    pub max_bytes: Option<u64>,
    /// Never fewer than this.
    pub min_snapshots: Option<u32>,
    /// How long what was forgotten can be brought back.
    #[serde(default, deserialize_with = "millis")]
    pub trash: Option<Duration>,
    /// So many of the newest are never dropped from the trash.
    pub floor_snapshots: Option<u32>,
    /// What is younger than this is never dropped from the trash.
    #[serde(default, deserialize_with = "millis")]
    pub floor_age: Option<Duration>,
    /// The zone in which days begin.
    pub timezone: Option<String>,
}

impl Retention {
    /// The times that rules have, with the names of the rules.
    pub fn times(&self) -> [(&'static str, Option<&str>); 6] {
        [
            ("keep_within", self.keep_within.as_deref()),
            ("keep_within_hourly", self.keep_within_hourly.as_deref()),
            ("keep_within_daily", self.keep_within_daily.as_deref()),
            ("keep_within_weekly", self.keep_within_weekly.as_deref()),
            ("keep_within_monthly", self.keep_within_monthly.as_deref()),
            ("keep_within_yearly", self.keep_within_yearly.as_deref()),
        ]
    }
}

/// What a drill must show, and when there is one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Drill {
    /// The time between two that `lifeboat run` makes.
    #[serde(default, deserialize_with = "millis")]
    pub every: Option<Duration>,
    /// Whether it makes any.
    pub enabled: Option<bool>,
    /// Statements that must each return 1.
    #[serde(default)]
    pub assert: Vec<String>,
}

/// When to worry.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Health {
    /// A last backup older than this is a warning.
    #[serde(default, deserialize_with = "millis")]
    pub warn_age: Option<Duration>,
    /// A last backup older than this is critical.
    #[serde(default, deserialize_with = "millis")]
    pub max_age: Option<Duration>,
    /// A last verification older than this is a warning.
    #[serde(default, deserialize_with = "millis")]
    pub max_verify_age: Option<Duration>,
    /// A last drill older than this is a warning.
    #[serde(default, deserialize_with = "millis")]
    pub max_drill_age: Option<Duration>,
    /// Less free space than this is a warning, in bytes.
    pub min_free_space: Option<u64>,
}

/// The web page.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Http {
    /// Address and port. Beyond this machine only with a token or a proxy.
    pub listen: Option<SocketAddr>,
    /// Names under which it is reached, besides `localhost` and addresses.
    #[serde(default)]
    pub hosts: Vec<String>,
    /// What a caller must show to do everything.
    pub token: Option<SecretText>,
    /// The file that holds it.
    pub token_file: Option<PathBuf>,
    /// What a caller must show to look and to back up.
    pub operate_token: Option<SecretText>,
    /// The file that holds it.
    pub operate_token_file: Option<PathBuf>,
    /// What a caller must show to look.
    pub read_token: Option<SecretText>,
    /// The file that holds it.
    pub read_token_file: Option<PathBuf>,
    /// The header in which a proxy says who asks.
    pub proxy_header: Option<String>,
    /// The addresses of that proxy.
    #[serde(default)]
    pub proxy_addresses: Vec<String>,
    /// What whoever it names may do.
    pub proxy_role: Option<PageRole>,
    /// Where new files of restores go.
    pub restore_dir: Option<PathBuf>,
    /// What the keys of objects begin with that are handed on.
    #[serde(default)]
    pub objects: Vec<String>,
    /// Whether everybody may have those.
    #[serde(default)]
    pub public_objects: bool,
}

/// What somebody may do on the page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum PageRole {
    /// Look.
    #[default]
    Read,
    /// Look and back up.
    Operate,
    /// Everything.
    Restore,
}

/// Columns that name objects of a bucket.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Links {
    /// What people call them.
    pub name: Option<String>,
    /// The name of the database.
    pub database: String,
    /// Tables and columns, as in `documents.file_key`. Either these or a query.
    #[serde(default)]
    pub columns: Vec<String>,
    /// A query whose first column is the keys.
    pub query: Option<String>,
    /// The column, in the same row, that says on which side an object lies.
    pub provider_column: Option<String>,
    /// The values of it that mean this store; by default what kind of store it is.
    pub providers: Option<Vec<String>>,
    /// Whether rows without a provider mean this store; by default they do.
    pub provider_default: Option<bool>,
    /// What the columns leave out at the beginning of each key.
    pub key_prefix: Option<String>,
    /// What they leave out at the end.
    pub key_suffix: Option<String>,
    /// The columns hold URLs below one of these.
    #[serde(default)]
    pub url_bases: Vec<String>,
    /// The columns hold JSON, and this is where in it the keys are.
    pub json_path: Option<String>,
    /// The columns hold placements, as `lifeboat object` prints them.
    #[serde(default)]
    pub placement: bool,
    /// The column, in the same row, that has the size of an object.
    pub size_column: Option<String>,
    /// The column, in the same row, that has the ETag or MD5 of an object.
    pub digest_column: Option<String>,
    /// What is done with a row whose object is missing: `delete`, `null`, or a
    /// statement.
    pub on_broken: Option<String>,
    /// The statement that inserts the row of a test.
    pub probe_insert: Option<String>,
    /// The statement that deletes the row of a test.
    pub probe_delete: Option<String>,
    /// Objects that are younger than this count as being about to be mentioned.
    #[serde(default, deserialize_with = "millis")]
    pub grace: Option<Duration>,
    /// The folder of the bucket to which orphaned objects are moved.
    pub quarantine: Option<String>,
    /// Whether the objects are backed up with the database.
    #[serde(default)]
    pub backup: bool,
    /// The bucket, with the prefix that the columns leave out.
    pub url: String,
    /// How the store is reached.
    #[serde(default)]
    pub options: Options,
    /// Another place, path or URL, that may have what is missing.
    pub also: Option<String>,
    /// How that one is reached.
    #[serde(default)]
    pub also_options: Options,
}

/// Where any object lies: photos and the like, which are no backups.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Objects {
    /// A path or URL. Without it, the bucket of media that the environment names.
    pub primary: Option<String>,
    /// What placements call it; by default what kind of store it is.
    pub primary_name: Option<String>,
    /// A path or URL for when the primary does not work.
    pub fallback: Option<String>,
    /// What placements call it.
    pub fallback_name: Option<String>,
    /// The URL under which everybody can read what the primary has.
    pub public_base: Option<String>,
}

/// Durations pass through the layers as milliseconds.
fn millis<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    Ok(Option::<u64>::deserialize(deserializer)?.map(Duration::from_millis))
}
