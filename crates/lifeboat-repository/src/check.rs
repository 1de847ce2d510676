//! Verification: what is referenced is there, and is what it was.
//!
//! Three depths, each with what the ones before do: the log, the lists and what
//! they refer to; the presence and size of every object; the bytes of every
//! object, or of a share of them. A share goes on where the last one stopped, so
//! that all is read in the end. What was read and found is stored in `checks/`.

mod depth;
mod keys;
mod read;
mod survey;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use lifeboat_format::check::{CheckKind, CheckResult, Finding, Positions, position};
use lifeboat_format::geometry::Geometry;
use lifeboat_format::id::SnapshotId;
use lifeboat_format::key;
use lifeboat_format::numbers::{NumberSet, RecordNo};
use lifeboat_format::record::Content;

use crate::error::{ReadError, WriteError};
use crate::images::{Composed, HashFiles};
use crate::progress::{Event, Listener, Progress};
use crate::repository::Database;
pub use depth::{Depth, Share};
pub(crate) use read::MAX_ATTACHMENT_LEN;
use survey::GONE;
pub(crate) use survey::{Data, Datum, Lost, Survey};

/// How a check is made.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct CheckOptions {
    /// How deep it goes.
    pub depth: Depth,
    /// No object is begun after this time.
    pub max_duration: Option<Duration>,
    /// The newest record that is meant, where it is not the highest seen.
    pub expect: Option<RecordNo>,
    /// Who listens.
    pub progress: Option<Arc<dyn Progress>>,
}

impl CheckOptions {
    /// A check of a depth.
    pub fn of_depth(depth: Depth) -> Self {
        Self { depth, ..Self::default() }
    }
}

/// What a check found.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CheckReport {
    /// What was stored of it.
    pub result: CheckResult,
    /// The key of the result; none if there was nothing to check, or the store
    /// refuses to keep it.
    pub key: Option<String>,
    /// The living snapshots, whose records can be read or not.
    pub alive: NumberSet,
    /// The living snapshots of which this check has read and proven every byte.
    pub verified: NumberSet,
    /// The living snapshots that something was found of.
    pub broken: NumberSet,
    /// What people call the snapshots, alive and in the trash, whose records can
    /// be read.
    pub called: Called,
    /// What the check before has told already, is still so, and hurts nobody: a
    /// record that was passed over, a result that proves nothing.
    pub known: Vec<Finding>,
    /// Objects that no snapshot needs, and their sizes. No finding: they wait
    /// for the next collection.
    pub orphans: Vec<(String, u64)>,
    /// How many data objects there are, and how many bytes they have.
    pub objects: u64,
    /// The size of those objects in bytes.
    pub bytes: u64,
    /// The share of the data objects that was to be read was read to its end.
    pub complete: bool,
}

/// What people call snapshots: findings have only their numbers.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Called {
    /// Their ids.
    pub ids: BTreeMap<RecordNo, SnapshotId>,
    /// Those of them that are in the trash.
    pub trash: NumberSet,
}

impl CheckReport {
    /// Whether nothing was found.
    pub fn is_ok(&self) -> bool {
        self.result.findings.is_empty()
    }
}

/// Findings, one for each object and trouble.
#[derive(Debug, Default)]
pub(crate) struct Findings(BTreeMap<(String, String), NumberSet>);

impl Findings {
    pub(crate) fn add(
        &mut self,
        object: impl Into<String>,
        what: impl Into<String>,
        snapshots: &NumberSet,
    ) {
        let all = self.0.entry((object.into(), what.into())).or_default();
        for number in snapshots.iter() {
            all.insert(number);
        }
    }

    pub(crate) fn hit(&self, number: RecordNo) -> bool {
        self.0.values().any(|snapshots| snapshots.contains(number))
    }

    pub(crate) fn names(&self, object: &str) -> bool {
        self.0.keys().any(|(named, _)| named == object)
    }

    /// All of them.
    pub(crate) fn list(&self) -> Vec<Finding> {
        Self(self.0.clone()).into_list()
    }

    fn into_list(self) -> Vec<Finding> {
        let finding = |((object, what), snapshots): ((String, String), _)| Finding {
            object,
            what,
            snapshots,
        };
        self.0.into_iter().map(finding).collect()
    }
}

/// An error in the words of a finding, which names the object already.
pub(crate) fn words(error: &ReadError) -> String {
    match error {
        ReadError::Missing { kind, .. } => format!("{kind} is missing"),
        ReadError::Unusable { source, .. } => source.to_string(),
        error => error.to_string(),
    }
}

