//! What is known of a database, for the agent to judge.

use lifeboat_agent::Facts;
use time::OffsetDateTime;

use crate::destination::Destination;
use crate::error::Error;

impl Destination {
    /// What the repository says of a database: when its state was last one that
    /// can be restored, what was proven, and what is damaged. What only the
    /// machine of the database knows is left open.
    pub async fn facts(&self, name: &str) -> Result<Facts, Error> {
        let inventory = self.inventory(name, None).await?;
        let heartbeat = self.database(name)?.last_heartbeat().await?;
        let listing = &inventory.listing;
        let mut facts = Facts::default();
        let Some(latest) = listing.snapshots.last() else { return Ok(facts) };
        let body = latest.body();
        // One that speaks of an older snapshot was overtaken.
        let watched = heartbeat.filter(|beat| beat.snapshot_id == *latest.id());
        facts.last_good = watched.map(|beat| beat.at).max(Some(body.taken_at));
        facts.first_snapshot = listing.snapshots.first().map(|first| first.body().taken_at);
        let proofs = listing.snapshots.iter().map(|one| inventory.proofs.of(one.number()));
        for proof in proofs {
            facts.verified_at = facts.verified_at.max(proof.verified_at);
            facts.drilled_at = facts.drilled_at.max(proof.drilled_at);
            facts.damage = proof.damage.or(facts.damage);
        }
        if let Some((number, error)) = listing.broken.first() {
            facts.damage = Some(format!("record {number}: {error}"));
        }
        let before = listing.snapshots.iter().rev().nth(1);
        facts.sizes = before.map(|before| (size(body), size(before.body())));
        Ok(facts)
    }

    /// Says that a database was looked at, at a time that is not after the look
    /// began, and was as its snapshot has it; and deletes what was said long ago.
    pub async fn beat(
        &self,
        at: OffsetDateTime,
        report: &crate::BackupReport,
    ) -> Result<(), Error> {
        let database = self.database(&report.name)?;
        database.beat(at, report.number, &report.snapshot_id).await?;
        database.sweep_heartbeats().await?;
        Ok(())
    }
}

fn size(body: &lifeboat_format::record::SnapshotBody) -> u64 {
    u64::from(body.page_size) * u64::from(body.page_count)
}
