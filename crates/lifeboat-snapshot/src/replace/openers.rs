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
    /// Whether all who could have it open were looked at.
    pub(super) everybody: bool,
}

impl Seen {
    /// Whether somebody was seen.
    pub(super) fn somebody(self) -> bool {
        self.own + self.others > 0
    }

    /// Whether it is known that nobody has it open.
    pub(super) fn nobody(self) -> bool {
        self.everybody && !self.somebody()
    }
}

/// Looks through the descriptors of all processes. Not everybody can be seen on
/// other systems than Linux, without the rights, in a container, whose
/// neighbours may share the file, and on a file system that other machines may
/// have mounted too.
pub(super) fn seen(path: &Path) -> Seen {
    #[cfg(target_os = "linux")]
    return linux::seen(path);
    #[cfg(not(target_os = "linux"))]
    {
        let _ = path;
        Seen { own: 0, others: 0, everybody: false }
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

    /// File systems that one machine has mounted, and whose files have the same
    /// number wherever they are seen.
    const OF_ONE_MACHINE: [&str; 8] =
        ["ext2", "ext3", "ext4", "xfs", "btrfs", "zfs", "f2fs", "tmpfs"];

    pub(super) fn seen(path: &Path) -> Seen {
        let mut seen = Seen { own: 0, others: 0, everybody: is_first_namespace() };
        let wanted = match std::fs::metadata(path) {
            Ok(metadata) => (metadata.dev(), metadata.ino()),
            Err(e) => {
                seen.everybody &= e.kind() == ErrorKind::NotFound;
                return seen;
            }
        };
        seen.everybody &= is_of_one_machine(wanted.0);
        let Ok(processes) = std::fs::read_dir("/proc") else {
            seen.everybody = false;
            return seen;
        };
        for process in processes {
            let Ok(process) = process else {
                seen.everybody = false;
                continue;
            };
            let name = process.file_name();
            let Some(id) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else {
                continue;
            };
            match count(&Path::new("/proc").join(&name).join("fd"), wanted) {
                Some(count) if id == std::process::id() => seen.own += count,
                Some(count) => seen.others += count,
                None => seen.everybody = false,
            }
        }
        seen
    }

    fn is_first_namespace() -> bool {
        std::fs::read_link("/proc/self/ns/pid")
            .is_ok_and(|namespace| namespace.to_str() == Some(FIRST_NAMESPACE))
    }

    /// Whether a device holds a file system of one machine (proc(5),
    /// `/proc/pid/mountinfo`).
    fn is_of_one_machine(device: u64) -> bool {
        // Major and minor number, as the C library takes them apart.
        let major = (device >> 8) & 0xfff | (device >> 32) & !0xfff;
        let minor = device & 0xff | (device >> 12) & !0xff;
        let wanted = format!("{}:{}", major & 0xffff_ffff, minor & 0xffff_ffff);
        let Ok(mounts) = std::fs::read_to_string("/proc/self/mountinfo") else {
            return false;
        };
        mounts.lines().any(|line| {
            let mut fields = line.split(' ');
            fields.nth(2) == Some(wanted.as_str())
                && fields
                    .skip_while(|field| *field != "-")
                    .nth(1)
                    .is_some_and(|kind| OF_ONE_MACHINE.contains(&kind))
        })
    }

    /// How many descriptors in a folder are of the file; a process that ended
    /// has none. `None` where that may not be looked at.
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
