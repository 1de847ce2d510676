//! `cargo xtask memory [GIB]`: the peak of the release binary's memory.
//!
//! The end-to-end tests hold the binary of their own profile to the promise, at
//! a size that takes seconds; here it is the one that people run, at any size.

use anyhow::Result;

use crate::build;

/// Builds the release binary and measures it with a database of so many GiB,
/// which takes three times that of the temporary directory.
pub(crate) fn run(gibibytes: u32) -> Result<()> {
    build::measure("memory::backup_and_restore_of_a_gibibyte", "LIFEBOAT_TEST_GIB", gibibytes)
}
