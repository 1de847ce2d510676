//! The files that belong to the repository: tracked, or new and not ignored.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::process;

/// Paths below the root, with slashes, and the text of those that are text.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    files: BTreeMap<String, Option<String>>,
}

impl Tree {
    /// Reads all files, leaving out those that are deleted but still tracked.
    pub(crate) fn read(root: &Path) -> Result<Self> {
        let paths = match listed_by_git(root) {
            Ok(paths) => paths,
            // A release archive is no checkout, and a bare machine has no git.
            Err(_) => walked(root)?,
        };
        let mut files = BTreeMap::new();
        for path in paths {
            let full = root.join(&path);
            if full.is_file() {
                let bytes = fs::read(&full).with_context(|| format!("{path} is unreadable"))?;
                files.insert(path, String::from_utf8(bytes).ok());
            }
        }
        Ok(Self { files })
    }

    /// How many files there are.
    pub(crate) fn len(&self) -> usize {
        self.files.len()
    }

    /// The files that are text, by path.
    pub(crate) fn texts(&self) -> impl Iterator<Item = (&str, &str)> {
        let files = self.files.iter();
        files.filter_map(|(path, text)| Some((path.as_str(), text.as_deref()?)))
    }

    /// The text of one file.
    pub(crate) fn text(&self, path: &str) -> Option<&str> {
        self.files.get(path)?.as_deref()
    }

    /// Whether a file of that path, or a folder with a file in it, is there.
    pub(crate) fn holds(&self, path: &str) -> bool {
        let folder = format!("{path}/");
        path.is_empty()
            || self.files.contains_key(path)
            || self
                .files
                .range(folder.clone()..)
                .next()
                .is_some_and(|(p, _)| p.starts_with(&folder))
    }

    /// A tree that exists only in a test.
    #[cfg(test)]
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        let files = files.iter().map(|(path, text)| ((*path).into(), Some((*text).into())));
        Self { files: files.collect() }
    }
}

fn listed_by_git(root: &Path) -> Result<Vec<String>> {
    let mut git = Command::new("git");
    // Continuous integration often runs as root over somebody else's checkout,
    // which git refuses to read unless told that this is meant.
    git.args(["-c", "safe.directory=*", "ls-files", "-z"]);
    git.args(["--cached", "--others", "--exclude-standard"]);
    let listing = process::output(git.current_dir(root))?;
    Ok(listing.split('\0').filter(|path| !path.is_empty()).map(str::to_owned).collect())
}

fn walked(root: &Path) -> Result<Vec<String>> {
    let mut paths = Vec::new();
    let mut waiting = vec![String::new()];
    while let Some(folder) = waiting.pop() {
        for entry in fs::read_dir(root.join(&folder))? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            // The same names as in .gitignore.
            if folder.is_empty() && [".git", "target", "dist", "backups"].contains(&name.as_str()) {
                continue;
            }
            let path = if folder.is_empty() { name } else { format!("{folder}/{name}") };
            if entry.file_type()?.is_dir() {
                waiting.push(path);
            } else {
                paths.push(path);
            }
        }
    }
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_and_their_folders_are_held_and_nothing_else() {
        let tree = Tree::of(&[("docs/format.md", ""), ("docs-old.md", "")]);
        assert!(tree.holds("docs/format.md"));
        assert!(tree.holds("docs"));
        assert!(!tree.holds("doc"));
        assert!(!tree.holds("docs-old"));
    }

    #[test]
    fn without_git_the_folder_is_walked() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        fs::create_dir_all(folder.path().join("a/b")).expect("folders");
        fs::create_dir_all(folder.path().join("target")).expect("a folder");
        fs::write(folder.path().join("a/b/c.md"), "text").expect("a file");
        fs::write(folder.path().join("target/x"), "text").expect("a file");
        let tree = Tree::read(folder.path()).expect("it is readable");
        assert_eq!(tree.texts().collect::<Vec<_>>(), [("a/b/c.md", "text")]);
    }
}
