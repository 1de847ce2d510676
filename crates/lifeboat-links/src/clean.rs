//! Objects that no row names, moved to quarantine or deleted, and brought back.

use futures::StreamExt;
use lifeboat_remote::objects::ObjectError;

use crate::check::Checked;
use crate::error::{LinksError, chain};
use crate::finding::{Finding, Findings, Kind, Seen};
use crate::group::{Cursor, Group};

/// Above this share of objects that no row names, it is more likely that the rows
/// are the wrong ones.
const MANY_PERCENT: u64 = 50;

/// So many objects are taken in hand at once.
const BATCH: usize = 256;

/// What happens to orphaned objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Removal {
    /// They are moved to a folder, from where they can be brought back.
    Quarantine,
    /// They are deleted for good, unless the store keeps versions.
    Delete,
}

/// What cleaning did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CleanReport {
    /// The name of what was done, under which it can be taken back.
    pub run: String,
    /// Objects that were moved or deleted.
    pub removed: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Objects that a row names by now.
    pub mentioned: u64,
    /// Objects that are not what they were when they were listed, or gone.
    pub changed: u64,
    /// Objects that stayed where they are, and why.
    pub failed: Vec<(String, String)>,
}

/// What taking it back did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BackReport {
    /// The name of what was taken back.
    pub run: String,
    /// Objects that are back.
    pub back: u64,
    /// Objects that stayed in quarantine, and why.
    pub failed: Vec<(String, String)>,
}

impl Checked {
    /// Refuses to move objects of a store that cannot be believed, and more of them
    /// than anybody expects.
    pub fn may_clean(&self, expected: Option<u64>) -> Result<(), LinksError> {
        let doing = "move orphaned objects";
        if let Some(why) = self.doubt_about_orphans() {
            let storage = self.doubt().is_some();
            return Err(LinksError::Doubtful { doing, why, storage });
        }
        let many = self.orphaned * 100 > self.objects * MANY_PERCENT;
        let other = expected.is_some_and(|expected| expected != self.orphaned);
        if other || (many && expected.is_none()) {
            return Err(LinksError::Unexpected {
                doing,
                found: self.orphaned,
                of: self.objects,
                what: "objects are named by no row",
                expected,
                option: "--expect-orphaned",
            });
        }
        Ok(())
    }
}

enum Moved {
    Removed(u64),
    Changed,
    Failed(String, String),
}

impl Group {
    /// A name for what is about to be moved to quarantine, that nothing there has yet:
    /// two within a second must not lie over each other.
    pub async fn name_of_run(&self, mut wanted: String) -> Result<String, LinksError> {
        let runs = self.runs().await?;
        while runs.contains(&wanted) {
            wanted.push_str("-2");
        }
        Ok(wanted)
    }

    /// Moves orphaned objects away, or deletes them. All rows are read again
    /// first, and each object is looked at again. `run` names what is done.
    ///
    /// An object is copied, the copy looked at, and only then the original deleted:
    /// killed at any time, each is in one place or in both.
    pub async fn clean(
        &self,
        checked: &mut Checked,
        removal: Removal,
        run: &str,
    ) -> Result<CleanReport, LinksError> {
        let mut report = CleanReport { run: run.to_owned(), ..CleanReport::default() };
        let mut orphans = self.still_orphaned(checked, &mut report).await?;
        let mut reader = orphans.reader()?;
        loop {
            let mut batch = Vec::new();
            while batch.len() < BATCH
                && let Some(finding) = reader.next()?
            {
                batch.push(finding);
            }
            if batch.is_empty() {
                return Ok(report);
            }
            let moving = batch.into_iter().map(|finding| self.take_away(finding, removal, run));
            let mut moving =
                futures::stream::iter(moving).buffer_unordered(self.store.concurrency());
            while let Some(moved) = moving.next().await {
                match moved {
                    Moved::Removed(bytes) => {
                        report.removed += 1;
                        report.bytes += bytes;
                    }
                    Moved::Changed => report.changed += 1,
                    Moved::Failed(key, why) => report.failed.push((key, why)),
                }
            }
        }
    }

