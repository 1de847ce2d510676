//! The built binary and the public API, as their users run them.

mod archives;
mod command;
mod consolidation;
mod crashes;
mod embedding;
mod errors;
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
