//! Mending: what is damaged is found, and the content of damaged packs is made
//! anew of what still has it: their own frames that are whole, other packs, and
//! the live database.
//!
//! What is made goes into new packs, to which `repairs/` points. Nothing is
//! taken away that could still be used: a damaged pack stays until no snapshot
//! names it any more.

mod archives;
mod back;
mod content;
mod lists;
mod sink;

use std::collections::{BTreeMap, HashSet};

use lifeboat_format::check::{CheckKind, Finding};
use lifeboat_format::digest::BlockHash;
use lifeboat_format::geometry::BlockNo;
use lifeboat_format::id::{PackId, Suffix};
use lifeboat_format::key;
use lifeboat_format::list::PackEntry;
use lifeboat_format::numbers::NumberSet;
use lifeboat_format::pack::WrittenPack;
use lifeboat_format::record::Content;
use lifeboat_format::repair::{self, MAX_REPAIRS, Repair, healed_id};
use lifeboat_format::source::PageSource;
use lifeboat_remote::Created;
use lifeboat_remote::rounds::Claim;

use crate::check::{Called, CheckOptions, Data, Depth, Share, Survey};
use crate::collect::{CollectOptions, CollectReport};
use crate::error::{BackupError, ReadError, WriteError};
use crate::heal::HealReport;
use crate::images::{Composed, HashFiles};
use crate::local::random;
use crate::repository::Database;
use crate::store::token_of;
use content::Wanted;

/// What a repair did, or would do.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RepairReport {
    /// Everything that was found, before anything was mended.
    pub findings: Vec<Finding>,
    /// What becomes of each damaged pack.
    pub packs: Vec<MendedPack>,
    /// What becomes of damaged or missing lists of packs and archives. Where
    /// nothing is written, the packs that such a list names have not been read.
    pub objects: Vec<MendedObject>,
    /// The living snapshots that were broken.
    pub broken: NumberSet,
    /// Those of them that are whole with what was mended.
    pub mended: NumberSet,
    /// The living snapshots that are whole in the end.
    pub whole: NumberSet,
    /// What people call the snapshots.
    pub called: Called,
    /// What is still wrong in the end.
    pub left: Vec<Finding>,
    /// What was put back under its own key or written again, from its own remains
    /// or from other destinations.
    pub back: HealReport,
    /// What was collected, or would be.
    pub collected: CollectReport,
    /// Whether anything was written.
    pub applied: bool,
    /// The key of the result in `checks/`, if anything was written.
    pub key: Option<String>,
}

/// A damaged pack.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct MendedPack {
    /// Its key, relative to the folder of the database.
    pub object: String,
    /// How many blocks it held, as far as that is known.
    pub blocks: u64,
    /// How many of them can be had from what is whole of it and of other packs.
    pub from_packs: u64,
    /// How many can be had from the live database.
    pub from_database: u64,
    /// The pack that has them now, or would have; none where there is nothing
    /// to put into it.
    pub healed: Option<String>,
    /// Why nothing could be done, where nothing could.
    pub hindrance: Option<&'static str>,
}

impl MendedPack {
    /// How many blocks are lost.
    pub fn lost(&self) -> u64 {
        self.blocks - self.from_packs - self.from_database
    }
}

/// An object that can be made anew byte for byte, or cannot.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MendedObject {
    /// Its key, relative to the folder of the database.
    pub object: String,
    /// Why nothing could be done, where nothing could.
    pub hindrance: Option<&'static str>,
}

/// A pack that was made, and what it is for.
struct Made {
    pack: WrittenPack,
    k: u32,
    repair: Repair,
}

impl RepairReport {
    /// Whether everything that was found is mended.
    pub fn is_mended(&self) -> bool {
        self.left.is_empty()
    }
}

