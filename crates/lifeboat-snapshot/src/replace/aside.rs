//! Where the old database goes: beside the new one, whole, under a name that
//! says what it is.

use std::ffi::OsString;
use std::fs::Metadata;
use std::io;
use std::path::{Path, PathBuf};

use lifeboat_format::digest::{BlockHash, Digest, HashKey, ImageDigester};
use lifeboat_format::geometry::{Geometry, GroupNo};
use lifeboat_format::source::PageSink;

use crate::error::Fault;
use crate::image::Image;
use crate::staged::{ProvenFile, StagedFile, folder_of, sync_folder};

use super::ReplaceError;

const MARK: &str = ".before-restore-";
/// What SQLite keeps beside a database, and cannot make anew.
pub(super) const PARTS: [&str; 2] = ["-wal", "-journal"];

/// The name under which a database is set aside.
pub(super) fn path(target: &Path, label: &str) -> PathBuf {
    let mut name = target.as_os_str().to_owned();
    name.push(MARK);
    name.push(label);
    name.into()
}

/// Whether a path is that of a database that was set aside.
pub fn is_set_aside(path: &Path) -> bool {
    target_of(path).is_some()
}

/// Which database was set aside under this name.
pub(super) fn target_of(aside: &Path) -> Option<PathBuf> {
    let name = aside.file_name()?.as_encoded_bytes();
    let at = (1..name.len()).rev().find(|&at| name[at..].starts_with(MARK.as_bytes()))?;
    // Cut where the text of the mark begins.
    #[cfg(unix)]
    let stem = {
        use std::os::unix::ffi::OsStringExt;
        OsString::from_vec(name[..at].to_vec())
    };
    #[cfg(not(unix))]
    let stem = OsString::from(aside.file_name()?.to_str()?.get(..at)?);
    Some(aside.with_file_name(stem))
}

/// The path of a file beside a database.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// A second name for the database and what belongs to it; false where the file
/// system has none.
pub(super) fn link(target: &Path, aside: &Path) -> io::Result<()> {
    std::fs::hard_link(target, aside)?;
    sync_folder(aside)
}

/// Second names that a killed run gave to the database itself, and that are no
/// old one: they would change with it.
pub(super) fn sweep(target: &Path) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let same = |a: &Metadata, b: &Metadata| (a.dev(), a.ino()) == (b.dev(), b.ino());
        let (Ok(present), Some(name)) = (std::fs::symlink_metadata(target), target.file_name())
        else {
            return;
        };
        let mut prefix = name.to_owned();
        prefix.push(MARK);
        if present.nlink() < 2 {
            return;
        }
        for entry in std::fs::read_dir(folder_of(target)).into_iter().flatten().flatten() {
            let begins =
                entry.file_name().as_encoded_bytes().starts_with(prefix.as_encoded_bytes());
            if begins && entry.metadata().is_ok_and(|other| same(&present, &other)) {
                // What cannot be removed stays a second name, which the
                // swap notices.
                let _ = std::fs::remove_file(entry.path());
            }
        }
    }
    #[cfg(not(unix))]
    let _ = target;
}

/// Copies an image, written to disk and read again. In `wal` the header is made
/// to say WAL mode.
pub(super) fn copy(
    target: &Path,
    image: &mut Image<'_>,
    geometry: Geometry,
    wal: bool,
) -> Result<ProvenFile, ReplaceError> {
    let aside = |source| ReplaceError::Aside { path: target.to_owned(), source };
    let failed = |fault: Fault| ReplaceError::Present(fault.failure(target));
    let mut staged = StagedFile::beside(target).map_err(|e| aside(io::Error::other(e)))?;
    let stage = |e: crate::StageError| match e {
        crate::StageError::Write { source } => aside(source),
        other => aside(io::Error::other(other)),
    };
    staged.begin(geometry).map_err(stage)?;
    // Whoever copied it proves it: the key only has to be one.
    let key = HashKey::from_bytes([0; 32]);
    let mut digester = ImageDigester::default();
    let mut data = Vec::new();
    for group in (0..geometry.group_count()).map(GroupNo) {
        let (first, _) = image.group(group, &mut data).map_err(failed)?;
        if wal && first.0 == 0 {
            // File format, section 1.3.2: the read and write versions.
            data[18..20].fill(2);
        }
        let blocks = (first.0..).zip(data.chunks_exact(geometry.block_size() as usize));
        for (block, bytes) in blocks {
            let absent = geometry.absent_block().is_some_and(|absent| absent.0 == block);
            digester.push(if absent { BlockHash::ABSENT } else { BlockHash::of(&key, bytes) });
        }
        staged.blocks(first, &data).map_err(stage)?;
    }
    let digest: Digest = digester.finish();
    staged.prove(&key, &digest).map_err(|e| aside(io::Error::other(e)))
}
