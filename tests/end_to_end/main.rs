//! The built binary and the public API, as their users run them.

mod archives;
mod command;
mod consolidation;
mod crashes;
mod embedding;
mod errors;
mod faults;
mod hazards;
mod in_place;
mod json;
mod live;
mod locks;
mod memory;
mod permissions;
mod place;
mod requests;
mod restores;
mod sealed;
mod sizes;
mod two_at_once;
mod years;
