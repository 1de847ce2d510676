//! What is known of a database, for the agent to judge: what its destinations
//! say, what this machine sees, and what its last runs came to.

mod here;
mod runs;

use std::path::PathBuf;

use lifeboat_agent::{Facts, Schedule};
use lifeboat_config::Role;
use lifeboat_format::record::SnapshotBody;
use lifeboat_repository::{FailedDrill, Pulse, Snapshot};
use time::{Duration, OffsetDateTime};

use crate::destination::Destination;
use crate::error::{Error, ErrorKind};
use crate::keep::Inventory;

pub(crate) use here::look_here;
pub(crate) use runs::Runs;

/// A database that is watched over, and what is expected of its backups.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Expected {
    /// Its name in the repository.
    pub name: String,
    /// Its file, where it is one of this machine.
    pub path: Option<PathBuf>,
    /// The destinations it goes to, by name; all if there are none.
    pub places: Vec<String>,
    /// The longest time between two signs of life.
    pub interval: Option<Duration>,
    /// The bytes that its snapshots may take.
    pub max_bytes: Option<u64>,
}

impl Expected {
    /// A database of this name, of which nothing is expected yet.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    /// Backed up by this schedule. One that does not change says so at most once an
    /// hour.
    #[must_use]
    pub fn by(mut self, schedule: &Schedule) -> Self {
        let longest = schedule.longest_gap() + schedule.jitter();
        let hour = std::time::Duration::from_secs(3600);
        let seen = if longest < hour { hour + longest } else { longest };
        self.interval = Duration::try_from(seen).ok();
        self
    }
}

/// What a look at a database showed.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Look {
    /// What there is to judge.
    pub facts: Facts,
    /// What each destination has, by its name.
    pub inventories: Vec<(String, Inventory)>,
    /// What kind of trouble it is that nothing could be asked, if so.
    pub trouble: Option<ErrorKind>,
}

/// What one destination says of a database.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) role: Role,
    pub(crate) name: String,
    pub(crate) inventory: Inventory,
    pub(crate) pulse: Pulse,
    /// By how many seconds its clock is ahead.
    pub(crate) clock_ahead: Option<i64>,
}

impl Destination {
    /// What this destination says of a database: when its state was last one that
    /// can be restored, what was proven, and what is damaged. What others know, or
    /// only the machine of the database, is left open.
    pub async fn facts(&self, name: &str) -> Result<Facts, Error> {
        Ok(facts_of(&[self.seen(Role::Primary, self.shown(), name).await?]))
    }

    pub(crate) async fn seen(&self, role: Role, shown: &str, name: &str) -> Result<Seen, Error> {
        let inventory = self.inventory(name, None).await?;
        let pulse = self.database(name)?.pulse().await?;
        let clock_ahead = self.repository().remote().clock_ahead();
        Ok(Seen { role, name: shown.to_owned(), inventory, pulse, clock_ahead })
    }

    /// Says that a database was looked at, at a time that is not after the look
    /// began, and was as its snapshot has it. What was said long ago goes with the
    /// next [`prune`](lifeboat_repository::Database::sweep_heartbeats).
    pub async fn beat(
        &self,
        at: OffsetDateTime,
        report: &crate::BackupReport,
    ) -> Result<(), Error> {
        let database = self.database(&report.name)?;
        database.beat(at, report.number, &report.snapshot_id).await?;
        Ok(())
    }
}

/// What destinations say together: the newest of what is good, and whatever is
/// wrong on any of them.
pub(crate) fn facts_of(all: &[Seen]) -> Facts {
    let mut facts = Facts::default();
    let mut failed: Option<FailedDrill> = None;
    for seen in all {
        let listing = &seen.inventory.listing;
        if let Some(latest) = listing.snapshots.last() {
            let body = latest.body();
            // One that speaks of an older snapshot was overtaken.
            let watched = seen.pulse.watched.as_ref();
            let watched = watched.filter(|beat| beat.snapshot_id == *latest.id());
            let good = watched.map(|beat| beat.at).max(Some(body.taken_at));
            facts.last_good = facts.last_good.max(good);
        }
        let first = listing.snapshots.first().map(|first| first.body().taken_at);
        facts.first_snapshot = match (facts.first_snapshot, first) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        let proofs = listing.snapshots.iter().map(|one| seen.inventory.proofs.of(one.number()));
        for proof in proofs {
            facts.verified_at = facts.verified_at.max(proof.verified_at);
            facts.drilled_at = facts.drilled_at.max(proof.drilled_at);
            facts.damage = facts.damage.or(proof.damage);
            let later = |drill: &FailedDrill| failed.as_ref().is_none_or(|f| f.at < drill.at);
            failed = proof.failed_drill.filter(later).or(failed);
        }
        if let Some((number, error)) = listing.broken.first() {
            facts.damage = Some(format!("record {number}: {error}"));
        } else if let Some(number) = listing.burnt.first() {
            facts.damage = Some(format!("record {number}, the newest, is damaged"));
        }
        let far = |seconds: &i64| seconds.unsigned_abs();
        let ahead = seen.clock_ahead.map(Duration::seconds);
        let known = facts.clock_ahead.map(Duration::whole_seconds);
        if seen.clock_ahead.as_ref().map(far) > known.as_ref().map(far) {
            facts.clock_ahead = ahead;
        }
    }
    // A drill that passed later says that it is mended.
    failed = failed.filter(|failed| facts.drilled_at.is_none_or(|passed| passed < failed.at));
    facts.failed_drill = failed.map(|failed| failed.what);
    facts.fallback = fallback_of(all);
    if let Some(failure) =
        all.iter().filter_map(|seen| seen.pulse.failed.as_ref()).max_by_key(|f| f.at)
        && facts.last_good.is_none_or(|good| good < failure.at)
    {
        (facts.failures, facts.last_error) = (failure.failures, Some(failure.error.clone()));
    }
    let mut snapshots: Vec<&Snapshot> =
        all.iter().flat_map(|seen| &seen.inventory.listing.snapshots).collect();
    snapshots.sort_by_key(|one| (one.body().generation, one.body().taken_at));
    snapshots.dedup_by(|a, b| a.id() == b.id());
    if let [.., before, last] = snapshots[..] {
        facts.sizes = Some((size(last.body()), size(before.body())));
    }
    facts
}

/// The fallback that has what the primary lacks.
fn fallback_of(all: &[Seen]) -> Option<String> {
    let newest = |seen: &Seen| {
        let last = seen.inventory.listing.snapshots.last()?;
        Some((last.body().generation, last.body().taken_at))
    };
    let primary = all.iter().filter(|seen| seen.role == Role::Primary).map(newest).max()?;
    let fallbacks = all.iter().filter(|seen| seen.role == Role::Fallback);
    fallbacks.filter(|seen| newest(seen) > primary).map(|seen| seen.name.clone()).next()
}

/// What was sent for the snapshots of a destination.
pub(crate) fn taken_by(inventory: &Inventory) -> u64 {
    let bodies = inventory.listing.snapshots.iter().map(Snapshot::body);
    bodies.map(|body| body.statistics.bytes_sent).sum()
}

fn size(body: &SnapshotBody) -> u64 {
    u64::from(body.page_size) * u64::from(body.page_count)
}
