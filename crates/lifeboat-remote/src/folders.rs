//! Directories whose names last.

use std::fs::File;
use std::io;
use std::path::Path;

/// Makes a directory and those above it, where they are missing, and waits until
/// their names are on disk: what is stored in a directory is lost with its name.
pub fn make_directory(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let above = path.parent().filter(|above| !above.as_os_str().is_empty());
    let above = above.unwrap_or(Path::new("."));
    make_directory(above)?;
    match std::fs::create_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => {}
        made => made?,
    }
    sync_directory(above)
}

/// Waits until the names in a directory are on disk.
///
/// Who may write in a directory and not read it cannot wait, nor can anybody where
/// the system has no such thing: there the name lasts when the system says so.
pub fn sync_directory(path: &Path) -> io::Result<()> {
    if !cfg!(unix) {
        return Ok(());
    }
    let synced = match File::open(path) {
        Ok(directory) => directory.sync_all(),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Ok(()),
        Err(error) => Err(error),
    };
    match synced {
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(()),
        synced => synced,
    }
}
