//! Collection: dropping snapshots from the trash, and deleting what no snapshot
//! needs (rule R2).
//!
//! Nothing is deleted before a record with its own number says what is
//! condemned: a writer that was about to reference a condemned pack loses the
//! race for that number, and reads the record.

use std::collections::HashSet;
use std::time::Duration;

use lifeboat_format::key;
use lifeboat_format::numbers::{NumberSet, RecordNo};
use lifeboat_format::record::{RecordKind, State};
use time::OffsetDateTime;

use crate::backup::MAX_TRIES;
use crate::error::WriteError;
use crate::log::{Committed, Draft, Head};
use crate::repository::Database;

/// How many objects one record condemns: it has to stay readable. What is over
/// is left to the next collection.
const MAX_CONDEMNED: usize = 50_000;

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
    /// Snapshots younger than this are never dropped. 0.
    pub floor_age: Duration,
}

impl Default for CollectOptions {
    fn default() -> Self {
        let day = Duration::from_secs(24 * 3600);
        Self { trash: day * 7, grace: day, floor_snapshots: 3, floor_age: Duration::ZERO }
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

/// What a collection did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CollectReport {
    /// Snapshots dropped from the trash, by their numbers.
    pub dropped: Vec<RecordNo>,
    /// Objects deleted, by their keys relative to the folder of the database.
    pub deleted: Vec<String>,
    /// The size of those objects in bytes.
    pub bytes_freed: u64,
}

/// An object that could be deleted.
#[derive(Clone, Debug)]
struct Candidate {
    key: String,
    size: u64,
    modified: i64,
}

impl Database {
    /// Drops what has been in the trash long enough, and deletes what no record
    /// needs.
    ///
    /// Killed or cancelled after its record, it leaves condemned objects
    /// behind; the next collection condemns and deletes them again.
    pub async fn collect(&self, options: CollectOptions) -> Result<CollectReport, WriteError> {
        let now = self.local().now();
        // Listed before the newest record is looked for: a pack that appears
        // later is in no plan.
        let listed = self.candidates().await?;
        let mut head = self.head(None).await?;
        for _ in 0..MAX_TRIES {
            if head.state().alive.is_empty() || !head.burnt.is_empty() {
                return Ok(CollectReport::default());
            }
            let dropped = droppable(&self.ages(&head).await?, &head.state(), options, now);
            let needed = self.needed(&head, &dropped).await?;
            let condemned: Vec<&Candidate> = listed
                .iter()
                .filter(|object| !needed.contains(&object.key))
                .filter(|object| is_older(object.modified, now, options.grace))
                .take(MAX_CONDEMNED)
                .collect();
            if condemned.is_empty() && dropped.is_empty() {
                return Ok(CollectReport::default());
            }
            let mut state = head.state();
            state.trash.retain(|trashed| !dropped.contains(&trashed.number));
            for number in &dropped {
                state.pins.remove(*number);
            }
            let mut draft = Draft::new(RecordKind::Collect, state);
            draft.subject = dropped.iter().copied().collect::<NumberSet>();
            draft.condemned = condemned.iter().map(|object| object.key.clone()).collect();
            let deleted = draft.condemned.clone();
            match self.commit(&mut head, draft).await? {
                Committed::Lost => {
                    self.advance(&mut head).await?;
                }
                Committed::Done(_) => {
                    let keys: Vec<String> = deleted.iter().map(|key| self.keys.at(key)).collect();
                    self.remote().delete(&keys).await?;
                    let bytes_freed = condemned.iter().map(|object| object.size).sum();
                    return Ok(CollectReport { dropped, deleted, bytes_freed });
                }
            }
        }
        Err(WriteError::Contention { tries: MAX_TRIES })
    }

    /// The packs, lists and archives that a listing shows. What it does not show is
    /// simply not deleted this time.
    async fn candidates(&self) -> Result<Vec<Candidate>, WriteError> {
        let root = format!("{}/", self.keys.root());
        let mut candidates = Vec::new();
        for folder in [self.keys.packs(), self.keys.lists(), self.keys.archives()] {
            for object in self.remote().list(&folder).await? {
                if let Some(key) = object.key.strip_prefix(&root) {
                    let (size, modified) = (object.size, object.modified);
                    candidates.push(Candidate { key: key.to_owned(), size, modified });
                }
            }
        }
        Ok(candidates)
    }

    /// When each snapshot in the trash was taken, and each living one's number.
    async fn ages(&self, head: &Head) -> Result<Vec<(RecordNo, OffsetDateTime)>, WriteError> {
        let mut ages = Vec::new();
        for trashed in &head.state().trash {
            let record = self.record(trashed.number).await?;
            if let Some(body) = &record.body {
                ages.push((trashed.number, body.taken_at));
            }
        }
        Ok(ages)
    }

    /// The objects that records need which stay: every one of them is read, and
    /// if one cannot be, nothing is deleted.
    async fn needed(
        &self,
        head: &Head,
        dropped: &[RecordNo],
    ) -> Result<HashSet<String>, WriteError> {
        let mut needed = HashSet::new();
        for number in head.state().holders().iter().filter(|number| !dropped.contains(number)) {
            let record = self.record(number).await?;
            let list = self.pack_list(&record).await?;
            needed.extend(list.packs.iter().map(key::pack));
            needed.extend(list.reference.list.map(|list| key::list(list.id)));
            needed.extend(record.body.as_ref().and_then(Self::archive_of).map(key::archive));
        }
        Ok(needed)
    }
}

/// Which snapshots in the trash may go; pure.
fn droppable(
    ages: &[(RecordNo, OffsetDateTime)],
    state: &State,
    options: CollectOptions,
    now: OffsetDateTime,
) -> Vec<RecordNo> {
    let mut newest: Vec<RecordNo> =
        state.alive.iter().chain(state.trash.iter().map(|trashed| trashed.number)).collect();
    newest.sort();
    let spared: HashSet<RecordNo> =
        newest.into_iter().rev().take(options.floor_snapshots).collect();
    state
        .trash
        .iter()
        .filter(|trashed| now - trashed.since >= options.trash)
        .map(|trashed| trashed.number)
        .filter(|number| !state.pins.contains(*number) && !spared.contains(number))
        .filter(|number| {
            let taken = ages.iter().find(|(n, _)| n == number).map(|(_, taken_at)| *taken_at);
            taken.is_some_and(|taken| now - taken >= options.floor_age)
        })
        .collect()
}

fn is_older(modified: i64, now: OffsetDateTime, age: Duration) -> bool {
    let age = i64::try_from(age.as_secs()).unwrap_or(i64::MAX);
    now.unix_timestamp().saturating_sub(modified) >= age
}
