//! Both sides compared: rows that name missing objects, and objects that no row
//! names.
//!
//! Rows are read before objects are listed: whatever a row named then was put
//! before, and a listing that does not show it contradicts the store itself.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use futures::StreamExt;
use lifeboat_remote::{Listed, RemoteError};

use crate::error::LinksError;
use crate::finding::{Finding, Findings, Kind, Seen};
use crate::group::{Cursor, Group};
use crate::mention::{Mention, Passed};
use crate::probe::{Probe, is_probe};
use crate::sort::Sorted;

/// So many rows wait at most for what the store says of their objects.
const BATCH: usize = 4096;

/// What our own objects beside others begin with.
pub(crate) const OWN: &str = ".lifeboat/";

/// How many of what there are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Rows that name objects.
    pub mentions: u64,
    /// Those whose object is as it should be.
    pub healthy: u64,
    /// Rows whose object is missing.
    pub broken: u64,
    /// Rows of whose object the store did not say anything.
    pub unknown: u64,
    /// Rows whose object has another size.
    pub wrong_size: u64,
    /// Rows whose object has another digest.
    pub wrong_digest: u64,
    /// Rows with a digest that the store cannot be asked for.
    pub uncompared: u64,
    /// Rows that hold no key.
    pub unusable: u64,
    /// Rows that name something elsewhere.
    pub elsewhere: u64,
}

/// Something of which there may be many, and one of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Several {
    /// How many.
    pub count: u64,
    /// One of them.
    pub example: String,
}

impl Several {
    pub(crate) fn add(&mut self, example: impl FnOnce() -> String) {
        if self.count == 0 {
            self.example = example();
        }
        self.count += 1;
    }
}

/// What was compared, and what was found.
#[derive(Debug)]
#[non_exhaustive]
pub struct Checked {
    /// The rules, by their position.
    pub rules: Vec<Counts>,
    /// Objects in the store, ours beside others left out.
    pub objects: u64,
    /// Objects that no row names, and their bytes.
    pub orphaned: u64,
    /// Their bytes.
    pub orphaned_bytes: u64,
    /// Objects that no row names, too young to count.
    pub young: u64,
    /// Objects that several rows name.
    pub duplicates: u64,
    /// Objects in quarantine.
    pub quarantined: u64,
    /// Tests that somebody left, and whether they survived.
    pub probes: Vec<Probe>,
    /// Objects that are there, and old, and that the listing did not show.
    pub unlisted: Several,
    /// Objects that the store did not say anything of, and what it said instead.
    pub unanswered: Several,
    /// A record of backups among the objects.
    pub repository: Option<String>,
    /// Everything that is wrong, one by one.
    pub findings: Findings,
}

impl Checked {
    /// All rules together.
    pub fn all(&self) -> Counts {
        let mut all = Counts::default();
        for one in &self.rules {
            all.mentions += one.mentions;
            all.healthy += one.healthy;
            all.broken += one.broken;
            all.unknown += one.unknown;
            all.wrong_size += one.wrong_size;
            all.wrong_digest += one.wrong_digest;
            all.uncompared += one.uncompared;
            all.unusable += one.unusable;
            all.elsewhere += one.elsewhere;
        }
        all
    }

    /// Whether all is as it should be.
    pub fn is_well(&self) -> bool {
        let all = self.all();
        let wrong = all.broken + all.unknown + all.wrong_size + all.wrong_digest + all.unusable;
        wrong + self.orphaned + self.unlisted.count == 0 && self.probes.iter().all(Probe::survived)
    }

    /// Why the store cannot be believed, so that nothing may be mended.
    pub fn doubt(&self) -> Option<String> {
        if self.unlisted.count > 0 {
            return Some(format!(
                "the listing does not show {} objects that are there, such as {}: it is stale, or \
                 ends early",
                self.unlisted.count, self.unlisted.example
            ));
        }
        (self.unanswered.count > 0).then(|| {
            format!(
                "the store did not say whether {} objects are there: {}",
                self.unanswered.count, self.unanswered.example
            )
        })
    }

    /// Why no object may be moved away.
    pub fn doubt_about_orphans(&self) -> Option<String> {
        if let Some(doubt) = self.doubt() {
            return Some(doubt);
        }
        if let Some(record) = &self.repository {
            return Some(format!(
                "backups lie there as well ({record}): name a folder of their own for the objects"
            ));
        }
        let unusable = self.all().unusable;
        (unusable > 0).then(|| {
            format!("{unusable} rows hold what is no key, and may mean any of these objects")
        })
    }
}

