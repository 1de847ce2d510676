//! The databases that the settings name, found.

use std::path::{Path, PathBuf};

use crate::configuration::Configuration;
use crate::problem::{Problem, What};

/// A database that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FoundDatabase {
    /// Its name, where one is given; else the stem of its file name counts.
    pub name: Option<String>,
    /// Its path.
    pub path: PathBuf,
    /// Which of the settings' databases it is, counted from 0.
    pub index: usize,
}

/// Whether a path may find several files.
pub(crate) fn is_pattern(path: &str) -> bool {
    path.contains(['*', '?', '['])
}

impl Configuration {
    /// The databases of the settings. A pattern finds the files that are there
    /// now, but none of those that SQLite or a restore keeps beside a database;
    /// relative paths begin in `directory`.
    pub fn databases(&self, directory: &Path) -> Result<Vec<FoundDatabase>, Problem> {
        let mut found = Vec::new();
        for (index, database) in self.settings().databases.iter().enumerate() {
            if !is_pattern(&database.path) {
                let path = PathBuf::from(&database.path);
                let name = database.name.as_deref().map(|name| fill(name, &path));
                found.push(FoundDatabase { name, path, index });
                continue;
            }
            let refuse = |why: String| Problem {
                place: self.place(&format!("database.{index}.path")).clone(),
                what: What::Contradiction(why),
            };
            let pattern = directory.join(&database.path);
            let paths = glob::glob(&pattern.to_string_lossy())
                .map_err(|error| refuse(format!("this is no pattern: {error}")))?;
            for path in paths {
                let path = path.map_err(|error| refuse(error.to_string()))?;
                if !path.is_file() || is_beside(&path) {
                    continue;
                }
                let name = database.name.as_deref().map(|name| fill(name, &path));
                found.push(FoundDatabase { name, path, index });
            }
        }
        Ok(found)
    }
}

/// The files that SQLite keeps beside a database, and what restores leave there: a
/// database that was set aside, or one that is being written.
fn is_beside(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let staged = name.starts_with('.') && name.ends_with(".partial");
    ["-wal", "-shm", "-journal"].iter().any(|end| name.ends_with(end))
        || name.contains(".before-restore-")
        || (staged && name.contains(".lifeboat-"))
}

/// Fills a template in.
fn fill(template: &str, path: &Path) -> String {
    let text = |part: Option<&std::ffi::OsStr>| {
        part.map(|part| part.to_string_lossy().into_owned()).unwrap_or_default()
    };
    template
        .replace("{parent}", &text(path.parent().and_then(Path::file_name)))
        .replace("{stem}", &text(path.file_stem()))
        .replace("{file}", &text(path.file_name()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates() {
        let check = |template: &str, path: &str, expected: &str| {
            assert_eq!(fill(template, Path::new(path)), expected);
        };
        check("{parent}", "/srv/one/app.db", "one");
        check("{parent}-{stem}", "/srv/one/app.db", "one-app");
        check("{file}", "app.db", "app.db");
        check("{parent}", "app.db", "");
        check("plain", "app.db", "plain");
    }
}
