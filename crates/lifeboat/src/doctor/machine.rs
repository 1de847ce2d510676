//! What the machine has: directories, space, descriptors.

use std::path::Path;

use super::{Finding, Level, bytes};

/// Fewer than this are not enough: a backup holds the database, its sidecars,
/// some packs and connections open.
const FEW_DESCRIPTORS: u64 = 128;

/// Whether a directory of this installation can be used; it is not made.
pub fn directory(about: &str, path: &Path) -> Finding {
    let there = nearest(path);
    let fix = format!("mkdir -p '{0}' && chown \"$USER\" '{0}'", path.display());
    if path.exists() && !path.is_dir() {
        let text = format!("{} is not a directory", path.display());
        return Finding::bad(
            Level::Problem,
            about,
            text,
            format!("mv '{0}' '{0}.old'", path.display()),
        );
    }
    let writable = rustix::fs::access(there, rustix::fs::Access::WRITE_OK);
    match writable {
        Ok(()) if path.is_dir() => Finding::ok(about, format!("{} can be written", path.display())),
        Ok(()) => Finding::ok(about, format!("{} is made when it is needed", path.display())),
        Err(error) => {
            let text = format!("{} cannot be written: {error}", path.display());
            Finding::bad(Level::Problem, about, text, fix)
        }
    }
}

/// Whether there is room for what backups of so many bytes need there, and as much
/// as is wanted in any case.
pub fn space(about: &str, path: &Path, needed: u64, wanted: Option<u64>) -> Finding {
    let free = match rustix::fs::statvfs(nearest(path)) {
        Ok(stat) => stat.f_bavail.saturating_mul(stat.f_frsize),
        Err(error) => {
            let text = format!("the free space of {} is not known: {error}", path.display());
            return Finding::bad(
                Level::Warning,
                about,
                text,
                format!("df -h '{}'", path.display()),
            );
        }
    };
    let text =
        format!("{} free in {}; the databases have {}", bytes(free), path.display(), bytes(needed));
    let fix = format!("df -h '{}'    # and make room", path.display());
    match free {
        free if free < needed => Finding::bad(Level::Problem, about, text, fix),
        // A base, and what consolidation needs besides it.
        free if free / 2 < needed => Finding::bad(Level::Warning, about, text, fix),
        free if wanted.is_some_and(|wanted| free < wanted) => {
            let wanted = bytes(wanted.unwrap_or_default());
            let text = format!("{text}, and health.min_free_space is {wanted}");
            Finding::bad(Level::Warning, about, text, fix)
        }
        _ => Finding::ok(about, text),
    }
}

/// How many files this process may have open.
pub fn descriptors() -> Finding {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    let about = "descriptors";
    match limit {
        Some(limit) if limit < FEW_DESCRIPTORS => Finding::bad(
            Level::Warning,
            about,
            format!("this process may have {limit} files open"),
            "ulimit -n 1024",
        ),
        Some(limit) => Finding::ok(about, format!("this process may have {limit} files open")),
        None => Finding::ok(about, "this process may have any number of files open"),
    }
}

/// The path itself, or what it would be made in.
fn nearest(path: &Path) -> &Path {
    let there = path.ancestors().find(|path| path.exists());
    there.filter(|path| !path.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room() {
        let here = std::env::temp_dir();
        assert_eq!(space("space", &here, 0, None).level, Level::Ok);
        assert_eq!(space("space", &here, 0, Some(u64::MAX)).level, Level::Warning);
        assert_eq!(space("space", &here, u64::MAX, None).level, Level::Problem);
        assert_eq!(space("space", &here.join("not/there"), u64::MAX, None).level, Level::Problem);
    }

    #[test]
    fn directories() {
        let here = std::env::temp_dir();
        assert_eq!(directory("d", &here).level, Level::Ok);
        assert_eq!(directory("d", &here.join("not/there")).level, Level::Ok);
        assert!(!here.join("not").exists());
        let program = std::env::current_exe().expect("has a path");
        assert_eq!(directory("d", &program).level, Level::Problem);
    }
}
