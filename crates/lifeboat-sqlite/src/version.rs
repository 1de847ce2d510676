//! Which SQLite runs, and which are known to be safe.

use crate::raw;

/// The first version without the WAL-reset bug (3.51.3), which lost pages when
/// two connections checkpointed and wrote at the wrong moment.
pub const MIN_SAFE_VERSION: u32 = 3_051_003;

/// The version of the SQLite library in this process, as
/// `SQLITE_VERSION_NUMBER`: 3,051,003 for 3.51.3.
pub fn library_version() -> u32 {
    raw::library_version()
}