/// What was read of the data objects.
#[derive(Debug, Default)]
struct Reading {
    ranges: Vec<Positions>,
    objects: u64,
    bytes: u64,
    complete: bool,
}

impl Database {
    /// Checks what is stored, and stores what came of it.
    ///
    /// Damage is no error but a finding; an error means that it is not known,
    /// and nothing is stored. Cancelled or killed, it leaves no result.
    pub async fn check(&self, options: &CheckOptions) -> Result<CheckReport, WriteError> {
        let (mut report, survey, _) = self.examine(options).await?;
        let known = self.told_before(&report.result.findings, &survey).await?;
        if !report.alive.is_empty() || !report.result.findings.is_empty() {
            report.key = match self.record_check_if_allowed(&report.result).await {
                Ok(key) => key,
                // What was found is not lost because it cannot be stored.
                Err(error) if !report.is_ok() => {
                    tracing::warn!(%error, "the result cannot be stored");
                    None
                }
                Err(error) => return Err(error),
            };
        }
        // The result has them all, so that the next check knows that they were told.
        (report.known, report.result.findings) =
            report.result.findings.into_iter().partition(|finding| known.contains(&finding.object));
        Ok(report)
    }

    /// Of these findings the ones that the check before has told, and that cannot
    /// be mended nor do any harm: to tell them for ever would hide what is new.
    async fn told_before(
        &self,
        findings: &[Finding],
        survey: &Survey,
    ) -> Result<Vec<String>, ReadError> {
        let harmless: Vec<&Finding> =
            findings.iter().filter(|one| self.is_harmless(one, findings, survey)).collect();
        if harmless.is_empty() {
            return Ok(Vec::new());
        }
        for name in self.check_names().await?.iter().rev() {
            let result = match self.check_result(name).await {
                Ok(Some(result)) if result.kind == CheckKind::Check => result,
                Ok(_) | Err(ReadError::Unusable { .. }) => continue,
                Err(error) => return Err(error),
            };
            let told = harmless.into_iter().filter(|finding| {
                let same = |one: &Finding| one.object == finding.object && one.what == finding.what;
                result.findings.iter().any(same)
            });
            return Ok(told.map(|finding| finding.object.clone()).collect());
        }
        Ok(Vec::new())
    }

    /// Whether nothing depends on an object, now or later: a result of a check or
    /// a repair that cannot be read, or a record that others followed and that is
    /// of no snapshot that there is.
    fn is_harmless(&self, finding: &Finding, all: &[Finding], survey: &Survey) -> bool {
        let followed = |number| survey.last_good.is_some_and(|last| number < last);
        let key = format!("{}/{}", self.keys.root(), finding.object);
        let passed_over = self.keys.record_number(&key).is_some_and(followed);
        // Where the content of a pack lies now matters while snapshots lack it.
        let lacked = |pack: &str| {
            all.iter().any(|one| !one.snapshots.is_empty() && one.object.contains(pack))
        };
        let is_result = match finding.object.split('/').collect::<Vec<_>>()[..] {
            ["checks", ..] => true,
            ["repairs", pack, ..] => !lacked(pack),
            _ => false,
        };
        // A hole in the log is where it ends for whoever looks for its end.
        let is_there = finding.what != GONE;
        finding.snapshots.is_empty() && is_there && (is_result || passed_over)
    }