    /// The orphaned objects that no row names by now.
    async fn still_orphaned(
        &self,
        checked: &mut Checked,
        report: &mut CleanReport,
    ) -> Result<Findings, LinksError> {
        let io = |error| self.options.scratch(error);
        let (mut rows, mut objects) = (self.sorter(), self.sorter());
        for source in &self.sources {
            source.read(&mut |told| match told {
                Ok(mention) => rows.push(mention.key.as_bytes(), &[]).map_err(io),
                Err(_) => Ok(()),
            })?;
        }
        let mut payload = Vec::new();
        checked.findings.read(|finding| match (finding.kind, &finding.seen) {
            (Kind::Orphaned, Some(seen)) => {
                seen.payload(&mut payload);
                objects.push(finding.key.as_bytes(), &payload).map_err(io)
            }
            _ => Ok(()),
        })?;
        let mut rows = Cursor::new(rows.finish().map_err(io)?).map_err(io)?;
        let mut objects = Cursor::new(objects.finish().map_err(io)?).map_err(io)?;
        let mut left = Findings::new(&self.options.scratch)?;
        while let Some(key) = objects.key() {
            while rows.key().is_some_and(|row| row < key) {
                rows.advance().map_err(io)?;
            }
            if rows.key() == Some(key) {
                report.mentioned += 1;
            } else {
                let finding = Finding {
                    kind: Kind::Orphaned,
                    key: String::from_utf8_lossy(key).into_owned(),
                    mention: None,
                    seen: Seen::of(&objects.entry.payload),
                    rule: None,
                    detail: String::new(),
                };
                left.push(&finding).map_err(io)?;
            }
            objects.advance().map_err(io)?;
        }
        Ok(left)
    }

    async fn take_away(&self, finding: Finding, removal: Removal, run: &str) -> Moved {
        let Finding { key, seen, .. } = finding;
        let away = async {
            let now = self.store.stat(&key).await?.map(Seen::from);
            let is_same = |now: &Seen| seen.as_ref().is_some_and(|seen| seen.is_same(now));
            let Some(now) = now.filter(is_same) else {
                return Ok(None);
            };
            if removal == Removal::Quarantine {
                let to = format!("{}/{run}/{key}", self.options.quarantine);
                if !self.copied(&key, &to, now.size).await? {
                    return Ok(None);
                }
            }
            self.store.delete(std::slice::from_ref(&key)).await?;
            Ok::<_, ObjectError>(Some(now.size))
        };
        match away.await {
            Ok(Some(size)) => Moved::Removed(size),
            Ok(None) => Moved::Changed,
            Err(error) => Moved::Failed(key, chain(&error)),
        }
    }

    /// Copies an object and looks at the copy; false if there is none to copy.
    async fn copied(&self, from: &str, to: &str, size: u64) -> Result<bool, ObjectError> {
        if !self.store.copy(from, to).await? {
            return Ok(false);
        }
        let copy = self.store.stat(to).await?;
        if copy.is_none_or(|copy| copy.size != size) {
            let provider = self.store.shown().to_owned();
            return Err(ObjectError::Differs { provider, key: to.to_owned() });
        }
        Ok(true)
    }

    /// The names of what was moved to quarantine, the oldest first.
    pub async fn runs(&self) -> Result<Vec<String>, LinksError> {
        Ok(self.store.folders(&self.options.quarantine).await?)
    }

    /// Brings back what was moved to quarantine under a name, or the last of them.
    /// An object that has been put meanwhile under the same key stays.
    ///
    /// Killed at any time, each object is in one place or in both; the same again
    /// goes on.
    pub async fn bring_back(&self, run: Option<&str>) -> Result<Option<BackReport>, LinksError> {
        let runs = self.runs().await?;
        let run = match run {
            Some(run) => runs.into_iter().find(|known| known == run),
            None => runs.into_iter().next_back(),
        };
        let Some(run) = run else { return Ok(None) };
        let folder = format!("{}/{run}", self.options.quarantine);
        let mut report = BackReport { run, ..BackReport::default() };
        let listed = self.store.list(&folder).await?;
        let back = listed.into_iter().map(|object| {
            let key = object.key.strip_prefix(&folder).unwrap_or_default().trim_start_matches('/');
            let key = key.to_owned();
            async move {
                let why = match self.put_back(&object.key, &key).await {
                    Ok(why) => why.map(ToOwned::to_owned),
                    Err(error) => Some(chain(&error)),
                };
                (key, why)
            }
        });
        let mut back = futures::stream::iter(back).buffer_unordered(self.store.concurrency());
        while let Some((key, why)) = back.next().await {
            match why {
                None => report.back += 1,
                Some(why) => report.failed.push((key, why)),
            }
        }
        Ok(Some(report))
    }

    async fn put_back(&self, from: &str, key: &str) -> Result<Option<&'static str>, ObjectError> {
        let Some(away) = self.store.stat(from).await? else { return Ok(None) };
        match self.store.stat(key).await? {
            // Killed the last time, between the copy and the deletion.
            Some(there) if there.size == away.size && there.etag == away.etag => {}
            Some(_) => return Ok(Some("another object lies under its key by now")),
            None => {
                if !self.copied(from, key, away.size).await? {
                    return Ok(Some("it is gone from quarantine"));
                }
            }
        }
        self.store.delete(&[from.to_owned()]).await?;
        Ok(None)
    }
}
