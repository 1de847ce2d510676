//! Records and lists that are damaged or gone.
//!
//! A record is never overwritten and never deleted: whether its number is taken is
//! what keeps writers apart. So one that is damaged stays, its snapshot is written
//! once more under the next number, as a copy of what another destination has (rule
//! R7), and a record of kind `mend` says that the old number is given up. Where a
//! record is gone, its number is taken again first, by an object that nobody can
//! mistake for a record: else the log would end there, and a writer that was asleep
//! could still take the number.
//!
//! A list that can be made anew byte for byte goes back under its own key. Where it
//! cannot, as in a sealed repository, its snapshots are written again like those
//! whose records are lost.
//!
//! Which snapshot a lost record had is not guessed: another destination must have
//! one that was never readable here, of a generation that fits between the records
//! around the number, and whose packs lie here.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use lifeboat_format::id::{PackId, SnapshotId};
use lifeboat_format::numbers::{NumberSet, RecordNo};
use lifeboat_format::record::{Latest, RecordKind, State, Trashed, burnt};
use lifeboat_format::repair::{MAX_REPAIRS, healed_id};
use lifeboat_remote::rounds::Claim;

use super::{HealExtent, HealReport};
use crate::backup::MAX_TRIES;
use crate::check::{Data, Lost, Survey};
use crate::collect::Object;
use crate::error::{ReadError, WriteError};
use crate::log::{Committed, Draft, Head, RECORD_LIMIT};
use crate::ownership::Ownership;
use crate::repository::Database;
use crate::snapshots::Snapshot;
use crate::store::token_of;

/// A snapshot that another destination has.
struct There<'a> {
    source: &'a Database,
    snapshot: Snapshot,
    packs: Vec<PackId>,
}

/// What lies here, by its name.
#[derive(Default)]
struct Here {
    packs: HashSet<PackId>,
    archives: HashSet<String>,
    /// The packs that readable snapshots name, and their archives.
    named: HashSet<PackId>,
    named_archives: HashSet<String>,
}

impl Database {
    /// Puts back lists, and writes anew what lost records and lists had. Returns
    /// whether anything was done.
    pub(super) async fn heal_log(
        &self,
        survey: &Survey,
        extent: &HealExtent,
        ownership: &Ownership,
        report: &mut HealReport,
    ) -> Result<bool, WriteError> {
        let mut listless = NumberSet::default();
        let mut lists = false;
        for (object, datum) in &survey.data {
            if !survey.findings.names(object) {
                continue;
            }
            if let Data::Attachment { is_list: true, .. } = &datum.data {
                // Others name the same files by lists of their own.
                datum.needed_by.iter().for_each(|number| {
                    listless.insert(number);
                });
            }
            let Data::List(reference) = &datum.data else { continue };
            let put = match self.list_anew(reference, survey).await? {
                Ok(bytes) => self.put_anew(object, bytes).await?,
                Err(why) => Err(why),
            };
            match put {
                Ok(()) => {
                    report.healed.push(object.clone());
                    lists = true;
                }
                Err(_) => datum.needed_by.iter().for_each(|number| {
                    listless.insert(number);
                }),
            }
        }
        if lists {
            return Ok(true);
        }
        // Where there is no record at all, nobody knows that there should be one.
        if survey.newest.is_none() || survey.lost.is_empty() && listless.is_empty() {
            return Ok(false);
        }
        for (number, _) in survey.lost.iter().filter(|(_, lost)| **lost == Lost::Absent) {
            // That the newest are gone may be meant: that is not settled in passing.
            if survey.newest < Some(*number) && *extent == HealExtent::Shown {
                report.leave(self.record_key(*number), "it was seen here before, and is gone");
                return Ok(false);
            }
            self.burn(*number).await?;
            report.healed.push(self.record_key(*number));
        }
        let head = match self.head(None).await {
            Ok(head) => head,
            // Another record in the place of one that was seen: somebody has to look.
            Err(error) if error.is_damage() => {
                report.leave("records", error.to_string());
                return Ok(false);
            }
            Err(error) => return Err(error.into()),
        };
        let mut plan = self.plan_mending(&head, survey, &listless, extent, report).await?;
        for (number, id) in std::mem::take(&mut plan.wanted) {
            match self.write_again(&plan.there, &id, survey, &listless, ownership).await? {
                Ok(to) => plan.moved.push((number, id, to)),
                Err(why) => report.leave(self.record_key(number), why),
            }
        }
        plan.moved.iter().for_each(|(number, ..)| {
            plan.subject.insert(*number);
        });
        if plan.subject.is_empty() {
            return Ok(false);
        }
        self.commit_mend(&plan).await?;
        report.moved.extend(plan.moved.into_iter().map(|(_, id, to)| (id, to)));
        report.given_up.extend(plan.subject.iter());
        Ok(true)
    }

