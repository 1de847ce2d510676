//! Exchanging the file of a database that nobody has open.
//!
//! The order matters, because a WAL or a hot journal beside the wrong database
//! is replayed into it. So the old database is first brought into one file,
//! under a lock; its second name is made durable; what is left of its sidecars
//! holds nothing any more; and one renaming exchanges the file.

use std::fs::Metadata;
use std::io;
use std::path::Path;
use std::time::Duration;

use lifeboat_sqlite::Exclusive;

use crate::staged::{ProvenFile, sync_folder};

use super::aside::{self, PARTS, beside};
use super::{ReplaceError, Replaced, Way, openers};

// How often, and how long each time, those who came late are waited for.
const PATIENCE: (u32, Duration) = (50, Duration::from_millis(100));

/// How an attempt to exchange the file ended.
pub(super) enum Outcome {
    Done(Replaced),
    /// Somebody has it open, or the file cannot be exchanged without losing
    /// what belongs to it; nothing was changed.
    NotAlone(ProvenFile),
}

/// Exchanges the file, if nobody else has it open. No connection of the caller
/// is open.
pub(super) fn swap(
    proven: ProvenFile,
    target: &Path,
    aside: &Path,
) -> Result<Outcome, ReplaceError> {
    let io = |source| ReplaceError::Io { path: target.to_owned(), source };
    let sqlite = |source| ReplaceError::sqlite(target, source);
    let like = std::fs::metadata(target).map_err(io)?;
    if has_other_names(&like) {
        return Ok(Outcome::NotAlone(proven));
    }
    let Some(lock) = Exclusive::take(target).map_err(|source| ReplaceError::Open { source })?
    else {
        return Ok(Outcome::NotAlone(proven));
    };
    // Looked at under the lock, so that who comes later waits for it. One
    // descriptor is that of the lock.
    let seen = openers::seen(target);
    let alone = seen.everybody && seen.others == 0 && seen.own == 1;
    if !alone || lock.has_moved().map_err(sqlite)? || aside::link(target, aside).is_err() {
        let _ = std::fs::remove_file(aside);
        return Ok(Outcome::NotAlone(proven));
    }
    let exchanged = proven.settle(Some(&like)).and_then(|settled| {
        // Under the lock, with the WAL written back and no transaction begun,
        // nothing in them counts.
        clear(target)?;
        settled.rename_over()
    });
    if let Err(source) = exchanged {
        let _ = std::fs::remove_file(aside);
        return Err(io(source));
    }
    let mut straggler = false;
    if openers::seen(aside).others > 0 {
        // Somebody opened the old file in the last moment, and waits for the
        // lock. They would take the new WAL for that of the old file.
        if !openers::seen(target).somebody() && std::fs::rename(aside, target).is_ok() {
            sync_folder(target).map_err(io)?;
            return Err(ReplaceError::InUse { path: target.to_owned() });
        }
        straggler = !wait_for_stragglers(aside);
    }
    let durable = sync_folder(target);
    drop(lock);
    durable.map_err(|source| ReplaceError::NotDurable { path: target.to_owned(), source })?;
    Ok(Outcome::Done(Replaced {
        way: Way::Swapped,
        aside: Some(aside.to_owned()),
        wal_is_full: false,
        straggler,
    }))
}

/// Puts the file where there is none. Sidecars without their database are set
/// aside.
pub(super) fn place(
    proven: ProvenFile,
    target: &Path,
    aside: &Path,
) -> Result<Replaced, ReplaceError> {
    let io = |source| ReplaceError::Io { path: target.to_owned(), source };
    link_parts(target, aside).map_err(io)?;
    let settled = proven.settle(None).map_err(io)?;
    clear(target).and_then(|()| settled.name(target)).map_err(io)?;
    sync_folder(target)
        .map_err(|source| ReplaceError::NotDurable { path: target.to_owned(), source })?;
    Ok(Replaced { way: Way::Placed, aside: None, wal_is_full: false, straggler: false })
}

/// Exchanges a file that SQLite cannot use, with all that lies beside it.
pub(super) fn remove(
    proven: ProvenFile,
    target: &Path,
    aside: &Path,
) -> Result<Replaced, ReplaceError> {
    let io = |source| ReplaceError::Io { path: target.to_owned(), source };
    let set_aside = |source| ReplaceError::Aside { path: target.to_owned(), source };
    let like = std::fs::metadata(target).map_err(io)?;
    // All of it has a second name before the first loses one.
    std::fs::hard_link(target, aside).map_err(set_aside)?;
    link_parts(target, aside).map_err(set_aside)?;
    sync_folder(aside).map_err(set_aside)?;
    let settled = proven.settle(Some(&like)).map_err(io)?;
    clear(target).and_then(|()| settled.rename_over()).map_err(io)?;
    sync_folder(target)
        .map_err(|source| ReplaceError::NotDurable { path: target.to_owned(), source })?;
    Ok(Replaced {
        way: Way::Removed,
        aside: Some(aside.to_owned()),
        wal_is_full: false,
        straggler: false,
    })
}

/// Gives the WAL and the journal second names.
fn link_parts(target: &Path, aside: &Path) -> io::Result<()> {
    for suffix in PARTS {
        match std::fs::hard_link(beside(target, suffix), beside(aside, suffix)) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
    }
    Ok(())
}

/// Removes the sidecars, durably: before the database gets its name.
fn clear(target: &Path) -> io::Result<()> {
    let mut removed = false;
    for suffix in ["-journal", "-wal", "-shm"] {
        match std::fs::remove_file(beside(target, suffix)) {
            Ok(()) => removed = true,
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => return Err(e),
        }
    }
    if removed { sync_folder(target) } else { Ok(()) }
}

/// Whoever has the file under another name would keep the old one.
fn has_other_names(like: &Metadata) -> bool {
    #[cfg(unix)]
    return std::os::unix::fs::MetadataExt::nlink(like) > 1;
    #[cfg(not(unix))]
    {
        let _ = like;
        false
    }
}

fn wait_for_stragglers(aside: &Path) -> bool {
    let (times, pause) = PATIENCE;
    for _ in 0..times {
        if openers::seen(aside).others == 0 {
            return true;
        }
        std::thread::sleep(pause);
    }
    false
}
