//! The rules, looked at from outside: in the objects, by code of its own.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use lifeboat_format::id::SnapshotId;
use lifeboat_format::numbers::RecordNo;
use lifeboat_format::record::{Record, RecordKind};
use lifeboat_repository::{CheckOptions, Database, Depth, Share};
use lifeboat_testing::script::World;

use crate::model::reference::{closure, record};

/// What was seen of one place.
#[derive(Default)]
pub(super) struct Law {
    records: BTreeMap<u64, Record>,
    /// The version of every object that was ever there, and whether it is gone.
    objects: BTreeMap<String, (String, bool)>,
    condemned: BTreeSet<String>,
    needed: BTreeMap<u64, Vec<String>>,
}

impl Law {
    /// Looks at what is there, and panics where a rule does not hold.
    pub(super) async fn hold(&mut self, world: &World, database: &Database, place: &str) {
        let root = format!("{place}/databases/app/");
        let versions = world.versions().await;
        let there: BTreeMap<&str, &str> = versions
            .iter()
            .filter_map(|(key, version)| Some((key.strip_prefix(&root)?, version.as_str())))
            .collect();
        self.records_are_dense(&there, database, place).await;
        self.nothing_is_overwritten_nor_deleted_unless_condemned(&there, place);
        self.what_is_needed_is_there(&there, database, place).await;
    }

    /// R1: records are created once, one after the other, and stay.
    async fn records_are_dense(
        &mut self,
        there: &BTreeMap<&str, &str>,
        database: &Database,
        place: &str,
    ) {
        let numbers = there.keys().filter_map(|key| key.strip_prefix("records/"));
        let numbers: Vec<u64> = numbers.map(|text| text.parse().expect("a number")).collect();
        let dense = (1..=numbers.len() as u64).eq(numbers.iter().copied());
        assert!(dense, "R1: records of {place}: {numbers:?}");
        assert!(numbers.len() >= self.records.len(), "R1: a record of {place} is gone");
        for number in self.records.len() as u64 + 1..=numbers.len() as u64 {
            let remote = database.repository().remote();
            let record = record(remote, database, RecordNo(number)).await;
            self.is_of_the_owner(number, &record, place);
            self.condemned.extend(record.envelope.condemned.iter().cloned());
            self.records.insert(number, record);
        }
    }

    /// R6: only who owns a database writes snapshots; and it changes hands with a
    /// record that names the one before.
    fn is_of_the_owner(&self, number: u64, record: &Record, place: &str) {
        let Some(before) = self.records.get(&(number - 1)) else { return };
        let (owner, now) = (&before.envelope.state.owner, &record.envelope.state.owner);
        if record.envelope.kind == RecordKind::TakeOver {
            let named: Vec<u64> = record.envelope.subject.iter().map(|number| number.0).collect();
            assert_eq!(named, [number - 1], "R6: record {number} of {place}");
        } else if owner.is_some() {
            assert_eq!(owner, now, "R6: record {number} of {place}, {:?}", record.envelope.kind);
        }
    }

    /// R2, R3: keys are used once, and nothing goes that no record condemned.
    fn nothing_is_overwritten_nor_deleted_unless_condemned(
        &mut self,
        there: &BTreeMap<&str, &str>,
        place: &str,
    ) {
        for (key, version) in there {
            let seen = self.objects.entry((*key).to_owned());
            let (before, gone) = seen.or_insert_with(|| ((*version).to_owned(), false));
            assert!(!*gone, "R3: {key} of {place} is there again");
            assert!(before == version, "{key} of {place} was overwritten");
        }
        for (key, (_, gone)) in &mut self.objects {
            if *gone || there.contains_key(key.as_str()) {
                continue;
            }
            *gone = true;
            assert!(self.condemned.contains(key), "R2: {key} of {place} was not condemned");
        }
    }

    /// R3: a record refers to what is there, and what is alive or in the trash keeps
    /// it.
    async fn what_is_needed_is_there(
        &mut self,
        there: &BTreeMap<&str, &str>,
        database: &Database,
        place: &str,
    ) {
        let Some(newest) = self.records.values().next_back() else { return };
        let state = &newest.envelope.state;
        let holders: Vec<u64> = state.holders().iter().map(|number| number.0).collect();
        let remote = database.repository().remote();
        for &number in &holders {
            if let Entry::Vacant(unknown) = self.needed.entry(number) {
                unknown.insert(closure(remote, database, RecordNo(number)).await);
            }
        }
        self.needed.retain(|number, _| holders.contains(number));
        for (number, keys) in &self.needed {
            for key in keys {
                let key = key.strip_prefix("databases/app/").expect("is of this database");
                assert!(there.contains_key(key), "{place}: {key} is gone, and {number} needs it");
            }
        }
    }

    /// Whether an installation owns the database here.
    pub(super) fn owner_is(&self, id: &str) -> bool {
        let newest = self.records.values().next_back();
        let owner = newest.and_then(|record| record.envelope.state.owner.as_ref());
        owner.is_some_and(|owner| owner.to_string() == id)
    }

    /// Under which number a snapshot was recorded here.
    pub(super) fn number_of(&self, id: &SnapshotId) -> Option<RecordNo> {
        let is_it =
            |record: &Record| record.body.as_ref().is_some_and(|body| body.snapshot_id == *id);
        let found = self.records.iter().find(|(_, record)| is_it(record));
        found.map(|(number, _)| RecordNo(*number))
    }
}

/// A check of every byte.
pub(super) async fn finds_nothing(database: &Database) {
    let all = CheckOptions::of_depth(Depth::Data(Share::All));
    let report = database.check(&all).await.expect("checks");
    assert!(report.is_ok(), "{:?}", report.result.findings);
    assert!(report.orphans.is_empty(), "nobody collects {:?}", report.orphans);
}