impl Group {
    /// Compares both sides. Nothing is changed anywhere.
    ///
    /// Reads databases, which blocks, and lists the store once; an object that a
    /// row names and the listing does not show is asked for by itself.
    pub async fn check(&self) -> Result<Checked, LinksError> {
        let mut checked = Checked {
            rules: vec![Counts::default(); self.sources.len()],
            objects: 0,
            orphaned: 0,
            orphaned_bytes: 0,
            young: 0,
            duplicates: 0,
            quarantined: 0,
            probes: Vec::new(),
            unlisted: Several::default(),
            unanswered: Several::default(),
            repository: None,
            findings: Findings::new(&self.options.scratch)?,
        };
        let mentions = self.mentions(&mut checked)?;
        let objects = self.objects(&mut checked).await?;
        let io = |error| self.options.scratch(error);
        let mut join = Join { group: self, checked, waiting: Vec::new(), probes: BTreeMap::new() };
        let mut rows = Cursor::new(mentions).map_err(io)?;
        let mut there = Cursor::new(objects).map_err(io)?;
        let (mut last, mut times) = (Vec::new(), 0u64);
        loop {
            let mention = match (rows.key(), there.key()) {
                (None, None) => break,
                (Some(row), object) => object.is_none_or(|object| row <= object),
                (None, Some(_)) => false,
            };
            if !mention {
                join.orphan(&there.entry.key, &there.entry.payload)?;
                there.next_key().map_err(io)?;
                continue;
            }
            // Several rows may name one object.
            if rows.entry.key == last {
                times += 1;
            } else {
                join.named(&last, times)?;
                last.clone_from(&rows.entry.key);
                times = 1;
            }
            let row = Mention::of(&rows.entry.key, &rows.entry.payload).ok_or_else(broken_file)?;
            let seen = (there.key() == Some(&rows.entry.key))
                .then(|| Seen::of(&there.entry.payload).ok_or_else(broken_file))
                .transpose()?;
            join.row(row, seen)?;
            rows.advance().map_err(io)?;
            if rows.key() != Some(&last) && there.key() == Some(&last) {
                there.next_key().map_err(io)?;
            }
            if join.waiting.len() >= BATCH {
                join.ask().await?;
            }
        }
        join.named(&last, times)?;
        join.ask().await?;
        join.checked.probes = join.probes.into_values().collect();
        Ok(join.checked)
    }

    /// All rows, by the keys they name.
    fn mentions(&self, checked: &mut Checked) -> Result<Sorted, LinksError> {
        let io = |error| self.options.scratch(error);
        let mut sorter = self.sorter();
        let mut payload = Vec::new();
        for (at, source) in self.sources.iter().enumerate() {
            let Checked { rules, findings, .. } = checked;
            let counts = &mut rules[at];
            source.read(&mut |told| match told {
                Ok(mention) => {
                    if !is_probe(&mention.key) {
                        counts.mentions += 1;
                    }
                    mention.payload(&mut payload);
                    sorter.push(mention.key.as_bytes(), &payload).map_err(io)
                }
                Err(Passed::Elsewhere) => {
                    counts.elsewhere += 1;
                    Ok(())
                }
                Err(Passed::Unusable { value, why }) => {
                    counts.unusable += 1;
                    let detail = why.to_owned();
                    let finding = Finding {
                        kind: Kind::Unusable,
                        key: value,
                        mention: None,
                        seen: None,
                        rule: Some(at),
                        detail,
                    };
                    findings.push(&finding).map_err(io)
                }
            })?;
        }
        sorter.finish().map_err(io)
    }

