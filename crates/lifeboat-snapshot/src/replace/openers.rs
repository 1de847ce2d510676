//! Who has a file open: asked of the system, because a connection that does
//! nothing holds no lock.

use std::path::Path;

/// What could be seen of everybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    /// Descriptors of this process.
    pub(super) own: usize,
    /// Descriptors of others.
    pub(super) others: usize,
}

impl Seen {
    pub(super) fn anybody(self) -> bool {
        self.own + self.others > 0
    }
}

/// Looks through the descriptors of all processes; `None` where not all of
/// them can be seen: on other systems than Linux, without the rights, and in a
/// container, whose neighbours may share the file.
pub(super) fn seen(path: &Path) -> Option<Seen> {
    #[cfg(target_os = "linux")]
    return linux::seen(path);
    #[cfg(not(target_os = "linux"))]
    {
        let _ = path;
        None
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use std::io::ErrorKind;
    use std::os::unix::fs::MetadataExt;
    use std::path::Path;

    use super::Seen;

    /// The namespace of processes that the system began with
    /// (`PROC_PID_INIT_INO` of the kernel).
    const FIRST_NAMESPACE: &str = "pid:[4026531836]";

    pub(super) fn seen(path: &Path) -> Option<Seen> {
        let namespace = std::fs::read_link("/proc/self/ns/pid").ok()?;
        if namespace.to_str() != Some(FIRST_NAMESPACE) {
            return None;
        }
        let wanted = match std::fs::metadata(path) {
            Ok(metadata) => (metadata.dev(), metadata.ino()),
            Err(e) if e.kind() == ErrorKind::NotFound => return Some(Seen { own: 0, others: 0 }),
            Err(_) => return None,
        };
        let mut seen = Seen { own: 0, others: 0 };
        for process in std::fs::read_dir("/proc").ok()? {
            let name = process.ok()?.file_name();
            let Some(id) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else {
                continue;
            };
            let count = count(&Path::new("/proc").join(&name).join("fd"), wanted)?;
            if id == std::process::id() { seen.own += count } else { seen.others += count }
        }
        Some(seen)
    }

    /// How many descriptors in a folder are of the file; a process that ended
    /// has none.
    fn count(folder: &Path, wanted: (u64, u64)) -> Option<usize> {
        let entries = match std::fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(e) if is_gone(&e) => return Some(0),
            Err(_) => return None,
        };
        let mut count = 0;
        for entry in entries {
            let entry = match entry {
                Ok(entry) => entry,
                Err(e) if is_gone(&e) => break,
                Err(_) => return None,
            };
            // Follows the link to what is open, without opening it.
            let file = std::fs::metadata(entry.path());
            if file.is_ok_and(|file| (file.dev(), file.ino()) == wanted) {
                count += 1;
            }
        }
        Some(count)
    }

    fn is_gone(error: &std::io::Error) -> bool {
        // ESRCH: the process ended while it was looked at.
        error.kind() == ErrorKind::NotFound || error.raw_os_error() == Some(3)
    }
}
