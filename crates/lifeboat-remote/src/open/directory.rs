//! A local directory as a store.

use std::path::Path;
use std::sync::Arc;

use object_store::local::LocalFileSystem;

use crate::error::OpenError;
use crate::options::RemoteOptions;
use crate::place::directory;
use crate::remote::Remote;

pub(super) fn open(path: &Path, text: &str, options: &RemoteOptions) -> Result<Remote, OpenError> {
    let canonical = directory(path)?;
    // Without this a success would be reported before the bytes are on disk.
    let store =
        LocalFileSystem::new_with_prefix(&canonical).map_err(OpenError::store)?.with_fsync(true);
    let identity = format!("file://{}", canonical.display());
    Ok(Remote::from_store(Arc::new(store), text)
        .with_identity(identity)
        .in_directory(&canonical)
        .trusted()
        .with_limits(options))
}
