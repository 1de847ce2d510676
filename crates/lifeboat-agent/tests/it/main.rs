//! Schedules, plans and health, under clocks that only the tests know.

mod health;
mod planner;
mod schedule;
mod years;
