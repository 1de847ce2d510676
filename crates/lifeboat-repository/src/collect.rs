//! Collection: dropping snapshots from the trash, and deleting what no snapshot
//! needs (rule R2).
//!
//! Nothing is deleted before a record with its own number says what is
//! condemned: a writer that was about to reference a condemned pack loses the
//! race for that number, and reads the record.

mod needed;

use std::collections::HashSet;
use std::time::Duration;

use futures::{StreamExt, TryStreamExt};
use lifeboat_format::numbers::{NumberSet, RecordNo};
use lifeboat_format::record::{RecordKind, State};
use lifeboat_remote::Fencing;
use time::OffsetDateTime;

use crate::backup::MAX_TRIES;
use crate::error::{ReadError, WriteError};
use crate::log::{Committed, Draft, Head};
use crate::proofs::Proofs;
use crate::repository::Database;
pub(crate) use needed::Object;
use needed::{Listed, Needed};

/// How many objects one record condemns: it has to stay readable. What is over
/// is left to the next collection.
const MAX_CONDEMNED: usize = 50_000;
/// How many records are read at once.
const READERS: usize = 16;

/// What a collection spares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CollectOptions {
    /// How long a snapshot stays in the trash. 7 days.
    pub trash: Duration,
    /// How long objects that no record names are left alone. 24 hours; a
    /// politeness to uploads under way, not what keeps them safe.
    pub grace: Duration,
    /// So many of the newest snapshots are never dropped, whatever any record
    /// says. 3.
    pub floor_snapshots: usize,
    /// Snapshots that were taken later than this are never dropped, however long
    /// a record says that they lie in the trash. 7 days.
    pub floor_age: Duration,
}

impl Default for CollectOptions {
    fn default() -> Self {
        let day = Duration::from_secs(24 * 3600);
        Self { trash: day * 7, grace: day, floor_snapshots: 3, floor_age: day * 7 }
    }
}

impl CollectOptions {
    /// These options with other times in the trash and of grace.
    #[must_use]
    pub fn with_times(mut self, trash: Duration, grace: Duration) -> Self {
        (self.trash, self.grace) = (trash, grace);
        self
    }

    /// These options with another floor.
    #[must_use]
    pub fn with_floor(mut self, snapshots: usize, age: Duration) -> Self {
        (self.floor_snapshots, self.floor_age) = (snapshots, age);
        self
    }
}

/// What a collection did, or would do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CollectReport {
    /// Snapshots dropped from the trash, by their numbers.
    pub dropped: Vec<RecordNo>,
    /// Objects deleted, by their keys relative to the folder of the database.
    pub deleted: Vec<String>,
    /// The size of those objects in bytes.
    pub bytes_freed: u64,
    /// How many snapshots stay in the trash.
    pub left_in_trash: u64,
    /// The newest record is damaged: nobody knows what it says, and nothing is
    /// deleted before the next backup.
    pub stopped_by_damage: bool,
}

/// A snapshot that lies in the trash.
struct InTrash {
    number: RecordNo,
    since: OffsetDateTime,
    /// None where its record is damaged.
    taken_at: Option<OffsetDateTime>,
}

impl Database {
    /// Drops what has been in the trash long enough, and deletes what no record
    /// needs.
    ///
    /// Killed or cancelled after its record, it leaves condemned objects
    /// behind; the next collection condemns and deletes them again.
    pub async fn collect(&self, options: CollectOptions) -> Result<CollectReport, WriteError> {
        self.sweep_leftovers().await;
        // Listed before the newest record is looked for: a pack that appears
        // later is in no plan.
        let listed = self.listed_objects().await?;
        let mut head = self.head(None).await?;
        self.sweep_rounds(&head).await?;
        for _ in 0..MAX_TRIES {
            let plan = self.plan_collection(&head, &listed, options).await?;
            if plan.deleted.is_empty() && plan.dropped.is_empty() {
                return Ok(plan);
            }
            let mut state = head.state();
            state.trash.retain(|trashed| !plan.dropped.contains(&trashed.number));
            for number in &plan.dropped {
                state.pins.remove(*number);
            }
            let mut draft = Draft::new(RecordKind::Collect, state);
            draft.subject = plan.dropped.iter().copied().collect::<NumberSet>();
            draft.condemned.clone_from(&plan.deleted);
            match self.commit(&mut head, draft).await? {
                Committed::Lost => {
                    self.advance(&mut head).await?;
                }
                Committed::Done(_) => {
                    let keys: Vec<String> =
                        plan.deleted.iter().map(|key| self.keys.at(key)).collect();
                    self.remote().delete(&keys).await?;
                    return Ok(plan);
                }
            }
        }
        Err(WriteError::Contention { tries: MAX_TRIES })
    }

    /// Removes how records that are there were agreed on. Nothing needs it any more:
    /// a writer that was asleep meanwhile and agrees with nobody but itself finds
    /// the record in its place.
    async fn sweep_rounds(&self, head: &Head) -> Result<(), WriteError> {
        if self.repository.fencing() != Fencing::Rounds {
            return Ok(());
        }
        let mut done = Vec::new();
        for folder in [self.keys.rounds(), self.keys.bodies()] {
            let listed = self.remote().list(&folder).await?;
            let number = |key: &str| self.keys.decided_number(key);
            done.extend(
                listed
                    .into_iter()
                    .map(|object| object.key)
                    .filter(|key| number(key).is_some_and(|number| Some(number) <= head.newest)),
            );
        }
        Ok(self.remote().delete(&done).await?)
    }

