//! Objects to files, and files to objects.

use std::io;
use std::path::Path;

use futures::TryStreamExt;
use tokio::io::AsyncWriteExt;

use super::content::Content;
use super::error::ObjectError;
use super::fallback::FallbackStore;
use super::placement::Placement;
use super::provider::Object;
use crate::random;

impl Object {
    /// Writes it to a file that does not exist yet; only its owner may read it.
    /// The file appears under its name when all of it is on disk. Killed, a
    /// hidden file beside it is left.
    pub async fn save(self, path: &Path) -> Result<u64, ObjectError> {
        let io = |source| ObjectError::Target { path: path.to_owned(), source };
        if tokio::fs::symlink_metadata(path).await.is_ok() {
            return Err(io(io::ErrorKind::AlreadyExists.into()));
        }
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
        let name = name.ok_or_else(|| io(io::Error::other("it names no file")))?;
        let draft = path.with_file_name(format!(".{name}.{}.partial", random::text()?));
        let (key, expected) = (self.key().to_owned(), self.info.size);
        let done = write(self, &draft, path).await;
        let linked = match done {
            Ok(size) if size == expected => {
                // Fails where there is a file meanwhile: nothing is overwritten.
                tokio::fs::hard_link(&draft, path).await.map(|()| size).map_err(io)
            }
            Ok(_) => Err(ObjectError::Length { key, expected }),
            Err(error) => Err(error),
        };
        let _ = tokio::fs::remove_file(&draft).await;
        linked
    }
}

async fn write(object: Object, draft: &Path, path: &Path) -> Result<u64, ObjectError> {
    let io = |source| ObjectError::Target { path: path.to_owned(), source };
    let mut options = tokio::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    options.mode(0o600);
    let mut file = options.open(draft).await.map_err(io)?;
    let (mut chunks, mut size) = (object.into_chunks(), 0);
    while let Some(chunk) = chunks.try_next().await? {
        file.write_all(&chunk).await.map_err(io)?;
        size += chunk.len() as u64;
    }
    file.sync_all().await.map_err(io)?;
    Ok(size)
}

impl FallbackStore {
    /// Stores a file under an id of the caller's.
    pub async fn store_file(
        &self,
        path: impl AsRef<Path>,
        id: &str,
    ) -> Result<Placement, ObjectError> {
        self.put(id, &Content::file(path).await?).await
    }
}
