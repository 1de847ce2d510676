//! Whom the agent tells, and what it runs around a backup.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use super::{SecretText, millis};

/// Whom to tell. Of a secret, its file and its command at most one is set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Notify {
    /// Of what; without any: of failures, warnings and recoveries.
    #[serde(default)]
    pub on: Vec<Event>,
    /// Who tells it; by default the name of the machine.
    pub source: Option<String>,
    /// A URL, http or https, that is called at each run: whoever is called
    /// notices when nobody calls.
    pub ping_url: Option<SecretText>,
    /// The file that holds it.
    pub ping_url_file: Option<PathBuf>,
    /// The command that prints it.
    pub ping_url_command: Option<String>,
    /// What is pinged; without any: successes.
    #[serde(default)]
    pub ping_on: Vec<Ping>,
    /// A URL, http or https, that gets a message.
    pub webhook_url: Option<SecretText>,
    /// The file that holds it.
    pub webhook_url_file: Option<PathBuf>,
    /// The command that prints it.
    pub webhook_url_command: Option<String>,
    /// What signs those messages.
    pub webhook_secret: Option<SecretText>,
    /// The file that holds it.
    pub webhook_secret_file: Option<PathBuf>,
    /// The command that prints it.
    pub webhook_secret_command: Option<String>,
    /// A command that gets a message.
    pub command: Option<String>,
    /// A server that takes mail.
    pub mail: Option<Mail>,
}

/// A server that takes mail, and whom it is for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Mail {
    /// Its name.
    pub server: Option<String>,
    /// Its port, if it is not the usual one.
    pub port: Option<u32>,
    /// How the way there is protected.
    #[serde(default)]
    pub tls: MailTls,
    /// Who sends it.
    pub from: Option<String>,
    /// Whom it is for.
    #[serde(default)]
    pub to: Vec<String>,
    /// Who the server is told to be talking to.
    pub user: Option<String>,
    /// The password of that user.
    pub password: Option<SecretText>,
    /// The file that holds it.
    pub password_file: Option<PathBuf>,
    /// The command that prints it.
    pub password_command: Option<String>,
}

/// How the way to a mail server is protected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum MailTls {
    /// It must become encrypted before anything is said.
    #[default]
    StartTls,
    /// It is encrypted from the beginning.
    Tls,
    /// Not at all; only to this machine.
    None,
}

/// What a dead man's switch may be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Ping {
    /// A backup begins.
    Start,
    /// A backup succeeded, and none fails.
    Success,
    /// A backup failed.
    Failure,
}

/// Commands around each backup of the agent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Hooks {
    /// Before a backup; if it fails there is none.
    pub before: Option<String>,
    /// After one that ended well.
    pub after: Option<String>,
    /// After one that did not.
    pub failed: Option<String>,
    /// How long one may take.
    #[serde(default, deserialize_with = "millis")]
    pub timeout: Option<Duration>,
}

/// Figures for Prometheus.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Metrics {
    /// A file that gets them, as node_exporter's textfile collector reads them.
    pub file: Option<PathBuf>,
}

/// What somebody may want to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Event {
    /// A backup, a verification or a drill failed.
    Failure,
    /// What failed works again.
    Recovery,
    /// It worked, but not as it should: on a fallback, or late.
    Warning,
    /// It worked.
    Success,
}
