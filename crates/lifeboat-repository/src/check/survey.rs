//! What the log says there must be: every record, and every object that a
//! snapshot needs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::StreamExt;
use lifeboat_format::archive::ArchiveName;
use lifeboat_format::digest::Digest;
use lifeboat_format::id::SnapshotId;
use lifeboat_format::list::{ListRef, PackEntry};
use lifeboat_format::numbers::{NumberSet, RecordNo};
use lifeboat_format::record::{Content, Record, RecordKind, State};
use lifeboat_format::repair;

use super::{Called, Findings, relative, words};
use crate::error::ReadError;
use crate::log::Found;
use crate::repairs::Repairs;
use crate::repository::Database;

/// How many records are read at once.
const READERS: usize = 16;

/// What is said of a hole in the log.
pub(super) const GONE: &str = "record is missing";

/// What there must be.
#[derive(Debug, Default)]
pub(crate) struct Survey {
    /// The highest number that is taken.
    pub(crate) newest: Option<RecordNo>,
    /// The highest record that can be read.
    pub(crate) last_good: Option<RecordNo>,
    /// The state that the last readable record says.
    pub(crate) state: State,
    /// The records of snapshots, alive and in the trash, that can be read.
    pub(crate) records: BTreeMap<RecordNo, Arc<Record>>,
    /// Every object that they need, by its key relative to the database.
    pub(crate) data: BTreeMap<String, Datum>,
    /// Objects that must not be collected, and that nobody reads any more:
    /// damaged packs that were healed, and the repairs that say so.
    pub(crate) kept: BTreeSet<String>,
    /// Snapshots in whose packs some blocks could not be healed. Whether they
    /// need those is seen when their images are put together.
    pub(crate) partly_lost: NumberSet,
    pub(crate) repairs: Repairs,
    /// What some snapshot needs is not known: what looks like nobody's may be its.
    pub(crate) blind: bool,
    pub(crate) findings: Findings,
    /// Records that are damaged or gone and were not given up, and those that are
    /// gone in any case: a number must be taken.
    pub(crate) lost: BTreeMap<RecordNo, Lost>,
    /// The generation that each readable record had seen.
    pub(crate) generations: BTreeMap<RecordNo, u64>,
    /// Every snapshot that a readable record was of, and the numbers of those.
    pub(crate) ever: BTreeMap<SnapshotId, Vec<RecordNo>>,
}

/// What became of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lost {
    /// It is not there.
    Absent,
    /// Other bytes are there than were written.
    Damaged,
}

/// An object that snapshots need.
#[derive(Clone, Debug)]
pub(crate) struct Datum {
    pub(crate) data: Data,
    pub(crate) needed_by: NumberSet,
}

/// What it is, and what is known of it.
#[derive(Clone, Debug)]
pub(crate) enum Data {
    Pack(PackEntry),
    Archive {
        name: ArchiveName,
        size: u64,
        snapshot: RecordNo,
    },
    /// A part of a file, or what names such.
    Attachment {
        id: String,
        size: u64,
        digest: Digest,
        is_list: bool,
    },
    List(ListRef),
}

impl Data {
    /// Its size in bytes, where somebody said it.
    pub(crate) fn size(&self) -> Option<u64> {
        match self {
            Self::Pack(entry) => Some(u64::from(entry.size)),
            Self::Archive { size, .. } | Self::Attachment { size, .. } => Some(*size),
            Self::List(_) => None,
        }
    }
}

impl Survey {
    /// The snapshots, alive and in the trash.
    pub(crate) fn snapshots(&self) -> NumberSet {
        let mut all = self.state.alive.clone();
        for trashed in &self.state.trash {
            all.insert(trashed.number);
        }
        all
    }

    pub(crate) fn called(&self) -> Called {
        let id = |record: &Arc<Record>| record.body.as_ref().map(|body| body.snapshot_id.clone());
        let named = |(number, record): (&RecordNo, _)| Some((*number, id(record)?));
        let trash = self.state.trash.iter().map(|trashed| trashed.number).collect();
        Called { ids: self.records.iter().filter_map(named).collect(), trash }
    }

    pub(crate) fn need(&mut self, data: Data, number: RecordNo) {
        let datum = self
            .data
            .entry(relative(&data))
            .or_insert_with(|| Datum { data, needed_by: NumberSet::default() });
        datum.needed_by.insert(number);
    }
}

