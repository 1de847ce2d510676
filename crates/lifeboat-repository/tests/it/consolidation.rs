//! Snapshots that stay cheap for years: what is sent again, what is dropped,
//! and the bounds of `docs/consolidation.md`.

pub(crate) mod backups;
mod bounds;
mod plans;
