//! Which snapshots to keep, and why.
//!
//! ```
//! use lifeboat_retention::{Candidate, Policy, Rules, TimeZone, plan};
//! use time::macros::datetime;
//!
//! let rules = Rules { keep_last: Some(2), ..Rules::default() };
//! let policy = Policy::new(rules)?;
//! let snapshots: Vec<Candidate> = (1..=3)
//!     .map(|n| Candidate::new(n, datetime!(2026-11-20 10:00 UTC) + time::Duration::hours(n as i64)))
//!     .collect();
//! let plan = plan(&snapshots, &policy, datetime!(2026-11-21 10:00 UTC), &TimeZone::UTC)?;
//! assert_eq!(plan.forgotten().map(|one| one.number).collect::<Vec<_>>(), [1]);
//! println!("{}", plan.decisions[2].reasons[0]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A plan is a pure function of snapshots, policy, time and zone: it is printed,
//! tested and applied by others. Snapshots that were taken because of something that
//! was about to be done are a [`Class`] of their own, which the rules count apart.
//! Whatever a policy says, some snapshots are
//! never forgotten: the latest, the latest that was verified, the pinned, and
//! those that bear a time in the future.
//!
//! # Limitations
//!
//! - Sizes are what the caller says a snapshot costs. Snapshots share packs, so
//!   that forgetting one seldom frees as much as it once sent.
//! - A policy cannot look into snapshots.
//!
//! # Code map
//!
//! - [`Rules`], [`Policy`], [`Tag`], [`Period`]: what is typed, and what was
//!   checked.
//! - [`Candidate`], [`Class`]: the snapshots, and what each was taken for.
//! - [`plan`](plan()), [`Plan`], [`Decision`], [`Reason`]: what is kept, and why.
//! - [`Outlook`]: what remains, as a calendar, and the gaps that are made.
//! - `slot`: hours, days, weeks, months and years of a zone.
//!
//! The public interface uses the time zones of `jiff` and the times of `time`.

mod outlook;
mod period;
mod plan;
mod policy;
mod reason;
mod slot;

pub use jiff::tz::TimeZone;
pub use outlook::{Gap, Month, Outlook};
pub use period::{ParsePeriodError, Period};
pub use plan::{Candidate, Class, Decision, Plan, PlanError, plan};
pub use policy::{ParseTagError, Policy, PolicyError, Rules, Tag};
pub use reason::Reason;
pub use slot::Unit;