    /// What [`collect`](Self::collect) would do now. Changes nothing.
    pub async fn would_collect(&self, options: CollectOptions) -> Result<CollectReport, ReadError> {
        let listed = self.listed_objects().await?;
        let head = self.head(None).await?;
        self.plan_collection(&head, &listed, options).await
    }

    async fn plan_collection(
        &self,
        head: &Head,
        listed: &[Listed],
        options: CollectOptions,
    ) -> Result<CollectReport, ReadError> {
        let now = self.local().now();
        let state = head.state();
        if state.alive.is_empty() || !head.burnt.is_empty() {
            let stopped_by_damage = !head.burnt.is_empty();
            return Ok(CollectReport { stopped_by_damage, ..CollectReport::default() });
        }
        let trash = self.trash(&state).await?;
        let due = trash.iter().any(|one| now - one.since >= options.trash);
        let protected = if due { self.latest_verified(&state).await? } else { None };
        let dropped = droppable(&trash, &state, protected, options, now);
        let mut stays = state.holders();
        for number in &dropped {
            stays.remove(*number);
        }
        let needed = Needed::of(self, head, &stays).await?;
        let condemned: Vec<&Listed> = needed
            .not_among(listed)
            .into_iter()
            .filter(|object| is_older(object.modified, now, options.grace))
            .take(MAX_CONDEMNED)
            .collect();
        Ok(CollectReport {
            left_in_trash: (trash.len() - dropped.len()) as u64,
            deleted: condemned.iter().map(|object| object.object.key()).collect(),
            bytes_freed: condemned.iter().map(|object| object.size).sum(),
            dropped,
            stopped_by_damage: false,
        })
    }

    /// The objects that a listing shows. What it does not show is simply not
    /// deleted this time; what bears no name of ours is left alone.
    pub(crate) async fn listed_objects(&self) -> Result<Vec<Listed>, ReadError> {
        let root = format!("{}/", self.keys.root());
        let mut listed = Vec::new();
        let folders = [
            self.keys.packs(),
            self.keys.lists(),
            self.keys.archives(),
            self.keys.repairs(),
            self.keys.attachments(),
        ];
        for folder in folders {
            for object in self.remote().list(&folder).await? {
                let key = object.key.strip_prefix(&root);
                listed.extend(key.and_then(|key| Listed::parse(key, &object)));
            }
        }
        Ok(listed)
    }

    async fn trash(&self, state: &State) -> Result<Vec<InTrash>, ReadError> {
        futures::stream::iter(state.trash.iter().copied())
            .map(|trashed| async move {
                let taken_at = match self.record(trashed.number).await {
                    Ok(record) => record.body.as_ref().map(|body| body.taken_at),
                    // It restores no more: there is no age to protect.
                    Err(error) if error.is_damage() => None,
                    Err(error) => return Err(error),
                };
                Ok(InTrash { number: trashed.number, since: trashed.since, taken_at })
            })
            .buffered(READERS)
            .try_collect()
            .await
    }

    /// The latest snapshot, alive or in the trash, whose data was verified.
    pub(crate) async fn latest_verified(
        &self,
        state: &State,
    ) -> Result<Option<RecordNo>, ReadError> {
        let mut all = state.alive.clone();
        for trashed in &state.trash {
            all.insert(trashed.number);
        }
        let proofs = self.proofs(&all).await?;
        self.latest_of(&all, &proofs).await
    }

    async fn latest_of(
        &self,
        all: &NumberSet,
        proofs: &Proofs,
    ) -> Result<Option<RecordNo>, ReadError> {
        let verified: Vec<RecordNo> = all.iter().filter(|n| proofs.is_verified(*n)).collect();
        let mut generations = std::pin::pin!(
            futures::stream::iter(verified)
                .map(|number| async move { (number, self.record(number).await) })
                .buffered(READERS)
        );
        let mut latest: Option<(u64, RecordNo)> = None;
        while let Some((number, record)) = generations.next().await {
            match record {
                Ok(record) => {
                    let generation = record.body.as_ref().map_or(0, |body| body.generation);
                    latest = latest.max(Some((generation, number)));
                }
                Err(error) if error.is_damage() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(latest.map(|(_, number)| number))
    }
}

/// Which snapshots in the trash may go; pure.
fn droppable(
    trash: &[InTrash],
    state: &State,
    protected: Option<RecordNo>,
    options: CollectOptions,
    now: OffsetDateTime,
) -> Vec<RecordNo> {
    let mut newest: Vec<RecordNo> =
        state.alive.iter().chain(trash.iter().map(|one| one.number)).collect();
    newest.sort();
    let spared: HashSet<RecordNo> =
        newest.into_iter().rev().take(options.floor_snapshots).collect();
    trash
        .iter()
        .filter(|one| now - one.since >= options.trash)
        .filter(|one| one.taken_at.is_none_or(|taken| now - taken >= options.floor_age))
        .map(|one| one.number)
        .filter(|number| !state.pins.contains(*number) && !spared.contains(number))
        .filter(|number| protected != Some(*number))
        .collect()
}

fn is_older(modified: i64, now: OffsetDateTime, age: Duration) -> bool {
    let age = i64::try_from(age.as_secs()).unwrap_or(i64::MAX);
    now.unix_timestamp().saturating_sub(modified) >= age
}