    /// Checks what is stored, and changes nothing. Also returns what the
    /// repository was found to hold, and the hashes of the packs that were read.
    pub(crate) async fn examine(
        &self,
        options: &CheckOptions,
    ) -> Result<(CheckReport, Survey, HashFiles), ReadError> {
        let started = self.local().now();
        let listener = Listener(options.progress.clone());
        let files = HashFiles::new(self)?;
        let mut survey = self.survey(options.expect).await?;
        let mut orphans = Vec::new();
        if options.depth != Depth::References {
            orphans = self.check_presence(&mut survey).await?;
        }
        let mut reading = Reading { complete: true, ..Reading::default() };
        if let Depth::Data(share) = options.depth {
            let deadline = options.max_duration.map(|most| started + most);
            reading = self.read_share(&mut survey, share, deadline, &files, &listener).await?;
            if reading.ranges == [Positions::ALL] {
                let all = survey.snapshots();
                self.check_images(&mut survey, &all, &files).await?;
            }
        }
        if reading.ranges != [Positions::ALL] {
            let doubtful = survey.partly_lost.clone();
            self.check_images(&mut survey, &doubtful, &files).await?;
        }
        let newest = survey.newest.unwrap_or(RecordNo(0));
        let mut result = self.begin_check(CheckKind::Check, newest)?;
        (result.started_at, result.finished_at) = (started, self.local().now());
        result.snapshots = survey.snapshots();
        let alive = survey.state.alive.clone();
        let is_broken = |number: &RecordNo| survey.findings.hit(*number);
        let broken: NumberSet = alive.iter().filter(is_broken).collect();
        let whole = alive.iter().filter(|number| !survey.findings.hit(*number));
        let read_all = reading.ranges == [Positions::ALL];
        let verified = whole.filter(|_| read_all).collect();
        let (objects, bytes) = survey.sizes();
        result.findings = std::mem::take(&mut survey.findings).into_list();
        (result.objects_read, result.bytes_read) = (reading.objects, reading.bytes);
        result.read = reading.ranges;
        let report = CheckReport {
            result,
            key: None,
            alive,
            verified,
            broken,
            called: survey.called(),
            known: Vec::new(),
            orphans,
            objects,
            bytes,
            complete: reading.complete,
        };
        Ok((report, survey, files))
    }

    /// Looks whether every object is there with its size; returns what nobody
    /// needs. What a listing does not show, or shows otherwise, is asked for.
    pub(crate) async fn check_presence(
        &self,
        survey: &mut Survey,
    ) -> Result<Vec<(String, u64)>, ReadError> {
        let mut sizes: BTreeMap<String, u64> = BTreeMap::new();
        for listed in self.listed_objects().await? {
            sizes.insert(listed.object.key(), listed.size);
        }
        for (relative, datum) in &survey.data {
            let Some(expected) = datum.data.size() else {
                sizes.remove(relative);
                continue;
            };
            let mut found = sizes.remove(relative);
            if found != Some(expected) {
                found = self.remote().size(&self.keys.at(relative)).await?;
            }
            match found {
                Some(size) if size == expected => {}
                Some(size) => {
                    let what = format!("has {size} bytes instead of {expected}");
                    survey.findings.add(relative, what, &datum.needed_by);
                }
                None => survey.findings.add(relative, "is missing", &datum.needed_by),
            }
        }
        if survey.blind {
            return Ok(Vec::new());
        }
        sizes.retain(|relative, _| !survey.kept.contains(relative));
        Ok(sizes.into_iter().collect())
    }

    /// Reads the share of the objects that is asked for.
    async fn read_share(
        &self,
        survey: &mut Survey,
        share: Share,
        deadline: Option<time::OffsetDateTime>,
        files: &HashFiles,
        listener: &Listener,
    ) -> Result<Reading, ReadError> {
        let data = survey.data.iter().filter(|(_, datum)| datum.data.size().is_some());
        let mut objects: Vec<(u64, String)> =
            data.map(|(relative, _)| (position(relative), relative.clone())).collect();
        objects.sort();
        let (_, all_bytes) = survey.sizes();
        let resumes = !matches!(share, Share::Part { .. } | Share::All) || deadline.is_some();
        let cursor = if resumes { self.proofs(&survey.state.alive).await?.cursor } else { 0 };
        let (wanted, most) = match share {
            Share::All => (Positions::ALL, u64::MAX),
            Share::Part { n, of } => (part(n, of), u64::MAX),
            Share::Percent(percent) => {
                (Positions::ALL, (all_bytes as f64 * percent / 100.0).ceil() as u64)
            }
            Share::Bytes(bytes) => (Positions::ALL, bytes),
        };
        objects.retain(|(at, _)| wanted.contains(*at));
        let sizes = objects.iter().filter_map(|(_, relative)| survey.data[relative].data.size());
        listener.tell(Event::Checking { bytes: sizes.sum::<u64>().min(most) });
        let start = if wanted.contains(cursor) { cursor } else { wanted.first };
        let split = objects.partition_point(|(at, _)| *at < start);
        objects.rotate_left(split);
        let mut reading = Reading { complete: true, ..Reading::default() };
        let mut end = None;
        let mut in_order = objects.into_iter().peekable();
        while let Some((at, relative)) = in_order.next() {
            let late = deadline.is_some_and(|deadline| self.local().now() >= deadline);
            if late || reading.bytes >= most {
                reading.complete = false;
                break;
            }
            let datum = &survey.data[&relative];
            let (bytes, found) = self.read_object(&relative, datum, files, listener).await?;
            reading.objects += 1;
            reading.bytes += bytes;
            if let Some(what) = found.filter(|_| !survey.findings.names(&relative)) {
                survey.findings.add(&relative, what, &datum.needed_by);
            }
            // Two objects at one position are read together or not at all.
            end = (in_order.peek().is_none_or(|(next, _)| *next != at)).then_some(at).or(end);
        }
        reading.ranges = match end {
            _ if reading.complete => vec![wanted],
            None => Vec::new(),
            Some(end) if end >= start => vec![Positions { first: start, last: end }],
            Some(end) => vec![
                Positions { first: start, last: wanted.last },
                Positions { first: wanted.first, last: end },
            ],
        };
        Ok(reading)
    }

