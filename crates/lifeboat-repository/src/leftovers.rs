//! What writers that were killed left in a local directory: files that were being
//! written and that no listing shows. Stores elsewhere have none.

use std::time::Duration;

use crate::repository::{Database, Repository};

/// Nobody writes one object for so long. An upload that stood still for longer (a
/// machine that slept, a server that hung) fails when it gives its file a name, and
/// says so; and clocks of file servers that are a day wrong take nothing away.
const AGE: Duration = Duration::from_secs(3 * 24 * 3_600);

impl Repository {
    /// Removes what killed writers left beside the folders of databases.
    pub(crate) async fn sweep_leftovers(&self) {
        self.sweep(&["format", "keys", "probes"]).await;
    }

    async fn sweep(&self, folders: &[&str]) {
        let now = self.local().now().into();
        match self.remote().sweep_temporary(folders, now, AGE).await {
            Ok(0) => {}
            Ok(files) => tracing::info!(files, "removed what killed writers had left"),
            // It is in nobody's way, and no reason to fail.
            Err(error) => tracing::warn!(%error, "what killed writers left cannot be removed"),
        }
    }
}

impl Database {
    /// Removes what killed writers of this database left: at the end of what wrote
    /// something, so that nothing is looked through where nothing changes.
    pub(crate) async fn sweep_leftovers(&self) {
        self.repository().sweep(&[self.keys.root()]).await;
    }
}
