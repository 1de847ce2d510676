//! The folder of a target: what is in the way, what was left behind, and the
//! name of a staged file.

use std::ffi::{OsStr, OsString};
use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use super::Place;
use super::error::Taken;

const MARK: &str = ".lifeboat-";
const SUFFIX: &str = ".partial";

/// Refuses a target that exists, even as a broken link, or has sidecars.
pub(super) fn must_be_free(target: &Path) -> Result<(), Taken> {
    let exists = |path: &Path| match std::fs::symlink_metadata(path) {
        Ok(_) => Ok(true),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(Taken::Io(path.to_owned(), e)),
    };
    if exists(target)? {
        return Err(Taken::Target(target.to_owned()));
    }
    for suffix in ["-wal", "-shm", "-journal"] {
        let mut name = target.as_os_str().to_owned();
        name.push(suffix);
        let sidecar = PathBuf::from(name);
        if exists(&sidecar)? {
            return Err(Taken::Sidecar(sidecar));
        }
    }
    Ok(())
}

/// The folder that holds a path.
pub(super) fn of(target: &Path) -> &Path {
    match target.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

/// Creates a staged file, locked, readable by its owner alone.
pub(super) fn create(target: &Path) -> io::Result<(File, Place)> {
    let name = target.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    #[cfg(unix)]
    let (mode, _) = usual(target, name)?;
    let staged = fresh_name(target, name)?;
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(&staged)?;
    let place = Place {
        target: target.to_owned(),
        staged,
        #[cfg(unix)]
        mode,
        published: false,
        kept: false,
    };
    // Tells a sweep that somebody works on it. A file system without locks
    // leaves the file to its luck, not the restore.
    let _ = file.try_lock();
    Ok((file, place))
}

/// Which permissions a new file gets in this folder: 0600, less what the
/// umask, or the folder's default, takes away; and whose it is. Asked by creating
/// one, because the umask cannot be read without being changed for all threads,
/// and because a server may give files to somebody else.
#[cfg(unix)]
pub(super) fn usual(target: &Path, name: &OsStr) -> io::Result<(u32, u32)> {
    use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
    let path = fresh_name(target, name)?;
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    let made = options.open(&path).and_then(|file| file.metadata())?;
    std::fs::remove_file(&path)?;
    Ok((made.mode() & 0o777, made.uid()))
}

fn fresh_name(target: &Path, name: &OsStr) -> io::Result<PathBuf> {
    let mut random = [0; 4];
    getrandom::fill(&mut random).map_err(|e| io::Error::other(e.to_string()))?;
    let mut staged = prefix(name);
    staged.push(format!("{:08x}{SUFFIX}", u32::from_be_bytes(random)));
    Ok(of(target).join(staged))
}

fn prefix(name: &OsStr) -> OsString {
    let mut prefix = OsString::from(".");
    // Names have 255 bytes at most; of a longer one the beginning will do,
    // since the random part tells files apart.
    if name.len() <= 200 {
        prefix.push(name);
    } else {
        prefix.push(name.to_string_lossy().chars().take(50).collect::<String>());
    }
    prefix.push(MARK);
    prefix
}

/// Removes staged files of the same target that nobody holds any more. What
/// goes wrong here is no reason not to restore.
pub(super) fn sweep(target: &Path) {
    for path in staged_for(target) {
        let free = File::open(&path).is_ok_and(|file| file.try_lock().is_ok());
        if free && std::fs::remove_file(&path).is_ok() {
            tracing::info!(path = %path.display(), "removed what a restore left");
        }
    }
}

/// The paths of what is staged for a target, or was.
pub(super) fn staged_for(target: &Path) -> Vec<PathBuf> {
    let Some(name) = target.file_name() else { return Vec::new() };
    let prefix = prefix(name);
    let entries = std::fs::read_dir(of(target)).into_iter().flatten().flatten();
    entries
        .filter(|entry| is_staged(&entry.file_name(), &prefix))
        .map(|entry| entry.path())
        .collect()
}

fn is_staged(name: &OsStr, prefix: &OsStr) -> bool {
    name.as_encoded_bytes()
        .strip_prefix(prefix.as_encoded_bytes())
        .and_then(|rest| rest.strip_suffix(SUFFIX.as_bytes()))
        .is_some_and(|hex| hex.len() == 8 && hex.iter().all(u8::is_ascii_hexdigit))
}
