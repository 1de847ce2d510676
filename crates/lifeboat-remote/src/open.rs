//! From what a person types to a store.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use url::Url;

use crate::error::OpenError;
use crate::remote::Remote;

/// What a text names.
enum Place {
    Directory(PathBuf),
    Memory,
}

impl Remote {
    /// Opens the store that a path or URL names. A local directory must exist.
    pub fn open(text: &str) -> Result<Self, OpenError> {
        match parse(text)? {
            Place::Directory(path) => open_directory(&path, text),
            Place::Memory => Ok(Self::memory()),
        }
    }

    /// As [`open`](Self::open), but a local directory that does not exist is
    /// made, with its parents.
    pub fn open_or_create(text: &str) -> Result<Self, OpenError> {
        if let Place::Directory(path) = parse(text)? {
            std::fs::create_dir_all(&path)
                .map_err(|source| OpenError::Directory { path: path.clone(), source })?;
        }
        Self::open(text)
    }

    /// A store in memory, which is gone when it is dropped. Each is another one,
    /// also to whoever remembers what they saw where.
    pub fn memory() -> Self {
        let number = RandomState::new().build_hasher().finish();
        Self::from_store(Arc::new(InMemory::new()), "memory://")
            .with_identity(format!("memory://{number:016x}"))
    }
}

/// Whether a text names a plain local directory, which a first backup may make
/// and a new owner may adopt.
pub fn is_local_path(text: &str) -> bool {
    matches!(parse(text), Ok(Place::Directory(_)))
}

fn parse(text: &str) -> Result<Place, OpenError> {
    let Some((scheme, _)) = text.split_once("://") else {
        return Ok(Place::Directory(PathBuf::from(text)));
    };
    let url =
        Url::parse(text).map_err(|source| OpenError::NotAUrl { url: text.to_owned(), source })?;
    match scheme {
        "file" => match url.to_file_path() {
            Ok(path) => Ok(Place::Directory(path)),
            Err(()) => Err(OpenError::NoDirectory { path: PathBuf::from(url.path()) }),
        },
        "memory" => Ok(Place::Memory),
        _ => Err(OpenError::UnknownScheme { scheme: scheme.to_owned() }),
    }
}

fn open_directory(path: &Path, text: &str) -> Result<Remote, OpenError> {
    let canonical = match path.canonicalize() {
        Ok(canonical) if canonical.is_dir() => canonical,
        Ok(_) => {
            let source = std::io::Error::from(std::io::ErrorKind::NotADirectory);
            return Err(OpenError::Directory { path: path.to_owned(), source });
        }
        Err(source) if source.kind() == std::io::ErrorKind::NotFound => {
            return Err(OpenError::NoDirectory { path: path.to_owned() });
        }
        Err(source) => {
            return Err(OpenError::Directory { path: path.to_owned(), source });
        }
    };
    // Without this a success would be reported before the bytes are on disk.
    let store =
        LocalFileSystem::new_with_prefix(&canonical).map_err(OpenError::Store)?.with_fsync(true);
    let identity = format!("file://{}", canonical.display());
    Ok(Remote::from_store(Arc::new(store), text).with_identity(identity))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_a_local_path() {
        for local in ["./backups", "/var/backups", "backups", "file:///tmp/x", "a:b"] {
            assert!(is_local_path(local), "{local}");
        }
        for other in ["memory://", "s3://bucket", "file://host/x"] {
            assert!(!is_local_path(other), "{other}");
        }
    }

    #[test]
    fn unknown_schemes_are_errors() {
        let error = Remote::open("gopher://x/y").expect_err("unknown");
        assert!(matches!(error, OpenError::UnknownScheme { scheme } if scheme == "gopher"));
    }
}