impl Database {
    /// Reads the whole log, and every list that a snapshot needs.
    pub(crate) async fn survey(&self, expect: Option<RecordNo>) -> Result<Survey, ReadError> {
        let mut survey = Survey::default();
        match self.head(expect).await {
            Ok(head) => (survey.newest, survey.state) = (head.newest, head.state()),
            // Somebody set the store back, or put something else in a record's
            // place: what is there now is looked at all the same.
            Err(error) if error.is_damage() => {
                let object = match &error {
                    ReadError::Unusable { key, .. }
                    | ReadError::Missing { key, .. }
                    | ReadError::Gap { key, .. } => self.relative_to_root(key),
                    _ => "records".to_owned(),
                };
                survey.newest = self.newest_now().await?;
                survey.state = self.last_readable_state(survey.newest).await?;
                survey.findings.add(object, words(&error), &NumberSet::default());
            }
            Err(error) => return Err(error),
        }
        // A log with a hole ends there for whoever looks for its end: a listing
        // that shows more knows better.
        let listed = self.highest_listed().await?;
        if listed > survey.newest {
            survey.newest = listed;
            survey.state = self.last_readable_state(listed).await?;
        }
        self.survey_log(&mut survey).await?;
        // What was seen here and is gone without a trace.
        let seen = self.memory().read()?.highest.map_or(0, |(number, _)| number.0);
        let first = survey.newest.map_or(0, |number| number.0) + 1;
        survey.lost.extend((first..=seen).map(|number| (RecordNo(number), Lost::Absent)));
        survey.repairs = self.repairs().await?;
        self.survey_snapshots(&mut survey).await?;
        self.survey_attached(&mut survey).await?;
        self.survey_repairs(&mut survey);
        self.survey_results(&mut survey).await?;
        Ok(survey)
    }

    pub(crate) fn relative_to_root(&self, key: &str) -> String {
        key.strip_prefix(&format!("{}/", self.keys.root())).unwrap_or(key).to_owned()
    }

    async fn highest_listed(&self) -> Result<Option<RecordNo>, ReadError> {
        let listed = self.remote().list(&self.keys.records()).await?;
        Ok(listed.iter().filter_map(|object| self.keys.record_number(&object.key)).max())
    }

