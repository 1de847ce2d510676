//! The built binary and the public API, as their users run them.

mod archives;
mod command;
mod configuration;
mod consolidation;
mod crashes;
mod disabled;
mod doctor;
mod embedding;
mod errors;
mod families;
mod faults;
mod hazards;
mod json;
mod keeping;
mod live;
mod locks;
mod memory;
mod permissions;
mod place;
mod proving;
mod requests;
mod sealed;
mod sizes;
mod two_at_once;
mod years;