    /// Takes a number whose record is gone.
    async fn burn(&self, number: RecordNo) -> Result<(), WriteError> {
        let key = self.keys.record(number);
        let claim = Claim {
            key: &key,
            bodies: &self.keys.record_body(number),
            rounds: &self.keys.record_rounds(number),
            digest: token_of,
            limit: RECORD_LIMIT,
        };
        tracing::warn!(record = number.0, "a record is gone; its number is taken again");
        // Whoever was faster has taken it.
        let _ = self.remote().claim(&claim, burnt(self.keyring().is_some()).into()).await?;
        Ok(())
    }

    /// Decides what becomes of each number.
    async fn plan_mending<'a>(
        &'a self,
        head: &Head,
        survey: &Survey,
        listless: &NumberSet,
        extent: &HealExtent,
        report: &mut HealReport,
    ) -> Result<Mending<'a>, WriteError> {
        let state = head.state();
        let last_good = head.record.as_ref().map_or(RecordNo(0), |record| record.number());
        let mut plan = Mending { there: self.there().await, ..Mending::default() };
        let here = self.here(survey).await?;
        let mut used: BTreeSet<SnapshotId> = BTreeSet::new();
        let numbers: BTreeSet<RecordNo> =
            survey.lost.keys().copied().chain(listless.iter()).collect();
        for number in numbers {
            let holds = state.alive.contains(number) || state.is_trashed(number);
            if state.partial == Some(number) || !(holds || number > last_good) {
                // Nothing needs it: a partial upload is said anew by whoever goes on.
                plan.subject.insert(number);
                continue;
            }
            let known = survey.records.get(&number).and_then(|record| record.body.as_ref());
            let id = match known {
                Some(body) => Some(body.snapshot_id.clone()),
                None => twin_of(number, survey, &plan.there, &here, &used),
            };
            // Written again by an earlier run that was killed.
            let again = id.as_ref().and_then(|id| survey.again(id, number, listless));
            match (id, again) {
                (Some(id), Some(to)) => {
                    used.insert(id.clone());
                    plan.moved.push((number, id, to));
                }
                (Some(id), None) if plan.there.iter().any(|one| *one.snapshot.id() == id) => {
                    used.insert(id.clone());
                    plan.wanted.push((number, id));
                }
                _ if holds => {
                    let why = "no other destination has its snapshot";
                    report.leave(self.record_key(number), why);
                }
                _ if *extent == HealExtent::Shown
                    || self.others().is_empty()
                    || here.has_strangers(&plan.there) =>
                {
                    let why = "nobody knows what the newest record said; the next backup goes \
                               on without it";
                    report.leave(self.record_key(number), why);
                }
                _ => {
                    plan.subject.insert(number);
                }
            }
        }
        Ok(plan)
    }

    /// The snapshots of the others, each once.
    async fn there(&self) -> Vec<There<'_>> {
        let mut there: Vec<There<'_>> = Vec::new();
        for source in self.others() {
            let listing = match source.snapshots(None).await {
                Ok(listing) => listing,
                Err(error) => {
                    tracing::info!(%error, "what lies there is not known");
                    continue;
                }
            };
            for snapshot in listing.snapshots {
                let packs = match source.pack_list(snapshot.record()).await {
                    Ok(list) => list.packs.iter().map(|entry| entry.pack).collect(),
                    Err(error) => {
                        tracing::info!(%error, "it cannot be read there");
                        continue;
                    }
                };
                there.push(There { source, snapshot, packs });
            }
        }
        there.sort_by_key(|one| one.snapshot.body().generation);
        there
    }

    async fn here(&self, survey: &Survey) -> Result<Here, ReadError> {
        let mut here = Here::default();
        for listed in self.listed_objects().await? {
            match listed.object {
                Object::Pack(pack, _) => drop(here.packs.insert(pack)),
                Object::Archive(name) => drop(here.archives.insert(name.to_string())),
                Object::List(_)
                | Object::Repair(..)
                | Object::Attached(..)
                | Object::Attachment(_) => {}
            }
        }
        here.named.extend(survey.repairs.iter().map(|(pack, ..)| pack));
        for datum in survey.data.values() {
            match &datum.data {
                Data::Pack(entry) => drop(here.named.insert(entry.pack)),
                Data::Archive { name, .. } => drop(here.named_archives.insert(name.to_string())),
                Data::Attachment { .. } | Data::List(_) => {}
            }
        }
        Ok(here)
    }

    /// Copies a snapshot from whichever of the others has it whole.
    async fn write_again(
        &self,
        there: &[There<'_>],
        id: &SnapshotId,
        survey: &Survey,
        listless: &NumberSet,
        ownership: &Ownership,
    ) -> Result<Result<RecordNo, String>, WriteError> {
        let mut why = "no other destination has its snapshot".to_owned();
        let gone: NumberSet = survey.lost.keys().copied().chain(listless.iter()).collect();
        for one in there.iter().filter(|one| one.snapshot.id() == id) {
            match self.copy_beside(one.source, &one.snapshot, ownership, &gone).await {
                Ok(number) => return Ok(Ok(number)),
                Err(WriteError::Read(error)) if error.is_damage() => why = error.to_string(),
                Err(error @ WriteError::HeldByOther { .. }) => why = error.to_string(),
                Err(error) => return Err(error),
            }
        }
        Ok(Err(why))
    }

    /// Says which numbers are given up, and what stands in their place.
    async fn commit_mend(&self, plan: &Mending<'_>) -> Result<(), WriteError> {
        let mut head = self.head(None).await?;
        for _ in 0..MAX_TRIES {
            let mut state = head.state();
            for (from, _, to) in &plan.moved {
                put_in_place(&mut state, *from, *to);
            }
            for number in plan.subject.iter() {
                state.alive.remove(number);
                state.trash.retain(|trashed| trashed.number != number);
                state.pins.remove(number);
                state.partial = state.partial.filter(|partial| *partial != number);
            }
            if state.latest.is_none_or(|latest| !state.alive.contains(latest.number)) {
                state.latest = self.latest_among(&state).await?;
            }
            let mut draft = Draft::new(RecordKind::Mend, state);
            draft.subject = plan.subject.clone();
            match self.commit(&mut head, draft).await? {
                Committed::Done(_) => return Ok(()),
                Committed::Lost => {
                    self.advance(&mut head).await?;
                }
            }
        }
        Err(WriteError::Contention { tries: MAX_TRIES })
    }

    /// The living snapshot of the highest generation, of those that can be read.
    async fn latest_among(&self, state: &State) -> Result<Option<Latest>, ReadError> {
        let mut latest = None;
        for number in state.alive.iter() {
            let generation = match self.record(number).await {
                Ok(record) => record.body.as_ref().map_or(0, |body| body.generation),
                Err(error) if error.is_damage() => 0,
                Err(error) => return Err(error),
            };
            latest = latest.max(Some((generation, number)));
        }
        Ok(latest.map(|(generation, number)| Latest { number, generation }))
    }
}

