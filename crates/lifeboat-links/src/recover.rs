//! Missing objects brought back: from another place that has them, or from what the
//! bucket keeps of earlier versions.

use std::sync::Arc;

use futures::StreamExt;
use lifeboat_remote::Remote;
use lifeboat_remote::objects::{FallbackStore, ObjectError, Placement, RemoteProvider};

use crate::check::Checked;
use crate::error::{LinksError, chain};
use crate::finding::Kind;
use crate::group::Group;

/// So many objects are taken in hand before the next are.
const BATCH: usize = 256;

/// What bringing back missing objects did, or would do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecoverReport {
    /// Objects that are back, or could be, from the other place.
    pub from_other: u64,
    /// Objects that are back, or could be, as the version before they were deleted.
    pub from_versions: u64,
    /// Objects that are nowhere.
    pub nowhere: u64,
    /// Objects that could not be had, and why.
    pub failed: Vec<(String, String)>,
}

enum Had {
    Other,
    Version,
    Nowhere,
    Failed(String, String),
}

impl Group {
    /// Puts missing objects back under their keys, from `also` or from an earlier
    /// version. No database is touched. Without `apply` it only looks.
    ///
    /// What comes from the other place is read again and compared. Killed, each object
    /// is back whole, or not at all.
    pub async fn recover(
        &self,
        checked: &mut Checked,
        also: Option<&Remote>,
        apply: bool,
    ) -> Result<RecoverReport, LinksError> {
        let both = match also {
            Some(also) => {
                let named = |name: &str, store: &Remote| {
                    Arc::new(RemoteProvider::new(name, store.clone())) as Arc<_>
                };
                Some(FallbackStore::new(vec![named("here", &self.store), named("also", also)])?)
            }
            None => None,
        };
        let mut report = RecoverReport::default();
        let mut reader = checked.findings.reader()?;
        let mut last = String::new();
        loop {
            let mut keys = Vec::new();
            let mut ended = false;
            while keys.len() < BATCH {
                let Some(finding) = reader.next()? else {
                    ended = true;
                    break;
                };
                // Several rows may mention one object.
                if finding.kind == Kind::Broken && finding.key != last {
                    last.clone_from(&finding.key);
                    keys.push(finding.key);
                }
            }
            let had = keys.into_iter().map(|key| {
                let both = both.as_ref();
                async move {
                    match self.recover_one(&key, also, both, apply).await {
                        Ok(had) => had,
                        Err(error) => Had::Failed(key, chain(&error)),
                    }
                }
            });
            let mut had = futures::stream::iter(had).buffer_unordered(self.store.concurrency());
            while let Some(had) = had.next().await {
                match had {
                    Had::Other => report.from_other += 1,
                    Had::Version => report.from_versions += 1,
                    Had::Nowhere => report.nowhere += 1,
                    Had::Failed(key, why) => report.failed.push((key, why)),
                }
            }
            if ended {
                return Ok(report);
            }
        }
    }

    async fn recover_one(
        &self,
        key: &str,
        also: Option<&Remote>,
        both: Option<&FallbackStore>,
        apply: bool,
    ) -> Result<Had, ObjectError> {
        if let (Some(also), Some(both)) = (also, both)
            && also.stat(key).await?.is_some()
        {
            if apply {
                both.migrate(&Placement::at("also", key), "here").await?;
            }
            return Ok(Had::Other);
        }
        let Some(version) = self.store.last_version(key).await? else { return Ok(Had::Nowhere) };
        if apply && !self.store.restore_version(key, &version).await? {
            return Ok(Had::Nowhere);
        }
        Ok(Had::Version)
    }
}
