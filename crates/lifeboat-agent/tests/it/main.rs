//! Schedules, plans and health, under clocks that only the tests know.

mod driver;
mod health;
mod planner;
mod schedule;
mod years;