impl Here {
    /// Whether something lies here that no snapshot explains: a lost record may have
    /// had it.
    fn has_strangers(&self, there: &[There<'_>]) -> bool {
        let elsewhere = there.iter().flat_map(|one| one.packs.iter());
        let mut known: HashSet<PackId> = self.named.iter().chain(elsewhere).copied().collect();
        let healed: Vec<PackId> =
            (1..=MAX_REPAIRS).flat_map(|k| known.iter().map(move |id| healed_id(*id, k))).collect();
        known.extend(healed);
        let archives: HashSet<&str> = there
            .iter()
            .filter_map(|one| Database::archive_of(one.snapshot.body()))
            .map(|name| name.as_str())
            .chain(self.named_archives.iter().map(String::as_str))
            .collect();
        self.packs.iter().any(|pack| !known.contains(pack))
            || self.archives.iter().any(|name| !archives.contains(name.as_str()))
    }
}

/// What becomes of lost records.
#[derive(Default)]
struct Mending<'a> {
    there: Vec<There<'a>>,
    /// What is to be written again.
    wanted: Vec<(RecordNo, SnapshotId)>,
    /// What was: from which number, and to which.
    moved: Vec<(RecordNo, SnapshotId, RecordNo)>,
    /// The numbers that are given up.
    subject: NumberSet,
}

