//! What snapshots cost, and what forgetting them would free.

use lifeboat_format::id::SnapshotId;
use lifeboat_format::numbers::{NumberSet, RecordNo};
use time::OffsetDateTime;

use crate::error::ReadError;
use crate::repository::Database;

/// What one living snapshot costs. Sizes are those of packs, archives and
/// attachments; records and lists are small.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SnapshotStats {
    /// Its record.
    pub number: RecordNo,
    /// Its id.
    pub id: SnapshotId,
    /// When it was taken.
    pub taken_at: OffsetDateTime,
    /// The size of its image.
    pub size: u64,
    /// What no living snapshot before it needs.
    pub added: u64,
    /// What no other snapshot needs: freed, if this one alone is forgotten and
    /// collected.
    pub exclusive: u64,
}

/// What the snapshots of a database cost.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// The living snapshots, the oldest generation first.
    pub snapshots: Vec<SnapshotStats>,
    /// What the living ones need together.
    pub alive_bytes: u64,
    /// How many objects that are.
    pub alive_objects: u64,
    /// What only snapshots in the trash need: freed when they are dropped.
    pub trash_bytes: u64,
    /// How many are in the trash.
    pub trash: u64,
    /// What no snapshot needs: freed by the next collection, if it is old
    /// enough.
    pub orphan_bytes: u64,
    /// How many objects that are.
    pub orphans: u64,
    /// Living snapshots of which something is missing or cannot be read.
    pub broken: NumberSet,
}

impl Database {
    /// Reads the log and the lists, and adds up.
    pub async fn stats(&self) -> Result<Stats, ReadError> {
        let mut survey = self.survey(None).await?;
        let orphans = self.check_presence(&mut survey).await?;
        let alive = &survey.state.alive;
        let mut stats = Stats {
            trash: survey.state.trash.len() as u64,
            orphans: orphans.len() as u64,
            orphan_bytes: orphans.iter().map(|(_, size)| size).sum(),
            broken: alive.iter().filter(|number| survey.findings.hit(*number)).collect(),
            ..Stats::default()
        };
        for number in alive.iter() {
            let Some(record) = survey.records.get(&number) else { continue };
            let Some(body) = &record.body else { continue };
            stats.snapshots.push(SnapshotStats {
                number,
                id: body.snapshot_id.clone(),
                taken_at: body.taken_at,
                size: u64::from(body.page_size) * u64::from(body.page_count),
                added: 0,
                exclusive: 0,
            });
        }
        let generation = |number: RecordNo| {
            let body = survey.records.get(&number).and_then(|record| record.body.as_ref());
            (body.map_or(0, |body| body.generation), number)
        };
        stats.snapshots.sort_by_key(|one| generation(one.number));
        let at: std::collections::HashMap<RecordNo, usize> =
            stats.snapshots.iter().enumerate().map(|(at, one)| (one.number, at)).collect();
        for datum in survey.data.values() {
            let Some(size) = datum.data.size() else { continue };
            let needed = datum.needed_by.iter().filter_map(|number| at.get(&number));
            let Some(first) = needed.min().copied() else {
                stats.trash_bytes += size;
                continue;
            };
            stats.alive_bytes += size;
            stats.alive_objects += 1;
            stats.snapshots[first].added += size;
            if datum.needed_by.len() == 1 {
                stats.snapshots[first].exclusive += size;
            }
        }
        Ok(stats)
    }
}
