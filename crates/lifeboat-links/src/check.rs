//! Both sides compared: rows that name missing objects, and objects that no row
//! names.
//!
//! Rows are read before objects are listed: whatever a row named then was put
//! before, and a listing that does not show it contradicts the store itself.

mod join;

use std::ops::ControlFlow;

use futures::StreamExt;
use lifeboat_remote::{Listed, RemoteError};

use self::join::Join;
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
    /// One more.
    pub fn count_one(&mut self, example: impl FnOnce() -> String) {
        self.add(example);
    }

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
        let mut checked = self.nothing_checked()?;
        let mentions = self.mentions(&mut checked)?;
        let objects = self.objects(&mut checked).await?;
        let io = |error| self.options.scratch(error);
        let mut join = Join::new(self, checked);
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
            if join.waits() >= BATCH {
                join.ask().await?;
            }
        }
        join.named(&last, times)?;
        join.ask().await?;
        Ok(join.finish())
    }

    pub(crate) fn nothing_checked(&self) -> Result<Checked, LinksError> {
        Ok(Checked {
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
        })
    }

    /// All rows, by the keys they name.
    pub(crate) fn mentions(&self, checked: &mut Checked) -> Result<Sorted, LinksError> {
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
                Err(Passed::Unusable { row, why }) => {
                    counts.unusable += 1;
                    let detail = why.to_owned();
                    let finding = Finding {
                        kind: Kind::Unusable,
                        key: row.key.clone(),
                        mention: Some(*row),
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
    pub(crate) async fn objects(&self, checked: &mut Checked) -> Result<Sorted, LinksError> {
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
            if checked.repository.is_none() && belongs_to_backups(&key) {
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

/// Whether an object is a record of a repository of ours, or the object with which one
/// begins. What mends links must never take backups for objects that nobody needs.
fn belongs_to_backups(key: &str) -> bool {
    let mut parts = key.rsplit('/');
    let number = parts.next().unwrap_or_default();
    if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return false;
    }
    match parts.next() {
        Some("format") => true,
        Some("records") => number.len() == 20 && parts.nth(1) == Some("databases"),
        _ => false,
    }
}

fn broken_file() -> LinksError {
    let source = std::io::ErrorKind::InvalidData.into();
    LinksError::Scratch { path: "the cache directory".into(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_of_backups_are_recognised() {
        assert!(belongs_to_backups("app/databases/app/records/00000000000000000001"));
        assert!(belongs_to_backups("databases/app/records/00000000000000000001"));
        assert!(!belongs_to_backups("databases/app/records/1"));
        assert!(!belongs_to_backups("photos/app/records/00000000000000000001"));
        assert!(belongs_to_backups("format/1"));
        assert!(belongs_to_backups("app/format/12"));
        assert!(!belongs_to_backups("app/format/one"));
        assert!(!belongs_to_backups("app/format/"));
    }
}
