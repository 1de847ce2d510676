//! What the tests of the Lifeboat crates share: databases to back up, writers in
//! other processes, a store that follows a script. Never a dependency of what
//! is shipped.

pub mod databases;
pub mod script;
pub mod writer;