    /// The state that the last record that can be read says.
    async fn last_readable_state(&self, newest: Option<RecordNo>) -> Result<State, ReadError> {
        for number in (1..=newest.map_or(0, |number| number.0)).rev().map(RecordNo) {
            match self.find_record(number).await {
                Ok(Found::Good(record)) => return Ok(record.envelope.state.clone()),
                Ok(Found::Damaged(_) | Found::Absent) | Err(ReadError::Unusable { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(State::default())
    }

    /// Reads every record: each proves itself and names the one before.
    async fn survey_log(&self, survey: &mut Survey) -> Result<(), ReadError> {
        let newest = survey.newest.map_or(0, |number| number.0);
        let mut damaged: Vec<(RecordNo, String)> = Vec::new();
        let mut given_up = NumberSet::default();
        let holders = survey.state.holders();
        let mut before: Option<Digest> = None;
        let mut records = std::pin::pin!(
            futures::stream::iter((1..=newest).map(RecordNo))
                .map(|number| async move { (number, self.find_record(number).await) })
                .buffered(READERS)
        );
        while let Some((number, found)) = records.next().await {
            let trouble = match found {
                Ok(Found::Good(record)) => {
                    survey.last_good = Some(number);
                    let follows = record.envelope.previous == before || before.is_none();
                    before = Some(record.digest());
                    if record.envelope.kind == RecordKind::Mend {
                        record.envelope.subject.iter().for_each(|number| {
                            given_up.insert(number);
                        });
                    }
                    survey.generations.insert(number, record.envelope.state.generation);
                    if let Some(body) = &record.body {
                        survey.ever.entry(body.snapshot_id.clone()).or_default().push(number);
                    }
                    let is_one = record.body.is_some() || record.envelope.packs.is_some();
                    if is_one && holders.contains(number) {
                        survey.records.insert(number, record);
                    }
                    if follows {
                        continue;
                    }
                    "does not follow the record before it".to_owned()
                }
                Ok(Found::Absent) => {
                    before = None;
                    survey.lost.insert(number, Lost::Absent);
                    GONE.to_owned()
                }
                Ok(Found::Damaged(error)) => {
                    before = None;
                    survey.lost.insert(number, Lost::Damaged);
                    error.to_string()
                }
                Err(error @ ReadError::Unusable { .. }) => {
                    before = None;
                    words(&error)
                }
                Err(error) => return Err(error),
            };
            damaged.push((number, trouble));
        }
        let is_given = |number: RecordNo, lost: Option<&Lost>| {
            given_up.contains(number) && lost == Some(&Lost::Damaged)
        };
        damaged.retain(|(number, _)| !is_given(*number, survey.lost.get(number)));
        survey.lost.retain(|number, lost| !is_given(*number, Some(lost)));
        let all = survey.snapshots();
        for (number, what) in damaged {
            let hit = all.iter().filter(|n| *n == number).collect();
            survey.findings.add(self.record_key(number), what, &hit);
        }
        for number in all.iter() {
            let key = self.record_key(number);
            survey.blind |= !survey.records.contains_key(&number);
            if !survey.records.contains_key(&number) && !survey.findings.names(&key) {
                let only = std::iter::once(number).collect();
                survey.findings.add(key, "is no record of a snapshot", &only);
            }
        }
        Ok(())
    }

    /// Finds out what every snapshot needs. Each list is read once.
    async fn survey_snapshots(&self, survey: &mut Survey) -> Result<(), ReadError> {
        let mut by_list: BTreeMap<Option<String>, Vec<Arc<Record>>> = BTreeMap::new();
        for record in survey.records.values() {
            let list = record.envelope.packs.as_ref().and_then(|packs| packs.list);
            let key = list.map(|list| format!("{} {}", list.id, list.digest));
            by_list.entry(key).or_default().push(Arc::clone(record));
        }
        for records in by_list.into_values() {
            let list = records[0].envelope.packs.as_ref().and_then(|packs| packs.list);
            let numbers: NumberSet = records.iter().map(|record| record.number()).collect();
            let mut base = Vec::new();
            if let Some(list) = list {
                let data = Data::List(list);
                let key = relative(&data);
                numbers.iter().for_each(|number| survey.need(data.clone(), number));
                match self.list_object(&list).await {
                    Ok(rows) => base = rows,
                    Err(error @ (ReadError::Unusable { .. } | ReadError::Missing { .. })) => {
                        survey.findings.add(key, words(&error), &numbers);
                        survey.blind = true;
                        continue;
                    }
                    Err(error) => return Err(error),
                }
            }
            for record in records {
                self.survey_snapshot(survey, &record, base.clone());
            }
        }
        Ok(())
    }

    fn survey_snapshot(&self, survey: &mut Survey, record: &Record, base: Vec<PackEntry>) {
        let number = record.number();
        let only: NumberSet = std::iter::once(number).collect();
        let reference = record.envelope.packs.clone().unwrap_or_default();
        match self.resolved(record, &reference, base) {
            Ok(packs) => {
                let healed = survey.repairs.apply(packs.clone(), number);
                for (named, entry) in packs.iter().zip(&healed.packs) {
                    survey.need(Data::Pack(*entry), number);
                    if named != entry {
                        survey.kept.insert(lifeboat_format::key::pack(named));
                    }
                }
                if !healed.lost.is_empty() {
                    survey.partly_lost.insert(number);
                }
            }
            Err(error) => {
                survey.blind = true;
                survey.findings.add(self.record_key(number), words(&error), &only);
            }
        }
        let Some(body) = &record.body else { return };
        if let Content::File { archive, size, .. } = &body.content {
            let (name, size) = (archive.clone(), *size);
            survey.need(Data::Archive { name, size, snapshot: number }, number);
        }
        for attachment in &body.attachments {
            let (id, size) = (attachment.id.clone(), attachment.size);
            let digest = attachment.digest;
            survey.need(Data::Attachment { id, size, digest, is_list: false }, number);
        }
    }

    /// Names repairs that cannot be read, and keeps the others from looking like
    /// orphans.
    fn survey_repairs(&self, survey: &mut Survey) {
        for (pack, k, _) in survey.repairs.iter() {
            survey.kept.extend((1..=k).map(|k| repair::key(pack, k)));
        }
        let unreadable: Vec<(String, String)> = survey
            .repairs
            .unreadable
            .iter()
            .map(|(pack, k, error)| (repair::key(*pack, *k), words(error)))
            .collect();
        for (key, what) in unreadable {
            // The pack is read in its place, and named if that fails.
            survey.findings.add(key, what, &NumberSet::default());
        }
    }

    /// Names results of earlier checks that cannot be read: they prove nothing.
    async fn survey_results(&self, survey: &mut Survey) -> Result<(), ReadError> {
        for (key, error) in self.proofs(&survey.snapshots()).await?.unreadable {
            let object = self.relative_to_root(&key);
            survey.findings.add(object, words(&error), &NumberSet::default());
        }
        Ok(())
    }
}
