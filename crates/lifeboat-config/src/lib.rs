//! Files and environment to settings.
//!
//! ```
//! use lifeboat_config::{Configuration, Environment, Request};
//!
//! let environment = Environment::in_directory("/nowhere")
//!     .with("LIFEBOAT_REPOSITORY", "/srv/backups")
//!     .with("LIFEBOAT_RETENTION__KEEP_DAILY", "7");
//! let configuration = Configuration::load(&Request::default(), &environment)?;
//! let settings = configuration.settings();
//! assert_eq!(settings.repository.as_deref(), Some("/srv/backups"));
//! assert_eq!(settings.retention.as_ref().and_then(|keep| keep.keep_daily), Some(7));
//! # Ok::<(), lifeboat_config::Problems>(())
//! ```
//!
//! # Limitations
//!
//! Files are TOML. Options of stores are passed on as they are: only the store
//! knows their names. Keys are not decoded here.
//!
//! # Code map
//!
//! - [`Environment`]: variables and working directory, as a value.
//! - [`Configuration`]: the settings and where each comes from.
//! - [`Settings`]: what can be set.
//! - [`Cron`]: five fields of cron, understood.
//! - [`Problems`]: what is wrong, with place and nearest known name.
//! - [`env_file`]: files of variables.
//! - [`verdict`]: where this runs, and whether its disk lasts.
//! - [`MediaBucket`]: what is never a place for backups.

mod check;
mod configuration;
mod contradiction;
mod cron;
mod database;
mod document;
pub mod env_file;
mod environment;
mod family;
mod file;
mod layers;
mod nearest;
mod node;
mod problem;
mod schema;
mod settings;
mod show;
mod substitute;
mod units;
mod variables;
mod whereabouts;

pub use configuration::{Configuration, Request};
pub use cron::Cron;
pub use database::FoundDatabase;
pub use environment::Environment;
pub use family::MediaBucket;
pub use problem::{Place, Problem, Problems, What};
pub use schema::names;
pub use settings::{
    Compression, Continuous, Database, Destination, Drill, Encryption, Event, Health, Hooks, Http,
    Links, LocalDisk, Mail, MailTls, Metrics, Mode, Notify, Objects, Options, PageRole, Ping,
    Retention, Role, Schedule, SecretText, Settings, TakeOver,
};
pub use show::Shown;
pub use whereabouts::{FileSystem, Platform, Spot, Verdict, verdict};
