//! Schedules, plans and health, under clocks that only the tests know.

mod desk;
mod driver;
mod health;
#[cfg(feature = "metrics")]
mod metrics;
mod planner;
mod schedule;
#[cfg(feature = "webhooks")]
mod signature;
mod watch;
mod years;
