//! `cargo xtask idle [DATABASES]`: what databases cost that do nothing.

use anyhow::Result;

use crate::build;

/// Builds the release binary and measures an agent with so many databases, which
/// takes some minutes.
pub(crate) fn run(databases: u32) -> Result<()> {
    build::measure("idle::databases_that_do_nothing", "LIFEBOAT_TEST_DATABASES", databases)
}