    /// All objects, by their keys. One listing, in whatever order it comes.
    async fn objects(&self, checked: &mut Checked) -> Result<Sorted, LinksError> {
        let mut sorter = self.sorter();
        let (mut failed, mut payload) = (None, Vec::new());
        let quarantine = format!("{}/", self.options.quarantine);
        let each = |object: Listed| {
            let key = object.key.clone();
            if key.starts_with(&quarantine) {
                checked.quarantined += 1;
                return ControlFlow::Continue(());
            }
            if key.starts_with(OWN) {
                return ControlFlow::Continue(());
            }
            if checked.repository.is_none() && is_record(&key) {
                checked.repository = Some(key.clone());
            }
            checked.objects += u64::from(!is_probe(&key));
            Seen::from(object).payload(&mut payload);
            match sorter.push(key.as_bytes(), &payload) {
                Ok(()) => ControlFlow::Continue(()),
                Err(error) => {
                    failed = Some(error);
                    ControlFlow::Break(())
                }
            }
        };
        self.store.list_each("", each).await?;
        let failed = failed.map_or(Ok(()), Err).and_then(|()| sorter.finish());
        failed.map_err(|error| self.options.scratch(error))
    }

    /// Asks the store for objects one by one, several at once.
    pub(crate) async fn ask(
        &self,
        keys: Vec<String>,
    ) -> Vec<(String, Result<Option<Seen>, RemoteError>)> {
        let asked = keys.into_iter().map(|key| async move {
            let seen = self.store.stat(&key).await;
            (key, seen.map(|seen| seen.map(Seen::from)))
        });
        futures::stream::iter(asked).buffer_unordered(self.store.concurrency()).collect().await
    }
}

/// Whether an object is a record of a repository of ours. What mends links must
/// never take backups for objects that nobody needs.
fn is_record(key: &str) -> bool {
    let mut parts = key.rsplit('/');
    let number = parts.next().unwrap_or_default();
    number.len() == 20
        && number.bytes().all(|byte| byte.is_ascii_digit())
        && parts.next() == Some("records")
        && parts.nth(1) == Some("databases")
}

fn broken_file() -> LinksError {
    let source = std::io::ErrorKind::InvalidData.into();
    LinksError::Scratch { path: "the cache directory".into(), source }
}

/// Something whose object is asked for.
enum Waiting {
    Row(Mention),
    /// An object of no bytes: some stores list a folder as one.
    Orphan(String, Seen),
}

impl Waiting {
    fn key(&self) -> &str {
        match self {
            Self::Row(mention) => &mention.key,
            Self::Orphan(key, _) => key,
        }
    }
}

struct Join<'g> {
    group: &'g Group,
    checked: Checked,
    waiting: Vec<Waiting>,
    probes: BTreeMap<String, Probe>,
}

