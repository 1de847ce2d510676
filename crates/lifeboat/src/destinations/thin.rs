//! What a destination keeps by rules of its own, after something was stored there.

use lifeboat_repository::CollectOptions;

use super::{Destinations, Placed, SyncReport};
use crate::destination::Destination;
use crate::error::Error;
use crate::setup::Kept;

/// What went to the trash at a destination because of its own rules.
#[derive(Debug)]
#[non_exhaustive]
pub struct Thinned {
    /// The destination.
    pub place: String,
    /// How many of the newest it keeps, where that is its rule.
    pub newest: Option<u32>,
    /// How many went, or why none could. What was stored is stored all the same.
    pub done: Result<usize, Error>,
}

impl Destinations {
    /// Has the destinations that a backup and its copies went to keep what their own
    /// rules say. `collect` is for those that only keep so many.
    ///
    /// Cancelled or killed, at each of them all is forgotten or nothing.
    pub async fn thin_after(
        &self,
        placed: &Placed,
        name: &str,
        collect: CollectOptions,
    ) -> Vec<Thinned> {
        let first = self.thin(placed.position, &placed.destination, name, collect).await;
        let mut thinned: Vec<Thinned> = first.into_iter().collect();
        for position in placed.copied.filled.iter().filter(|at| **at != placed.position) {
            if let Some(filled) = self.opened(*position) {
                thinned.extend(self.thin(*position, &filled, name, collect).await);
            }
        }
        thinned
    }

    /// The same for those that a sync brought something of a database.
    pub async fn thin_filled(
        &self,
        report: &SyncReport,
        name: &str,
        collect: CollectOptions,
    ) -> Vec<Thinned> {
        let mut thinned = Vec::new();
        for position in &report.filled {
            let Some(filled) = self.opened(*position) else { continue };
            let mut copied = report.copied.iter().filter(|one| one.to == filled.shown());
            if copied.any(|one| one.database == name) {
                thinned.extend(self.thin(*position, &filled, name, collect).await);
            }
        }
        thinned
    }

    async fn thin(
        &self,
        position: usize,
        destination: &Destination,
        name: &str,
        collect: CollectOptions,
    ) -> Option<Thinned> {
        let settings = self.settings().nth(position)?;
        let newest = settings.max_snapshots;
        let done = match (newest, &settings.keep) {
            (Some(count), _) => destination.keep_newest(name, count, collect).await,
            (None, Some(kept)) => by_policy(kept, destination, name).await,
            (None, None) => return None,
        };
        Some(Thinned { place: destination.shown().to_owned(), newest, done })
    }
}

async fn by_policy(kept: &Kept, destination: &Destination, name: &str) -> Result<usize, Error> {
    let Some(policy) = &kept.policy else { return Ok(0) };
    let listing = destination.inventory(name, None).await?.listing;
    // Of what cannot be read nobody knows whether it is needed.
    if !listing.broken.is_empty() || !listing.burnt.is_empty() {
        return Ok(0);
    }
    let plan = destination.forget_by(name, policy, &kept.zone).await?;
    destination.database(name)?.collect(kept.collect).await?;
    Ok(plan.forgotten().count())
}
