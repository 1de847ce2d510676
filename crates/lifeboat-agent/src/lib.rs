//! When backups are made, and how a database is.
//!
//! ```
//! use std::time::Duration;
//!
//! use lifeboat_agent::{Job, Planner, Schedule};
//! use time::macros::datetime;
//!
//! let mut planner = Planner::new(4, 17);
//! let start = datetime!(2026-11-21 10:00 UTC);
//! let hourly = Schedule::every(Duration::from_secs(3600))?;
//! planner.insert("app", Job::Backup, hourly, None, start);
//! let started = planner.poll(start);
//! assert_eq!(started[0].database, "app");
//! planner.finished("app", Job::Backup, true, start);
//! assert_eq!(planner.wake_at(), Some(datetime!(2026-11-21 11:00 UTC)));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Everything is decided without a clock, a thread or a timer: whoever
//! drives it says what time it is and what became of what was started, and is
//! told what to start and when to come again. So that two years with crashes,
//! sleeping machines and failing stores are simulated in a second, and so that
//! a program drives it with whatever runtime it has; [`Driver`] does so in tokio.
//!
//! # Limitations
//!
//! - Time is the time of the wall clock. A clock that is set back makes what
//!   was planned with it earlier, not absent.
//! - A plan lives in memory. After a restart the time of the last backup comes
//!   from the repository.
//!
//! # Code map
//!
//! - [`Schedule`]: an interval or a line of cron in a zone.
//! - [`Planner`], [`Job`], [`Start`], [`Cause`]: what is to be started now.
//! - [`Driver`], [`Work`], [`Handle`]: a planner in a runtime, whoever does the
//!   work, and where it is asked for.
//! - [`Event`], [`What`]: what happens, for whoever listens.
//! - [`Cutter`], [`SpoolBound`]: when a segment of the log is closed, and how much may
//!   wait on the disk.
//! - [`judge`], [`Facts`], [`Limits`], [`Health`], [`Reason`]: healthy, warning
//!   or critical, and why.
//!
//! - [`Watch`]: notices backups that do not come.
//! - [`notify`]: what is told to people, when, and how it gets there.
//! - [`Metrics`]: figures for Prometheus.
//! - `Hooks`: commands of the user around each backup.
//!
//! Features, none of them on by default: `webhooks` (and pings), `mail`, `commands`
//! (hooks, and commands that get messages), `metrics` (printing what is counted).
//!
//! The public interface uses the time zones of `jiff` and the times of `time`; a
//! driver needs a runtime of `tokio` with its timer.

mod capture;
#[cfg(feature = "commands")]
mod command;
mod driver;
mod event;
mod health;
#[cfg(feature = "commands")]
mod hooks;
mod metrics;
pub mod notify;
mod planner;
mod schedule;
mod watch;

pub use capture::{Cutter, SpoolBound};
pub use driver::{Clock, Driver, Handle, Planned, SystemClock, Work};
pub use event::{Backed, Event, What};
pub use health::{Facts, FollowState, Following, Health, Level, Limits, Reason, judge};
#[cfg(feature = "commands")]
pub use hooks::{HookError, Hooks, Occasion};
pub use jiff::tz::TimeZone;
pub use metrics::Metrics;
pub use planner::{Cause, Job, Planner, Start};
pub use schedule::{Schedule, ScheduleError};
pub use watch::Watch;
