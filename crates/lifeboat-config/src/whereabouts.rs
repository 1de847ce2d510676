//! Where this runs, and whether its local disk lasts.
//!
//! A backup beside the database is worth something only where the disk is there
//! after a restart. The verdict is a function of values, so that every platform
//! is a row in a test; [`Spot::of`] is what looks at the disk.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::environment::Environment;
use crate::settings::LocalDisk;

/// A platform whose machines forget.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Platform {
    /// Streamlit Community Cloud.
    StreamlitCloud,
    /// Google Cloud Run, services and jobs.
    CloudRun,
    /// AWS Lambda.
    Lambda,
    /// Heroku.
    Heroku,
    /// Vercel.
    Vercel,
    /// Google App Engine.
    AppEngine,
    /// Render.
    Render,
    /// Fly.
    Fly,
}

impl Platform {
    /// Whether volumes that last can be mounted there.
    pub fn has_volumes(self) -> bool {
        match self {
            Self::CloudRun | Self::Lambda | Self::Render | Self::Fly => true,
            Self::StreamlitCloud | Self::Heroku | Self::Vercel | Self::AppEngine => false,
        }
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::StreamlitCloud => "Streamlit Community Cloud",
            Self::CloudRun => "Cloud Run",
            Self::Lambda => "AWS Lambda",
            Self::Heroku => "Heroku",
            Self::Vercel => "Vercel",
            Self::AppEngine => "App Engine",
            Self::Render => "Render",
            Self::Fly => "Fly",
        })
    }
}

/// Kinds of file systems, by how long they last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FileSystem {
    /// A disk, or something that is not known to be none.
    Disk,
    /// Memory: tmpfs or ramfs.
    Memory,
    /// The writable layer of a container.
    Overlay,
}

/// A place on the local disk where backups go.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Spot {
    /// Its path.
    pub path: PathBuf,
    /// What it lies on.
    pub file_system: FileSystem,
    /// Whether that is mounted beside the root.
    pub own_mount: bool,
}

impl Spot {
    /// A place as a value.
    pub fn new(path: impl Into<PathBuf>, file_system: FileSystem, own_mount: bool) -> Self {
        Self { path: path.into(), file_system, own_mount }
    }

    /// Looks at a place; where it is not there yet, at what it will be made in.
    pub fn of(path: &Path) -> Self {
        let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let there = absolute.ancestors().find(|path| path.exists()).unwrap_or(Path::new("/"));
        let file_system = file_system(there);
        let device = |path: &Path| rustix::fs::stat(path).ok().map(|stat| stat.st_dev);
        let own_mount = device(there) != device(Path::new("/"));
        Self { path: path.to_owned(), file_system, own_mount }
    }
}

#[cfg(target_os = "linux")]
fn file_system(path: &Path) -> FileSystem {
    // As in linux/magic.h.
    const TMPFS: u32 = 0x0102_1994;
    const RAMFS: u32 = 0x8584_58f6;
    const OVERLAY: u32 = 0x794c_7630;
    match rustix::fs::statfs(path).map(|found| found.f_type as u32) {
        Ok(TMPFS | RAMFS) => FileSystem::Memory,
        Ok(OVERLAY) => FileSystem::Overlay,
        _ => FileSystem::Disk,
    }
}

#[cfg(not(target_os = "linux"))]
fn file_system(_: &Path) -> FileSystem {
    FileSystem::Disk
}

/// What is known of the local disk.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// Nothing says that it vanishes.
    Lasts,
    /// Somebody says that it lasts, whatever it looks like.
    SaidToLast {
        /// Who.
        by: String,
    },
    /// It is gone after a restart.
    Vanishes {
        /// The platform, where that says so.
        platform: Option<Platform>,
        /// How that is known, as a sentence without its end.
        reason: String,
    },
}

impl Verdict {
    /// Why backups to local places are worth nothing here, if so.
    pub fn vanishes(&self) -> Option<&str> {
        match self {
            Self::Vanishes { reason, .. } => Some(reason),
            Self::Lasts | Self::SaidToLast { .. } => None,
        }
    }
}

/// The verdict on local places. What lasts at one of them lasts.
pub fn verdict(
    environment: &Environment,
    local_disk: LocalDisk,
    databases: &[&Path],
    spots: &[Spot],
) -> Verdict {
    match local_disk {
        LocalDisk::Lasts => return Verdict::SaidToLast { by: "local_disk is \"lasts\"".into() },
        LocalDisk::Vanishes => {
            let reason = "local_disk is \"vanishes\"".to_owned();
            return Verdict::Vanishes { platform: None, reason };
        }
        LocalDisk::Auto => {}
    }
    if environment.get("DATABASE_MODE").is_some_and(|mode| mode.eq_ignore_ascii_case("local")) {
        return Verdict::SaidToLast { by: "DATABASE_MODE is local".into() };
    }
    if let Some((platform, evidence)) = platform(environment, databases) {
        let on_volume = |spot: &Spot| spot.own_mount && spot.file_system == FileSystem::Disk;
        if platform.has_volumes() && spots.iter().any(on_volume) {
            return Verdict::Lasts;
        }
        let volume = if platform.has_volumes() { " outside mounted volumes" } else { "" };
        let reason = format!(
            "this is {platform} ({evidence}), whose local disk{volume} is gone after a restart"
        );
        return Verdict::Vanishes { platform: Some(platform), reason };
    }
    if spots.iter().any(|spot| spot.file_system == FileSystem::Disk) {
        return Verdict::Lasts;
    }
    match spots.first() {
        None => Verdict::Lasts,
        Some(spot) => {
            let what = match spot.file_system {
                FileSystem::Memory => "memory (tmpfs), which is empty after a restart",
                _ => "the writable layer of a container (overlay), which goes with the container",
            };
            let reason = format!("{} lies in {what}", spot.path.display());
            Verdict::Vanishes { platform: None, reason }
        }
    }
}

/// The variables that the platforms document, the most particular first.
const EVIDENCE: &[(&str, Platform)] = &[
    ("STREAMLIT_SHARING_MODE", Platform::StreamlitCloud),
    ("AWS_LAMBDA_FUNCTION_NAME", Platform::Lambda),
    ("VERCEL", Platform::Vercel),
    ("GAE_APPLICATION", Platform::AppEngine),
    ("GAE_SERVICE", Platform::AppEngine),
    ("K_SERVICE", Platform::CloudRun),
    ("CLOUD_RUN_JOB", Platform::CloudRun),
    ("DYNO", Platform::Heroku),
    ("RENDER", Platform::Render),
    ("FLY_APP_NAME", Platform::Fly),
];

/// Where Streamlit Community Cloud puts the repository of an application.
const STREAMLIT_SOURCE: &str = "/mount/src";

fn platform(environment: &Environment, databases: &[&Path]) -> Option<(Platform, String)> {
    let variable = EVIDENCE.iter().find(|(name, _)| environment.get(name).is_some());
    if let Some((name, platform)) = variable {
        return Some((*platform, format!("{name} is set")));
    }
    let directory = environment.directory();
    // Below it, not itself: the clone of a repository is a folder in it.
    let below = |path: &Path| {
        path.strip_prefix(STREAMLIT_SOURCE).is_ok_and(|rest| !rest.as_os_str().is_empty())
    };
    if below(directory) {
        let evidence = format!("the working directory is {}", directory.display());
        return Some((Platform::StreamlitCloud, evidence));
    }
    let database = databases.iter().map(|path| directory.join(path)).find(|path| below(path))?;
    Some((Platform::StreamlitCloud, format!("the database is {}", database.display())))
}