impl Database {
    /// Reads everything, and mends what can be mended; only says so without
    /// `apply`. The live database helps, where there is one.
    ///
    /// Killed or cancelled, it has mended some packs and not others, each whole;
    /// run again, it goes on.
    pub async fn repair<S: PageSource + 'static>(
        &self,
        mut source: Option<S>,
        apply: bool,
        options: CollectOptions,
    ) -> Result<(Option<S>, RepairReport), BackupError<S::Error>> {
        let all = CheckOptions::of_depth(Depth::Data(Share::All));
        let (mut report, mut survey, mut files) = self.examine(&all).await?;
        let (mut before, mut broken_before) = (Vec::new(), NumberSet::default());
        let mut back = HealReport::default();
        if apply && !report.is_ok() {
            back = self.heal_found(survey, &report.result.findings).await?;
            broken_before = report.broken.clone();
            let found = std::mem::take(&mut report.result.findings);
            (report, survey, files) = self.examine(&all).await?;
            let left = |one: &Finding| {
                report.result.findings.iter().any(|still| still.object == one.object)
            };
            before.extend(found.into_iter().filter(|one| !left(one)));
        }
        let mut lists = Vec::new();
        loop {
            let found = self.mend_lists(&survey, &report.result.findings, apply).await?;
            let (anew, not): (Vec<MendedObject>, Vec<MendedObject>) =
                found.into_iter().partition(|list| list.hindrance.is_none());
            let again = apply && !anew.is_empty();
            if again {
                // What a list names is looked at only now that it can be read; and
                // it may say what others were.
                let is_anew = |one: &Finding| anew.iter().any(|list| list.object == one.object);
                before.extend(report.result.findings.into_iter().filter(is_anew));
                broken_before = broken_before.iter().chain(report.broken.iter()).collect();
                (report, survey, files) = self.examine(&all).await?;
            }
            lists.extend(anew);
            if !again {
                lists.extend(not);
                break;
            }
        }
        let findings = report.result.findings.clone();
        let damaged: Vec<(PackEntry, NumberSet)> = findings
            .iter()
            .filter_map(|finding| match &survey.data.get(&finding.object)?.data {
                Data::Pack(entry) => Some((*entry, finding.snapshots.clone())),
                _ => None,
            })
            .collect();
        let broken_packs: HashSet<PackId> = damaged.iter().map(|(entry, _)| entry.pack).collect();
        let mut packs = MendedPack::put_back(&back, &before, &survey);
        lists.extend(MendedObject::put_back(&back));
        let mut comes_back = HashSet::new();
        for (entry, hit) in &damaged {
            if !apply && self.pack_again(entry).await?.is_some() {
                packs.push(MendedPack::whole(entry));
                comes_back.insert(key::pack(entry));
                continue;
            }
            let (back, mended, made) =
                self.mend(source, entry, hit, &broken_packs, &survey, &files).await?;
            source = back;
            packs.push(mended);
            let Some(made) = made else { continue };
            if apply {
                self.put_repair(&made).await?;
            }
            survey.repairs.insert(made.k, made.repair);
        }
        let (source, archives) = self.mend_archives(source, &survey, &findings, apply).await?;
        let mut rest = self.findings_left(&findings, &survey, &files).await?;
        let is_anew = |one: &Finding| {
            archives.iter().any(|a| a.hindrance.is_none() && a.object == one.object)
        };
        rest.retain(|finding| !is_anew(finding) && !comes_back.contains(&finding.object));
        lists.extend(archives);
        let still: NumberSet = rest.iter().flat_map(|one| one.snapshots.iter()).collect();
        for number in broken_before.iter() {
            report.broken.insert(number);
        }
        let mended = report.broken.iter().filter(|number| !still.contains(*number)).collect();
        let whole = report.alive.iter().filter(|number| !still.contains(*number)).collect();
        let mut key = None;
        let collected = if apply {
            if !findings.is_empty() || !before.is_empty() {
                report.result.kind = CheckKind::Repair;
                report.result.findings.clone_from(&rest);
                key = Some(self.record_check(&report.result).await?);
            }
            self.collect(options).await
        } else {
            self.would_collect(options).await.map_err(WriteError::from)
        };
        let collected = match collected {
            // What nobody can read may need anything: nothing is deleted.
            Err(WriteError::Read(error)) if error.is_damage() => {
                tracing::warn!(%error, "nothing is collected");
                CollectReport::default()
            }
            collected => collected?,
        };
        before.extend(findings);
        let report = RepairReport {
            findings: before,
            packs,
            objects: lists,
            broken: report.broken,
            mended,
            whole,
            called: report.called,
            left: rest,
            back,
            collected,
            applied: apply,
            key,
        };
        Ok((source, report))
    }

    /// Makes the pack that takes a damaged one's place.
    async fn mend<S: PageSource + 'static>(
        &self,
        source: Option<S>,
        entry: &PackEntry,
        hit: &NumberSet,
        broken: &HashSet<PackId>,
        survey: &Survey,
        files: &HashFiles,
    ) -> Result<(Option<S>, MendedPack, Option<Made>), BackupError<S::Error>> {
        let mut mended = MendedPack {
            object: key::pack(entry),
            blocks: u64::from(entry.blocks),
            from_packs: 0,
            from_database: 0,
            healed: None,
            hindrance: None,
        };
        // A pack that healed another one, and is damaged itself, is made again
        // in the place of the first.
        let before = survey.repairs.iter().find(|(_, _, repair)| repair.healed.pack == entry.pack);
        let (pack, k, lost_before) = match before {
            Some((pack, k, repair)) => (pack, k + 1, repair.lost_blocks().collect()),
            None => (entry.pack, survey.repairs.count(entry.pack) + 1, Vec::new()),
        };
        if k > MAX_REPAIRS {
            mended.hindrance = Some("it was repaired too often");
            return Ok((source, mended, None));
        }
        let (source, wanted) = self.wanted(source, entry, hit, broken, survey, files).await?;
        let Some(mut wanted) = wanted else {
            mended.hindrance = Some(
                "it is not known which pages it held, and no live database says so: it has \
                 changed, or is not here",
            );
            return Ok((source, mended, None));
        };
        mended.blocks = wanted.len() as u64;
        self.take_from_packs(entry, &mut wanted, broken, survey, files).await?;
        let id = healed_id(pack, k);
        let (source, content) = self.write_healed(source, id, wanted).await?;
        mended.from_packs = content.from_packs;
        mended.from_database = content.from_database;
        let Some(written) = content.pack else {
            mended.hindrance = Some("none of its pages are anywhere else");
            return Ok((source, mended, None));
        };
        let healed = written.entry(Suffix::from_bytes(random()));
        files.keep(&healed, &content.hashes).map_err(ReadError::from)?;
        mended.healed = Some(key::pack(&healed));
        let mut lost = content.lost.clone();
        lost.extend(lost_before);
        lost.sort();
        lost.dedup();
        let mut repair = Repair {
            repository: self.repository.info().repository,
            database: self.name.clone(),
            pack,
            healed,
            lost: runs(&lost),
            only_for: None,
            by: self.local().installation().map_err(ReadError::from)?.clone(),
            at: self.local().now(),
        };
        if !content.knows_all {
            let whole = self.proven_with(&repair, k, hit, survey, files).await?;
            if whole.is_empty() {
                mended.hindrance = Some("the live database has changed since");
                (mended.healed, mended.from_packs, mended.from_database) = (None, 0, 0);
                return Ok((source, mended, None));
            }
            repair.only_for = Some(whole);
        }
        Ok((source, mended, Some(Made { pack: written, k, repair })))
    }

    /// The snapshots, of those hit, whose image is right with a repair.
    async fn proven_with(
        &self,
        repair: &Repair,
        k: u32,
        hit: &NumberSet,
        survey: &Survey,
        files: &HashFiles,
    ) -> Result<NumberSet, ReadError> {
        let mut repairs = survey.repairs.clone();
        repairs.insert(k, repair.clone());
        let mut whole = NumberSet::default();
        for number in hit.iter() {
            if self.is_whole_with(number, &repairs, survey, files).await? {
                whole.insert(number);
            }
        }
        Ok(whole)
    }

    async fn is_whole_with(
        &self,
        number: lifeboat_format::numbers::RecordNo,
        repairs: &crate::repairs::Repairs,
        survey: &Survey,
        files: &HashFiles,
    ) -> Result<bool, ReadError> {
        let Some(record) = survey.records.get(&number) else { return Ok(false) };
        let Some(body) = &record.body else { return Ok(false) };
        let (Content::Pages { .. }, Some(geometry)) = (&body.content, body.geometry()) else {
            return Ok(false);
        };
        let list = match self.pack_list(record).await {
            Ok(list) => list,
            Err(error) if error.is_damage() => return Ok(false),
            Err(error) => return Err(error),
        };
        let healed = repairs.apply(list.packs, number);
        match self.compose(geometry, &healed, files).await {
            Ok(found) => Ok(found == Composed::Image(body.image_digest)),
            Err(error) if error.is_damage() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// What is still wrong with the repairs that there are now.
    async fn findings_left(
        &self,
        findings: &[Finding],
        survey: &Survey,
        files: &HashFiles,
    ) -> Result<Vec<Finding>, ReadError> {
        let mut whole: BTreeMap<_, bool> = BTreeMap::new();
        let mut rest = Vec::new();
        for finding in findings {
            let datum = survey.data.get(&finding.object);
            let Some(Data::Pack(entry)) = datum.map(|datum| &datum.data) else {
                rest.push(finding.clone());
                continue;
            };
            let mut left = NumberSet::default();
            for number in finding.snapshots.iter() {
                let named = survey.repairs.iter().any(|(pack, _, repair)| {
                    let this = pack == entry.pack || repair.healed.pack == entry.pack;
                    this && survey.repairs.of(pack, number).is_some_and(|r| r.healed != *entry)
                });
                let is_whole = match whole.get(&number) {
                    Some(is_whole) => *is_whole,
                    None => {
                        let found =
                            self.is_whole_with(number, &survey.repairs, survey, files).await?;
                        whole.insert(number, found);
                        found
                    }
                };
                if !(named && is_whole) {
                    left.insert(number);
                }
            }
            if !left.is_empty() {
                rest.push(Finding { snapshots: left, ..finding.clone() });
            }
        }
        Ok(rest)
    }

    /// Stores a pack that was made, and then what says so. Killed between the
    /// two, the pack is there for nothing.
    async fn put_repair(&self, made: &Made) -> Result<(), WriteError> {
        let key = self.keys.at(&key::pack(&made.repair.healed));
        if self.remote().create(&key, made.pack.concat().into()).await? == Created::Exists {
            return Err(WriteError::Contention { tries: 1 });
        }
        // What was stored is read back before anything points to it.
        self.pack_hashes(&made.repair.healed).await?;
        self.claim_repair(&made.repair, made.k).await
    }

    /// Says where the content of a pack lies now. Another may be mending the same
    /// pack: one of the two repairs counts, and who made the other is told.
    pub(crate) async fn claim_repair(&self, made: &Repair, k: u32) -> Result<(), WriteError> {
        let object = repair::encode(made, k, &self.home());
        let pack = made.pack;
        let claim = Claim {
            key: &self.keys.at(&repair::key(pack, k)),
            bodies: &self.keys.repair_body(pack, k),
            rounds: &self.keys.repair_rounds(pack, k),
            digest: token_of,
            limit: repair::MAX_REPAIR_LEN,
        };
        match self.remote().claim(&claim, object.into()).await? {
            Created::New => Ok(()),
            Created::Exists => Err(WriteError::Contention { tries: 1 }),
        }
    }
}

/// Blocks, ascending, as runs of first block and count.
fn runs(blocks: &[BlockNo]) -> Vec<(u32, u32)> {
    blocks.chunk_by(|a, b| a.0 + 1 == b.0).map(|run| (run[0].0, run.len() as u32)).collect()
}

/// What was put into a pack, and from where.
struct Healed {
    pack: Option<WrittenPack>,
    hashes: Vec<(BlockNo, BlockHash)>,
    lost: Vec<BlockNo>,
    from_packs: u64,
    from_database: u64,
    /// It was known which blocks the damaged pack held.
    knows_all: bool,
}

impl Wanted {
    fn len(&self) -> usize {
        self.blocks.len()
    }
}
