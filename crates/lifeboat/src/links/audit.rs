//! After a restore: which of the objects that the database mentions are there.

use std::path::Path;
use std::time::Duration;

use lifeboat_config::Settings;
use lifeboat_links::{LinksError, Sampled};

use super::{LinkedDatabase, off_thread, scratch, settings};
use crate::directories::Directories;
use crate::error::Error;

/// What was asked of one store.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Audited {
    /// The store.
    pub shown: String,
    /// What it said.
    pub sampled: Sampled,
    /// Whether another place is named that may have what is missing.
    pub has_other: bool,
}

/// Asks the stores of all rules about a database for at most so many of the objects
/// that its file at `path` mentions, each store for as long as `patience` lasts.
/// Nothing is listed, and nothing changed.
pub async fn audit(
    settings: &Settings,
    name: &str,
    path: &Path,
    directories: &Directories,
    limit: usize,
    patience: Option<Duration>,
) -> Result<Vec<Audited>, Error> {
    let mut rules = settings.links.clone();
    rules.retain(|links| links.database == name);
    if rules.is_empty() {
        return Ok(Vec::new());
    }
    let scratch = scratch(&directories.cache)?;
    let database = LinkedDatabase::new(name, path);
    let links = super::blocking(move || settings::open(&rules, &[database], &scratch)).await?;
    let mut all = Vec::new();
    for store in links.stores {
        let group = store.group;
        let sampled = off_thread(async move { group.sample(limit).await });
        let sampled: Result<_, LinksError> = match patience {
            None => sampled.await,
            Some(patience) => tokio::time::timeout(patience, sampled)
                .await
                .map_err(|_| Error::Silent { place: store.shown.clone() })?,
        };
        let sampled = sampled?;
        all.push(Audited { shown: store.shown, sampled, has_other: store.also.is_some() });
    }
    Ok(all)
}
