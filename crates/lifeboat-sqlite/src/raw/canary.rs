//! Asks the system whether a lock on the wal-index is still held.
//!
//! POSIX locks vanish without a word when any descriptor of the file is closed
//! in the process. A query in the name of an open file description sees the
//! locks of this process as those of a stranger, and so tells whether they are
//! still there; it changes nothing.

use std::path::Path;

/// What is known of a lock that was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockState {
    /// This process holds it.
    Held,
    /// Nobody does: it is gone.
    Lost,
    /// Another process holds one as well, which hides the answer, or this
    /// system cannot tell.
    Unknown,
}

/// The descriptor of the `-shm` that SQLite holds in this process.
#[derive(Debug)]
pub(crate) struct Canary {
    #[cfg(target_os = "linux")]
    descriptor: Option<libc::c_int>,
}

// Where SQLite's locks on a `-shm` begin: UNIX_SHM_BASE of os_unix.c.
#[cfg(target_os = "linux")]
const FIRST_LOCK: libc::off_t = (22 + 8) * 4;

#[cfg(target_os = "linux")]
impl Canary {
    /// Finds the descriptor among those of the process, by asking the system
    /// what each is; none is opened.
    pub(crate) fn find(shm: &Path) -> Self {
        use std::os::unix::fs::MetadataExt;
        let identity = |path: &Path| {
            let metadata = std::fs::metadata(path).ok()?;
            Some((metadata.dev(), metadata.ino()))
        };
        let find = || {
            let wanted = identity(shm)?;
            std::fs::read_dir("/proc/self/fd").ok()?.flatten().find_map(|entry| {
                // Listing the folder has a descriptor of its own, which is
                // another file.
                (identity(&entry.path()) == Some(wanted))
                    .then(|| entry.file_name().to_str()?.parse().ok())?
            })
        };
        Self { descriptor: find() }
    }

    /// Whether this process holds lock number `slot` of the `-shm`.
    pub(crate) fn ask(&self, slot: u8) -> LockState {
        let Some(descriptor) = self.descriptor else {
            return LockState::Unknown;
        };
        // SAFETY: a struct of numbers, for which zeros are valid.
        let mut lock: libc::flock = unsafe { std::mem::zeroed() };
        lock.l_type = libc::F_WRLCK as libc::c_short;
        lock.l_whence = libc::SEEK_SET as libc::c_short;
        lock.l_start = FIRST_LOCK + libc::off_t::from(slot);
        lock.l_len = 1;
        // SAFETY: the descriptor is SQLite's, which keeps it as long as the
        // connection that this belongs to is open; the command reads and
        // writes the struct and nothing else.
        let rc = unsafe { libc::fcntl(descriptor, libc::F_OFD_GETLK, &raw mut lock) };
        if rc != 0 {
            return LockState::Unknown;
        }
        let own = i64::from(lock.l_pid) == i64::from(std::process::id());
        match i32::from(lock.l_type) {
            libc::F_UNLCK => LockState::Lost,
            _ if own => LockState::Held,
            _ => LockState::Unknown,
        }
    }
}

#[cfg(not(target_os = "linux"))]
impl Canary {
    pub(crate) fn find(_shm: &Path) -> Self {
        Self {}
    }

    pub(crate) fn ask(&self, _slot: u8) -> LockState {
        LockState::Unknown
    }
}
