//! Copying the files of a snapshot to another destination: the parts as they are,
//! under suffixes of this one, and lists of its own that name them.

use futures::StreamExt;
use futures::future::BoxFuture;
use lifeboat_format::attached::AttachedFile;

use super::{Attach, Attached, Attacher, Uploader, attachments_of};
use crate::error::WriteError;
use crate::log::Head;
use crate::repository::Database;
use crate::snapshots::Snapshot;

/// So many files are copied at once: each has a part in memory.
const TOGETHER: usize = 4;
/// So many are looked at before those that are not here are copied.
const BATCH: usize = 64;

struct FromSource<'a> {
    source: &'a Database,
    snapshot: &'a Snapshot,
}

impl Database {
    /// Copies the files of a snapshot of `source` to this destination.
    pub(crate) async fn copy_attached(
        &self,
        source: &Database,
        snapshot: &Snapshot,
        head: &Head,
    ) -> Result<Attached, WriteError> {
        if attachments_of(snapshot.record()).is_none() {
            return Ok(Attached::default());
        }
        self.attach(head, Some(&FromSource { source, snapshot })).await
    }
}

impl Attach for FromSource<'_> {
    fn attach<'a>(&'a self, attacher: &'a mut Attacher) -> BoxFuture<'a, Result<(), WriteError>> {
        Box::pin(self.copy(attacher))
    }
}

impl FromSource<'_> {
    async fn copy(&self, attacher: &mut Attacher) -> Result<(), WriteError> {
        let Some(attachments) = attachments_of(self.snapshot.record()) else { return Ok(()) };
        (0..attachments.pending).for_each(|_| attacher.leave());
        let mut files = self.source.attached_files(&attachments.index).await?;
        let uploader = attacher.uploader();
        loop {
            let mut batch = Vec::new();
            while batch.len() < BATCH
                && let Some(file) = files.advance().await?
            {
                let here = attacher.before(&file.store, &file.key).await?;
                let here = here.filter(|here| is_same(here, &file));
                batch.push((file, here));
            }
            if batch.is_empty() {
                return Ok(());
            }
            let copies = batch.into_iter().map(|(file, here)| {
                let uploader = uploader.clone();
                async move {
                    match here {
                        Some(here) => Ok(here),
                        None => self.copy_file(file, &uploader).await,
                    }
                }
            });
            let mut copied = futures::stream::iter(copies).buffered(TOGETHER);
            while let Some(file) = copied.next().await {
                attacher.push(file?).await?;
            }
        }
    }

    async fn copy_file(
        &self,
        mut file: AttachedFile,
        uploader: &Uploader,
    ) -> Result<AttachedFile, WriteError> {
        for part in &mut file.parts {
            let bytes = self.source.attached_stored(part).await?;
            *part = uploader.stored(part.id, bytes).await?.0;
        }
        Ok(file)
    }
}

/// Whether both are the same bytes in the same parts, wherever these lie.
fn is_same(here: &AttachedFile, there: &AttachedFile) -> bool {
    let ids = |file: &AttachedFile| {
        file.parts.iter().map(|part| (part.id, part.digest)).collect::<Vec<_>>()
    };
    let about = |file: &AttachedFile| {
        (file.size, file.digest, file.modified, file.etag.clone(), file.content_type.clone())
    };
    about(here) == about(there) && ids(here) == ids(there)
}
