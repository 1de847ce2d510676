//! What checks have found wrong, as far as nobody has read it whole since: a
//! backup must not build on that.
//!
//! Results never change once they are there, so that each is read once: what
//! came of them is kept in the cache, by their names. This installation's own are
//! known as soon as they are made; for those of others a listing is made, once an
//! hour at most. One that a stale listing hides is found by the next.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use futures::StreamExt;
use lifeboat_format::check::{CheckKind, CheckName, CheckResult, position};
use lifeboat_format::numbers::{NumberSet, RecordNo};
use lifeboat_remote::Failure;
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

use crate::error::ReadError;
use crate::proofs::{MAX_RESULTS, READERS};
use crate::repository::Database;

/// The file in the cache.
const FILE: &str = "doubts.json";
/// What others found is looked for no more often than this.
const AGAIN: Duration = Duration::hours(1);
/// The part of a result's name that says when: number of the record, and second.
const WHEN_LEN: usize = 20 + 1 + 16;

/// Everything that is doubtful.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Doubts {
    /// When results were listed last.
    #[serde(with = "time::serde::rfc3339::option")]
    listed_at: Option<OffsetDateTime>,
    /// The results that were taken into account.
    read: BTreeSet<CheckName>,
    /// Something was mended once: repairs are worth a listing.
    pub(crate) mended: bool,
    /// By the keys of objects, relative to the database.
    objects: BTreeMap<String, Doubt>,
}

/// Something that was found wrong.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Doubt {
    at: CheckName,
    /// The snapshots that were looked at, and those that it hits.
    seen: NumberSet,
    hit: NumberSet,
    /// In the words of the finding.
    what: String,
}

impl Doubts {
    /// Whether nothing is.
    pub(crate) fn is_empty(&self) -> bool {
        self.objects.is_empty()
    }

    /// Whether an object is doubtful for a snapshot that names it. One that was
    /// taken later than somebody looked may have been built on it.
    pub(crate) fn cast(&self, object: &str, snapshot: RecordNo) -> bool {
        let doubt = self.objects.get(object);
        doubt.is_some_and(|doubt| doubt.hit.contains(snapshot) || !doubt.seen.contains(snapshot))
    }

    /// What was found wrong with a snapshot itself, by the key of its record.
    pub(crate) fn of_snapshot(&self, object: &str, snapshot: RecordNo) -> Option<&str> {
        let doubt = self.objects.get(object).filter(|doubt| doubt.hit.contains(snapshot))?;
        Some(&doubt.what)
    }

    /// Takes a result into account. Only one that was made later can clear what
    /// another found; of two within a second nobody knows which came first.
    fn hear(&mut self, name: &CheckName, result: &CheckResult) {
        self.mended |= result.kind == CheckKind::Repair;
        self.objects.retain(|object, doubt| {
            let at = position(object);
            let was_read = result.read.iter().any(|range| range.contains(at));
            !(was_read && when(&doubt.at) < when(name))
        });
        for finding in &result.findings {
            let (seen, hit) = (result.snapshots.clone(), finding.snapshots.clone());
            let newer = self.objects.get(&finding.object).is_none_or(|one| one.at <= *name);
            if newer {
                let what = finding.what.clone();
                let doubt = Doubt { at: name.clone(), seen, hit, what };
                self.objects.insert(finding.object.clone(), doubt);
            }
        }
    }

    fn kept(cache: &Path) -> Self {
        let bytes = std::fs::read(cache.join(FILE)).unwrap_or_default();
        // What cannot be read is read once more from where it came.
        serde_json::from_slice(&bytes).unwrap_or_default()
    }

    /// Keeps it for the next time; where that fails, all is read once more.
    fn keep(&self, cache: &Path) {
        let write = || -> std::io::Result<()> {
            let bytes = serde_json::to_vec(self)?;
            let mut file = tempfile::NamedTempFile::new_in(cache)?;
            std::io::Write::write_all(&mut file, &bytes)?;
            file.persist(cache.join(FILE))?;
            Ok(())
        };
        if let Err(error) = write() {
            tracing::warn!(%error, "what checks found could not be kept in the cache");
        }
    }

    fn is_new(&self, now: OffsetDateTime) -> bool {
        self.listed_at.is_some_and(|then| then <= now && now - then < AGAIN)
    }
}

fn when(name: &CheckName) -> &str {
    name.as_str().get(..WHEN_LEN).unwrap_or_default()
}

impl Database {
    /// What results say. Where whoever backs up may not list them, only what this
    /// installation found is known.
    pub(crate) async fn doubts(&self) -> Result<Doubts, ReadError> {
        let cache = self.cache_folder()?;
        let mut doubts = Doubts::kept(&cache);
        let now = self.local().now();
        if doubts.is_new(now) {
            return Ok(doubts);
        }
        let names = match self.check_names().await {
            Ok(names) => names,
            Err(ReadError::Remote(error)) if error.what == Failure::Denied => {
                tracing::info!(%error, "what checks found cannot be listed");
                return Ok(doubts);
            }
            Err(error) => return Err(error),
        };
        let first = names.len().saturating_sub(MAX_RESULTS);
        let new: Vec<CheckName> =
            names[first..].iter().filter(|name| !doubts.read.contains(*name)).cloned().collect();
        let mut results = std::pin::pin!(
            futures::stream::iter(new)
                .map(|name| async move {
                    let result = self.check_result(&name).await;
                    (name, result)
                })
                .buffered(READERS)
        );
        while let Some((name, result)) = results.next().await {
            match result {
                Ok(Some(result)) => doubts.hear(&name, &result),
                // Gone, or not readable: it proves nothing, and names nothing.
                Ok(None) | Err(ReadError::Unusable { .. }) => {}
                Err(error) => return Err(error),
            }
            doubts.read.insert(name);
        }
        doubts.read.retain(|name| names.binary_search(name).is_ok());
        doubts.listed_at = Some(now);
        doubts.keep(&cache);
        Ok(doubts)
    }

    /// Remembers that there is nothing yet that anybody could have looked at.
    pub(crate) fn no_doubts_yet(&self, cache: &Path) {
        let mut doubts = Doubts::kept(cache);
        doubts.listed_at = Some(self.local().now());
        doubts.keep(cache);
    }

    /// Takes a result of this installation into account, stored or not.
    pub(crate) fn heed(&self, name: &CheckName, result: &CheckResult) {
        let Ok(cache) = self.cache_folder() else { return };
        let mut doubts = Doubts::kept(&cache);
        doubts.hear(name, result);
        doubts.read.insert(name.clone());
        doubts.keep(&cache);
    }
}
