//! Forgetting by a policy: the snapshots of a repository and the rules of
//! retention put together.

mod configured;

use std::collections::BTreeSet;

use lifeboat_format::numbers::{NumberSet, RecordNo};
use lifeboat_format::record::Trigger;
use lifeboat_repository::{CollectOptions, Listing, Proofs};
use lifeboat_retention::{Candidate, Class, Outlook, Plan, Policy, TimeZone, plan};
use time::OffsetDateTime;

pub use configured::{Keeping, KeepingError};

use crate::destination::Destination;
use crate::error::Error;

/// The snapshots of a database, and what is known of each.
#[derive(Debug)]
#[non_exhaustive]
pub struct Inventory {
    /// The snapshots.
    pub listing: Listing,
    /// What was proven of them.
    pub proofs: Proofs,
}

impl Inventory {
    /// The snapshots as retention looks at them. What one costs is what was sent
    /// for it.
    pub fn candidates(&self) -> Vec<Candidate> {
        let candidate = |snapshot: &lifeboat_repository::Snapshot| {
            let body = snapshot.body();
            let mut candidate = Candidate::new(snapshot.number().0, body.taken_at);
            candidate.generation = body.generation;
            candidate.class = class_of(body.trigger);
            candidate.bytes = body.statistics.bytes_sent;
            candidate.tags.clone_from(&body.tags);
            candidate.pinned = snapshot.is_pinned();
            candidate.verified = self.proofs.of(snapshot.number()).verified_at.is_some();
            candidate
        };
        self.listing.snapshots.iter().map(candidate).collect()
    }

    /// What a policy would keep at a time, by the calendar of a zone.
    pub fn plan(
        &self,
        policy: &Policy,
        now: OffsetDateTime,
        zone: &TimeZone,
    ) -> Result<Plan, Error> {
        Ok(plan(&self.candidates(), policy, now, zone)?)
    }

    /// What remains if these snapshots are forgotten.
    pub fn outlook_without(&self, numbers: &[RecordNo], zone: &TimeZone) -> Outlook {
        let gone: BTreeSet<RecordNo> = numbers.iter().copied().collect();
        let times = |goes: bool| {
            let gone = &gone;
            let those = self.listing.snapshots.iter();
            those
                .filter(move |snapshot| gone.contains(&snapshot.number()) == goes)
                .map(|snapshot| snapshot.body().taken_at)
        };
        Outlook::new(times(false), times(true), zone)
    }
}

/// What retention counts apart: snapshots that a burst of operations can make many
/// of, or a restore that is tried again and again.
fn class_of(trigger: Trigger) -> Class {
    match trigger {
        Trigger::BeforeOperation | Trigger::Safety => Class::Before,
        _ => Class::Regular,
    }
}

impl Destination {
    /// The snapshots of a database, with what was proven of them.
    pub async fn inventory(&self, name: &str, expect: Option<u64>) -> Result<Inventory, Error> {
        let database = self.database(name)?;
        let listing = database.snapshots(expect.map(RecordNo)).await?;
        let numbers: NumberSet =
            listing.snapshots.iter().map(|snapshot| snapshot.number()).collect();
        let proofs = database.proofs(&numbers).await?;
        Ok(Inventory { listing, proofs })
    }

    /// What was proven of all that are kept: a listing and some small reads, however
    /// many snapshots there are.
    pub async fn proofs(&self, name: &str) -> Result<Proofs, Error> {
        Ok(self.database(name)?.proofs_of_all().await?)
    }

    /// Forgets all snapshots but so many of the newest, and collects; those that
    /// were taken before something are counted apart, and pinned ones stay. Returns how many were forgotten: none where a record cannot be read,
    /// because nobody knows whether it is needed.
    ///
    /// Cancelled or killed, all of them are forgotten or none.
    pub async fn keep_newest(
        &self,
        name: &str,
        count: u32,
        collect: CollectOptions,
    ) -> Result<usize, Error> {
        let keep = usize::try_from(count).unwrap_or(usize::MAX);
        let database = self.database(name)?;
        let listing = database.snapshots(None).await?;
        if !listing.broken.is_empty() || !listing.burnt.is_empty() {
            return Ok(0);
        }
        let mut old = Vec::new();
        for class in [Class::Regular, Class::Before] {
            let all = listing.snapshots.iter().rev();
            let of_it = all.filter(|one| class_of(one.body().trigger) == class).skip(keep);
            old.extend(of_it.filter(|one| !one.is_pinned()).map(|one| one.number()));
        }
        if !old.is_empty() {
            database.forget(&old).await?;
        }
        database.collect(collect).await?;
        Ok(old.len())
    }

    /// Forgets what a policy does not keep: it goes to the trash. Returns the
    /// plan that was applied.
    ///
    /// Cancelled or killed, all of it is forgotten or nothing.
    pub async fn forget_by(
        &self,
        name: &str,
        policy: &Policy,
        zone: &TimeZone,
    ) -> Result<Plan, Error> {
        let inventory = self.inventory(name, None).await?;
        self.forget_of(name, &inventory, policy, zone).await
    }

    /// As [`forget_by`](Self::forget_by), by an inventory that was read just now.
    pub async fn forget_of(
        &self,
        name: &str,
        inventory: &Inventory,
        policy: &Policy,
        zone: &TimeZone,
    ) -> Result<Plan, Error> {
        let database = self.database(name)?;
        let plan = inventory.plan(policy, self.repository().local().now(), zone)?;
        let numbers: Vec<RecordNo> = plan.forgotten().map(|one| RecordNo(one.number)).collect();
        if !numbers.is_empty() {
            database.forget(&numbers).await?;
        }
        Ok(plan)
    }
}
