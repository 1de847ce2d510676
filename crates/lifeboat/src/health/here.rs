//! What this machine sees of a database without opening it.

use std::ffi::OsString;
use std::path::Path;

use lifeboat_agent::Facts;

/// Adds what the disk says of a database whose file is here. Nothing is opened:
/// closing a file takes the locks of this process with it.
pub(crate) fn look_here(path: &Path, facts: &mut Facts) {
    // SQLite names its files by where the file really lies.
    let Ok(path) = path.canonicalize() else { return };
    let Ok(main) = std::fs::metadata(&path) else { return };
    let mut wal = OsString::from(&path);
    wal.push("-wal");
    facts.wal = std::fs::metadata(wal).ok().map(|wal| (wal.len(), main.len()));
    let folder = path.parent().unwrap_or(&path);
    facts.free_space =
        rustix::fs::statvfs(folder).ok().map(|disk| disk.f_bavail.saturating_mul(disk.f_frsize));
}
