//! The repository through its public API, with images in memory.

mod archives;
mod attached;
mod checks;
mod consolidation;
mod crashes;
mod heartbeats;
mod image;
mod mending;
mod model;
mod pruning;
mod round_trip;
mod rounds;
mod rules;
mod sealed;
mod segments;
mod simulation;
mod world;