impl Join<'_> {
    fn found(&mut self, finding: &Finding) -> Result<(), LinksError> {
        let pushed = self.checked.findings.push(finding);
        pushed.map_err(|error| self.group.options.scratch(error))
    }

    fn about(
        &mut self,
        kind: Kind,
        row: Mention,
        seen: Option<Seen>,
        detail: String,
    ) -> Result<(), LinksError> {
        let (key, rule) = (row.key.clone(), Some(row.rule));
        self.found(&Finding { kind, key, mention: Some(row), seen, rule, detail })
    }

    fn probe(&mut self, key: &str) -> &mut Probe {
        self.probes.entry(key.to_owned()).or_insert_with(|| Probe::new(key))
    }

    fn row(&mut self, row: Mention, seen: Option<Seen>) -> Result<(), LinksError> {
        match seen {
            None => {
                self.waiting.push(Waiting::Row(row));
                Ok(())
            }
            Some(seen) => self.paired(row, seen),
        }
    }

    fn paired(&mut self, row: Mention, seen: Seen) -> Result<(), LinksError> {
        if is_probe(&row.key) {
            let probe = self.probe(&row.key.clone());
            probe.object = true;
            probe.rows.push(row);
            return Ok(());
        }
        let rule = row.rule;
        if let Some(size) = row.size
            && size != seen.size
        {
            self.checked.rules[rule].wrong_size += 1;
            let detail = format!("{} bytes, and the row says {size}", seen.size);
            return self.about(Kind::WrongSize, row, Some(seen), detail);
        }
        match row.digest.as_deref().map(|digest| compare(digest, seen.etag.as_deref())) {
            Some(Compared::Differs) => {
                self.checked.rules[rule].wrong_digest += 1;
                let detail = format!(
                    "{}, and the row says {}",
                    seen.etag.as_deref().unwrap_or_default(),
                    row.digest.as_deref().unwrap_or_default()
                );
                return self.about(Kind::WrongDigest, row, Some(seen), detail);
            }
            Some(Compared::Cannot) => self.checked.rules[rule].uncompared += 1,
            Some(Compared::Same) | None => {}
        }
        self.checked.rules[rule].healthy += 1;
        Ok(())
    }

    fn orphan(&mut self, key: &[u8], payload: &[u8]) -> Result<(), LinksError> {
        let key = String::from_utf8(key.to_vec()).map_err(|_| broken_file())?;
        let seen = Seen::of(payload).ok_or_else(broken_file)?;
        if is_probe(&key) {
            self.probe(&key).object = true;
            return Ok(());
        }
        if self.group.options.is_young(seen.modified) {
            self.checked.young += 1;
            return Ok(());
        }
        if seen.size == 0 {
            self.waiting.push(Waiting::Orphan(key, seen));
            return Ok(());
        }
        self.orphaned(key, seen)
    }

    fn orphaned(&mut self, key: String, seen: Seen) -> Result<(), LinksError> {
        self.checked.orphaned += 1;
        self.checked.orphaned_bytes += seen.size;
        let kind = Kind::Orphaned;
        let seen = Some(seen);
        self.found(&Finding { kind, key, mention: None, seen, rule: None, detail: String::new() })
    }

    /// So many rows named one object.
    fn named(&mut self, key: &[u8], times: u64) -> Result<(), LinksError> {
        let key = String::from_utf8_lossy(key).into_owned();
        if times < 2 || is_probe(&key) {
            return Ok(());
        }
        self.checked.duplicates += 1;
        let (kind, detail) = (Kind::Duplicate, format!("{times} rows name it"));
        self.found(&Finding { kind, key, mention: None, seen: None, rule: None, detail })
    }

    /// Has the store say what the listing left open.
    async fn ask(&mut self) -> Result<(), LinksError> {
        let waiting = std::mem::take(&mut self.waiting);
        let mut keys: Vec<String> = waiting.iter().map(|one| one.key().to_owned()).collect();
        keys.sort_unstable();
        keys.dedup();
        let answers: BTreeMap<_, _> = self.group.ask(keys).await.into_iter().collect();
        for (key, answer) in &answers {
            if let Err(error) = answer {
                self.checked.unanswered.add(|| format!("{key}: {}", error.what));
            }
        }
        let mut doubted = String::new();
        for one in waiting {
            match (one, &answers) {
                (Waiting::Orphan(key, seen), answers) => {
                    if !matches!(answers.get(&key), Some(Ok(None))) {
                        self.orphaned(key, seen)?;
                    }
                }
                (Waiting::Row(row), answers) => match answers.get(&row.key) {
                    Some(Ok(Some(seen))) => {
                        if !self.group.options.is_young(seen.modified) && row.key != doubted {
                            doubted.clone_from(&row.key);
                            self.checked.unlisted.add(|| doubted.clone());
                        }
                        self.paired(row, seen.clone())?;
                    }
                    Some(Ok(None)) if is_probe(&row.key) => {
                        self.probe(&row.key.clone()).rows.push(row);
                    }
                    Some(Ok(None)) => {
                        self.checked.rules[row.rule].broken += 1;
                        self.about(Kind::Broken, row, None, String::new())?;
                    }
                    Some(Err(error)) => {
                        self.checked.rules[row.rule].unknown += 1;
                        let detail = error.what.to_string();
                        self.about(Kind::Unknown, row, None, detail)?;
                    }
                    None => return Err(broken_file()),
                },
            }
        }
        Ok(())
    }
}

enum Compared {
    Same,
    Differs,
    /// The store calls these bytes something that is not their MD5.
    Cannot,
}

fn compare(recorded: &str, etag: Option<&str>) -> Compared {
    let is_md5 = |text: &str| text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit());
    let recorded = recorded.trim_start_matches("W/").trim_matches('"');
    match etag {
        Some(etag) if etag.eq_ignore_ascii_case(recorded) => Compared::Same,
        // Of parts there is an ETag, which was recorded as such or is of no use.
        Some(etag) if is_md5(etag) && is_md5(recorded) => Compared::Differs,
        Some(etag) if etag.contains('-') && recorded.contains('-') => Compared::Differs,
        _ => Compared::Cannot,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_of_backups_are_recognised() {
        assert!(is_record("app/databases/app/records/00000000000000000001"));
        assert!(is_record("databases/app/records/00000000000000000001"));
        assert!(!is_record("databases/app/records/1"));
        assert!(!is_record("photos/app/records/00000000000000000001"));
    }
}