/// A snapshot that was written again is what the first one was.
fn put_in_place(state: &mut State, from: RecordNo, to: RecordNo) {
    if state.pins.contains(from) {
        state.pins.insert(to);
    }
    let trashed = state.trash.iter().find(|trashed| trashed.number == from).copied();
    if let Some(Trashed { since, .. }) = trashed {
        state.alive.remove(to);
        state.trash.push(Trashed { number: to, since });
    }
}

/// The snapshot that a lost record must have had; pure.
fn twin_of(
    number: RecordNo,
    survey: &Survey,
    there: &[There<'_>],
    here: &Here,
    used: &BTreeSet<SnapshotId>,
) -> Option<SnapshotId> {
    let generations: &BTreeMap<RecordNo, u64> = &survey.generations;
    let below = generations.range(..number).next_back().map_or(0, |(_, generation)| *generation);
    let above = generations.range(number..).next().map_or(u64::MAX, |(_, generation)| *generation);
    let fits = |one: &There<'_>| {
        let (id, body) = (one.snapshot.id(), one.snapshot.body());
        let readable = survey.ever.get(id).is_some_and(|numbers| {
            // A copy that was made after the number was lost is no other snapshot.
            numbers.iter().any(|at| *at < number || !survey.is_copy(*at, body.generation))
        });
        if readable || used.contains(id) || body.generation > above {
            return false;
        }
        let is_new = body.generation > below;
        match Database::archive_of(body) {
            Some(name) => here.archives.contains(name.as_str()),
            None => {
                let own: Vec<_> =
                    one.packs.iter().filter(|pack| !here.named.contains(pack)).collect();
                own.iter().all(|pack| here.packs.contains(pack)) && (is_new || !own.is_empty())
            }
        }
    };
    there.iter().find(|one| fits(one)).map(|one| one.snapshot.id().clone())
}

impl Survey {
    /// Whether the record of this number is a copy of a snapshot that is older than
    /// what the log had seen.
    fn is_copy(&self, number: RecordNo, generation: u64) -> bool {
        let before = self.generations.range(..number).next_back();
        before.is_some_and(|(_, seen)| generation <= *seen)
    }

    /// Another number under which a snapshot lies whole.
    fn again(&self, id: &SnapshotId, not: RecordNo, listless: &NumberSet) -> Option<RecordNo> {
        let numbers = self.ever.get(id)?;
        let whole = |at: &&RecordNo| {
            **at != not && self.state.alive.contains(**at) && !listless.contains(**at)
        };
        numbers.iter().rev().find(whole).copied()
    }
}
