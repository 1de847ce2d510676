//! What the tests of the Lifeboat crates share: databases to back up, writers in
//! other processes, a store that follows a script. Never a dependency of what
//! is shipped.
//!
//! - [`store`]: an object store on which a test decides what happens when.
//! - [`script`]: the same, with clients that are remotes.
//! - [`databases`]: makers of databases, the same for the same seed.
//! - [`disk`]: what a loss of power leaves of what a program wrote.
//! - [`simulation`]: years of backups in seconds.
//! - [`writer`]: other processes that write, hold locks and die.
//! - `servers` (with the feature of that name): a real object store in this
//!   process, and a proxy that breaks things on the wire.

pub mod databases;
pub mod disk;
pub mod script;
#[cfg(feature = "servers")]
pub mod servers;
pub mod simulation;
pub mod store;
pub mod writer;