    /// Puts every image together from the hashes in its packs: packs that are
    /// whole one by one must also be the image that the record says.
    async fn check_images(
        &self,
        survey: &mut Survey,
        numbers: &NumberSet,
        files: &HashFiles,
    ) -> Result<(), ReadError> {
        for number in numbers.iter() {
            let Some(record) = survey.records.get(&number) else { continue };
            let Some(body) = record.body.as_ref().filter(|_| !survey.findings.hit(number)) else {
                continue;
            };
            let (Content::Pages { .. }, Some(geometry)) = (&body.content, body.geometry()) else {
                continue;
            };
            let (expected, record) = (body.image_digest, Arc::clone(record));
            let list = self.pack_list(&record).await?;
            let healed = survey.repairs.apply(list.packs, number);
            let found = match self.compose(geometry, &healed, files).await {
                Ok(found) => found,
                Err(ReadError::Unusable { key, source }) => {
                    let object = self.relative_to_root(&key);
                    let only = std::iter::once(number).collect();
                    survey.findings.add(object, source.to_string(), &only);
                    continue;
                }
                Err(error) => return Err(error),
            };
            if let Some(what) = disagreement(&found, &expected, geometry) {
                let only = std::iter::once(number).collect();
                survey.findings.add(self.record_key(number), what, &only);
            }
        }
        Ok(())
    }

    /// The key of a record, relative to the folder of the database.
    pub(crate) fn record_key(&self, number: RecordNo) -> String {
        let key = self.keys.record(number);
        key.strip_prefix(&format!("{}/", self.keys.root())).unwrap_or(&key).to_owned()
    }
}

/// What a finding says of a snapshot that lacks blocks, and is right otherwise.
pub(crate) const LACKS_BLOCKS: &str = "blocks are in none of its packs";

fn disagreement(
    found: &Composed,
    expected: &lifeboat_format::digest::Digest,
    geometry: Geometry,
) -> Option<String> {
    match found {
        Composed::Image(digest) if digest == expected => None,
        Composed::Image(_) => Some("its packs give another image than the one it names".into()),
        Composed::Missing { first, count } => Some(format!(
            "{count} of {} {LACKS_BLOCKS}, the first of them {first}",
            geometry.block_count()
        )),
    }
}

/// The `n`-th of so many equal parts of all positions.
fn part(n: u32, of: u32) -> Positions {
    let (n, of) = (u128::from(n.max(1)), u128::from(of.max(1)));
    let edge = |n: u128| (n << 64) / of;
    Positions { first: edge(n - 1) as u64, last: (edge(n) - 1) as u64 }
}

impl Survey {
    /// The sizes of data objects.
    fn sizes(&self) -> (u64, u64) {
        let bytes = self.data.values().filter_map(|datum| datum.data.size()).sum();
        let count = self.data.values().filter(|datum| datum.data.size().is_some()).count();
        (count as u64, bytes)
    }
}

/// The key of a data object, relative to the folder of the database.
pub(crate) fn relative(data: &Data) -> String {
    match data {
        Data::Pack(entry) => key::pack(entry),
        Data::Archive { name, .. } => key::archive(name),
        Data::Attachment { id, .. } => format!("attachments/{id}"),
        Data::List(list) => key::list(list.id),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_all_and_do_not_overlap() {
        for of in [1, 2, 3, 7, 100] {
            let parts: Vec<Positions> = (1..=of).map(|n| part(n, of)).collect();
            assert_eq!((parts[0].first, parts[parts.len() - 1].last), (0, u64::MAX));
            assert!(parts.windows(2).all(|pair| pair[0].last + 1 == pair[1].first), "{of}");
        }
    }
}
