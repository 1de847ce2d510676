//! Which file is read, and which part of it is ours.

use std::path::{Path, PathBuf};

use crate::document;
use crate::environment::Environment;
use crate::node::{Node, Raw};
use crate::problem::{Place, Problem, What};
use crate::substitute;

/// What a file of our own is called.
pub(crate) const NAME: &str = "lifeboat.toml";

/// The first that is there: in the working directory, in the user's and in the
/// system's directories for configuration.
pub(crate) fn find(environment: &Environment) -> Option<PathBuf> {
    let in_directory = Path::new(NAME).to_owned();
    let user = match (environment.get("XDG_CONFIG_HOME"), environment.get("HOME")) {
        (Some(config), _) => Some(PathBuf::from(config)),
        (None, Some(home)) => Some(Path::new(home).join(".config")),
        (None, None) => None,
    };
    let system = environment.get("XDG_CONFIG_DIRS").unwrap_or("/etc/xdg");
    let system = system.split(':').filter(|part| !part.is_empty()).map(PathBuf::from);
    let shared = user.into_iter().chain(system).chain([PathBuf::from("/etc")]);
    let shared = shared.map(|directory| directory.join("lifeboat").join(NAME));
    // A file that is there and cannot be read is an error, not an absence.
    let is_there = |path: &PathBuf| {
        !matches!(
            std::fs::symlink_metadata(environment.directory().join(path)),
            Err(error) if matches!(
                error.kind(),
                std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory
            )
        )
    };
    std::iter::once(in_directory).chain(shared).find(is_there)
}

/// The parts of a file that are ours.
#[derive(Debug, Default)]
pub(crate) struct Ours {
    /// Settings by our own names.
    pub(crate) native: Option<Node>,
    /// `[storage.backup]`.
    pub(crate) storage_backup: Option<Node>,
    /// `[cloudflare]`, beside it.
    pub(crate) cloudflare: Option<Node>,
}

impl Ours {
    /// Reads a file. Whatever is not ours in it is left alone.
    pub(crate) fn read(
        path: &Path,
        section: Option<&str>,
        environment: &Environment,
        problems: &mut Vec<Problem>,
    ) -> Result<Self, Problem> {
        let text =
            std::fs::read_to_string(environment.directory().join(path)).map_err(|error| {
                let what = What::Unreadable { why: error.to_string() };
                Problem { place: Place::file(path), what }
            })?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
        let root = document::parse(path, text)?;
        let mut ours = Self::of(root, path, section)?;
        for (node, key) in [
            (&mut ours.native, ""),
            (&mut ours.storage_backup, "storage.backup"),
            (&mut ours.cloudflare, "cloudflare"),
        ] {
            if let Some(node) = node {
                substitute::everywhere(node, key, environment, problems);
            }
        }
        Ok(ours)
    }

    fn of(mut root: Node, path: &Path, section: Option<&str>) -> Result<Self, Problem> {
        let is_our_file = path.file_name().is_some_and(|name| name == NAME);
        let storage_backup = root.at("storage.backup").cloned();
        let cloudflare = root.get("cloudflare").cloned();
        match section {
            Some("storage.backup") if storage_backup.is_some() => {
                Ok(Self { native: None, storage_backup, cloudflare })
            }
            Some(section) => match root.at(section) {
                Some(node) if matches!(node.value, Raw::Table(_)) => {
                    Ok(Self { native: Some(node.clone()), ..Self::default() })
                }
                _ => Err(Problem {
                    place: Place::file(path),
                    what: What::NoSection { section: section.to_owned() },
                }),
            },
            None if storage_backup.is_none() => Ok(Self { native: Some(root), ..Self::default() }),
            // A program's own file: what else stands there is its own.
            None if !is_our_file => Ok(Self { native: None, storage_backup, cloudflare }),
            None => {
                if let Raw::Table(entries) = &mut root.value {
                    entries.retain(|(name, _)| name != "cloudflare");
                    for (_, node) in entries.iter_mut().filter(|(name, _)| name == "storage") {
                        if let Raw::Table(below) = &mut node.value {
                            below.retain(|(name, _)| name != "backup");
                        }
                    }
                    entries.retain(|(name, node)| {
                        name != "storage"
                            || !matches!(&node.value, Raw::Table(below) if below.is_empty())
                    });
                }
                Ok(Self { native: Some(root), storage_backup, cloudflare })
            }
        }
    }
}
